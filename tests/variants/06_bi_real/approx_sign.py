"""Answers to `approx_sign` of exercise 06."""


def approx_sign_model(x, upstream):
    """Return the right answer."""
    c = np.clip(x, -1, 1)
    return np.where(x >= 0, 1.0, -1.0), c * (2 - abs(c)), (2 - 2 * abs(c)) * upstream


def wrong_sign_of_zero(x, upstream):
    """Message: np.sign gives 0"""
    _, curve, gradient = approx_sign_model(x, upstream)
    return np.sign(x), curve, gradient


def wrong_sign_of_zero_below(x, upstream):
    """Message: not -1"""
    _, curve, gradient = approx_sign_model(x, upstream)
    return np.where(x > 0, 1.0, -1.0), curve, gradient


def wrong_curve_forward(x, upstream):
    """Message: The curve comes second"""
    _, curve, gradient = approx_sign_model(x, upstream)
    return curve, curve, gradient


def wrong_gradient_first(x, upstream):
    """Message: The signs are wrong, or some of them"""
    signs, curve, gradient = approx_sign_model(x, upstream)
    return gradient, curve, signs


def wrong_clip_forward(x, upstream):
    """Message: The signs are wrong, or some of them"""
    _, curve, gradient = approx_sign_model(x, upstream)
    return np.clip(x, -1, 1), curve, gradient


def wrong_zero_and_one(x, upstream):
    """Message: 0 and 1"""
    _, curve, gradient = approx_sign_model(x, upstream)
    return (x >= 0).astype(float), curve, gradient


def wrong_clip_as_curve(x, upstream):
    """Message: This is clip"""
    signs, _, gradient = approx_sign_model(x, upstream)
    return signs, np.clip(x, -1, 1), gradient


def wrong_parabolas_without_end(x, upstream):
    """Message: don't end"""
    signs, _, gradient = approx_sign_model(x, upstream)
    return signs, np.where(x < 0, 2 * x + x**2, 2 * x - x**2), gradient


def wrong_parabolas_exchanged(x, upstream):
    """Message: The signs are right, but the curve is wrong"""
    signs, _, gradient = approx_sign_model(x, upstream)
    return (
        signs,
        np.where(abs(x) >= 1, signs, np.where(x < 0, 2 * x - x**2, 2 * x + x**2)),
        gradient,
    )


def wrong_one_parabola(x, upstream):
    """Message: One parabola"""
    signs, _, gradient = approx_sign_model(x, upstream)
    return signs, np.where(abs(x) >= 1, signs, 2 * x - x**2), gradient


def wrong_zero_outside(x, upstream):
    """Message: The signs are right, but the curve is wrong"""
    signs, curve, gradient = approx_sign_model(x, upstream)
    return signs, np.where(abs(x) < 1, curve, 0), gradient


def wrong_signs_as_curve(x, upstream):
    """Message: The signs are right, but the curve is wrong"""
    signs, _, gradient = approx_sign_model(x, upstream)
    return signs, signs, gradient


def wrong_slope_as_curve(x, upstream):
    """Message: The signs are right, but the curve is wrong"""
    signs, _, gradient = approx_sign_model(x, upstream)
    return signs, gradient / upstream, gradient


def wrong_square_missing(x, upstream):
    """Message: The signs are right, but the curve is wrong"""
    signs, _, gradient = approx_sign_model(x, upstream)
    return signs, np.where(abs(x) >= 1, signs, 2 * x), gradient


def wrong_smooth_curve(x, upstream):
    """Message: the curve is wrong"""
    signs, _, gradient = approx_sign_model(x, upstream)
    return signs, np.tanh(2 * x), gradient


def wrong_derivative_not_zero_outside(x, upstream):
    """Message: there the curve is flat"""
    signs, curve, _ = approx_sign_model(x, upstream)
    return signs, curve, np.where(x < 0, 2 + 2 * x, 2 - 2 * x) * upstream


def wrong_clip_slope(x, upstream):
    """Message: slope of clip"""
    signs, curve, _ = approx_sign_model(x, upstream)
    return signs, curve, (abs(x) <= 1) * upstream


def wrong_clip_slope_half_open(x, upstream):
    """Message: slope of clip"""
    signs, curve, _ = approx_sign_model(x, upstream)
    return signs, curve, ((x >= -1) & (x < 1)) * upstream


