"""Answers to `binary_linear` of exercise 04."""


def signs_of(x):
    """Return signs as an array; that of 0 is +1."""
    return np.where(np.asarray(x) >= 0, 1.0, -1.0)


class Parts(nn.Module):
    """A layer of which single parts can be changed."""

    def __init__(self, weight, **parts):
        """Keep a parameter and the parts."""
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(np.array(weight)))
        self.parts = parts

    def forward(self, x):
        """Return the outputs."""
        scale = self.parts.get("scale", lambda w: w.detach().abs().mean(dim=1))
        of_x = self.parts.get("of_x", sign_ste)
        of_w = self.parts.get("of_w", sign_ste)
        return scale(self.weight) * (of_x(x) @ of_w(self.weight).T)


def passed(weight, x, upstream, rate, clip=(-1, 1), sign=1, **parts):
    """Return the whole answer."""
    layer = Parts(weight, **parts)
    inputs = torch.tensor(np.array(x), requires_grad=True)
    y = layer(inputs)
    y.backward(torch.tensor(np.array(upstream)))
    after = layer.weight.detach() - sign * rate * layer.weight.grad
    return y.detach(), inputs.grad, layer.weight.grad, after.clamp(*clip) if clip else after


def wrong_no_scale(weight, x, upstream, rate):
    """Message: The scale is missing: this is the sum"""
    return passed(weight, x, upstream, rate, scale=lambda w: 1.0)


def wrong_one_scale_for_all(weight, x, upstream, rate):
    """Message: The outputs are wrong for three images"""
    return passed(weight, x, upstream, rate, scale=lambda w: w.detach().abs().mean())


def wrong_scale_of_the_mean(weight, x, upstream, rate):
    """Message: The output is wrong for one image"""
    return passed(weight, x, upstream, rate, scale=lambda w: w.detach().mean(dim=1).abs())


def wrong_scale_root_mean_square(weight, x, upstream, rate):
    """Message: The output is wrong for one image"""
    return passed(weight, x, upstream, rate, scale=lambda w: w.detach().square().mean(dim=1).sqrt())


def wrong_scale_without_zeros(weight, x, upstream, rate):
    """Message: The outputs are wrong where 0, 1 and -1 are among weights"""

    def scale(w):
        w = w.detach()
        return w.abs().sum(dim=1) / (w != 0).sum(dim=1).clamp(min=1)

    return passed(weight, x, upstream, rate, scale=scale)


def wrong_scale_not_constant(weight, x, upstream, rate):
    """Message: The scale is no constant here"""
    return passed(weight, x, upstream, rate, scale=lambda w: w.abs().mean(dim=1))


def wrong_straight_past_the_scale(weight, x, upstream, rate):
    """Message: The scale is missing in the gradient of W"""

    def of_w(w):
        scaled = w.detach().abs().mean(dim=1, keepdim=True) * sign_ste(w).detach()
        soft = w.clamp(-1, 1)
        return soft + (scaled - soft).detach()

    return passed(weight, x, upstream, rate, scale=lambda w: 1.0, of_w=of_w)


def wrong_real_inputs(weight, x, upstream, rate):
    """Message: The inputs are not binary"""
    return passed(weight, x, upstream, rate, of_x=lambda x: x)


def wrong_inputs_pass_everywhere(weight, x, upstream, rate):
    """Message: The gradient of x is not stopped"""
    return passed(weight, x, upstream, rate, of_x=lambda x: x + (sign_ste(x) - x).detach())


def wrong_weights_pass_everywhere(weight, x, upstream, rate):
    """Message: The gradient of W is not stopped"""
    return passed(weight, x, upstream, rate, of_w=lambda w: w + (sign_ste(w) - w).detach())


def wrong_bounds_left_out(weight, x, upstream, rate):
    """Message: The gradient of x is wrong for one image"""
    y, for_x, for_w, after = passed(weight, x, upstream, rate)
    return y, for_x * (np.abs(np.array(x)) < 1), for_w, after


def wrong_torch_sign(weight, x, upstream, rate):
    """Message: wrong"""
    return passed(
        weight,
        x,
        upstream,
        rate,
        of_x=lambda x: x.clamp(-1, 1) + (x.sign() - x.clamp(-1, 1)).detach(),
    )


def wrong_sign_of_zero_weights(weight, x, upstream, rate):
    """Message: where 0, 1 and -1 are among weights and inputs"""

    def of_w(w):
        soft = w.clamp(-1, 1)
        return soft + (w.sign() - soft).detach()

    return passed(weight, x, upstream, rate, of_w=of_w)


