"""The quantized network as it is simulated: in floating point, on the levels that codes have."""

from torch import nn

from quantlib import uniform
from quantlib._validation import check_choice, check_flag, check_integer
from quantlib.layers import convert_
from quantlib.ptq._bias import with_room
from quantlib.ptq.graph import check_graph
from quantlib.ptq.observers import MinMax, check_observer
from quantlib.ptq.quantizers import UniformQuantizer
from quantlib.ptq.support import check_float_layers, own_range

__all__ = ["activation_qparams", "simulate", "weight_qparams"]

_WEIGHTED = nn.Conv2d, nn.Linear


def weight_qparams(graph, bit_width, *, per_channel=True, mapping="symmetric", observer=None):
    """Return the parameters of each layer's weights, by the layer's name.

    Source: Chenna, sections 2, 3.1 and 7.5.

    Parameters
    ----------
    bit_width : int or dict of str to int
        2 to 8; a dict gives it by name, and under ``""`` for all others.
    per_channel : bool
        A scale for each output channel, or one for all.
    mapping : {"symmetric", "asymmetric"}
        See :func:`quantlib.uniform.ranges.qparams_from_range`.
    observer : observer, optional
        How much of the range counts (:mod:`quantlib.ptq.observers`), of each channel or of all; the
        whole range if not given. Weights are known, so the least error can be looked for.

    """
    check_choice(mapping, "mapping", ("symmetric", "asymmetric"))
    axis = 0 if check_flag(per_channel, "per_channel") else None
    layers = check_graph(graph).named_layers(*_WEIGHTED)
    bits = bits_by_name(bit_width, list(layers))
    if observer is None:
        observer = MinMax()
    check_observer(observer, "observer")
    found = {}
    for name, layer in layers.items():
        own = observer.fresh()
        own.axis = axis
        own.observe(layer.weight.detach())
        found[name] = own.qparams(bits[name], mapping=mapping, signed=True)
    return found


def activation_qparams(seen, bit_width, *, mapping="asymmetric"):
    """Return the parameters of each result from its observer, by name; codes are unsigned.

    ``seen`` is what :func:`~quantlib.ptq.calibration.calibrate` returned, ``bit_width`` 2 to 8 as
    in :func:`weight_qparams`. A mapping of ``"symmetric_no_clipping_err"`` has 0 in the middle of
    the codes.
    """
    check_choice(mapping, "mapping", ("asymmetric", "symmetric_no_clipping_err"))
    if not isinstance(seen, dict):
        raise TypeError(f"seen must be what calibrate returns, got {type(seen).__name__}")
    bits = bits_by_name(bit_width, list(seen))
    return {
        name: observer.qparams(bits[name], mapping=mapping, signed=False)
        for name, observer in seen.items()
    }


def bits_by_name(bit_width, names, argument="bit_width"):
    """Return the bits of each of ``names``: a number for all, or a dict with ``""`` for others."""
    given = bit_width if isinstance(bit_width, dict) else {"": bit_width}
    for name, bits in given.items():
        if name and name not in names:
            raise ValueError(f"{argument} must name some of {', '.join(names)}, got {name!r}")
        check_integer(bits, argument, 2, 8)
    missing = [name for name in names if name not in given]
    if missing and "" not in given:
        raise ValueError(f"{argument} must have an entry for {missing[0]!r}, or one under ''")
    return {name: given.get(name, given.get("")) for name in names}


def simulate(graph, weights, activations, *, float_layers=()):
    """Return a graph that computes with quantized weights and results, still in floating point.

    Where a layer with quantized weights takes codes, its bias counts as the code of 32 bits that it
    will have, in units of both scales; the parameter itself stays real.

    Parameters
    ----------
    graph : Graph
        Folded, in floating point. It stays as it is.
    weights, activations : dict of str to QParams
        By name; a name that is missing stays real. See :func:`weight_qparams` and
        :func:`activation_qparams`.
    float_layers : list of str
        Nodes that stay in floating point: their weights are not quantized, and what they hand on
        is only where a layer takes codes of it.

    Raises
    ------
    ValueError
        If a name is none of the graph's, or a layer cannot run in whole numbers and is not among
        ``float_layers``.

    Examples
    --------
    >>> from quantlib import data, models, ptq
    >>> digits = data.load()
    >>> graph = ptq.fold(ptq.trace(models.load_pretrained()))
    >>> seen = ptq.calibrate(graph, digits.train_images[:100], ptq.MinMax())
    >>> quantized = simulate(
    ...     graph, ptq.weight_qparams(graph, 8), ptq.activation_qparams(seen, 8))
    >>> from quantlib import training
    >>> training.evaluate(quantized, digits) > 0.98
    True
    """
    float_layers = check_float_layers(check_graph(graph), float_layers)
    layers = graph.named_layers(*_WEIGHTED)
    _check_names(weights, "weights", layers)
    _check_names(activations, "activations", own_range(graph))
    for name, qparams in weights.items():
        _check_codes(qparams, f"weights[{name!r}]", signed=True)
    for name, qparams in activations.items():
        _check_codes(qparams, f"activations[{name!r}]", signed=False)
    graph = graph.copy()
    graph.float_layers = float_layers
    for name, layer in graph.named_layers(*_WEIGHTED).items():
        if name in weights and name not in float_layers:
            given = activations.get(graph.coded_by(graph.nodes[name].inputs[0]))
            qparams = weights[name] if given is None else with_room(weights[name], layer, given)
            quantizer = UniformQuantizer(qparams)
            graph.layers[name] = convert_(layer, weight_quant=quantizer)
    for name, qparams in activations.items():
        if name not in float_layers or _read_as_codes(graph, name, float_layers):
            graph.quantizers[name] = UniformQuantizer(qparams)
    return graph.eval()


def _read_as_codes(graph, name, float_layers):
    """Return whether some layer takes codes of a result; maxima hand on what they take."""
    for reader in graph.readers(name):
        keeps = reader.name not in own_range(graph)
        if (
            _read_as_codes(graph, reader.name, float_layers)
            if keeps
            else reader.name not in float_layers
        ):
            return True
    return False


def _check_names(given, argument, names):
    if not isinstance(given, dict):
        raise TypeError(f"{argument} must be a dict by name, got {type(given).__name__}")
    for name in given:
        if name not in names:
            raise ValueError(f"{argument} must name some of {', '.join(names)}, got {name!r}")


def _check_codes(qparams, name, signed):
    """Raise unless the parameters are those of whole-number layers: bytes, signed or not."""
    if not isinstance(qparams, uniform.QParams):
        raise TypeError(f"{name} must be a uniform.QParams, got {type(qparams).__name__}")
    axes = (None, 0) if signed else (None,)
    fits = qparams.bit_width <= 8 and qparams.signed == signed and qparams.axis in axes
    if not fits or qparams.group_size is not None:
        raise ValueError(
            f"{name} must have {'signed' if signed else 'unsigned'} codes of 8 bits or fewer"
            f"{' with axis None or 0' if signed else ' for the whole tensor'}, got "
            f"bit_width={qparams.bit_width}, signed={qparams.signed}, axis={qparams.axis}, "
            f"group_size={qparams.group_size}"
        )
