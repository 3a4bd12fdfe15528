"""Answers to `lloyd` of exercise 03."""


def nearest(x, centroids):
    """Return the number of the nearest centroid."""
    return np.abs(x[:, None] - centroids).argmin(axis=1)


def iterate(x, centroids, of_empty=None, mean=np.mean, assign=nearest, turns=1000):
    """Return the centroids after so many turns, in the order in which they were given."""
    centroids = np.array(centroids, dtype=float)
    for _ in range(turns):
        codes = assign(x, centroids)
        before = centroids.copy()
        for k in range(len(centroids)):
            if np.any(codes == k):
                centroids[k] = mean(x[codes == k])
            elif of_empty is not None:
                centroids[k] = of_empty
        if np.array_equal(before, centroids, equal_nan=True):
            break
    return centroids


def wrong_not_sorted(x, centroids):
    """Message: The centroids are not in ascending order"""
    return iterate(x, centroids)


def wrong_one_turn(x, centroids):
    """Message: This is after one turn"""
    return np.sort(iterate(x, centroids, turns=1))


def wrong_nan_where_empty(x, centroids):
    """Message: A centroid without values became NaN"""
    centroids = np.sort(centroids)
    while True:
        codes = nearest(x, centroids)
        moved = np.array([np.mean(x[codes == k]) for k in range(len(centroids))])
        if np.array_equal(moved, centroids, equal_nan=True) or np.isnan(moved).any():
            return moved
        centroids = moved


def wrong_nan_at_the_end(x, centroids):
    """Message: The result holds NaN or infinity"""
    while True:
        codes = nearest(x, centroids)
        with np.errstate(invalid="ignore"):
            moved = np.array(
                [np.divide(x[codes == k].sum(), (codes == k).sum()) for k in range(len(centroids))]
            )
        if np.isnan(moved).any() or np.array_equal(moved, centroids):
            return np.sort(moved)
        centroids = moved


def wrong_zero_where_empty(x, centroids):
    """Message: A centroid without values became 0"""
    centroids = np.sort(centroids)
    for _ in range(100):
        codes = nearest(x, centroids)
        counts = np.bincount(codes, minlength=len(centroids))
        sums = np.bincount(codes, weights=x, minlength=len(centroids))
        centroids = sums / np.maximum(counts, 1)
    return np.sort(centroids)


def wrong_empty_dropped(x, centroids):
    """Message: A centroid without values was dropped"""
    for _ in range(100):
        codes = nearest(x, centroids)
        centroids = np.array([x[codes == k].mean() for k in np.unique(codes)])
    return np.sort(centroids)


def wrong_median(x, centroids):
    """Message: These are medians"""
    return np.sort(iterate(x, centroids, mean=np.median))


def wrong_middle_of_the_cluster(x, centroids):
    """Message: The centroids are wrong for x = 11, 10, 5, 21, 3, 4, 26, 15"""
    return np.sort(iterate(x, centroids, mean=lambda v: (v.min() + v.max()) / 2))


def wrong_threshold_at_the_centroid(x, centroids):
    """Message: The centroids are wrong for x = 11, 10, 5, 21, 3, 4, 26, 15"""

    def below(x, centroids):
        return np.clip(np.searchsorted(centroids, x, side="right") - 1, 0, None)

    return np.sort(iterate(x, np.sort(centroids), assign=below))


def wrong_search_in_unsorted_centroids(x, centroids):
    """Message: The centroids are wrong for x = 11, 10, 5, 21, 3, 4, 26, 15"""

    def between(x, centroids):
        return np.searchsorted((centroids[1:] + centroids[:-1]) / 2, x)

    return np.sort(iterate(x, centroids, assign=between))


def wrong_two_turns(x, centroids):
    """Message: The centroids are wrong for x = 11, 10, 5, 21, 3, 4, 26, 15"""
    return np.sort(iterate(x, centroids, turns=2))


def wrong_ten_turns(x, centroids):
    """Message: The centroids are wrong for many values"""
    return np.sort(iterate(x, centroids, turns=10))


