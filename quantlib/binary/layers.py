"""Layers with binary weights, and with binary activations if their method has them.

=================  ==============  =======================  ============================
method             weights         activations              scale of the result
=================  ==============  =======================  ============================
``binaryconnect``  sign(W)         real                     none
``bwn``            sign(W)         real                     alpha of the filter
``bnn``            sign(W)         sign(X)                  none
``xnor``           sign(W)         sign(X)                  alpha of the filter, K of X
=================  ==============  =======================  ============================

The weights that training changes stay real: they are latent. Only their signs are used.
"""

import torch
from torch import nn
from torch.nn import functional

from quantlib._validation import check_choice, check_integer
from quantlib.binary.scales import (
    GRADIENTS,
    activation_scales,
    check_pair,
    check_window,
    signs_and_scales,
)
from quantlib.binary.ste import check_clip_value, check_tensor, sign_ste, sign_stochastic_ste
from quantlib.models import check_model

__all__ = ["METHODS", "BinaryConv2d", "BinaryLinear", "binary_layers", "clip_latent_"]

#: How a layer is made binary.
METHODS = ("binaryconnect", "bwn", "bnn", "xnor")


class _BinaryLayer:
    """What the two layers share."""

    def _set_method(self, method, stochastic, gradient, clip_value):
        check_choice(method, "method", METHODS)
        check_choice(gradient, "gradient", GRADIENTS)
        if not isinstance(stochastic, bool):
            raise TypeError(f"stochastic must be True or False, got {stochastic!r}")
        self.method, self.stochastic, self.gradient = method, stochastic, gradient
        self.clip_value = check_clip_value(clip_value)

    @property
    def binary_activations(self):
        """Whether the layer takes the signs of its input."""
        return self.method in ("bnn", "xnor")

    @property
    def scale(self):
        """``"channel"`` if the layer has an alpha for each filter, else ``"none"``."""
        return "channel" if self.method in ("bwn", "xnor") else "none"

    def extra_repr(self):
        """Return the layer's sizes and its method."""
        return f"{super().extra_repr()}, method={self.method!r}"

    def _weights(self):
        """Return the signs of the weights, and alpha or None."""
        signs, alpha = signs_and_scales(self.weight, self.scale, self.gradient, self.clip_value)
        if self.stochastic and self.training and not self.binary_activations:
            drawn = sign_stochastic_ste(self.weight.detach())
            signs = signs + (drawn - signs).detach()  # their values, with the gradient of signs
        return signs, alpha

    def _activations(self, x):
        if not self.binary_activations:
            return x
        if self.stochastic and self.training:
            return sign_stochastic_ste(x, self.clip_value)
        return sign_ste(x, self.clip_value)

    def _scaled(self, sums, alpha, magnitudes):
        """Return ``sums`` times alpha and the magnitude of what they cover, plus the bias."""
        shape = (-1, *[1] * (sums.ndim - 2))
        if alpha is not None:
            scale = alpha.reshape(shape)
            sums = sums * (scale if magnitudes is None else scale * magnitudes)
        return sums if self.bias is None else sums + self.bias.reshape(shape)


class BinaryLinear(_BinaryLayer, nn.Linear):
    r"""A linear layer with binary weights.

    .. math::
        y_o = s_o \sum_k x^B_k\, \mathrm{sign}(W_{ok}) + b_o, \qquad
        s_o = \begin{cases} 1 & \text{binaryconnect, bnn} \\ \alpha_o & \text{bwn} \\
            \alpha_o\, \beta & \text{xnor} \end{cases}

    with :math:`x^B = \mathrm{sign}(x)` for bnn and xnor, else x;
    :math:`\alpha_o = \lVert W_o \rVert_1 / n` and :math:`\beta = \lVert x \rVert_1 / n`.

    Parameters
    ----------
    in_features, out_features : int
    method : str
        ``"bnn"``, ``"binaryconnect"``, ``"bwn"`` or ``"xnor"``.
    stochastic : bool
        Whether signs are drawn while the layer trains, by
        :func:`~quantlib.binary.ste.sign_stochastic_ste`: those of the activations where they are
        binary (as in BNN), else those of the weights (as in BinaryConnect). In evaluation they
        never are. The draws come from torch's generator, as those of dropout do.
    gradient : str
        Through alpha * sign(W), see :func:`~quantlib.binary.scales.binarize_weights`. ``"exact"``
        also passes the gradient through beta, which is a constant for the others.
    clip_value : float or None
        Of the straight-through estimators, see :func:`~quantlib.binary.ste.sign_ste`.
    bias : bool
        Whether to add a real bias. Batch normalization after the layer makes it useless.

    Attributes
    ----------
    weight : torch.nn.Parameter
        The latent weights, ``out_features`` x ``in_features``, real.

    Raises
    ------
    TypeError, ValueError
        If an argument is not usable; in a call, if the input is not a floating-point tensor, N x
        ``in_features``.

    Notes
    -----
    Source: Bei Yu, Mo04, "BNN", "Binary Weight Network" and "XNOR-Networks".

    Examples
    --------
    >>> layer = BinaryLinear(3, 1)
    >>> with torch.no_grad():
    ...     _ = layer.weight.copy_(torch.tensor([[0.2, -0.5, 0.1]]))
    >>> layer(torch.tensor([[3.0, -0.1, -7.0]])).tolist()  # 1 + 1 - 1
    [[1.0]]
    """

    def __init__(
        self,
        in_features,
        out_features,
        *,
        method="bnn",
        stochastic=False,
        gradient="straight",
        clip_value=1.0,
        bias=False,
    ):
        in_features = check_integer(in_features, "in_features", 1, 2**24)
        out_features = check_integer(out_features, "out_features", 1, 2**24)
        super().__init__(in_features, out_features, bias=bias)
        self._set_method(method, stochastic, gradient, clip_value)

    def forward(self, x):
        """Return N x ``out_features`` for ``x``, N x ``in_features``."""
        check_tensor(x, "x")
        if x.ndim != 2 or x.shape[1] != self.in_features:
            raise ValueError(
                f"x must be N x {self.in_features}, as many as in_features, "
                f"got shape {tuple(x.shape)}"
            )
        signs, alpha = self._weights()
        magnitudes = None
        if self.method == "xnor":
            with torch.set_grad_enabled(torch.is_grad_enabled() and self.gradient == "exact"):
                magnitudes = x.abs().mean(1, keepdim=True)
        return self._scaled(functional.linear(self._activations(x), signs), alpha, magnitudes)


