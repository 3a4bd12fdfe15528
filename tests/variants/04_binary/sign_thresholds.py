"""Answers to `sign_thresholds` of exercise 04."""


def safe(gamma):
    """Return gamma with another number in place of 0."""
    return np.where(gamma == 0, 1.0, gamma)


def zeros_of(gamma, delta, mean, deviation):
    """Return where batch normalization gives 0."""
    return mean - delta * deviation / safe(gamma)


def beyond(zero, flips):
    """Return the first integer on the upper side."""
    return np.where(flips, np.floor(zero) + 1, np.ceil(zero))


def finished(thresholds, gamma, delta, n):
    """Return integers from -n to n + 1, and those of constant channels."""
    constant = np.where(delta >= 0, -n, n + 1)
    thresholds = np.where(gamma == 0, constant, thresholds)
    return np.clip(thresholds, -n, n + 1).astype(int)


def with_zero(gamma, delta, n, zero):
    """Return the answer for another s0."""
    flips = gamma < 0
    return finished(beyond(zero, flips), gamma, delta, n), flips


def wrong_never_flipped(gamma, delta, mean, deviation, n):
    """Message: Nothing is flipped. Where gamma < 0"""
    zero = zeros_of(gamma, delta, mean, deviation)
    return finished(np.ceil(zero), gamma, delta, n), np.zeros(len(gamma), bool)


def wrong_flips_turned_round(gamma, delta, mean, deviation, n):
    """Message: The flips are the wrong way round"""
    thresholds, flips = with_zero(gamma, delta, n, zeros_of(gamma, delta, mean, deviation))
    return thresholds, ~flips


def wrong_beta_flips(gamma, delta, mean, deviation, n):
    """Message: The flips are wrong for gamma = 0.5, 2, -2, -0.5."""
    thresholds, _ = with_zero(gamma, delta, n, zeros_of(gamma, delta, mean, deviation))
    return thresholds, delta < 0


def wrong_everything_flipped(gamma, delta, mean, deviation, n):
    """Message: The flips are wrong for gamma = 0.5, 2, -2, -0.5."""
    thresholds, _ = with_zero(gamma, delta, n, zeros_of(gamma, delta, mean, deviation))
    return thresholds, np.ones(len(gamma), bool)


def wrong_rounded_down(gamma, delta, mean, deviation, n):
    """Message: Thresholds were rounded down"""
    zero = zeros_of(gamma, delta, mean, deviation)
    return finished(np.floor(zero), gamma, delta, n), gamma < 0


def wrong_rounded(gamma, delta, mean, deviation, n):
    """Message: The thresholds are wrong where s0 is 3.25, -1.25, 0.75 and 2.5."""
    zero = zeros_of(gamma, delta, mean, deviation)
    return finished(np.round(zero), gamma, delta, n), gamma < 0


def wrong_cut_off(gamma, delta, mean, deviation, n):
    """Message: Thresholds were cut off towards 0"""
    zero = zeros_of(gamma, delta, mean, deviation)
    return finished(np.trunc(zero), gamma, delta, n), gamma < 0


def wrong_not_rounded(gamma, delta, mean, deviation, n):
    """Message: These are the zeros s0"""
    zero = zeros_of(gamma, delta, mean, deviation)
    return np.clip(zero, -n, n + 1), gamma < 0


def wrong_below_where_flipped(gamma, delta, mean, deviation, n):
    """Message: Where gamma < 0 the threshold is beyond s0 as well"""
    zero = zeros_of(gamma, delta, mean, deviation)
    thresholds = np.where(gamma < 0, np.floor(zero), np.ceil(zero))
    return finished(thresholds, gamma, delta, n), gamma < 0


def wrong_sign_of_beta(gamma, delta, mean, deviation, n):
    """Message: The thresholds are wrong where s0 is 3.25, -1.25, 0.75 and 2.5."""
    return with_zero(gamma, delta, n, mean + delta * deviation / safe(gamma))


def wrong_deviation_forgotten(gamma, delta, mean, deviation, n):
    """Message: The thresholds are wrong where s0 is 3.25, -1.25, 0.75 and 2.5."""
    return with_zero(gamma, delta, n, mean - delta / safe(gamma))


def wrong_divided_by_deviation(gamma, delta, mean, deviation, n):
    """Message: The thresholds are wrong where s0 is 3.25, -1.25, 0.75 and 2.5."""
    return with_zero(gamma, delta, n, mean - delta / (deviation * safe(gamma)))


