"""Answers to `best_levels` of exercise 03."""

from functools import cache


def spread(values):
    """Return the sum of the squared distances to the mean."""
    return float(((values - values.mean()) ** 2).sum()) if len(values) else 0.0


def of_runs(runs):
    """Return levels and cost of clusters."""
    return np.array([run.mean() for run in runs]), sum(map(spread, runs))


def best_runs(x, n_levels, price=spread):
    """Return the runs of neighbours with the least price, by dynamic programming."""
    x = np.sort(np.asarray(x, dtype=float))
    n = len(x)

    @cache
    def priced(i, j):
        return price(x[i:j])

    least = {(0, 0): (0.0, None)}
    for p in range(1, n_levels + 1):
        for j in range(p, n - n_levels + p + 1):
            least[p, j] = min(
                (least[p - 1, i][0] + priced(i, j), i)
                for i in range(p - 1, j)
                if (p - 1, i) in least
            )
    bounds, j = [n], n
    for p in range(n_levels, 0, -1):
        j = least[p, j][1]
        bounds.append(j)
    return [x[i:j] for i, j in itertools.pairwise(bounds[::-1])]


def correct(x, n_levels, centred=True):
    """Return what is right, a row of the table at once."""
    x = np.sort(np.asarray(x, dtype=float))
    n, y = len(x), x - x.mean() if centred else x
    s, squares = np.r_[0, np.cumsum(y)], np.r_[0, np.cumsum(y**2)]
    length = np.arange(n + 1) - np.arange(n + 1)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        cost = squares - squares[:, None] - (s - s[:, None]) ** 2 / length
    cost[length <= 0] = np.inf
    row, begins = np.r_[0, np.full(n, np.inf)], []
    for _ in range(n_levels):
        total = row[:, None] + cost
        begins.append(total.argmin(axis=0))
        row = total.min(axis=0)
    bounds = [n]
    for begin in begins[::-1]:
        bounds.append(begin[bounds[-1]])
    return of_runs([x[i:j] for i, j in itertools.pairwise(bounds[::-1])])


def restarts(x, n_levels, count):
    """Return the best of many runs of Lloyd's iterations."""
    rng, x, best = np.random.default_rng(0), np.sort(x), (math.inf, None)
    s = np.r_[0, np.cumsum(x)]
    for _ in range(count):
        levels = np.sort(rng.choice(np.unique(x), n_levels, replace=False))
        for _ in range(30):
            inner = np.searchsorted(x, (levels[1:] + levels[:-1]) / 2)
            bounds = np.r_[0, inner, len(x)]
            counted = np.diff(bounds)
            moved = np.where(counted > 0, np.diff(s[bounds]) / np.maximum(counted, 1), levels)
            if np.array_equal(moved, levels):
                break
            levels = moved
        cost = ((x - np.repeat(levels, counted)) ** 2).sum()
        best = min(best, (float(cost), tuple(levels)))
    return np.array(best[1]), best[0]


def wrong_descending(x, n_levels):
    """Message: The levels are in descending order"""
    levels, cost = correct(x, n_levels)
    return levels[::-1], cost


def wrong_widest_gaps(x, n_levels):
    """Message: The levels are wrong for x = 18, 2, 4, 20, 9, 13, 1, 14, 7"""
    x = np.sort(x)
    cuts = np.sort(np.argsort(-np.diff(x))[: n_levels - 1] + 1)
    return of_runs(np.split(x, cuts))


def wrong_one_cut_after_another(x, n_levels):
    """Message: The levels are wrong for x = 18, 2, 4, 20, 9, 13, 1, 14, 7"""
    runs = [np.sort(x)]
    while len(runs) < n_levels:
        gains = [
            (spread(run) - spread(run[:i]) - spread(run[i:]), place, i)
            for place, run in enumerate(runs)
            for i in range(1, len(run))
        ]
        _, place, i = max(gains)
        runs[place : place + 1] = [runs[place][:i], runs[place][i:]]
    return of_runs(runs)


