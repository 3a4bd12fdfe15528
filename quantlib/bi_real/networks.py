"""The 1-bit block, and residual networks that have a shortcut around each 1-bit convolution."""

from torch import nn

from quantlib._validation import check_choice, check_flag
from quantlib.bi_real.quantizers import quantizers
from quantlib.layers import QuantConv2d
from quantlib.models import Residual, ResNet

__all__ = ["BiRealResNet", "one_bit_block"]


def one_bit_block(
    in_channels, out_channels, stride=1, *, shortcut=True, padding_value=1, **options
):
    r"""Return the block of Bi-Real Net: sign, 1-bit 3 x 3 convolution, batch norm, and a shortcut.

    .. math:: y = \mathrm{BN}(\mathrm{sign}(x) * \overline{W}) + x

    The shortcut starts *before* the sign, so that real numbers go on beside the bits. Where the
    image is halved (``stride=2``) or the channels change it is a 2 x 2 mean (with the stride
    alone), a real 1 x 1 convolution and batch normalization.

    Parameters
    ----------
    stride : int
        1 or 2; for 2, height and width are even.
    shortcut : bool
        Whether there is one; False is the plain block of BNN.
    padding_value : int
        What lies outside of the image: 1, which bits can be, or 0 as in the published networks.
    gradient, magnitude_aware
        As for :func:`~quantlib.bi_real.quantizers.quantizers`.

    Notes
    -----
    Source: Liu et al. (2018). The published code has a mean of 2 x 2 with
    stride 1 where only the channels change, which would shrink the image; no network has that.

    Examples
    --------
    >>> import torch
    >>> one_bit_block(16, 32, 2)(torch.zeros(1, 16, 8, 8)).shape
    torch.Size([1, 32, 4, 4])
    """
    check_choice(stride, "stride", (1, 2))
    body = nn.Sequential(
        QuantConv2d(
            in_channels, out_channels, 3, stride, 1, bias=False, padding_value=padding_value,
            **quantizers(**options),
        ),
        nn.BatchNorm2d(out_channels),
    )  # fmt: skip
    if not check_flag(shortcut, "shortcut"):
        return body
    if stride == 1 and in_channels == out_channels:
        return Residual(body, nn.Identity())
    halved = [nn.AvgPool2d(2)] if stride == 2 else []
    widened = nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)
    return Residual(body, nn.Sequential(*halved, *widened))


class BiRealResNet(ResNet):
    """A residual network of 1-bit blocks: Bi-Real Net.

    Two blocks stand where :class:`~quantlib.models.residual.ResNet` has one of two convolutions.
    The stem, the shortcuts' convolutions and the last layer are real. There is no ReLU: behind one
    every sign would be +1, and a 1-bit layer could learn nothing. Latent weights start as torch's
    do, on both sides of 0; those of the published code start between 0 and 0.001, so that all
    signs are +1 until steps have carried weights across 0.

    Parameters
    ----------
    in_channels, num_classes, image_size : int
        Of the images. Where a shortcut halves them, they have to be even: behind the stem a
        multiple of 4 for three stages, of 8 for four.
    shortcut, gradient, magnitude_aware, padding_value
        As for :func:`one_bit_block`: the parts of the method, each of which can be left out.
    widths, blocks, stem, seed
        As for :class:`~quantlib.models.residual.ResNet`.

    Notes
    -----
    Source: Liu et al. (2018); the stem and the end are as in the published code.

    Examples
    --------
    >>> import torch
    >>> BiRealResNet(1, 10, 8)(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    >>> from quantlib import binary
    >>> len(binary.binary_layers(BiRealResNet.resnet18()))
    16
    """

    def __init__(
        self,
        in_channels=3,
        num_classes=10,
        image_size=32,
        *,
        shortcut=True,
        gradient="approx_sign",
        magnitude_aware=True,
        padding_value=1,
        **options,
    ):
        # The layers, which are made there, are asked for with them.
        self.parts = {
            "shortcut": shortcut, "gradient": gradient, "magnitude_aware": magnitude_aware,
            "padding_value": padding_value,
        }  # fmt: skip
        super().__init__(in_channels, num_classes, image_size, signs=True, **options)
        size = -(-image_size // 4) if hasattr(self, "stem_pool") else image_size
        wanted = 2 ** sum(isinstance(module, nn.AvgPool2d) for module in self.modules())
        if size % wanted:
            raise ValueError(
                f"image_size must be a multiple of {wanted} behind the stem, "
                f"got {size} there of {image_size}"
            )

    @classmethod
    def resnet18(cls, in_channels=3, num_classes=1000, image_size=224, **options):
        """Return the shape of ResNet-18: 16 one-bit convolutions, 64 to 512 channels."""
        return cls(
            in_channels, num_classes, image_size,
            widths=(64, 128, 256, 512), blocks=(2, 2, 2, 2), stem="large", **options,
        )  # fmt: skip

    def _block(self, name, before, channels, stride):
        return [
            (f"{name}_conv1", one_bit_block(before, channels, stride, **self.parts)),
            (f"{name}_conv2", one_bit_block(channels, channels, **self.parts)),
        ]

    def _mean_head(self, channels):
        mean = [("mean", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten())]
        return mean + self._head(channels)[-1:]
