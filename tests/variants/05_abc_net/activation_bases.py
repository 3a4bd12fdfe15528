"""Answers to `activation_bases` of exercise 05."""


def moved(x, v):
    """Return x + v, with an axis for the shifts in front."""
    return x + v.reshape(-1, *[1] * x.ndim)


def step(x, v):
    """Return the right bases."""
    return np.where(moved(x, v) >= 0.5, 1, -1)


def on_ramp(x, v):
    """Return where the gradient passes."""
    return (moved(x, v) >= 0) & (moved(x, v) <= 1)


def sums(passed):
    """Return the two gradients of what passes."""
    return passed.sum(axis=0), passed.reshape(len(passed), -1).sum(axis=1)


def through(x, v, upstream, where):
    """Return an answer with the right bases."""
    return step(x, v), *sums(upstream * where)


def other_bases(x, v, upstream, bases):
    """Return an answer with the right gradients."""
    return bases, *sums(upstream * on_ramp(x, v))


def wrong_sign_of_the_shifted(x, v, upstream):
    """Message: The threshold of h is 1/2"""
    return other_bases(x, v, upstream, np.where(moved(x, v) >= 0, 1, -1))


def wrong_sign_of_the_ramp(x, v, upstream):
    """Message: The bases are wrong, or some of them"""
    return other_bases(x, v, upstream, np.where(np.clip(moved(x, v), 0, 1) >= 0, 1, -1))


def wrong_shift_subtracted(x, v, upstream):
    """Message: The shift is added"""
    return other_bases(x, v, upstream, step(x, -v))


def wrong_shift_missing(x, v, upstream):
    """Message: The shift is missing"""
    return other_bases(x, v, upstream, step(x, 0 * v))


def wrong_greater_than(x, v, upstream):
    """Message: it is >= and not >"""
    return other_bases(x, v, upstream, np.where(moved(x, v) > 0.5, 1, -1))


def wrong_numpy_sign(x, v, upstream):
    """Message: the basis is +1, not 0"""
    return other_bases(x, v, upstream, np.sign(np.clip(moved(x, v), 0, 1) - 0.5))


def wrong_rounded_ramp(x, v, upstream):
    """Message: exactly 1/2"""
    return other_bases(x, v, upstream, 2 * np.round(np.clip(moved(x, v), 0, 1)) - 1)


def wrong_zero_and_one(x, v, upstream):
    """Message: not 0, below the threshold"""
    return other_bases(x, v, upstream, (moved(x, v) >= 0.5).astype(int))


def wrong_ramp(x, v, upstream):
    """Message: This is the ramp h"""
    return other_bases(x, v, upstream, np.clip(moved(x, v), 0, 1))


def wrong_ramp_from_minus_one(x, v, upstream):
    """Message: The bases are wrong, or some of them"""
    return other_bases(x, v, upstream, 2 * np.clip(moved(x, v), 0, 1) - 1)


def wrong_all_signs_turned(x, v, upstream):
    """Message: The bases are wrong, or some of them"""
    return other_bases(x, v, upstream, -step(x, v))


def wrong_slope_everywhere(x, v, upstream):
    """Message: The slope is 1 everywhere"""
    return through(x, v, upstream, np.ones_like(moved(x, v)))


def wrong_window_of_the_sign(x, v, upstream):
    """Message: where |x + v| <= 1"""
    return through(x, v, upstream, np.abs(moved(x, v)) <= 1)


def wrong_window_without_shift(x, v, upstream):
    """Message: the gradient of x is not"""
    return through(x, v, upstream, on_ramp(x, 0 * v))


def wrong_outside(x, v, upstream):
    """Message: the gradient of x is not"""
    return through(x, v, upstream, ~on_ramp(x, v))


def wrong_slope_two(x, v, upstream):
    """Message: This has the slope 2"""
    return through(x, v, upstream, 2 * on_ramp(x, v))


