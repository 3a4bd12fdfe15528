"""Answers to `dequantize` of exercise 01."""


def wrong_no_zero_point(codes, scale, zero_point):
    """Message: The zero point is missing"""
    return scale * codes.astype(np.int32)


def wrong_brackets(codes, scale, zero_point):
    """Message: mind the brackets"""
    return scale * codes.astype(np.int32) - zero_point


def wrong_zero_point_added(codes, scale, zero_point):
    """Message: The zero point was added"""
    return scale * (codes.astype(np.int32) + zero_point)


def wrong_divided(codes, scale, zero_point):
    """Message: was divided by the scale"""
    return (codes.astype(np.int32) - zero_point) / scale


def wrong_sign(codes, scale, zero_point):
    """Message: The sign is reversed"""
    return scale * (zero_point - codes.astype(np.int32))


def wrong_integers(codes, scale, zero_point):
    """Message: Real numbers need their fraction"""
    return (scale * (codes.astype(np.int32) - zero_point)).astype(np.int32)


def wrong_wraps_around(codes, scale, zero_point):
    """Message: Done in 8 bits"""
    return scale * (codes - zero_point)


def wrong_8_bits(codes, scale, zero_point):
    """Message: for other codes, integer types or zero points"""
    return scale * (codes.astype(np.int8).astype(np.int32) - zero_point)


def wrong_range_guessed(codes, scale, zero_point):
    """Message: for other codes, integer types or zero points"""
    return scale * (np.clip(codes, 0, 15).astype(float) - zero_point)


def right_float_first(codes, scale, zero_point):
    """Floats from the start."""
    return (codes.astype(np.float64) - zero_point) * scale


def right_expanded(codes, scale, zero_point):
    """The bracket multiplied out, in whole steps first."""
    steps = np.add(codes, -zero_point, dtype=np.int64)
    return np.multiply(steps, scale)


def right_loop(codes, scale, zero_point):
    """Element by element, in Python's integers."""
    values = [scale * (int(code) - zero_point) for code in codes.ravel()]
    return np.array(values).reshape(codes.shape)


def right_torch(codes, scale, zero_point):
    """With torch, and a torch tensor returned."""
    return (torch.tensor(codes.astype(np.int64)) - zero_point).to(torch.float64) * scale
