"""Answers to `weight_bases` of exercise 05."""


def shifts_of(n_bases):
    """Return the shifts."""
    return [0.0] if n_bases == 1 else [2 * m / (n_bases - 1) - 1 for m in range(n_bases)]


def sign(x):
    """Return +1 and -1."""
    return np.where(x >= 0, 1, -1)


def centred_of(w):
    """Return weights without their mean, which for equal ones is their value."""
    return np.zeros_like(w) if np.ptp(w) == 0 else w - w.mean()


def with_shifts(w, shifts, mean=None, deviation=None, sign=sign):
    """Return the bases for shifts, a mean and a deviation; its own by default."""
    centred = centred_of(w) if mean is None else w - mean
    deviation = centred.std() if deviation is None else deviation
    return np.stack([sign(centred + u * deviation) for u in shifts])


def wrong_quantlib(w, n_bases):
    """Message: uses quantlib"""
    from quantlib import abc_net

    return abc_net.weight_bases(w, abc_net.initial_shifts(n_bases))


def wrong_sample_deviation(w, n_bases):
    """Message: divides by n - 1"""
    deviation = w.std(ddof=1) if w.size > 1 else 0.0
    return with_shifts(w, shifts_of(n_bases), deviation=deviation)


def wrong_deviation_of_torch(w, n_bases):
    """Message: divides by n - 1"""
    tensor = torch.from_numpy(np.ascontiguousarray(w))
    return with_shifts(w, shifts_of(n_bases), deviation=tensor.std().item())


def wrong_not_centred(w, n_bases):
    """Message: The mean is not subtracted"""
    return with_shifts(w, shifts_of(n_bases), mean=0)


def wrong_deviation_not_centred(w, n_bases):
    """Message: The three bases are wrong"""
    return with_shifts(w, shifts_of(n_bases), deviation=np.sqrt((w**2).mean()))


def wrong_thresholds_the_other_way_round(w, n_bases):
    """Message: The order is turned round"""
    return with_shifts(w, [-u for u in shifts_of(n_bases)])


def wrong_variance(w, n_bases):
    """Message: This is the variance"""
    return with_shifts(w, shifts_of(n_bases), deviation=w.var())


def wrong_deviation_missing(w, n_bases):
    """Message: The three bases are wrong"""
    return with_shifts(w, shifts_of(n_bases), deviation=1)


def wrong_absolute_deviation(w, n_bases):
    """Message: The three bases are wrong"""
    return with_shifts(w, shifts_of(n_bases), deviation=np.abs(w - w.mean()).mean())


def wrong_divided_by_m(w, n_bases):
    """Message: The three bases are wrong"""
    return with_shifts(w, [2 * m / n_bases - 1 for m in range(n_bases)])


def wrong_starts_late(w, n_bases):
    """Message: The three bases are wrong"""
    last = max(n_bases - 1, 1)
    return with_shifts(w, [2 * m / last - 1 for m in range(1, n_bases + 1)])


def wrong_sign_of_numpy(w, n_bases):
    """Message: The sign of 0 is 0 here"""
    return with_shifts(w, shifts_of(n_bases), sign=np.sign)


def wrong_sign_of_zero_negative(w, n_bases):
    """Message: The sign of 0 is -1 here"""
    return with_shifts(w, shifts_of(n_bases), sign=lambda x: np.where(x > 0, 1, -1))


def wrong_linspace(w, n_bases):
    """Message: This is that of -1"""
    return with_shifts(w, np.linspace(-1, 1, n_bases))


def wrong_divides_by_zero(w, n_bases):
    """Message: ZeroDivisionError"""
    return with_shifts(w, [2 * m / (n_bases - 1) - 1 for m in range(n_bases)])


def wrong_divides_by_zero_in_numpy(w, n_bases):
    """Message: divides by 0 for M = 1"""
    return with_shifts(w, 2 * np.arange(n_bases) / np.float64(n_bases - 1) - 1)


