"""Answers to `train_abc` of exercise 05."""


def staircase(n):
    """Return the shifts to start from."""
    return 1.5 - (2 * np.arange(n) + 1) / n


def trained_shifts_of(m):
    """Return the shifts of weight bases."""
    return np.linspace(-1, 1, m) if m > 1 else np.zeros(1)


def trained(
    weight,
    m,
    n,
    x,
    y,
    rate,
    steps,
    intercept=False,
    slope="sum",
    start=staircase,
    beta=None,
    u=trained_shifts_of,
    ddof=0,
    centred=False,
    each=False,
    fresh=True,
    momentum=0.0,
    train=("w", "v", "beta"),
    v_slope=1,
    v_sign=1,
    window=(0, 1),
    per_image=False,
    late=False,
    half=0.5,
    factor=2,
    new_alpha=True,
    at_least=np.greater_equal,
    equal_apart=True,
    enough=-1.0,
    ends=True,
    dtype=float,
):
    """Train by the formulas, right unless an option says otherwise."""
    w, x, y = (np.array(array, dtype) for array in (weight, x, y))
    v, losses = np.array(start(n), dtype), []
    beta = np.full(n, 1 / n if beta is None else beta, dtype)
    old, alpha = [0.0, 0.0, 0.0], None
    for _ in range(steps):
        c = (w - w.mean()).ravel()
        if equal_apart and np.ptp(w) == 0:
            c = 0 * c
        deviation = w.std(ddof=ddof) if np.ptp(w) or not equal_apart else 0.0
        if fresh or alpha is None:
            bases = np.where(at_least(c + deviation * u(m)[:, None], 0), 1.0, -1.0)
        columns = np.column_stack([bases.T, np.ones(w.size)]) if intercept else bases.T
        if new_alpha or alpha is None:
            alpha = (np.linalg.pinv(columns) @ (c if centred else w.ravel()))[:m]
            alpha = bases @ w.ravel() / w.size if each else alpha
        q = (alpha @ bases).reshape(w.shape)
        shifted = x + v[:, None, None]
        act_bases = np.where(shifted >= half if ends else shifted > half, 1.0, -1.0)
        act = np.tensordot(beta, act_bases, 1)
        rest = act @ q.T - y
        g = factor * rest / (len(x) if per_image else rest.size)
        by_act = g @ q
        passed = by_act * ((shifted >= window[0]) & (shifted <= window[1]))
        scale = {"sum": alpha.sum(), "square": (alpha**2).sum(), "one": 1, "m": m}
        scale |= {"mean": alpha.mean(), "twice": alpha.sum() ** 2}
        new = [scale[slope] * g.T @ act, v_slope * beta * passed.sum(axis=(1, 2))]
        new.append((act_bases * by_act).sum(axis=(1, 2)))
        new = [a + momentum * b for a, b in zip(new, old, strict=True)]
        old = new
        w = w - rate * new[0] * ("w" in train)
        v = v - v_sign * rate * new[1] * ("v" in train)
        beta = beta - rate * new[2] * ("beta" in train)
        losses.append((rest**2).mean())
        if losses[-1] < enough:
            break
    return w, v, beta, losses


def at_half(n):
    """Return shifts that are all the same, as the program has them."""
    return np.full(n, 0.5)


