"""Answers to `train_ttq` of exercise 07."""


def trained(
    weight,
    positive,
    negative,
    x,
    y,
    t,
    rate,
    steps,
    signed_maximum=False,
    scaled=True,
    kept=False,
    sign=-1,
    mean=False,
    factor=2,
    per_image=False,
    late=False,
    threshold=None,
    zero_slope=1,
    train_levels=True,
    exchanged=False,
    fresh=True,
    ends=lambda losses, gradients: False,
):
    """Train by the formulas, right unless an option says otherwise."""
    w, p, n, losses = weight.copy(), float(positive), float(negative), []
    old = [0.0, 0.0, 0.0]
    first = None
    for _ in range(steps):
        delta = t * (w.max() if signed_maximum else np.abs(w).max())
        delta = threshold(w) if threshold else delta
        above, below = w > delta, w < -delta
        if not fresh:
            first = first or (above, below)
            above, below = first
        q = p * above - n * below
        rest = x @ q.T - y
        g = factor * rest.T @ x / (len(x) if per_image else rest.size)
        slope = np.where(above, n if exchanged else p, np.where(below, p if exchanged else n, 1))
        slope = np.where(above | below, slope, zero_slope) if scaled else np.ones_like(g)
        size = [max(above.sum(), 1), max(below.sum(), 1)] if mean else [1, 1]
        new = [slope * g, g[above].sum() / size[0], sign * g[below].sum() / size[1]]
        if ends([*losses, (rest**2).mean()], new):
            break
        if kept:
            new = [a + b for a, b in zip(old, new, strict=True)]
        old = new
        w = w - rate * new[0]
        if train_levels:
            p, n = p - rate * new[1], n - rate * new[2]
        if late:
            delta = t * np.abs(w).max()
            q = p * (w > delta) - n * (w < -delta)
            rest = x @ q.T - y
        losses.append((rest**2).mean())
    return w, p, n, losses


def wrong_as_it_was(weight, positive, negative, x, y, t, rate, steps):
    """Message: latent weights are wrong"""
    options = {"signed_maximum": True, "scaled": False, "kept": True}
    return trained(weight, positive, negative, x, y, t, rate, steps, **options)


def wrong_threshold_and_gradient_repaired(weight, positive, negative, x, y, t, rate, steps):
    """Message: The first step is right"""
    return trained(weight, positive, negative, x, y, t, rate, steps, kept=True)


def wrong_gradient_and_rest_repaired(weight, positive, negative, x, y, t, rate, steps):
    """Message: The very first loss is wrong"""
    return trained(weight, positive, negative, x, y, t, rate, steps, signed_maximum=True)


def wrong_threshold_and_rest_repaired(weight, positive, negative, x, y, t, rate, steps):
    """Message: latent weights are wrong"""
    return trained(weight, positive, negative, x, y, t, rate, steps, scaled=False)


def wrong_only_gradient_repaired(weight, positive, negative, x, y, t, rate, steps):
    """Message: The very first loss is wrong"""
    options = {"signed_maximum": True, "kept": True}
    return trained(weight, positive, negative, x, y, t, rate, steps, **options)


def wrong_only_threshold_repaired(weight, positive, negative, x, y, t, rate, steps):
    """Message: latent weights are wrong"""
    return trained(weight, positive, negative, x, y, t, rate, steps, scaled=False, kept=True)


def wrong_sign_of_the_negative_level(weight, positive, negative, x, y, t, rate, steps):
    """Message: W_n is wrong"""
    return trained(weight, positive, negative, x, y, t, rate, steps, sign=1)


def wrong_mean_for_sum(weight, positive, negative, x, y, t, rate, steps):
    """Message: is wrong"""
    return trained(weight, positive, negative, x, y, t, rate, steps, mean=True)


def wrong_gradient_of_half_the_square(weight, positive, negative, x, y, t, rate, steps):
    """Message: latent weights are wrong"""
    return trained(weight, positive, negative, x, y, t, rate, steps, factor=1)


def wrong_mean_over_images_only(weight, positive, negative, x, y, t, rate, steps):
    """Message: latent weights are wrong"""
    return trained(weight, positive, negative, x, y, t, rate, steps, per_image=True)


