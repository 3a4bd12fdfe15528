"""How far to clip: coarser steps for all values against a larger error for the few outermost."""

import math

import numpy as np
from array_api_compat import array_namespace

from quantlib._validation import as_float_array, check_bit_width, check_positive, detached
from quantlib.schemes import fake_quantize
from quantlib.uniform.ranges import qparams_from_range

__all__ = ["gaussian_mse", "gaussian_optimal_clip", "split_error"]


def split_error(x, clip, bit_width):
    r"""Mean squared error of symmetric quantization, its rounding and its clipping part apart.

    .. math:: D = \frac1n \sum_{|x_i| \le c} (x_i - \hat x_i)^2
                + \frac1n \sum_{|x_i| > c} (x_i - \hat x_i)^2

    ``clip`` is c, the largest magnitude that has a code of its own, in the unit of ``x``. The two
    sums are in that unit squared; codes have 2 to 16 bits.

    >>> rounding, clipping = split_error([0.25, 1.0, 3.0], clip=1.0, bit_width=2)
    >>> print(round(rounding, 4), round(clipping, 4))
    0.0208 1.3333
    """
    x = detached(as_float_array(x, "x"))
    clip = check_positive(clip, "clip")
    xp = array_namespace(x)
    qparams = qparams_from_range(-clip, clip, bit_width, dtype="float64")
    error = xp.astype(fake_quantize(x, qparams) - x, xp.float64) ** 2 / math.prod(x.shape)
    inside = xp.abs(x) <= clip
    zero = xp.zeros_like(error)
    return tuple(float(xp.sum(xp.where(part, error, zero))) for part in (inside, ~inside))


def gaussian_mse(clip, bit_width):
    r"""Mean squared error of symmetric quantization of a standard normal, clipped at ``clip``.

    With levels :math:`l_i = i s`, :math:`s = c / (2^{b-1} - 1)`, and the cells between the
    half-way points,

    .. math:: D(c) = \sum_i \int_{\text{cell } i} (x - l_i)^2 \varphi(x)\, dx

    in units of the variance; c is in standard deviations, b from 2 to 16. Each cell's integral is
    exact, by the normal distribution's partial moments; the error of the clipped tails is in the
    two outer cells.

    >>> print(round(gaussian_mse(1.2240, 2), 4))  # three levels: the least possible
    0.1902
    """
    from scipy.special import ndtr

    bit_width = check_bit_width(bit_width, 2, 16)
    clip = check_positive(clip, "clip")
    # By symmetry: the levels from 0 up, the cell of 0 counted on its right half.
    levels = np.linspace(0.0, clip, 2 ** (bit_width - 1))
    edges = np.concatenate([[0.0], (levels[:-1] + levels[1:]) / 2, [np.inf]])
    density = np.exp(-(edges**2) / 2) / math.sqrt(2 * math.pi)
    upper = ndtr(-edges)  # probability above each edge
    mass = upper[:-1] - upper[1:]
    first = density[:-1] - density[1:]  # integral of x * density
    edge_times_density = np.where(np.isfinite(edges), edges, 0.0) * density
    second = mass + edge_times_density[:-1] - edge_times_density[1:]  # of x**2 * density
    return float(2 * np.sum(second - 2 * levels * first + levels**2 * mass))


def gaussian_optimal_clip(bit_width):
    r"""Clip, in standard deviations, with the least :func:`gaussian_mse`: :math:`\arg\min_c D(c)`.

    A larger clip makes every step coarser, a smaller one cuts off more of the tails.

    >>> print([round(gaussian_optimal_clip(b), 2) for b in (2, 4, 8)])
    [1.22, 2.47, 3.92]
    """
    from scipy.optimize import minimize_scalar

    bit_width = check_bit_width(bit_width, 2, 16)
    found = minimize_scalar(
        gaussian_mse,
        bounds=(0.5, 8.0),
        args=(bit_width,),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(found.x)
