"""Answers to `nearest_codes` of exercise 03."""

import bisect


def middles(levels):
    """Return the thresholds half-way between neighbours."""
    return (levels[1:] + levels[:-1]) / 2


def wrong_threshold_at_the_level(x, levels):
    """Message: The thresholds lie at the levels. Put them half-way."""
    return np.clip(np.searchsorted(levels, x, side="right") - 1, 0, None)


def wrong_printed_rule(x, levels):
    """Message: The thresholds lie at the levels. Put them half-way."""
    return np.searchsorted(levels[1:], x, side="right")


def wrong_levels_counted(x, levels):
    """Message: The codes are wrong for the levels 0, 1, 3, 7"""
    return np.digitize(x, levels)


def wrong_levels_returned(x, levels):
    """Message: These are the levels. Return their numbers."""
    return levels[np.searchsorted(middles(levels), x, side="right")]


def wrong_codes_from_one(x, levels):
    """Message: The codes start at 0, not at 1"""
    return np.searchsorted(middles(levels), x, side="right") + 1


def wrong_level_above(x, levels):
    """Message: The codes are wrong for the levels 0, 1, 3, 7"""
    return np.minimum(np.searchsorted(levels, x), len(levels) - 1)


def wrong_equal_steps(x, levels):
    """Message: The codes are wrong for the levels 0, 1, 3, 7"""
    step = (levels[-1] - levels[0]) / (len(levels) - 1)
    codes = np.floor((x - levels[0]) / step + 0.5)
    return np.clip(codes, 0, len(levels) - 1).astype(int)


def wrong_half_the_distance(x, levels):
    """Message: The codes are wrong for the levels 0, 1, 3, 7"""
    return np.searchsorted((levels[1:] - levels[:-1]) / 2, x, side="right")


def wrong_order(x, levels):
    """Message: The codes are wrong for the levels 0, 1, 3, 7"""
    return len(levels) - 1 - np.searchsorted(middles(levels), x, side="right")


def wrong_lower_at_a_tie(x, levels):
    """Message: Exactly on a threshold the upper code is right"""
    return np.abs(x[..., None] - levels).argmin(axis=-1)


def wrong_side_of_searchsorted(x, levels):
    """Message: Exactly on a threshold the upper code is right"""
    return np.searchsorted(middles(levels), x)


def wrong_floats(x, levels):
    """Message: Codes are integers"""
    return np.sum(x[..., None] >= middles(levels), axis=-1, dtype=float)


def wrong_one_axis_only(x, levels):
    """Message: another shape than the docstring says"""
    return (np.ravel(x)[:, None] >= middles(levels)).sum(axis=1)


def wrong_in_place(x, levels):
    """Message: An input was changed in place"""
    x[:] = np.searchsorted(middles(levels), x, side="right")
    return x.astype(int)


def wrong_two_bits_only(x, levels):
    """Message: A value exactly half-way must get the upper code, for other levels too"""
    bounds = middles(levels)[:3]
    return np.searchsorted(bounds, x, side="right")


def wrong_zero_is_a_level(x, levels):
    """Message: must get the"""
    return np.searchsorted(middles(levels), np.maximum(x, 0), side="right")


def wrong_signed_byte(x, levels):
    """Message: A value exactly half-way must get the upper code"""
    return np.searchsorted(middles(levels), x, side="right").astype(np.int8)


def wrong_rounded_to_even(x, levels):
    """Message: The codes are wrong exactly on the thresholds"""
    return np.round(np.interp(x, levels, np.arange(len(levels)))).astype(int)


def wrong_geometric_mean(x, levels):
    """Message: The codes are wrong for the levels 0, 1, 3, 7"""
    return np.searchsorted(np.sqrt(np.abs(levels[1:] * levels[:-1])), x, side="right")


def wrong_one_axis_at_least(x, levels):
    """Message: another shape than the docstring says"""
    codes = (np.atleast_1d(x)[..., None] >= middles(levels)).sum(axis=-1)
    return codes if x.ndim else codes.reshape(1)


def wrong_about_half_way(x, levels):
    """Message: A value just below the middle must get the lower code"""
    bounds = middles(levels)
    return ((x[..., None] >= bounds) | np.isclose(x[..., None], bounds)).sum(axis=-1)