def wrong_equally_many(x, n_levels):
    """Message: The levels are wrong for x = 18, 2, 4, 20, 9, 13, 1, 14, 7"""
    return of_runs(np.array_split(np.sort(x), n_levels))


def wrong_absolute_distances(x, n_levels):
    """Message: The levels are wrong for x = 18, 2, 4, 20, 9, 13, 1, 14, 7"""
    return of_runs(best_runs(x, n_levels, lambda run: np.abs(run - np.median(run)).sum()))


def wrong_equal_parts_of_the_range(x, n_levels):
    """Message: The levels are wrong for x = 18, 2, 4, 20, 9, 13, 1, 14, 7"""
    x = np.sort(x)
    part = np.minimum((x - x[0]) / (x[-1] - x[0]) * n_levels, n_levels - 1).astype(int)
    return of_runs([x[part == k] for k in range(n_levels)])


def wrong_lloyd(x, n_levels):
    """Message: The levels are wrong for x = 18, 2, 4, 20, 9, 13, 1, 14, 7"""
    x = np.sort(x)
    levels = np.linspace(x[0], x[-1], n_levels)
    for _ in range(100):
        codes = np.abs(x[:, None] - levels).argmin(axis=1)
        levels = np.array(
            [x[codes == k].mean() if k in codes else levels[k] for k in range(n_levels)]
        )
    return levels, float(((x - levels[codes]) ** 2).sum())


def wrong_scikit_learn(x, n_levels):
    """Message: where only the best will do"""
    from sklearn.cluster import KMeans

    fit = KMeans(n_levels, n_init=10, random_state=0).fit(x[:, None])
    return np.sort(fit.cluster_centers_.ravel()), fit.inertia_


def wrong_not_sorted(x, n_levels):
    """Message: The levels are wrong for x = 18, 2, 4, 20, 9, 13, 1, 14, 7"""
    x = np.array(x)
    n = len(x)
    least, begin = {(0, 0): 0.0}, {}
    for p in range(1, n_levels + 1):
        for j in range(p, n + 1):
            begin[p, j] = min(
                (i for i in range(p - 1, j) if (p - 1, i) in least),
                key=lambda i: least[p - 1, i] + spread(x[i:j]),
            )
            least[p, j] = least[p - 1, begin[p, j]] + spread(x[begin[p, j] : j])
    levels, j = [], n
    for p in range(n_levels, 0, -1):
        levels.append(x[begin[p, j] : j].mean())
        j = begin[p, j]
    return np.sort(levels), least[n_levels, n]


def wrong_variances_added(x, n_levels):
    """Message: The levels are wrong for x = 18, 2, 4, 20, 9, 13, 1, 14, 7"""
    return of_runs(best_runs(x, n_levels, np.var))


def wrong_mean(x, n_levels):
    """Message: This is the mean of the squared distances"""
    levels, cost = correct(x, n_levels)
    return levels, cost / len(x)


def wrong_root(x, n_levels):
    """Message: This is the root"""
    levels, cost = correct(x, n_levels)
    return levels, cost**0.5


def wrong_cost_of_variances(x, n_levels):
    """Message: The levels are right, but the cost is not"""
    runs = best_runs(x, n_levels)
    return of_runs(runs)[0], sum(map(np.var, runs))


def wrong_cost_of_distances(x, n_levels):
    """Message: This is the sum of the distances"""
    runs = best_runs(x, n_levels)
    return of_runs(runs)[0], sum(np.abs(run - run.mean()).sum() for run in runs)


def wrong_one_level_too_many(x, n_levels):
    """Message: another shape than the docstring says"""
    return correct(x, n_levels + 1)


def wrong_medians(x, n_levels):
    """Message: These are medians. A level is the mean of its cluster."""
    runs = best_runs(x, n_levels)
    return np.array([np.median(run) for run in runs]), of_runs(runs)[1]


def wrong_only_the_levels(x, n_levels):
    """Message: Return two things"""
    return correct(x, n_levels)[0]


