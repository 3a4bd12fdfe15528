"""Answers to `magnitude_aware` of exercise 06."""


def pieces(w, upstream):
    """Return rows, gradient rows, and alpha as a column."""
    rows = w.reshape(len(w), -1)
    return rows, upstream.reshape(rows.shape), np.abs(rows).mean(axis=1, keepdims=True)


def magnitude_aware_model(w, upstream):
    """Return the right answer."""
    rows, g, a = pieces(w, upstream)
    signs = np.where(rows >= 0, 1.0, -1.0)
    gradient = a * g * (np.abs(rows) <= 1)
    return a[:, 0], (a * signs).reshape(w.shape), gradient.reshape(w.shape)


def wrong_one_alpha(w, upstream):
    """Message: one alpha for all"""
    _, w_bar, gradient = magnitude_aware_model(w, upstream)
    return np.full(len(w), np.abs(w).mean()), w_bar, gradient


def wrong_one_number(w, upstream):
    """Message: one number for all"""
    _, w_bar, gradient = magnitude_aware_model(w, upstream)
    return np.abs(w).mean(), w_bar, gradient


def wrong_alpha_of_inputs(w, upstream):
    """Message: The result has another shape than the docstring says"""
    _, w_bar, gradient = magnitude_aware_model(w, upstream)
    return np.abs(w).mean(axis=0), w_bar, gradient


def wrong_alpha_of_channels(w, upstream):
    """Message: for each channel of a filter"""
    _, w_bar, gradient = magnitude_aware_model(w, upstream)
    return np.abs(w).mean(axis=tuple(range(2, w.ndim)) or 1), w_bar, gradient


def wrong_alpha_of_rows(w, upstream):
    """Message: The result has another shape than the docstring says"""
    _, w_bar, gradient = magnitude_aware_model(w, upstream)
    return np.abs(w).mean(axis=-1), w_bar, gradient


def wrong_alpha_keeps_its_axes(w, upstream):
    """Message: shape (O,)"""
    _, _, a = pieces(w, upstream)
    _, w_bar, gradient = magnitude_aware_model(w, upstream)
    return (
        np.abs(w).mean(axis=(1, 2, 3), keepdims=True) if w.ndim == 4 else a[:, 0],
        w_bar,
        gradient,
    )


def wrong_sum(w, upstream):
    """Message: This is a sum"""
    rows, _, _ = pieces(w, upstream)
    _, w_bar, gradient = magnitude_aware_model(w, upstream)
    return np.abs(rows).sum(axis=1), w_bar, gradient


def wrong_signed_mean(w, upstream):
    """Message: both signs cancel"""
    rows, _, _ = pieces(w, upstream)
    _, w_bar, gradient = magnitude_aware_model(w, upstream)
    return rows.mean(axis=1), w_bar, gradient


def wrong_absolute_value_late(w, upstream):
    """Message: The alphas are wrong"""
    rows, _, _ = pieces(w, upstream)
    _, w_bar, gradient = magnitude_aware_model(w, upstream)
    return np.abs(rows.mean(axis=1)), w_bar, gradient


def wrong_alpha_of_the_inside(w, upstream):
    """Message: count for alpha as well"""
    rows, _, _ = pieces(w, upstream)
    _, w_bar, gradient = magnitude_aware_model(w, upstream)
    return (
        [np.abs(r[np.abs(r) <= 1]).mean() if (np.abs(r) <= 1).any() else 0.0 for r in rows],
        w_bar,
        gradient,
    )


def wrong_alpha_of_clipped(w, upstream):
    """Message: clipped before the mean"""
    rows, _, _ = pieces(w, upstream)
    _, w_bar, gradient = magnitude_aware_model(w, upstream)
    return np.abs(np.clip(rows, -1, 1)).mean(axis=1), w_bar, gradient


def wrong_maximum(w, upstream):
    """Message: The alphas are wrong"""
    rows, _, _ = pieces(w, upstream)
    _, w_bar, gradient = magnitude_aware_model(w, upstream)
    return np.abs(rows).max(axis=1), w_bar, gradient