def wrong_losses_after_the_step(weight, positive, negative, x, y, t, rate, steps):
    """Message: The very first loss is wrong"""
    return trained(weight, positive, negative, x, y, t, rate, steps, late=True)


def wrong_threshold_by_twn(weight, positive, negative, x, y, t, rate, steps):
    """Message: The very first loss is wrong"""
    return trained(
        *(weight, positive, negative, x, y, t, rate, steps),
        threshold=lambda w: 0.7 * np.abs(w).mean(),
    )


def wrong_threshold_from_the_mean(weight, positive, negative, x, y, t, rate, steps):
    """Message: The very first loss is wrong"""
    return trained(
        *(weight, positive, negative, x, y, t, rate, steps),
        threshold=lambda w: t * np.abs(w).mean(),
    )


def wrong_threshold_from_the_magnitude_of_the_maximum(
    weight, positive, negative, x, y, t, rate, steps
):
    """Message: The very first loss is wrong"""
    return trained(
        *(weight, positive, negative, x, y, t, rate, steps), threshold=lambda w: t * abs(w.max())
    )


def wrong_nothing_for_weights_in_between(weight, positive, negative, x, y, t, rate, steps):
    """Message: latent weights are wrong"""
    return trained(weight, positive, negative, x, y, t, rate, steps, zero_slope=0)


def wrong_levels_not_trained(weight, positive, negative, x, y, t, rate, steps):
    """Message: is wrong"""
    return trained(weight, positive, negative, x, y, t, rate, steps, train_levels=False)


def wrong_factors_exchanged(weight, positive, negative, x, y, t, rate, steps):
    """Message: latent weights are wrong"""
    return trained(weight, positive, negative, x, y, t, rate, steps, exchanged=True)


def wrong_codes_never_change(weight, positive, negative, x, y, t, rate, steps):
    """Message: wrong where all weights are negative"""
    return trained(weight, positive, negative, x, y, t, rate, steps, fresh=False)


def wrong_one_step_only(weight, positive, negative, x, y, t, rate, steps):
    """Message: one loss for each step"""
    return trained(weight, positive, negative, x, y, t, rate, min(steps, 1))


def wrong_threshold_of_the_start(weight, positive, negative, x, y, t, rate, steps):
    """Message: The first step is right"""
    delta = t * np.abs(weight).max()
    return trained(*(weight, positive, negative, x, y, t, rate, steps), threshold=lambda w: delta)


def wrong_values_for_weights(weight, positive, negative, x, y, t, rate, steps):
    """Message: These are the ternary values"""
    w, p, n, losses = trained(weight, positive, negative, x, y, t, rate, steps)
    delta = t * np.abs(w).max()
    return p * (w > delta) - n * (w < -delta), p, n, losses


def wrong_last_loss_only(weight, positive, negative, x, y, t, rate, steps):
    """Message: one loss for each step"""
    w, p, n, losses = trained(weight, positive, negative, x, y, t, rate, steps)
    return w, p, n, losses[-1] if losses else 0.0


def wrong_in_place(weight, positive, negative, x, y, t, rate, steps):
    """Message: changed in place"""
    w, p, n, losses = trained(weight, positive, negative, x, y, t, rate, steps)
    weight[...] = w
    return weight, p, n, losses


def wrong_levels_kept_positive(weight, positive, negative, x, y, t, rate, steps):
    """Message: wrong"""
    w, p, n, losses = trained(weight, positive, negative, x, y, t, rate, steps)
    return w, max(p, 0.0), max(n, 0.0), losses


def wrong_ends_where_the_loss_is_0(weight, positive, negative, x, y, t, rate, steps):
    """Message: There must be one loss for each step, also where the loss is 0"""
    return trained(
        weight, positive, negative, x, y, t, rate, steps, ends=lambda losses, _: losses[-1] == 0
    )


def wrong_ends_where_all_gradients_are_0(weight, positive, negative, x, y, t, rate, steps):
    """Message: There must be one loss for each step, also where the loss is 0"""
    return trained(
        weight,
        positive,
        negative,
        x,
        y,
        t,
        rate,
        steps,
        ends=lambda _, new: not any(map(np.any, new)),
    )