def wrong_in_place(x, n_levels):
    """Message: The input x was changed in place"""
    x.sort()
    return correct(x, n_levels)


def wrong_distinct_values_only(x, n_levels):
    """Message: The levels are wrong"""
    return correct(np.unique(x), n_levels)


def wrong_lloyd_from_quantiles(x, n_levels):
    """Message: The levels are wrong for x = 18, 2, 4, 20, 9, 13, 1, 14, 7"""
    levels = np.quantile(x, (np.arange(n_levels) + 0.5) / n_levels)
    for _ in range(100):
        codes = np.abs(x[:, None] - levels).argmin(axis=1)
        levels = np.array([x[codes == k].mean() for k in range(n_levels)])
    return levels, float(((x - levels[codes]) ** 2).sum())


def wrong_merging(x, n_levels):
    """Message: The levels are wrong for x = 18, 2, 4, 20, 9, 13, 1, 14, 7"""
    runs = [np.array([v]) for v in np.sort(x)]
    while len(runs) > n_levels:
        dearer = [spread(np.r_[a, b]) - spread(a) - spread(b) for a, b in itertools.pairwise(runs)]
        k = int(np.argmin(dearer))
        runs[k : k + 2] = [np.r_[runs[k], runs[k + 1]]]
    return of_runs(runs)


def wrong_many_restarts(x, n_levels):
    """Message: where only the best will do"""
    return restarts(x, n_levels, 300)


def wrong_negative_values_left_out(x, n_levels):
    """Message: where only the best will do"""
    return correct(np.maximum(x, 0), n_levels) if x.min() < 0 else correct(x, n_levels)


def wrong_small_fee_for_rounding(x, n_levels):
    """Message: but not the cost"""
    levels, cost = correct(x, n_levels)
    return levels, max(cost, 1e-9) + 1e-6


def wrong_not_centred(x, n_levels):
    """Message: far from 0"""
    return correct(x, n_levels, centred=False)


def wrong_centred_by_the_middle_of_0_and_the_largest(x, n_levels):
    """Message: far from 0"""
    middle = x.max() / 2
    levels, cost = correct(x - middle, n_levels, centred=False)
    return levels + middle, cost


def in_a_window(x, n_levels, reach, dtype=float, shift=None, least=-np.inf):
    """Return the best clusters of at most so many values, from tables of this type.

    The values are moved by a shift, by default their mean. A cluster costs at least so much.
    """
    x = np.sort(x)
    n, y = len(x), (x - (x.mean() if shift is None else shift)).astype(dtype)
    s, squares = (np.append(dtype(0), np.cumsum(y**p)) for p in (1, 2))
    row, begins = np.append(dtype(0), np.full(n, np.inf, dtype)), []
    for p in range(n_levels):
        new, begin = np.full(n + 1, np.inf, dtype), np.zeros(n + 1, dtype=int)
        for j in range(p + 1, n + 1):
            i = np.arange(max(p, j - reach), j)
            cost = squares[j] - squares[i] - (s[j] - s[i]) ** 2 / (j - i).astype(dtype)
            total = row[i] + np.maximum(cost, dtype(least))
            new[j], begin[j] = total.min(), i[total.argmin()]
        row = new
        begins.append(begin)
    bounds = [n]
    for begin in begins[::-1]:
        bounds.append(begin[bounds[-1]])
    return of_runs([x[i:j] for i, j in itertools.pairwise(bounds[::-1])])


