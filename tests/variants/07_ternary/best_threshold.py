"""Answers to `best_threshold` of exercise 07."""


def descending(w):
    """Return the magnitudes, the largest first."""
    return np.sort(np.abs(w))[::-1]


def answer_of(m, k):
    """Return the threshold and the alpha that leave the k largest magnitudes."""
    return (m[k] if k < len(m) else 0.0), m[:k].mean()


def chosen(w, gain):
    """Return the answer where a gain of (sums, counts) is largest."""
    m = descending(w)
    if m[0] == 0:
        return 0.0, 0.0
    return answer_of(m, int(np.argmax(gain(m.cumsum(), np.arange(1.0, len(m) + 1)))) + 1)


def squares(sums, counts):
    """Return the right gain."""
    return sums**2 / counts


def wrong_twn(w):
    """Message: This is TWN's threshold"""
    m = np.abs(w)
    delta = 0.7 * m.mean()
    return delta, m[m > delta].mean() if m.any() else 0.0


def wrong_twn_snapped(w):
    """Message: not the least one"""
    m = np.abs(w)
    delta = 0.7 * m.mean()
    return m[m <= delta].max(initial=0.0), m[m > delta].mean() if m.any() else 0.0


def wrong_bitnet(w):
    """Message: wrong"""
    m = np.abs(w)
    return 0.5 * m.mean(), m.mean()


def wrong_largest_sum(w):
    """Message: All weights were kept"""
    return chosen(w, lambda s, k: s)


def wrong_largest_mean(w):
    """Message: Only the largest weight was kept"""
    return chosen(w, lambda s, k: s / k)


def wrong_divided_by_the_square(w):
    """Message: Only the largest weight was kept"""
    return chosen(w, lambda s, k: (s / k) ** 2)


def wrong_divided_by_the_root(w):
    """Message: wrong"""
    return chosen(w, lambda s, k: s / k**0.25)


def wrong_sum_of_squares_over_count(w):
    """Message: not the least one"""
    m = descending(w)
    if m[0] == 0:
        return 0.0, 0.0
    gain = (m**2).cumsum() / np.sqrt(np.arange(1.0, len(m) + 1))
    return answer_of(m, int(gain.argmax()) + 1)


def wrong_counts_from_zero(w):
    """Message: smallest magnitude that is kept"""
    m = descending(w)
    if m[0] == 0:
        return 0.0, 0.0
    k = int(np.argmax(m.cumsum() ** 2 / np.arange(1.0, len(m) + 1)))
    return answer_of(m, max(k, 1))


def wrong_smallest_first(w):
    """Message: All weights were kept"""
    m = np.sort(np.abs(w))
    if m[-1] == 0:
        return 0.0, 0.0
    k = int(np.argmax(m.cumsum() ** 2 / np.arange(1.0, len(m) + 1))) + 1
    return answer_of(m, k)


def wrong_smallest_kept(w):
    """Message: This is the smallest magnitude that is kept"""
    delta, alpha = chosen(w, squares)
    m = np.abs(w)
    return m[m > delta].min(initial=m.max()), alpha


def wrong_half_way(w):
    """Message: This is half-way"""
    delta, alpha = chosen(w, squares)
    m = np.abs(w)
    return (delta + m[m > delta].min(initial=m.max())) / 2, alpha


def wrong_half_of_alpha(w):
    """Message: half of alpha"""
    _, alpha = chosen(w, squares)
    return alpha / 2, alpha


def wrong_alpha_of_all(w):
    """Message: alpha is the mean of all"""
    delta, _ = chosen(w, squares)
    return delta, np.abs(w).mean()


def wrong_alpha_divided_by_all(w):
    """Message: divided by the number of all weights"""
    delta, _ = chosen(w, squares)
    m = np.abs(w)
    return delta, m[m > delta].sum() / len(m)


