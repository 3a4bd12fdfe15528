"""Answers to `choose_qparams_asymmetric` of exercise 01."""


def wrong_two_to_the_b(x, bit_width):
    """Message: there is one step less"""
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    if low == high:
        return 1.0, 0
    scale = (high - low) / 2**bit_width
    return scale, min(round(-low / scale), 2**bit_width - 1)


def wrong_zero_outside_the_range(x, bit_width):
    """Message: The zero point is no code here. The range must contain 0"""
    low, high = x.min(), x.max()
    if low == high:
        return 1.0, 0
    scale = (high - low) / (2**bit_width - 1)
    return scale, round(-low / scale)


def wrong_zero_outside_but_clamped(x, bit_width):
    """Message: The range starts at the smallest"""
    low, high = x.min(), x.max()
    if low == high:
        return 1.0, 0
    quant_max = 2**bit_width - 1
    scale = (high - low) / quant_max
    return scale, min(max(round(-low / scale), 0), quant_max)


def wrong_zero_only_below(x, bit_width):
    """Message: 0 must lie in the range"""
    low, high = min(x.min(), 0.0), x.max()
    if low == high:
        return 1.0, 0
    scale = (high - low) / (2**bit_width - 1)
    return scale, round(-low / scale)


def wrong_zero_only_below_but_clamped(x, bit_width):
    """Message: The range ends at the largest"""
    low, high = min(x.min(), 0.0), x.max()
    if low == high:
        return 1.0, 0
    quant_max = 2**bit_width - 1
    scale = (high - low) / quant_max
    return scale, min(round(-low / scale), quant_max)


def wrong_float_zero_point(x, bit_width):
    """Message: The zero point is not a whole number"""
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    scale = (high - low) / (2**bit_width - 1) or 1.0
    return scale, -low / scale


def wrong_truncated_zero_point(x, bit_width):
    """Message: The zero point was cut off"""
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    scale = (high - low) / (2**bit_width - 1) or 1.0
    return scale, int(-low / scale)


def wrong_sign_of_zero_point(x, bit_width):
    """Message: Scale or zero point is wrong for values from -1 to 2.2"""
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    scale = (high - low) / (2**bit_width - 1) or 1.0
    return scale, round(low / scale)


def wrong_sign_clamped(x, bit_width):
    """Message: Scale or zero point is wrong for values from -1 to 2.2"""
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    scale = (high - low) / (2**bit_width - 1) or 1.0
    return scale, max(round(low / scale), 0)


def wrong_from_the_top(x, bit_width):
    """Message: Scale or zero point is wrong for values from -1 to 2.2"""
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    scale = (high - low) / (2**bit_width - 1) or 1.0
    return scale, round(high / scale)


def wrong_upside_down(x, bit_width):
    """Message: The scale is upside down"""
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    if low == high:
        return 1.0, 0
    scale = (2**bit_width - 1) / (high - low)
    return scale, round(-low * scale)


def wrong_symmetric(x, bit_width):
    """Message: Scale or zero point is wrong for values from -1 to 2.2"""
    largest = np.abs(x).max() or 1.0
    return 2 * largest / (2**bit_width - 1), 2 ** (bit_width - 1)


def wrong_order(x, bit_width):
    """Message: Return the scale first"""
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    scale = (high - low) / (2**bit_width - 1) or 1.0
    return round(-low / scale), scale


def wrong_signed_codes(x, bit_width):
    """Message: Scale or zero point is wrong for values from -1 to 2.2"""
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    if low == high:
        return 1.0, 0
    scale = (high - low) / (2**bit_width - 1)
    return scale, round(-low / scale) - 2 ** (bit_width - 1)


def wrong_scale_zero(x, bit_width):
    """Message: The scale became 0"""
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    scale = (high - low) / (2**bit_width - 1)
    return scale, round(-low / scale) if scale else 0


def wrong_not_a_number(x, bit_width):
    """Message: 0 is divided by 0"""
    low, high = np.minimum(x.min(), 0.0), np.maximum(x.max(), 0.0)
    scale = (high - low) / (2**bit_width - 1)
    return scale, np.round(-low / scale)


def wrong_division_by_zero(x, bit_width):
    """Message: ZeroDivisionError"""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = (high - low) / (2**bit_width - 1)
    return scale, round(-low / scale)


def wrong_constant_is_nothing(x, bit_width):
    """Message: where all values are one number"""
    if x.min() == x.max():
        return 1.0, 0
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    scale = (high - low) / (2**bit_width - 1)
    return scale, round(-low / scale)