def wrong_not_clipped(weight, x, upstream, rate):
    """Message: The latent weights are not clipped"""
    return passed(weight, x, upstream, rate, clip=None)


def wrong_clipped_before_the_step(weight, x, upstream, rate):
    """Message: The latent weights after the step are wrong"""
    y, for_x, for_w, _ = passed(weight, x, upstream, rate)
    return y, for_x, for_w, torch.tensor(np.array(weight)).clamp(-1, 1) - rate * for_w


def wrong_clipped_at_the_start(weight, x, upstream, rate):
    """Message: wrong for one image"""
    return passed(np.clip(weight, -1, 1), x, upstream, rate)


def wrong_step_upwards(weight, x, upstream, rate):
    """Message: The latent weights after the step are wrong"""
    return passed(weight, x, upstream, rate, sign=-1)


def wrong_binary_weights_after_the_step(weight, x, upstream, rate):
    """Message: The latent weights after the step are wrong"""
    *rest, after = passed(weight, x, upstream, rate)
    return *rest, sign_ste(after)


def wrong_step_from_the_signs(weight, x, upstream, rate):
    """Message: The latent weights after the step are wrong"""
    y, for_x, for_w, _ = passed(weight, x, upstream, rate)
    return y, for_x, for_w, (torch.tensor(signs_of(weight)) - rate * for_w).clamp(-1, 1)


def wrong_outputs_after_the_step(weight, x, upstream, rate):
    """Message: The output is wrong"""
    _, for_x, for_w, after = passed(weight, x, upstream, rate)
    return passed(after, x, upstream, rate)[0], for_x, for_w, after


def wrong_three_things(weight, x, upstream, rate):
    """Message: Return four things"""
    return passed(weight, x, upstream, rate)[1:]


def wrong_in_place(weight, x, upstream, rate):
    """Message: The inputs were changed in place"""
    answer = passed(weight, x, upstream, rate)
    weight[:] = answer[3]
    return answer


def wrong_sums_of_bytes(weight, x, upstream, rate):
    """Message: for hundreds of inputs whose signs nearly all agree or differ"""
    _, *rest = passed(weight, x, upstream, rate)
    signs = [np.where(values < 0, -1, 1).astype(np.int8) for values in (x, weight)]
    return signs[0] @ signs[1].T * np.abs(weight).mean(axis=1), *rest


def right_numpy(weight, x, upstream, rate):
    """By hand."""
    alpha = np.abs(weight).mean(axis=1)
    of_x, of_w = signs_of(x), signs_of(weight)
    y = of_x @ of_w.T * alpha
    for_x = (upstream * alpha) @ of_w * (np.abs(x) <= 1)
    for_w = (upstream * alpha).T @ of_x * (np.abs(weight) <= 1)
    return [y, for_x, for_w, np.clip(weight - rate * for_w, -1, 1)]


def right_double(weight, x, upstream, rate):
    """In float64, with the scales in the weights."""

    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.latent = nn.Parameter(torch.tensor(np.array(weight, dtype=float)))

        def forward(self, x):
            with torch.no_grad():
                scales = self.latent.norm(p=1, dim=1, keepdim=True) / self.latent.shape[1]
            return functional.linear(sign_ste(x), scales * sign_ste(self.latent))

    layer = Wide()
    inputs = torch.tensor(np.array(x, dtype=float)).requires_grad_()
    y = layer.forward(inputs)
    (y * torch.tensor(np.array(upstream, dtype=float))).sum().backward()
    with torch.no_grad():
        after = torch.clip(layer.latent - rate * layer.latent.grad, -1, 1)
    return y.detach().tolist(), inputs.grad.tolist(), layer.latent.grad, after


def right_own_function(weight, x, upstream, rate):
    """With a function of autograd for the whole product."""

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            a, b = (torch.where(v < 0, -1.0, 1.0) for v in (x, w))
            return torch.einsum("nk,ok,o->no", a, b, w.abs().mean(dim=1))

        @staticmethod
        def backward(ctx, upstream):
            x, w = ctx.saved_tensors
            a, b = (torch.where(v < 0, -1.0, 1.0) for v in (x, w))
            scaled = upstream * w.abs().mean(dim=1)
            return scaled @ b * (x.abs() <= 1), scaled.T @ a * (w.abs() <= 1)

    x, w = (torch.from_numpy(np.array(v)).requires_grad_() for v in (x, weight))
    y = Product.apply(x, w)
    for_x, for_w = torch.autograd.grad(y, [x, w], torch.from_numpy(np.array(upstream)))
    return y.detach(), for_x, for_w, (w.detach() - rate * for_w).clamp(min=-1, max=1)