def wrong_magnitude_of_gamma(gamma, delta, mean, deviation, n):
    """Message: The thresholds are wrong where s0 is 3.25, -1.25, 0.75 and 2.5."""
    return with_zero(gamma, delta, n, mean - delta * deviation / np.abs(safe(gamma)))


def wrong_gamma_forgotten(gamma, delta, mean, deviation, n):
    """Message: The thresholds are wrong where s0 is 3.25, -1.25, 0.75 and 2.5."""
    return with_zero(gamma, delta, n, mean - delta * deviation)


def wrong_gamma_multiplied(gamma, delta, mean, deviation, n):
    """Message: The thresholds are wrong where s0 is 3.25, -1.25, 0.75 and 2.5."""
    return with_zero(gamma, delta, n, mean - delta * deviation * gamma)


def wrong_mean_forgotten(gamma, delta, mean, deviation, n):
    """Message: The thresholds are wrong where s0 is 3.25, -1.25, 0.75 and 2.5."""
    return with_zero(gamma, delta, n, -delta * deviation / safe(gamma))


def wrong_mean_divided(gamma, delta, mean, deviation, n):
    """Message: The thresholds are wrong where s0 is 3.25, -1.25, 0.75 and 2.5."""
    return with_zero(gamma, delta, n, (mean - delta * deviation) / safe(gamma))


def wrong_floats(gamma, delta, mean, deviation, n):
    """Message: The thresholds must be integers"""
    thresholds, flips = with_zero(gamma, delta, n, zeros_of(gamma, delta, mean, deviation))
    return thresholds.astype(float), flips


def wrong_ceil_everywhere(gamma, delta, mean, deviation, n):
    """Message: Where gamma < 0 the sum s0 itself has the sign +1"""
    zero = zeros_of(gamma, delta, mean, deviation)
    return finished(np.ceil(zero), gamma, delta, n), gamma < 0


def wrong_floor_and_one_everywhere(gamma, delta, mean, deviation, n):
    """Message: Where gamma > 0 the sum s0 itself has the sign +1"""
    zero = zeros_of(gamma, delta, mean, deviation)
    return finished(np.floor(zero) + 1, gamma, delta, n), gamma < 0


def wrong_sides_of_the_edge(gamma, delta, mean, deviation, n):
    """Message: The thresholds are wrong where batch norm gives exactly 0 for a sum: at 0, 3, 1"""
    zero = zeros_of(gamma, delta, mean, deviation)
    return finished(beyond(zero, gamma > 0), gamma, delta, n), gamma < 0


def wrong_divided_by_zero(gamma, delta, mean, deviation, n):
    """Message: There was a division by gamma = 0"""
    zero = mean - delta * deviation / gamma
    return finished(np.nan_to_num(beyond(zero, gamma < 0)), gamma, delta, n), gamma < 0


def wrong_constant_of_beta_zero(gamma, delta, mean, deviation, n):
    """Message: delta = 0 has the sign +1"""
    thresholds, flips = with_zero(gamma, delta, n, zeros_of(gamma, delta, mean, deviation))
    return np.where((gamma == 0) & (delta == 0), n + 1, thresholds), flips


def wrong_constants_turned_round(gamma, delta, mean, deviation, n):
    """Message: The thresholds are wrong for gamma = 0 and delta = 0.5, -0.5, 0."""
    thresholds, flips = with_zero(gamma, delta, n, zeros_of(gamma, delta, mean, deviation))
    return np.where(gamma == 0, 1 - thresholds, thresholds), flips


def wrong_mean_decides_constants(gamma, delta, mean, deviation, n):
    """Message: The thresholds are wrong for gamma = 0 and delta = 0.5, -0.5, 0."""
    thresholds = beyond(zeros_of(gamma, delta * (gamma != 0), mean, deviation), gamma < 0)
    return np.clip(thresholds, -n, n + 1).astype(int), gamma < 0


def wrong_constants_always_positive(gamma, delta, mean, deviation, n):
    """Message: The thresholds are wrong for gamma = 0 and delta = 0.5, -0.5, 0."""
    thresholds, flips = with_zero(gamma, delta, n, zeros_of(gamma, delta, mean, deviation))
    return np.where(gamma == 0, -n, thresholds), flips


def wrong_constants_flipped(gamma, delta, mean, deviation, n):
    """Message: The flips are wrong for gamma = 0."""
    thresholds, _ = with_zero(gamma, delta, n, zeros_of(gamma, delta, mean, deviation))
    return thresholds, gamma <= 0


