r"""Activations that are 0 or a power of two times one number, :math:`q_2`.

.. math::
    q_1 = 0, \quad q_i = 2^{i-2} q_2 \quad (i = 2, \dots, n), \qquad
    x_i = \tfrac12 (q_i + q_{i+1}) \quad (i = 1, \dots, n - 1)

n counts the levels from 0 on: with both signs there are 2n - 1, and a code of them takes
:math:`\lceil \log_2 (2n - 1) \rceil` bits. Long et al. (2020) call n the number of bits.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import integrate, optimize, special

from quantlib._validation import (
    as_array,
    check_flag,
    check_integer,
    check_positive,
    namespace,
    shown,
)

__all__ = [
    "Optimum",
    "expected_error",
    "grid_levels",
    "grid_thresholds",
    "optimal_q2",
    "to_grid",
    "to_grid_derivative",
]

#: More levels would be beyond float64's exponents for any sensible first one.
MOST_LEVELS = 64


def grid_levels(q2, n_levels):
    """Return the levels from 0 on, ``n_levels`` of them, as float64.

    >>> grid_levels(0.25, 4).tolist()
    [0.0, 0.25, 0.5, 1.0]
    """
    q2, n_levels = _checked(q2, n_levels)
    return np.concatenate([[0.0], np.ldexp(q2, np.arange(n_levels - 1))])


def grid_thresholds(q2, n_levels):
    """Return the thresholds, each half-way between two levels; there is one fewer than levels.

    Source: Long et al. (2020), (5), whose last threshold needs a level that does not exist.

    >>> grid_thresholds(0.25, 4).tolist()
    [0.125, 0.375, 0.75]
    """
    levels = grid_levels(q2, n_levels)
    return (levels[:-1] + levels[1:]) / 2


def to_grid(x, q2, n_levels, *, signed=True):
    r"""Return ``x`` rounded to the nearest level, on a threshold to the one nearer 0.

    .. math:: P(x) = \mathrm{sign}(x)\, q_i \quad\text{where } x_{i-1} < |x| \le x_i

    with :math:`x_0 = 0` and :math:`x_n = \infty`. With ``signed=False`` everything below 0 becomes
    0, as behind a ReLU. The result is of the kind, shape and dtype of ``x``; a NaN stays one.

    Source: Long et al. (2020), (2), (4) and (5).

    >>> to_grid([-5.0, -0.2, 0.125, 0.13, 0.6], 0.25, 4).tolist()
    [-1.0, -0.25, 0.0, 0.25, 0.5]
    """
    check_flag(signed, "signed")
    levels, (x, xp) = grid_levels(q2, n_levels), _real(x)
    magnitudes = xp.abs(x) if signed else xp.where(x > 0, x, xp.zeros_like(x))
    rounded = xp.zeros_like(x)
    # A sum of steps: each threshold that is passed adds the way to the next level, exactly.
    for threshold, step in zip(grid_thresholds(q2, n_levels), np.diff(levels), strict=True):
        rounded = xp.where(magnitudes > float(threshold), rounded + float(step), rounded)
    rounded = xp.where(x < 0, -rounded, rounded) if signed else rounded
    return xp.where(x == x, rounded, x)


def to_grid_derivative(x, q2, n_levels, *, signed=True):
    r"""Return what the gradient takes the slope of :func:`to_grid` for.

    .. math::
        P'(x) = \begin{cases} 0 & |x| \le x_1 \\ 1 & x_1 < |x| \le x_{n-1} \\
        \dfrac{1}{|x| - x_{n-1} + 1} & |x| > x_{n-1} \end{cases}

    It jumps from 0 to 1 at :math:`x_1`. At the last threshold it does not: the third line starts
    at 1 there, and falls to 1/2 one unit further on, whatever :math:`q_2` is. With two levels
    :math:`x_1` is the last threshold, and the middle line is empty. With ``signed=False`` it is 0
    below 0.

    Source: Long et al. (2020), (7), for x of both signs.

    >>> to_grid_derivative([-0.1, 0.2, 0.75, 1.75, -1.75], 0.25, 4).tolist()
    [0.0, 1.0, 1.0, 0.5, 0.5]
    """
    check_flag(signed, "signed")
    thresholds, (x, xp) = grid_thresholds(q2, n_levels), _real(x)
    first, last = float(thresholds[0]), float(thresholds[-1])
    magnitudes = xp.abs(x) if signed else xp.where(x > 0, x, xp.zeros_like(x))
    beyond = xp.where(magnitudes > last, magnitudes - last, xp.zeros_like(x))
    slope = xp.where(magnitudes > first, 1 / (beyond + 1), xp.zeros_like(x))
    return xp.where(x == x, slope, x)


def expected_error(q2, n_levels, *, density=None):
    r"""Return the expected squared error of numbers above 0.

    .. math:: E = \int_0^\infty \varphi(x)\, (P(x) - x)^2\, dx

    For the normal density, the default, in closed form: with :math:`\Phi` its integral,

    .. math:: \int_a^b \varphi(x) (q - x)^2 dx = (q^2 + 1)\, \bigl[\Phi\bigr]_a^b
              + \bigl[(2q - x)\, \varphi\bigr]_a^b .

    Only x > 0 is counted, half of a symmetric density's error, as in the paper's Table 1, whose 30
    numbers it gives. The paper's equation (6) has other bounds and another last level, and does
    not give them.

    Parameters
    ----------
    density : callable, optional
        Another density, of one float, for numbers of a size near 1. It is integrated numerically.

    Notes
    -----
    Source: Long et al. (2020), (3), (6) and Table 1.

    Examples
    --------
    >>> round(expected_error(0.25, 5), 4)
    0.0209
    """
    levels = grid_levels(q2, n_levels)
    bounds = [0.0, *grid_thresholds(q2, n_levels).tolist(), math.inf]
    pieces = list(zip(levels.tolist(), bounds[:-1], bounds[1:], strict=True))
    if density is None:
        return math.fsum(_normal_piece(*piece) for piece in pieces)
    if not callable(density):
        raise TypeError(f"density must be a function of one number, got {shown(density)}")

    def at(x):
        value = density(x)
        if np.ndim(value) or not 0 <= value < math.inf:
            raise ValueError(
                f"density must be a number from 0 on, and finite, got {shown(value)} at {x:g}"
            )
        return value

    return math.fsum(
        integrate.quad(lambda x, q=q: at(x) * (q - x) ** 2, a, b)[0] for q, a, b in pieces
    )


def _normal_piece(q, a, b):
    """The integral of phi(x) (q - x)^2 from a to b, where b may be infinite."""

    def phi(x):
        return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)

    # Far out both integrals are near 1, and their difference lost: that of the tails is not.
    area = float(special.ndtr(-a) - special.ndtr(-b))
    ends = (0.0 if math.isinf(b) else (2 * q - b) * phi(b)) - (2 * q - a) * phi(a)
    return (q * q + 1) * area + ends


class Optimum(NamedTuple):
    """The best first level, and the error that it leaves."""

    q2: float
    error: float


def optimal_q2(n_levels, *, density=None):
    """Return the :math:`q_2` of least :func:`expected_error`, and that error.

    The error has several valleys where there are many levels, so the best of a coarse grid of
    :math:`q_2` is refined by Brent's method. The paper took a genetic algorithm, and the best of
    five columns of its Table 1.

    Source: Long et al. (2020), (6).

    >>> best = optimal_q2(5)
    >>> round(best.q2, 3), round(best.error, 4)
    (0.29, 0.0199)
    """
    coarse = np.linspace(-12, 3, 151)
    errors = [expected_error(2.0**u, n_levels, density=density) for u in coarse]
    best = int(np.argmin(errors))
    if best in (0, len(coarse) - 1):
        raise ValueError(
            f"density must be of numbers whose best first level lies between {2.0 ** coarse[0]:g} "
            f"and {2.0 ** coarse[-1]:g}, got another: scale them"
        )
    ends = coarse[max(best - 1, 0)], coarse[min(best + 1, len(coarse) - 1)]
    found = optimize.minimize_scalar(
        lambda u: expected_error(2.0**u, n_levels, density=density), bounds=ends,
        method="bounded", options={"xatol": 1e-10},
    )  # fmt: skip
    return Optimum(float(2.0**found.x), float(found.fun))


def _checked(q2, n_levels):
    return float(check_positive(q2, "q2")), check_integer(n_levels, "n_levels", 2, MOST_LEVELS)


def _real(x):
    x = as_array(x, "x")
    xp = namespace(x)
    if not xp.isdtype(x.dtype, "real floating"):
        x = xp.astype(x, xp.float64 if xp.__name__.endswith("numpy") else xp.float32)
    return x, xp
