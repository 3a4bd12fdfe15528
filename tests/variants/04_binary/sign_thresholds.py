"""Answers to `sign_thresholds` of exercise 04."""


def safe(gamma):
    """Return gamma with another number in place of 0."""
    return np.where(gamma == 0, 1.0, gamma)


def zeros_of(gamma, beta, mean, deviation):
    """Return where batch normalization gives 0."""
    return mean - beta * deviation / safe(gamma)


def beyond(zero, flips):
    """Return the first integer on the upper side."""
    return np.where(flips, np.floor(zero) + 1, np.ceil(zero))


def finished(thresholds, gamma, beta, n):
    """Return integers from -n to n + 1, and those of constant channels."""
    constant = np.where(beta >= 0, -n, n + 1)
    thresholds = np.where(gamma == 0, constant, thresholds)
    return np.clip(thresholds, -n, n + 1).astype(int)


def with_zero(gamma, beta, n, zero):
    """Return the answer for another s0."""
    flips = gamma < 0
    return finished(beyond(zero, flips), gamma, beta, n), flips


def wrong_never_flipped(gamma, beta, mean, deviation, n):
    """Message: Nothing is flipped. Where gamma < 0"""
    zero = zeros_of(gamma, beta, mean, deviation)
    return finished(np.ceil(zero), gamma, beta, n), np.zeros(len(gamma), bool)


def wrong_flips_turned_round(gamma, beta, mean, deviation, n):
    """Message: The flips are the wrong way round"""
    thresholds, flips = with_zero(gamma, beta, n, zeros_of(gamma, beta, mean, deviation))
    return thresholds, ~flips


def wrong_beta_flips(gamma, beta, mean, deviation, n):
    """Message: beta decides here"""
    thresholds, _ = with_zero(gamma, beta, n, zeros_of(gamma, beta, mean, deviation))
    return thresholds, beta < 0


def wrong_everything_flipped(gamma, beta, mean, deviation, n):
    """Message: Everything is flipped"""
    thresholds, _ = with_zero(gamma, beta, n, zeros_of(gamma, beta, mean, deviation))
    return thresholds, np.ones(len(gamma), bool)


def wrong_rounded_down(gamma, beta, mean, deviation, n):
    """Message: Thresholds were rounded down"""
    zero = zeros_of(gamma, beta, mean, deviation)
    return finished(np.floor(zero), gamma, beta, n), gamma < 0


def wrong_rounded(gamma, beta, mean, deviation, n):
    """Message: Thresholds were rounded to the nearest"""
    zero = zeros_of(gamma, beta, mean, deviation)
    return finished(np.round(zero), gamma, beta, n), gamma < 0


def wrong_cut_off(gamma, beta, mean, deviation, n):
    """Message: Thresholds were cut off towards 0"""
    zero = zeros_of(gamma, beta, mean, deviation)
    return finished(np.trunc(zero), gamma, beta, n), gamma < 0


def wrong_not_rounded(gamma, beta, mean, deviation, n):
    """Message: These are the zeros s0"""
    zero = zeros_of(gamma, beta, mean, deviation)
    return np.clip(zero, -n, n + 1), gamma < 0


def wrong_below_where_flipped(gamma, beta, mean, deviation, n):
    """Message: Where gamma < 0 the threshold is beyond s0 as well"""
    zero = zeros_of(gamma, beta, mean, deviation)
    thresholds = np.where(gamma < 0, np.floor(zero), np.ceil(zero))
    return finished(thresholds, gamma, beta, n), gamma < 0


def wrong_sign_of_beta(gamma, beta, mean, deviation, n):
    """Message: beta has the wrong sign"""
    return with_zero(gamma, beta, n, mean + beta * deviation / safe(gamma))


def wrong_deviation_forgotten(gamma, beta, mean, deviation, n):
    """Message: sigma is missing"""
    return with_zero(gamma, beta, n, mean - beta / safe(gamma))


def wrong_divided_by_deviation(gamma, beta, mean, deviation, n):
    """Message: beta was divided by sigma"""
    return with_zero(gamma, beta, n, mean - beta / (deviation * safe(gamma)))


def wrong_magnitude_of_gamma(gamma, beta, mean, deviation, n):
    """Message: gamma's sign was lost"""
    return with_zero(gamma, beta, n, mean - beta * deviation / np.abs(safe(gamma)))


def wrong_gamma_forgotten(gamma, beta, mean, deviation, n):
    """Message: gamma is missing"""
    return with_zero(gamma, beta, n, mean - beta * deviation)


def wrong_gamma_multiplied(gamma, beta, mean, deviation, n):
    """Message: beta was multiplied by gamma"""
    return with_zero(gamma, beta, n, mean - beta * deviation * gamma)


def wrong_mean_forgotten(gamma, beta, mean, deviation, n):
    """Message: The mean is missing"""
    return with_zero(gamma, beta, n, -beta * deviation / safe(gamma))


def wrong_mean_divided(gamma, beta, mean, deviation, n):
    """Message: The mean was divided by gamma"""
    return with_zero(gamma, beta, n, (mean - beta * deviation) / safe(gamma))


