"""Answers to `trained_ternary` of exercise 07."""


def both_sides(w, t):
    """Return where the weights are above and below the thresholds."""
    delta = t * np.abs(w).max()
    return w > delta, w < -delta


def finished(above, below, positive, negative, upstream):
    """Return the right answer for planes."""
    q = positive * above - negative * below
    slope = np.where(above, positive, np.where(below, negative, 1.0))
    return q, slope * upstream, (upstream * above).sum(), -(upstream * below).sum()


def right(w, positive, negative, t, upstream):
    """Return the right answer."""
    return finished(*both_sides(w, t), positive, negative, upstream)


def with_slope(slope_of):
    """Return an answer with another slope, a function of (above, below, positive, negative)."""

    def answer(w, positive, negative, t, upstream):
        q, _, p, n = right(w, positive, negative, t, upstream)
        return q, slope_of(*both_sides(w, t), positive, negative) * upstream, p, n

    return answer


def wrong_threshold_from_the_mean(w, positive, negative, t, upstream):
    """Message: a share of the mean"""
    delta = t * np.abs(w).mean()
    return finished(w > delta, w < -delta, positive, negative, upstream)


def wrong_threshold_from_the_signed_maximum(w, positive, negative, t, upstream):
    """Message: the largest weight, not of the largest magnitude"""
    delta = t * w.max()
    return finished(w > delta, w < -delta, positive, negative, upstream)


def wrong_twns_factor(w, positive, negative, t, upstream):
    """Message: TWN's threshold"""
    delta = 0.7 * np.abs(w).mean()
    return finished(w > delta, w < -delta, positive, negative, upstream)


def wrong_threshold_is_t(w, positive, negative, t, upstream):
    """Message: t is a factor"""
    return finished(w > t, w < -t, positive, negative, upstream)


def wrong_threshold_of_each_row(w, positive, negative, t, upstream):
    """Message: wrong"""
    delta = t * np.abs(w).max(axis=-1, keepdims=True)
    return finished(w > delta, w < -delta, positive, negative, upstream)


def wrong_threshold_included(w, positive, negative, t, upstream):
    """Message: as large as the threshold"""
    delta = t * np.abs(w).max()
    return finished(w >= delta, w <= -delta, positive, negative, upstream)


def wrong_levels_exchanged(w, positive, negative, t, upstream):
    """Message: The two levels are exchanged"""
    return finished(*both_sides(w, t), negative, positive, upstream)


def wrong_negative_level_without_its_sign(w, positive, negative, t, upstream):
    """Message: W_n stands with a minus"""
    above, below = both_sides(w, t)
    _, *gradients = right(w, positive, negative, t, upstream)
    return positive * above + negative * below, *gradients


def wrong_codes(w, positive, negative, t, upstream):
    """Message: These are the codes"""
    above, below = both_sides(w, t)
    _, *gradients = right(w, positive, negative, t, upstream)
    return above.astype(float) - below, *gradients


def wrong_one_level(w, positive, negative, t, upstream):
    """Message: W_n stands nowhere"""
    above, below = both_sides(w, t)
    _, *gradients = right(w, positive, negative, t, upstream)
    return positive * above - positive * below, *gradients


def wrong_levels_multiply_weights(w, positive, negative, t, upstream):
    """Message: multiplied by the levels"""
    above, below = both_sides(w, t)
    _, *gradients = right(w, positive, negative, t, upstream)
    return w * (positive * above + negative * below), *gradients


def wrong_latent_gradient_not_scaled(w, positive, negative, t, upstream):
    """Message: passed on as it is"""
    return with_slope(lambda a, b, p, n: np.ones(a.shape))(w, positive, negative, t, upstream)


def wrong_nothing_in_between(w, positive, negative, t, upstream):
    """Message: Weights between the thresholds get no gradient"""
    return with_slope(lambda a, b, p, n: p * a + n * b)(w, positive, negative, t, upstream)


def wrong_slope_with_the_sign(w, positive, negative, t, upstream):
    """Message: Below -Delta the factor is W_n, without a minus"""
    return with_slope(lambda a, b, p, n: p * a - n * b + ~(a | b))(
        w, positive, negative, t, upstream
    )


def wrong_slopes_exchanged(w, positive, negative, t, upstream):
    """Message: The factors W_p and W_n are exchanged"""
    return with_slope(lambda a, b, p, n: n * a + p * b + ~(a | b))(
        w, positive, negative, t, upstream
    )


def wrong_same_slope(w, positive, negative, t, upstream):
    """Message: The gradient of the latent weights is wrong"""
    return with_slope(lambda a, b, p, n: p * (a | b) + ~(a | b))(w, positive, negative, t, upstream)


def wrong_slope_is_the_magnitude_of_the_level(w, positive, negative, t, upstream):
    """Message: level is negative"""
    return with_slope(lambda a, b, p, n: abs(p) * a + abs(n) * b + ~(a | b))(
        w, positive, negative, t, upstream
    )