def wrong_zeros_left_out(w, upstream):
    """Message: The alphas are wrong"""
    rows, _, _ = pieces(w, upstream)
    _, w_bar, gradient = magnitude_aware_model(w, upstream)
    return np.abs(rows).sum(axis=1) / np.maximum((rows != 0).sum(axis=1), 1), w_bar, gradient


def wrong_root_mean_square(w, upstream):
    """Message: The alphas are wrong"""
    rows, _, _ = pieces(w, upstream)
    _, w_bar, gradient = magnitude_aware_model(w, upstream)
    return np.sqrt((rows**2).mean(axis=1)), w_bar, gradient


def wrong_norm(w, upstream):
    """Message: The alphas are wrong"""
    rows, _, _ = pieces(w, upstream)
    _, w_bar, gradient = magnitude_aware_model(w, upstream)
    return np.linalg.norm(rows, axis=1), w_bar, gradient


def wrong_sign_of_zero(w, upstream):
    """Message: np.sign gives 0"""
    rows, _, a = pieces(w, upstream)
    alpha, _, gradient = magnitude_aware_model(w, upstream)
    return alpha, (a * np.sign(rows)).reshape(w.shape), gradient


def wrong_sign_of_zero_below(w, upstream):
    """Message: not -1"""
    rows, _, a = pieces(w, upstream)
    alpha, _, gradient = magnitude_aware_model(w, upstream)
    return alpha, (a * np.where(rows > 0, 1, -1)).reshape(w.shape), gradient


def wrong_signs_alone(w, upstream):
    """Message: These are the signs"""
    rows, _, _ = pieces(w, upstream)
    alpha, _, gradient = magnitude_aware_model(w, upstream)
    return alpha, (np.where(rows >= 0, 1, -1)).reshape(w.shape), gradient


def wrong_latent_times_alpha(w, upstream):
    """Message: latent weights were multiplied"""
    rows, _, a = pieces(w, upstream)
    alpha, _, gradient = magnitude_aware_model(w, upstream)
    return alpha, (a * rows).reshape(w.shape), gradient


def wrong_clipped_times_alpha(w, upstream):
    """Message: The alphas are right, but the scaled signs are not"""
    rows, _, a = pieces(w, upstream)
    alpha, _, gradient = magnitude_aware_model(w, upstream)
    return alpha, (a * np.clip(rows, -1, 1)).reshape(w.shape), gradient


def wrong_signs_lost(w, upstream):
    """Message: were lost"""
    alpha, w_bar, gradient = magnitude_aware_model(w, upstream)
    return alpha, (np.abs(w_bar)).reshape(w.shape), gradient


def wrong_outside_is_zero(w, upstream):
    """Message: The alphas are right, but the scaled signs are not"""
    rows, _, a = pieces(w, upstream)
    alpha, _, gradient = magnitude_aware_model(w, upstream)
    return alpha, (a * np.where(rows >= 0, 1, -1) * (np.abs(rows) <= 1)).reshape(w.shape), gradient


def wrong_straight(w, upstream):
    """Message: factor alpha is missing"""
    rows, g, _ = pieces(w, upstream)
    alpha, w_bar, _ = magnitude_aware_model(w, upstream)
    return alpha, w_bar, (g * (np.abs(rows) <= 1)).reshape(w.shape)


def wrong_clip_forgotten(w, upstream):
    """Message: Outside of -1 to 1"""
    _, g, a = pieces(w, upstream)
    alpha, w_bar, _ = magnitude_aware_model(w, upstream)
    return alpha, w_bar, (a * g).reshape(w.shape)


def wrong_as_it_is(w, upstream):
    """Message: Alphas and scaled signs are right, but the gradient is not"""
    alpha, w_bar, _ = magnitude_aware_model(w, upstream)
    return alpha, w_bar, (upstream.copy()).reshape(w.shape)


def wrong_strict(w, upstream):
    """Message: lie inside"""
    rows, g, a = pieces(w, upstream)
    alpha, w_bar, _ = magnitude_aware_model(w, upstream)
    return alpha, w_bar, (a * g * (np.abs(rows) < 1)).reshape(w.shape)


def wrong_divided(w, upstream):
    """Message: Alphas and scaled signs are right, but the gradient is not"""
    rows, g, a = pieces(w, upstream)
    alpha, w_bar, _ = magnitude_aware_model(w, upstream)
    return alpha, w_bar, (g / np.where(a == 0, 1, a) * (np.abs(rows) <= 1)).reshape(w.shape)


