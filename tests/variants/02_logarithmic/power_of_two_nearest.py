"""Answers to `power_of_two_nearest` of exercise 02."""

import math


def without_zeros(x):
    """Return the magnitudes of x, with 1 in the place of zeros."""
    return np.where(x == 0, 1.0, np.abs(x))


def wrong_log_of_zero(x):
    """Message: The logarithm of 0 was taken"""
    below = 2.0 ** np.floor(np.log2(np.abs(x)))
    return np.sign(x) * np.where(np.abs(x) < 1.5 * below, below, 2 * below)


def wrong_geometric(x):
    """Message: The boundary is the geometric mean"""
    return np.sign(x) * 2.0 ** np.round(np.log2(without_zeros(x)))


def wrong_floor(x):
    """Message: This is always the level below"""
    return np.sign(x) * 2.0 ** np.floor(np.log2(without_zeros(x)))


def wrong_ceil(x):
    """Message: The values are wrong for x = 2.9, -3.2, 0, 1, -0.7, 1.45, 1.2."""
    return np.sign(x) * 2.0 ** np.ceil(np.log2(without_zeros(x)))


def wrong_harmonic_mean(x):
    """Message: The values are wrong for x = 2.9, -3.2, 0, 1, -0.7, 1.45, 1.2."""
    below = 2.0 ** np.floor(np.log2(without_zeros(x)))
    return np.sign(x) * np.where(np.abs(x) < 4 / 3 * below, below, 2 * below)


def wrong_sign_lost(x):
    """Message: The sign was lost"""
    below = 2.0 ** np.floor(np.log2(without_zeros(x)))
    return np.where(x == 0, 0, np.where(np.abs(x) < 1.5 * below, below, 2 * below))


def wrong_zero_becomes_one(x):
    """Message: Zero must stay 0, and has become 1."""
    magnitude = without_zeros(x)
    below = 2.0 ** np.floor(np.log2(magnitude))
    return np.where(x < 0, -1, 1) * np.where(magnitude < 1.5 * below, below, 2 * below)


def wrong_powers_move_up(x):
    """Message: The values are wrong for x = 2.9, -3.2, 0, 1, -0.7, 1.45, 1.2."""
    magnitude = without_zeros(x)
    above = 2.0 ** (np.floor(np.log2(magnitude)) + 1)
    is_power = magnitude == above / 2
    return np.sign(x) * np.where((magnitude < 0.75 * above) & ~is_power, above / 2, above)


def wrong_fixed_distance(x):
    """Message: The values are wrong for x = 2.9, -3.2, 0, 1, -0.7, 1.45, 1.2."""
    magnitude = without_zeros(x)
    below = 2.0 ** np.floor(np.log2(magnitude))
    # Half a unit above the middle of 2 and 4, for every pair of levels.
    up = np.where(below < 1, magnitude - below >= 0.125, magnitude >= 1.5 * below)
    return np.sign(x) * np.where(up, 2 * below, below)


def wrong_tie_to_smaller(x):
    """Message: the larger level is right, not the smaller"""
    magnitude = without_zeros(x)
    below = 2.0 ** np.floor(np.log2(magnitude))
    return np.sign(x) * np.where(magnitude <= 1.5 * below, below, 2 * below)


def wrong_tie_upwards(x):
    """Message: the level farther from 0 is right"""
    magnitude = without_zeros(x)
    below = 2.0 ** np.floor(np.log2(magnitude))
    down = np.where(x > 0, magnitude < 1.5 * below, magnitude <= 1.5 * below)
    return np.sign(x) * np.where(down, below, 2 * below)


def wrong_list_of_levels_too_short(x):
    """Message: The value is wrong for a single number, of shape ()."""
    levels = 2.0 ** np.arange(8, -9, -1)
    nearest = levels[np.abs(np.abs(x)[..., None] - levels).argmin(axis=-1)]
    return np.sign(x) * nearest


def wrong_changed_in_place(x):
    """Message: The input x was changed in place"""
    sign = np.sign(x)
    np.abs(x, out=x)
    x[x == 0] = 1.0
    below = 2.0 ** np.floor(np.log2(x))
    return sign * np.where(x < 1.5 * below, below, 2 * below)


def right_four_thirds(x):
    """The boundary is moved onto a power of two, then the exponent is cut off."""
    mantissa, exponent = np.frexp(4 * np.abs(x))
    # 4|x| >= 3 * 2**k asks whether the mantissa reaches 3/4.
    exponent = np.where(mantissa >= 0.75, exponent, exponent - 1)
    return np.sign(x) * np.ldexp(1.0, exponent - 2)


def right_distances(x):
    """Both neighbours, and the smaller distance."""
    result = np.zeros_like(x)
    mask = x != 0
    magnitude = np.abs(x[mask])
    below = np.exp2(np.floor(np.log2(magnitude)))
    above = 2 * below
    result[mask] = np.where(above - magnitude <= magnitude - below, above, below)
    return np.copysign(result, x)


def right_loop(x):
    """One value after the other, by doubling and halving."""
    result = np.zeros(x.shape)
    for index, value in np.ndenumerate(x):
        if value == 0:
            continue
        level = 1.0
        while level > abs(value):
            level /= 2
        while 2 * level <= abs(value):
            level *= 2
        if abs(value) >= level + level / 2:
            level *= 2
        result[index] = math.copysign(level, value)
    return result