def wrong_divided_by_the_levels(w, positive, negative, t, upstream):
    """Message: The gradient of the latent weights is wrong"""
    return with_slope(lambda a, b, p, n: a / p + b / n + ~(a | b))(
        w, positive, negative, t, upstream
    )


def wrong_clipped(w, positive, negative, t, upstream):
    """Message: The gradient of the latent weights is wrong"""
    q, g, *rest = right(w, positive, negative, t, upstream)
    return q, g * (np.abs(w) <= 1), *rest


def wrong_upstream_forgotten(w, positive, negative, t, upstream):
    """Message: The gradient that arrives is missing"""
    above, below = both_sides(w, t)
    q, _, p, n = right(w, positive, negative, t, upstream)
    return q, np.where(above, positive, np.where(below, negative, 1.0)), p, n


def wrong_slope_from_values(w, positive, negative, t, upstream):
    """Message: The gradient of the latent weights is wrong"""
    q, _, p, n = right(w, positive, negative, t, upstream)
    return q, upstream * np.abs(w), p, n


def wrong_means(w, positive, negative, t, upstream):
    """Message: This is a mean"""
    above, below = both_sides(w, t)
    q, g, p, n = right(w, positive, negative, t, upstream)
    return q, g, p / max(above.sum(), 1), n / max(below.sum(), 1)


def wrong_means_over_all(w, positive, negative, t, upstream):
    """Message: This is a mean"""
    q, g, p, n = right(w, positive, negative, t, upstream)
    return q, g, p / w.size, n / w.size


def wrong_all_positive_weights(w, positive, negative, t, upstream):
    """Message: runs over all weights of that sign"""
    q, g, _, _ = right(w, positive, negative, t, upstream)
    return q, g, upstream[w > 0].sum(), -upstream[w < 0].sum()


def wrong_all_weights(w, positive, negative, t, upstream):
    """Message: The gradient of W_p is wrong"""
    q, g, _, _ = right(w, positive, negative, t, upstream)
    return q, g, upstream.sum(), -upstream.sum()


def wrong_sign_of_the_negative_level(w, positive, negative, t, upstream):
    """Message: The sign of the gradient of W_n"""
    q, g, p, n = right(w, positive, negative, t, upstream)
    return q, g, p, -n


def wrong_multiplied_by_weights(w, positive, negative, t, upstream):
    """Message: multiplied by the weights"""
    above, below = both_sides(w, t)
    q, g, _, _ = right(w, positive, negative, t, upstream)
    return q, g, (upstream * w * above).sum(), -(upstream * w * below).sum()


def wrong_multiplied_by_levels(w, positive, negative, t, upstream):
    """Message: multiplied by the level"""
    q, g, p, n = right(w, positive, negative, t, upstream)
    return q, g, p * positive, n * negative


def wrong_sums_of_the_scaled_gradient(w, positive, negative, t, upstream):
    """Message: multiplied by the level"""
    above, below = both_sides(w, t)
    q, g, _, _ = right(w, positive, negative, t, upstream)
    return q, g, g[above].sum(), -g[below].sum()


def wrong_signs_of_gradients_chosen(w, positive, negative, t, upstream):
    """Message: The gradient of W_p is wrong"""
    q, g, _, _ = right(w, positive, negative, t, upstream)
    return q, g, upstream[upstream > 0].sum(), -upstream[upstream < 0].sum()


def wrong_magnitudes_added(w, positive, negative, t, upstream):
    """Message: The gradient of W_p is wrong"""
    above, below = both_sides(w, t)
    q, g, _, _ = right(w, positive, negative, t, upstream)
    return q, g, np.abs(upstream[above]).sum(), -np.abs(upstream[below]).sum()


def wrong_level_gradients_exchanged(w, positive, negative, t, upstream):
    """Message: The gradients of the two levels are exchanged"""
    q, g, p, n = right(w, positive, negative, t, upstream)
    return q, g, n, p


def wrong_arrays_of_gradients(w, positive, negative, t, upstream):
    """Message: is one number"""
    above, below = both_sides(w, t)
    q, g, _, _ = right(w, positive, negative, t, upstream)
    return q, g, upstream * above, -upstream * below


def wrong_three_parts(w, positive, negative, t, upstream):
    """Message: another form"""
    return right(w, positive, negative, t, upstream)[:3]


def wrong_in_place(w, positive, negative, t, upstream):
    """Message: changed in place"""
    result = right(w, positive, negative, t, upstream)
    upstream *= 2
    return result


def wrong_nan_where_a_side_is_empty(w, positive, negative, t, upstream):
    """Message: NaN"""
    above, below = both_sides(w, t)
    q, g, _, _ = right(w, positive, negative, t, upstream)
    with np.errstate(all="ignore"):
        return (
            q,
            g,
            upstream[above].sum() * (above.sum() / above.sum()),
            -upstream[below].sum() * (below.sum() / below.sum()),
        )


