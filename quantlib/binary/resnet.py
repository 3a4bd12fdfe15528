"""Residual networks, in real numbers or by any of the binary methods."""

from torch import nn

from quantlib._validation import check_choice
from quantlib.binary.networks import BinaryNetwork, check_sizes
from quantlib.models import seeded

__all__ = ["BinaryResNet", "Residual"]


class Residual(nn.Module):
    """Two ways whose results are added: ``body(x) + shortcut(x)``.

    Parameters
    ----------
    body, shortcut : torch.nn.Module

    Examples
    --------
    >>> import torch
    >>> Residual(nn.ReLU(), nn.Identity())(torch.tensor([-1.0, 2.0])).tolist()
    [-1.0, 4.0]
    """

    def __init__(self, body, shortcut):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x):
        """Return the sum of both ways."""
        return self.body(x) + self.shortcut(x)


class BinaryResNet(BinaryNetwork):
    """A residual network of basic blocks: two 3 x 3 convolutions beside a shortcut.

    The first block of every stage but the first halves the image; its shortcut is then a real
    1 x 1 convolution. With ``"bn_sign_conv_pool"`` each convolution has its batch normalization
    before it, with ``"usual"`` after it.

    Parameters
    ----------
    in_channels : int
        Channels of an image.
    image_size : int
        Height and width of an image in pixels, at least 4.
    num_classes : int
    widths : tuple of int
        Channels of each stage.
    blocks : tuple of int
        Blocks of each stage.
    stem : str
        ``"small"``: a 3 x 3 convolution. ``"large"``: 7 x 7 with stride 2, then 3 x 3
        max-pooling with stride 2, for images of 224 x 224.
    method, block_order, first_last, seed
        As for :class:`~quantlib.binary.networks.BinaryLeNet5`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not usable.

    Notes
    -----
    Source: He et al. (2016), "Deep residual learning", Table 1, and "Identity mappings in deep
    residual networks".

    Examples
    --------
    >>> import torch
    >>> model = BinaryResNet(1, 8, method="bnn")
    >>> model(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        in_channels=3,
        image_size=32,
        num_classes=10,
        *,
        widths=(16, 32, 64),
        blocks=(1, 1, 1),
        stem="small",
        method="bnn",
        block_order="bn_sign_conv_pool",
        first_last="float",
        seed=0,
    ):
        super().__init__(
            in_channels, image_size, num_classes, method=method, block_order=block_order,
            first_last=first_last, least_size=4,
        )  # fmt: skip
        widths = check_sizes(widths, "widths", 2**16)
        blocks = check_sizes(blocks, "blocks", 2**10)
        if len(blocks) != len(widths):
            raise ValueError(f"blocks must be one for each of widths {widths}, got {blocks}")
        check_choice(stem, "stem", ("small", "large"))
        with seeded(seed):
            layers = self._stem(in_channels, widths[0], stem)
            before = widths[0]
            for stage, (channels, count) in enumerate(zip(widths, blocks, strict=True), 1):
                for number in range(1, count + 1):
                    stride = 2 if stage > 1 and number == 1 else 1
                    layers += self._block(f"stage{stage}_{number}", before, channels, stride)
                    before = channels
            if self.block_order == "bn_sign_conv_pool":
                layers += [("bn", nn.BatchNorm2d(before))]
                layers += [("act", layer) for layer in self._activation()]
            layers += self._mean_head(before)
        self._fill(layers)

    @classmethod
    def resnet18(cls, in_channels=3, image_size=224, num_classes=1000, **options):
        """Return the shape of ResNet-18: four stages of two blocks, 64 to 512 channels.

        Examples
        --------
        >>> model = BinaryResNet.resnet18(method="float")
        >>> weights = [p.numel() for name, p in model.named_parameters() if p.ndim > 1]
        >>> sum(weights)  # torchvision's resnet18 has as many in convolutions and linear layer
        11678912
        """
        return cls(
            in_channels, image_size, num_classes,
            widths=(64, 128, 256, 512), blocks=(2, 2, 2, 2), stem="large", **options,
        )  # fmt: skip

    def _stem(self, in_channels, channels, stem):
        size, stride = (3, 1) if stem == "small" else (7, 2)
        conv = self._conv(in_channels, channels, size, stride=stride, padding=size // 2, first=True)
        layers = [("stem", conv)]
        if self.block_order == "usual":
            layers += [("stem_bn", nn.BatchNorm2d(channels))]
            layers += [("stem_act", layer) for layer in self._activation()]
        return layers + ([("stem_pool", nn.MaxPool2d(3, 2, 1))] if stem == "large" else [])

    def _mean_head(self, channels):
        """Return the mean over the image and the last layer, by name."""
        layers = [("mean", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten())]
        if not self._signs_activations:
            return layers + self._head(channels)
        if self.first_last == "float":
            relu, *head = self._head(channels)
            return [relu, *layers, *head]
        # A mean has to be centred before its sign says anything.
        return [*layers, ("mean_bn", nn.BatchNorm1d(channels)), *self._head(channels)]

    def _block(self, name, before, channels, stride):
        convs = [
            self._conv(before, channels, 3, stride=stride, padding=1),
            self._conv(channels, channels, 3, padding=1),
        ]
        same = stride == 1 and before == channels
        short = [] if same else [nn.Conv2d(before, channels, 1, stride, bias=False)]
        if self.block_order == "usual":
            normal = [nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)]
            body = [convs[0], normal[0], *self._activation(), convs[1], normal[1]]
            short += [] if same else [nn.BatchNorm2d(channels)]
            after = [(f"{name}_act", layer) for layer in self._activation()]
        else:
            normal = [nn.BatchNorm2d(before), nn.BatchNorm2d(channels)]
            body = [
                layer
                for pair in zip(normal, convs, strict=True)
                for layer in (pair[0], *self._activation(), pair[1])
            ]
            after = []
        shortcut = nn.Sequential(*short) if short else nn.Identity()
        return [(name, Residual(nn.Sequential(*body), shortcut)), *after]
