"""From one scale to another in whole numbers: a multiplier, a rounding shift, a clamp."""

import numpy as np

from quantlib.kernels import reference

__all__ = ["bias_codes", "fixed_point", "requantize"]

_BITS = 31
_MOST_SHIFT = 62


def fixed_point(factor):
    r"""Return whole numbers m and n with :math:`m\, 2^{-n} \approx` ``factor``, positive numbers.

    .. math:: 2^{30} \le m < 2^{31}, \qquad 1 \le n \le 62

    m has 31 bits, so that the relative error is at most :math:`2^{-31}`. A factor too small for n,
    below :math:`2^{-32}`, gets a smaller m; one of :math:`2^{30}` or more is refused.

    Source: Jacob et al. (2018), section 2.2, equation (6).

    Parameters
    ----------
    factor : float or numpy.ndarray
        Such as :math:`s_x s_w / s_y` for each output channel.

    Returns
    -------
    numpy.ndarray, numpy.ndarray
        m as int32 and n as int64, in the shape of ``factor``.

    Examples
    --------
    >>> m, n = fixed_point(0.75)
    >>> int(m), int(n), float(m / 2.0**n)
    (1610612736, 31, 0.75)
    """
    factor = np.asarray(factor, np.float64)
    if not (np.isfinite(factor).all() and (factor > 0).all() and (factor < 2.0**30).all()):
        raise ValueError(f"factor must be from above 0 to below 2**30, got {factor.ravel()}")
    exponent = np.frexp(factor)[1]  # 2**(exponent - 1) <= factor < 2**exponent
    shift = np.minimum(_BITS - exponent.astype(np.int64), _MOST_SHIFT)
    m = np.rint(np.ldexp(factor, shift)).astype(np.int64)
    over = m == 2**_BITS
    m, shift = np.where(over, 2 ** (_BITS - 1), m), np.where(over, shift - 1, shift)
    return m.astype(np.int32), shift


def requantize(sums, multiplier, shift, *, zero_point, low, high):
    r"""Return codes of whole sums, rounded once, half up.

    .. math:: q = \mathrm{clamp}\left(z + \left\lfloor \frac{m\, s + 2^{n-1}}{2^n} \right\rfloor,
              \ \mathrm{low},\ \mathrm{high}\right)

    The product has 64 bits, and the floor is a shift. It is what the kernels do behind a
    convolution (:func:`quantlib.kernels.int8.int8_conv2d`). gemmlowp rounds twice, the upper half
    of the product first and then the shift; results differ by 1 at most.

    Source: Jacob et al. (2018), section 2.2.

    Parameters
    ----------
    sums : numpy.ndarray of int32 or int64
        Of any shape; ``multiplier`` and ``shift`` broadcast against it.
    zero_point, low, high : int
        Of the codes, within 0 to 255.

    Returns
    -------
    numpy.ndarray of uint8

    Examples
    --------
    >>> m, n = fixed_point(0.5)
    >>> requantize(np.array([-1, 1, 3, 900]), m, n, zero_point=10, low=0, high=255).tolist()
    [10, 11, 12, 255]
    """
    return reference.requantize(
        np.asarray(sums, np.int64), np.asarray(multiplier), np.asarray(shift), zero_point, low, high
    )


def bias_codes(bias, unit, name="bias"):
    r"""Return the whole numbers of a bias, :math:`\mathrm{round}(b_o / (s_x s_{w,o}))`, as int32.

    ``unit`` is the product of the scales, of each output or of all. Source: Jacob et al. (2018),
    section 2.4, equation (11). ``name`` is what the refusal of more than 32 bits calls it.

    >>> import torch
    >>> bias_codes(torch.tensor([1.0, -0.26]), 0.1).tolist()
    [10, -3]
    """
    codes = np.rint(bias.detach().double().numpy() / unit)
    if (abs(codes) >= 2**31).any():
        raise ValueError(
            f"{name} has a bias too large for 32 bits in units of its scales, {np.min(unit):g}: "
            f"give its weights a larger scale"
        )
    return codes.astype(np.int32)
