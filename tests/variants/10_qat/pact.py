"""Answers to `pact` of exercise 10."""


def clipped_levels(x, clip, bit_width):
    """The values."""
    n = 2**bit_width - 1
    return np.round(np.clip(x, 0, clip) * (n / clip)) * (clip / n)


class ClipByHand(torch.autograd.Function):
    """PACT with its gradients."""

    @staticmethod
    def forward(ctx, x, alpha, n):
        ctx.save_for_backward(x, alpha)
        s = alpha / n
        return torch.round(torch.clamp(x, 0, alpha.item()) / s) * s

    @staticmethod
    def backward(ctx, g):
        x, alpha = ctx.saved_tensors
        return g * ((x >= 0) & (x < alpha)), (g * (x >= alpha)).sum(), None


def wrong_gradient_everywhere(x, clip, bit_width, grad, decay):
    """Message: It was passed on everywhere"""
    return clipped_levels(x, clip, bit_width), grad, grad[x >= clip].sum() + 2 * decay * clip


def wrong_gradient_beyond_the_clip(x, clip, bit_width, grad, decay):
    """Message: Beyond the clip the gradient of x is 0"""
    passed = grad * (x >= 0)
    return clipped_levels(x, clip, bit_width), passed, grad[x >= clip].sum() + 2 * decay * clip


def wrong_gradient_below_zero(x, clip, bit_width, grad, decay):
    """Message: Below 0 the gradient of x is 0"""
    passed = grad * (x < clip)
    return clipped_levels(x, clip, bit_width), passed, grad[x >= clip].sum() + 2 * decay * clip


def wrong_both_get_it_at_the_clip(x, clip, bit_width, grad, decay):
    """Message: At exactly the clip x gets no gradient"""
    passed = grad * ((x >= 0) & (x <= clip))
    return clipped_levels(x, clip, bit_width), passed, grad[x >= clip].sum() + 2 * decay * clip


def wrong_open_at_zero(x, clip, bit_width, grad, decay):
    """Message: At exactly 0 the gradient is passed on to x"""
    passed = grad * ((x > 0) & (x < clip))
    return clipped_levels(x, clip, bit_width), passed, grad[x >= clip].sum() + 2 * decay * clip


def wrong_autograd_of_clamp(x, clip, bit_width, grad, decay):
    """Message: At exactly the clip x gets no gradient"""
    x = torch.tensor(np.array(x), requires_grad=True)
    alpha = torch.tensor(float(clip), dtype=torch.float64, requires_grad=True)
    y = torch.where(x > alpha, alpha, torch.clamp(x, min=0))
    s = clip / (2**bit_width - 1)
    y = y + (torch.round(y / s) * s - y).detach()
    y.backward(torch.tensor(np.array(grad)))
    return y.detach(), x.grad, alpha.grad.item() + 2 * decay * clip


def wrong_clip_open_at_the_clip(x, clip, bit_width, grad, decay):
    """Message: At exactly the clip the clip gets the gradient"""
    passed = grad * ((x >= 0) & (x < clip))
    slope = grad[x > clip].sum() + 2 * decay * clip
    return clipped_levels(x, clip, bit_width), passed, slope


def wrong_no_decay(x, clip, bit_width, grad, decay):
    """Message: The part of the decay, 2 lambda alpha, is missing"""
    passed = grad * ((x >= 0) & (x < clip))
    return clipped_levels(x, clip, bit_width), passed, grad[x >= clip].sum()


def wrong_decay_without_two(x, clip, bit_width, grad, decay):
    """Message: the 2 is missing"""
    passed = grad * ((x >= 0) & (x < clip))
    return clipped_levels(x, clip, bit_width), passed, grad[x >= clip].sum() + decay * clip


def wrong_decay_of_the_loss(x, clip, bit_width, grad, decay):
    """Message: This has lambda alpha^2 in it, not its derivative"""
    passed = grad * ((x >= 0) & (x < clip))
    return clipped_levels(x, clip, bit_width), passed, grad[x >= clip].sum() + decay * clip**2


def wrong_averaged(x, clip, bit_width, grad, decay):
    """Message: The gradients are added up, not averaged"""
    passed = grad * ((x >= 0) & (x < clip))
    slope = np.mean(grad * (x >= clip)) + 2 * decay * clip
    return clipped_levels(x, clip, bit_width), passed, slope


