"""Answers to `log_encode` of exercise 02."""


def without_zeros(x):
    """Return the magnitudes of x, with 1 in the place of zeros."""
    return np.where(x == 0, 1.0, np.abs(x))


def put_together(x, bit_width, exponent, min_exponent):
    """Return the codes of exponents that are clamped already."""
    field = np.where(np.abs(x) < 2.0 ** (min_exponent - 1), 0, exponent - min_exponent + 1)
    sign = (x < 0) & (field > 0)
    return (sign * 2 ** (bit_width - 1) + field).astype(np.int32)


def encode(x, bit_width, max_exponent, exponent, min_exponent=None):
    """Return the codes of unclamped exponents."""
    if min_exponent is None:
        min_exponent = max_exponent - (2 ** (bit_width - 1) - 2)
    return put_together(x, bit_width, np.clip(exponent, min_exponent, max_exponent), min_exponent)


def wrong_log_of_zero(x, bit_width, max_exponent):
    """Message: The logarithm of 0 was taken"""
    return encode(x, bit_width, max_exponent, np.round(np.log2(np.abs(x))))


def wrong_one_exponent_too_many(x, bit_width, max_exponent):
    """Message: The codes are wrong for the worked values."""
    exponent = np.round(np.log2(without_zeros(x)))
    return encode(x, bit_width, max_exponent, exponent, max_exponent - 2 ** (bit_width - 1) + 1)


def wrong_one_exponent_too_few(x, bit_width, max_exponent):
    """Message: The codes are wrong for the worked values."""
    exponent = np.round(np.log2(without_zeros(x)))
    return encode(x, bit_width, max_exponent, exponent, max_exponent - 2 ** (bit_width - 1) + 3)


def wrong_no_saturation(x, bit_width, max_exponent):
    """Message: Some values above the largest level have wrong codes."""
    min_exponent = max_exponent - (2 ** (bit_width - 1) - 2)
    exponent = np.maximum(np.round(np.log2(without_zeros(x))), min_exponent)
    return put_together(x, bit_width, exponent, min_exponent)


def wrong_negative_zero(x, bit_width, max_exponent):
    """Message: Some values below the smallest level have wrong codes."""
    codes = encode(x, bit_width, max_exponent, np.round(np.log2(without_zeros(x))))
    return np.where((x < 0) & (codes == 0), 2 ** (bit_width - 1), codes)


def wrong_small_to_smallest_level(x, bit_width, max_exponent):
    """Message: Some values below the smallest level have wrong codes."""
    min_exponent = max_exponent - (2 ** (bit_width - 1) - 2)
    exponent = np.clip(np.round(np.log2(without_zeros(x))), min_exponent, max_exponent)
    field = np.where(x == 0, 0, exponent - min_exponent + 1)
    return (np.where(x < 0, 2 ** (bit_width - 1), 0) + field).astype(np.int32)


def wrong_zero_to_smallest_level(x, bit_width, max_exponent):
    """Message: The codes are wrong for the worked values."""
    min_exponent = max_exponent - (2 ** (bit_width - 1) - 2)
    exponent = np.clip(np.round(np.log2(np.abs(x) + 1e-30)), min_exponent, max_exponent)
    return (np.where(x < 0, 2 ** (bit_width - 1), 0) + exponent - min_exponent + 1).astype(np.int32)


def wrong_only_zero_to_smallest_level(x, bit_width, max_exponent):
    """Message: The codes are wrong for the worked values."""
    codes = encode(x, bit_width, max_exponent, np.round(np.log2(without_zeros(x))))
    return np.where(x == 0, 1, codes)


def wrong_zero_by_rounded_exponent(x, bit_width, max_exponent):
    """Message: The codes are wrong for the worked values."""
    min_exponent = max_exponent - (2 ** (bit_width - 1) - 2)
    field = np.round(np.log2(np.where(x == 0, 1e-300, np.abs(x)))) - min_exponent + 1
    field = np.clip(field, 0, 2 ** (bit_width - 1) - 1)
    return (np.where((x < 0) & (field > 0), 2 ** (bit_width - 1), 0) + field).astype(np.int32)


def wrong_zero_by_rounded_exponent_with_sign(x, bit_width, max_exponent):
    """Message: The codes are wrong for the worked values."""
    min_exponent = max_exponent - (2 ** (bit_width - 1) - 2)
    field = np.round(np.log2(np.where(x == 0, 1e-300, np.abs(x)))) - min_exponent + 1
    field = np.clip(field, 0, 2 ** (bit_width - 1) - 1)
    return (np.where(x < 0, 2 ** (bit_width - 1), 0) + field).astype(np.int32)


def wrong_tie_to_zero(x, bit_width, max_exponent):
    """Message: Some codes are wrong at half the smallest level, 0.125, or near"""
    codes = encode(x, bit_width, max_exponent, np.round(np.log2(without_zeros(x))))
    half_of_smallest = 2.0 ** (max_exponent - (2 ** (bit_width - 1) - 2) - 1)
    return np.where(np.abs(x) <= half_of_smallest, 0, codes)


def wrong_sign_lost(x, bit_width, max_exponent):
    """Message: The codes are wrong for the worked values."""
    codes = encode(x, bit_width, max_exponent, np.round(np.log2(without_zeros(x))))
    return codes % 2 ** (bit_width - 1)


