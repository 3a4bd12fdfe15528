"""Answers to `signs_alone` of exercise 06."""


def bits(w):
    """Return signs, 0 counting as positive."""
    return np.where(w >= 0, 1.0, -1.0)


def finished(w, alpha, gamma, beta, mean, var, eps):
    """Return the right numbers for alphas."""
    zero = alpha == 0
    root = np.sqrt(var + eps)
    constant = np.where(zero, gamma * mean / root, 0)
    alpha = np.where(zero, 1, alpha)
    gain = np.where(zero, 0, np.sqrt(var + alpha**2 * eps) / root)
    return bits(w), gamma * gain, beta - constant, mean / alpha, var / alpha**2


def alphas(w):
    """Return the mean magnitude of each filter."""
    return np.abs(w).mean(axis=(1, 2, 3))


def signs_alone_model(w, gamma, beta, mean, var, eps):
    """Return the right answer."""
    return finished(w, alphas(w), gamma, beta, mean, var, eps)


def wrong_colleagues(w, gamma, beta, mean, var, eps):
    """Message: not what they were"""
    signs = np.sign(w)
    alpha = np.abs(w).mean()
    return signs, gamma, beta, mean / alpha, var / alpha


def wrong_sign_of_zero(w, gamma, beta, mean, var, eps):
    """Message: also where weights are 0"""
    _, g, b, m, v = signs_alone_model(w, gamma, beta, mean, var, eps)
    return np.sign(w), g, b, m, v


def wrong_alpha_of_all_weights(w, gamma, beta, mean, var, eps):
    """Message: unlike alphas"""
    return finished(w, np.full(len(w), np.abs(w).mean()), gamma, beta, mean, var, eps)


def wrong_variance_by_alpha(w, gamma, beta, mean, var, eps):
    """Message: becomes of their variance"""
    s, g, b, m, _ = signs_alone_model(w, gamma, beta, mean, var, eps)
    a = np.where(alphas(w) == 0, 1, alphas(w))
    return s, g, b, m, var / a


def wrong_variance_by_alpha_eps(w, gamma, beta, mean, var, eps):
    """Message: variance"""
    s, _, b, m, _ = signs_alone_model(w, gamma, beta, mean, var, eps)
    a = np.where(alphas(w) == 0, 1, alphas(w))
    return s, gamma, b, m, var / a


def wrong_gamma_as_it_was(w, gamma, beta, mean, var, eps):
    """Message: small as eps"""
    s, _, b, m, v = signs_alone_model(w, gamma, beta, mean, var, eps)
    return s, gamma * (alphas(w) > 0), b, m, v


def wrong_nothing_changed(w, gamma, beta, mean, var, eps):
    """Message: not what they were"""
    return bits(w), gamma, beta, mean, var


def wrong_mean_times_alpha(w, gamma, beta, mean, var, eps):
    """Message: not what they were"""
    s, g, b, m, v = signs_alone_model(w, gamma, beta, mean, var, eps)
    a = np.where(alphas(w) == 0, 1, alphas(w))
    return s, g, b, m * a * a, v


def wrong_mean_unchanged(w, gamma, beta, mean, var, eps):
    """Message: not what they were"""
    s, g, b, _, v = signs_alone_model(w, gamma, beta, mean, var, eps)
    return s, g, b, mean, v


def wrong_variance_times_alpha(w, gamma, beta, mean, var, eps):
    """Message: not what they were"""
    s, g, b, m, v = signs_alone_model(w, gamma, beta, mean, var, eps)
    a = np.where(alphas(w) == 0, 1, alphas(w))
    return s, g, b, m, v * a**4


def wrong_gamma_by_alpha(w, gamma, beta, mean, var, eps):
    """Message: not what they were"""
    s, g, b, m, v = signs_alone_model(w, gamma, beta, mean, var, eps)
    a = np.where(alphas(w) == 0, 1, alphas(w))
    return s, g / a, b, m, v


def wrong_gamma_alone(w, gamma, beta, mean, var, eps):
    """Message: one alpha"""
    s, _, _, _, _ = signs_alone_model(w, gamma, beta, mean, var, eps)
    a = np.where(alphas(w) == 0, 1, alphas(w))
    return s, gamma * a, beta, mean, var


def wrong_beta_by_alpha(w, gamma, beta, mean, var, eps):
    """Message: not what they were"""
    s, g, b, m, v = signs_alone_model(w, gamma, beta, mean, var, eps)
    a = np.where(alphas(w) == 0, 1, alphas(w))
    return s, g, b / a, m, v


def wrong_eps_times_alpha(w, gamma, beta, mean, var, eps):
    """Message: small as eps"""
    s, _, b, m, v = signs_alone_model(w, gamma, beta, mean, var, eps)
    a = np.where(alphas(w) == 0, 1, alphas(w))
    return s, gamma * np.sqrt((var + a * eps) / (var + eps)), b, m, v