def wrong_not_clipped(gamma, delta, mean, deviation, n):
    """Message: Thresholds lie from -n to n + 1"""
    flips = gamma < 0
    thresholds = beyond(zeros_of(gamma, delta, mean, deviation), flips)
    return np.where(gamma == 0, np.where(delta >= 0, -n, n + 1), thresholds).astype(int), flips


def wrong_clipped_at_n(gamma, delta, mean, deviation, n):
    """Message: With n, the sum n would be"""
    thresholds, flips = with_zero(gamma, delta, n, zeros_of(gamma, delta, mean, deviation))
    return np.minimum(thresholds, n), flips


def wrong_minus_zero_flips(gamma, delta, mean, deviation, n):
    """Message: Some flips are wrong where gamma is 0."""
    thresholds, _ = with_zero(gamma, delta, n, zeros_of(gamma, delta, mean, deviation))
    return thresholds, np.signbit(gamma)


def wrong_shift_next_to_zero(gamma, delta, mean, deviation, n):
    """Message: Some thresholds are wrong where gamma is 0."""
    zero = zeros_of(gamma, delta, mean, deviation)
    return with_zero(gamma, np.where(np.isclose(delta, 0), 0.0, delta), n, zero)


def wrong_shift_plus_the_smallest_step(gamma, delta, mean, deviation, n):
    """Message: Some thresholds are wrong where gamma is 0."""
    zero = zeros_of(gamma, delta, mean, deviation)
    return with_zero(gamma, delta + np.finfo(float).eps, n, zero)


def wrong_shift_in_fifteen_places(gamma, delta, mean, deviation, n):
    """Message: Some thresholds are wrong where gamma is 0."""
    return with_zero(gamma, np.round(delta, 15), n, zeros_of(gamma, delta, mean, deviation))


def wrong_floor_below_gamma(gamma, delta, mean, deviation, n):
    """Message: where gamma and delta are very small, or sigma is."""
    large = np.copysign(np.maximum(np.abs(gamma), 1e-9), gamma)
    zero = zeros_of(np.where(gamma == 0, 0.0, large), delta, mean, deviation)
    return finished(beyond(zero, gamma < 0), gamma, delta, n), gamma < 0


def wrong_floor_below_the_deviation(gamma, delta, mean, deviation, n):
    """Message: where gamma and delta are very small, or sigma is."""
    zero = zeros_of(gamma, delta, mean, np.maximum(deviation, 1e-8))
    return with_zero(gamma, delta, n, zero)


def wrong_thresholds_only(gamma, delta, mean, deviation, n):
    """Message: Return two things"""
    return with_zero(gamma, delta, n, zeros_of(gamma, delta, mean, deviation))[0]


def right_all_sums_tried(gamma, delta, mean, deviation, n):
    """Tries all sums."""
    thresholds = []
    for g, b, m, d in zip(gamma, delta, mean, deviation, strict=True):
        sums = np.arange(-n, n + 1)
        negative = g * (sums - m) / d + b < 0
        above = sums[negative if g < 0 else ~negative]
        thresholds.append(int(above[0]) if len(above) else n + 1)
    return np.array(thresholds), gamma < 0


def right_number_of_sums_below(gamma, delta, mean, deviation, n):
    """Counts the sums on the lower side."""
    sums = np.arange(-n, n + 1)[:, None]
    plus = gamma * (sums - mean) / deviation + delta >= 0
    flips = gamma < 0
    return (plus == flips).sum(axis=0) - n, flips


def right_channel_by_channel(gamma, delta, mean, deviation, n):
    """With Python's integers."""
    import math

    thresholds = []
    for g, b, m, d in zip(*map(np.ndarray.tolist, (gamma, delta, mean, deviation)), strict=True):
        if g == 0:
            t = n + 1 if b < 0 else -n
        elif g > 0:
            t = math.ceil(m - b * d / g)
        else:
            t = math.floor(m - b * d / g) + 1
        thresholds.append(max(-n, min(n + 1, t)))
    return np.array(thresholds), np.signbit(gamma) & (gamma != 0)


def right_division_without_a_warning(gamma, delta, mean, deviation, n):
    """Divides everywhere, where NumPy is told not to warn."""
    with np.errstate(divide="ignore", invalid="ignore"):
        zero = mean - delta * deviation / gamma
    zero = np.where(gamma == 0, np.where(delta < 0, n + 1.0, -n), zero)
    return finished(beyond(zero, gamma < 0), gamma, delta, n), gamma < 0
