"""A whole network quantized in one call, and a report of what it costs and what it is worth."""

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

import torch
from torch import nn

from quantlib import uniform
from quantlib._validation import shown
from quantlib.activations import QuantizedActivations, record
from quantlib.evaluation import evaluate
from quantlib.layers import quantized
from quantlib.metrics import size_in_bytes, sqnr_db
from quantlib.models import weight_layers
from quantlib.models.weights import all_weights, with_weights
from quantlib.packed import PackedTensor, pack
from quantlib.schemes import Scheme

__all__ = [
    "NetworkReport",
    "QuantizedActivation",
    "QuantizedNetwork",
    "QuantizedWeight",
    "quantize_network",
]


@dataclass(frozen=True, eq=False)
class QuantizedWeight:
    """A weight in bits."""

    #: Parameters of the scheme.
    qparams: Scheme
    #: PackedTensor: the codes, output channels first.
    packed: PackedTensor
    #: Signal-to-quantization-noise ratio of the weight.
    sqnr_db: float

    @property
    def nbytes(self):
        """Bytes of the codes, and of the scales or whatever is stored beside them."""
        return self.packed.nbytes + self.qparams.parameter_bytes


@dataclass(frozen=True, eq=False)
class QuantizedActivation:
    """What an activation function hands on, quantized."""

    #: Parameters of the scheme.
    qparams: Scheme
    #: tuple of int: shape for one image.
    shape: tuple[int, ...]
    #: Signal-to-quantization-noise ratio on the images that showed the range.
    sqnr_db: float

    @property
    def nbytes(self):
        """Bytes of the codes for one image."""
        return size_in_bytes(math.prod(self.shape), self.qparams.bit_width)


@dataclass(frozen=True, eq=False)
class NetworkReport:
    """What became of a network. To print it shows a table.

    Sizes are in bytes. Scales and what else a scheme stores beside its codes are counted, and so is
    all that stayed real: biases, normalization, weights that no rule named.
    """

    #: dict of str to QuantizedWeight.
    weights: dict
    #: dict of str to QuantizedActivation, by the layer whose activations they are.
    activations: dict
    #: dict of str to str: parameters, buffers and activations that stayed real, and why.
    stayed_real: dict
    #: Bytes of all parameters and buffers before.
    nbytes_before: int
    #: The same now.
    nbytes: int
    #: Share of the test images that were classified correctly before; None without data.
    accuracy_before: float | None = None
    #: The same now.
    accuracy: float | None = None

    @property
    def compression(self):
        """How many times smaller the network is."""
        return self.nbytes_before / self.nbytes

    def __str__(self):
        lines = [f"{'':<24}{'values':>10}  {'bits':>4}  {'bytes':>10}  {'SQNR':>8}  scheme"]
        for title, entries in (("weights", self.weights), ("activations", self.activations)):
            lines += [title] * bool(entries)
            for name, entry in entries.items():
                shape = entry.packed.shape if title == "weights" else entry.shape
                kind = type(entry.qparams).__name__.removesuffix("QParams") or "uniform"
                lines.append(
                    f"  {name:<22}{math.prod(shape):>10,}  {entry.qparams.bit_width:>4}  "
                    f"{entry.nbytes:>10,}  {entry.sqnr_db:>5.1f} dB  {kind.lower()}"
                )
        lines += ["stayed real"] * bool(self.stayed_real)
        lines += [f"  {name:<22}{why}" for name, why in self.stayed_real.items()]
        lines.append(
            f"size  {self.nbytes_before:,} bytes before, {self.nbytes:,} now: "
            f"{self.compression:.2f} times smaller"
        )
        if self.accuracy is not None:
            before, now = 100 * self.accuracy_before, 100 * self.accuracy
            lines.append(f"accuracy  {before:.2f} % before, {now:.2f} % now")
        return "\n".join(lines)

    __repr__ = __str__


class QuantizedNetwork(NamedTuple):
    """The quantized copy of a network, still floating-point, and the report about it."""

    model: nn.Module
    report: NetworkReport


