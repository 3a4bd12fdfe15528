"""Layers with quantized weights and activations, for every chapter.

A method of quantization is a value: a :class:`Quantizer` for the weights, another one for the
input. ``QuantConv2d`` and ``QuantLinear`` apply them, and :func:`convert` puts them into any
network. The weights that training changes stay real: they are latent.
"""

import copy
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from quantlib._validation import check_choice, shown
from quantlib.models import check_model
from quantlib.models.weights import altered, check_tensor, traced

__all__ = ["QuantConv2d", "QuantLinear", "Quantizer", "Window", "convert", "convert_", "quantized"]


class Window(NamedTuple):
    """The window of a convolution, as a quantizer of its input is asked with it.

    ``edges`` are the rows and columns added around an image, in the order of
    ``torch.nn.functional.pad``: left, right, top, bottom.
    """

    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    edges: tuple[int, int, int, int]
    dilation: tuple[int, int]
    groups: int
    out_channels: int


class _NoScript:
    """What ``torch.jit.script`` asks a module first."""

    def __prepare_scriptable__(self):
        raise TypeError(
            f"torch.jit.script takes no {type(self).__name__}, since a method of quantization is a "
            f"Python object: use torch.export.export or torch.compile"
        )


class Quantizer(_NoScript, nn.Module):
    """A method of quantization: ``forward(x)`` gives the values that codes can stand for.

    They have the gradient that the method defines, and are still floating-point. A NaN stays NaN.
    A subclass defines ``forward``, or ``factors`` where values are a number times few levels.
    """

    #: What its values are outside of an image, where the input is padded.
    padding_value = 0.0

    #: The module that registers its rule with ``quantlib.lowering``; None where that is done
    #: already. It is loaded when a network is deployed, so that training needs no kernels.
    lowering = None

    @property
    def signature(self):
        """What decides the values, beside parameters and buffers, as text; it is saved with them.

        The class and its public attributes that are plain values. A subclass leaves out what
        matters while it trains only.
        """
        plain = bool, int, float, str
        named = {n: v for n, v in vars(self).items() if isinstance(v, plain) and n[0] != "_"}
        options = ", ".join(f"{n}={v!r}" for n, v in sorted(named.items()) if n != "training")
        return f"{type(self).__name__}({options})"

    def forward(self, x):
        """Return the quantized values of ``x``: the product of its factors."""
        values, scale = self.factors(x)
        if scale is not None and scale.ndim == 1:
            scale = scale.reshape(-1, *[1] * (x.ndim - 1))
        return values if scale is None else values * scale

    def factors(self, x, window=None):
        """Return values and a scale, whose product quantizes ``x``; None stands for a scale of 1.

        A layer multiplies with the values and scales the result, so that whole numbers stay whole
        in between. The scale of weights is one number an output channel. That of activations
        broadcasts against the layer's result; ``window`` is the convolution's that asks.
        """
        return self(x), None


def check_quantizer(quantizer, name):
    """Raise TypeError unless ``quantizer`` is a Quantizer or None."""
    if quantizer is not None and not isinstance(quantizer, Quantizer):
        raise TypeError(
            f"{name} must be a quantlib.layers.Quantizer or None, got {type(quantizer).__name__}"
        )


def _factors(quantizer, x, *window):
    return (x, None) if quantizer is None else quantizer.factors(x, *window)


