"""Answers to `ce` of exercise 03."""


def with_half(codes, bit_width, fixed_bit_width, reconstruction, half):
    """Return numbers with ``half`` added in the middle, except to code 0."""
    numbers = codes << (fixed_bit_width - bit_width)
    return numbers + half * (codes > 0) if reconstruction == "middle" else numbers


def half_step(bit_width, fixed_bit_width):
    """Return half a step, 0 where nothing was dropped."""
    return 2 ** (fixed_bit_width - bit_width) // 2


def wrong_shift_by_e(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: The shift is by q_m - E, not by E"""
    numbers = codes << bit_width
    if reconstruction == "middle":
        numbers = numbers + (codes > 0) * 2 ** (bit_width - 1)
    return numbers


def wrong_shift_by_q_m(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: The shift is by q_m - E, not by q_m"""
    numbers = codes << fixed_bit_width
    if reconstruction == "middle":
        numbers = numbers + (codes > 0) * 2 ** (fixed_bit_width - 1)
    return numbers


def wrong_always_the_middle(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: This is the middle. With "low" nothing is added."""
    return with_half(
        codes, bit_width, fixed_bit_width, "middle", half_step(bit_width, fixed_bit_width)
    )


def wrong_always_half_a_step(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: Half a step was added, to code 0 too."""
    return (codes << (fixed_bit_width - bit_width)) + half_step(bit_width, fixed_bit_width)


def wrong_way_of_shifting(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: The shift went to the right"""
    return codes >> (fixed_bit_width - bit_width)


def wrong_spread_over_the_range(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: The codes were spread over all numbers"""
    return codes * ((2**fixed_bit_width - 1) / (2**bit_width - 1))


def wrong_floats(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: Fixed-point numbers are integers here"""
    half = half_step(bit_width, fixed_bit_width)
    return with_half(codes, bit_width, fixed_bit_width, reconstruction, half).astype(float)


def wrong_zero_moves(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: Code 0 must keep standing for 0"""
    numbers = codes << (fixed_bit_width - bit_width)
    return (
        numbers + half_step(bit_width, fixed_bit_width) if reconstruction == "middle" else numbers
    )


def wrong_always_low(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: This is "low". With "middle" half a step is added."""
    return codes << (fixed_bit_width - bit_width)


def wrong_whole_step(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: A whole step was added"""
    step = 2 ** (fixed_bit_width - bit_width)
    return with_half(codes, bit_width, fixed_bit_width, reconstruction, step)


def wrong_half_of_e(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: Was E taken for q_m - E?"""
    return with_half(codes, bit_width, fixed_bit_width, reconstruction, 2 ** (bit_width - 1))


def wrong_one_half(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: One half was added"""
    return with_half(codes, bit_width, fixed_bit_width, reconstruction, 0.5)


def wrong_half_step_without_a_shift(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: With E = q_m there is no half step to add"""
    half = 2 ** max(fixed_bit_width - bit_width - 1, 0)
    return with_half(codes, bit_width, fixed_bit_width, reconstruction, half)


def wrong_fraction_without_a_shift(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: With E = q_m there is no half step, and no fraction"""
    half = 2.0 ** (fixed_bit_width - bit_width - 1)
    numbers = with_half(codes, bit_width, fixed_bit_width, reconstruction, half)
    return numbers.astype(int) if fixed_bit_width > bit_width else numbers


def wrong_in_place(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: The codes were changed in place"""
    codes <<= fixed_bit_width - bit_width
    return codes


def wrong_single_byte(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: Some numbers are wrong for other E, q_m or shapes"""
    half = half_step(bit_width, fixed_bit_width)
    return with_half(codes, bit_width, fixed_bit_width, reconstruction, half).astype(np.uint8)


def wrong_mean_of_the_step(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: This is the mean of the numbers in a step. Add half a step."""
    half = (2 ** (fixed_bit_width - bit_width) - 1) / 2
    return with_half(codes, bit_width, fixed_bit_width, reconstruction, half)


def wrong_mean_of_the_step_cut_off(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: This is the mean of the numbers in a step, cut off"""
    half = (2 ** (fixed_bit_width - bit_width) - 1) // 2
    return with_half(codes, bit_width, fixed_bit_width, reconstruction, half)


def wrong_first_code_is_zero(codes, bit_width, fixed_bit_width, reconstruction):
    """Message: Some numbers are wrong for other E, q_m or shapes"""
    numbers = codes << (fixed_bit_width - bit_width)
    if reconstruction == "middle":
        numbers.ravel()[1:] += half_step(bit_width, fixed_bit_width)
    return numbers


def right_multiplication(codes, bit_width, fixed_bit_width, reconstruction):
    """Multiplies by the step."""
    step = 2 ** (fixed_bit_width - bit_width)
    low = codes * step
    return low if reconstruction == "low" else np.where(codes == 0, 0, low + step // 2)


def right_bits(codes, bit_width, fixed_bit_width, reconstruction):
    """Sets the highest of the empty bits."""
    shift = fixed_bit_width - bit_width
    if shift == 0 or reconstruction == "low":
        return codes << shift
    return np.where(codes > 0, codes << shift | 1 << shift - 1, 0)


def right_table(codes, bit_width, fixed_bit_width, reconstruction):
    """Makes all numbers first, then looks the codes up."""
    shift = fixed_bit_width - bit_width
    table = np.arange(2**bit_width) << shift
    if reconstruction == "middle":
        table[1:] += (1 << shift) >> 1
    return table[codes]