def wrong_alpha_is_a_sum(w):
    """Message: alpha is a sum"""
    delta, _ = chosen(w, squares)
    m = np.abs(w)
    return delta, m[m > delta].sum()


def wrong_alpha_of_signed_weights(w):
    """Message: of both signs cancel"""
    delta, _ = chosen(w, squares)
    return delta, w[np.abs(w) > delta].mean() if w.any() else 0.0


def wrong_signs_kept(w):
    """Message: Magnitudes, not weights"""
    m = np.sort(w)[::-1]
    if not m.any():
        return 0.0, 0.0
    k = int(np.argmax(m.cumsum() ** 2 / np.arange(1.0, len(m) + 1))) + 1
    return answer_of(m, k)


def wrong_count_returned(w):
    """Message: number of weights that are kept"""
    delta, alpha = chosen(w, squares)
    return (np.abs(w) > delta).sum(), alpha


def wrong_iterated(w):
    """Message: not the least one"""
    m = np.abs(w)
    alpha = m.mean()
    for _ in range(200):
        kept = m[m > alpha / 2]
        alpha = kept.mean() if len(kept) else 0.0
    return m[m <= alpha / 2].max(initial=0.0), alpha


def wrong_iterated_from_the_largest(w):
    """Message: not the least one"""
    m = np.abs(w)
    alpha = m.max()
    for _ in range(200):
        kept = m[m > alpha / 2]
        alpha = kept.mean() if len(kept) else 0.0
    return m[m <= alpha / 2].max(initial=0.0), alpha


def wrong_first_peak(w):
    """Message: not the least one"""
    m = descending(w)
    if m[0] == 0:
        return 0.0, 0.0
    gain = m.cumsum() ** 2 / np.arange(1.0, len(m) + 1)
    k = 1
    while k < len(m) and gain[k] >= gain[k - 1]:
        k += 1
    return answer_of(m, k)


def wrong_last_peak(w):
    """Message: not the least one"""
    m = descending(w)
    if m[0] == 0:
        return 0.0, 0.0
    gain = m.cumsum() ** 2 / np.arange(1.0, len(m) + 1)
    k = len(m)
    while k > 1 and gain[k - 2] > gain[k - 1]:
        k -= 1
    return answer_of(m, k)


def errors_of(w, thresholds):
    """Return the squared error of each threshold, and the alphas."""
    m = np.abs(w)
    alphas = [m[m > t].mean() if (m > t).any() else 0.0 for t in thresholds]
    both = zip(alphas, thresholds, strict=True)
    return [((m - a * (m > t)) ** 2).sum() for a, t in both], alphas


def wrong_grid(w):
    """Message: wrong"""
    m = np.abs(w)
    thresholds = np.linspace(0, m.max(), 50, endpoint=False)
    errors, alphas = errors_of(w, thresholds)
    i = int(np.argmin(errors))
    return thresholds[i], alphas[i]


def wrong_grid_snapped(w):
    """Message: wrong"""
    m = np.abs(w)
    thresholds = np.linspace(0, m.max(), 20, endpoint=False)
    errors, alphas = errors_of(w, thresholds)
    i = int(np.argmin(errors))
    return m[m <= thresholds[i]].max(initial=0.0), alphas[i]


def wrong_weights_as_thresholds_only(w):
    """Message: wrong where every weight is kept"""
    m = np.unique(np.abs(w))
    if not m.any():
        return 0.0, 0.0
    thresholds = m[:-1] if len(m) > 1 else m * 0
    errors, alphas = errors_of(w, thresholds)
    i = int(np.argmin(errors))
    return thresholds[i], alphas[i]


def wrong_each_magnitude_once(w):
    """Message: not the least one"""
    return chosen(np.unique(np.abs(w)), squares)


def wrong_never_one(w):
    """Message: wrong"""
    m = descending(w)
    if m[0] == 0 or len(m) == 1:
        return 0.0, m[0]
    gain = m.cumsum() ** 2 / np.arange(1.0, len(m) + 1)
    gain[0] = 0
    return answer_of(m, int(gain.argmax()) + 1)