class _QuantLayer(_NoScript):
    """What the two layers share."""

    def _set_quantizers(self, weight_quant, act_quant):
        check_quantizer(weight_quant, "weight_quant")
        check_quantizer(act_quant, "act_quant")
        self.weight_quant, self.act_quant = weight_quant, act_quant

    @property
    def signature(self):
        """The quantizers, as :attr:`Quantizer.signature` has them, and what lies outside images.

        It is part of the layer's state: the latent weights of one method mean nothing to another.
        """
        named = {"weight_quant": self.weight_quant, "act_quant": self.act_quant}
        parts = [f"{name}={q.signature}" for name, q in named.items() if q is not None]
        parts += [f"padding_value={self.padding_value:g}"] if self._pads() else []
        return ", ".join(parts) or "real"

    def _pads(self):
        return False

    def get_extra_state(self):
        """Return the signature as a tensor of bytes, as files of tensors take nothing else."""
        return torch.tensor(list(self.signature.encode()), dtype=torch.uint8)

    def set_extra_state(self, state):
        """Take nothing: a saved signature is compared, see ``_load_from_state_dict``."""

    def _load_from_state_dict(self, state, prefix, metadata, strict, missing, unexpected, errors):
        saved = state.get(f"{prefix}_extra_state")
        # States of plain networks, and of older files, have none.
        if saved is not None and not saved.is_meta:
            saved = bytes(saved.tolist()).decode(errors="replace")
            if saved != self.signature:
                name = prefix[:-1] or "the layer"
                errors.append(
                    f"{name} has {self.signature}, got the state of {saved}. Without the entry "
                    f"{prefix}_extra_state the weights are taken as they are"
                )
                return
        super()._load_from_state_dict(state, prefix, metadata, strict, missing, unexpected, errors)
        if saved is None and f"{prefix}_extra_state" in missing:
            missing.remove(f"{prefix}_extra_state")

    def quantized_weight(self):
        """Return the weights that the layer computes with, in the shape of ``weight``."""
        return self.weight if self.weight_quant is None else self.weight_quant(self.weight)

    def _scaled(self, y, weight_scale, act_scale, axis):
        """Return ``y`` times the scales plus the bias; channels lie along ``axis``."""
        shape = (-1, *[1] * (-axis - 1))
        scale = act_scale
        if weight_scale is not None:
            scale = weight_scale.reshape(shape)
            scale = scale if act_scale is None else scale * act_scale
        if scale is not None:
            y = y * scale
        return y if self.bias is None else y + self.bias.reshape(shape)


def _check_input(x, layer, channels, ndims, wanted):
    check_tensor(x, "x")
    if traced(x):
        return
    if x.ndim not in ndims or x.shape[channels] != getattr(layer, wanted):
        shape = "N x {} x H x W" if wanted == "in_channels" else "N x {}"
        raise ValueError(
            f"x must be {shape.format(getattr(layer, wanted))}, as many as {wanted}, "
            f"got shape {tuple(x.shape)}"
        )


class QuantLinear(_QuantLayer, nn.Linear):
    r"""A linear layer whose weights and input are quantized.

    .. math:: y = q_a(x)\, q_w(W)^T + b

    ``weight_quant`` and ``act_quant`` are :math:`q_w` and :math:`q_a`, a :class:`Quantizer` each,
    or None for real numbers. The rest is as torch's; ``weight`` (out x in) is latent.

    >>> from quantlib.binary import SignWeights
    >>> layer = QuantLinear(3, 1, bias=False, weight_quant=SignWeights())
    >>> with torch.no_grad():
    ...     _ = layer.weight.copy_(torch.tensor([[0.2, -0.5, 0.1]]))
    >>> layer(torch.tensor([[3.0, -0.5, -7.0]])).tolist()  # 3 + 0.5 - 7
    [[-3.5]]
    """

    def __init__(
        self,
        in_features,
        out_features,
        bias=True,
        device=None,
        dtype=None,
        *,
        weight_quant=None,
        act_quant=None,
    ):
        super().__init__(in_features, out_features, bias, device, dtype)
        self._set_quantizers(weight_quant, act_quant)

    def forward(self, x):
        """Return N x ``out_features`` for ``x``, N x ``in_features``; N may be several axes."""
        _check_input(x, self, -1, range(1, 2**31), "in_features")
        weight, weight_scale = _factors(self.weight_quant, self.weight)
        values, act_scale = _factors(self.act_quant, x)
        return self._scaled(functional.linear(values, weight), weight_scale, act_scale, -1)


