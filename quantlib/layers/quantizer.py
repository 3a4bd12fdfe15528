"""A method of quantization as a value that a layer is given."""

from typing import NamedTuple

from torch import nn

__all__ = ["Quantizer", "Window"]


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


class NoScript:
    """What ``torch.jit.script`` asks a module first."""

    def __prepare_scriptable__(self):
        raise TypeError(
            f"torch.jit.script takes no {type(self).__name__}, since a method of quantization is a "
            f"Python object: use torch.export.export or torch.compile"
        )


class Quantizer(NoScript, nn.Module):
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

    def refuses(self, weight):
        """Return in words why saved weights are none of this method's, or None."""
        return None

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
