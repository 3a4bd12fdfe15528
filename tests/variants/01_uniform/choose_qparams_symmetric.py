"""Answers to `choose_qparams_symmetric` of exercise 01."""


def wrong_largest_value(x, bit_width):
    """Message: Take the largest absolute value"""
    largest = float(np.max(x))
    return (largest / (2 ** (bit_width - 1) - 1) if largest else 1.0), 0


def wrong_two_to_the_b_minus_1(x, bit_width):
    """Message: one less than 2**(bit_width - 1)"""
    return (float(np.max(np.abs(x))) or 1.0) / 2 ** (bit_width - 1), 0


def wrong_sign_costs_no_bit(x, bit_width):
    """Message: A sign takes one bit"""
    return (float(np.max(np.abs(x))) or 1.0) / (2**bit_width - 1), 0


def wrong_half_a_step_more(x, bit_width):
    """Message: This divides by 7.5"""
    return (float(np.max(np.abs(x))) or 1.0) / (2 ** (bit_width - 1) - 0.5), 0


def wrong_asymmetric(x, bit_width):
    """Message: This is an asymmetric scale"""
    return (float(np.ptp(x)) / (2**bit_width - 1) or 1.0), 0


def wrong_upside_down(x, bit_width):
    """Message: The scale is upside down"""
    return (2 ** (bit_width - 1) - 1) / (float(np.max(np.abs(x))) or 1.0), 0


def wrong_scale_alone(x, bit_width):
    """Message: Return two things"""
    return (float(np.max(np.abs(x))) or 1.0) / (2 ** (bit_width - 1) - 1)


def wrong_scale_zero(x, bit_width):
    """Message: The scale became 0"""
    return float(np.max(np.abs(x))) / (2 ** (bit_width - 1) - 1), 0


def wrong_lowest_only(x, bit_width):
    """Message: for other values or another bit width"""
    return (abs(float(np.min(x))) / (2 ** (bit_width - 1) - 1) or 1.0), 0


def wrong_fixed_bit_width(x, bit_width):
    """Message: for other values or another bit width"""
    return (float(np.max(np.abs(x))) / 7 or 1.0), 0


def right_ends(x, bit_width):
    """The larger of the two ends, without np.abs."""
    largest = max(-np.min(x), np.max(x))
    if largest == 0:
        return 1.0, 0
    return largest / (2 ** (bit_width - 1) - 1), 0


def right_norm(x, bit_width):
    """The largest absolute value as a norm; a list returned."""
    largest = np.linalg.norm(np.ravel(x), ord=np.inf)
    _, quant_max = quant_range(bit_width)
    return [largest / quant_max if largest > 0 else 1, 0]


def right_torch(x, bit_width):
    """With torch."""
    largest = torch.tensor(x).abs().max().item()
    return (largest or 2 ** (bit_width - 1) - 1) / (2 ** (bit_width - 1) - 1), 0