def wrong_small_number_added(x, levels):
    """Message: A value just below the middle must get the lower code"""
    return np.searchsorted(middles(levels), x + 1e-9, side="right")


def wrong_loop_over_the_first_axis(x, levels):
    """Message: The codes are wrong for an array of three axes"""
    codes = np.zeros(x.shape, dtype=int)
    if x.ndim == 0:
        return np.array(int((x >= middles(levels)).sum()))
    for i in range(len(x)):
        codes[i] = (np.ravel(x[i])[0] >= middles(levels)).sum()
    return codes


def wrong_distances_from_the_top(x, levels):
    """Message: Values very far below or above all levels"""
    distances = np.abs(x[..., None] - levels[::-1])
    return len(levels) - 1 - distances.argmin(axis=-1)


def wrong_smallest_distance_or_the_next(x, levels):
    """Message: Values very far below or above all levels"""
    distances = np.abs(x[..., None] - levels)
    ties = distances == distances.min(axis=-1, keepdims=True)
    return np.where(ties, np.arange(len(levels)), -1).max(axis=-1)


def wrong_ends_first_then_distances(x, levels):
    """Message: A value just below the middle must get the lower code"""
    codes = (np.float32(x)[..., None] >= np.float32(middles(levels))).sum(axis=-1)
    return np.where(x >= levels[-1], len(levels) - 1, np.where(x <= levels[0], 0, codes))


def wrong_clipped_distances(x, levels):
    """Message: where some levels are close to each other and others far away"""
    inside = np.clip(x, levels[0], levels[-1])
    distances = np.abs(inside[..., None] - levels[::-1])
    return len(levels) - 1 - distances.argmin(axis=-1)


def wrong_clipped_distances_of_more_digits(x, levels):
    """Message: where some levels are close to each other and others far away"""
    inside = np.clip(x, levels[0], levels[-1]).astype(np.longdouble)
    distances = np.abs(inside[..., None] - levels[::-1].astype(np.longdouble))
    return len(levels) - 1 - distances.argmin(axis=-1)


def wrong_distances_repaired_at_ties(x, levels):
    """Message: where some levels are close to each other and others far away"""
    codes = np.abs(x[..., None] - levels).argmin(axis=-1)
    up = np.minimum(codes + 1, len(levels) - 1)
    codes = np.where((levels[codes] + levels[up]) / 2 <= x, up, codes)
    return np.where(x >= levels[-1], len(levels) - 1, codes)


def wrong_clip_at_a_large_number(x, levels):
    """Message: Some codes are wrong"""
    return np.searchsorted(middles(levels), np.clip(x, -1e15, 1e15), side="right")


def wrong_clip_at_a_larger_number(x, levels):
    """Message: Some codes are wrong"""
    return np.searchsorted(middles(levels), np.clip(x, -1e25, 1e25), side="right")


def wrong_float32(x, levels):
    """Message: just below the middle"""
    values, bounds = (torch.tensor(np.array(a), dtype=torch.float32) for a in (x, middles(levels)))
    return torch.bucketize(values, bounds, right=True).numpy()


def right_comparators(x, levels):
    """A row of comparators and a sum, as QK."""
    return (x[..., None] >= middles(levels)).sum(axis=-1)


def right_digitize(x, levels):
    """With np.digitize, which counts a value on a bound as above it."""
    return np.digitize(x, levels[:-1] + np.diff(levels) / 2)


def right_loop(x, levels):
    """Value by value."""
    bounds = [(a + b) / 2 for a, b in itertools.pairwise(levels.tolist())]
    codes = [bisect.bisect_right(bounds, v) for v in x.ravel().tolist()]
    return np.array(codes).reshape(x.shape)


def right_twice_the_value(x, levels):
    """Compares twice the value with the sums of neighbours."""
    return np.searchsorted(levels[1:] + levels[:-1], 2 * x, side="right")


def right_the_nearer_of_two_neighbours(x, levels):
    """Finds the levels on either side, and compares the two distances."""
    above = np.clip(np.searchsorted(levels, x, side="right"), 1, len(levels) - 1)
    return above - (x - levels[above - 1] < levels[above] - x)
