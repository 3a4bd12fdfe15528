"""How many different values the output of a 1-bit block can take, with and without a shortcut."""

from typing import NamedTuple

from quantlib._validation import check_integer

__all__ = ["RepresentableValues", "representable_values"]


class RepresentableValues(NamedTuple):
    """How many values one number of a block's output can take."""

    #: Without a shortcut.
    plain: int
    #: With one, by the paper's count: every value of the one way with every value of the other.
    paper: int
    #: With one, counted exactly: the sign of what the shortcut carries is one of the products.
    shortcut: int
    #: With one, at most, if the sums of both ways are added without batch normalization.
    whole: int


def representable_values(in_channels, *, kernel_size=3):
    r"""Return how many values one number can take behind a 1-bit block.

    A sum of :math:`n = C k^2` products of signs is one of -n, -n + 2, …, n. Batch normalization
    gives each of them a value of its own. The shortcut adds what came out of the block before,
    again one of n + 1 values, whose scale is another:

    .. math::
        \text{plain: } n + 1, \qquad \text{paper: } (n + 1)^2, \qquad
        \text{shortcut: } (n + 1)\, n, \qquad \text{whole: } 2n + 1

    The paper multiplies the counts as if any two values could meet. But the number x that the
    shortcut carries to a pixel of channel c is also one of those whose signs the filter sees
    there: its product with the weight is known from x, and the other n - 1 leave n sums to each
    x, not n + 1. Sums that are added without batch normalization fall together: they
    are among -2n, -2n + 2, …, 2n.

    Assumed are as many channels of the same block before, with a shortcut that is the identity;
    windows inside the image, in which the n - 1 other signs are free of x; and two scales of
    which no sums coincide, as is so for all pairs of scales but countably many (in exact numbers:
    float32 may round some together). A tensor of N numbers has at most the N-th power of
    configurations. Every further block with a shortcut multiplies again.

    Source: Liu et al. (2018), who call it the representational capability of a layer.

    >>> representable_values(32)
    RepresentableValues(plain=289, paper=83521, shortcut=83232, whole=577)
    """
    in_channels = check_integer(in_channels, "in_channels", 1, 2**24)
    kernel_size = check_integer(kernel_size, "kernel_size", 1, 2**15)
    n = in_channels * kernel_size**2
    return RepresentableValues(n + 1, (n + 1) ** 2, (n + 1) * n, 2 * n + 1)
