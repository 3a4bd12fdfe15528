"""Residual networks."""

from torch import nn

from quantlib._validation import check_choice, shown
from quantlib.models.networks import Network, check_sizes, seeded

__all__ = ["ResNet", "Residual"]


class Residual(nn.Module):
    """Two ways whose results are added: ``body(x) + shortcut(x)``.

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


class ResNet(Network):
    """A residual network of basic blocks: two 3 x 3 convolutions beside a shortcut.

    The first block of every stage but the first halves the image; its shortcut is then a
    1 x 1 convolution. With ``"bn_sign_conv_pool"`` each convolution has its batch normalization
    before it, with ``"usual"`` after it. ``widths`` and ``blocks`` are channels and
    number of blocks of each stage. The ``"small"`` stem is a 3 x 3 convolution, the ``"large"``
    one 7 x 7 with stride 2, then 3 x 3 max-pooling with stride 2, for images of 224 x 224. The
    options are those of :class:`~quantlib.models.networks.Network`.

    Source: He et al. (2016), "Deep residual learning", Table 1, and "Identity mappings in deep
    residual networks".

    >>> import torch
    >>> ResNet(1, 10, 8)(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    >>> model = ResNet(3, 1000, 224, widths=(64, 128, 256, 512), blocks=(2, 2, 2, 2), stem="large")
    >>> weights = [p.numel() for name, p in model.named_parameters() if p.ndim > 1]
    >>> sum(weights)  # torchvision's resnet18 has as many in convolutions and linear layer
    11678912
    """

    def __init__(
        self,
        in_channels=3,
        num_classes=10,
        image_size=32,
        *,
        widths=(16, 32, 64),
        blocks=(1, 1, 1),
        stem="small",
        seed=0,
        **options,
    ):
        super().__init__(in_channels, num_classes, image_size, least_size=4, **options)
        widths = check_sizes(widths, "widths", 2**16)
        blocks = check_sizes(blocks, "blocks", 2**10)
        if len(blocks) != len(widths):
            raise ValueError(f"blocks must be one for each of widths {widths}, got {shown(blocks)}")
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
                layers += [("bn", layer) for layer in self._norm(before)]
                layers += [("act", layer) for layer in self._activation()]
            layers += self._mean_head(before)
        self._fill(layers)

    def _stem(self, in_channels, channels, stem):
        size, stride = (3, 1) if stem == "small" else (7, 2)
        conv = self._conv(in_channels, channels, size, stride=stride, padding=size // 2)
        layers = [("stem", conv)]
        if self.block_order == "usual":
            layers += [("stem_bn", layer) for layer in self._norm(channels)]
            layers += [("stem_act", layer) for layer in self._activation()]
        return layers + ([("stem_pool", nn.MaxPool2d(3, 2, 1))] if stem == "large" else [])

    def _mean_head(self, channels):
        """Return the mean over the image and the last layer, by name."""
        layers = [("mean", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten())]
        head = self._head(channels)
        if not self.signs:
            return layers + head
        if not self.norm_logits:  # the ReLU comes before the mean
            return [head[0], *layers, *head[1:]]
        # A mean has to be centred before its sign says anything.
        return [*layers, ("mean_bn", nn.BatchNorm1d(channels)), *head]

    def _block(self, name, before, channels, stride):
        convs = [
            self._conv(before, channels, 3, stride=stride, padding=1),
            self._conv(channels, channels, 3, padding=1),
        ]
        same = stride == 1 and before == channels
        short = [] if same else [nn.Conv2d(before, channels, 1, stride, bias=False)]
        if self.block_order == "usual":
            body = [convs[0], *self._norm(channels), *self._activation()]
            body += [convs[1], *self._norm(channels)]
            short += [] if same else self._norm(channels)
            after = [(f"{name}_act", layer) for layer in self._activation()]
        else:
            body = [*self._norm(before), *self._activation(), convs[0]]
            body += [*self._norm(channels), *self._activation(), convs[1]]
            after = []
        shortcut = nn.Sequential(*short) if short else nn.Identity()
        return [(name, Residual(nn.Sequential(*body), shortcut)), *after]