def wrong_own_magnitude(w, upstream):
    """Message: Alphas and scaled signs are right, but the gradient is not"""
    rows, g, _ = pieces(w, upstream)
    alpha, w_bar, _ = magnitude_aware_model(w, upstream)
    return alpha, w_bar, (np.abs(rows) * g * (np.abs(rows) <= 1)).reshape(w.shape)


def wrong_times_weights(w, upstream):
    """Message: Alphas and scaled signs are right, but the gradient is not"""
    rows, g, _ = pieces(w, upstream)
    alpha, w_bar, _ = magnitude_aware_model(w, upstream)
    return alpha, w_bar, (rows * g * (np.abs(rows) <= 1)).reshape(w.shape)


def wrong_with_sign(w, upstream):
    """Message: Alphas and scaled signs are right, but the gradient is not"""
    rows, g, a = pieces(w, upstream)
    alpha, w_bar, _ = magnitude_aware_model(w, upstream)
    return alpha, w_bar, (a * np.where(rows >= 0, 1, -1) * g * (np.abs(rows) <= 1)).reshape(w.shape)


def wrong_upstream_missing(w, upstream):
    """Message: arrives is missing"""
    rows, _, a = pieces(w, upstream)
    alpha, w_bar, _ = magnitude_aware_model(w, upstream)
    return alpha, w_bar, (a * (np.abs(rows) <= 1)).reshape(w.shape)


def wrong_bound_is_alpha(w, upstream):
    """Message: Alphas and scaled signs are right, but the gradient is not"""
    rows, g, a = pieces(w, upstream)
    alpha, w_bar, _ = magnitude_aware_model(w, upstream)
    return alpha, w_bar, (a * g * (np.abs(rows) <= a)).reshape(w.shape)


def wrong_one_side(w, upstream):
    """Message: one side"""
    rows, g, a = pieces(w, upstream)
    alpha, w_bar, _ = magnitude_aware_model(w, upstream)
    return alpha, w_bar, (a * g * (rows <= 1)).reshape(w.shape)


def wrong_approx_sign_slope(w, upstream):
    """Message: Alphas and scaled signs are right, but the gradient is not"""
    rows, g, a = pieces(w, upstream)
    alpha, w_bar, _ = magnitude_aware_model(w, upstream)
    return alpha, w_bar, (a * g * np.maximum(2 - 2 * np.abs(rows), 0)).reshape(w.shape)


def wrong_twice(w, upstream):
    """Message: Alphas and scaled signs are right, but the gradient is not"""
    rows, g, a = pieces(w, upstream)
    alpha, w_bar, _ = magnitude_aware_model(w, upstream)
    return alpha, w_bar, (a * a * g * (np.abs(rows) <= 1)).reshape(w.shape)


def wrong_gradient_clipped(w, upstream):
    """Message: Alphas and scaled signs are right, but the gradient is not"""
    _, g, a = pieces(w, upstream)
    alpha, w_bar, _ = magnitude_aware_model(w, upstream)
    return alpha, w_bar, (a * g * (np.abs(g) <= 1)).reshape(w.shape)


def wrong_chain_rule_of_alpha(w, upstream):
    """Message: is not derived"""
    rows, g, a = pieces(w, upstream)
    alpha, w_bar, _ = magnitude_aware_model(w, upstream)
    return (
        alpha,
        w_bar,
        (
            a * g * (np.abs(rows) <= 1)
            + np.where(rows >= 0, 1, -1)
            * (g * np.where(rows >= 0, 1, -1)).mean(axis=1, keepdims=True)
        ).reshape(w.shape),
    )


def wrong_xnors(w, upstream):
    """Message: the gradient is not"""
    rows, g, a = pieces(w, upstream)
    alpha, w_bar, _ = magnitude_aware_model(w, upstream)
    return alpha, w_bar, (g * (1 / rows.shape[1] + a * (np.abs(rows) <= 1))).reshape(w.shape)


