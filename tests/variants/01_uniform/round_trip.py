"""Answers to `round_trip` of exercise 01."""


def rounded(x, scale, zero_point, bit_width):
    return np.clip(np.round(x / scale) + zero_point, 0, 2**bit_width - 1)


def wrong_as_it_was(x, scale, zero_point, bit_width):
    """Message: A code below the zero point"""
    return colleagues_round_trip(x, scale, zero_point, bit_width)


def wrong_ties_left(x, scale, zero_point, bit_width):
    """Message: half-way between two marks"""
    codes = np.clip(np.floor(x / scale + 0.5) + zero_point, 0, 2**bit_width - 1).astype(np.uint8)
    return codes, scale * (codes.astype(int) - zero_point)


def wrong_top_left(x, scale, zero_point, bit_width):
    """Message: at an end of the range of 4 bits"""
    codes = np.clip(np.round(x / scale) + zero_point, 0, 2**bit_width)
    return codes.astype(np.uint8), scale * (codes - zero_point)


def wrong_wrapping_left(x, scale, zero_point, bit_width):
    """Message: A code below the zero point"""
    codes = rounded(x, scale, zero_point, bit_width).astype(np.uint8)
    return codes, scale * (codes - zero_point)


def wrong_int8(x, scale, zero_point, bit_width):
    """Message: OverflowError"""
    codes = rounded(x, scale, zero_point, bit_width)
    return codes.astype(np.uint8), scale * (codes.astype(np.uint8).astype(np.int8) - zero_point)


def wrong_zero_point_inside_of_rounding(x, scale, zero_point, bit_width):
    """Message: half-way between two marks"""
    codes = np.clip(np.round(x / scale + zero_point), 0, 2**bit_width - 1).astype(np.uint8)
    return codes, scale * (codes.astype(int) - zero_point)


def wrong_cut_off(x, scale, zero_point, bit_width):
    """Message: The fraction was cut off"""
    codes = np.clip(np.trunc(x / scale) + zero_point, 0, 2**bit_width - 1).astype(np.uint8)
    return codes, scale * (codes.astype(int) - zero_point)


def wrong_no_zero_point(x, scale, zero_point, bit_width):
    """Message: The zero point is missing in the codes"""
    codes = np.clip(np.round(x / scale), 0, 2**bit_width - 1).astype(np.uint8)
    return codes, scale * codes.astype(int)


def wrong_clamped_first(x, scale, zero_point, bit_width):
    """Message: The codes are wrong for scale 0.5"""
    codes = (np.clip(np.round(x / scale), 0, 2**bit_width - 1) + zero_point).astype(np.uint8)
    return codes, scale * (codes.astype(int) - zero_point)


def wrong_int32_codes(x, scale, zero_point, bit_width):
    """Message: The codes must be stored as uint8"""
    codes = rounded(x, scale, zero_point, bit_width).astype(np.int32)
    return codes, scale * (codes - zero_point)


def wrong_converted_before_clamping(x, scale, zero_point, bit_width):
    """Message: far outside of the range"""
    codes = (np.round(x / scale) + zero_point).astype(np.int32)
    codes = np.clip(codes, 0, 2**bit_width - 1).astype(np.uint8)
    return codes, scale * (codes.astype(int) - zero_point)


def wrong_single_precision(x, scale, zero_point, bit_width):
    """Message: half-way between two codes"""
    codes = rounded(x.astype(np.float32), np.float32(scale), zero_point, bit_width)
    return codes.astype(np.uint8), scale * (codes - zero_point)


def wrong_in_place(x, scale, zero_point, bit_width):
    """Message: changed in place"""
    values = x.copy()
    if x.ndim:
        x /= scale
    codes = rounded(values, scale, zero_point, bit_width).astype(np.uint8)
    return codes, scale * (codes.astype(int) - zero_point)


def wrong_library(x, scale, zero_point, bit_width):
    """Message: without quantlib"""
    from quantlib import uniform

    qparams = uniform.QParams(scale, zero_point, bit_width, signed=False)
    return uniform.quantize(x, qparams).astype(np.uint8), uniform.fake_quantize(x, qparams)


def right_real_numbers_first(x, scale, zero_point, bit_width):
    """The real numbers from codes that are still floats; a list."""
    codes = np.clip(np.rint(x / scale) + zero_point, 0, 2**bit_width - 1)
    return [codes.astype(np.uint8), (codes - zero_point) * scale]


def right_loop(x, scale, zero_point, bit_width):
    """Number by number, in Python's integers."""
    highest = (1 << bit_width) - 1
    codes = [min(max(round(v / scale) + zero_point, 0), highest) for v in x.ravel().tolist()]
    values = [scale * (code - zero_point) for code in codes]
    return np.array(codes, dtype=np.uint8).reshape(x.shape), np.array(values).reshape(x.shape)


def right_torch(x, scale, zero_point, bit_width):
    """With torch."""
    steps = torch.round(torch.tensor(np.array(x)) / scale) + zero_point
    codes = steps.clamp(0, 2**bit_width - 1)
    return codes.to(torch.uint8), scale * (codes - zero_point)


def right_colleagues_lines(x, scale, zero_point, bit_width):
    """The colleague's lines, repaired one by one."""
    codes = np.round(x / scale) + zero_point
    codes = np.maximum(np.minimum(codes, 2**bit_width - 1), 0).astype(np.uint8)
    return codes, scale * (codes.astype(np.float64) - zero_point)