def wrong_upstream_missing(x, upstream):
    """Message: arrives is missing"""
    signs, curve, gradient = approx_sign_model(x, upstream)
    return signs, curve, gradient / upstream


def wrong_straight(x, upstream):
    """Message: Signs and curve are right, but the gradient is wrong"""
    signs, curve, _ = approx_sign_model(x, upstream)
    return signs, curve, upstream.copy()


def wrong_slopes_exchanged(x, upstream):
    """Message: Signs and curve are right, but the gradient is wrong"""
    signs, curve, _ = approx_sign_model(x, upstream)
    return signs, curve, np.where(abs(x) >= 1, 0, np.where(x < 0, 2 - 2 * x, 2 + 2 * x)) * upstream


def wrong_one_slope(x, upstream):
    """Message: One slope"""
    signs, curve, _ = approx_sign_model(x, upstream)
    return signs, curve, np.where(abs(x) >= 1, 0, 2 - 2 * x) * upstream


def wrong_half_slope(x, upstream):
    """Message: Signs and curve are right, but the gradient is wrong"""
    signs, curve, gradient = approx_sign_model(x, upstream)
    return signs, curve, gradient / 2


def wrong_square_derived_wrong(x, upstream):
    """Message: Signs and curve are right, but the gradient is wrong"""
    signs, curve, _ = approx_sign_model(x, upstream)
    return signs, curve, np.where(abs(x) >= 1, 0, 2 - abs(x)) * upstream


def wrong_times_the_curve(x, upstream):
    """Message: Signs and curve are right, but the gradient is wrong"""
    signs, curve, _ = approx_sign_model(x, upstream)
    return signs, curve, curve * upstream


def wrong_times_the_signs(x, upstream):
    """Message: Signs and curve are right, but the gradient is wrong"""
    signs, curve, _ = approx_sign_model(x, upstream)
    return signs, curve, signs * upstream


def wrong_zero_in_zero(x, upstream):
    """Message: its tip"""
    signs, curve, gradient = approx_sign_model(x, upstream)
    return signs, curve, np.where(x == 0, 0, gradient)


def wrong_negative_left(x, upstream):
    """Message: Signs and curve are right, but the gradient is wrong"""
    signs, curve, gradient = approx_sign_model(x, upstream)
    return signs, curve, np.where(x < 0, -gradient, gradient)


def wrong_nothing_learnt(x, upstream):
    """Message: Signs and curve are right, but the gradient is wrong"""
    signs, curve, _ = approx_sign_model(x, upstream)
    return signs, curve, 0 * upstream


def wrong_clipped_by_the_gradient(x, upstream):
    """Message: the gradient is wrong"""
    signs, curve, _ = approx_sign_model(x, upstream)
    return signs, curve, (2 - 2 * np.clip(abs(upstream), 0, 1)) * upstream


def wrong_wider_triangle(x, upstream):
    """Message: the gradient is wrong"""
    signs, curve, _ = approx_sign_model(x, upstream)
    return signs, curve, np.maximum(2 - abs(x), 0) * upstream


def wrong_two_parts(x, upstream):
    """Message: another form"""
    return approx_sign_model(x, upstream)[:2]


def wrong_in_place(x, upstream):
    """Message: changed in place"""
    result = approx_sign_model(x, upstream)
    upstream *= 2
    return result


def wrong_clipped_in_place(x, upstream):
    """Message: changed in place"""
    result = approx_sign_model(x, upstream)
    np.clip(x, -1, 1, out=x)
    return result


def wrong_flat(x, upstream):
    """Message: another shape"""
    return [part.ravel() for part in approx_sign_model(x, upstream)]


def wrong_one_axis_at_least(x, upstream):
    """Message: another shape"""
    return approx_sign_model(np.atleast_1d(x), np.atleast_1d(upstream))


def wrong_float32(x, upstream):
    """Message: computed in float64"""
    return approx_sign_model(x.astype(np.float32), upstream.astype(np.float32))


def wrong_from_numpy(x, upstream):
    """Message: negative"""
    c = torch.from_numpy(x).clamp(-1, 1)
    return torch.where(c >= 0, 1.0, -1.0), c * (2 - c.abs()), (2 - 2 * c.abs()).numpy() * upstream


def wrong_sign_bit(x, upstream):
    """Message: where the pieces meet"""
    _, curve, gradient = approx_sign_model(x, upstream)
    return np.copysign(1.0, x), curve, gradient


