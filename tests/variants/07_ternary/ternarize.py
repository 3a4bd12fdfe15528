"""Answers to `ternarize` of exercise 07."""

FACTORS = {"twn": 0.7, "bitnet": 0.5}


def rows_of(w):
    """Return one row a filter."""
    return w.reshape(len(w), -1)


def mean_above(magnitudes, delta):
    """Return the mean of the magnitudes above each row's threshold, 0 where there are none."""
    above = magnitudes > delta[:, None]
    return (magnitudes * above).sum(axis=1) / np.maximum(above.sum(axis=1), 1)


def levels(w, rule, factors=None):
    """Return the right thresholds and alphas, with other factors if they are given."""
    magnitudes = np.abs(rows_of(w))
    mean = magnitudes.mean(axis=1)
    delta = (factors or FACTORS)[rule] * mean
    return delta, mean if rule == "bitnet" else mean_above(magnitudes, delta)


def codes_beyond(w, delta):
    """Return -1, 0 and +1 for rows."""
    rows = rows_of(w)
    return (rows > delta[:, None]).astype(float) - (rows < -delta[:, None])


def with_values(w, delta, alpha):
    """Return the whole answer for thresholds and alphas."""
    return delta, alpha, (alpha[:, None] * codes_beyond(w, delta)).reshape(w.shape)


def above_threshold(w, delta):
    """Return the alphas that belong to thresholds by TWN's rule, and the rest."""
    return with_values(w, delta, mean_above(np.abs(rows_of(w)), delta))


def wrong_threshold_from_the_maximum(w, rule):
    """Message: These are shares of the largest magnitude"""
    delta = FACTORS[rule] * np.abs(rows_of(w)).max(axis=1)
    return above_threshold(w, delta)


def wrong_threshold_from_a_twentieth_of_the_maximum(w, rule):
    """Message: The thresholds are wrong"""
    delta = 0.05 * np.abs(rows_of(w)).max(axis=1)
    return above_threshold(w, delta)


def wrong_factors_exchanged(w, rule):
    """Message: This is BitNet's factor"""
    return with_values(w, *levels(w, rule, {"twn": 0.5, "bitnet": 0.7}))


def wrong_always_twn(w, rule):
    """Message: This is TWN's threshold"""
    return with_values(w, *levels(w, "twn"))


def wrong_always_bitnet(w, rule):
    """Message: This is BitNet's factor"""
    return with_values(w, *levels(w, "bitnet"))


def wrong_threshold_of_normal_weights(w, rule):
    """Message: The thresholds are wrong"""
    return with_values(w, *levels(w, rule, {"twn": 0.75, "bitnet": 0.5}))


def wrong_mean_of_weights(w, rule):
    """Message: Magnitudes, not weights"""
    delta = FACTORS[rule] * np.abs(rows_of(w).mean(axis=1))
    return above_threshold(w, delta)


def wrong_signed_mean_of_weights(w, rule):
    """Message: Magnitudes, not weights"""
    delta = FACTORS[rule] * rows_of(w).mean(axis=1)
    return above_threshold(w, delta)


def wrong_mean_of_the_weights_other_than_zero(w, rule):
    """Message: The zeros were not counted"""
    magnitudes = np.abs(rows_of(w))
    delta = FACTORS[rule] * magnitudes.sum(axis=1) / np.maximum((magnitudes > 0).sum(axis=1), 1)
    return above_threshold(w, delta)


def wrong_one_threshold_for_all(w, rule):
    """Message: one threshold for all weights"""
    delta = np.full(len(w), FACTORS[rule] * np.abs(w).mean())
    return above_threshold(w, delta)


def wrong_threshold_for_each_input(w, rule):
    """Message: one threshold for each input"""
    delta = FACTORS[rule] * np.abs(rows_of(w)).mean(axis=0)
    return delta, delta, w


def wrong_median(w, rule):
    """Message: The thresholds are wrong"""
    delta = FACTORS[rule] * np.median(np.abs(rows_of(w)), axis=1)
    return above_threshold(w, delta)


def wrong_standard_deviation(w, rule):
    """Message: The thresholds are wrong"""
    delta = FACTORS[rule] * rows_of(w).std(axis=1)
    return above_threshold(w, delta)


