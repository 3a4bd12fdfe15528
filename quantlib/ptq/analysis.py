"""Where does the error come from? Layers looked at one by one, and one after the other."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from quantlib._validation import check_flag, check_integer
from quantlib.evaluation import check_dataset, evaluate, evaluating
from quantlib.metrics import rmse, sqnr_db
from quantlib.models import check_model
from quantlib.packed.tensor import pack
from quantlib.ptq.graph import as_images, check_graph
from quantlib.ptq.integer import IntegerNetwork

__all__ = [
    "LayerReport",
    "Report",
    "layer_errors",
    "one_at_a_time",
    "partly",
    "report",
    "up_to",
]


@dataclass(frozen=True)
class LayerReport:
    """What quantization did to one layer."""

    name: str
    #: What it is: the type's name.
    kind: str
    #: Bits of the weights; None if it has none, or they stayed real.
    bit_width: int | None
    #: Bytes of the weights' codes and scales, and of the bias.
    nbytes: int
    #: Signal-to-quantization-noise ratio of the weights, in decibels; None without any.
    weight_sqnr_db: float | None
    #: Root mean square error of the layer's results, with everything before it quantized, too.
    rmse: float
    #: Signal-to-quantization-noise ratio of the same.
    sqnr_db: float
    #: That of the network's output if this layer alone is quantized; None if not asked for.
    alone_db: float | None = None


@dataclass(frozen=True)
class Report:
    """What post-training quantization did to a network. To print it shows a table."""

    #: tuple of LayerReport, in the order of computing.
    layers: tuple
    #: Bytes of the network's parameters and buffers in floating point.
    nbytes_before: int
    #: Bytes of the network in whole numbers.
    nbytes: int
    #: Share of the test images that the float network classifies correctly; None without data.
    accuracy_before: float | None = None
    #: The same of the network in whole numbers.
    accuracy: float | None = None

    @property
    def worst(self):
        """The name of the layer that, quantized alone, costs the output most; None if not asked."""
        found = [layer for layer in self.layers if layer.alone_db is not None]
        return min(found, key=lambda layer: layer.alone_db).name if found else None

    def _texts(self):
        """Return the names and the kinds."""
        return [layer.name for layer in self.layers], [layer.kind for layer in self.layers]

    def __str__(self):
        name, kind = (max(map(len, texts)) + 2 for texts in self._texts())
        lines = [
            f"{'':<{name + kind}}{'bits':>4}{'bytes':>9}{'weights':>10}{'results':>10}{'alone':>10}"
        ]
        for layer in self.layers:
            numbers = (layer.weight_sqnr_db, layer.sqnr_db, layer.alone_db)
            lines.append(
                f"{layer.name:<{name}}{layer.kind:<{kind}}{layer.bit_width or '':>4}"
                f"{layer.nbytes:>9,}"
                + "".join(f"{'' if x is None else f'{x:.1f} dB':>10}" for x in numbers)
            )
        lines.append(
            f"size  {self.nbytes_before:,} bytes before, {self.nbytes:,} now: "
            f"{self.nbytes_before / self.nbytes:.2f} times smaller"
        )
        if self.accuracy is not None:
            before, now = 100 * self.accuracy_before, 100 * self.accuracy
            lines.append(f"accuracy  {before:.2f} % before, {now:.2f} % now")
        if self.worst is not None:
            lines.append(f"worst  {self.worst}")
        return "\n".join(lines)

    __repr__ = __str__


def layer_errors(graph, simulated, images, *, batch_size=64):
    """Return RMSE and SQNR (dB) of each node's results, by name, as pairs.

    Source: Chenna, section 7.1. Each layer takes what the quantized ones before it hand on, so that
    errors add up on the way.
    """
    check_graph(simulated, "simulated")
    wanted, found = (_results(g, images, batch_size) for g in (graph, simulated))
    return {name: (rmse(x, found[name]), sqnr_db(x, found[name])) for name, x in wanted.items()}


def _results(graph, images, batch_size):
    """Return what each node hands on, for all images."""
    check_graph(graph)
    batch_size = check_integer(batch_size, "batch_size", 1, 2**31)
    parts = {}
    with evaluating(graph):
        for batch in torch.split(as_images(images), batch_size):
            graph.run(batch, lambda name, x: parts.setdefault(name, []).append(x))
    return {name: torch.cat(found) for name, found in parts.items() if name in graph.nodes}


def partly(graph, simulated, names):
    """Return a graph in which only the nodes ``names`` are quantized: weights and results.

    The others compute as in ``graph``, the one in floating point.
    """
    check_graph(graph), check_graph(simulated, "simulated")
    mixed = simulated.copy()
    for name in graph.nodes:
        if name not in names:
            mixed.layers[name] = graph.layers[name]
            mixed.quantizers.pop(name)
    if "input" not in names:
        mixed.quantizers.pop("input")
    return mixed


def one_at_a_time(graph, simulated, images, *, measure=None):
    """Return what it costs to quantize each node alone, by name.

    ``measure`` is a function of the mixed graph, such as one that gives its accuracy; if not given,
    the SQNR of the network's output in decibels, on ``images``; of several outputs the least.
    """
    measure = output_sqnr(graph, images) if measure is None else measure
    return {name: measure(partly(graph, simulated, {name})) for name in quantized_nodes(simulated)}


def up_to(graph, simulated, images, *, measure=None):
    """Return the same with all nodes up to the named one quantized, and the images."""
    measure = output_sqnr(graph, images) if measure is None else measure
    names, found = {"input"}, {}
    for name in quantized_nodes(simulated):
        names.add(name)
        found[name] = measure(partly(graph, simulated, names))
    return found


def quantized_nodes(simulated):
    """Return the names of nodes whose weights or results are quantized."""
    weighted = check_graph(simulated, "simulated").named_layers(nn.Conv2d, nn.Linear)
    own = {n for n, layer in weighted.items() if getattr(layer, "weight_quant", None) is not None}
    return [n for n in simulated.nodes if n in own or n in simulated.quantizers]


def output_sqnr(graph, images) -> Callable:
    """Return a function: the SQNR (dB) of a graph's output, measured by that of ``graph``.

    Of several outputs it is the least SQNR, so that large numbers do not hide small ones.
    """
    check_graph(graph)
    images = as_images(images)

    def outputs(g):
        with evaluating(g):
            found = g(images)
        return found if isinstance(found, tuple) else (found,)

    wanted = outputs(graph)
    return lambda g: min(sqnr_db(x, y) for x, y in zip(wanted, outputs(g), strict=True))


def report(graph, simulated, network, images, *, model=None, dataset=None, alone=True):
    """Return what quantization did to each layer.

    Parameters
    ----------
    graph, simulated : Graph
        In floating point, and what :func:`~quantlib.ptq.simulation.simulate` made of it.
    network : IntegerNetwork
        In whole numbers.
    images : numpy.ndarray or torch.Tensor
        To measure errors on; no labels are needed.
    model : torch.nn.Module, optional
        The network before it was folded, for its size and accuracy; ``graph`` if not given.
    dataset : Dataset, optional
        Its test images give the accuracies.
    alone : bool
        Whether to quantize each layer alone as well, once for each layer.
    """
    if not isinstance(network, IntegerNetwork):
        raise TypeError(f"network must be an IntegerNetwork, got {type(network).__name__}")
    if dataset is not None:
        check_dataset(dataset)
    model = graph if model is None else model
    check_model(model)
    alone = check_flag(alone, "alone")
    errors = layer_errors(graph, simulated, images)
    single = one_at_a_time(graph, simulated, images) if alone else {}
    rows = []
    for name in simulated.nodes:
        layer = simulated.layers[name]
        quantizer = getattr(layer, "weight_quant", None)
        sqnr = None
        if quantizer is not None:
            sqnr = sqnr_db(layer.weight.detach(), quantizer(layer.weight.detach()))
        rows.append(
            LayerReport(
                name, _kind(graph.layers[name]), quantizer and quantizer.qparams.bit_width,
                _nbytes(layer), sqnr, *errors[name], single.get(name),
            )
        )  # fmt: skip
    before = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    accuracies = (None, None)
    if dataset is not None:
        right = network.predict(dataset.test_images) == dataset.test_labels
        accuracies = evaluate(model, dataset), float(right.mean())
    return Report(tuple(rows), before, network.nbytes, *accuracies)


def _kind(layer):
    if isinstance(layer, nn.Conv2d) and 1 < layer.groups == layer.in_channels:
        return "depthwise"
    return type(layer).__name__


def _nbytes(layer):
    """Return the bytes of weights and bias: codes and scales if quantized, else float32."""
    weight = getattr(layer, "weight", None)
    if weight is None:
        return 0
    bias = 0 if layer.bias is None else 4 * layer.bias.numel()
    quantizer = getattr(layer, "weight_quant", None)
    if quantizer is None:
        return bias + 4 * weight.numel()
    packed = pack(quantizer.qparams.quantize(weight.detach()), quantizer.qparams)
    return bias + packed.nbytes + quantizer.qparams.parameter_bytes
