"""Plain torch networks, small enough to train on a laptop.

Their layers have names (``conv1``, …, ``fc2``), and every function that speaks of a layer uses its
name. ``quantlib.layers.convert`` puts quantized weights and activations into them.
"""

from collections.abc import Iterable
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from quantlib._validation import check_choice, check_finite, check_integer, shown
from quantlib.models.weights import traced

__all__ = ["BLOCK_ORDERS", "VGG", "DigitsCNN", "LeNet5", "Network", "linear_network", "seeded"]

BLOCK_ORDERS = ("bn_sign_conv_pool", "usual")


@contextmanager
def seeded(seed, device="cpu"):
    """Let torch draw its random numbers from ``seed`` inside a ``with`` block.

    Afterwards the generators of the CPU and of ``device``, a GPU if there is one to be seeded too,
    are as they were before.

    >>> with seeded(0):
    ...     first = torch.rand(3)
    >>> with seeded(0):
    ...     print(torch.equal(first, torch.rand(3)))
    True
    """
    seed = check_integer(seed, "seed", 0, 2**64 - 1)
    device = torch.device(device)
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        # torch.manual_seed would seed every GPU, and only those named here are put back.
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(seed)
        yield


class DigitsCNN(nn.Module):
    """A small convolutional network with batch normalization, made for 8 x 8 digits.

    Three 3 x 3 convolutions (16, 32 and 64 channels, padding 1), each followed by batch
    normalization and ReLU, with a 2 x 2 max-pooling after the second and the third; then two
    linear layers (128 hidden units): 57,594 parameters for the digits. ``image_size`` is a
    multiple of 4. The same ``seed`` gives the same first weights.

    >>> model = DigitsCNN()
    >>> model(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 10])
    >>> sum(parameter.numel() for parameter in model.parameters())
    57594
    """

    def __init__(self, in_channels=1, num_classes=10, image_size=8, *, seed=0):
        super().__init__()
        self.image_shape = _image_shape(in_channels, image_size, 1)
        num_classes = check_integer(num_classes, "num_classes", 2, 2**16)
        if image_size % 4 or image_size < 4:
            raise ValueError(f"image_size must be a multiple of 4, got {image_size}")
        with seeded(seed):
            # Batch normalization subtracts the mean, so a bias before it would have no effect.
            self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(16)
            self.conv2 = nn.Conv2d(16, 32, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(32)
            self.conv3 = nn.Conv2d(32, 64, 3, padding=1, bias=False)
            self.bn3 = nn.BatchNorm2d(64)
            self.fc1 = nn.Linear(64 * (image_size // 4) ** 2, 128)
            self.fc2 = nn.Linear(128, num_classes)

    def forward(self, images):
        """Return the logits (N x classes) of ``images`` (N x C x H x W, values 0 to 1)."""
        check_images(images, self.image_shape)
        x = functional.relu(self.bn1(self.conv1(images)))
        x = functional.max_pool2d(functional.relu(self.bn2(self.conv2(x))), 2)
        x = functional.max_pool2d(functional.relu(self.bn3(self.conv3(x))), 2)
        return self.fc2(functional.relu(self.fc1(x.flatten(1))))


class Network(nn.Sequential):
    """Layers one after the other, for square images of one size: what the classes below share.

    Two orders of a block are in use. Written layer after layer they differ in one place, what
    stands between a convolution and the next one's activation:

    * ``"usual"``: convolution, batch normalization, activation, pooling;
    * ``"bn_sign_conv_pool"`` (BNN, XNOR-Net): batch normalization, activation, convolution,
      pooling. Pooling sees real sums, and normalization centres what a sign then cuts in half.
      The maximum of signs would be +1 as soon as one of them is.

    Parameters
    ----------
    least_size : int
        The smallest image in pixels.
    block_order : str
        ``"usual"`` or ``"bn_sign_conv_pool"``.
    batch_norm : bool
        Whether each layer but the last is normalized; then it has no bias.
    signs : bool
        Whether layers will take the signs of their input. Then no ReLU stands before them, as
        behind one every sign is +1; the last layer, if it stays real, has one.
    norm_logits : bool
        Whether the last layer will be binary: its sums are far too large for logits, and batch
        normalization learns their scale.

    Attributes
    ----------
    image_shape : tuple of int
        C, H and W.
    """

    def __init__(
        self,
        in_channels,
        num_classes,
        image_size,
        *,
        least_size,
        block_order="usual",
        batch_norm=True,
        signs=False,
        norm_logits=False,
    ):
        super().__init__()
        self.image_shape = _image_shape(in_channels, image_size, least_size)
        self.num_classes = check_integer(num_classes, "num_classes", 2, 2**16)
        check_choice(block_order, "block_order", BLOCK_ORDERS)
        self.block_order, self.batch_norm = block_order, batch_norm
        self.signs, self.norm_logits = signs, norm_logits

    def forward(self, images):
        """Return the logits (N x classes) of ``images`` (N x C x H x W, values 0 to 1)."""
        check_images(images, self.image_shape)
        return super().forward(images)

    def _conv(self, *sizes, **options):
        return nn.Conv2d(*sizes, bias=not self.batch_norm, **options)

    def _activation(self):
        """Return what stands before a layer: nothing where the layer takes signs itself."""
        return [] if self.signs else [nn.ReLU()]

    def _norm(self, channels):
        return [nn.BatchNorm2d(channels)] if self.batch_norm else []

    def _between(self, number, channels, pool):
        """Return what stands between layer ``number`` and the next one, by name."""
        normal = [(f"bn{number}", layer) for layer in self._norm(channels)]
        normal += [(f"act{number}", layer) for layer in self._activation()]
        pooled = [(f"pool{number}", nn.MaxPool2d(2))] if pool else []
        return pooled + normal if self.block_order == "bn_sign_conv_pool" else normal + pooled

    def _dense(self, number, inputs, outputs):
        """Return a linear layer, its normalization and activation, by name."""
        layers = [(f"fc{number}", nn.Linear(inputs, outputs, bias=not self.batch_norm))]
        layers += [(f"fc{number}_bn", nn.BatchNorm1d(outputs))] if self.batch_norm else []
        return layers + [(f"fc{number}_act", layer) for layer in self._activation()]

    def _head(self, inputs, name="output"):
        """Return the last layer, by name, with what stands before and after it."""
        last = nn.Linear(inputs, self.num_classes, bias=not self.norm_logits)
        if self.norm_logits:
            return [(name, last), (f"{name}_bn", nn.BatchNorm1d(self.num_classes))]
        return [("relu", nn.ReLU())] * self.signs + [(name, last)]

    def _fill(self, layers):
        for name, layer in layers:
            self.add_module(name, layer)


class LeNet5(Network):
    """LeNet-5: two 5 x 5 convolutions with max-pooling, three linear layers.

    The sizes are those of LeCun et al., Proceedings of the IEEE 86 (11), 1998, section II.B: C1 is
    ``conv1``, C3 ``conv2``, C5 ``fc1`` and F6 ``fc2``. It departs from the paper as most later
    versions do: ReLU in place of the scaled tanh, max-pooling in place of subsampling with trained
    weights, every channel of C3 sees every channel before it (in the paper a table picks some),
    and the output is a linear layer in place of radial basis functions. 61,706 parameters for grey
    images. The paper's are 32 x 32; those of 28 x 28 are padded with two rows and columns of zeros
    on each side, smaller ones (4 x 4 at least) so that they keep their size in both convolutions.

    ``widths`` are the channels of the convolutions and the widths of the hidden linear layers. The
    options are those of :class:`Network`; as in the paper there is no batch normalization unless
    it is asked for.

    >>> model = LeNet5(image_size=28)
    >>> model(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    >>> sum(parameter.numel() for parameter in model.parameters())
    61706
    """

    def __init__(
        self,
        in_channels=1,
        num_classes=10,
        image_size=28,
        *,
        widths=(6, 16, 120, 84),
        batch_norm=False,
        seed=0,
        **options,
    ):
        super().__init__(
            in_channels, num_classes, image_size, least_size=4, batch_norm=batch_norm, **options
        )
        c1, c2, h1, h2 = check_sizes(widths, "widths", 2**16, 4)
        size = (image_size if image_size < 32 else image_size - 4) // 2
        with seeded(seed):
            layers = [
                ("conv1", self._conv(in_channels, c1, 5, padding=2 if image_size < 32 else 0)),
                *self._between(1, c1, pool=True),
                ("conv2", self._conv(c1, c2, 5, padding=2 if size < 8 else 0)),
                *self._between(2, c2, pool=True),
            ]
            size = (size if size < 8 else size - 4) // 2
            layers += [
                ("flatten", nn.Flatten()),
                *self._dense(1, c2 * size**2, h1),
                *self._dense(2, h1, h2),
                # Saved weights have these names.
                *self._head(h2, "output" if batch_norm else "fc3"),
            ]
        self._fill(layers)


class VGG(Network):
    """The network for CIFAR-10 of BNN: six 3 x 3 convolutions, three linear layers.

    2 x (128 C3) - MP2 - 2 x (256 C3) - MP2 - 2 x (512 C3) - MP2 - 2 x (1024 FC) - classes, with
    batch normalization; the published widths are divided by ``width``. Images are 8 x 8 at least.
    For 32 x 32 colour images it has 14,022,016 weights. The options are those of :class:`Network`.

    Source: Courbariaux et al. (2016), section 2.3; Bei Yu, Mo04, "BNN CIFAR-10 Architecture".

    >>> model = VGG(1, 10, 8, width=64)
    >>> model(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """

    def __init__(self, in_channels=3, num_classes=10, image_size=32, *, width=1, seed=0, **options):
        super().__init__(in_channels, num_classes, image_size, least_size=8, **options)
        width = check_integer(width, "width", 1, 128)
        before, layers = in_channels, []
        with seeded(seed):
            for number, full in enumerate((128, 128, 256, 256, 512, 512), 1):
                channels = full // width
                layers.append((f"conv{number}", self._conv(before, channels, 3, padding=1)))
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


def linear_network(weights, biases=None):
    """Return a network of linear layers with the given weights, and ReLU between them.

    Small enough to follow by hand; the exercises' checks use it. ``weights`` are arrays of
    (out, in), one for each layer, ``biases`` arrays of (out,), or None where a layer has none.

    >>> network = linear_network([[[1.0, -1.0], [0.5, 2.0]], [[1.0, 1.0]]])
    >>> network(torch.tensor([[1.0, 2.0]])).tolist()
    [[4.5]]
    """
    biases = [None] * len(weights) if biases is None else list(biases)
    if not len(weights) or len(biases) != len(weights):
        raise ValueError(
            f"weights and biases must be one for each layer, got {len(weights)} and {len(biases)}"
        )
    layers, width = [], None
    for weight, bias in zip(weights, biases, strict=True):
        weight = torch.tensor(np.asarray(weight), dtype=torch.float32)
        if weight.ndim != 2 or width not in (None, weight.shape[1]):
            wanted = "two axes" if width is None else f"the shape (out, {width})"
            raise ValueError(f"weights must have {wanted} here, got {tuple(weight.shape)}")
        check_finite(weight, "weights")
        width = weight.shape[0]
        layer = nn.Linear(weight.shape[1], width, bias=bias is not None)
        with torch.no_grad():
            layer.weight.copy_(weight)
            if bias is not None:
                bias = torch.tensor(np.asarray(bias), dtype=torch.float32)
                if bias.shape != (width,):
                    raise ValueError(
                        f"biases must have the shape ({width},), got {tuple(bias.shape)}"
                    )
                layer.bias.copy_(bias)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).eval()


def check_sizes(sizes, name, high, count=None):
    """Return ``sizes`` as a tuple; raise unless they are ``count`` whole numbers from 1 on."""
    sizes = tuple(sizes) if isinstance(sizes, Iterable) else (sizes,)
    sizes = tuple(check_integer(size, name, 1, high) for size in sizes)
    if len(sizes) != count and (count or not sizes):
        wanted = count or "one or more"
        raise ValueError(f"{name} must be {wanted} whole numbers, got {shown(sizes)}")
    return sizes


def check_images(images, image_shape):
    """Raise unless ``images`` are a tensor of N images of that shape."""
    if traced(images):
        return
    if not isinstance(images, torch.Tensor):
        raise TypeError(f"images must be a torch tensor, got {type(images).__name__}")
    if images.ndim != 4 or tuple(images.shape[1:]) != image_shape:
        expected = " x ".join(map(str, image_shape))
        raise ValueError(
            f"images must be N x C x H x W = N x {expected}, got shape {tuple(images.shape)}"
        )


def _image_shape(in_channels, image_size, least_size):
    in_channels = check_integer(in_channels, "in_channels", 1, 2**16)
    image_size = check_integer(image_size, "image_size", least_size, 2**16)
    return in_channels, image_size, image_size