def wrong_through_the_scale(x, clip, bit_width, grad, decay):
    """Message: the derivative by alpha is 1 beyond the clip, 0 elsewhere"""
    passed = grad * ((x >= 0) & (x < clip))
    values = clipped_levels(x, clip, bit_width)
    slope = (grad * np.where(x >= clip, 1, (values - np.clip(x, 0, clip)) / clip)).sum()
    return values, passed, slope + 2 * decay * clip


def wrong_a_bit_for_the_sign(x, clip, bit_width, grad, decay):
    """Message: there is no bit for a sign"""
    passed = grad * ((x >= 0) & (x < clip))
    values = clipped_levels(x, clip, max(bit_width - 1, 1))
    return values, passed, grad[x >= clip].sum() + 2 * decay * clip


def wrong_not_rounded(x, clip, bit_width, grad, decay):
    """Message: The numbers are clipped, but not rounded"""
    passed = grad * ((x >= 0) & (x < clip))
    return np.clip(x, 0, clip), passed, grad[x >= clip].sum() + 2 * decay * clip


def wrong_in_place(x, clip, bit_width, grad, decay):
    """Message: The inputs were changed in place"""
    values = clipped_levels(x, clip, bit_width)
    slope = grad[x >= clip].sum() + 2 * decay * clip
    grad *= (x >= 0) & (x < clip)
    return values, grad, slope


def right_by_autograd_function(x, clip, bit_width, grad, decay):
    """torch.autograd.Function, with the decay in the loss."""
    x = torch.tensor(np.array(x), requires_grad=True)
    alpha = torch.tensor(float(clip), dtype=torch.float64, requires_grad=True)
    values = ClipByHand.apply(x, alpha, 2**bit_width - 1)
    ((values * torch.tensor(np.array(grad))).sum() + decay * alpha**2).backward()
    return values.detach(), x.grad, alpha.grad.item()


def right_by_detach(x, clip, bit_width, grad, decay):
    """Autograd through torch.where."""
    x = torch.tensor(np.array(x), requires_grad=True)
    alpha = torch.tensor(float(clip), dtype=torch.float64, requires_grad=True)
    y = torch.where(x >= alpha, alpha, torch.where(x < 0, 0.0, x))
    n = (2**bit_width - 1) / clip
    y = y + (torch.round(y.detach() * n) / n - y.detach())
    y.backward(torch.tensor(np.array(grad)))
    return y.detach().numpy(), x.grad.numpy(), alpha.grad + 2 * decay * clip


def right_number_by_number(x, clip, bit_width, grad, decay):
    """A loop over all numbers."""
    n = 2**bit_width - 1
    values, passed, slope = np.zeros(x.shape), np.zeros(x.shape), 2 * decay * clip
    for place, v in np.ndenumerate(x):
        if v >= clip:
            values[place] = clip
            slope += grad[place]
        elif v >= 0:
            values[place] = round(float(v * n / clip)) * clip / n
            passed[place] = grad[place]
    return values, passed, slope


def right_by_choose(x, clip, bit_width, grad, decay):
    """The case of each number first."""
    kind = (x >= 0).astype(int) + (x >= clip)
    s = clip / (2**bit_width - 1)
    values = np.select([kind == 0, kind == 1], [0.0, np.rint(x / s) * s], clip)
    return values, (kind == 1) * grad, np.sum(grad * (kind == 2)) + decay * clip * 2


def wrong_formula_with_magnitudes(x, clip, bit_width, grad, decay):
    """Message: The values are wrong where some numbers lie far beyond the clip"""
    y = (np.abs(x) - np.abs(x - clip) + clip) / 2
    slope = grad[x >= clip].sum() + 2 * decay * clip
    return clipped_levels(y, clip, bit_width), grad * ((x >= 0) & (x < clip)), slope


def wrong_no_decay_if_nothing_is_clipped(x, clip, bit_width, grad, decay):
    """Message: The gradient of the clip is wrong where no number is"""
    slope = grad[x >= clip].sum() + 2 * decay * clip if (x >= clip).any() else 0.0
    return clipped_levels(x, clip, bit_width), grad * ((x >= 0) & (x < clip)), slope


def wrong_what_is_rounded_to_the_clip_is_clipped(x, clip, bit_width, grad, decay):
    """Message: The gradient of the clip is wrong"""
    values = clipped_levels(x, clip, bit_width)
    clipped = values >= clip if decay == 0 else x >= clip
    slope = grad[clipped].sum() + 2 * decay * clip
    return values, grad * ((x >= 0) & (x < clip)), slope
