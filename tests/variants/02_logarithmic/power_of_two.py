"""Answers to `power_of_two` of exercise 02."""

import math


def without_zeros(x):
    """Return the magnitudes of x, with 1 in the place of zeros."""
    return np.where(x == 0, 1.0, np.abs(x))


def wrong_log_of_zero(x):
    """Message: The logarithm of 0 was taken"""
    return np.sign(x) * 2.0 ** np.round(np.log2(np.abs(x)))


def wrong_where_computes_both_branches(x):
    """Message: The logarithm of 0 was taken"""
    return np.where(x == 0, 0.0, np.sign(x) * 2.0 ** np.round(np.log2(np.abs(x))))


def wrong_sign_lost(x):
    """Message: The sign was lost"""
    return np.where(x == 0, 0.0, 2.0 ** np.round(np.log2(without_zeros(x))))


def wrong_zero_becomes_one(x):
    """Message: Zero must stay 0, and has become 1."""
    return np.where(x < 0, -1.0, 1.0) * 2.0 ** np.round(np.log2(without_zeros(x)))


def wrong_small_number_added_to_zero(x):
    """Message: The values are wrong for x = 0.3"""
    return np.where(x < 0, -1.0, 1.0) * 2.0 ** np.round(np.log2(np.abs(x) + 1e-9))


def wrong_floor(x):
    """Message: cut off downwards"""
    return np.sign(x) * 2.0 ** np.floor(np.log2(without_zeros(x)))


def wrong_truncated(x):
    """Message: cut off towards 0"""
    return np.sign(x) * 2.0 ** np.log2(without_zeros(x)).astype(int)


def wrong_ceil(x):
    """Message: The logarithm was rounded up"""
    return np.sign(x) * 2.0 ** np.ceil(np.log2(without_zeros(x)))


def wrong_natural_logarithm(x):
    """Message: natural logarithm"""
    return np.sign(x) * 2.0 ** np.round(np.log(without_zeros(x)))


def wrong_value_rounded(x):
    """Message: The values are wrong for x = 0.3"""
    return np.sign(x) * 2.0 ** np.log2(np.maximum(np.round(np.abs(x)), 1))


def wrong_nearest_level(x):
    """Message: This is the nearest level"""
    below = 2.0 ** np.floor(np.log2(without_zeros(x)))
    return np.sign(x) * np.where(np.abs(x) < 1.5 * below, below, 2 * below)


def wrong_exponents(x):
    """Message: These are exponents. Return the powers"""
    return np.round(np.log2(without_zeros(x)))


def wrong_signed_exponents(x):
    """Message: These are exponents with a sign"""
    return np.sign(x) * np.round(np.log2(without_zeros(x)))


def wrong_changed_in_place(x):
    """Message: The input x was changed in place"""
    sign = np.sign(x)
    x[x == 0] = 1.0
    return sign * 2.0 ** np.round(np.log2(np.abs(x)))


def wrong_integer_power(x):
    """Message: Integers to negative integer powers are not allowed"""
    return np.sign(x) * 2 ** np.round(np.log2(without_zeros(x))).astype(int)


def wrong_flat(x):
    """Message: another shape than the docstring says"""
    magnitude = without_zeros(x).ravel()
    return np.sign(x.ravel()) * 2.0 ** np.round(np.log2(magnitude))


def wrong_no_return(x):
    """Message: The function returned nothing"""
    magnitude = np.where(x == 0, 1.0, np.abs(x))
    np.sign(x) * 2.0 ** np.round(np.log2(magnitude))


def right_masked(x):
    """With a mask for the values that have a logarithm."""
    result = np.zeros(x.shape)
    mask = x != 0
    result[mask] = np.copysign(np.exp2(np.rint(np.log2(np.abs(x[mask])))), x[mask])
    return result


def right_loop(x):
    """One value after the other, with the math module."""
    values = [math.copysign(2.0 ** round(math.log2(abs(v))), v) if v else 0.0 for v in x.flat]
    return np.array(values).reshape(x.shape)


def right_frexp(x):
    """From the floating-point number's own exponent."""
    mantissa, exponent = np.frexp(np.abs(x))
    exponent = np.where(mantissa > math.sqrt(0.5), exponent, exponent - 1)
    return np.sign(x) * np.ldexp(1.0, exponent)


def right_where_argument(x):
    """The logarithm is computed only where there is one."""
    exponent = np.round(np.log2(np.abs(x), out=np.zeros_like(x), where=x != 0))
    return np.sign(x) * np.exp2(exponent)
