"""A network made ready for quantization-aware training, and turned into whole numbers after it."""

from torch import nn

from quantlib import ptq, uniform
from quantlib._validation import check_choice, check_flag
from quantlib.layers import convert_
from quantlib.ptq._bias import with_room
from quantlib.ptq.graph import check_graph
from quantlib.ptq.simulation import bits_by_name
from quantlib.ptq.support import check_float_layers
from quantlib.qat.folded import FoldedBatchNorm
from quantlib.qat.learned import LearnedClip, LearnedStep
from quantlib.qat.observed import ObservedRange

__all__ = ["freeze_batch_norm", "freeze_ranges", "prepare", "to_integer", "to_simulated"]

_RANGES = {"learned": LearnedStep, "observed": ObservedRange}


def prepare(
    model,
    calibration_images,
    bit_width,
    *,
    act_bit_width=8,
    ranges="learned",
    per_channel=True,
    observer=None,
    equalize=False,
    batch_norm="folded",
    float_layers=(),
    batch_size=64,
):
    """Return a trained network as a graph that trains on with its quantization in the forward pass.

    It starts where post-training quantization ends: with the same folded weights, the same ranges
    and the same results. Give it to :func:`quantlib.training.fit` with a small learning rate and
    ``weight_decay=0``, then to :func:`to_integer`.

    Parameters
    ----------
    model : torch.nn.Module
        In floating point, trained, in evaluation mode. It stays as it is.
    calibration_images, bit_width, act_bit_width, per_channel, observer, equalize, float_layers, \
batch_size
        As :func:`quantlib.ptq.quantize.quantize_model` takes them.
    ranges : {"learned", "observed"}
        Whether steps are learned, of weights and of results (LSQ), or the ranges of results follow
        what is seen, and those of weights the weights.
    batch_norm : {"folded", "none"}
        Whether batch normalization trains on, folded into quantized weights
        (:class:`~quantlib.qat.folded.FoldedBatchNorm`), or was folded for good. A layer with two
        normalizations one behind the other has both folded for good.

    Returns
    -------
    Graph
        In training mode. ``torch.compile`` takes it with learned steps and ``batch_norm="none"``;
        train other graphs as they are.

    Examples
    --------
    >>> from quantlib import data, models, qat, training
    >>> digits = data.load()
    >>> graph = prepare(models.load_pretrained(), digits.train_images[:100], 2)
    >>> before = training.evaluate(graph, digits)
    >>> _ = training.fit(graph, digits, epochs=2, weight_decay=0.0, progress=False)
    >>> after = qat.to_integer(graph)
    >>> bool((after.predict(digits.test_images) == digits.test_labels).mean() > before)
    True
    """
    check_choice(ranges, "ranges", tuple(_RANGES))
    check_choice(batch_norm, "batch_norm", ("folded", "none"))
    if check_flag(equalize, "equalize") and batch_norm == "folded":
        raise ValueError(
            'batch_norm must be "none" where equalize=True: the factors are in weights'
        )
    traced = ptq.trace(model)
    folded = ptq.fold(traced)
    float_layers = check_float_layers(folded, float_layers)
    if equalize:
        folded = ptq.equalize(folded)
    observer = ptq.MinMax() if observer is None else observer
    seen = ptq.calibrate(folded, calibration_images, observer, batch_size=batch_size)
    weights = ptq.weight_qparams(folded, bit_width, per_channel=per_channel)
    acts = bits_by_name(act_bit_width, list(seen), "act_bit_width")
    graph = ptq.simulate(
        folded, weights, ptq.activation_qparams(seen, acts), float_layers=float_layers
    )
    for name in graph.quantizers.names:
        qparams = graph.quantizers[name].qparams
        graph.quantizers[name] = _RANGES[ranges](qparams)
    for layer in graph.named_layers(nn.Conv2d, nn.Linear).values():
        if getattr(layer, "weight_quant", None) is None:
            continue
        qparams = layer.weight_quant.qparams
        learned = ranges == "learned"
        layer.weight_quant = LearnedStep(qparams) if learned else WeightRange(qparams)
    if batch_norm == "folded":
        _unfold(graph, traced)
    return graph.requires_grad_(True).train()


