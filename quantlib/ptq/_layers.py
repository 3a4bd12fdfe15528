"""Layers that stand for what ``forward`` calls by name, where torch has none of that form."""

import torch
from torch import nn

__all__ = ["SAME_CODES", "Add", "Cat", "Function", "OwnForward", "Rows"]


class Add(nn.Module):
    """The sum of two tensors of one shape."""

    def forward(self, a, b):
        """Return ``a + b``."""
        return a + b


class Cat(nn.Module):
    """Tensors side by side along ``dim``."""

    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, *parts):
        """Return the parts as one tensor."""
        return torch.cat(parts, self.dim)

    def extra_repr(self):
        """Return the axis."""
        return f"dim={self.dim}"


class Rows(nn.Flatten):
    """Images as rows of ``length`` numbers: an image that has more or fewer is refused."""

    def __init__(self, length):
        super().__init__(1)
        self.length = length

    def forward(self, x):
        """Return N x ``length``."""
        rows = x.flatten(1)
        if rows.shape[1] != self.length:
            raise ValueError(
                f"images must have {self.length} numbers each where forward reshapes them, "
                f"got {rows.shape[1]}"
            )
        return rows


class Function(nn.Module):
    """Any other function of tensors; ``arguments`` calls it with them."""

    def __init__(self, name, arguments):
        super().__init__()
        self.name, self._arguments = name, arguments

    def forward(self, *tensors):
        """Return what the function gives for the tensors."""
        return self._arguments(tensors)

    def extra_repr(self):
        """Return the function's name."""
        return self.name


class OwnForward(nn.Module):
    """A layer whose class computes otherwise than the class of torch's that it comes from."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    @property
    def name(self):
        """What the layer is called."""
        return f"{type(self.layer).__name__}, which has a forward of its own"

    def forward(self, *tensors):
        """Return what the layer does."""
        return self.layer(*tensors)


#: What hands its input's codes on as they are: no code is new.
SAME_CODES = nn.MaxPool2d, nn.Flatten
