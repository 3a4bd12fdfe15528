"""Answers to `predict_error` of exercise 03."""

from fractions import Fraction


def middles(levels):
    """Return the thresholds half-way between neighbours."""
    return (levels[1:] + levels[:-1]) / 2


def parts_of(x, levels, side="right"):
    """Return values, codes, counts, and both ends of the cells."""
    values = np.ravel(x)
    codes = np.searchsorted(middles(levels), values, side=side)
    counts = np.bincount(codes, minlength=len(levels))
    low, high = values.min(), values.max()
    begin = np.clip(np.append(low, middles(levels)), low, high)
    end = np.clip(np.append(middles(levels), high), low, high)
    return values, codes, counts, begin, end


def moment(begin, end, levels):
    """Return the mean squared distance of what is spread evenly."""
    return ((begin + end) / 2 - levels) ** 2 + (end - begin) ** 2 / 12


def measured_error(x, levels):
    """Return the mean squared distance."""
    values, codes, *_ = parts_of(x, levels)
    return float(np.mean((values - levels[codes]) ** 2))


def both(x, levels):
    """Return what is right."""
    _, _, counts, begin, end = parts_of(x, levels)
    return (counts * moment(begin, end, levels)).sum() / counts.sum(), measured_error(x, levels)


def wrong_chapter_one(x, levels):
    """Message: The measured error is right for the worked value, but not the prediction"""
    _, _, counts, begin, end = parts_of(x, levels)
    return (counts * (end - begin) ** 2).sum() / 12 / counts.sum(), measured_error(x, levels)


def wrong_cells_count_alike(x, levels):
    """Message: The prediction is wrong for other levels"""
    _, _, counts, begin, end = parts_of(x, levels)
    return moment(begin, end, levels)[counts > 0].mean(), measured_error(x, levels)


def wrong_by_width(x, levels):
    """Message: The prediction is wrong for other levels"""
    _, _, _, begin, end = parts_of(x, levels)
    width = end - begin
    if width.sum() == 0:
        return moment(begin, end, levels).min(), measured_error(x, levels)
    share = width / width.sum()
    return (share * moment(begin, end, levels)).sum(), measured_error(x, levels)


def wrong_cells_end_at_the_levels(x, levels):
    """Message: The measured error is right for the worked value, but not the prediction"""
    _, _, counts, begin, end = parts_of(x, levels)
    begin[0], end[-1] = levels[0], levels[-1]
    return (counts * moment(begin, end, levels)).sum() / counts.sum(), measured_error(x, levels)


def wrong_sums(x, levels):
    """Message: These are sums. Return means over all values."""
    _, _, counts, begin, end = parts_of(x, levels)
    return (counts * moment(begin, end, levels)).sum(), measured_error(x, levels) * x.size


def wrong_lower_level_on_a_threshold(x, levels):
    """Message: Does a value on a threshold belong to the upper level"""
    values, codes, counts, begin, end = parts_of(x, levels, "left")
    return (counts * moment(begin, end, levels)).sum() / len(values), float(
        np.mean((values - levels[codes]) ** 2)
    )


def wrong_level_below(x, levels):
    """Message: The measured error is wrong where some levels have no values"""
    codes = np.clip(np.searchsorted(levels, x, side="right") - 1, 0, None)
    return both(x, levels)[0], float(np.mean((x - levels[codes]) ** 2))


def wrong_not_cut(x, levels):
    """Message: The prediction is wrong where some levels have no values"""
    values, _, counts, begin, end = parts_of(x, levels)
    begin = np.append(min(values.min(), levels[0]), middles(levels))
    end = np.append(middles(levels), max(values.max(), levels[-1]))
    return (counts * moment(begin, end, levels)).sum() / counts.sum(), measured_error(x, levels)


def wrong_division_by_the_width(x, levels):
    """Message: The errors are wrong where all values are the same"""
    _, _, counts, begin, end = parts_of(x, levels)
    width = np.maximum(end - begin, 1e-300)
    cubes = ((end - levels) ** 3 - (begin - levels) ** 3) / (3 * width)
    return (counts * cubes).sum() / counts.sum(), measured_error(x, levels)


def wrong_cells_from_own_values(x, levels):
    """Message: The measured error is right for the worked value, but not the prediction"""
    values, codes, counts, *_ = parts_of(x, levels)
    total = 0.0
    for k in np.flatnonzero(counts):
        mine = values[codes == k]
        total += len(mine) * moment(mine.min(), mine.max(), levels[k])
    return total / len(values), measured_error(x, levels)


def wrong_about_on_a_threshold(x, levels):
    """Message: wrong"""
    values = np.ravel(x)
    bounds = middles(levels)
    codes = ((values[:, None] >= bounds) | np.isclose(values[:, None], bounds)).sum(axis=1)
    _, _, _, begin, end = parts_of(x, levels)
    counts = np.bincount(codes, minlength=len(levels))
    predicted = (counts * moment(begin, end, levels)).sum() / len(values)
    return predicted, float(np.mean((values - levels[codes]) ** 2))