def wrong_slope_two_for_the_shifts(x, v, upstream):
    """Message: This has the slope 2"""
    bases, grad_x, grad_v = through(x, v, upstream, on_ramp(x, v))
    return bases, grad_x, 2 * grad_v


def wrong_ends_left_out(x, v, upstream):
    """Message: 0 and 1 are included"""
    return through(x, v, upstream, (moved(x, v) > 0) & (moved(x, v) < 1))


def wrong_lower_end_left_out(x, v, upstream):
    """Message: 0 is included"""
    return through(x, v, upstream, (moved(x, v) > 0) & (moved(x, v) <= 1))


def wrong_upper_end_left_out(x, v, upstream):
    """Message: 1 is included"""
    return through(x, v, upstream, (moved(x, v) >= 0) & (moved(x, v) < 1))


def wrong_no_sum_over_bases(x, v, upstream):
    """Message: The sum over bases is missing"""
    passed = upstream * on_ramp(x, v)
    return step(x, v), passed, sums(passed)[1]


def wrong_mean_over_bases(x, v, upstream):
    """Message: This is the mean over bases"""
    passed = upstream * on_ramp(x, v)
    return step(x, v), passed.mean(axis=0), sums(passed)[1]


def wrong_mean_over_activations(x, v, upstream):
    """Message: This is a mean over activations"""
    passed = upstream * on_ramp(x, v)
    return step(x, v), passed.sum(axis=0), passed.reshape(len(v), -1).mean(axis=1)


def wrong_shift_for_each_activation(x, v, upstream):
    """Message: they share one v_n"""
    passed = upstream * on_ramp(x, v)
    return step(x, v), passed.sum(axis=0), passed


def wrong_one_gradient_for_all_shifts(x, v, upstream):
    """Message: one number for all shifts"""
    passed = upstream * on_ramp(x, v)
    return step(x, v), passed.sum(axis=0), passed.sum()


def wrong_upstream_missing(x, v, upstream):
    """Message: the gradient of x is not"""
    return through(x, v, 1.0, on_ramp(x, v))


def wrong_times_the_bases(x, v, upstream):
    """Message: multiplied by the bases"""
    return through(x, v, upstream, on_ramp(x, v) * step(x, v))


def wrong_sign_of_the_shifts(x, v, upstream):
    """Message: The sign is wrong"""
    bases, grad_x, grad_v = through(x, v, upstream, on_ramp(x, v))
    return bases, grad_x, -grad_v


def wrong_sum_over_one_axis(x, v, upstream):
    """Message: another shape"""
    passed = upstream * on_ramp(x, v)
    return step(x, v), passed.sum(axis=0), passed.sum(axis=-1)


def wrong_upstream_in_place(x, v, upstream):
    """Message: changed in place"""
    upstream *= on_ramp(x, v)
    return step(x, v), *sums(upstream)


def wrong_upper_half_of_the_ramp(x, v, upstream):
    """Message: the gradient of x is not"""
    return through(x, v, upstream, on_ramp(x, v) & (moved(x, v) >= 0.5))


def wrong_above_the_ramp(x, v, upstream):
    """Message: the gradient of x is not"""
    return through(x, v, upstream, moved(x, v) >= 0)


def right_in_a_loop(x, v, upstream):
    """A shift at a time, in lists."""
    bases, grad_x, grad_v = [], np.zeros_like(x), []
    for shift, g in zip(v, upstream, strict=True):
        h = np.clip(x + shift, 0, 1)
        bases.append(np.where(h >= 0.5, 1.0, -1.0))
        passed = np.where((x + shift < 0) | (x + shift > 1), 0, g)
        grad_x = grad_x + passed
        grad_v.append(passed.sum())
    return [bases, grad_x, grad_v]