def wrong_in_place(x, centroids):
    """Message: An input was changed in place"""
    centroids.sort()
    return iterate(x, centroids)


def wrong_codes(x, centroids):
    """Message: another shape than the docstring says"""
    return nearest(x, np.sort(iterate(x, centroids)))


def wrong_farthest_for_empty(x, centroids):
    """Message: The centroids are wrong where one of them has no values"""
    centroids = np.sort(centroids)
    for _ in range(100):
        codes = nearest(x, centroids)
        far = x[np.abs(x - centroids[codes]).argmax()]
        centroids = np.array(
            [x[codes == k].mean() if (codes == k).any() else far for k in range(len(centroids))]
        )
    return np.sort(centroids)


def wrong_back_to_the_start(x, centroids):
    """Message: The centroids are wrong where it takes some hundred turns"""
    start, moved = centroids, centroids
    for _ in range(100):
        codes = nearest(x, moved)
        moved = np.array(
            [x[codes == k].mean() if (codes == k).any() else c for k, c in enumerate(start)]
        )
    return np.sort(moved)


def wrong_one_after_another(x, centroids):
    """Message: The centroids are wrong for many values"""
    centroids = centroids.copy()
    for _ in range(100):
        for k in range(len(centroids)):
            mine = nearest(x, centroids) == k
            if mine.any():
                centroids[k] = x[mine].mean()
    return np.sort(centroids)


def wrong_until_the_sum_stands_still(x, centroids):
    """Message: The centroids are wrong"""
    while True:
        moved = iterate(x, centroids, turns=1)
        if abs(moved.sum() - centroids.sum()) < 1e-9:
            return np.sort(moved)
        centroids = moved


def wrong_distinct_values(x, centroids):
    """Message: where values occur several times"""
    return np.sort(iterate(np.unique(x), centroids))


def wrong_fifty_turns(x, centroids):
    """Message: The centroids are wrong for many values"""
    return np.sort(iterate(x, centroids, turns=50))


def wrong_about_where_it_was(x, centroids):
    """Message: The centroids are wrong where it takes some hundred turns"""
    while True:
        moved = iterate(x, centroids, turns=1)
        if np.abs(moved - centroids).max() < 1e-9:
            return np.sort(moved)
        centroids = moved


def wrong_nearly_still(x, centroids):
    """Message: The centroids are wrong where it takes some hundred turns"""
    while True:
        moved = iterate(x, centroids, turns=1)
        if np.allclose(moved, centroids, rtol=1e-3, atol=1e-3):
            return np.sort(moved)
        centroids = moved


def wrong_only_one_fault_left(x, centroids):
    """Message: The centroids are wrong for many values"""
    centroids = np.sort(centroids)
    while True:
        before = centroids.copy()
        for k in range(len(centroids)):
            mine = x[nearest(x, centroids) == k]
            if len(mine):
                centroids[k] = mine.mean()
        if np.array_equal(before, centroids):
            return centroids


def wrong_a_hundred_turns(x, centroids):
    """Message: where it takes some hundred turns"""
    return np.sort(iterate(x, centroids, turns=100))


def wrong_two_hundred_turns(x, centroids):
    """Message: where it takes some hundred turns"""
    return np.sort(iterate(x, centroids, turns=200))


def wrong_three_hundred_turns(x, centroids):
    """Message: where it takes some hundred turns"""
    return np.sort(iterate(x, centroids, turns=300))


def until(x, centroids, is_enough):
    """Return the centroids after the first turn that is the last by this rule."""
    centroids = np.sort(centroids)
    while True:
        codes = nearest(x, centroids)
        moved = iterate(x, centroids, turns=1)
        if is_enough(centroids, moved, np.sum((x - moved[codes]) ** 2)):
            return np.sort(moved)
        centroids = moved


def wrong_allclose_of_all_digits(x, centroids):
    """Message: The centroids are wrong where it"""
    return until(x, centroids, lambda c, moved, _: np.allclose(moved, c, rtol=1e-12, atol=1e-12))


def wrong_less_than_anything(x, centroids):
    """Message: where it takes some hundred turns"""
    return until(x, centroids, lambda c, moved, _: np.abs(moved - c).max() < 1e-20)


