"""Answers to `bit_efficiency` of exercise 02."""

import math
from collections import Counter


def octaves(x_hat):
    """Return the doublings from the smallest to the largest magnitude."""
    magnitude = np.abs(x_hat[x_hat != 0])
    return float(np.log2(magnitude.max() / magnitude.min()))


def entropy(values):
    """Return the entropy of the levels in bits."""
    share = np.unique(values, return_counts=True)[1] / values.size
    return float(-np.sum(share * np.log2(share)))


def wrong_zero_in_the_range(x_hat, bit_width):
    """Message: Zero was counted as the smallest magnitude"""
    magnitude = np.abs(x_hat)
    return np.log2(magnitude.max() / magnitude.min()) / bit_width, entropy(x_hat) / bit_width


def wrong_range_not_per_bit(x_hat, bit_width):
    """Message: This is the range, in octaves. Divide by the bit width."""
    return octaves(x_hat), entropy(x_hat) / bit_width


def wrong_linear_range(x_hat, bit_width):
    """Message: The range per bit is wrong for the worked value."""
    return (x_hat.max() - x_hat.min()) / bit_width, entropy(x_hat) / bit_width


def wrong_ratio(x_hat, bit_width):
    """Message: The range per bit is wrong for the worked value."""
    return 2 ** octaves(x_hat) / bit_width, entropy(x_hat) / bit_width


def wrong_range_natural_logarithm(x_hat, bit_width):
    """Message: This is the natural logarithm. Octaves need np.log2."""
    return octaves(x_hat) * math.log(2) / bit_width, entropy(x_hat) / bit_width


def wrong_range_logarithm_to_base_10(x_hat, bit_width):
    """Message: The range per bit is wrong for the worked value."""
    return octaves(x_hat) * math.log10(2) / bit_width, entropy(x_hat) / bit_width


def wrong_ratio_upside_down(x_hat, bit_width):
    """Message: The range per bit is wrong for the worked value."""
    return -octaves(x_hat) / bit_width, entropy(x_hat) / bit_width


def wrong_swapped(x_hat, bit_width):
    """Message: The two results are swapped"""
    return entropy(x_hat) / bit_width, octaves(x_hat) / bit_width


def wrong_values_for_magnitudes(x_hat, bit_width):
    """Message: The result holds NaN or infinity. Is something divided by zero?"""
    return np.log2(x_hat.max() / x_hat.min()) / bit_width, entropy(x_hat) / bit_width


def wrong_only_one_result(x_hat, bit_width):
    """Message: Return two things"""
    return octaves(x_hat) / bit_width


def wrong_nats(x_hat, bit_width):
    """Message: The entropy is in nats"""
    return octaves(x_hat) / bit_width, entropy(x_hat) * math.log(2) / bit_width


def wrong_density_not_per_bit(x_hat, bit_width):
    """Message: This is the entropy, in bits. Divide by the bit width."""
    return octaves(x_hat) / bit_width, entropy(x_hat)


def wrong_sign_of_the_entropy(x_hat, bit_width):
    """Message: The sign is missing"""
    return octaves(x_hat) / bit_width, -entropy(x_hat) / bit_width


def wrong_zero_is_no_level(x_hat, bit_width):
    """Message: Zero is a level too"""
    return octaves(x_hat) / bit_width, entropy(x_hat[x_hat != 0]) / bit_width


def wrong_magnitudes_for_levels(x_hat, bit_width):
    """Message: 2 and -2 are two levels"""
    return octaves(x_hat) / bit_width, entropy(np.abs(x_hat)) / bit_width


def wrong_levels_not_weighted(x_hat, bit_width):
    """Message: The density per bit is wrong for the worked value."""
    return octaves(x_hat) / bit_width, np.log2(len(np.unique(x_hat))) / bit_width


def wrong_levels_counted(x_hat, bit_width):
    """Message: The density per bit is wrong for the worked value."""
    return octaves(x_hat) / bit_width, len(np.unique(x_hat)) / bit_width


def wrong_counts_for_shares(x_hat, bit_width):
    """Message: The density per bit is wrong for the worked value."""
    _, counts = np.unique(x_hat, return_counts=True)
    return octaves(x_hat) / bit_width, -np.sum(counts * np.log2(counts)) / bit_width


def wrong_length_for_size(x_hat, bit_width):
    """Message: The density per bit is wrong for other values"""
    _, counts = np.unique(x_hat, return_counts=True)
    share = counts / len(x_hat)
    return octaves(x_hat) / bit_width, -np.sum(share * np.log2(share)) / bit_width


def wrong_zeros_of_two_signs(x_hat, bit_width):
    """Message: The density per bit is wrong"""
    shares = np.array(list(Counter(map(str, x_hat.ravel().tolist())).values())) / x_hat.size
    return octaves(x_hat) / bit_width, -np.sum(shares * np.log2(shares)) / bit_width


def wrong_levels_by_their_bytes(x_hat, bit_width):
    """Message: The density per bit is wrong"""
    shares = np.array(list(Counter(v.tobytes() for v in x_hat.ravel()).values())) / x_hat.size
    return octaves(x_hat) / bit_width, -np.sum(shares * np.log2(shares)) / bit_width


def wrong_minus_zero_left_out(x_hat, bit_width):
    """Message: The density per bit is wrong"""
    kept = x_hat[(x_hat != 0) | ~np.signbit(x_hat)]
    return octaves(x_hat) / bit_width, entropy(kept) / bit_width


def wrong_powers_of_two_only(x_hat, bit_width):
    """Message: The range per bit is wrong for other values."""
    magnitude = np.abs(x_hat[x_hat != 0])
    exponents = np.round(np.log2(magnitude))
    return (exponents.max() - exponents.min()) / bit_width, entropy(x_hat) / bit_width


def right_counter(x_hat, bit_width):
    """With the standard library."""
    values = x_hat.ravel().tolist()
    shares = [count / len(values) for count in Counter(values).values()]
    magnitudes = sorted(abs(v) for v in values if v)
    return (
        (math.log2(magnitudes[-1]) - math.log2(magnitudes[0])) / bit_width,
        sum(p * math.log2(1 / p) for p in shares) / bit_width,
    )


def right_logarithms_subtracted(x_hat, bit_width):
    """The range from logarithms, the entropy from the counts."""
    logarithm = np.log2(np.abs(x_hat)[np.nonzero(x_hat)])
    counts = np.unique(x_hat, return_counts=True)[1]
    entropy_in_bits = np.log2(x_hat.size) - np.sum(counts * np.log2(counts)) / x_hat.size
    return np.ptp(logarithm) / bit_width, entropy_in_bits / bit_width


def right_zero_left_behind_as_infinity(x_hat, bit_width):
    """Infinity in the place of zeros cannot be the smallest magnitude."""
    magnitude = np.abs(x_hat)
    smallest = np.where(magnitude == 0, np.inf, magnitude).min()
    levels = np.unique(x_hat)
    p = np.array([np.mean(x_hat == level) for level in levels])
    return np.log2(magnitude.max() / smallest) / bit_width, (p * -np.log2(p)).sum() / bit_width
