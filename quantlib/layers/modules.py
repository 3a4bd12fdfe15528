"""A convolution and a linear layer whose weights and input are quantized."""

import torch
from torch import nn
from torch.nn import functional

from quantlib._validation import check_choice, check_integer, check_pair
from quantlib.layers.levels import weight_levels
from quantlib.layers.quantizer import NoScript, Window, check_quantizer
from quantlib.models import check_model
from quantlib.models.weights import check_tensor, traced

__all__ = ["QuantConv2d", "QuantLinear", "quantized"]


def _factors(quantizer, x, *window):
    return (x, None) if quantizer is None else quantizer.factors(x, *window)


class QuantLayer(NoScript):
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
        weight = state.get(f"{prefix}weight")
        if self.weight_quant is not None and isinstance(weight, torch.Tensor):
            why = None if weight.is_meta else self.weight_quant.refuses(weight)
            if why:
                errors.append(f"{prefix}weight {why}")
                return
        super()._load_from_state_dict(state, prefix, metadata, strict, missing, unexpected, errors)
        if saved is None and f"{prefix}_extra_state" in missing:
            missing.remove(f"{prefix}_extra_state")

    @property
    def quantized_weight(self):
        """The weights that the layer computes with in evaluation mode, as `WeightLevels`.

        Raises
        ------
        ValueError
            If the layer's weights are real: then ``weight`` is what it computes with.
        """
        if self.weight_quant is None:
            raise ValueError("weight_quant must not be None: the weights of this layer are real")
        return weight_levels(self.weight, self.weight_quant)

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


class QuantLinear(QuantLayer, nn.Linear):
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
        in_features = check_integer(in_features, "in_features", 1, 2**24)
        out_features = check_integer(out_features, "out_features", 1, 2**24)
        super().__init__(in_features, out_features, bias, device, dtype)
        self._set_quantizers(weight_quant, act_quant)

    def forward(self, x):
        """Return N x ``out_features`` for ``x``, N x ``in_features``; N may be several axes."""
        _check_input(x, self, -1, range(1, 2**31), "in_features")
        weight, weight_scale = _factors(self.weight_quant, self.weight)
        values, act_scale = _factors(self.act_quant, x)
        return self._scaled(functional.linear(values, weight), weight_scale, act_scale, -1)


class QuantConv2d(QuantLayer, nn.Conv2d):
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
            check_integer(in_channels, "in_channels", 1, 2**24),
            check_integer(out_channels, "out_channels", 1, 2**24),
            check_pair(kernel_size, "kernel_size"),
            check_pair(stride, "stride"),
            padding if isinstance(padding, str) else check_pair(padding, "padding", 0),
            check_pair(dilation, "dilation"),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
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
    return {name: m for name, m in model.named_modules() if isinstance(m, QuantLayer)}