def quantize_network(
    model, *, weights=None, activations=None, images=None, dataset=None, batch_size=256
):
    """Quantize the weights and activations of a network, and report what it costs.

    ``model`` stays as it is. The copy computes in floating point with values that codes can stand
    for (fake quantization); the codes themselves are in the report, packed.

    Parameters
    ----------
    weights : int, callable or dict, optional
        An ``int`` is the bit width of symmetric codes with a scale for each output channel. A
        function takes a weight tensor, output channels first, and returns the parameters of any
        scheme. A dict gives one or the other, or None for what stays real, by name or pattern
        (``"conv*"``); a name beats a pattern, and of patterns the first one counts. Names are those
        of layers, or of single weights where a layer has several (``"lstm.weight_ih_l0"``).
    activations : int, callable or dict, optional
        Likewise, for what activation functions hand on, by the names of
        :func:`quantlib.activations.record`, and for ``"input"``, the images. An ``int`` is the bit
        width of asymmetric codes with one scale.
    images : numpy.ndarray or torch.Tensor, optional
        N x C x H x W, to see the range of the activations; needed where these are quantized.
    dataset : Dataset, optional
        Its test images give the accuracy before and after.

    Returns
    -------
    QuantizedNetwork
        ``model`` and ``report``.

    Raises
    ------
    ValueError
        If a name or pattern fits nothing, a scheme refuses a tensor (named), a weight is
        parametrized, or a layer that is named has a method of quantization of its own.

    Examples
    --------
    >>> from quantlib import data, models, networks
    >>> digits = data.load()
    >>> model, report = networks.quantize_network(
    ...     models.load_pretrained(), weights={"conv1": 8, "*": 4}, activations=8,
    ...     images=digits.train_images[:100], dataset=digits)
    >>> report.nbytes_before, report.nbytes
    (231296, 32056)
    >>> report.accuracy > report.accuracy_before - 0.02
    True
    """
    found, _ = all_weights(model)
    places = _places(found)
    methods = {m: m.weight_quant for m in quantized(model).values() if m.weight_quant is not None}
    own = {name: methods[w.module] for name, w in found.items() if w.module in methods}
    rules = _rules(
        weights, "weights", {n: every for n, every in places.items() if n not in own}, own
    )
    seen = {}
    if activations is not None:
        if images is None:
            raise ValueError("images must be given to see the range of activations, got None")
        recorded = record(model, images, batch_size=batch_size)
        seen = {"input": torch.as_tensor(images).cpu().numpy(), **recorded}
    act_rules = _rules(activations, "activations", {name: [name] for name in seen})
    if not rules and not act_rules:
        raise ValueError("weights or activations must name something to quantize, got nothing")

    accuracy_before = None if dataset is None else evaluate(model, dataset)
    new_weights = {name: _weight(name, found[name], rule) for name, rule in rules.items()}
    new_acts = {name: _activation(name, seen[name], rule) for name, rule in act_rules.items()}
    # A weight that two layers share is one parameter of the copy too: to change it once will do.
    result = with_weights(model, {n: w.qparams.fake_quantize for n, w in new_weights.items()})
    if new_acts:
        result = _Quantized(result, {n: a.qparams.fake_quantize for n, a in new_acts.items()})
    before = sum(_nbytes(tensor) for _, tensor in _tensors(model))
    was = sum(_nbytes(found[name].parameter) for name in new_weights)
    report = NetworkReport(
        weights=new_weights,
        activations=new_acts,
        stayed_real=_real_parameters(model, [found[n].parameter for n in new_weights], own)
        | _real_activations(model, seen, new_acts),
        nbytes_before=before,
        nbytes=before - was + sum(w.nbytes for w in new_weights.values()),
        accuracy_before=accuracy_before,
        accuracy=None if dataset is None else evaluate(result, dataset),
    )
    return QuantizedNetwork(result, report)


class _Quantized(nn.Module):
    """A network whose images and activations are quantized."""

    def __init__(self, model, quantizers):
        super().__init__()
        self.input = quantizers.pop("input", None)
        self.model = QuantizedActivations(model, quantizers)

    def forward(self, images):
        return self.model(images if self.input is None else self.input(images))


