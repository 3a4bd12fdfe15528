"""Answers to `fixed_point` of exercise 03."""

import math
from fractions import Fraction


def clamped(integers, bit_width):
    """Return integers that q bits can hold."""
    return np.clip(integers, 0, 2**bit_width - 1)


def wrong_integers(x, bit_width, fraction_bits):
    """Message: These are the integers i"""
    return clamped(np.round(x * 2.0**fraction_bits), bit_width)


def wrong_floor(x, bit_width, fraction_bits):
    """Message: The numbers were rounded down"""
    return clamped(np.floor(x * 2.0**fraction_bits), bit_width) / 2.0**fraction_bits


def wrong_cut_off_by_astype(x, bit_width, fraction_bits):
    """Message: The numbers were rounded down"""
    return clamped((x * 2.0**fraction_bits).astype(int), bit_width) * 2.0**-fraction_bits


def wrong_ceil(x, bit_width, fraction_bits):
    """Message: The numbers were rounded up"""
    return clamped(np.ceil(x * 2.0**fraction_bits), bit_width) / 2.0**fraction_bits


def wrong_no_saturation(x, bit_width, fraction_bits):
    """Message: Saturation is missing"""
    return np.round(x * 2.0**fraction_bits) * 2.0**-fraction_bits


def wrong_one_integer_too_many(x, bit_width, fraction_bits):
    """Message: The largest integer of q bits is 2^q - 1"""
    return np.clip(np.round(x * 2.0**fraction_bits), 0, 2**bit_width) * 2.0**-fraction_bits


def wrong_sign_bit(x, bit_width, fraction_bits):
    """Message: A bit was spent on a sign"""
    top = 2 ** (bit_width - 1)
    return np.clip(np.round(x * 2.0**fraction_bits), -top, top - 1) * 2.0**-fraction_bits


def wrong_values_clamped(x, bit_width, fraction_bits):
    """Message: The integers saturate at 2^q - 1, not the values"""
    return clamped(np.round(x * 2.0**fraction_bits) * 2.0**-fraction_bits, bit_width)


def wrong_wraps_around(x, bit_width, fraction_bits):
    """Message: A number that is too large wrapped around"""
    return np.round(x * 2.0**fraction_bits) % 2**bit_width * 2.0**-fraction_bits


def wrong_unit_upside_down(x, bit_width, fraction_bits):
    """Message: The unit is 2^-F"""
    return clamped(np.round(x / 2.0**fraction_bits), bit_width) * 2.0**fraction_bits


def wrong_rounded_first(x, bit_width, fraction_bits):
    """Message: x was rounded before it was multiplied"""
    return clamped(np.round(x) * 2.0**fraction_bits, bit_width) * 2.0**-fraction_bits


def wrong_decimal_digits(x, bit_width, fraction_bits):
    """Message: F was taken for decimal digits"""
    largest = (2**bit_width - 1) * 2.0**-fraction_bits
    return np.minimum(np.round(x, fraction_bits), largest)


def wrong_exchanged(x, bit_width, fraction_bits):
    """Message: bit_width and fraction_bits are exchanged"""
    return clamped(np.round(x * 2.0**bit_width), fraction_bits) * 2.0**-bit_width


def wrong_sign_of_f_lost(x, bit_width, fraction_bits):
    """Message: The sign of F was lost"""
    unit = 2.0 ** -abs(fraction_bits)
    return clamped(np.round(x / unit), bit_width) * unit


def wrong_negative_f_as_zero(x, bit_width, fraction_bits):
    """Message: A negative F was taken for 0"""
    unit = 2.0 ** -max(fraction_bits, 0)
    return clamped(np.round(x / unit), bit_width) * unit


def wrong_shift(x, bit_width, fraction_bits):
    """Message: ValueError: negative shift count"""
    return clamped(np.round(x * (1 << fraction_bits)), bit_width) / (1 << fraction_bits)


def wrong_in_place(x, bit_width, fraction_bits):
    """Message: The input x was changed in place"""
    x *= 2.0**fraction_bits
    return clamped(np.round(x), bit_width) * 2.0**-fraction_bits


def wrong_single_byte(x, bit_width, fraction_bits):
    """Message: Some values are wrong for other q, F or shapes"""
    integers = clamped(np.round(x * 2.0**fraction_bits), bit_width).astype(np.uint8)
    return integers * 2.0**-fraction_bits


def wrong_at_least_one_unit(x, bit_width, fraction_bits):
    """Message: Some values are wrong for other q, F or shapes"""
    integers = np.where(x > 0, np.maximum(np.round(x * 2.0**fraction_bits), 1), 0)
    return clamped(integers, bit_width) * 2.0**-fraction_bits


def wrong_saturates_late(x, bit_width, fraction_bits):
    """Message: Some values are wrong for other q, F or shapes"""
    unit = 2.0**-fraction_bits
    too_large = x > 2**bit_width * unit
    return np.where(too_large, (2**bit_width - 1) * unit, np.round(x / unit) * unit)


def wrong_largest(x, bit_width, fraction_bits):
    """Message: M is (2^q - 1) * 2^-F, not 2^q - 2^-F."""
    unit = 2.0**-fraction_bits
    return np.minimum(np.round(x / unit) * unit, 2**bit_width - unit)


def wrong_whole_numbers(x, bit_width, fraction_bits):
    """Message: The values were cut to whole numbers"""
    values = np.zeros(x.shape, dtype=int)
    values[...] = clamped(np.round(x * 2.0**fraction_bits), bit_width) * 2.0**-fraction_bits
    return values


def right_values_clamped_at_m(x, bit_width, fraction_bits):
    """Saturates the values at M."""
    unit = 2.0**-fraction_bits
    return np.minimum(np.rint(x / unit) * unit, (2**bit_width - 1) * unit)


def right_half_added(x, bit_width, fraction_bits):
    """Adds a half and rounds down."""
    integers = np.floor(np.ldexp(x, fraction_bits) + 0.5)
    integers[integers > 2**bit_width - 1] = 2**bit_width - 1
    return np.ldexp(integers, -fraction_bits)


def right_in_fractions(x, bit_width, fraction_bits):
    """Number by number, exactly."""
    unit = Fraction(2) ** -fraction_bits
    integers = [math.floor(Fraction(v) / unit + Fraction(1, 2)) for v in x.ravel().tolist()]
    values = [float(min(i, 2**bit_width - 1) * unit) for i in integers]
    return np.array(values).reshape(x.shape)


def right_search(x, bit_width, fraction_bits):
    """Looks for the nearest among all numbers of the format."""
    numbers = np.arange(2**bit_width) * 2.0**-fraction_bits
    return numbers[np.searchsorted((numbers[1:] + numbers[:-1]) / 2, x)]
