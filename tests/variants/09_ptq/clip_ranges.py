"""Answers to `clip_ranges` of exercise 09."""


def by_deviation(x, k, **how):
    """The first range, right unless an option says otherwise."""
    centre = how.get("centre", x.mean())
    reach = k * how.get("sigma", x.std())
    low, high = centre - reach, centre + reach
    if how.get("cut", True):
        low, high = max(low, x.min()), min(high, x.max())
    return (min(low, 0), max(high, 0)) if how.get("zero", True) else (low, high)


def by_percentile(x, p, **how):
    """The second range, right unless an option says otherwise."""
    s = np.sort(x, axis=None)
    m = how["m"] if "m" in how else s.size * p // 1000
    if s[0] >= 0:
        below, above = how.get("positive", (0, m))
    elif s[-1] <= 0:
        below, above = how.get("negative", (m, 0))
    else:
        below, above = how.get("both", (m // 2, m // 2))
    low, high = s[below], s[s.size - 1 - above]
    return (min(low, 0), max(high, 0)) if how.get("zero", True) else (low, high)


def count_outside(x, p):
    return x.size * p // 1000


def wrong_one_sigma(x, k, p):
    """Message: This is the range for k = 1"""
    return by_deviation(x, 1), by_percentile(x, p)


def wrong_always_three_sigmas(x, k, p):
    """Message: and k the argument"""
    return by_deviation(x, 3), by_percentile(x, p)


def wrong_variance(x, k, p):
    """Message: Is the deviation the root of the mean square"""
    return by_deviation(x, k, sigma=x.var()), by_percentile(x, p)


def wrong_divided_by_n_less_one(x, k, p):
    """Message: not by n - 1"""
    return by_deviation(x, k, sigma=x.std(ddof=1)), by_percentile(x, p)


def wrong_around_zero(x, k, p):
    """Message: It lies around the mean"""
    return by_deviation(x, k, centre=0), by_percentile(x, p)


def wrong_mean_square(x, k, p):
    """Message: It is measured from the mean"""
    sigma = np.sqrt(np.mean(x**2))
    return by_deviation(x, k, sigma=sigma), by_percentile(x, p)


def wrong_median(x, k, p):
    """Message: The range by the deviation is wrong"""
    return by_deviation(x, k, centre=np.median(x)), by_percentile(x, p)


def wrong_exchanged(x, k, p):
    """Message: The two ranges are exchanged"""
    return by_percentile(x, p), by_deviation(x, k)


def wrong_never_cut(x, k, p):
    """Message: The range by the deviation is wrong"""
    return by_deviation(x, k, cut=False), by_percentile(x, p)


def wrong_deviation_without_zero(x, k, p):
    """Message: The range by the deviation must contain 0"""
    return by_deviation(x, k, zero=False), by_percentile(x, p)


def wrong_zero_below_only(x, k, p):
    """Message: A range below 0 must contain 0, too"""
    low, high = by_deviation(x, k, zero=False)
    return (min(low, 0), high), by_percentile(x, p)


def wrong_percentile_of_magnitudes(x, k, p):
    """Message: This is the percentile of the magnitudes"""
    s = np.sort(np.abs(x), axis=None)
    clip = s[s.size - 1 - count_outside(x, p)]
    return by_deviation(x, k), (max(-clip, min(x.min(), 0)), min(clip, max(x.max(), 0)))


def wrong_magnitudes_and_symmetric(x, k, p):
    """Message: This is the percentile of the magnitudes"""
    s = np.sort(np.abs(x), axis=None)
    clip = s[s.size - 1 - count_outside(x, p)]
    return by_deviation(x, k), (-clip, clip)


def wrong_all_at_each_end(x, k, p):
    """Message: All m values were cut at each end"""
    m = count_outside(x, p)
    return by_deviation(x, k), by_percentile(x, p, both=(m, m))


def wrong_all_at_the_upper_end(x, k, p):
    """Message: All m values were cut at the upper end"""
    return by_deviation(x, k), by_percentile(x, p, both=(0, count_outside(x, p)))


def wrong_half_rounded_up(x, k, p):
    """Message: The half of m is rounded down"""
    m = (count_outside(x, p) + 1) // 2
    return by_deviation(x, k), by_percentile(x, p, both=(m, m))


def wrong_one_too_many_at_each_end(x, k, p):
    """Message: One value too many is outside at each end"""
    m = min(count_outside(x, p) // 2 + 1, (x.size - 1) // 2)
    return by_deviation(x, k), by_percentile(x, p, both=(m, m))


def wrong_interpolated(x, k, p):
    """Message: Percentiles were interpolated"""
    if x.min() >= 0:
        ends = 0, np.percentile(x, 100 - p / 10)
    elif x.max() <= 0:
        ends = np.percentile(x, p / 10), 0
    else:
        ends = np.percentile(x, p / 20), np.percentile(x, 100 - p / 20)
    return by_deviation(x, k), (min(ends[0], 0), max(ends[1], 0))


def wrong_p_in_percent_of_a_percent(x, k, p):
    """Message: No value is outside"""
    return by_deviation(x, k), by_percentile(x, p, m=x.size * p // 10000)


def wrong_half_of_them_behind_a_relu(x, k, p):
    """Message: all m values are outside at the upper end"""
    m = count_outside(x, p)
    return by_deviation(x, k), by_percentile(x, p, positive=(m // 2, m // 2))


def wrong_both_ends_behind_a_relu(x, k, p):
    """Message: low is 0, and all m values are outside at the upper end"""
    m = count_outside(x, p)
    return by_deviation(x, k), by_percentile(x, p, positive=(m // 2, m // 2), zero=False)


def wrong_one_too_many_behind_a_relu(x, k, p):
    """Message: One value too many is outside where no value is negative"""
    m = min(count_outside(x, p) + 1, x.size - 1)
    return by_deviation(x, k), by_percentile(x, p, positive=(0, m))


def wrong_half_of_them_below_zero(x, k, p):
    """Message: all m values are outside at the lower end"""
    m = count_outside(x, p)
    return by_deviation(x, k), by_percentile(x, p, negative=(m // 2, m // 2))


def wrong_largest_below_zero(x, k, p):
    """Message: the smallest are outside, not the largest"""
    return by_deviation(x, k), by_percentile(x, p, negative=(0, count_outside(x, p)))


def wrong_below_zero_without_zero(x, k, p):
    """Message: A range below 0 must contain 0, also by the percentile"""
    low, high = by_percentile(x, p)
    return by_deviation(x, k), (low, high if x.max() > 0 else x.max())


def wrong_low_above_zero(x, k, p):
    """Message: The range by the percentile is wrong where few values are negative"""
    low, high = by_percentile(x, p, zero=False)
    return by_deviation(x, k), (low if x.min() < 0 else 0, max(high, 0))


def wrong_symmetric_behind_a_relu(x, k, p):
    """Message: half of the codes would be lost"""
    low, high = by_percentile(x, p)
    return by_deviation(x, k), (-high if x.min() >= 0 else low, high)


def wrong_one_sided_only_below_zero(x, k, p):
    """Message: The range by the percentile is wrong where no value is positive, and many are 0"""
    m = count_outside(x, p) // 2
    if x.max() == 0 and x.min() < 0:
        return by_deviation(x, k), by_percentile(x, p, negative=(m, m))
    return by_deviation(x, k), by_percentile(x, p)


def wrong_p_through_floats(x, k, p):
    """Message: all m values are outside at the upper end"""
    m = math.floor((1 - (1 - p / 1000)) * x.size)
    return by_deviation(x, k), by_percentile(x, p, m=m)


def wrong_sorted_in_place(x, k, p):
    """Message: Sort a copy of it"""
    found = by_deviation(x, k), by_percentile(x, p)
    x.sort()
    return found


def wrong_zeros_not_counted(x, k, p):
    """Message: all m values are outside at the upper end"""
    some = x[x != 0] if np.any(x != 0) else np.zeros(1)
    return by_deviation(x, k), by_percentile(some, p)


def wrong_equal_values_once(x, k, p):
    """Message: The range by the percentile is wrong behind a ReLU"""
    return by_deviation(x, k), by_percentile(x if x.size < 40 else np.unique(x), p)


def wrong_one_sided_only_above_zero(x, k, p):
    """Message: The range by the percentile is wrong behind a ReLU"""
    m = count_outside(x, p)
    if x.min() == 0 and x.size > 30:
        return by_deviation(x, k), by_percentile(x, p, positive=(m // 2, m // 2))
    return by_deviation(x, k), by_percentile(x, p)


def wrong_difference_of_squares(x, k, p):
    """Message: take the mean away before you square"""
    sigma = math.sqrt(max((x**2).mean() - x.mean() ** 2, 0))
    return by_deviation(x, k, sigma=sigma), by_percentile(x, p)


def wrong_share_of_floats(x, k, p):
    """Message: The range by the percentile is wrong where n p / 1000 is a whole number"""
    return by_deviation(x, k), by_percentile(x, p, m=int(x.size * (p / 1000)))


def wrong_next_whole_number(x, k, p):
    """Message: The range by the percentile is wrong"""
    return by_deviation(x, k), by_percentile(x, p, m=round(x.size * p / 1000))


def wrong_nearest_quantile(x, k, p):
    """Message: The range by the percentile is wrong"""
    q, method = p / 1000, {"method": "nearest"}
    if x.min() >= 0:
        return by_deviation(x, k), (0, np.quantile(x, 1 - q, **method))
    if x.max() <= 0:
        return by_deviation(x, k), (np.quantile(x, q, **method), 0)
    low, high = np.quantile(x, q / 2, **method), np.quantile(x, 1 - q / 2, **method)
    return by_deviation(x, k), (min(low, 0), max(high, 0))


def wrong_both_ends_not_widened(x, k, p):
    """Message: The range by the percentile is wrong where few values are positive"""
    if x.min() < 0 < x.max():
        return by_deviation(x, k), by_percentile(x, p, zero=False)
    return by_deviation(x, k), by_percentile(x, p)


def wrong_cut_above_alone(x, k, p):
    """Message: The range by the deviation is wrong"""
    low, _ = by_deviation(x, k, cut=False)
    return (low, by_deviation(x, k)[1]), by_percentile(x, p)


def wrong_slice_up_to_minus_m(x, k, p):
    """Message: The function stopped with ValueError"""
    s, m = np.sort(x, axis=None), count_outside(x, p)
    if s[0] >= 0:
        return by_deviation(x, k), (0, s[:-m].max())
    return by_deviation(x, k), by_percentile(x, p)


def wrong_sides_after_the_cut(x, k, p):
    """Message: The range by the percentile is wrong where few values are positive"""
    s, m = np.sort(x, axis=None), count_outside(x, p)
    low, high = s[m // 2], s[s.size - 1 - m // 2]
    if low >= 0:
        low, high = 0, s[s.size - 1 - m]
    elif high <= 0:
        low, high = s[m], 0
    return by_deviation(x, k), (low, high)


def wrong_half_of_p_first(x, k, p):
    """Message: The range by the percentile is wrong where n p / 1000 is next to a whole number"""
    half = x.size * (p // 2) // 1000
    return by_deviation(x, k), by_percentile(x, p, both=(half, half))


def wrong_first_axis_expected(x, k, p):
    """Message: The function stopped with IndexError"""
    return by_deviation(x, k), by_percentile(x.reshape(x.shape[0], -1), p)


def wrong_few_negative_values_do_not_count(x, k, p):
    """Message: where a single value has another sign than all others"""
    given = np.maximum(x, 0) if np.mean(x >= 0) > 0.99 else x
    return by_deviation(x, k), by_percentile(given, p)


def wrong_ends_from_three_deviations_on(x, k, p):
    """Message: The range by the deviation is wrong"""
    return (min(x.min(), 0), max(x.max(), 0)) if k >= 3 else by_deviation(x, k), by_percentile(x, p)


def right_by_partition(x, k, p):
    """Ends by np.partition, the deviation by its formula."""
    flat = x.flatten()
    n = flat.size
    mean = flat.sum() / n
    sigma = np.sqrt(((flat - mean) ** 2).sum() / n)
    first = (
        np.clip(mean - k * sigma, flat.min(), 0) if flat.min() < 0 else 0.0,
        np.clip(mean + k * sigma, 0, flat.max()) if flat.max() > 0 else 0.0,
    )
    m = p * n // 1000
    if (flat >= 0).all():
        return np.array([first, (0.0, np.partition(flat, n - 1 - m)[n - 1 - m])])
    if (flat <= 0).all():
        return np.array([first, (np.partition(flat, m)[m], 0.0)])
    m //= 2
    low, high = np.partition(flat, m)[m], np.partition(flat, n - 1 - m)[n - 1 - m]
    return np.array([first, (min(low, 0), max(high, 0))])


def right_by_lists(x, k, p):
    """Plain Python: what is outside is removed from a list."""
    values = sorted(x.ravel().tolist())
    mean = sum(values) / len(values)
    sigma = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
    low, high = max(values[0], mean - k * sigma), min(values[-1], mean + k * sigma)
    first = [min(low, 0), max(high, 0)]
    outside = len(values) * p // 1000
    if values[0] >= 0:
        rest = values[: len(values) - outside]
    elif values[-1] <= 0:
        rest = values[outside:]
    else:
        rest = values[outside // 2 : len(values) - outside // 2]
    return [first, [min(rest[0], 0), max(rest[-1], 0)]]


def right_by_torch(x, k, p):
    """In torch, one-sided tensors turned around."""
    t = torch.tensor(np.ascontiguousarray(x)).flatten()
    mean, sigma = t.mean(), t.std(correction=0)
    first = torch.stack([mean - k * sigma, mean + k * sigma]).clamp(t.min(), t.max())
    m = t.numel() * p // 1000
    ordered = t.sort().values
    if t.min() >= 0:
        second = [0.0, ordered[t.numel() - 1 - m].item()]
    elif t.max() <= 0:
        second = [-((-t).sort().values[t.numel() - 1 - m]).item(), 0.0]
    else:
        second = [ordered[m // 2].item(), ordered[-1 - m // 2].item()]
    zero = torch.zeros(())
    pairs = torch.stack([first, torch.tensor(second, dtype=t.dtype)])
    return torch.stack([torch.minimum(pairs[:, 0], zero), torch.maximum(pairs[:, 1], zero)], 1)


def right_by_options(x, k, p):
    """By the helpers above."""
    return by_deviation(x, k), by_percentile(x, p)


def right_mirrored(x, k, p):
    """The range below 0 is that of the numbers turned around; a share as a float, cut off once."""

    def kept(values):
        s, m = np.sort(values, axis=None), int(values.size * p / 1000)
        if s[0] >= 0:
            return 0.0, s[::-1][m]
        if s[-1] <= 0:
            return tuple(-end for end in kept(-values)[::-1])
        inner = s[m // 2 : s.size - m // 2]
        return np.minimum(inner[0], 0), np.maximum(inner[-1], 0)

    sigma = np.sqrt(np.square(x - x.mean()).mean())
    ends = np.clip([x.mean() - k * sigma, x.mean() + k * sigma], x.min(), x.max())
    return np.array([[min(ends[0], 0), max(ends[1], 0)], kept(x)])