def wrong_ends_where_the_loss_stays(weight, positive, negative, x, y, t, rate, steps):
    """Message: There must be one loss for each step"""

    def ends(losses, _):
        return len(losses) > 1 and losses[-1] == losses[-2]

    return trained(weight, positive, negative, x, y, t, rate, steps, ends=ends)


def wrong_ends_where_only_weights_stay(weight, positive, negative, x, y, t, rate, steps):
    """Message: There must be one loss for each step"""
    return trained(
        weight, positive, negative, x, y, t, rate, steps, ends=lambda _, new: not new[0].any()
    )


def wrong_momentum(weight, positive, negative, x, y, t, rate, steps):
    """Message: The first step is right"""
    w, p, n = weight.copy(), float(positive), float(negative)
    losses, speed = [], [0.0, 0.0, 0.0]
    for _ in range(steps):
        delta = t * np.abs(w).max()
        above, below = w > delta, w < -delta
        rest = x @ (p * above - n * below).T - y
        g = 2 * rest.T @ x / rest.size
        slope = np.where(above, p, np.where(below, n, 1))
        new = [slope * g, g[above].sum(), -g[below].sum()]
        speed = [0.9 * a + b for a, b in zip(speed, new, strict=True)]
        w, p, n = (v - rate * s for v, s in zip((w, p, n), speed, strict=True))
        losses.append((rest**2).mean())
    return w, p, n, losses


def wrong_levels_first(weight, positive, negative, x, y, t, rate, steps):
    """Message: latent weights are wrong"""
    w, p, n, losses = weight.copy(), float(positive), float(negative), []
    for _ in range(steps):
        delta = t * np.abs(w).max()
        above, below = w > delta, w < -delta
        rest = x @ (p * above - n * below).T - y
        g = 2 * rest.T @ x / rest.size
        p, n = p - rate * g[above].sum(), n + rate * g[below].sum()
        w = w - rate * np.where(above, p, np.where(below, n, 1)) * g
        losses.append((rest**2).mean())
    return w, p, n, losses


def right_by_hand(weight, positive, negative, x, y, t, rate, steps):
    """With NumPy and the formulas."""
    return trained(weight, positive, negative, x, y, t, rate, steps)