class QuantConv2d(_QuantLayer, nn.Conv2d):
    r"""A convolution whose weights and input are quantized.

    .. math:: y_o = \sum_c q_a(x)_c * q_w(W)_{oc} + b_o

    The quantizers are those of :class:`QuantLinear`. The rest is as torch's, pairs, ``groups`` and
    ``padding="same"`` included; ``weight`` (O x C x h x w) is latent.

    Parameters
    ----------
    padding_value : float, optional
        What the quantized input is outside of the image. If not given it is what ``act_quant``
        says: 0, but +1 for signs, as a stored bit has no third state for zero. 0 is for networks
        that were trained so elsewhere.

    Examples
    --------
    >>> from quantlib.binary import SignActivations, SignWeights
    >>> signs = {"weight_quant": SignWeights(), "act_quant": SignActivations()}
    >>> layer = QuantConv2d(1, 1, 3, padding=1, bias=False, **signs)
    >>> with torch.no_grad():
    ...     _ = layer.weight.fill_(0.1)
    >>> layer(-torch.ones(1, 1, 2, 2)).tolist()  # 4 pixels of -1 and 5 of the padding
    [[[[1.0, 1.0], [1.0, 1.0]]]]
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
        padding_mode="zeros",
        device=None,
        dtype=None,
        *,
        weight_quant=None,
        act_quant=None,
        padding_value=None,
    ):
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip
        self._set_quantizers(weight_quant, act_quant)
        self.padding_value = self._padding_value(padding_value)

    def _padding_value(self, value):
        if value is None:
            return 0.0 if self.act_quant is None else float(self.act_quant.padding_value)
        check_choice(value, "padding_value", (0, 1))
        return float(value)

    @property
    def window(self):
        """The window that the quantizer of the input is asked with."""
        return Window(
            self.kernel_size, self.stride, tuple(self._reversed_padding_repeated_twice),
            self.dilation, self.groups, self.out_channels,
        )  # fmt: skip

    def forward(self, x):
        """Return N x ``out_channels`` x H' x W' for ``x``, N x ``in_channels`` x H x W."""
        _check_input(x, self, -3, (3, 4), "in_channels")
        self._check_size(x)
        weight, weight_scale = _factors(self.weight_quant, self.weight)
        values, act_scale = _factors(self.act_quant, x, self.window)
        edges, padding = self._reversed_padding_repeated_twice, self.padding
        if self.padding_mode != "zeros":
            values, padding = functional.pad(values, edges, mode=self.padding_mode), 0
        elif any(edges) and (self.padding_value or isinstance(padding, str)):
            values, padding = functional.pad(values, edges, value=self.padding_value), 0
        y = functional.conv2d(
            values, weight, None, self.stride, padding, self.dilation, self.groups
        )
        return self._scaled(y, weight_scale, act_scale, -3)

    def _pads(self):
        return any(self._reversed_padding_repeated_twice) and self.padding_mode == "zeros"

    def _check_size(self, x):
        if traced(x):
            return
        left, right, top, bottom = self._reversed_padding_repeated_twice
        height, width = self.kernel_size
        reach = self.dilation[0] * (height - 1) + 1, self.dilation[1] * (width - 1) + 1
        if x.shape[-2] + top + bottom < reach[0] or x.shape[-1] + left + right < reach[1]:
            raise ValueError(
                f"x must not be smaller than the filter {self.kernel_size}, "
                f"got shape {tuple(x.shape)} with padding {self.padding}"
            )

    def extra_repr(self):
        """Return torch's description, and the padding value where it is not 0."""
        value = f", padding_value={self.padding_value:g}" if self.padding_value else ""
        return super().extra_repr() + value


def quantized(model):
    """Return the layers of ``model`` that quantize weights or input, by name.

    >>> list(quantized(nn.Sequential(nn.Linear(4, 2), QuantLinear(2, 2))))
    ['1']
    """
    check_model(model)
    return {name: m for name, m in model.named_modules() if isinstance(m, _QuantLayer)}


