"""Answers to `grid_activation` of exercise 08."""


def levels_from_0(q2, n_levels):
    """Return the levels, the first being 0."""
    return np.append(0.0, q2 * 2.0 ** np.arange(n_levels - 1))


def on_grid(x, levels, thresholds, slopes=None, at=False):
    """Return values, and slopes by thresholds of their own; ``at`` puts a threshold above."""
    m = np.abs(x)[..., None]
    places = (m >= thresholds if at else m > thresholds).sum(axis=-1)
    low, high = thresholds[[0, -1]] if slopes is None else slopes
    m = m[..., 0]
    inner = m >= low if at else m > low
    return np.sign(x) * levels[places], inner / (1 + np.maximum(m - high, 0))


def middles(levels):
    """Return the thresholds."""
    return (levels[1:] + levels[:-1]) / 2


def wrong_thresholds_at_the_levels(x, q2, n_levels):
    """Message: not at the levels"""
    levels = levels_from_0(q2, n_levels)
    return on_grid(x, levels, levels[1:])


def wrong_geometric_thresholds(x, q2, n_levels):
    """Message: geometric mean"""
    levels = levels_from_0(q2, n_levels)
    return on_grid(x, levels, np.append(q2 / 2, np.sqrt(levels[1:-1] * levels[2:])))


def wrong_rounded_logarithm(x, q2, n_levels):
    """Message: geometric mean"""
    m = np.abs(x)
    power = np.round(np.log2(np.maximum(m, 1e-300) / q2)).clip(0, n_levels - 2)
    values = np.where(m > q2 / 2, np.sign(x) * q2 * 2.0**power, 0)
    levels = levels_from_0(q2, n_levels)
    return values, on_grid(x, levels, middles(levels))[1]


def wrong_last_level_missing(x, q2, n_levels):
    """Message: The last level is missing"""
    levels = levels_from_0(q2, n_levels - 1)
    return on_grid(x, levels, np.append(middles(levels), np.inf)[: max(n_levels - 2, 1)])


def wrong_one_level_more(x, q2, n_levels):
    """Message: one level too many"""
    levels = levels_from_0(q2, n_levels + 1)
    return on_grid(x, levels, middles(levels))


def wrong_multiples(x, q2, n_levels):
    """Message: not multiples of q2"""
    levels = q2 * np.arange(n_levels)
    return on_grid(x, levels, middles(levels))


def wrong_up_on_a_threshold(x, q2, n_levels):
    """Message: it is > and not >="""
    levels = levels_from_0(q2, n_levels)
    return on_grid(x, levels, middles(levels), at=True)


def wrong_up_on_a_threshold_below_0(x, q2, n_levels):
    """Message: a negative number becomes the level nearer 0, too"""
    levels = levels_from_0(q2, n_levels)
    edges = np.concatenate([-middles(levels)[::-1], middles(levels)])
    all_levels = np.concatenate([-levels[:0:-1], levels])
    values = all_levels[np.searchsorted(edges, x)]
    return values, on_grid(x, levels, middles(levels))[1]


def wrong_signs_lost(x, q2, n_levels):
    """Message: signs of the numbers were lost"""
    levels = levels_from_0(q2, n_levels)
    values, slope = on_grid(x, levels, middles(levels))
    return np.abs(values), slope


def wrong_like_relu(x, q2, n_levels):
    """Message: Everything below 0 became 0"""
    levels = levels_from_0(q2, n_levels)
    return on_grid(np.maximum(x, 0), levels, middles(levels))


def wrong_not_clipped(x, q2, n_levels):
    """Message: stay as they are"""
    levels = levels_from_0(q2, n_levels)
    values, slope = on_grid(x, levels, middles(levels))
    return np.where(np.abs(x) > middles(levels)[-1], x, values), slope


def wrong_codes(x, q2, n_levels):
    """Message: numbers of the levels"""
    levels = levels_from_0(q2, n_levels)
    _, slope = on_grid(x, levels, middles(levels))
    return on_grid(x, np.arange(n_levels), middles(levels))[0], slope


def wrong_slope_1_near_0(x, q2, n_levels):
    """Message: Up to the first threshold the slope is 0"""
    levels = levels_from_0(q2, n_levels)
    values, slope = on_grid(x, levels, middles(levels))
    return values, np.where(slope == 0, 1.0, slope)


def wrong_slope_1_on_the_first_threshold(x, q2, n_levels):
    """Message: On a threshold the slope is that of the side nearer 0"""
    levels = levels_from_0(q2, n_levels)
    values, slope = on_grid(x, levels, middles(levels))
    return values, np.where(np.abs(x) == q2 / 2, 1.0, slope)


def wrong_slope_without_the_1(x, q2, n_levels):
    """Message: The 1 is missing"""
    levels = levels_from_0(q2, n_levels)
    last = middles(levels)[-1]
    values, slope = on_grid(x, levels, middles(levels))
    with np.errstate(all="ignore"):
        return values, np.where(np.abs(x) > last, 1 / (np.abs(x) - last), slope)


def wrong_bracket(x, q2, n_levels):
    """Message: mind the signs"""
    levels = levels_from_0(q2, n_levels)
    last = middles(levels)[-1]
    values, slope = on_grid(x, levels, middles(levels))
    with np.errstate(all="ignore"):
        return values, np.where(np.abs(x) > last, 1 / (np.abs(x) - last - 1), slope)


def wrong_slope_from_a_threshold_less_1(x, q2, n_levels):
    """Message: The slope is wrong a little beyond a last threshold that is very large"""
    levels = levels_from_0(q2, n_levels)
    last = middles(levels)[-1]
    values, slope = on_grid(x, levels, middles(levels))
    m = np.abs(x)
    return values, np.where(m > last, 1 / np.where(m > last, m - (last - 1), 1), slope)


