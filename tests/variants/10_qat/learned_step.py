"""Answers to `learned_step` of exercise 10."""


def along_rows(steps, x):
    """The steps along the first axis of x."""
    return steps.reshape((-1,) + (1,) * (x.ndim - 1))


def slope_parts(x, steps, q_low, q_high, grad):
    """Values, the gradient of x, and that of the steps before its scale."""
    s = along_rows(steps, x)
    r = np.round(x / s)
    q = np.clip(r, q_low, q_high)
    by_s = np.where(r == q, q - x / s, q)
    return q * s, np.where(r == q, grad, 0), (grad * by_s).reshape(len(x), -1).sum(1)


def scale_of(x, q_high):
    """1 / sqrt(N q_high)."""
    return 1 / math.sqrt(x[0].size * q_high)


class StepByHand(torch.autograd.Function):
    """LSQ's rounding with its gradients."""

    @staticmethod
    def forward(ctx, x, s, low, high, g):
        ctx.save_for_backward(x, s)
        ctx.rest = low, high, g
        return torch.clamp(torch.round(x / s), low, high) * s

    @staticmethod
    def backward(ctx, grad):
        x, s = ctx.saved_tensors
        low, high, g = ctx.rest
        r = x / s
        under, over = r.round() < low, r.round() > high
        inside = ~(under | over)
        by_s = under * low + over * high + inside * (r.round() - r)
        return grad * inside, (grad * by_s * g).sum_to_size(s.shape), None, None, None


def wrong_without_scale(x, steps, q_low, q_high, grad, rate):
    """Message: lacks its scale"""
    values, passed, slope = slope_parts(x, steps, q_low, q_high, grad)
    return values, passed, slope, steps * np.exp(-rate * steps * slope)


def wrong_scale_without_q(x, steps, q_low, q_high, grad, rate):
    """Message: q_high is missing in the scale"""
    values, passed, slope = slope_parts(x, steps, q_low, q_high, grad)
    slope = slope / math.sqrt(x[0].size)
    return values, passed, slope, steps * np.exp(-rate * steps * slope)


def wrong_scale_of_all_numbers(x, steps, q_low, q_high, grad, rate):
    """Message: N is how many numbers share one step, not how many there are in x"""
    values, passed, slope = slope_parts(x, steps, q_low, q_high, grad)
    slope = slope / math.sqrt(x.size * q_high)
    return values, passed, slope, steps * np.exp(-rate * steps * slope)


def wrong_scale_without_root(x, steps, q_low, q_high, grad, rate):
    """Message: N and q_high under the root"""
    values, passed, slope = slope_parts(x, steps, q_low, q_high, grad)
    slope = slope / (x[0].size * q_high)
    return values, passed, slope, steps * np.exp(-rate * steps * slope)


def wrong_scale_of_codes(x, steps, q_low, q_high, grad, rate):
    """Message: The scale has q_high, not the number of codes"""
    values, passed, slope = slope_parts(x, steps, q_low, q_high, grad)
    wide = q_high if q_low else q_high + 1
    slope = slope / math.sqrt(x[0].size * wide)
    return values, passed, slope, steps * np.exp(-rate * steps * slope)


def wrong_subtracted(x, steps, q_low, q_high, grad, rate):
    """Message: The step was changed by subtraction"""
    values, passed, slope = slope_parts(x, steps, q_low, q_high, grad)
    slope = slope * scale_of(x, q_high)
    return values, passed, slope, steps - rate * slope


def wrong_kept_off_zero(x, steps, q_low, q_high, grad, rate):
    """Message: The step was changed by subtraction"""
    values, passed, slope = slope_parts(x, steps, q_low, q_high, grad)
    slope = slope * scale_of(x, q_high)
    return values, passed, slope, np.maximum(steps - rate * slope, 1e-8)


def wrong_chain_rule_forgotten(x, steps, q_low, q_high, grad, rate):
    """Message: The step itself stands in the exponent as well"""
    values, passed, slope = slope_parts(x, steps, q_low, q_high, grad)
    slope = slope * scale_of(x, q_high)
    return values, passed, slope, steps * np.exp(-rate * slope)


def wrong_uphill(x, steps, q_low, q_high, grad, rate):
    """Message: descent goes against the gradient"""
    values, passed, slope = slope_parts(x, steps, q_low, q_high, grad)
    slope = slope * scale_of(x, q_high)
    return values, passed, slope, steps * np.exp(rate * steps * slope)


def wrong_gradient_of_the_logarithm(x, steps, q_low, q_high, grad, rate):
    """Message: This is the gradient of the logarithm of the steps"""
    values, passed, slope = slope_parts(x, steps, q_low, q_high, grad)
    slope = slope * scale_of(x, q_high) * steps
    return values, passed, slope, steps * np.exp(-rate * slope)