def wrong_small_beside_the_range(x, centroids):
    """Message: where a few values are very far from all others"""
    least = 1e-13 * np.ptp(np.append(x, centroids))
    return until(x, centroids, lambda c, moved, _: np.abs(moved - c).max() <= least)


def wrong_until_the_cost_stays(x, centroids):
    """Message: where a few values are very far from all others"""
    costs = [math.inf]

    def is_enough(_, __, cost):
        costs.append(cost)
        return costs[-1] >= costs[-2]

    return until(x, centroids, is_enough)


def wrong_until_the_cost_hardly_falls(x, centroids):
    """Message: where a few values are very far from all others"""
    costs = [math.inf]

    def is_enough(_, __, cost):
        costs.append(cost)
        return costs[-2] - costs[-1] <= 1e-14 * costs[-1]

    return until(x, centroids, is_enough)


def wrong_until_the_sum_stays(x, centroids):
    """Message: where all values and centroids come with their negatives"""
    return until(x, centroids, lambda c, moved, _: sum(moved) == sum(c))


def by_prefix_sums(x, centroids):
    """Return the last centroids, from sums over all values up to a bound."""
    x, centroids = np.sort(x), np.sort(centroids)
    sums = np.r_[0, np.cumsum(x)]
    bounds = None
    while True:
        new = np.r_[0, np.searchsorted(x, (centroids[1:] + centroids[:-1]) / 2), len(x)]
        if bounds is not None and np.array_equal(new, bounds):
            return centroids
        bounds, count = new, np.diff(new)
        mean = np.diff(sums[bounds]) / np.maximum(count, 1)
        centroids = np.where(count > 0, mean, centroids)


def wrong_prefix_sums(x, centroids):
    """Message: where a few values are very far from all others"""
    return by_prefix_sums(x, centroids)


def wrong_prefix_sums_of_centred_values(x, centroids):
    """Message: where a few values are very far from all others"""
    middle = x.mean()
    return by_prefix_sums(x - middle, centroids - middle) + middle


def wrong_allclose(x, centroids):
    """Message: The centroids are wrong"""
    while True:
        moved = iterate(x, centroids, turns=1)
        if np.allclose(moved, centroids):
            return np.sort(moved)
        centroids = moved


def right_with_function_3(x, centroids):
    """Assigns with the codes of function 3."""
    centroids = np.sort(centroids)
    while True:
        codes = nearest_codes(x, centroids) if len(centroids) > 1 else np.zeros(len(x), dtype=int)
        moved = np.array(
            [x[codes == k].mean() if k in codes else c for k, c in enumerate(centroids)]
        )
        if np.allclose(moved, centroids, rtol=1e-15, atol=0):
            return moved
        centroids = moved


def right_until_nothing_changes_hands(x, centroids):
    """Stops when the assignment stays; sorts at the end."""
    centroids, before = [float(c) for c in centroids], None
    while True:
        codes = [min(range(len(centroids)), key=lambda k: abs(v - centroids[k])) for v in x]
        if codes == before:
            return np.array(sorted(centroids))
        for k in set(codes):
            mine = [v for v, code in zip(x.tolist(), codes, strict=True) if code == k]
            centroids[k] = math.fsum(mine) / len(mine)
        before = codes


def right_sums_of_each_centroid(x, centroids):
    """All sums at once, each of its own values only."""
    centroids, before = np.sort(centroids), None
    while before is None or not np.array_equal(before, centroids):
        before = centroids
        codes = np.searchsorted((centroids[1:] + centroids[:-1]) / 2, x)
        sums = np.bincount(codes, weights=x, minlength=len(centroids))
        count = np.bincount(codes, minlength=len(centroids))
        centroids = np.where(count > 0, sums / np.maximum(count, 1), centroids)
    return centroids


def right_recursion(x, centroids):
    """Calls itself until nothing moves."""
    moved = iterate(x, centroids, turns=20)
    return np.sort(moved) if np.array_equal(moved, centroids) else lloyd(x, moved)
