"""Answers to `fixed_point` of exercise 03."""

import math
from fractions import Fraction


def clamped(integers, word_bits):
    """Return integers that q bits can hold."""
    return np.clip(integers, 0, 2**word_bits - 1)


def wrong_integers(x, word_bits, fraction_bits):
    """Message: These are the integers i"""
    return clamped(np.round(x * 2.0**fraction_bits), word_bits)


def wrong_floor(x, word_bits, fraction_bits):
    """Message: The numbers were rounded down"""
    return clamped(np.floor(x * 2.0**fraction_bits), word_bits) / 2.0**fraction_bits


def wrong_cut_off_by_astype(x, word_bits, fraction_bits):
    """Message: The numbers were rounded down"""
    return clamped((x * 2.0**fraction_bits).astype(int), word_bits) * 2.0**-fraction_bits


def wrong_ceil(x, word_bits, fraction_bits):
    """Message: The numbers were rounded up"""
    return clamped(np.ceil(x * 2.0**fraction_bits), word_bits) / 2.0**fraction_bits


def wrong_no_saturation(x, word_bits, fraction_bits):
    """Message: Saturation is missing"""
    return np.round(x * 2.0**fraction_bits) * 2.0**-fraction_bits


def wrong_one_integer_too_many(x, word_bits, fraction_bits):
    """Message: The largest integer of q bits is 2^q - 1"""
    return np.clip(np.round(x * 2.0**fraction_bits), 0, 2**word_bits) * 2.0**-fraction_bits


def wrong_sign_bit(x, word_bits, fraction_bits):
    """Message: A bit was spent on a sign"""
    top = 2 ** (word_bits - 1)
    return np.clip(np.round(x * 2.0**fraction_bits), -top, top - 1) * 2.0**-fraction_bits


def wrong_values_clamped(x, word_bits, fraction_bits):
    """Message: The integers saturate at 2^q - 1, not the values"""
    return clamped(np.round(x * 2.0**fraction_bits) * 2.0**-fraction_bits, word_bits)


def wrong_wraps_around(x, word_bits, fraction_bits):
    """Message: A number that is too large wrapped around"""
    return np.round(x * 2.0**fraction_bits) % 2**word_bits * 2.0**-fraction_bits


def wrong_unit_upside_down(x, word_bits, fraction_bits):
    """Message: The unit is 2^-F"""
    return clamped(np.round(x / 2.0**fraction_bits), word_bits) * 2.0**fraction_bits


def wrong_rounded_first(x, word_bits, fraction_bits):
    """Message: x was rounded before it was multiplied"""
    return clamped(np.round(x) * 2.0**fraction_bits, word_bits) * 2.0**-fraction_bits


def wrong_decimal_digits(x, word_bits, fraction_bits):
    """Message: F was taken for decimal digits"""
    largest = (2**word_bits - 1) * 2.0**-fraction_bits
    return np.minimum(np.round(x, fraction_bits), largest)


def wrong_exchanged(x, word_bits, fraction_bits):
    """Message: word_bits and fraction_bits are exchanged"""
    return clamped(np.round(x * 2.0**word_bits), fraction_bits) * 2.0**-word_bits


def wrong_sign_of_f_lost(x, word_bits, fraction_bits):
    """Message: The sign of F was lost"""
    unit = 2.0 ** -abs(fraction_bits)
    return clamped(np.round(x / unit), word_bits) * unit


def wrong_negative_f_as_zero(x, word_bits, fraction_bits):
    """Message: A negative F was taken for 0"""
    unit = 2.0 ** -max(fraction_bits, 0)
    return clamped(np.round(x / unit), word_bits) * unit


def wrong_shift(x, word_bits, fraction_bits):
    """Message: ValueError: negative shift count"""
    return clamped(np.round(x * (1 << fraction_bits)), word_bits) / (1 << fraction_bits)


def wrong_in_place(x, word_bits, fraction_bits):
    """Message: The input x was changed in place"""
    x *= 2.0**fraction_bits
    return clamped(np.round(x), word_bits) * 2.0**-fraction_bits


def wrong_single_byte(x, word_bits, fraction_bits):
    """Message: Some values are wrong for other q, F or shapes"""
    integers = clamped(np.round(x * 2.0**fraction_bits), word_bits).astype(np.uint8)
    return integers * 2.0**-fraction_bits


def right_values_clamped_at_m(x, word_bits, fraction_bits):
    """Saturates the values at M."""
    unit = 2.0**-fraction_bits
    return np.minimum(np.rint(x / unit) * unit, (2**word_bits - 1) * unit)


def right_half_added(x, word_bits, fraction_bits):
    """Adds a half and rounds down."""
    integers = np.floor(np.ldexp(x, fraction_bits) + 0.5)
    integers[integers > 2**word_bits - 1] = 2**word_bits - 1
    return np.ldexp(integers, -fraction_bits)


def right_in_fractions(x, word_bits, fraction_bits):
    """Number by number, exactly."""
    unit = Fraction(2) ** -fraction_bits
    integers = [math.floor(Fraction(v) / unit + Fraction(1, 2)) for v in x.ravel().tolist()]
    values = [float(min(i, 2**word_bits - 1) * unit) for i in integers]
    return np.array(values).reshape(x.shape)