def wrong_root_of_the_mean_square(w, rule):
    """Message: The thresholds are wrong"""
    delta = FACTORS[rule] * np.sqrt((rows_of(w) ** 2).mean(axis=1))
    return above_threshold(w, delta)


def wrong_factor_forgotten(w, rule):
    """Message: The factor is missing"""
    return with_values(w, *levels(w, rule, {"twn": 1.0, "bitnet": 1.0}))


def wrong_alpha_of_all_weights(w, rule):
    """Message: This is the mean of all magnitudes"""
    delta, _ = levels(w, rule)
    return with_values(w, delta, np.abs(rows_of(w)).mean(axis=1))


def wrong_alpha_divided_by_all(w, rule):
    """Message: The sum was divided by all weights"""
    delta, alpha = levels(w, rule)
    if rule == "twn":
        magnitudes = np.abs(rows_of(w))
        alpha = (magnitudes * (magnitudes > delta[:, None])).mean(axis=1)
    return with_values(w, delta, alpha)


def wrong_alpha_is_a_sum(w, rule):
    """Message: This is a sum"""
    delta, alpha = levels(w, rule)
    if rule == "twn":
        magnitudes = np.abs(rows_of(w))
        alpha = (magnitudes * (magnitudes > delta[:, None])).sum(axis=1)
    return with_values(w, delta, alpha)


def wrong_alpha_of_signed_weights(w, rule):
    """Message: weights of both signs cancel"""
    delta, alpha = levels(w, rule)
    if rule == "twn":
        rows = rows_of(w)
        above = np.abs(rows) > delta[:, None]
        alpha = (rows * above).sum(axis=1) / np.maximum(above.sum(axis=1), 1)
    return with_values(w, delta, alpha)


def wrong_alpha_of_positive_weights(w, rule):
    """Message: The alphas are wrong"""
    delta, alpha = levels(w, rule)
    if rule == "twn":
        alpha = mean_above(rows_of(w), delta)
    return with_values(w, delta, alpha)


def wrong_alpha_is_the_largest(w, rule):
    """Message: The alphas are wrong"""
    delta, alpha = levels(w, rule)
    return with_values(w, delta, np.abs(rows_of(w)).max(axis=1) if rule == "twn" else alpha)


def wrong_alpha_is_the_threshold(w, rule):
    """Message: This is the threshold once more"""
    delta, _ = levels(w, rule)
    return with_values(w, delta, delta)


def wrong_one_alpha_for_all(w, rule):
    """Message: one alpha for all filters"""
    delta, alpha = levels(w, rule)
    if rule == "twn":
        magnitudes = np.abs(rows_of(w))
        alpha = np.full(len(w), magnitudes[magnitudes > delta[:, None]].mean())
    return with_values(w, delta, alpha)


def wrong_bitnet_with_twns_alpha(w, rule):
    """Message: BitNet's alpha is the mean of all"""
    delta, _ = levels(w, rule)
    return above_threshold(w, delta)


def wrong_threshold_included(w, rule):
    """Message: A weight as large as the threshold becomes 0"""
    delta, alpha = levels(w, rule)
    rows = rows_of(w)
    codes = (rows >= delta[:, None]).astype(float) - (rows <= -delta[:, None])
    return delta, alpha, (alpha[:, None] * codes).reshape(w.shape)


def wrong_halves_rounded_up(w, rule):
    """Message: A weight as large as the threshold becomes 0"""
    delta, alpha = levels(w, rule)
    if rule == "twn":
        return with_values(w, delta, alpha)
    ratio = rows_of(w) / np.where(alpha > 0, alpha, 1)[:, None]
    codes = np.clip(np.sign(ratio) * np.floor(np.abs(ratio) + 0.5), -1, 1)
    return delta, alpha, (alpha[:, None] * codes).reshape(w.shape)


def wrong_rounded_without_a_clip(w, rule):
    """Message: There are more than three values"""
    delta, alpha = levels(w, rule)
    if rule == "twn":
        return with_values(w, delta, alpha)
    ratio = rows_of(w) / np.where(alpha > 0, alpha, 1)[:, None]
    return delta, alpha, (alpha[:, None] * np.round(ratio)).reshape(w.shape)


def wrong_signs_lost(w, rule):
    """Message: The signs of the weights were lost"""
    delta, alpha, w_hat = with_values(w, *levels(w, rule))
    return delta, alpha, np.abs(w_hat)