def wrong_zeros_left_out(x, levels):
    """Message: wrong"""
    mine = x[x != 0]
    return both(mine if mine.size else x, levels)


def wrong_first_axis(x, levels):
    """Message: The measured error is wrong for the worked value"""
    return both(np.atleast_1d(x)[0], levels)


def wrong_exchanged(x, levels):
    """Message: The measured error is wrong for the worked value"""
    return both(x, levels)[::-1]


def wrong_only_measured(x, levels):
    """Message: Return two things"""
    return measured_error(x, levels)


def wrong_in_place(x, levels):
    """Message: An input was changed in place"""
    found = both(np.array(x), levels)
    x -= 1
    return found


def wrong_narrow_cells_ignored(x, levels):
    """Message: wrong"""
    _, _, counts, begin, end = parts_of(x, levels)
    good = np.where(end - begin > 1e-6, moment(begin, end, levels), (begin - levels) ** 2)
    return (counts * good).sum() / counts.sum(), measured_error(x, levels)


def wrong_differences_of_cubes(x, levels):
    """Message: where a cell is very narrow"""
    values, codes, counts, begin, end = parts_of(x, levels)
    total = 0.0
    for d, n, a, b in zip(levels, counts, begin, end, strict=True):
        if n and b > a:
            total += n * ((b - d) ** 3 - (a - d) ** 3) / (3 * (b - a))
        elif n:
            total += n * (a - d) ** 2
    return np.array([total / len(values), np.mean((values - levels[codes]) ** 2)])


def wrong_codes_by_distances(x, levels):
    """Message: where some values are very far from all levels"""
    values, _, _, begin, end = parts_of(x, levels)
    codes = len(levels) - 1 - np.abs(values[:, None] - levels[::-1]).argmin(axis=1)
    counts = np.bincount(codes, minlength=len(levels))
    predicted = (counts * moment(begin, end, levels)).sum() / len(values)
    return predicted, float(np.mean((values - levels[codes]) ** 2))


def wrong_cubes_or_the_middle(x, levels):
    """Message: where a cell is very narrow"""
    values, _, counts, begin, end = parts_of(x, levels)
    a, b = begin - levels, end - levels
    with np.errstate(all="ignore"):
        thirds = (b**3 - a**3) / (3 * (b - a))
    thirds = np.where(b - a > 1e-14, thirds, a * b)
    return (counts * thirds).sum() / len(values), measured_error(x, levels)


def wrong_numbers_along_the_cell(x, levels):
    """Message: The measured error is right for the worked value, but not the prediction"""
    values, _, counts, begin, end = parts_of(x, levels)
    steps = (np.arange(100) + 0.5)[:, None] / 100
    squares = ((begin + steps * (end - begin) - levels) ** 2).mean(axis=0)
    return (counts * squares).sum() / len(values), measured_error(x, levels)


def wrong_integral_multiplied_out(x, levels):
    """Message: wrong where"""
    _, _, counts, a, b = parts_of(x, levels)
    squares = (a * a + a * b + b * b) / 3 - levels * (a + b) + levels**2
    return (counts * squares).sum() / counts.sum(), measured_error(x, levels)


def wrong_square_multiplied_out(x, levels):
    """Message: The measured error is wrong where values are far from 0"""
    values, codes, *_ = parts_of(x, levels)
    mine = levels[codes]
    return both(x, levels)[0], np.mean(values**2) - 2 * np.mean(values * mine) + np.mean(mine**2)


def right_in_one_go(x, levels):
    """Arrays, variance and mean."""
    values, codes, counts, begin, end = parts_of(x, levels)
    predicted = (counts * moment(begin, end, levels)).sum() / len(values)
    return predicted, ((values - levels[codes]) ** 2).mean()


def right_ends_alone(x, levels):
    """The integral without a division: a third of the sum of three products."""
    values, codes, counts, begin, end = parts_of(x, levels)
    a, b = begin - levels, end - levels
    thirds = (a * a + a * b + b * b) / 3
    return [
        float(np.average(thirds, weights=counts)),
        float(((values - levels[codes]) ** 2).mean()),
    ]


def right_value_by_value(x, levels):
    """Exactly, without arrays."""
    values = [Fraction(v) for v in np.ravel(x).tolist()]
    exact = [Fraction(d) for d in levels.tolist()]
    bounds = [(a + b) / 2 for a, b in itertools.pairwise(exact)]
    low, high = min(values), max(values)
    predicted = measured = Fraction(0)
    for v in values:
        k = sum(v >= bound for bound in bounds)
        a = low if k == 0 else max(low, bounds[k - 1])
        b = high if k == len(bounds) else min(high, bounds[k])
        predicted += ((a + b) / 2 - exact[k]) ** 2 + (b - a) ** 2 / 12
        measured += (v - exact[k]) ** 2
    return float(predicted / len(values)), float(measured / len(values))
