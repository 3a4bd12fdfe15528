"""Answers to `binarize_filters` of exercise 04."""

import math


def signs(w):
    """Return signs; that of 0 is +1."""
    return np.where(w >= 0, 1.0, -1.0)


def spread(alpha, w):
    """Return alpha with as many axes as w."""
    return alpha.reshape(-1, *[1] * (w.ndim - 1))


def with_alpha(w, function):
    """Return the answer whose alpha is function(rows of the filters)."""
    alpha = function(w.reshape(len(w), -1))
    return alpha, signs(w) * spread(alpha, w)


def wrong_one_alpha_for_all(w):
    """Message: This is one alpha for all weights"""
    alpha = np.abs(w).mean()
    return alpha, alpha * signs(w)


def wrong_same_alpha_repeated(w):
    """Message: All filters have the same alpha"""
    return with_alpha(w, lambda rows: np.full(len(rows), np.abs(rows).mean()))


def wrong_axis_of_the_input_channels(w):
    """Message: one alpha for each input channel"""
    alpha = np.abs(w).mean(axis=(0, *range(2, w.ndim)))
    return alpha, signs(w) * alpha.reshape(1, -1, *[1] * (w.ndim - 2))


def wrong_last_axes_only(w):
    """Message: Average over channels as well"""
    alpha = np.abs(w).mean(axis=(-2, -1))
    return alpha, signs(w) * alpha[..., None, None]


def wrong_axes_kept(w):
    """Message: alpha should have one axis"""
    alpha = np.abs(w).mean(axis=tuple(range(1, w.ndim)), keepdims=True)
    return alpha, alpha * signs(w)


def wrong_sum(w):
    """Message: These are sums"""
    return with_alpha(w, lambda rows: np.abs(rows).sum(axis=1))


def wrong_sum_over_the_number_of_all_weights(w):
    """Message: n is the number of weights of one filter"""
    return with_alpha(w, lambda rows: np.abs(rows).sum(axis=1) / rows.size)


def wrong_mean_of_weights(w):
    """Message: the absolute value is missing"""
    return with_alpha(w, lambda rows: rows.mean(axis=1))


def wrong_absolute_value_of_the_mean(w):
    """Message: This is the absolute value of the mean"""
    return with_alpha(w, lambda rows: np.abs(rows.mean(axis=1)))


def wrong_largest(w):
    """Message: These are the largest magnitudes"""
    return with_alpha(w, lambda rows: np.abs(rows).max(axis=1))


def wrong_zeros_not_counted(w):
    """Message: The zeros were not counted"""
    return with_alpha(w, lambda rows: np.abs(rows).sum(axis=1) / (rows != 0).sum(axis=1))


def wrong_euclidean_norm(w):
    """Message: These are Euclidean norms"""
    return with_alpha(w, lambda rows: np.linalg.norm(rows, axis=1))


def wrong_root_mean_square(w):
    """Message: This is the root of the mean square"""
    return with_alpha(w, lambda rows: np.sqrt((rows**2).mean(axis=1)))


def wrong_median(w):
    """Message: These are medians"""
    return with_alpha(w, lambda rows: np.median(np.abs(rows), axis=1))


def wrong_standard_deviation(w):
    """Message: This is the standard deviation"""
    return with_alpha(w, lambda rows: rows.std(axis=1))


def wrong_only_signs(w):
    """Message: These are the signs. Multiply by alpha"""
    alpha, _ = with_alpha(w, lambda rows: np.abs(rows).mean(axis=1))
    return alpha, signs(w)


def wrong_zero_stays(w):
    """Message: a weight that is 0 becomes alpha"""
    alpha, _ = with_alpha(w, lambda rows: np.abs(rows).mean(axis=1))
    return alpha, np.sign(w) * spread(alpha, w)


def wrong_zero_is_negative(w):
    """Message: it is >= and not >"""
    alpha, _ = with_alpha(w, lambda rows: np.abs(rows).mean(axis=1))
    return alpha, np.where(w > 0, 1, -1) * spread(alpha, w)


def wrong_weights_scaled(w):
    """Message: Multiply their signs"""
    alpha, _ = with_alpha(w, lambda rows: np.abs(rows).mean(axis=1))
    return alpha, w * spread(alpha, w)


def wrong_along_the_last_axis(w):
    """Message: went along the last one"""
    alpha, _ = with_alpha(w, lambda rows: np.abs(rows).mean(axis=1))
    return alpha, signs(w) * alpha


def wrong_signs_lost(w):
    """Message: The signs of the weights were lost"""
    alpha, _ = with_alpha(w, lambda rows: np.abs(rows).mean(axis=1))
    return alpha, np.ones_like(w) * spread(alpha, w)


def wrong_flat(w):
    """Message: must have the shape of w"""
    alpha, w_hat = with_alpha(w, lambda rows: np.abs(rows).mean(axis=1))
    return alpha, w_hat.reshape(len(w), -1)


def wrong_alpha_only(w):
    """Message: Return two things"""
    return np.abs(w).reshape(len(w), -1).mean(axis=1)


def wrong_in_place(w):
    """Message: The weights were changed in place"""
    alpha, w_hat = with_alpha(w, lambda rows: np.abs(rows).mean(axis=1))
    w[:] = w_hat
    return alpha, w


def right_filter_by_filter(w):
    """A loop over the filters."""
    alpha, w_hat = [], np.empty_like(w)
    for i, row in enumerate(w):
        alpha.append(math.fsum(np.abs(row).ravel()) / row.size)
        w_hat[i] = np.where(row < 0, -alpha[-1], alpha[-1])
    return np.array(alpha), w_hat


def right_norm_of_torch(w):
    """With torch."""
    weights = torch.from_numpy(w)
    alpha = weights.flatten(1).norm(p=1, dim=1) / weights[0].numel()
    scale = alpha.reshape(-1, *[1] * (w.ndim - 1)).expand_as(weights)
    return alpha, torch.where(weights >= 0, scale, -scale)


def right_all_axes_but_the_first(w):
    """With keepdims."""
    alpha = np.mean(np.abs(w), axis=tuple(range(1, w.ndim)), keepdims=True)
    return alpha.ravel(), np.copysign(alpha, w + 0.0)