def wrong_codes(w, rule):
    """Message: These are the codes"""
    delta, alpha = levels(w, rule)
    return delta, alpha, codes_beyond(w, delta).reshape(w.shape)


def wrong_large_weights_stay(w, rule):
    """Message: Large weights stay as they were"""
    delta, alpha = levels(w, rule)
    rows = rows_of(w)
    return delta, alpha, np.where(np.abs(rows) > delta[:, None], rows, 0).reshape(w.shape)


def wrong_small_weights_stay(w, rule):
    """Message: Small weights stay as they were"""
    delta, alpha = levels(w, rule)
    rows = rows_of(w)
    large = np.abs(rows) > delta[:, None]
    return delta, alpha, np.where(large, alpha[:, None] * np.sign(rows), rows).reshape(w.shape)


def wrong_nothing_becomes_zero(w, rule):
    """Message: Nothing became 0"""
    delta, alpha = levels(w, rule)
    signs = np.where(rows_of(w) >= 0, 1, -1)
    return delta, alpha, (alpha[:, None] * signs).reshape(w.shape)


def wrong_negative_weights_lost(w, rule):
    """Message: The negative weights became 0"""
    delta, alpha = levels(w, rule)
    return delta, alpha, (alpha[:, None] * (rows_of(w) > delta[:, None])).reshape(w.shape)


def wrong_multiplied_by_the_threshold(w, rule):
    """Message: multiplied by the threshold"""
    delta, alpha = levels(w, rule)
    return delta, alpha, (delta[:, None] * codes_beyond(w, delta)).reshape(w.shape)


def wrong_parts_exchanged(w, rule):
    """Message: Thresholds and alphas are exchanged"""
    delta, alpha, w_hat = with_values(w, *levels(w, rule))
    return alpha, delta, w_hat


def wrong_rows_for_result(w, rule):
    """Message: the shape of w"""
    delta, alpha, w_hat = with_values(w, *levels(w, rule))
    return delta, alpha, rows_of(w_hat)


def wrong_each_channel(w, rule):
    """Message: a threshold for each channel"""
    flat = w.reshape(-1, w.shape[-1] * w.shape[-2]) if w.ndim == 4 else w
    delta, alpha, w_hat = with_values(flat, *levels(flat, rule))
    return delta, alpha, w_hat.reshape(w.shape)


def wrong_nan_for_zeros(w, rule):
    """Message: NaN"""
    delta, alpha = levels(w, rule)
    if rule == "twn":
        magnitudes = np.abs(rows_of(w))
        above = magnitudes > delta[:, None]
        with np.errstate(all="ignore"):
            alpha = (magnitudes * above).sum(axis=1) / above.sum(axis=1)
    return with_values(w, delta, alpha)


def wrong_warning_for_zeros(w, rule):
    """Message: There was a warning"""
    delta, alpha = levels(w, rule)
    if rule == "twn":
        magnitudes = np.abs(rows_of(w))
        above = magnitudes > delta[:, None]
        alpha = np.nan_to_num((magnitudes * above).sum(axis=1) / above.sum(axis=1))
    return with_values(w, delta, alpha)


def wrong_ratio_to_a_zero(w, rule):
    """Message: There was a warning"""
    delta, alpha = levels(w, rule)
    if rule == "twn":
        return with_values(w, delta, alpha)
    codes = np.nan_to_num(np.clip(np.round(rows_of(w) / alpha[:, None]), -1, 1))
    return delta, alpha, (alpha[:, None] * codes).reshape(w.shape)


def wrong_in_place(w, rule):
    """Message: changed in place"""
    delta, alpha, w_hat = with_values(w, *levels(w, rule))
    w[...] = w_hat
    return delta, alpha, w


def wrong_small_weights_taken_for_zeros(w, rule):
    """Message: very small"""
    magnitudes = np.abs(rows_of(w))
    delta, alpha = levels(w, rule)
    dead = magnitudes.max(axis=1) < 1e-8
    return with_values(w, np.where(dead, 0, delta), np.where(dead, 0, alpha))


def wrong_divided_by_a_little_more(w, rule):
    """Message: wrong"""
    delta, alpha = levels(w, rule)
    if rule == "twn":
        return with_values(w, delta, alpha)
    codes = np.clip(np.round(rows_of(w) / (alpha[:, None] + 1e-5)), -1, 1)
    return delta, alpha, (alpha[:, None] * codes).reshape(w.shape)