def right_by_autograd(x, v, upstream):
    """With torch's clamp and autograd."""
    latent, shift = (torch.tensor(np.array(a), requires_grad=True) for a in (x, v))
    ramp = (latent + shift.reshape(-1, *[1] * x.ndim)).clamp(0, 1)
    signs = 2.0 * (ramp >= 0.5) - 1
    bases = signs + ramp - ramp.detach()
    bases.backward(torch.tensor(np.array(upstream)))
    return signs, latent.grad, shift.grad


def right_by_einsum(x, v, upstream):
    """Sums by einsum and tensordot."""
    passed = upstream * (np.clip(moved(x, v), 0, 1) == moved(x, v))
    grad_x = np.tensordot(np.ones(len(v)), passed, 1)
    grad_v = np.einsum("ni->n", passed.reshape(len(v), -1))
    return 2 * (np.clip(moved(x, v), 0, 1) >= 0.5) - 1, grad_x, grad_v


def right_sign_mended(x, v, upstream):
    """Signs of what is above 1/2; small integers."""
    bases = np.sign(moved(x, v) - 0.5).astype(np.int8)
    bases[bases == 0] = 1
    return bases, *sums(np.where(on_ramp(x, v), upstream, 0.0))


def right_in_order(x, v, upstream):
    """By sorting into the parts of the ramp."""
    part = np.digitize(moved(x, v), [0, 0.5, np.nextafter(1, 2)])
    return np.where(part >= 2, 1, -1), *sums(np.where((part > 0) & (part < 3), upstream, 0.0))


def wrong_distances_from_the_middle(x, v, upstream):
    """Message: where x + v is 1/2 or 1"""
    return through(x, v, upstream, np.abs(moved(x, v) - 0.5) <= 0.5)


def wrong_ramp_around_thresholds(x, v, upstream):
    """Message: where x + v is 1/2 or 1"""
    from_threshold = x - (0.5 - v).reshape(-1, *[1] * x.ndim)
    return through(x, v, upstream, (from_threshold >= -0.5) & (from_threshold <= 0.5))


def wrong_half_added_and_cut(x, v, upstream):
    """Message: next to 0, 1/2 or 1"""
    bases = 2 * np.floor(np.clip(moved(x, v), 0, 1) + 0.5) - 1
    return other_bases(x, v, upstream, bases)


def wrong_tolerance_below_half(x, v, upstream):
    """Message: next to 0, 1/2 or 1"""
    bases = np.where(moved(x, v) >= 0.5 - 1e-9, 1, -1)
    return other_bases(x, v, upstream, bases)


def wrong_ends_with_tolerance(x, v, upstream):
    """Message: next to 0, 1/2 or 1"""
    inside = (moved(x, v) >= -1e-12) & (moved(x, v) <= 1 + 1e-12)
    return through(x, v, upstream, inside)


def wrong_gradients_in_order_of_memory(x, v, upstream):
    """Message: The gradient of"""
    return through(x, v, upstream.ravel(order="K").reshape(upstream.shape), on_ramp(x, v))


def wrong_equal_shifts_once(x, v, upstream):
    """Message: another shape"""
    _, first = np.unique(v, return_index=True)
    return other_bases(x, v, upstream, step(x, v[np.sort(first)]))


def wrong_no_axis_for_one_shift(x, v, upstream):
    """Message: another shape"""
    passed = upstream * on_ramp(x, v)
    bases = step(x, v)
    return (bases[0] if len(v) == 1 else bases), *sums(passed)


def wrong_two_axes_at_most(x, v, upstream):
    """Message: another shape"""
    moved_by_axes = x + (v[:, None, None] if x.ndim == 2 else v[:, None])
    passed = upstream * ((moved_by_axes >= 0) & (moved_by_axes <= 1))
    return np.where(moved_by_axes >= 0.5, 1, -1), *sums(passed)


def right_clip_leaves_it(x, v, upstream):
    """On the ramp is what the clip leaves as it is."""
    clipped = np.clip(moved(x, v), 0, 1)
    passed = np.where(clipped == moved(x, v), upstream, 0.0)
    return 2 * (clipped >= 0.5) - 1, *sums(passed)