def _places(found):
    """Return, for the first name of each parameter, all names that it has."""
    places, first = {}, {}
    for name, weight in found.items():
        places.setdefault(first.setdefault(id(weight.parameter), name), []).append(name)
    return places


def _rules(spec, argument, places, own=()):
    """Return the bit width or function that ``spec`` gives to each of ``places``."""
    if spec is None:
        return {}
    spec = spec if isinstance(spec, dict) else {"*": spec}
    names = [name for every in places.values() for name in every]
    for pattern in spec:
        if not isinstance(pattern, str):
            raise TypeError(f"{argument} must be a dict of names, got the key {pattern!r}")
        if pattern in own:
            raise ValueError(
                f"{argument} must not name {pattern!r}, which {own[pattern]} quantizes already"
            )
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(
                f"{argument} must name what is there ({', '.join(names)}), got {shown(pattern)}"
            )
    rules = {}
    for first, every in places.items():
        # A name beats a pattern, and of patterns the first one counts.
        fits = [p for p in spec if p in every]
        fits += [p for p in spec if any(fnmatchcase(name, p) for name in every)]
        if fits and spec[fits[0]] is not None:
            rules[first] = spec[fits[0]]
    return rules


def _chosen(x, rule, default, what):
    """Return the parameters that ``rule`` chooses for ``x``."""
    try:
        qparams = rule(x) if callable(rule) else uniform.choose_qparams(x, rule, **default)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{what}: {error}") from error
    if not isinstance(qparams, Scheme):
        raise TypeError(
            f"{what}: the function must return the parameters of a scheme, "
            f"got {type(qparams).__name__}"
        )
    return qparams


def _weight(name, weight, rule):
    w = weight.turned(weight.parameter.detach()).cpu()
    qparams = _chosen(w, rule, {"axis": 0}, f"weights of {name!r}")
    packed = pack(qparams.quantize(w), qparams)
    return QuantizedWeight(qparams, packed, sqnr_db(w, qparams.fake_quantize(w)))


def _activation(name, x, rule):
    default = {"mapping": "asymmetric", "signed": False}
    qparams = _chosen(x, rule, default, f"activations of {name!r}")
    return QuantizedActivation(qparams, x.shape[1:], sqnr_db(x, qparams.fake_quantize(x)))


def _tensors(module, recurse=True):
    """Return parameters and buffers with their names, each once."""
    return [*module.named_parameters(recurse=recurse), *module.named_buffers(recurse=recurse)]


def _nbytes(tensor):
    return tensor.numel() * tensor.element_size()


def _real_parameters(model, changed, own):
    """Return why parameters and buffers stayed real, by name; a layer without weights is one."""
    real, known = {}, {id(parameter) for parameter in changed}
    for name, module in model.named_modules():
        tensors = dict(_tensors(module, recurse=False))
        left = {key: t for key, t in tensors.items() if id(t) not in known}
        known |= {id(t) for t in left.values()}
        matrices = [key for key, t in tensors.items() if t.ndim > 1 and not key.startswith("bias")]
        if left and not matrices:
            size = sum(map(_nbytes, left.values()))
            real[name or "model"] = f"{size:,} bytes, {type(module).__name__}"
            continue
        for key, tensor in left.items():
            full = f"{name}.{key}".strip(".")
            why = "not asked for" if key in matrices else f"of {type(module).__name__}"
            if name in own and key == "weight":
                why = f"latent, {own[name]} quantizes it"
            real[full] = f"{_nbytes(tensor):,} bytes, {why}"
    return real


def _real_activations(model, seen, changed):
    """Return why activations stayed real, if any were asked for."""
    if not seen:
        return {}
    why = dict.fromkeys(seen, "not asked for")
    why |= {n: "no activation function follows" for n in weight_layers(model) if n not in seen}
    return {f"{n} (activations)": reason for n, reason in why.items() if n not in changed}