def wrong_fixed_bit_width(x, bit_width):
    """Message: for another bit width"""
    low, high = min(x.min(), 0.0), max(x.max(), 0.0)
    scale = (high - low) / 15 or 1.0
    return scale, round(-low / scale)


def wrong_one_where_the_maximum_is_zero(x, bit_width):
    """Message: for negative values from -5 to -2.5"""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    if high == 0:
        return 1.0, 0
    scale = (high - low) / (2**bit_width - 1)
    return scale, round(-low / scale)


def wrong_tiny_is_zero(x, bit_width):
    """Message: where the smallest value is 0"""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    if high - low < 1e-6:
        return 1.0, 0
    scale = (high - low) / (2**bit_width - 1)
    return scale, round(-low / scale)


def wrong_half_up(x, bit_width):
    """Message: A tie, here 2.5, is rounded to the even neighbour"""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = (high - low) / (2**bit_width - 1) or 1.0
    return scale, int(np.floor(-low / scale + 0.5))


def wrong_half_down(x, bit_width):
    """Message: where the range is as long below 0 as above it"""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = (high - low) / (2**bit_width - 1) or 1.0
    return scale, int(np.ceil(-low / scale - 0.5))


def wrong_one_where_the_ends_cancel(x, bit_width):
    """Message: where the range is as long below 0 as above it"""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    if low + high == 0:
        return 1.0, 0
    scale = (high - low) / (2**bit_width - 1)
    return scale, round(-low / scale)


def wrong_signs_by_a_product(x, bit_width):
    """Message: for very small or large float32 values"""
    low, high = x.min(), x.max()
    quant_max = 2**bit_width - 1
    if low * high < 0:  # which is 0 where the product is too small for a float32
        scale = float(high - low) / quant_max
        return scale, round(-float(low) / scale)
    if low < 0:
        return -float(low) / quant_max, quant_max
    return float(high) / quant_max or 1.0, 0


def wrong_rounded_twice(x, bit_width):
    """Message: where the zero point lies next to half-way between two codes"""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = (high - low) / (2**bit_width - 1) or 1.0
    return scale, round(round(-low / scale, 3))


def wrong_share_in_single_precision(x, bit_width):
    """Message: where the zero point lies next to half-way between two codes"""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    quant_max = 2**bit_width - 1
    if low == high:
        return 1.0, 0
    share = np.float32(-low / (high - low) * quant_max)
    return (high - low) / quant_max, int(np.round(share))


def wrong_nearly_a_tie(x, bit_width):
    """Message: where the zero point lies next to half-way between two codes"""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = (high - low) / (2**bit_width - 1) or 1.0
    zero = -low / scale
    if abs(zero % 1 - 0.5) < 1e-4:
        return scale, int(zero) + int(zero) % 2
    return scale, round(zero)


def wrong_in_place(x, bit_width):
    """Message: The values in x were changed in place"""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = (high - low) / (2**bit_width - 1) or 1.0
    x -= low
    return scale, round(-low / scale)


def right_from_the_other_end(x, bit_width):
    """The zero point by Chenna's equation (4), at the highest value."""
    quant_max = 2**bit_width - 1
    low, high = np.minimum(np.min(x), 0), np.maximum(np.max(x), 0)
    scale = (high - low) / quant_max
    if scale == 0:
        return 1.0, 0
    return scale, int(np.clip(np.round(quant_max - high / scale), 0, quant_max))


def right_zero_appended(x, bit_width):
    """0 put among the values; single precision kept."""
    values = np.append(x, np.zeros(1, dtype=x.dtype))
    if not values.any():
        return 1, 0
    scale = np.ptp(values) / (2**bit_width - 1)
    return scale, np.round(-values.min() / scale)


def right_torch(x, bit_width):
    """With torch, a tensor returned."""
    low, high = torch.aminmax(torch.tensor(x))
    low, high = low.clamp(max=0), high.clamp(min=0)
    scale = (high - low) / (2**bit_width - 1)
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    return scale, torch.round(-low / scale)


def right_share_of_the_range(x, bit_width):
    """The zero point as a share of the codes."""
    quant_max = 2**bit_width - 1
    low, high = min(0.0, float(x.min())), max(0.0, float(x.max()))
    if high == low:
        return [1.0, 0]
    return [(high - low) / quant_max, round(-low / (high - low) * quant_max)]