def wrong_no_axis_for_one_basis(w, n_bases):
    """Message: axis for bases in front"""
    found = with_shifts(w, shifts_of(n_bases))
    return found[0] if n_bases == 1 else found


def wrong_mean_of_rows(w, n_bases):
    """Message: The mean of the whole tensor"""
    return with_shifts(w, shifts_of(n_bases), mean=w.mean(axis=-1, keepdims=True))


def wrong_all_of_rows(w, n_bases):
    """Message: Mean and deviation of the whole tensor"""
    found = {"axis": -1, "keepdims": True}
    return with_shifts(w, shifts_of(n_bases), w.mean(**found), w.std(**found))


def wrong_zero_and_one(w, n_bases):
    """Message: not 0, below the threshold"""
    return with_shifts(w, shifts_of(n_bases), sign=lambda x: x >= 0)


def wrong_all_signs_turned(w, n_bases):
    """Message: The three bases are wrong"""
    return -with_shifts(w, shifts_of(n_bases))


def wrong_sign_missing(w, n_bases):
    """Message: The three bases are wrong"""
    return with_shifts(w, shifts_of(n_bases), sign=lambda x: x)


def wrong_divided_by_deviation(w, n_bases):
    """Message: all weights are the same"""
    normal = (w - w.mean()) / w.std()
    return np.stack([sign(normal + u) for u in shifts_of(n_bases)])


def wrong_flat(w, n_bases):
    """Message: another shape"""
    return with_shifts(w, shifts_of(n_bases)).reshape(n_bases, -1)


def wrong_bases_behind(w, n_bases):
    """Message: another shape"""
    return np.stack(list(with_shifts(w, shifts_of(n_bases))), axis=-1)


def wrong_centred_in_place(w, n_bases):
    """Message: changed in place"""
    w -= w.mean()
    return with_shifts(w, shifts_of(n_bases), mean=0)


def wrong_median(w, n_bases):
    """Message: The three bases are wrong"""
    return with_shifts(w, shifts_of(n_bases), mean=np.median(w))


def wrong_a_little_added_to_the_deviation(w, n_bases):
    """Message: The bases are wrong"""
    return with_shifts(w, shifts_of(n_bases), deviation=w.std() + 1e-8)


def wrong_five_bases_at_most(w, n_bases):
    """Message: another shape"""
    known = {1: [0], 2: [-1, 1], 3: [-1, 0, 1], 4: [-1, -1 / 3, 1 / 3, 1], 5: [-1, -0.5, 0, 0.5, 1]}
    return with_shifts(w, known.get(n_bases, [-1, -0.6, -0.2, 0.2, 0.6, 1]))


def right_by_broadcasting(w, n_bases):
    """All bases at once."""
    u = np.linspace(-1, 1, n_bases) if n_bases > 1 else np.zeros(1)
    moved = centred_of(w) + u.reshape(-1, *[1] * w.ndim) * centred_of(w).std()
    return 2 * (moved >= 0) - 1


def right_in_torch(w, n_bases):
    """With torch."""
    w = torch.tensor(np.array(w))
    if (w == w.flatten()[0]).all():
        return torch.ones(n_bases, *w.shape)
    centred = w - w.mean()
    deviation = w.std(correction=0)
    u = [0.0] if n_bases == 1 else np.linspace(-1, 1, n_bases).tolist()
    return torch.stack([torch.where(centred >= -v * deviation, 1.0, -1.0) for v in u])


def right_by_thresholds(w, n_bases):
    """Weights against thresholds."""
    if len(np.unique(w)) == 1:
        return np.ones((n_bases, *w.shape))
    thresholds = [w.mean() - u * w.std() for u in shifts_of(n_bases)]
    return np.array([np.where(w < t, -1.0, 1.0) for t in thresholds])


def right_lists(w, n_bases):
    """Nested lists."""
    centred = 0 * w if (w == w.flat[0]).all() else w - np.sum(w) / w.size
    deviation = np.linalg.norm(centred.ravel()) / np.sqrt(w.size)
    return [sign(centred + u * deviation).tolist() for u in shifts_of(n_bases)]


