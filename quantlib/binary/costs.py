"""What binary networks cost: operations, and bits of parameters."""

from dataclasses import dataclass

from torch import nn

from quantlib._validation import check_choice, check_integer
from quantlib.binary.layers import METHODS, binary_layers
from quantlib.models import check_model, weight_layers

__all__ = ["Operations", "binary_ops", "parameter_bits", "xnor_speedup"]

_NORMALIZATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class Operations:
    """Operations of a layer, by kind: on real numbers, and on pairs of words.

    A word is an XOR and a popcount; the addition of the counts is part of it.
    """

    multiplications: int
    additions: int
    words: int


def binary_ops(c, n_w, n_i, *, method="xnor", n_filters=1, bits_per_word=64):
    r"""Count the operations of a convolution.

    With :math:`P = c\,N_W N_I` products a filter, f filters and words of w bits:

    =================  =====================  ===============  =====================
    method             multiplications        additions        words
    =================  =====================  ===============  =====================
    ``float``          f P                    f P              0
    ``binaryconnect``  0                      f P              0
    ``bwn``            f N_I (alpha)          f P              0
    ``bnn``            0                      0                f N_I ceil(c N_W / w)
    ``xnor``           f N_I (alpha K)        0                f N_I ceil(c N_W / w)
    =================  =====================  ===============  =====================

    ``c`` are channels of the input, ``n_w`` weights of a filter in one channel (9 for 3 x 3), and
    ``n_i`` the pixels where the filter is applied. The map K is not counted, as in the paper: all
    filters share it.

    Source: Bei Yu, Mo04, the table of operations: R * R takes + and ×, R * B takes + only, so
    about half (the "2x"), B * B takes XNOR and bit count.

    >>> binary_ops(256, 9, 14 * 14, method="float")
    Operations(multiplications=451584, additions=451584, words=0)
    >>> binary_ops(256, 9, 14 * 14, method="xnor")
    Operations(multiplications=196, additions=0, words=7056)
    """
    c, n_w, n_i = _check_counts(c, n_w, n_i)
    check_choice(method, "method", ("float", *METHODS))
    n_filters = check_integer(n_filters, "n_filters", 1, 2**31)
    bits_per_word = check_integer(bits_per_word, "bits_per_word", 1, 2**16)
    products, results = n_filters * c * n_w * n_i, n_filters * n_i
    words = results * -(-c * n_w // bits_per_word)
    return {
        "float": Operations(products, products, 0),
        "binaryconnect": Operations(0, products, 0),
        "bwn": Operations(results, products, 0),
        "bnn": Operations(0, 0, words),
        "xnor": Operations(results, 0, words),
    }[method]


def xnor_speedup(c, n_w, n_i, bits_per_word=64):
    r"""Return how many times fewer operations XNOR-Net's convolution takes than the real one.

    .. math::
        S = \frac{c\,N_W N_I}{\tfrac{1}{64} c\,N_W N_I + N_I}
          = \frac{64\,c\,N_W N_I}{c\,N_W N_I + 64\,N_I}

    A product and its addition count as one operation, and so does a word of XNOR and popcount.
    64 stands for ``bits_per_word``, the rest is as for :func:`binary_ops`; :math:`N_I` cancels.

    Source: Rastegari et al. (2016), section 3.2; Bei Yu, Mo04, gives it as "~58x", the figure of
    a measurement.

    >>> print(f"{xnor_speedup(c=256, n_w=3 * 3, n_i=14 * 14):.2f}")
    62.27
    """
    c, n_w, n_i = _check_counts(c, n_w, n_i)
    bits_per_word = check_integer(bits_per_word, "bits_per_word", 1, 2**16)
    return bits_per_word * c * n_w * n_i / (c * n_w * n_i + bits_per_word * n_i)


def parameter_bits(model, include="weights"):
    """Return how many bits the parameters of a network take.

    One for each weight of a binary layer, the bits of the dtype for each weight of another
    convolution or linear layer. ``include="all"`` in place of ``"weights"`` adds what deployment
    needs beside the weights: alpha (one number a filter, for methods that have it), biases, and
    the four numbers a channel of batch normalization.

    Source: Bei Yu, Mo04, "BNN vs CNN Parameter Efficiency", counts weights; its "13.4 Mbits" are
    14,022,016 bits in units of 2^20.

    >>> from quantlib.binary.layers import BinaryLinear
    >>> model = nn.Sequential(BinaryLinear(64, 10, method="bwn"), nn.Linear(10, 2))
    >>> parameter_bits(model), parameter_bits(model, "all")
    (1280, 1664)
    """
    check_model(model)
    check_choice(include, "include", ("weights", "all"))
    binary, bits = binary_layers(model), 0
    for name, layer in weight_layers(model).items():
        real = 8 * layer.weight.element_size()
        bits += layer.weight.numel() * (1 if name in binary else real)
        if include == "all":
            scales = name in binary and layer.weight_quant.scale == "channel"
            bits += real * len(layer.weight) * (scales + (layer.bias is not None))
    if include == "all":
        for module in model.modules():
            if isinstance(module, _NORMALIZATIONS):
                numbers = [module.weight, module.bias, module.running_mean, module.running_var]
                bits += sum(8 * x.element_size() * x.numel() for x in numbers if x is not None)
    return bits


def _check_counts(c, n_w, n_i):
    values = {"c": c, "n_w": n_w, "n_i": n_i}
    return tuple(check_integer(value, name, 1, 2**31) for name, value in values.items())