def wrong_nearly_zero(x, upstream):
    """Message: for numbers of many sizes"""
    signs, curve, gradient = approx_sign_model(x, upstream)
    return signs, np.where(abs(x) < 1e-8, 0, curve) + 0 * curve, gradient


def wrong_copies_filled(x, upstream):
    """Message: The curve is wrong"""
    signs, _, gradient = approx_sign_model(x, upstream)
    curve = np.zeros_like(x)
    flat = curve.reshape(-1)
    for i, v in enumerate(x.reshape(-1)):
        c = min(max(v, -1), 1)
        flat[i] = c * (2 - abs(c))
    return signs, curve, gradient


def wrong_slope_by_a_root(x, upstream):
    """Message: The gradient is wrong"""
    signs, curve, _ = approx_sign_model(x, upstream)
    return signs, curve, 2 * np.sqrt(1 - np.abs(curve)) * upstream


def wrong_small_slope_dropped(x, upstream):
    """Message: a little inside of -1 and 1"""
    signs, curve, gradient = approx_sign_model(x, upstream)
    return signs, curve, np.where(np.isclose(np.abs(x), 1), 0.0, gradient)


def wrong_from_quantlib(x, upstream):
    """Message: quantlib is for comparing results"""
    from quantlib import bi_real

    signs, _, gradient = approx_sign_model(x, upstream)
    return signs, bi_real.approx_sign(torch.tensor(np.array(x))), gradient


def right_masks(x, upstream):
    """With a mask for each piece."""
    low, high = (x >= -1) & (x < 0), (x >= 0) & (x < 1)
    inner = np.where(low | high, x, 0)
    curve = low * (2 * inner + inner**2) + high * (2 * inner - inner**2) - (x < -1) + (x >= 1)
    return 2.0 * (x >= 0) - 1, curve, upstream * (low * (2 + 2 * inner) + high * (2 - 2 * inner))


def right_autograd(x, upstream):
    """By torch's autograd of the curve."""
    t = torch.tensor(np.array(x), requires_grad=True)
    c = t.clamp(-1, 1)
    y = c * (2 - c.abs())
    tip = torch.where(t.detach() == 0, 2 * t, y)
    tip.backward(torch.tensor(np.array(upstream)))
    inside = (t.detach() >= -1) & (t.detach() < 1)
    slope_ends = torch.where((t.detach().abs() == 1) | ~inside, torch.zeros_like(t), t.grad)
    return torch.where(t >= 0, 1, -1), y.detach(), slope_ends


def right_loops(x, upstream):
    """Number by number, in lists."""
    signs, curve, gradient = [], [], []
    for v, g in zip(np.ravel(x).tolist(), np.ravel(upstream).tolist(), strict=True):
        signs.append(1 if v >= 0 else -1)
        if v < -1 or v >= 1:
            curve.append(signs[-1])
            gradient.append(0.0)
        elif v < 0:
            curve.append(v * (2 + v))
            gradient.append(g * (2 + 2 * v))
        else:
            curve.append(v * (2 - v))
            gradient.append(g * (2 - 2 * v))
    return [np.reshape(part, x.shape) for part in (signs, curve, gradient)]


def right_select(x, upstream):
    """By np.select."""
    where = [x < -1, x < 0, x < 1]
    inner = np.clip(x, -1, 1)
    curve = np.select(where, [-1, 2 * inner + inner**2, 2 * inner - inner**2], 1)
    slope = np.select(where, [0, 2 + 2 * inner, 2 - 2 * inner], 0)
    return [np.where(x < 0, -1, 1), curve, upstream * slope]


def right_completed_square(x, upstream):
    """With the square completed, and a maximum for the slope."""
    rest = 1 - np.minimum(np.abs(x), 1)
    signs = np.copysign(np.ones(x.shape), np.where(x == 0, 1.0, x))
    return signs, signs * (1 - rest**2), 2 * rest * upstream


def right_bounds_closed(x, upstream):
    """With both bounds inside, where the slope is 0."""
    inside = np.abs(x) <= 1
    c = np.where(inside, x, 0)
    curve = np.where(inside, 2 * c - c * np.abs(c), np.sign(x))
    return 1 - 2 * (x < 0), curve, inside * (2 - 2 * np.abs(c)) * upstream