def wrong_negative_codes(x, bit_width, max_exponent):
    """Message: The codes are wrong for the worked values."""
    codes = encode(x, bit_width, max_exponent, np.round(np.log2(without_zeros(x))))
    return np.sign(x).astype(np.int32) * (codes % 2 ** (bit_width - 1))


def wrong_sign_bit_too_high(x, bit_width, max_exponent):
    """Message: The codes are wrong for the worked values."""
    codes = encode(x, bit_width, max_exponent, np.round(np.log2(without_zeros(x))))
    return codes + codes // 2 ** (bit_width - 1) * 2 ** (bit_width - 1)


def wrong_sign_bit_below(x, bit_width, max_exponent):
    """Message: The codes are wrong for the worked values."""
    codes = encode(x, bit_width, max_exponent, np.round(np.log2(without_zeros(x))))
    return 2 * (codes % 2 ** (bit_width - 1)) + codes // 2 ** (bit_width - 1)


def wrong_sign_bit_upside_down(x, bit_width, max_exponent):
    """Message: The codes are wrong for the worked values."""
    codes = encode(x, bit_width, max_exponent, np.round(np.log2(without_zeros(x))))
    return np.where(codes == 0, 0, codes ^ 2 ** (bit_width - 1))


def wrong_fields_from_zero(x, bit_width, max_exponent):
    """Message: The codes are wrong for the worked values."""
    codes = encode(x, bit_width, max_exponent, np.round(np.log2(without_zeros(x))))
    return np.where(codes == 0, 0, codes - 1)


def wrong_fields_reversed(x, bit_width, max_exponent):
    """Message: The codes are wrong for the worked values."""
    codes = encode(x, bit_width, max_exponent, np.round(np.log2(without_zeros(x))))
    half = 2 ** (bit_width - 1)
    return np.where(codes == 0, 0, codes // half * half + half - codes % half)


def wrong_floor(x, bit_width, max_exponent):
    """Message: The codes are wrong for the worked values."""
    return encode(x, bit_width, max_exponent, np.floor(np.log2(without_zeros(x))))


def wrong_nearest(x, bit_width, max_exponent):
    """Message: Some values between two levels have the code of the other one."""
    magnitude = without_zeros(x)
    below = np.floor(np.log2(magnitude))
    return encode(x, bit_width, max_exponent, below + (magnitude >= 1.5 * 2.0**below))


def wrong_natural_logarithm(x, bit_width, max_exponent):
    """Message: The codes are wrong for the worked values."""
    return encode(x, bit_width, max_exponent, np.round(np.log(without_zeros(x))))


def wrong_max_exponent_ignored(x, bit_width, max_exponent):
    """Message: The codes are wrong for 2 bits and max_exponent 2: the levels are -4, 0 and"""
    return encode(x, bit_width, 0, np.round(np.log2(without_zeros(x))))


def wrong_floats(x, bit_width, max_exponent):
    """Message: Codes are integers"""
    return encode(x, bit_width, max_exponent, np.round(np.log2(without_zeros(x)))).astype(float)


def wrong_changed_in_place(x, bit_width, max_exponent):
    """Message: The input x was changed in place"""
    codes = encode(x, bit_width, max_exponent, np.round(np.log2(without_zeros(x))))
    x[x == 0] = 1.0
    return codes


def wrong_eight_bits(x, bit_width, max_exponent):
    """Message: Some codes are wrong where all values are negative."""
    codes = encode(x, bit_width, max_exponent, np.round(np.log2(without_zeros(x))))
    return codes.astype(np.int8)


def right_table_of_levels(x, bit_width, max_exponent):
    """Boundaries between all levels, and a search among them."""
    n_exponents = 2 ** (bit_width - 1) - 1
    exponents = max_exponent + 1.0 - np.arange(n_exponents, 0, -1)
    boundaries = np.concatenate([[2.0 ** (exponents[0] - 1)], 2.0 ** (exponents[:-1] + 0.5)])
    field = np.searchsorted(boundaries, np.abs(x), side="right")
    return np.where((x < 0) & (field != 0), field | 1 << (bit_width - 1), field).astype(np.int32)


def right_loop(x, bit_width, max_exponent):
    """One value after the other."""
    lowest = max_exponent - 2 ** (bit_width - 1) + 2
    codes = []
    for value in x.ravel().tolist():
        if value == 0 or abs(value) < 2.0**lowest / 2:
            codes.append(0)
            continue
        exponent = min(max(round(float(np.log2(abs(value)))), lowest), max_exponent)
        codes.append((1 << bit_width - 1 if value < 0 else 0) + exponent - lowest + 1)
    return np.array(codes, dtype=np.int64).reshape(x.shape)


def right_through_power_of_two(x, bit_width, max_exponent):
    """From the levels of the paper's formula, clamped as levels."""
    smallest = 2.0 ** (max_exponent - (2 ** (bit_width - 1) - 2))
    level = np.clip(np.abs(power_of_two(x)), smallest, 2.0**max_exponent)
    field = np.log2(level / smallest).astype(np.uint8) + 1
    field = np.where(np.abs(x) < smallest / 2, 0, field).astype(np.uint8)
    return field + np.uint8(2 ** (bit_width - 1)) * ((x < 0) & (field > 0))