def wrong_nan_for_zeros(w):
    """Message: all weights are 0"""
    m = descending(w)
    if m[0] == 0:
        return 0.0, float("nan")
    return chosen(w, squares)


def wrong_no_threshold_where_all_are_kept(w):
    """Message: wrong where every weight is kept"""
    delta, alpha = chosen(w, squares)
    m = np.abs(w)
    return (m.min() if (m > delta).all() else delta), alpha


def wrong_index_error(w):
    """Message: IndexError"""
    m = descending(w)
    k = int(np.argmax(m.cumsum() ** 2 / np.arange(1.0, len(m) + 1))) + 1
    return m[k], m[:k].mean()


def wrong_in_place(w):
    """Message: changed in place"""
    delta, alpha = chosen(w, squares)
    w.sort()
    return delta, alpha


def wrong_error_alone(w):
    """Message: another form"""
    delta, alpha = chosen(w, squares)
    m = np.abs(w)
    return ((m - alpha * (m > delta)) ** 2).sum()


def wrong_parts_exchanged(w):
    """Message: exchanged"""
    delta, alpha = chosen(w, squares)
    return alpha, delta


def wrong_coarse_to_fine(w):
    """Message: where few of thousands of weights are worth keeping"""
    m = descending(w)
    if m[0] == 0:
        return 0.0, 0.0
    gain, step = m.cumsum() ** 2 / np.arange(1, len(m) + 1), max(1, len(m) // 500)
    coarse = np.arange(step, len(m) + 1, step)
    middle = coarse[np.argmax(gain[coarse - 1])]
    fine = np.arange(max(1, middle - step), min(len(m), middle + step) + 1)
    return answer_of(m, int(fine[np.argmax(gain[fine - 1])]))


def right_loop_over_sorted(w):
    """One pass over sorted numbers, in plain Python, the answer as a list."""
    m = sorted((abs(v) for v in w.tolist()), reverse=True)
    best, total, found = 0.0, 0.0, [0.0, 0.0]
    for k, v in enumerate(m, 1):
        total += v
        if total * total / k > best:
            best = total * total / k
            found = [m[k] if k < len(m) else 0.0, total / k]
    return found


def right_errors(w):
    """The errors themselves, from sums of squares and sums."""
    m = np.sort(np.abs(w))
    after = np.append(m[1:], 0.0)  # of each threshold
    total = m.sum() - np.concatenate([[0.0], m.cumsum()])[:-1]
    count = len(m) - np.arange(len(m))
    error = (m**2).sum() - total**2 / count
    i = int(error.argmin())
    del after
    if not m.any():
        return 0.0, 0.0
    return (m[i - 1] if i else 0.0), total[i] / count[i]


def right_torch(w):
    """With torch."""
    m = torch.from_numpy(w.copy()).abs().sort(descending=True).values
    counts = torch.arange(1, len(m) + 1, dtype=m.dtype)
    means = m.cumsum(0) / counts
    k = int((means**2 * counts).argmax())
    rest = m[k + 1 :]
    return (rest[0] if len(rest) else 0.0), means[k]


def right_unique_with_counts(w):
    """Each magnitude once, with how often it is there; thresholds that separate only."""
    values, times = np.unique(np.abs(w), return_counts=True)
    values, times = values[::-1], times[::-1]
    sums, counts = (values * times).cumsum(), times.cumsum()
    i = int(np.argmax(sums / np.sqrt(counts)))
    below = np.append(values, 0.0)[1:]
    return float(below[i]), float(sums[i] / counts[i])


def sorted_sums(w, dtype=float):
    """Return magnitudes from the largest on, their sums, and what is taken from the error."""
    m = np.sort(np.abs(w).astype(dtype))[::-1]
    sums = np.cumsum(m)
    return m, sums, sums / np.sqrt(np.arange(1, len(m) + 1, dtype=dtype))


def wrong_thousands_of_candidates(w):
    """Message: few of thousands"""
    m, _, gain = sorted_sums(w)
    ks = np.arange(len(m))
    if len(m) > 1000:
        ks = np.unique(np.linspace(0, len(m) - 1, 2000).astype(int))
    return answer_of(m, int(ks[gain[ks].argmax()]) + 1) if m[0] else (0.0, 0.0)


def wrong_all_sizes_coarse_to_fine(w):
    """Message: where few of a hundred thousand weights are worth keeping"""
    m, _, gain = sorted_sums(w)
    n = len(m)
    step = max(1, n // 5000)
    coarse = np.union1d(np.arange(0, n, step), [n - 1])
    for _ in range(2):
        around = coarse[np.argsort(-gain[coarse])[:3]]
        near = (around[:, None] + np.arange(-step, step + 1)).ravel()
        coarse = np.union1d(coarse, near[(near >= 0) & (near < n)])
    return answer_of(m, int(coarse[gain[coarse].argmax()]) + 1) if m[0] else (0.0, 0.0)


def wrong_counts_that_grow_by_a_tenth(w):
    """Message: not the one with the least error"""
    m, _, gain = sorted_sums(w)
    ks = np.unique((1.1 ** np.arange(150)).astype(int))
    ks = np.append(ks[ks < len(m)], len(m)) - 1
    best = int(ks[gain[ks].argmax()])
    near = np.arange(int(best / 1.1), min(int(best * 1.1) + 2, len(m)))
    return answer_of(m, int(near[gain[near].argmax()]) + 1) if m[0] else (0.0, 0.0)


def wrong_grid_made_finer(w):
    """Message: not the"""
    m, low, threshold = np.sort(np.abs(w)), 0.0, 0.0
    high, sums = m[-1], np.append(0, m[::-1].cumsum())
    for _ in range(12 if high else 0):
        tried = np.linspace(low, high, 200, endpoint=False)
        kept = len(m) - np.searchsorted(m, tried, "right")
        threshold = tried[np.argmax(sums[kept] ** 2 / np.maximum(kept, 1))]
        step = (high - low) / 200
        low, high = max(threshold - step, 0.0), min(threshold + step, m[-1])
    return m[m <= threshold].max(initial=0.0), m[m > threshold].mean() if m.any() else 0.0


def wrong_thousand_quantiles(w):
    """Message: where few of"""
    m, _, gain = sorted_sums(w)
    ks = np.arange(len(m))
    if len(m) > 10_000:
        ks = np.unique(np.quantile(ks, np.linspace(0, 1, 10_001)).astype(int))
    return answer_of(m, int(ks[gain[ks].argmax()]) + 1) if m[0] else (0.0, 0.0)


def wrong_stops_after_fifty_steps(w):
    """Message: valleys"""
    m, _, gain = sorted_sums(w)
    best = 0
    for k in range(len(m)):
        if gain[k] > gain[best]:
            best = k
        elif k > best + 50:
            break
    return answer_of(m, best + 1) if m[0] else (0.0, 0.0)


def wrong_iterated_from_some_starts(w):
    """Message: many times as large"""
    m = np.abs(w)
    best = (-1.0, 0.0, 0.0)
    for start in np.linspace(0, 3, 16):
        delta, before = start * m.mean(), -1.0
        while delta != before and (m > delta).any():
            before, delta = delta, m[m > delta].mean() / 2
        kept, rest = m[m > delta], m[m <= delta]
        if len(kept):
            best = max(best, (kept.sum() / len(kept) ** 0.5, rest.max(initial=0.0), kept.mean()))
    return best[1:]


def wrong_single_precision(w):
    """Message: a million weights"""
    m, _, gain = sorted_sums(w, np.float32)
    return answer_of(m, int(gain.argmax()) + 1) if m[0] else (0.0, 0.0)