def wrong_as_it_was(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: The losses are right, but the latent weights"""
    options = dict(intercept=True, slope="square", start=at_half)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_gradient_and_factors_repaired(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: three activation bases"""
    options = dict(start=at_half)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_gradient_and_shifts_repaired(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: mean is not 0"""
    options = dict(intercept=True)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_factors_and_shifts_repaired(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: the latent weights are wrong"""
    options = dict(slope="square")
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_only_gradient_repaired(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: mean is not 0"""
    options = dict(intercept=True, start=at_half)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_only_factors_repaired(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: the latent weights are wrong"""
    options = dict(slope="square", start=at_half)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_only_shifts_repaired(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: the latent weights are wrong"""
    options = dict(slope="square", intercept=True)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_shifts_at_zero(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: The very first loss is wrong"""
    options = dict(start=np.zeros)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_shifts_from_minus_one_to_one(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: first loss is wrong"""
    options = dict(start=lambda n: trained_shifts_of(n))
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_shifts_in_reverse(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: The shifts"""
    options = dict(start=lambda n: staircase(n)[::-1])
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_factors_of_centred_weights(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: mean is not 0"""
    options = dict(centred=True)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_factors_each_by_itself(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: first loss is wrong"""
    options = dict(each=True)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_factors_kept(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: losses of four steps"""
    options = dict(new_alpha=False)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_bases_kept(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: losses of four steps"""
    options = dict(fresh=False)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_sample_deviation(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: wrong"""
    options = dict(ddof=1)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_no_alpha_in_the_gradient(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: the latent weights are wrong"""
    options = dict(slope="m")
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_plain_straight_through(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: the latent weights are wrong"""
    options = dict(slope="one")
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_mean_of_alphas(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: the latent weights are wrong"""
    options = dict(slope="mean")
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_sum_of_alphas_twice(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: the latent weights are wrong"""
    options = dict(slope="twice")
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_weights_not_trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: These weights were not changed"""
    options = dict(train=("v", "beta"))
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_shifts_not_trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: There is one shift for each basis"""
    options = dict(train=("w", "beta"))
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_betas_not_trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: The factors beta were not trained"""
    options = dict(train=("w", "v"))
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_betas_of_one(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: The very first loss"""
    options = dict(beta=1.0)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_slope_two(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: shifts of the activations"""
    options = dict(v_slope=2)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_shifts_move_the_other_way(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: shifts of the activations"""
    options = dict(v_sign=-1)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_window_of_the_sign(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: shifts of the activations"""
    options = dict(window=(-1, 1))
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_no_window(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: shifts of the activations"""
    options = dict(window=(-99, 99))
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_mean_over_images_only(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: the latent weights are wrong"""
    options = dict(per_image=True)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_gradients_add_up(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: losses of four steps"""
    options = dict(momentum=1.0)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_half_of_the_gradient(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: the latent weights are wrong"""
    options = dict(factor=1)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_threshold_at_zero(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: first loss is wrong"""
    options = dict(half=0.0)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_linspace_for_one_basis(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: three activation bases"""
    options = dict(u=lambda m: np.linspace(-1, 1, m))
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_ternary_values_returned(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: the latent weights are wrong"""
    w, *rest = trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps)
    bases = np.where(
        (w - w.mean()) + trained_shifts_of(n_weight_bases)[:, None, None] * w.std() >= 0, 1, -1
    )
    flat = bases.reshape(len(bases), -1)
    return (np.linalg.pinv(flat.T) @ w.ravel() @ flat).reshape(w.shape), *rest


def wrong_last_loss_only(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: one loss for each step"""
    *rest, losses = trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps)
    return *rest, losses[-1] if losses else 0.0


def wrong_trained_in_place(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: changed in place"""
    found = trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps)
    weight[:] = found[0]
    return found


def right_in_numpy(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """By the formulas."""
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps)


def right_mended_program(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """The program with three changes, in torch."""
    w, x, y = (torch.tensor(np.array(a)) for a in (weight, x, y))
    v = torch.tensor(staircase(n_act_bases), requires_grad=True)
    beta = torch.full_like(v, 1 / n_act_bases).requires_grad_()
    losses = []
    for _ in range(steps):
        centred = torch.zeros_like(w) if w.min() == w.max() else w - w.mean()
        u = torch.tensor(trained_shifts_of(n_weight_bases))[:, None, None]
        moved = centred + u * centred.square().mean().sqrt()
        bases = torch.where(moved >= 0, 1.0, -1.0).double().requires_grad_()
        alpha = torch.linalg.pinv(bases.detach().flatten(1).T) @ w.flatten()
        ramp = (x + v[:, None, None]).clamp(0, 1)
        act = torch.where(ramp >= 0.5, 1.0, -1.0) + (ramp - ramp.detach())
        out = torch.einsum("n,nik,m,mok->io", beta, act, alpha, bases)
        loss = ((out - y) ** 2).mean()
        losses.append(loss.item())
        v.grad = beta.grad = None
        loss.backward()
        with torch.no_grad():
            w -= rate * bases.grad.sum(0)
            v -= rate * v.grad
            beta -= rate * beta.grad
    return w, v.detach(), beta.detach(), losses


def right_straight_through(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """With an optimizer, and the weights' gradient by a straight line."""
    w = torch.tensor(np.array(weight), requires_grad=True)
    x, y = torch.tensor(np.array(x)), torch.tensor(np.array(y))
    v = torch.tensor(staircase(n_act_bases), requires_grad=True)
    beta = torch.full_like(v, 1 / n_act_bases).requires_grad_()
    optimizer = torch.optim.SGD([w, v, beta], lr=rate)
    losses = []
    for _ in range(steps):
        known = w.detach().numpy()
        bases = np.array(weight_bases(known, n_weight_bases), float)
        alpha = np.array(fit_alphas(known, bases))
        q = torch.tensor(np.tensordot(alpha, bases, 1))
        line = alpha.sum() * w
        ramp = (x + v[:, None, None]).clamp(0, 1)
        act = torch.where(ramp >= 0.5, 1.0, -1.0) + (ramp - ramp.detach())
        out = torch.tensordot(beta, act, 1) @ (q + line - line.detach()).T
        loss = torch.nn.functional.mse_loss(out, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return [w.detach(), v.detach(), beta.detach(), [float(loss) for loss in losses]]


def right_by_functions(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """With the functions before, in NumPy; lists come back."""
    w, v, losses = np.array(weight), staircase(n_act_bases), []
    beta = np.ones(n_act_bases) / n_act_bases
    for _ in range(steps):
        bases = np.array(weight_bases(w, n_weight_bases), float)
        alpha = np.array(fit_alphas(w, bases))
        q = np.tensordot(alpha, bases, 1)
        act = np.array(activation_bases(x, v, np.zeros((n_act_bases, *x.shape)))[0], float)
        rest = np.tensordot(beta, act, 1) @ q.T - y
        losses.append(float(np.mean(rest**2)))
        g = 2 * rest / rest.size
        upstream = beta[:, None, None] * (g @ q)
        by_v = np.array(activation_bases(x, v, upstream)[2])
        by_beta = np.einsum("nik,ik->n", act, g @ q)
        w = w - rate * alpha.sum() * np.einsum("io,ik->ok", g, np.tensordot(beta, act, 1))
        v, beta = v - rate * by_v, beta - rate * by_beta
    return w.tolist(), v.tolist(), beta.tolist(), losses


def right_array_of_losses(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Losses in an array."""
    *rest, losses = trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps)
    return *rest, np.array(losses)


def wrong_sign_of_zero_weights(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: wrong"""
    options = dict(at_least=np.greater)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_step_above_half(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: 0, 1/2 or 1 at first"""
    options = dict(ends=False)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_ends_left_out(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: 0, 1/2 or 1 at first"""
    options = dict(window=(5e-324, np.nextafter(1, 0)))
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_inputs_rounded(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: 0, 1/2 or 1 at first"""
    return trained(weight, n_weight_bases, n_act_bases, x.round(12), y, rate, steps)


def wrong_equal_weights_as_others(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: where all weights are the same"""
    options = dict(equal_apart=False)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_training_in_single_precision(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: wrong"""
    options = dict(dtype=np.float32)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_stops_at_a_small_loss(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: one loss for each step"""
    options = dict(enough=1e-9)
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)


def wrong_staircase_in_single_precision(weight, n_weight_bases, n_act_bases, x, y, rate, steps):
    """Message: The shifts are wrong"""
    options = dict(start=lambda n: staircase(n).astype(np.float32))
    return trained(weight, n_weight_bases, n_act_bases, x, y, rate, steps, **options)