def wrong_floats(gamma, beta, mean, deviation, n):
    """Message: The thresholds must be integers"""
    thresholds, flips = with_zero(gamma, beta, n, zeros_of(gamma, beta, mean, deviation))
    return thresholds.astype(float), flips


def wrong_ceil_everywhere(gamma, beta, mean, deviation, n):
    """Message: Where gamma < 0 the sum s0 itself has the sign +1"""
    zero = zeros_of(gamma, beta, mean, deviation)
    return finished(np.ceil(zero), gamma, beta, n), gamma < 0


def wrong_floor_and_one_everywhere(gamma, beta, mean, deviation, n):
    """Message: Where gamma > 0 the sum s0 itself has the sign +1"""
    zero = zeros_of(gamma, beta, mean, deviation)
    return finished(np.floor(zero) + 1, gamma, beta, n), gamma < 0


def wrong_sides_of_the_edge(gamma, beta, mean, deviation, n):
    """Message: At s0 itself the sign is +1"""
    zero = zeros_of(gamma, beta, mean, deviation)
    return finished(beyond(zero, gamma > 0), gamma, beta, n), gamma < 0


def wrong_divided_by_zero(gamma, beta, mean, deviation, n):
    """Message: There was a division by gamma = 0"""
    zero = mean - beta * deviation / gamma
    return finished(np.nan_to_num(beyond(zero, gamma < 0)), gamma, beta, n), gamma < 0


def wrong_constant_of_beta_zero(gamma, beta, mean, deviation, n):
    """Message: beta = 0 has the sign +1"""
    thresholds, flips = with_zero(gamma, beta, n, zeros_of(gamma, beta, mean, deviation))
    return np.where((gamma == 0) & (beta == 0), n + 1, thresholds), flips


def wrong_constants_turned_round(gamma, beta, mean, deviation, n):
    """Message: The constants are the wrong way round"""
    thresholds, flips = with_zero(gamma, beta, n, zeros_of(gamma, beta, mean, deviation))
    return np.where(gamma == 0, 1 - thresholds, thresholds), flips


def wrong_mean_decides_constants(gamma, beta, mean, deviation, n):
    """Message: For gamma = 0 the sign is that of beta"""
    thresholds = beyond(zeros_of(gamma, beta * (gamma != 0), mean, deviation), gamma < 0)
    return np.clip(thresholds, -n, n + 1).astype(int), gamma < 0


def wrong_constants_always_positive(gamma, beta, mean, deviation, n):
    """Message: it depends on beta which"""
    thresholds, flips = with_zero(gamma, beta, n, zeros_of(gamma, beta, mean, deviation))
    return np.where(gamma == 0, -n, thresholds), flips


def wrong_constants_flipped(gamma, beta, mean, deviation, n):
    """Message: it is < and not <="""
    thresholds, _ = with_zero(gamma, beta, n, zeros_of(gamma, beta, mean, deviation))
    return thresholds, gamma <= 0


def wrong_not_clipped(gamma, beta, mean, deviation, n):
    """Message: Thresholds lie from -n to n + 1"""
    flips = gamma < 0
    thresholds = beyond(zeros_of(gamma, beta, mean, deviation), flips)
    return np.where(gamma == 0, np.where(beta >= 0, -n, n + 1), thresholds).astype(int), flips


def wrong_clipped_at_n(gamma, beta, mean, deviation, n):
    """Message: With n, the sum n would be"""
    thresholds, flips = with_zero(gamma, beta, n, zeros_of(gamma, beta, mean, deviation))
    return np.minimum(thresholds, n), flips


def wrong_thresholds_only(gamma, beta, mean, deviation, n):
    """Message: Return two things"""
    return with_zero(gamma, beta, n, zeros_of(gamma, beta, mean, deviation))[0]


def right_all_sums_tried(gamma, beta, mean, deviation, n):
    """Tries all sums."""
    thresholds = []
    for g, b, m, d in zip(gamma, beta, mean, deviation, strict=True):
        sums = np.arange(-n, n + 1)
        negative = g * (sums - m) / d + b < 0
        above = sums[negative if g < 0 else ~negative]
        thresholds.append(int(above[0]) if len(above) else n + 1)
    return np.array(thresholds), gamma < 0


def right_number_of_sums_below(gamma, beta, mean, deviation, n):
    """Counts the sums on the lower side."""
    sums = np.arange(-n, n + 1)[:, None]
    plus = gamma * (sums - mean) / deviation + beta >= 0
    flips = gamma < 0
    return (plus == flips).sum(axis=0) - n, flips


def right_channel_by_channel(gamma, beta, mean, deviation, n):
    """With Python's integers."""
    import math

    thresholds = []
    for g, b, m, d in zip(*map(np.ndarray.tolist, (gamma, beta, mean, deviation)), strict=True):
        if g == 0:
            t = n + 1 if b < 0 else -n
        elif g > 0:
            t = math.ceil(m - b * d / g)
        else:
            t = math.floor(m - b * d / g) + 1
        thresholds.append(max(-n, min(n + 1, t)))
    return np.array(thresholds), np.signbit(gamma) & (gamma != 0)
