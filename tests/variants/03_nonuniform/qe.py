"""Answers to `qe` of exercise 03."""


def saturated(codes, bit_width):
    """Return codes that are at most the largest."""
    return np.minimum(codes, 2**bit_width - 1)


def wrong_nearest(u, bit_width, fixed_bit_width):
    """Message: The numbers were rounded to the nearest. ENQ rounds down."""
    codes = np.round(u / 2 ** (fixed_bit_width - bit_width)).astype(int)
    return saturated(codes, bit_width)


def wrong_half_a_step_added(u, bit_width, fixed_bit_width):
    """Message: The numbers were rounded to the nearest. ENQ rounds down."""
    shift = fixed_bit_width - bit_width
    return saturated((u + 2**shift // 2) >> shift, bit_width)


def wrong_ceil(u, bit_width, fixed_bit_width):
    """Message: The numbers were rounded up"""
    codes = np.ceil(u / 2 ** (fixed_bit_width - bit_width)).astype(int)
    return saturated(codes, bit_width)


def wrong_no_saturation(u, bit_width, fixed_bit_width):
    """Message: Saturation is missing"""
    return u >> (fixed_bit_width - bit_width)


def wrong_one_code_too_many(u, bit_width, fixed_bit_width):
    """Message: Codes saturate at 2^E - 1, not at 2^E"""
    return np.minimum(u >> (fixed_bit_width - bit_width), 2**bit_width)


def wrong_saturates_at_q_m(u, bit_width, fixed_bit_width):
    """Message: Was q_m taken for E?"""
    return np.minimum(u >> (fixed_bit_width - bit_width), 2**fixed_bit_width - 1)


def wrong_shift_by_e(u, bit_width, fixed_bit_width):
    """Message: The shift is by q_m - E, not by E"""
    return saturated(u >> bit_width, bit_width)


def wrong_shift_by_q_m(u, bit_width, fixed_bit_width):
    """Message: The shift is by q_m - E, not by q_m"""
    return saturated(u >> fixed_bit_width, bit_width)


def wrong_low_bits(u, bit_width, fixed_bit_width):
    """Message: These are the low bits"""
    return u & (2**bit_width - 1)


def wrong_wraps_around(u, bit_width, fixed_bit_width):
    """Message: Large numbers wrapped around"""
    return (u >> (fixed_bit_width - bit_width)) & (2**bit_width - 1)


def wrong_way_of_shifting(u, bit_width, fixed_bit_width):
    """Message: The shift went to the left"""
    return saturated(u << (fixed_bit_width - bit_width), bit_width)


def wrong_shifted_back(u, bit_width, fixed_bit_width):
    """Message: That is CE's work"""
    shift = fixed_bit_width - bit_width
    return saturated(u >> shift, bit_width) << shift


def wrong_floats(u, bit_width, fixed_bit_width):
    """Message: Codes are integers"""
    return np.minimum(np.floor(u / 2 ** (fixed_bit_width - bit_width)), 2**bit_width - 1)


def wrong_in_place(u, bit_width, fixed_bit_width):
    """Message: The input u was changed in place"""
    u >>= fixed_bit_width - bit_width
    return saturated(u, bit_width)


def wrong_always_a_shift(u, bit_width, fixed_bit_width):
    """Message: The codes are wrong for E = q_m"""
    return saturated(u >> max(fixed_bit_width - bit_width, 1), bit_width)


def wrong_early_return(u, bit_width, fixed_bit_width):
    """Message: Saturation is missing: the largest code is 2^E - 1 here too."""
    if bit_width == fixed_bit_width:
        return u.copy()
    return saturated(u >> (fixed_bit_width - bit_width), bit_width)


def wrong_single_byte(u, bit_width, fixed_bit_width):
    """Message: Some codes are wrong for other E, q_m or shapes"""
    return saturated(u >> (fixed_bit_width - bit_width), bit_width).astype(np.uint8)


def wrong_first_digits(u, bit_width, fixed_bit_width):
    """Message: Zeros in front are among the top ones"""
    codes = [int(f"{v:b}"[:bit_width], 2) for v in u.ravel().tolist()]
    return np.array(codes).reshape(u.shape)


def wrong_first_digits_of_too_many(u, bit_width, fixed_bit_width):
    """Message: 32 and 1000 have more than q_m bits"""
    codes = [int(f"{v:0{fixed_bit_width}b}"[:bit_width], 2) for v in u.ravel().tolist()]
    return np.array(codes).reshape(u.shape)


def wrong_zero_where_too_large(u, bit_width, fixed_bit_width):
    """Message: Large numbers became 0"""
    return np.where(u < 2**fixed_bit_width, u >> (fixed_bit_width - bit_width), 0)


def wrong_scaled(u, bit_width, fixed_bit_width):
    """Message: The range was scaled to 2^E - 1. Shift only."""
    return saturated(u * (2**bit_width - 1) // (2**fixed_bit_width - 1), bit_width)


def right_whole_division(u, bit_width, fixed_bit_width):
    """Divides and rounds down, then clips."""
    return np.clip(u // 2 ** (fixed_bit_width - bit_width), 0, 2**bit_width - 1)


def right_saturated_first(u, bit_width, fixed_bit_width):
    """Saturates the number of q_m bits, then shifts."""
    return (
        np.where(u > 2**fixed_bit_width - 1, 2**fixed_bit_width - 1, u)
        >> fixed_bit_width - bit_width
    )


def right_loop(u, bit_width, fixed_bit_width):
    """Counts the levels that a number has reached."""
    step = 2 ** (fixed_bit_width - bit_width)
    codes = np.zeros(u.shape, dtype=np.int32)
    for level in range(1, 2**bit_width):
        codes += u >= level * step
    return codes


def right_floor(u, bit_width, fixed_bit_width):
    """Multiplies by a fraction, rounds down and converts; gives a list."""
    codes = np.floor(u * 2.0 ** (bit_width - fixed_bit_width))
    return saturated(codes, bit_width).astype(np.int32).tolist()