def wrong_gradient_where_clamped(x, steps, q_low, q_high, grad, rate):
    """Message: It was passed on everywhere"""
    values, _, slope = slope_parts(x, steps, q_low, q_high, grad)
    slope = slope * scale_of(x, q_high)
    return values, grad, slope, steps * np.exp(-rate * steps * slope)


def wrong_clamped_by_the_ratio(x, steps, q_low, q_high, grad, rate):
    """Message: where its rounded number lies beyond a code, not where x/s does"""
    s = along_rows(steps, x)
    ratio = x / s
    inside = (ratio >= q_low) & (ratio <= q_high)
    q = np.clip(np.round(ratio), q_low, q_high)
    slope = (grad * np.where(inside, q - ratio, q)).reshape(len(x), -1).sum(1)
    slope = slope * scale_of(x, q_high)
    return q * s, grad * inside, slope, steps * np.exp(-rate * steps * slope)


def wrong_clamped_give_nothing(x, steps, q_low, q_high, grad, rate):
    """Message: Clamped numbers give the step a gradient, too"""
    s = along_rows(steps, x)
    r = np.round(x / s)
    inside = (r >= q_low) & (r <= q_high)
    slope = (grad * inside * (r - x / s)).reshape(len(x), -1).sum(1) * scale_of(x, q_high)
    return (
        np.clip(r, q_low, q_high) * s,
        grad * inside,
        slope,
        steps * np.exp(-rate * steps * slope),
    )


def wrong_codes_as_gradient(x, steps, q_low, q_high, grad, rate):
    """Message: not the code alone"""
    s = along_rows(steps, x)
    r = np.round(x / s)
    q = np.clip(r, q_low, q_high)
    slope = (grad * q).reshape(len(x), -1).sum(1) * scale_of(x, q_high)
    return q * s, grad * (q == r), slope, steps * np.exp(-rate * steps * slope)


def wrong_ratio_left_in_where_clamped(x, steps, q_low, q_high, grad, rate):
    """Message: q_low or q_high, without x/s"""
    s = along_rows(steps, x)
    r = np.round(x / s)
    q = np.clip(r, q_low, q_high)
    slope = (grad * (q - x / s)).reshape(len(x), -1).sum(1) * scale_of(x, q_high)
    return q * s, grad * (q == r), slope, steps * np.exp(-rate * steps * slope)


def wrong_symmetric_codes(x, steps, q_low, q_high, grad, rate):
    """Message: The first code is q_low, not -q_high"""
    values, passed, slope = slope_parts(x, steps, -q_high, q_high, grad)
    slope = slope * scale_of(x, q_high)
    return values, passed, slope, steps * np.exp(-rate * steps * slope)


def wrong_steps_along_the_last_axis(x, steps, q_low, q_high, grad, rate):
    """Message: The steps belong to the first axis of x"""
    steps_of = steps if x.shape[-1] == len(steps) else along_rows(steps, x)
    r = np.round(x / steps_of)
    q = np.clip(r, q_low, q_high)
    slope = slope_parts(x, steps, q_low, q_high, grad)[2] * scale_of(x, q_high)
    return q * steps_of, grad * (q == r), slope, steps * np.exp(-rate * steps * slope)


def wrong_two_axes_only(x, steps, q_low, q_high, grad, rate):
    """Message: The steps belong to the first axis of x"""
    s = steps[:, None]
    r = np.round(x / s)
    q = np.clip(r, q_low, q_high)
    slope = slope_parts(x, steps, q_low, q_high, grad)[2] * scale_of(x, q_high)
    return q * s, grad * (q == r), slope, steps * np.exp(-rate * steps * slope)


def wrong_steps_changed(x, steps, q_low, q_high, grad, rate):
    """Message: The inputs were changed in place"""
    values, passed, slope = slope_parts(x, steps, q_low, q_high, grad)
    slope = slope * scale_of(x, q_high)
    steps *= np.exp(-rate * steps * slope)
    return values, passed, slope, steps


def right_by_autograd_function(x, steps, q_low, q_high, grad, rate):
    """torch.autograd.Function, and the logarithm as a parameter."""
    x = torch.tensor(np.array(x), requires_grad=True)
    theta = torch.tensor(np.log(steps), requires_grad=True)
    s = torch.exp(theta)
    s.retain_grad()
    across = s.reshape(-1, *[1] * (x.ndim - 1))
    values = StepByHand.apply(x, across, q_low, q_high, scale_of(x.detach().numpy(), q_high))
    values.backward(torch.tensor(np.array(grad)))
    new = torch.exp(theta.detach() - rate * theta.grad)
    return values.detach(), x.grad, s.grad, new