class WeightRange(ptq.UniformQuantizer):
    """Weights quantized on their own range, which is looked at anew each time."""

    def forward(self, x):
        """Return ``x`` on its levels, and remember the parameters."""
        q = self._qparams
        self._qparams = uniform.choose_qparams(x.detach(), q.bit_width, axis=q.axis)
        return self._qparams.fake_quantize(x)

    @property
    def signature(self):
        """What stays as it is while it trains, as text."""
        q = self._qparams
        return f"WeightRange(bit_width={q.bit_width}, axis={q.axis})"


def _unfold(graph, traced):
    """Put normalization back behind the layers into which it was folded, as one layer of both."""
    norms = traced.named_layers(nn.BatchNorm1d, nn.BatchNorm2d)
    for name, norm in norms.items():
        before = traced.nodes[name].inputs[0]
        readers = traced.readers(name)
        twice = before in norms or any(n.name in norms for n in readers)
        if name in graph.nodes or twice:
            continue
        layer = graph.layers[before]
        if getattr(layer, "weight_quant", None) is None:
            continue
        original = traced.layers[before]
        quantizer = layer.weight_quant
        original = convert_(original, weight_quant=quantizer)
        graph.layers[before] = FoldedBatchNorm(original, norm)


def freeze_batch_norm(graph):
    """Let normalization keep its mean and variance from now on, in training too; return the graph.

    Done after some epochs: training and evaluation then compute the same. It stays so where the
    saved state of the graph is loaded.
    Source: Krishnamoorthi (2018), section 3.2.2.
    """
    for layer in check_graph(graph).named_layers(FoldedBatchNorm).values():
        layer.frozen.fill_(True)
    return graph


def freeze_ranges(graph):
    """Let the ranges of results, and learned steps, stay as they are; return the graph.

    They stay so where its saved state is loaded. Where ranges are observed, those of the weights
    still follow the weights, as these train on.
    """
    for module in check_graph(graph).modules():
        if isinstance(module, ObservedRange | LearnedStep | LearnedClip):
            module.freeze()
    return graph


def to_simulated(graph):
    """Return the trained graph as :func:`quantlib.ptq.simulation.simulate` would: folded, fixed."""
    graph = check_graph(graph).copy().eval()
    for name, layer in graph.named_layers(FoldedBatchNorm).items():
        graph.layers[name] = layer.folded()
    for module in graph.layers.children():
        quantizer = getattr(module, "weight_quant", None)
        if quantizer is not None:
            if not isinstance(quantizer, ptq.UniformQuantizer):
                raise ValueError(
                    f"graph must have weights with uniform codes, got {quantizer.signature}: "
                    f"whole numbers have no other"
                )
            if isinstance(quantizer, WeightRange):
                quantizer(module.weight)
            module.weight_quant = ptq.UniformQuantizer(quantizer.qparams)
    for name in graph.quantizers.names:
        graph.quantizers[name] = ptq.UniformQuantizer(graph.quantizers[name].qparams)
    for name, layer in graph.named_layers(nn.Conv2d, nn.Linear).items():
        given = graph.coded_by(graph.nodes[name].inputs[0])
        quantizer = getattr(layer, "weight_quant", None)
        if quantizer is not None and given in graph.quantizers:
            qparams = with_room(quantizer.qparams, layer, graph.quantizers[given].qparams)
            layer.weight_quant = ptq.UniformQuantizer(qparams)
    return graph.requires_grad_(False)


def to_integer(graph):
    """Return the trained graph as a network in whole numbers.

    :func:`quantlib.ptq.lowering.to_integer` of :func:`to_simulated`: the same network, and the
    same steps, as after post-training quantization.
    """
    return ptq.to_integer(to_simulated(graph))