def right_sign_mended(w, n_bases):
    """NumPy's sign, and 1 where it is 0."""
    found = with_shifts(w, shifts_of(n_bases), sign=np.sign)
    found[found == 0] = 1
    return found


def right_from_the_formula(w, n_bases):
    """m from 1 to M, and small integers."""
    result = np.empty((n_bases, *w.shape), np.int8)
    for m in range(1, n_bases + 1):
        u = 0 if n_bases == 1 else -1 + (m - 1) * 2 / (n_bases - 1)
        result[m - 1] = sign(centred_of(w) + u * centred_of(w).std())
    return result


def right_squares_of_usual_size(w, n_bases):
    """Squares of 1e-200 would vanish; there are no such weights."""
    if (w == w.flat[0]).all():
        return np.ones((n_bases, *w.shape), int)
    centred = w - w.mean()
    deviation = np.sqrt(np.mean(centred * centred))
    return np.stack([sign(centred + u * deviation) for u in shifts_of(n_bases)])


def wrong_equal_weights_as_others(w, n_bases):
    """Message: look after equal weights by themselves"""
    return np.stack([sign(w - w.mean() + u * w.std()) for u in shifts_of(n_bases)])


def wrong_nearly_equal_taken_for_equal(w, n_bases):
    """Message: where weights are nearly the same"""
    if np.ptp(w) <= 1e-10 * np.abs(w).max():
        return np.ones((n_bases, *w.shape))
    return with_shifts(w, shifts_of(n_bases))


def wrong_small_taken_for_equal(w, n_bases):
    """Message: where weights are nearly the same"""
    if np.allclose(w, w.flat[0], rtol=0):
        return np.ones((n_bases, *w.shape))
    return with_shifts(w, shifts_of(n_bases))


def wrong_mean_of_squares(w, n_bases):
    """Message: The bases are wrong"""
    deviation = np.ptp(w) and np.sqrt(max((w * w).mean() - w.mean() ** 2, 0))
    return with_shifts(w, shifts_of(n_bases), deviation=deviation)


def wrong_shifts_by_arange(w, n_bases):
    """Message: another shape"""
    step = 2 / (n_bases - 1) if n_bases > 1 else 1
    shifts = np.arange(-1, 1 + step, step) if n_bases > 3 else shifts_of(n_bases)
    return with_shifts(w, shifts)


def wrong_length_of_weights(w, n_bases):
    """Message: TypeError"""
    rows = w.reshape(len(w), -1)
    return with_shifts(rows, shifts_of(n_bases)).reshape(n_bases, *w.shape)


def wrong_bases_in_order_of_memory(w, n_bases):
    """Message: The bases are wrong"""
    found = with_shifts(w.ravel(order="K"), shifts_of(n_bases))
    return found.reshape(n_bases, *w.shape)


def wrong_bases_in_single_precision(w, n_bases):
    """Message: The bases are wrong"""
    w = w.astype(np.float32)
    return with_shifts(w, shifts_of(n_bases))


def wrong_equal_by_some(w, n_bases):
    """Message: where some weights are equal, but not all"""
    flat = w.reshape(-1)
    if flat[0] == flat[-1] == flat[flat.size // 2]:
        return np.ones((n_bases, *w.shape))
    return with_shifts(w, shifts_of(n_bases))


def wrong_equal_magnitudes(w, n_bases):
    """Message: The bases are wrong"""
    if np.abs(w).min() == np.abs(w).max():
        return np.ones((n_bases, *w.shape))
    return with_shifts(w, shifts_of(n_bases))


def right_outer_sum(w, n_bases):
    """In deviations, by an outer sum."""
    w = np.array(w, dtype=float)
    if np.unique(w).size == 1:
        return np.full((n_bases, *w.shape), 1, dtype=np.int8)
    of_deviation = (w - np.mean(w)) / np.std(w)
    return np.where(np.add.outer(shifts_of(n_bases), of_deviation) >= 0, 1, -1)