def wrong_gain_turned_round(w, gamma, beta, mean, var, eps):
    """Message: small as eps"""
    s, _, b, m, v = signs_alone_model(w, gamma, beta, mean, var, eps)
    a = np.where(alphas(w) == 0, 1, alphas(w))
    return s, gamma * np.sqrt((var + eps) / (var + a**2 * eps)), b, m, v


def wrong_gain_not_rooted(w, gamma, beta, mean, var, eps):
    """Message: small as eps"""
    s, _, b, m, v = signs_alone_model(w, gamma, beta, mean, var, eps)
    a = np.where(alphas(w) == 0, 1, alphas(w))
    return s, gamma * (var + a**2 * eps) / (var + eps), b, m, v


def wrong_zero_filter_divides(w, gamma, beta, mean, var, eps):
    """Message: a filter is zero"""
    signs = bits(w)
    a = alphas(w)
    with np.errstate(all="ignore"):
        return signs, gamma * np.sqrt((var + a**2 * eps) / (var + eps)), beta, mean / a, var / a**2


def wrong_zero_filter_not_constant(w, gamma, beta, mean, var, eps):
    """Message: zero everywhere"""
    s, _, _, m, v = signs_alone_model(w, gamma, beta, mean, var, eps)
    a = np.where(alphas(w) == 0, 1, alphas(w))
    return s, gamma * np.sqrt((var + a**2 * eps) / (var + eps)), beta, m, v


def wrong_zero_filter_gives_beta(w, gamma, beta, mean, var, eps):
    """Message: zero everywhere"""
    s, g, _, m, v = signs_alone_model(w, gamma, beta, mean, var, eps)
    return s, g, beta, m, v


def wrong_zero_filter_gives_zero(w, gamma, beta, mean, var, eps):
    """Message: zero everywhere"""
    s, g, b, m, v = signs_alone_model(w, gamma, beta, mean, var, eps)
    return s, g, np.where(alphas(w) == 0, 0, b), m, v


def wrong_warning(w, gamma, beta, mean, var, eps):
    """Message: divided by 0"""
    result = signs_alone_model(w, gamma, beta, mean, var, eps)
    np.ones(len(w)) / alphas(w)
    return result


def wrong_scaled_signs(w, gamma, beta, mean, var, eps):
    """Message: must be signs"""
    return alphas(w)[:, None, None, None] * bits(w), gamma, beta, mean, var


def wrong_signs_below(w, gamma, beta, mean, var, eps):
    """Message: also where weights are 0"""
    _, g, b, m, v = signs_alone_model(w, gamma, beta, mean, var, eps)
    return np.where(w > 0, 1, -1), g, b, m, v


def wrong_sum_for_mean(w, gamma, beta, mean, var, eps):
    """Message: not what they were"""
    return finished(w, np.abs(w).sum(axis=(1, 2, 3)), gamma, beta, mean, var, eps)


def wrong_alpha_of_kernels(w, gamma, beta, mean, var, eps):
    """Message: broadcast"""
    s, g, b, _, v = signs_alone_model(w, gamma, beta, mean, var, eps)
    return s, g, b, mean / np.abs(w).mean(axis=(2, 3)), v


def wrong_alpha_signed(w, gamma, beta, mean, var, eps):
    """Message: not what they were"""
    return finished(w, np.abs(w.mean(axis=(1, 2, 3))), gamma, beta, mean, var, eps)


def wrong_rows_of_signs(w, gamma, beta, mean, var, eps):
    """Message: another form"""
    s, g, b, m, v = signs_alone_model(w, gamma, beta, mean, var, eps)
    return s.reshape(len(w), -1), g, b, m, v


def wrong_four_parts(w, gamma, beta, mean, var, eps):
    """Message: another form"""
    s, g, b, m, _ = signs_alone_model(w, gamma, beta, mean, var, eps)
    return s, g, b, m


def wrong_in_place(w, gamma, beta, mean, var, eps):
    """Message: changed in place"""
    result = signs_alone_model(w, gamma, beta, mean, var, eps)
    mean *= 2
    return result


def wrong_nearly_zero(w, gamma, beta, mean, var, eps):
    """Message: where weights are very small"""
    alpha = alphas(w)
    return finished(w, np.where(alpha < 1e-8, 0, alpha), gamma, beta, mean, var, eps)


def wrong_square_kernel(w, gamma, beta, mean, var, eps):
    """Message: not what they were"""
    alpha = np.abs(w).sum(axis=(1, 2, 3)) / (w.shape[1] * w.shape[2] ** 2)
    return finished(w, alpha, gamma, beta, mean, var, eps)


def wrong_sum_is_zero(w, gamma, beta, mean, var, eps):
    """Message: cancel each other"""
    alpha = np.where(w.sum(axis=(1, 2, 3)) == 0, 0, alphas(w))
    return finished(w, alpha, gamma, beta, mean, var, eps)


