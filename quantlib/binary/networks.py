"""The networks of :mod:`quantlib.models` by any of the binary methods.

The signs of activations are taken by the binary layers, and a maximum commutes with them. Where
activations are real, ReLU stands in place of the sign.
"""

from quantlib._validation import check_choice
from quantlib.binary.layers import METHODS, quantizers
from quantlib.layers import convert_
from quantlib.models import VGG, LeNet5, Residual, ResNet, weight_layers

__all__ = [
    "FIRST_LAST",
    "NETWORK_METHODS",
    "BinaryLeNet5",
    "BinaryNetwork",
    "BinaryResNet",
    "BinaryVGG",
    "Residual",
]

NETWORK_METHODS = ("float", *METHODS)
FIRST_LAST = ("float", "binary")


class BinaryNetwork:
    """A network with batch normalization, made binary: what the classes below share.

    Parameters
    ----------
    in_channels, num_classes, image_size : int
        Of the images: 1 channel and 28 pixels for LeNet-5, 3 and 32 for the others if not given.
    method : str
        ``"float"``, ``"binaryconnect"``, ``"bwn"``, ``"bnn"`` or ``"xnor"``.
    block_order : str
        ``"bn_sign_conv_pool"`` or ``"usual"``, see :class:`~quantlib.models.networks.Network`.
    first_last : str
        ``"float"`` keeps the first and the last layer real. ``"binary"`` makes the weights of
        both binary; the images stay real, as in BNN, and batch normalization scales the logits.
        The 1 x 1 convolutions of shortcuts stay real in any case.
    widths, width, blocks, stem, seed
        As the network's plain form takes them.
    """

    #: Channels and size of the images that the network was made for.
    usual_image = (3, 32)

    def __init__(
        self,
        in_channels=None,
        num_classes=10,
        image_size=None,
        *,
        method="bnn",
        block_order="bn_sign_conv_pool",
        first_last="float",
        **options,
    ):
        check_choice(method, "method", NETWORK_METHODS)
        check_choice(first_last, "first_last", FIRST_LAST)
        real = method == "float"
        super().__init__(
            self.usual_image[0] if in_channels is None else in_channels,
            num_classes,
            self.usual_image[1] if image_size is None else image_size,
            block_order=block_order,
            batch_norm=True,
            signs=not real and METHODS[method][1] is not None,
            norm_logits=not real and first_last == "binary",
            **options,
        )
        self.method, self.first_last = method, first_last
        if real:
            return
        first, *_, last = layers = list(weight_layers(self))
        shortcuts = [name for name in layers if ".shortcut." in name]
        ends = [first] if first_last == "binary" else [first, last]
        convert_(self, **quantizers(method), skip=[*ends, *shortcuts])
        if first_last == "binary":  # images are no signs: binary weights at most
            weights = {**quantizers(method), "act_quant": None}
            convert_(self, **weights, skip=shortcuts)


class BinaryLeNet5(BinaryNetwork, LeNet5):
    """LeNet-5 with batch normalization: :class:`~quantlib.models.networks.LeNet5` by any method.

    >>> import torch
    >>> model = BinaryLeNet5(1, 10, 28, method="xnor")
    >>> model(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    usual_image = (1, 28)


class BinaryVGG(BinaryNetwork, VGG):
    """BNN's network for CIFAR-10: :class:`~quantlib.models.networks.VGG` by any method.

    >>> from quantlib import binary
    >>> binary.parameter_bits(BinaryVGG(first_last="binary"))
    14022016
    """


class BinaryResNet(BinaryNetwork, ResNet):
    """A residual network of basic blocks: :class:`~quantlib.models.residual.ResNet` by any method.

    >>> import torch
    >>> BinaryResNet(1, 10, 8, method="bnn")(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """

    @classmethod
    def resnet18(cls, in_channels=3, num_classes=1000, image_size=224, **options):
        """Return the shape of ResNet-18: four stages of two blocks, 64 to 512 channels."""
        return cls(
            in_channels, num_classes, image_size,
            widths=(64, 128, 256, 512), blocks=(2, 2, 2, 2), stem="large", **options,
        )  # fmt: skip