def convert(model, *, weight_quant=None, act_quant=None, skip=()):
    """Return a copy of ``model`` whose convolutions and linear layers are quantized.

    Their weights and everything else stay as they are. ``weight_quant`` and ``act_quant`` are a
    :class:`Quantizer`, of which each layer gets a copy, or a function that is called with the layer
    and makes one, or None. ``skip`` names layers that stay real: often the first and the last.

    Raises
    ------
    ValueError
        If ``skip`` names no ``Conv2d`` or ``Linear`` of the model, or a layer has hooks,
        parametrizations or a forward of its own, which would be lost, or is attention's.

    Examples
    --------
    >>> from quantlib.binary import SignWeights
    >>> model = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> convert(model, weight_quant=SignWeights(), skip=["2"])[0]
    QuantLinear(
      in_features=8, out_features=4, bias=True
      (weight_quant): SignWeights()
    )
    """
    skip = _to_convert(model, skip)[1]  # refused before it is copied: not all can be
    return convert_(copy.deepcopy(model), weight_quant=weight_quant, act_quant=act_quant, skip=skip)


def convert_(model, *, weight_quant=None, act_quant=None, skip=()):
    """Do the same to ``model`` itself, and return it. Its parameters stay the same objects."""
    layers, skip = _to_convert(model, skip)
    # A layer that stands in two places stays one layer. All are made before the first is put in.
    made = {layer: _quantized(layer, weight_quant, act_quant) for layer in layers.values()}
    for name, layer in layers.items():
        if name:
            parent, _, key = name.rpartition(".")
            setattr(model.get_submodule(parent), key, made[layer])
    return made.get(model, model)


def _to_convert(model, skip):
    """Return the layers to be converted by name, each place that has one, and ``skip`` as a list.

    Raise if a layer would lose something.
    """
    check_model(model)
    if isinstance(skip, str):
        raise TypeError(f"skip must be a list of names, got the string {shown(skip)}")
    layers = {
        name: m
        for name, m in model.named_modules(remove_duplicate=False)
        if isinstance(m, tuple(_QUANTIZED)) and not isinstance(m, _QuantLayer)
    }
    skip = list(skip)
    for name in skip:
        check_choice(name, "skip", tuple(layers))
    kept = {layers[name] for name in skip}
    layers = {name: layer for name, layer in layers.items() if layer not in kept}
    for name, layer in layers.items():
        parent = model.get_submodule(name.rpartition(".")[0])
        what = altered(layer)
        methods, kind = ("forward", "_conv_forward"), _kind(layer)
        if what is None and any(_of(type(layer), m) is not _of(kind, m) for m in methods):
            what = f"a forward of its own, {type(layer).__name__}'s,"
        if isinstance(layer, _READ_PAST[0]) or isinstance(parent, _READ_PAST[1]):
            what = "attention, which reads the weight itself,"
        if what is not None:
            raise ValueError(f"model has {what} at {name or 'model'}: skip it, or remove them")
    return layers, skip


def _kind(layer):
    return next(kind for kind in _QUANTIZED if isinstance(layer, kind))


def _quantized(layer, weight_quant, act_quant):
    """Return ``layer`` as a quantized one that holds the same parameters."""
    quantizers = {
        "weight_quant": _own(weight_quant, layer),
        "act_quant": _own(act_quant, layer),
    }
    new = _QUANTIZED[_kind(layer)](layer, quantizers)
    new.weight, new.bias = layer.weight, layer.bias
    return new.train(layer.training)


def _of(kind, method):
    return getattr(kind, method, None)


def _own(quantizer, layer):
    if isinstance(quantizer, nn.Module) or not callable(quantizer):
        return copy.deepcopy(quantizer)
    return quantizer(layer)


def _linear(layer, quantizers):
    return QuantLinear(
        layer.in_features, layer.out_features, layer.bias is not None, "meta", **quantizers
    )


def _conv2d(layer, quantizers):
    return QuantConv2d(
        layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding,
        layer.dilation, layer.groups, layer.bias is not None, layer.padding_mode, "meta",
        **quantizers,
    )  # fmt: skip


#: A layer whose weight torch's attention takes, and the parent of such layers.
_READ_PAST = nn.modules.linear.NonDynamicallyQuantizableLinear, nn.TransformerEncoderLayer

#: How a layer is made again.
_QUANTIZED = {nn.Conv2d: _conv2d, nn.Linear: _linear}