def right_masked_mean(w, rule):
    """By masked arrays."""
    rows = rows_of(w)
    mean = np.abs(rows).mean(axis=1)
    delta = mean * (7 / 10 if rule == "twn" else 1 / 2)
    alpha = mean
    if rule == "twn":
        kept = np.ma.masked_less_equal(np.abs(rows), delta[:, None])
        alpha = np.ma.filled(kept.mean(axis=1), 0.0)
    codes = np.sign(rows) * (np.abs(rows) > delta[:, None])
    return delta, alpha, (codes * alpha[:, None]).reshape(w.shape)


def right_one_filter_at_a_time(w, rule):
    """In loops, with a list where a tuple is meant."""
    deltas, alphas, filters = [], [], []
    for one in w:
        values = one.ravel().tolist()
        mean = sum(abs(v) for v in values) / len(values)
        delta = 0.7 * mean if rule == "twn" else 0.5 * mean
        large = [abs(v) for v in values if abs(v) > delta]
        alpha = mean
        if rule == "twn":
            alpha = sum(large) / len(large) if large else 0.0
        filters.append([alpha if v > delta else -alpha if v < -delta else 0.0 for v in values])
        deltas.append(delta)
        alphas.append(alpha)
    return [deltas, alphas, np.reshape(filters, w.shape).tolist()]


def right_torch(w, rule):
    """With torch, BitNet's codes by rounding."""
    t = torch.tensor(np.array(w))
    rows = t.flatten(1)
    mean = rows.abs().mean(dim=1, keepdim=True)
    if rule == "bitnet":
        codes = (rows / mean.clamp(min=1e-300)).round().clamp(-1, 1)
        return mean[:, 0] / 2, mean[:, 0], (mean * codes).reshape(t.shape)
    delta = 0.7 * mean
    codes = (rows > delta).double() - (rows < -delta).double()
    alpha = (rows * codes).sum(dim=1, keepdim=True) / codes.abs().sum(dim=1, keepdim=True).clamp(1)
    return delta[:, 0], alpha[:, 0], (alpha * codes).reshape(t.shape)


def right_thresholds_with_all_axes(w, rule):
    """With keepdims, and a division only where there is something to divide by."""
    axes = tuple(range(1, w.ndim))
    magnitude = np.absolute(w)
    mean = magnitude.mean(axis=axes, keepdims=True)
    delta = {"twn": 0.7, "bitnet": 0.5}[rule] * mean
    kept = magnitude > delta
    if rule == "twn":
        total = np.where(kept, magnitude, 0).sum(axis=axes, keepdims=True)
        count = kept.sum(axis=axes, keepdims=True)
        alpha = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    else:
        alpha = mean
    return delta.ravel(), alpha.ravel(), np.where(kept, np.copysign(alpha, w), 0)


def ternarized(w, rule, compare):
    """Return the result where ``compare`` says which magnitudes are kept."""
    flat = w.reshape(len(w), -1)
    magnitudes = np.abs(flat)
    mean = magnitudes.mean(axis=1)
    delta = (0.7 if rule == "twn" else 0.5) * mean
    large = compare(magnitudes, delta[:, None])
    alpha = mean
    if rule == "twn":
        alpha = (magnitudes * large).sum(axis=1) / np.maximum(large.sum(axis=1), 1)
    return delta, alpha, (np.sign(flat) * large * alpha[:, None]).reshape(w.shape)


def wrong_at_least_in_twn(w, rule):
    """Message: as large as TWN's threshold"""
    return ternarized(w, rule, np.greater_equal if rule == "twn" else np.greater)


def wrong_close_is_at_most(w, rule):
    """Message: next to thresholds"""
    return ternarized(w, rule, lambda m, delta: (m > delta) & ~np.isclose(m, delta, atol=0))


def wrong_single_precision(w, rule):
    """Message: compute in float64"""
    return ternarized(np.array(w, np.float32), rule, np.greater)


def wrong_written_into_a_copy(w, rule):
    """Message: ternary weights are wrong"""
    delta, alpha, w_hat = ternarized(w, rule, np.greater)
    result = np.zeros_like(w)
    result.reshape(len(w), -1)[:] = w_hat.reshape(len(w), -1)
    return delta, alpha, result
