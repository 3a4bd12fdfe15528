"""Networks of depthwise separable convolutions, as on phones."""

from torch import nn

from quantlib._validation import check_choice
from quantlib.models.networks import Network, check_sizes, seeded

__all__ = ["MobileNet"]

_ACTIVATIONS = {"relu": nn.ReLU, "relu6": nn.ReLU6, "sigmoid": nn.Sigmoid}


class MobileNet(Network):
    """A small MobileNet: each channel filtered by itself, then all channels mixed pixel by pixel.

    A 3 x 3 convolution (``stem``), then for each of ``widths`` but the first a block: a depthwise
    3 x 3 convolution (``depthwise1``, …) and a pointwise 1 x 1 one (``pointwise1``, …). Each of
    them is followed by batch normalization and the activation. The mean of each channel goes into
    a linear layer (``output``). A block whose number is in ``halved`` halves the image in its
    depthwise convolution.

    Source: Howard et al. (2017), "MobileNets", section 3.2 and Table 1. ReLU6 is that of the
    published code.

    >>> import torch
    >>> model = MobileNet(1, 10, 8)
    >>> model(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    >>> sum(parameter.numel() for parameter in model.parameters())
    9034
    """

    def __init__(
        self,
        in_channels=1,
        num_classes=10,
        image_size=8,
        *,
        widths=(16, 32, 64, 64),
        halved=(2,),
        activation="relu6",
        seed=0,
    ):
        super().__init__(in_channels, num_classes, image_size, least_size=4)
        first, *others = check_sizes(widths, "widths", 2**16)
        check_choice(activation, "activation", tuple(_ACTIVATIONS))
        halved = check_sizes(halved, "halved", len(others)) if halved else ()
        kind = _ACTIVATIONS[activation]

        def block(name, *sizes, **options):
            yield name, nn.Conv2d(*sizes, bias=False, **options)
            yield f"{name}_bn", nn.BatchNorm2d(sizes[1])
            yield f"{name}_act", kind()

        with seeded(seed):
            layers, before = [*block("stem", in_channels, first, 3, padding=1)], first
            for number, width in enumerate(others, 1):
                options = {"stride": 2 if number in halved else 1, "padding": 1, "groups": before}
                layers += block(f"depthwise{number}", before, before, 3, **options)
                layers += block(f"pointwise{number}", before, width, 1)
                before = width
            layers += [("mean", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten())]
            layers += self._head(before)
        self._fill(layers)