def wrong_nearest_by_distance(x, q2, n_levels):
    """Message: The values are wrong much larger than all levels"""
    levels = levels_from_0(q2, n_levels)
    distances = np.abs(np.abs(x)[..., None] - levels)
    nearest = np.sign(x) * levels[distances.argmin(axis=-1)]
    return nearest, on_grid(x, levels, middles(levels))[1]


def wrong_slope_0_beyond(x, q2, n_levels):
    """Message: Beyond the last threshold the slope is not 0"""
    levels = levels_from_0(q2, n_levels)
    values, slope = on_grid(x, levels, middles(levels))
    return values, np.where(np.abs(x) > middles(levels)[-1], 0, slope)


def wrong_slope_1_beyond(x, q2, n_levels):
    """Message: Beyond the last threshold the slope is not 1"""
    levels = levels_from_0(q2, n_levels)
    values, slope = on_grid(x, levels, middles(levels))
    return values, (slope > 0).astype(float)


def wrong_slope_of_x_below_0(x, q2, n_levels):
    """Message: The slope is 0 for numbers below 0"""
    levels = levels_from_0(q2, n_levels)
    values, _ = on_grid(x, levels, middles(levels))
    return values, on_grid(np.maximum(x, 0), levels, middles(levels))[1]


def wrong_negative_slope(x, q2, n_levels):
    """Message: Below 0 the slope is not negative"""
    levels = levels_from_0(q2, n_levels)
    values, slope = on_grid(x, levels, middles(levels))
    return values, np.sign(x) * slope


def wrong_last_threshold_above_the_last_level(x, q2, n_levels):
    """Message: The last threshold is the one between the last two levels"""
    levels = levels_from_0(q2, n_levels)
    last = 1.5 * levels[-1]
    return on_grid(x, levels, middles(levels), (q2 / 2, last))


def wrong_last_level_for_the_last_threshold(x, q2, n_levels):
    """Message: The last level was taken for the last threshold"""
    levels = levels_from_0(q2, n_levels)
    return on_grid(x, levels, middles(levels), (q2 / 2, levels[-1]))


def wrong_slope_in_units_of_q2(x, q2, n_levels):
    """Message: the slope is wrong"""
    levels = levels_from_0(q2, n_levels)
    values, slope = on_grid(x, levels, middles(levels))
    beyond = np.maximum(np.abs(x) - middles(levels)[-1], 0)
    return values, np.where(slope > 0, 1 / (1 + beyond / q2), 0)


def wrong_single_precision(x, q2, n_levels):
    """Message: Only a few digits"""
    levels = levels_from_0(q2, n_levels)
    values, slope = on_grid(x, levels, middles(levels))
    return values, slope.astype(np.float32)


def wrong_in_place(x, q2, n_levels):
    """Message: changed in place"""
    levels = levels_from_0(q2, n_levels)
    values, slope = on_grid(x, levels, middles(levels))
    x[...] = values
    return x, slope


def wrong_flat(x, q2, n_levels):
    """Message: another shape"""
    levels = levels_from_0(q2, n_levels)
    return on_grid(np.ravel(x), levels, middles(levels))


def wrong_small_numbers_are_0(x, q2, n_levels):
    """Message: very small"""
    levels = levels_from_0(q2, n_levels)
    values, slope = on_grid(x, levels, middles(levels))
    return np.where(np.abs(x) < 1e-12, 0, values), slope


def wrong_two_levels_have_a_middle(x, q2, n_levels):
    """Message: two levels"""
    levels = levels_from_0(q2, n_levels)
    high = middles(levels)[-1] if n_levels > 2 else q2
    return on_grid(x, levels, middles(levels), (q2 / 2, high))


def right_nearest(x, q2, n_levels):
    """The nearest level: argmin takes the first of two that are as near. Far numbers are cut."""
    x = np.asarray(x)
    levels = np.append(0.0, q2 * 2.0 ** np.arange(n_levels - 1))
    m = np.abs(x)
    near = np.minimum(m, levels[-1])
    values = np.copysign(levels[np.abs(near[..., None] - levels).argmin(axis=-1)], x)
    last = q2 / 2 if n_levels == 2 else 0.75 * levels[-1]
    slope = np.zeros(x.shape)
    slope[m > q2 / 2] = 1
    far = m > last
    slope[far] = 1 / (m[far] - last + 1)
    return values, slope


def right_loop(x, q2, n_levels):
    """Number by number."""
    levels = [0.0]
    for _ in range(n_levels - 1):
        levels.append(q2 if len(levels) == 1 else 2 * levels[-1])
    values, slopes = np.zeros(x.shape), np.zeros(x.shape)
    for place, number in np.ndenumerate(x):
        m, level = abs(number), 0
        while level < n_levels - 1 and m > (levels[level] + levels[level + 1]) / 2:
            level += 1
        values[place] = levels[level] if number > 0 else -levels[level]
        if m > levels[1] / 2:
            slopes[place] = 1 / max(1, m - (levels[-2] + levels[-1]) / 2 + 1)
    return values, slopes


def right_steps(x, q2, n_levels):
    """A sum of the steps at the thresholds, on both sides."""
    values, threshold, step = np.zeros(np.shape(x)), q2 / 2, q2
    first = threshold
    for i in range(n_levels - 1):
        values = values + step * (x > threshold) - step * (x < -threshold)
        if i < n_levels - 2:
            threshold, step = 1.5 * q2 * 2**i, q2 * 2**i
    m = np.abs(x)
    with np.errstate(all="ignore"):
        slope = np.where(m <= first, 0.0, np.where(m <= threshold, 1.0, 1 / (m - threshold + 1)))
    return values, slope