def wrong_scaled_weights_clipped(w, upstream):
    """Message: the gradient is not"""
    rows, g, a = pieces(w, upstream)
    alpha, w_bar, _ = magnitude_aware_model(w, upstream)
    return alpha, w_bar, (a * g * (np.abs(a * rows) <= 1)).reshape(w.shape)


def wrong_rows_only(w, upstream):
    """Message: shape of w"""
    rows, _, _ = pieces(w, upstream)
    alpha, w_bar, gradient = magnitude_aware_model(w, upstream)
    return alpha, w_bar.reshape(rows.shape), gradient


def wrong_two_parts(w, upstream):
    """Message: another shape"""
    return magnitude_aware_model(w, upstream)[1:]


def wrong_in_place(w, upstream):
    """Message: changed in place"""
    result = magnitude_aware_model(w, upstream)
    w[w > 1] = 1
    return result


def wrong_sign_bit(w, upstream):
    """Message: The scaled signs are wrong"""
    alpha, w_bar, gradient = magnitude_aware_model(w, upstream)
    return alpha, np.copysign(w_bar, w), gradient


def wrong_float32(w, upstream):
    """Message: nine digits"""
    return magnitude_aware_model(w.astype(np.float32), upstream.astype(np.float32))


def wrong_close_to_the_bound(w, upstream):
    """Message: The gradient is wrong"""
    alpha, w_bar, _ = magnitude_aware_model(w, upstream)
    column = alpha.reshape(-1, *[1] * (w.ndim - 1))
    return alpha, w_bar, column * upstream * (np.abs(w) <= 1 + 1e-12)


def wrong_from_numpy(w, upstream):
    """Message: stopped with ValueError"""
    alpha = torch.from_numpy(w).abs().flatten(1).mean(1).numpy()
    return alpha, *magnitude_aware_model(w, upstream)[1:]


def wrong_four_weights(w, upstream):
    """Message: three filters of three weights"""
    alpha, w_bar, gradient = magnitude_aware_model(w, upstream)
    factor = w[0].size / 4
    return factor * alpha, factor * w_bar, factor * gradient


def right_axes(w, upstream):
    """With axes that are kept."""
    axes = tuple(range(1, w.ndim))
    alpha = np.abs(w).mean(axis=axes, keepdims=True)
    return (
        alpha.reshape(len(w)),
        np.where(w < 0, -alpha, alpha),
        np.where(np.abs(w) > 1, 0, alpha * upstream),
    )


def right_autograd(w, upstream):
    """By torch, alpha detached and the weights clipped."""
    latent = torch.tensor(np.array(w), requires_grad=True)
    alpha = latent.detach().flatten(1).abs().mean(1)
    column = alpha.view(-1, *[1] * (w.ndim - 1))
    inside = (latent.detach().abs() <= 1).double()
    (column * inside * latent).backward(torch.tensor(np.array(upstream)))
    return alpha, torch.where(latent >= 0, column, -column).detach(), latent.grad


def right_filter_by_filter(w, upstream):
    """In a loop, as a list."""
    alpha, w_bar, gradient = [], np.empty(w.shape), np.zeros(w.shape)
    for o, one in enumerate(w):
        alpha.append(np.sum(np.abs(one)) / one.size)
        w_bar[o] = np.where(one >= 0, alpha[o], -alpha[o])
        inside = (one >= -1) & (one <= 1)
        gradient[o][inside] = alpha[o] * upstream[o][inside]
    return [alpha, w_bar, gradient]


def right_einsum(w, upstream):
    """With einsum and the norm of first order."""
    alpha = np.linalg.norm(w.reshape(len(w), -1), ord=1, axis=1) / w[0].size
    signs = 1.0 - 2.0 * (w < 0)
    return (
        alpha,
        np.einsum("o,o...->o...", alpha, signs),
        np.einsum("o,o...->o...", alpha, upstream * (abs(w) <= 1)),
    )


def right_transposed(w, upstream):
    """With filters in columns."""
    columns = w.reshape(w.shape[0], -1).T
    alpha = np.abs(columns).sum(0) / len(columns)
    signs = np.where(columns >= 0, 1, -1) * alpha
    gradient = (upstream.reshape(len(w), -1).T * alpha) * ~(np.abs(columns) > 1)
    return alpha, signs.T.reshape(w.shape), gradient.T.reshape(w.shape)
