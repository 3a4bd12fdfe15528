"""LeNet-5 and BNN's network, in real numbers or by any of the binary methods.

Two orders of a block are in use. Written layer after layer they differ in one place, what stands
between a convolution and the next one's sign:

* ``"bn_sign_conv_pool"`` (BNN, XNOR-Net): batch normalization, sign, convolution, pooling. Pooling
  sees real sums, and normalization centres what the sign then cuts in half.
* ``"usual"``: convolution, batch normalization, activation, pooling. The maximum of signs is +1
  as soon as one of them is, so that after pooling most signs are +1.

The sign itself is part of the binary layers, and a maximum commutes with it. Where activations
are real, ReLU stands in place of the sign.
"""

from collections.abc import Iterable

import torch
from torch import nn

from quantlib._validation import check_choice, check_integer
from quantlib.binary.layers import METHODS, BinaryConv2d, BinaryLinear
from quantlib.models import seeded

__all__ = [
    "BLOCK_ORDERS",
    "FIRST_LAST",
    "NETWORK_METHODS",
    "BinaryLeNet5",
    "BinaryNetwork",
    "BinaryVGG",
]

NETWORK_METHODS = ("float", *METHODS)
BLOCK_ORDERS = ("bn_sign_conv_pool", "usual")
FIRST_LAST = ("float", "binary")


class BinaryNetwork(nn.Sequential):
    """Layers one after the other, for square images of one size; see its subclasses.

    Attributes
    ----------
    image_shape : tuple of int
        C, H and W.
    method, block_order, first_last : str
        As the subclasses take them.
    """

    def __init__(
        self, in_channels, image_size, num_classes, *, method, block_order, first_last, least_size
    ):
        super().__init__()
        in_channels = check_integer(in_channels, "in_channels", 1, 2**16)
        image_size = check_integer(image_size, "image_size", least_size, 2**16)
        self.num_classes = check_integer(num_classes, "num_classes", 2, 2**16)
        check_choice(method, "method", NETWORK_METHODS)
        check_choice(block_order, "block_order", BLOCK_ORDERS)
        check_choice(first_last, "first_last", FIRST_LAST)
        self.image_shape = (in_channels, image_size, image_size)
        self.method, self.block_order, self.first_last = method, block_order, first_last

    def forward(self, images):
        """Return the logits (N x classes) of ``images`` (N x C x H x W)."""
        if not isinstance(images, torch.Tensor):
            raise TypeError(f"images must be a torch tensor, got {type(images).__name__}")
        if images.ndim != 4 or tuple(images.shape[1:]) != self.image_shape:
            expected = " x ".join(map(str, self.image_shape))
            raise ValueError(
                f"images must be N x C x H x W = N x {expected}, got shape {tuple(images.shape)}"
            )
        return super().forward(images)

    @property
    def _signs_activations(self):
        return self.method in ("bnn", "xnor")

    def _conv(self, *sizes, first=False, **options):
        """Return a convolution by the network's method."""
        method = self._first_method() if first else self.method
        if method == "float":
            return nn.Conv2d(*sizes, bias=False, **options)
        return BinaryConv2d(*sizes, method=method, **options)

    def _first_method(self):
        """Images stay real: the first layer has binary weights at most."""
        if self.first_last == "float" or self.method == "float":
            return "float"
        return {"bnn": "binaryconnect", "xnor": "bwn"}.get(self.method, self.method)

    def _linear(self, inputs, outputs):
        if self.method == "float":
            return nn.Linear(inputs, outputs, bias=False)
        return BinaryLinear(inputs, outputs, method=self.method)

    def _activation(self):
        """Return what stands before a layer: nothing where the layer takes signs itself."""
        return [] if self._signs_activations else [nn.ReLU()]

    def _between(self, number, channels, pool):
        """Return what stands between layer ``number`` and the next one, by name."""
        normal = [(f"bn{number}", nn.BatchNorm2d(channels))]
        normal += [(f"act{number}", layer) for layer in self._activation()]
        pooled = [(f"pool{number}", nn.MaxPool2d(2))] if pool else []
        return pooled + normal if self.block_order == "bn_sign_conv_pool" else normal + pooled

    def _head(self, inputs):
        """Return the last layer, by name, with what stands before and after it."""
        if self.first_last == "float" or self.method == "float":
            real = [("relu", nn.ReLU())] if self._signs_activations else []
            return [*real, ("output", nn.Linear(inputs, self.num_classes))]
        # Sums of signs are far too large for logits: their scale has to be learnt.
        return [
            ("output", self._linear(inputs, self.num_classes)),
            ("output_bn", nn.BatchNorm1d(self.num_classes)),
        ]

    def _fill(self, layers):
        for name, layer in layers:
            self.add_module(name, layer)

    def _dense(self, number, inputs, outputs):
        """Return a linear layer, its normalization and activation, by name."""
        layers = [(f"fc{number}", self._linear(inputs, outputs))]
        layers += [(f"fc{number}_bn", nn.BatchNorm1d(outputs))]
        return layers + [(f"fc{number}_act", layer) for layer in self._activation()]