def wrong_window_of_64(x, n_levels):
    """Message: The levels are wrong where"""
    return in_a_window(x, n_levels, max(64, 2 * len(x) // n_levels))


def wrong_no_cluster_of_more_than_half(x, n_levels):
    """Message: The levels are wrong where"""
    return in_a_window(x, n_levels, len(x) if n_levels < 3 else max(len(x) // 2, 20))


def wrong_float32_table(x, n_levels):
    """Message: The levels are wrong where a few values are far from all others"""
    return in_a_window(x, n_levels, len(x), np.float32)


def wrong_float32_values(x, n_levels):
    """Message: The levels are wrong"""
    return correct(np.float32(x).astype(float), n_levels)


def wrong_negative_costs_cut(x, n_levels):
    """Message: far from 0"""
    return in_a_window(x, n_levels, len(x), shift=0, least=0)


def wrong_moved_only_if_positive(x, n_levels):
    """Message: The levels are wrong where all values are far from 0."""
    return in_a_window(x, n_levels, len(x), shift=max(np.min(x), 0))


def right_list_of_two(x, n_levels):
    """The two things in a list."""
    return list(correct(x, n_levels))


def right_recursion(x, n_levels):
    """From the end, with remembered results."""
    x = np.sort(x)
    n = len(x)
    y = x - x[0]
    s, squares = np.r_[0, np.cumsum(y)].tolist(), np.r_[0, np.cumsum(y * y)].tolist()

    @cache
    def least(p, j):
        if p == 1:
            return squares[j] - s[j] ** 2 / j, 0
        return min(
            (least(p - 1, i)[0] + squares[j] - squares[i] - (s[j] - s[i]) ** 2 / (j - i), i)
            for i in range(p - 1, j)
        )

    levels, j = np.empty(n_levels), n
    for p in range(n_levels, 0, -1):
        i = least(p, j)[1]
        levels[p - 1] = x[i:j].mean()
        j = i
    return levels, max(least(n_levels, n)[0], 0.0)


def right_best_start_never_moves_back(x, n_levels):
    """By divide and conquer, on distances from the median."""
    x = np.sort(x)
    n, middle = len(x), x[len(x) // 2]
    y = x - middle
    s, squares = np.r_[0, np.cumsum(y)], np.r_[0, np.cumsum(y**2)]

    def cost(i, j):
        return squares[j] - squares[i] - (s[j] - s[i]) ** 2 / (j - i)

    table = [np.r_[np.inf, [cost(0, j) for j in range(1, n + 1)]]]
    begins = [np.zeros(n + 1, dtype=int)]
    for p in range(2, n_levels + 1):
        best, begin = np.full(n + 1, np.inf), np.zeros(n + 1, dtype=int)
        stack = [(p, n, p - 1, n - 1)]
        while stack:
            first, last, low, high = stack.pop()
            if first > last:
                continue
            j = (first + last) // 2
            sums = [(table[-1][i] + cost(i, j), i) for i in range(low, min(high, j - 1) + 1)]
            best[j], begin[j] = min(sums)
            stack += [(first, j - 1, low, begin[j]), (j + 1, last, begin[j], high)]
        table.append(best)
        begins.append(begin)
    levels, j = [], n
    for begin in begins[::-1]:
        levels.insert(0, x[begin[j] : j].mean())
        j = begin[j]
    return np.array(levels), sum(((x[:, None] - levels) ** 2).min(axis=1))


def right_moved(x, n_levels):
    """Moves the values to the median first, and the levels back; the cost from the levels."""
    levels = correct(x - np.median(x), n_levels, centred=False)[0] + np.median(x)
    nearest = np.searchsorted((levels[1:] + levels[:-1]) / 2, x)
    return tuple(levels), np.sum((x - levels[nearest]) ** 2)


def right_empty_clusters_allowed(x, n_levels):
    """Tries empty clusters too, which are never better."""
    x = np.sort(x)

    @cache
    def priced(i, j):
        return spread(x[i:j])

    rows = [{0: (0.0, [])}]
    for _ in range(n_levels):
        rows.append(
            {
                j: min(
                    (before + priced(i, j), [*cuts, i])
                    for i, (before, cuts) in rows[-1].items()
                    if i <= j
                )
                for j in range(len(x) + 1)
            }
        )
    _, cuts = rows[-1][len(x)]
    return of_runs([x[i:j] for i, j in itertools.pairwise([*cuts, len(x)])])