def wrong_sign_instead_of_planes(w, positive, negative, t, upstream):
    """Message: The ternary values are wrong"""
    _, g, p, n = right(w, positive, negative, t, upstream)
    return np.where(w >= 0, positive, -negative), g, p, n


def wrong_layer_of_zeros_divided(w, positive, negative, t, upstream):
    """Message: wrong"""
    with np.errstate(all="ignore"):
        ratio = w / np.abs(w).max()
    above, below = ratio > t, ratio < -t
    q, g, p, n = finished(above, below, positive, negative, upstream)
    return q, g * (ratio == ratio), p, n


def right_autograd(w, positive, negative, t, upstream):
    """By torch's autograd, with a slope that is detached."""
    latent = torch.tensor(w.copy(), requires_grad=True)
    p = torch.tensor(float(positive), dtype=torch.float64, requires_grad=True)
    n = torch.tensor(float(negative), dtype=torch.float64, requires_grad=True)
    delta = t * latent.detach().abs().max()
    up, down = (latent.detach() > delta).double(), (latent.detach() < -delta).double()
    slope = (p * up + n * down + (1 - up - down)).detach()
    values = p * up - n * down
    (values + slope * (latent - latent.detach())).backward(torch.tensor(upstream.copy()))
    return values.detach(), latent.grad, p.grad, n.grad


def right_function(w, positive, negative, t, upstream):
    """With an autograd function that says all four gradients."""

    class Levels(torch.autograd.Function):
        @staticmethod
        def forward(ctx, w, p, n):
            delta = w.abs().max() * t
            ctx.up, ctx.down = w > delta, w < -delta
            ctx.p, ctx.n = p.item(), n.item()
            return torch.where(ctx.up, p, torch.where(ctx.down, -n, torch.zeros_like(w)))

        @staticmethod
        def backward(ctx, g):
            scaled = torch.where(ctx.up, ctx.p * g, torch.where(ctx.down, ctx.n * g, g))
            return scaled, g[ctx.up].sum(), -g[ctx.down].sum()

    leaves = [
        torch.tensor(np.array(v, dtype=float), requires_grad=True) for v in (w, positive, negative)
    ]
    q = Levels.apply(*leaves)
    q.backward(torch.tensor(upstream.copy()))
    return [q.detach().numpy(), *[leaf.grad.numpy() for leaf in leaves]]


def right_loops(w, positive, negative, t, upstream):
    """Number by number."""
    delta = t * max(map(abs, w.ravel().tolist()))
    q, g, p, n = [], [], 0.0, 0.0
    for v, up in zip(w.ravel().tolist(), upstream.ravel().tolist(), strict=True):
        if v > delta:
            q.append(positive)
            g.append(positive * up)
            p += up
        elif v < -delta:
            q.append(-negative)
            g.append(negative * up)
            n -= up
        else:
            q.append(0.0)
            g.append(up)
    return np.reshape(q, w.shape), np.reshape(g, w.shape), p, n


def right_by_codes(w, positive, negative, t, upstream):
    """With codes, and dot products for the sums."""
    codes = np.sign(w) * (np.abs(w) > t * np.abs(w).max())
    q = np.select([codes > 0, codes < 0], [positive, -negative], 0.0)
    slopes = np.select([codes > 0, codes < 0], [positive, negative], 1.0)
    flat, g = codes.ravel(), upstream.ravel()
    return q, slopes * upstream, np.dot(flat > 0, g), -np.dot(flat < 0, g)


def wrong_slope_one_where_the_value_is_0(w, positive, negative, t, upstream):
    """Message: also where the level is 0"""
    above, below = both_sides(w, t)
    q = np.where(above, positive, np.where(below, -negative, 0.0))
    slope = np.where(q == 0, 1.0, np.where(w > 0, positive, negative))
    return q, slope * upstream, upstream[above].sum(), -upstream[below].sum()


def wrong_places_found_by_value(w, positive, negative, t, upstream):
    """Message: where W_n is -W_p"""
    above, below = both_sides(w, t)
    q = np.where(above, positive, np.where(below, -negative, 0.0))
    slope = np.where(above, positive, np.where(below, negative, 1.0))
    return q, slope * upstream, upstream[q == positive].sum(), -upstream[q == -negative].sum()


def wrong_by_differences(w, positive, negative, t, upstream):
    """Message: Only a few digits are right"""
    above, below = both_sides(w, t)

    def cost(p, n):
        return (upstream * np.where(above, p, np.where(below, -n, 0.0))).sum()

    step = 1e-6
    grad_p = (cost(positive + step, negative) - cost(positive - step, negative)) / (2 * step)
    grad_n = (cost(positive, negative + step) - cost(positive, negative - step)) / (2 * step)
    q = np.where(above, positive, np.where(below, -negative, 0.0))
    slope = np.where(above, positive, np.where(below, negative, 1.0))
    return q, slope * upstream, grad_p, grad_n


def wrong_order_of_the_memory(w, positive, negative, t, upstream):
    """Message: wrong"""
    return right(w, positive, negative, t, upstream.ravel("K").reshape(w.shape))