def wrong_beta_in_the_mean(w, gamma, beta, mean, var, eps):
    """Message: where a gamma is 0"""
    signs, g, b, m, v = signs_alone_model(w, gamma, beta, mean, var, eps)
    with np.errstate(all="ignore"):
        moved = np.where(alphas(w) == 0, m, m - b * np.sqrt(v + eps) / g)
    return signs, g, np.where(alphas(w) == 0, b, 0), moved, v


def wrong_bounded_constant(w, gamma, beta, mean, var, eps):
    """Message: not what they were"""
    signs, g, b, m, v = signs_alone_model(w, gamma, beta, mean, var, eps)
    return signs, g, np.clip(b, -10, 10), m, v


def wrong_copies_filled(w, gamma, beta, mean, var, eps):
    """Message: must be signs, also"""
    signs = np.ones_like(w)
    signs.reshape(len(w), -1)[w.reshape(len(w), -1) < 0] = -1
    return signs, *signs_alone_model(w, gamma, beta, mean, var, eps)[1:]


def wrong_from_numpy(w, gamma, beta, mean, var, eps):
    """Message: stopped with ValueError"""
    signs = torch.where(torch.from_numpy(w) >= 0, 1, -1)
    return signs, *signs_alone_model(w, gamma, beta, mean, var, eps)[1:]


def wrong_float32(w, gamma, beta, mean, var, eps):
    """Message: not what they were"""
    result = signs_alone_model(w, gamma, beta, mean, var, eps)
    return [part.astype(np.float32) for part in result]


def wrong_something_added_to_alpha(w, gamma, beta, mean, var, eps):
    """Message: zero everywhere"""
    alpha = np.abs(w).mean(axis=(1, 2, 3)) + 1e-300
    return np.where(w >= 0, 1.0, -1.0), gamma * alpha, beta, mean / alpha, var


def wrong_small_weights_are_zero(w, gamma, beta, mean, var, eps):
    """Message: where weights of a filter are of many sizes"""
    _, *norm = signs_alone_model(w, gamma, beta, mean, var, eps)
    return np.where(w > -1e-13, 1, -1), *norm


def right_all_in_gamma_and_beta(w, gamma, beta, mean, var, eps):
    """With everything in gamma and beta."""
    scale = gamma / np.sqrt(var + eps)
    zeros = np.zeros(len(w))
    gain = scale * np.abs(w).reshape(len(w), -1).mean(axis=1)
    return np.where(w < 0, -1, 1), gain * np.sqrt(1 + eps), beta - scale * mean, zeros, zeros + 1


def right_variance_and_gamma(w, gamma, beta, mean, var, eps):
    """With the old variance."""
    alpha = np.abs(w).mean(axis=(1, 2, 3))
    safe = np.maximum(alpha, 1e-30)
    shift = np.where(alpha == 0, gamma * mean / np.sqrt(var + eps), 0)
    return 2 * (w >= 0) - 1, gamma * alpha, beta - shift, np.where(alpha == 0, 0, mean / safe), var


def right_eps_in_the_variance(w, gamma, beta, mean, var, eps):
    """With eps in the new variance."""
    alpha = np.mean(np.abs(w), axis=(1, 2, 3))
    live = alpha > 0
    a = np.where(live, alpha, 1.0)
    variance = (var + eps) / a**2 - eps
    old = gamma / np.sqrt(var + eps)
    return (
        np.where(w >= 0, 1, -1),
        np.where(live, gamma, 0),
        np.where(live, beta, beta - old * mean),
        mean / a,
        np.where(live, variance, 1.0),
    )


def right_loops(w, gamma, beta, mean, var, eps):
    """Filter by filter, in lists."""
    signs, rows = [], []
    for o in range(len(w)):
        alpha = float(np.abs(w[o]).mean())
        signs.append(np.where(w[o] >= 0, 1, -1).tolist())
        scale = gamma[o] / (var[o] + eps) ** 0.5
        if alpha == 0:
            rows.append((0.0, beta[o] - scale * mean[o], 0.0, 1.0))
        else:
            v = var[o] / alpha**2
            rows.append((scale * alpha * (v + eps) ** 0.5, beta[o], mean[o] / alpha, v))
    return [np.array(signs), *[np.array(column) for column in zip(*rows, strict=True)]]


def right_torch(w, gamma, beta, mean, var, eps):
    """By torch, as tensors."""
    t = torch.tensor(np.array(w))
    alpha = t.abs().flatten(1).mean(1)
    g, b, m, v = (torch.tensor(np.array(part)) for part in (gamma, beta, mean, var))
    scale = g / (v + eps).sqrt()
    one = torch.ones_like(alpha)
    return (
        torch.where(t >= 0, 1, -1),
        scale * alpha * (one + eps).sqrt(),
        b - scale * m,
        0 * one,
        one,
    )
