"""Answers to `quantize` of exercise 01."""

import math


def wrong_no_clamp(x, scale, zero_point, quant_min, quant_max):
    """Message: The codes are not clamped"""
    return (np.round(x / scale) + zero_point).astype(np.int32)


def wrong_clamped_above_only(x, scale, zero_point, quant_min, quant_max):
    """Message: some codes lie below quant_min"""
    return np.minimum(np.round(x / scale) + zero_point, quant_max).astype(np.int32)


def wrong_clamped_below_only(x, scale, zero_point, quant_min, quant_max):
    """Message: some codes lie above quant_max"""
    return np.maximum(np.round(x / scale) + zero_point, quant_min).astype(np.int32)


def wrong_clamped_before_zero_point(x, scale, zero_point, quant_min, quant_max):
    """Message: clamped before the zero point was added"""
    codes = np.clip(np.round(x / scale), quant_min, quant_max)
    return (codes + zero_point).astype(np.int32)


def wrong_zero_point_before_rounding(x, scale, zero_point, quant_min, quant_max):
    """Message: added before rounding"""
    return np.clip(np.round(x / scale + zero_point), quant_min, quant_max).astype(np.int32)


def wrong_truncated(x, scale, zero_point, quant_min, quant_max):
    """Message: cut off towards 0"""
    return np.clip((x / scale).astype(np.int32) + zero_point, quant_min, quant_max)


def wrong_floor(x, scale, zero_point, quant_min, quant_max):
    """Message: cut off downwards"""
    return np.clip(np.floor(x / scale) + zero_point, quant_min, quant_max).astype(np.int32)


def wrong_truncated_at_the_end(x, scale, zero_point, quant_min, quant_max):
    """Message: cut off downwards"""
    return np.clip(x / scale + zero_point, quant_min, quant_max).astype(np.int32)


def wrong_ties_up(x, scale, zero_point, quant_min, quant_max):
    """Message: Ties were rounded up"""
    return np.clip(np.floor(x / scale + 0.5) + zero_point, quant_min, quant_max).astype(np.int32)


def wrong_no_zero_point(x, scale, zero_point, quant_min, quant_max):
    """Message: The zero point is missing"""
    return np.clip(np.round(x / scale), quant_min, quant_max).astype(np.int32)


def wrong_zero_point_subtracted(x, scale, zero_point, quant_min, quant_max):
    """Message: The zero point was subtracted"""
    return np.clip(np.round(x / scale) - zero_point, quant_min, quant_max).astype(np.int32)


def wrong_multiplied(x, scale, zero_point, quant_min, quant_max):
    """Message: x was multiplied by the scale"""
    return np.clip(np.round(x * scale) + zero_point, quant_min, quant_max).astype(np.int32)


def wrong_wraps_around(x, scale, zero_point, quant_min, quant_max):
    """Message: Converted to 8 bits before clamping"""
    codes = (np.round(x / scale) + zero_point).astype(np.int64).astype(np.uint8)
    return np.clip(codes, max(quant_min, 0), quant_max).astype(np.int32)


def wrong_wraps_around_far_out(x, scale, zero_point, quant_min, quant_max):
    """Message: Some codes are wrong"""
    codes = (np.round(x / scale) + zero_point).astype(np.int64).astype(np.int8)
    return np.clip(codes.astype(np.int32), quant_min, quant_max)


def wrong_range_starts_at_zero(x, scale, zero_point, quant_min, quant_max):
    """Message: Negative codes were cut off at 0"""
    return np.clip(np.round(x / scale) + zero_point, 0, quant_max).astype(np.int32)


def wrong_fixed_range(x, scale, zero_point, quant_min, quant_max):
    """Message: they are not always 0 and 15"""
    return np.clip(np.round(x / scale) + zero_point, 0, 15).astype(np.int32)


def wrong_floats(x, scale, zero_point, quant_min, quant_max):
    """Message: Codes are integers"""
    return np.clip(np.round(x / scale) + zero_point, quant_min, quant_max)


def wrong_in_place(x, scale, zero_point, quant_min, quant_max):
    """Message: changed in place"""
    x /= scale
    np.round(x, out=x)
    x += zero_point
    return np.clip(x, quant_min, quant_max).astype(np.int32)


def wrong_no_return(x, scale, zero_point, quant_min, quant_max):
    """Message: returned nothing"""
    np.clip(np.round(x / scale) + zero_point, quant_min, quant_max).astype(np.int32)


def wrong_flat(x, scale, zero_point, quant_min, quant_max):
    """Message: another shape than the docstring says"""
    codes = [round(v / scale) + zero_point for v in x.ravel().tolist()]
    return np.clip(np.array(codes), quant_min, quant_max)


def wrong_one_rounding_of_the_tie(x, scale, zero_point, quant_min, quant_max):
    """Message: where x / scale is a tie"""
    # Right for the ties of the visible check (0.5 and 1.5), wrong for -0.5.
    quotient = x / scale
    codes = np.where(quotient < 0, np.floor(quotient + 0.5 - 1e-9), np.round(quotient))
    codes = np.where(quotient == -0.5, -1, codes)
    return np.clip(codes + zero_point, quant_min, quant_max).astype(np.int32)


def right_loop(x, scale, zero_point, quant_min, quant_max):
    """Element by element; Python's round takes the even neighbour too."""
    codes = np.empty(x.shape, dtype=np.int32)
    for index in np.ndindex(x.shape):
        code = round(float(x[index]) / scale) + zero_point
        codes[index] = min(max(code, quant_min), quant_max)
    return codes


def right_torch(x, scale, zero_point, quant_min, quant_max):
    """With torch."""
    codes = torch.round(torch.tensor(x, dtype=torch.float64) / scale) + zero_point
    return torch.clamp(codes, quant_min, quant_max).to(torch.int32).numpy()


def right_where(x, scale, zero_point, quant_min, quant_max):
    """np.where in place of np.clip, the reciprocal in place of the division."""
    codes = np.rint(x * (1.0 / scale)) + zero_point
    codes = np.where(codes < quant_min, quant_min, codes)
    return np.where(codes > quant_max, quant_max, codes).astype(np.int64)


def right_shifted_range(x, scale, zero_point, quant_min, quant_max):
    """Clamped before the zero point is added, to a range that is shifted by it."""
    codes = np.clip(np.round(x / scale), quant_min - zero_point, quant_max - zero_point)
    return codes.astype(np.int32) + zero_point


def right_ties_by_hand(x, scale, zero_point, quant_min, quant_max):
    """Ties rounded to even by hand."""

    def nearest_even(value):
        below = math.floor(value)
        rest = value - below
        up = rest > 0.5 or (rest == 0.5 and below % 2 == 1)
        return below + int(up)

    codes = np.vectorize(nearest_even)(x / scale) + zero_point
    return np.minimum(np.maximum(codes, quant_min), quant_max)