def right_mended(weight, positive, negative, x, y, t, rate, steps):
    """The text that was given, with three lines mended."""

    class Levels(torch.autograd.Function):
        @staticmethod
        def forward(ctx, w, positive, negative, t):
            delta = t * w.abs().max()
            above, below = w > delta, w < -delta
            ctx.save_for_backward(above, below, positive, negative)
            return positive * above - negative * below

        @staticmethod
        def backward(ctx, upstream):
            above, below, positive, negative = ctx.saved_tensors
            slope = positive * above + negative * below + ~(above | below)
            return slope * upstream, (upstream * above).sum(), -(upstream * below).sum(), None

    start = (weight, positive, negative)
    w, p, n = (torch.tensor(np.array(v, dtype=float), requires_grad=True) for v in start)
    x, y = (torch.tensor(np.array(v)) for v in (x, y))
    optimizer = torch.optim.SGD([w, p, n], lr=rate)
    losses = []
    for _ in range(steps):
        loss = ((x @ Levels.apply(w, p, n, t).T - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return w.detach(), p.item(), n.item(), losses


def right_without_an_optimizer(weight, positive, negative, x, y, t, rate, steps):
    """With torch.autograd.grad and a detached slope, the answer as a list."""
    w, p, n = (torch.tensor(np.array(v, dtype=float)) for v in (weight, positive, negative))
    inputs, targets = torch.tensor(x.copy()), torch.tensor(y.copy())
    losses = []
    for _ in range(steps):
        w, p, n = (v.detach().requires_grad_() for v in (w, p, n))
        delta = t * w.detach().abs().max()
        above, below = w.detach() > delta, w.detach() < -delta
        values = torch.where(above, p, torch.where(below, -n, torch.zeros_like(w)))
        slope = torch.where(above, p, torch.where(below, n, torch.ones_like(w))).detach()
        q = values + slope * (w - w.detach())
        loss = functional.mse_loss(functional.linear(inputs, q), targets)
        gradients = torch.autograd.grad(loss, (w, p, n))
        w, p, n = (v - rate * g for v, g in zip((w, p, n), gradients, strict=True))
        losses.append(loss.detach())
    return [w.detach().numpy(), p.detach(), n.detach(), [float(v) for v in losses]]


def right_with_the_answer_to_function_three(weight, positive, negative, x, y, t, rate, steps):
    """The gradients of function 3."""
    w, p, n, losses = np.array(weight), positive, negative, np.zeros(steps)
    for step in range(steps):
        q, *_ = trained_ternary(w, p, n, t, np.zeros_like(w))
        rest = x @ np.asarray(q).T - y
        losses[step] = np.square(rest).mean()
        _, gw, gp, gn = trained_ternary(w, p, n, t, 2 / rest.size * (rest.T @ x))
        w, p, n = w - rate * np.asarray(gw), p - rate * float(gp), n - rate * float(gn)
    return w, p, n, losses


def gradients_at(w, p, n, x, y, delta):
    """Return the loss and the gradients of the weights and levels for a threshold."""
    above, below = w > delta, w < -delta
    rest = x @ np.where(above, p, np.where(below, -n, 0.0)).T - y
    g = 2 * rest.T @ x / rest.size
    slope = np.where(above, p, np.where(below, n, 1.0))
    return (rest**2).mean(), g * slope, g[above].sum(), -g[below].sum()


def wrong_at_least(weight, positive, negative, x, y, t, rate, steps):
    """Message: as large as the threshold"""
    w, p, n, losses = weight, positive, negative, []
    for _ in range(steps):
        delta = np.nextafter(t * np.abs(w).max(), 0)
        loss, *slopes = gradients_at(w, p, n, x, y, delta)
        w, p, n = (v - rate * slope for v, slope in zip((w, p, n), slopes, strict=True))
        losses.append(loss)
    return w, p, n, losses


def wrong_single_precision(weight, positive, negative, x, y, t, rate, steps):
    """Message: compute in float64"""
    w, p, n, x, y = (np.float32(v) for v in (weight, positive, negative, x, y))
    losses = []
    for _ in range(steps):
        loss, *slopes = gradients_at(w, p, n, x, y, np.float32(t) * np.abs(w).max())
        w, p, n = (np.float32(v - rate * slope) for v, slope in zip((w, p, n), slopes, strict=True))
        losses.append(loss)
    return w, p, n, losses


def wrong_inputs_not_copied(weight, positive, negative, x, y, t, rate, steps):
    """Message: stopped with ValueError"""
    x, y = torch.tensor(x).numpy(), torch.tensor(y).numpy()
    return stepped(weight, positive, negative, x, y, t, rate, steps)


def stepped(weight, positive, negative, x, y, t, rate, steps, ends=False, best=False):
    """Return the right result, or one of two wrong ones."""
    w, p, n, losses = np.array(weight), positive, negative, []
    found = (np.inf, w, p, n)
    for _ in range(steps):
        loss, *slopes = gradients_at(w, p, n, x, y, t * np.abs(w).max())
        found = min(found, (loss, w, p, n), key=lambda entry: entry[0])
        losses.append(loss)
        if not (ends and not w.any()):
            w, p, n = (v - rate * slope for v, slope in zip((w, p, n), slopes, strict=True))
    loss, *_ = gradients_at(w, p, n, x, y, t * np.abs(w).max())
    found = min(found, (loss, w, p, n), key=lambda entry: entry[0])
    return *(found[1:] if best else (w, p, n)), losses


def wrong_zeros_stay(weight, positive, negative, x, y, t, rate, steps):
    """Message: all weights are 0 at first"""
    return stepped(weight, positive, negative, x, y, t, rate, steps, ends=True)


def wrong_best_weights(weight, positive, negative, x, y, t, rate, steps):
    """Message: where the loss rises"""
    return stepped(weight, positive, negative, x, y, t, rate, steps, best=True)
