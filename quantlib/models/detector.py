"""A network that finds several objects in an image in one pass."""

from itertools import pairwise

from torch import nn

from quantlib._validation import check_integer
from quantlib.models.networks import check_images, check_sizes, seeded

__all__ = ["Detector"]

_STRIDE = 8


class Detector(nn.Module):
    """A small single-shot detector: what is in each cell of 8 x 8 pixels, and where exactly.

    The backbone is four 3 x 3 convolutions (``conv1`` to ``conv4``), each with batch normalization
    and ReLU, the first three with 2 x 2 max-pooling, so that one pixel of its result stands for a
    cell of the image. Two heads look at it, each a 3 x 3 convolution with batch normalization and
    ReLU and a 1 x 1 convolution: ``class_hidden`` and ``class_out``, ``box_hidden`` and
    ``box_out``. For 40 x 40 pixels there are 5 x 5 cells.

    It returns two tensors: logits of the classes and, last, of "nothing" (N x (classes + 1) x rows
    x columns), and four numbers for the box whose centre is in the cell (N x 4 x rows x columns),
    which :func:`quantlib.detection.boxes.decode` reads.

    Source: Redmon et al. (2016), "You Only Look Once", section 2 (a grid of cells, one of which is
    responsible for an object); Liu et al. (2016), "SSD", sections 2.1 and 2.2 (a class for nothing,
    boxes told by their difference from a default box, which here is one for each cell).

    >>> import torch
    >>> classes, boxes = Detector()(torch.zeros(2, 1, 40, 40))
    >>> classes.shape, boxes.shape
    (torch.Size([2, 11, 5, 5]), torch.Size([2, 4, 5, 5]))
    >>> sum(parameter.numel() for parameter in Detector().parameters())
    42463
    """

    #: Pixels of a cell's side.
    stride = _STRIDE

    def __init__(self, num_classes=10, image_size=40, *, widths=(16, 32, 32, 32), seed=0):
        super().__init__()
        image_size = check_integer(image_size, "image_size", 16, 256)
        if image_size % _STRIDE:
            raise ValueError(f"image_size must be a multiple of {_STRIDE}, got {image_size}")
        self.image_shape = 1, image_size, image_size
        self.num_classes = check_integer(num_classes, "num_classes", 1, 2**16)
        sizes = 1, *check_sizes(widths, "widths", 2**16, 4)
        with seeded(seed):
            for number, (before, width) in enumerate(pairwise(sizes), 1):
                self._block(f"conv{number}", before, width)
            for name, channels in (("class", self.num_classes + 1), ("box", 4)):
                self._block(f"{name}_hidden", width, width)
                self.add_module(f"{name}_out", nn.Conv2d(width, channels, 1))
        self.pool = nn.MaxPool2d(2)

    def _block(self, name, before, width):
        self.add_module(name, nn.Conv2d(before, width, 3, padding=1, bias=False))
        self.add_module(f"{name}_bn", nn.BatchNorm2d(width))
        self.add_module(f"{name}_act", nn.ReLU())

    def forward(self, images):
        """Return logits and boxes of ``images`` (N x 1 x H x W, values 0 to 1)."""
        check_images(images, self.image_shape)
        x = self.pool(self.conv1_act(self.conv1_bn(self.conv1(images))))
        x = self.pool(self.conv2_act(self.conv2_bn(self.conv2(x))))
        x = self.pool(self.conv3_act(self.conv3_bn(self.conv3(x))))
        x = self.conv4_act(self.conv4_bn(self.conv4(x)))
        classes = self.class_hidden_act(self.class_hidden_bn(self.class_hidden(x)))
        boxes = self.box_hidden_act(self.box_hidden_bn(self.box_hidden(x)))
        return self.class_out(classes), self.box_out(boxes)