class BinaryLeNet5(BinaryNetwork):
    """LeNet-5 with batch normalization: two 5 x 5 convolutions, three linear layers.

    Sizes are LeCun's where the image is 28 or 32 pixels wide. Smaller images are padded so that
    they keep their size in both convolutions.

    Parameters
    ----------
    in_channels : int
        Channels of an image.
    image_size : int
        Height and width of an image in pixels, at least 4.
    num_classes : int
    widths : tuple of int
        Channels of the two convolutions and widths of the two hidden linear layers.
    method : str
        ``"float"``, ``"binaryconnect"``, ``"bwn"``, ``"bnn"`` or ``"xnor"``.
    block_order : str
        ``"bn_sign_conv_pool"`` or ``"usual"``, see :mod:`quantlib.binary.networks`.
    first_last : str
        ``"float"`` keeps the first and the last layer real. ``"binary"`` makes the weights of
        both binary; the images stay real, as in BNN, and batch normalization scales the logits.
    seed : int
        Of the first weights.

    Raises
    ------
    TypeError, ValueError
        If an argument is not usable.

    Examples
    --------
    >>> model = BinaryLeNet5(1, 28, method="xnor")
    >>> model(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        in_channels=1,
        image_size=28,
        num_classes=10,
        *,
        widths=(6, 16, 120, 84),
        method="bnn",
        block_order="bn_sign_conv_pool",
        first_last="float",
        seed=0,
    ):
        super().__init__(
            in_channels, image_size, num_classes, method=method, block_order=block_order,
            first_last=first_last, least_size=4,
        )  # fmt: skip
        c1, c2, h1, h2 = check_sizes(widths, "widths", 2**16, 4)
        size = (image_size if image_size < 32 else image_size - 4) // 2
        with seeded(seed):
            layers = [
                (
                    "conv1",
                    self._conv(in_channels, c1, 5, padding=2 if image_size < 32 else 0, first=True),
                ),
                *self._between(1, c1, pool=True),
                ("conv2", self._conv(c1, c2, 5, padding=2 if size < 8 else 0)),
                *self._between(2, c2, pool=True),
            ]
            size = (size if size < 8 else size - 4) // 2
            layers += [
                ("flatten", nn.Flatten()),
                *self._dense(1, c2 * size**2, h1),
                *self._dense(2, h1, h2),
                *self._head(h2),
            ]
        self._fill(layers)


class BinaryVGG(BinaryNetwork):
    """BNN's network for CIFAR-10: six 3 x 3 convolutions, three linear layers.

    2 x (128 C3) - MP2 - 2 x (256 C3) - MP2 - 2 x (512 C3) - MP2 - 2 x (1024 FC) - classes, with
    batch normalization. For 32 x 32 colour images it has 14,022,016 weights.

    Parameters
    ----------
    in_channels : int
        Channels of an image.
    image_size : int
        Height and width of an image in pixels, at least 8.
    num_classes : int
    width : int
        What the published widths are divided by.
    method, block_order, first_last, seed
        As for :class:`BinaryLeNet5`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not usable.

    Notes
    -----
    Source: Courbariaux et al. (2016), section 2.3; Bei Yu, Mo04, "BNN CIFAR-10 Architecture".

    Examples
    --------
    >>> from quantlib import binary
    >>> binary.parameter_bits(BinaryVGG(first_last="binary"))
    14022016
    """

    def __init__(
        self,
        in_channels=3,
        image_size=32,
        num_classes=10,
        *,
        width=1,
        method="bnn",
        block_order="bn_sign_conv_pool",
        first_last="float",
        seed=0,
    ):
        super().__init__(
            in_channels, image_size, num_classes, method=method, block_order=block_order,
            first_last=first_last, least_size=8,
        )  # fmt: skip
        width = check_integer(width, "width", 1, 128)
        before, layers = in_channels, []
        with seeded(seed):
            for number, full in enumerate((128, 128, 256, 256, 512, 512), 1):
                channels = full // width
                conv = self._conv(before, channels, 3, padding=1, first=number == 1)
                layers.append((f"conv{number}", conv))
                layers += self._between(number, channels, pool=number % 2 == 0)
                before = channels
            hidden = 1024 // width
            layers += [
                ("flatten", nn.Flatten()),
                *self._dense(1, before * (image_size // 8) ** 2, hidden),
                *self._dense(2, hidden, hidden),
                *self._head(hidden),
            ]
        self._fill(layers)


def check_sizes(sizes, name, high, count=None):
    """Return ``sizes`` as a tuple; raise unless they are ``count`` whole numbers from 1 on."""
    sizes = tuple(sizes) if isinstance(sizes, Iterable) else (sizes,)
    sizes = tuple(check_integer(size, name, 1, high) for size in sizes)
    if len(sizes) != count and (count or not sizes):
        raise ValueError(f"{name} must be {count or 'one or more'} whole numbers, got {sizes}")
    return sizes
