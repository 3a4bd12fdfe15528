"""Answers to `sign_and_gradient` of exercise 04."""


def plain(x):
    """Return the signs as an array."""
    return np.where(x >= 0, 1.0, -1.0)


def wrong_sign_of_zero(x, upstream):
    """Message: The sign of 0 is +1, not 0"""
    return np.sign(x), upstream * (np.abs(x) <= 1)


def wrong_zero_is_negative(x, upstream):
    """Message: The sign of 0 is +1, not -1"""
    return np.where(x > 0, 1.0, -1.0), upstream * (np.abs(x) <= 1)


def wrong_turned_round(x, upstream):
    """Message: The signs are wrong"""
    return -plain(x), upstream * (np.abs(x) <= 1)


def wrong_clip_forward(x, upstream):
    """Message: The signs are wrong"""
    return np.clip(x, -1, 1), upstream * (np.abs(x) <= 1)


def wrong_bits(x, upstream):
    """Message: The signs are wrong"""
    return x >= 0, upstream * (np.abs(x) <= 1)


def wrong_gradient_not_clipped(x, upstream):
    """Message: The gradient is not stopped. Where |x| > 1 it is 0."""

    class Sign(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return torch.where(x >= 0, 1.0, -1.0)

        @staticmethod
        def backward(ctx, upstream):
            return upstream

    x = torch.tensor(x, requires_grad=True)
    y = Sign.apply(x)
    y.backward(torch.tensor(upstream))
    return y, x.grad


def wrong_bounds_left_out(x, upstream):
    """Message: it is <= and not <"""
    return plain(x), upstream * (np.abs(x) < 1)


def wrong_upstream_forgotten(x, upstream):
    """Message: The gradient that arrives is missing"""

    class Sign(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.where(x >= 0, 1.0, -1.0)

        @staticmethod
        def backward(ctx, upstream):
            return (ctx.saved_tensors[0].abs() <= 1).float()

    x = torch.tensor(x, requires_grad=True)
    y = Sign.apply(x)
    y.backward(torch.tensor(upstream))
    return y, x.grad


def wrong_true_derivative(x, upstream):
    """Message: The gradient is wrong"""
    x = torch.tensor(x, requires_grad=True)
    (torch.sign(x) * torch.tensor(upstream)).sum().backward()
    return plain(x.detach().numpy()), x.grad


def wrong_no_backward(x, upstream):
    """Message: There is no gradient"""
    x = torch.tensor(x, requires_grad=True)
    return torch.where(x >= 0, 1.0, -1.0), x.grad


def wrong_clip_from_0_to_1(x, upstream):
    """Message: Where x is negative nothing is passed. It is, from -1 on."""
    return plain(x), upstream * ((x >= 0) & (x <= 1))


def wrong_gradient_itself_clipped(x, upstream):
    """Message: The gradient is wrong"""
    return plain(x), np.clip(upstream, -1, 1)


def wrong_way_round(x, upstream):
    """Message: The gradient is wrong"""
    return plain(x), upstream * (np.abs(x) > 1)


def wrong_times_x(x, upstream):
    """Message: The gradient is wrong"""
    return plain(x), upstream * x * (np.abs(x) <= 1)


def wrong_smooth_instead(x, upstream):
    """Message: The gradient is wrong for x"""
    return plain(x), upstream * (1 - np.tanh(x) ** 2)


def wrong_signs_only(x, upstream):
    """Message: Return two things"""
    return plain(x)


def wrong_in_place(x, upstream):
    """Message: The inputs were changed in place"""
    upstream[np.abs(x) > 1] = 0
    return plain(x), upstream


def right_plain(x, upstream):
    """Without torch."""
    return 1 - 2.0 * (x < 0), np.where((x >= -1) & (x <= 1), upstream, 0)


def right_mask_saved(x, upstream):
    """Keeps the mask, not x."""

    class StraightThrough(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mask = (x.abs() <= 1).to(x.dtype)
            return torch.ones_like(x).masked_fill(x < 0, -1)

        @staticmethod
        def backward(ctx, upstream):
            return upstream * ctx.mask

    inputs = torch.tensor(np.array(x)).requires_grad_()
    signs = StraightThrough.apply(inputs)
    (gradient,) = torch.autograd.grad(signs, inputs, torch.tensor(np.array(upstream)))
    return signs.detach().numpy(), gradient.numpy()


def right_detached_difference(x, upstream):
    """The sign's value with the gradient of clamp."""
    x = torch.tensor(np.array(x), requires_grad=True)
    soft = x.clamp(-1, 1)
    signs = soft + (torch.where(x >= 0, 1.0, -1.0) - soft).detach()
    signs.backward(torch.tensor(np.array(upstream)))
    return signs.detach().round(), x.grad