def right_by_detach(x, steps, q_low, q_high, grad, rate):
    """Autograd, with the rounding and the scale by detach."""
    x = torch.tensor(np.array(x), requires_grad=True)
    s = torch.tensor(np.array(steps), requires_grad=True)
    g = (x[0].numel() * q_high) ** -0.5
    scaled = (s * g + (s - s * g).detach()).reshape(-1, *[1] * (x.ndim - 1))
    r = x / scaled
    r = r + (torch.round(r) - r).detach()
    values = torch.where(r > q_high, q_high, torch.where(r < q_low, q_low, r)) * scaled
    values.backward(torch.tensor(np.array(grad)))
    theta = torch.log(s.detach()) - rate * s.detach() * s.grad
    return values.detach().numpy(), x.grad.numpy(), s.grad.numpy(), theta.exp().numpy()


def right_channel_by_channel(x, steps, q_low, q_high, grad, rate):
    """A loop over channels, with lists of results."""
    values, passed, slopes, new = [], [], [], []
    for row, s, g in zip(x, steps, grad, strict=True):
        r = np.rint(row / s)
        above, below = r > q_high, r < q_low
        q = np.where(above, q_high, np.where(below, q_low, r))
        inside = ~above & ~below
        values.append(q * s)
        passed.append(g * inside)
        total = (
            np.sum(g * inside * (r - row / s)) + q_high * g[above].sum() + q_low * g[below].sum()
        )
        slopes.append(total / np.sqrt(float(row.size * q_high)))
        new.append(s / math.exp(rate * s * slopes[-1]))
    return np.array(values), np.array(passed), slopes, new


def right_by_einsum(x, steps, q_low, q_high, grad, rate):
    """Channels last."""
    ratio = (x.T / steps).T
    q = np.minimum(np.maximum(np.round(ratio), q_low), q_high)
    held = np.round(ratio) != q
    by_s = q - np.where(held, 0.0, ratio)
    slope = np.einsum("oi,oi->o", grad.reshape(len(x), -1), by_s.reshape(len(x), -1))
    slope *= (x.size / len(x) * q_high) ** -0.5
    return (
        (q.T * steps).T,
        np.where(held, 0, grad),
        slope,
        np.exp(np.log(steps) - rate * steps * slope),
    )


def wrong_softplus(x, steps, q_low, q_high, grad, rate):
    """Message: The new steps are wrong, though their gradient is right"""
    values, passed, slope = slope_parts(x, steps, q_low, q_high, grad)
    slope = slope * scale_of(x, q_high)
    inner = steps + np.log(-np.expm1(-steps)) - rate * slope * -np.expm1(-steps)
    return values, passed, slope, np.log1p(np.exp(inner))


def wrong_floor(x, steps, q_low, q_high, grad, rate):
    """Message: Here everything was cut off downwards"""
    s = along_rows(steps, x)
    r = np.floor(x / s)
    q = np.clip(r, q_low, q_high)
    slope = (grad * np.where(r == q, q - x / s, q)).reshape(len(x), -1).sum(1)
    slope = slope * scale_of(x, q_high)
    return q * s, grad * (r == q), slope, steps * np.exp(-rate * steps * slope)


def wrong_codes_in_64_bits_before_the_clamp(x, steps, q_low, q_high, grad, rate):
    """Message: The values are wrong where some numbers lie far beyond the last code"""
    s = along_rows(steps, x)
    _, passed, slope = slope_parts(x, steps, q_low, q_high, grad)
    slope = slope * scale_of(x, q_high)
    codes = np.clip(np.round(x / s).astype(np.int64), q_low, q_high)
    return codes * s, passed, slope, steps * np.exp(-rate * steps * slope)


def wrong_code_at_an_end_is_clamped(x, steps, q_low, q_high, grad, rate):
    """Message: The gradient of the steps is wrong"""
    s = along_rows(steps, x)
    values, passed, _ = slope_parts(x, steps, q_low, q_high, grad)
    r = np.round(x / s)
    by_s = np.where(r <= q_low, q_low, np.where(r >= q_high, q_high, r - x / s))
    slope = (grad * by_s).reshape(len(x), -1).sum(1) * scale_of(x, q_high)
    return values, passed, slope, steps * np.exp(-rate * steps * slope)


def wrong_exponent_is_bounded(x, steps, q_low, q_high, grad, rate):
    """Message: The new steps are wrong where the gradient is so large"""
    values, passed, slope = slope_parts(x, steps, q_low, q_high, grad)
    slope = slope * scale_of(x, q_high)
    return values, passed, slope, steps * np.exp(np.clip(-rate * steps * slope, -2, 2))


def wrong_zero_passes_nothing(x, steps, q_low, q_high, grad, rate):
    """Message: where numbers are 0, or lie on levels"""
    values, passed, slope = slope_parts(x, steps, q_low, q_high, grad)
    slope = slope * scale_of(x, q_high)
    return values, passed * np.abs(np.sign(x)), slope, steps * np.exp(-rate * steps * slope)