class BinaryConv2d(_BinaryLayer, nn.Conv2d):
    r"""A convolution with binary weights.

    .. math::
        y_{oij} = s_{oij} \sum_{c,k,l} x^B_{c,\,si+k-p,\,sj+l-p}\, \mathrm{sign}(W_{ockl}) + b_o

    with the scale 1 for binaryconnect and bnn, :math:`\alpha_o` for bwn and
    :math:`\alpha_o K_{ij}` for xnor (:func:`~quantlib.binary.scales.activation_scales`). Outside
    the image binary activations are +1, as a stored bit has no third state for zero; real ones,
    and the magnitudes in K, are 0.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or tuple of int
    stride, padding : int
        s and p above, the same for both directions.
    method, stochastic, gradient, clip_value, bias
        As for :class:`BinaryLinear`, with K in place of beta.

    Attributes
    ----------
    weight : torch.nn.Parameter
        The latent weights, O x C x h x w, real.

    Raises
    ------
    TypeError, ValueError
        If an argument is not usable; in a call, if the input is not a floating-point tensor, N x
        ``in_channels`` x H x W, or is smaller than the filter.

    Notes
    -----
    Source: Bei Yu, Mo04, "BNN", "Binary Weight Network" and "XNOR-Networks", (1) to (4).

    Examples
    --------
    >>> layer = BinaryConv2d(1, 1, 3, padding=1)
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
        *,
        method="bnn",
        stochastic=False,
        gradient="straight",
        clip_value=1.0,
        bias=False,
    ):
        super().__init__(
            check_integer(in_channels, "in_channels", 1, 2**24),
            check_integer(out_channels, "out_channels", 1, 2**24),
            check_pair(kernel_size, "kernel_size"),
            check_integer(stride, "stride", 1, 2**15),
            check_integer(padding, "padding", 0, 2**15),
            bias=bias,
        )
        self._set_method(method, stochastic, gradient, clip_value)

    def forward(self, x):
        """Return N x ``out_channels`` x H' x W' for ``x``, N x ``in_channels`` x H x W."""
        check_tensor(x, "x")
        padding = self.padding[0]
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f"x must be N x {self.in_channels} x H x W, as many channels as in_channels, "
                f"got shape {tuple(x.shape)}"
            )
        check_window(x, self.kernel_size, padding)
        signs, alpha = self._weights()
        if not self.binary_activations:
            sums = functional.conv2d(x, signs, stride=self.stride, padding=self.padding)
            return self._scaled(sums, alpha, None)
        bits = self._activations(x)
        if padding:
            bits = functional.pad(bits, [padding] * 4, value=1.0)
        magnitudes = None
        if self.method == "xnor":
            with torch.set_grad_enabled(torch.is_grad_enabled() and self.gradient == "exact"):
                magnitudes = activation_scales(x, self.kernel_size, self.stride[0], padding)
        return self._scaled(functional.conv2d(bits, signs, stride=self.stride), alpha, magnitudes)


def binary_layers(model):
    """Return the binary layers of ``model`` by name, in the model's order.

    Raises
    ------
    TypeError
        If ``model`` is not a ``torch.nn.Module``.

    Examples
    --------
    >>> list(binary_layers(nn.Sequential(nn.Linear(4, 2), BinaryLinear(2, 2))))
    ['1']
    """
    check_model(model)
    return {name: m for name, m in model.named_modules() if isinstance(m, _BinaryLayer)}


@torch.no_grad()
def clip_latent_(model):
    r"""Clip the latent weights of all binary layers of ``model`` to [-1, 1], in place.

    .. math:: W \leftarrow \mathrm{clip}(W, -1, 1)

    To be done after each step of training. A weight far outside would need many steps to come
    back and change its sign, and the straight-through estimator stops its gradient there, so that
    it never would.

    Parameters
    ----------
    model : torch.nn.Module
        Layers that are not binary stay as they are.

    Returns
    -------
    torch.nn.Module
        ``model``.

    Raises
    ------
    TypeError
        If ``model`` is not a ``torch.nn.Module``.

    Notes
    -----
    Source: Courbariaux, Bengio and David (2015), section 2.4.

    Examples
    --------
    Training calls it after each step:

    >>> from quantlib import data, training
    >>> model = nn.Sequential(nn.Flatten(), BinaryLinear(64, 10, method="bwn"))
    >>> _ = training.fit(
    ...     model, data.load(), epochs=1, learning_rate=9.0, optimizer="sgd",
    ...     after_step=clip_latent_, progress=False,
    ... )
    >>> bool((model[1].weight.abs() <= 1).all())
    True
    """
    for layer in binary_layers(model).values():
        layer.weight.clamp_(-1, 1)
    return model
