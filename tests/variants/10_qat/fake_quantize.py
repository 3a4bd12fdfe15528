"""Answers to `fake_quantize` of exercise 10."""


def range_of(low, high, bit_width):
    """Step, and the ends that 0 has moved."""
    s = (high - low) / (2**bit_width - 1)
    z = np.round(-low / s)
    return s, -z * s, (2**bit_width - 1 - z) * s


def four_parts(x, low, high, grad, s, mask=None):
    """All four results for ends that are ready."""
    values = np.round(np.clip(x, low, high) / s) * s
    mask = (x >= low) & (x <= high) if mask is None else mask
    return values, grad * mask, grad[x < low].sum(), grad[x > high].sum()


class RangeByHand(torch.autograd.Function):
    """Fake quantization with the gradients written out."""

    @staticmethod
    def forward(ctx, x, low, high, s):
        ctx.save_for_backward(x, low, high)
        return torch.round(torch.clamp(x, low.item(), high.item()) / s) * s

    @staticmethod
    def backward(ctx, g):
        x, low, high = ctx.saved_tensors
        inside = (x >= low) & (x <= high)
        return g * inside, (g * (x < low)).sum(), (g * (x > high)).sum(), None


def wrong_ends_not_moved(x, low, high, bit_width, grad):
    """Message: The ends were not moved"""
    s = (high - low) / (2**bit_width - 1)
    values = low + s * np.round((np.clip(x, low, high) - low) / s)
    inside = (x >= low) & (x <= high)
    return values, grad * inside, grad[x < low].sum(), grad[x > high].sum()


def wrong_gradient_beyond_the_range(x, low, high, bit_width, grad):
    """Message: It was passed on everywhere"""
    s, low, high = range_of(low, high, bit_width)
    return four_parts(x, low, high, grad, s, np.ones(x.shape))


def wrong_no_gradient(x, low, high, bit_width, grad):
    """Message: the gradient is not 0 everywhere"""
    s, low, high = range_of(low, high, bit_width)
    return four_parts(x, low, high, grad, s, np.zeros(x.shape))


def wrong_mask_of_the_first_ends(x, low, high, bit_width, grad):
    """Message: for the ends that came, not for those that 0 moved"""
    s, new_low, new_high = range_of(low, high, bit_width)
    return four_parts(x, new_low, new_high, grad, s, (x >= low) & (x <= high))


def wrong_mask_half_a_step_wider(x, low, high, bit_width, grad):
    """Message: though it is rounded to the same level"""
    s, low, high = range_of(low, high, bit_width)
    mask = (np.round(x / s) >= np.round(low / s)) & (np.round(x / s) <= np.round(high / s))
    return four_parts(x, low, high, grad, s, mask)


def wrong_ends_excluded(x, low, high, bit_width, grad):
    """Message: The ends belong to the range"""
    s, low, high = range_of(low, high, bit_width)
    return four_parts(x, low, high, grad, s, (x > low) & (x < high))


def wrong_ends_take_what_lies_on_them(x, low, high, bit_width, grad):
    """Message: gives its gradient to x, not to low"""
    s, low, high = range_of(low, high, bit_width)
    values, passed, _, _ = four_parts(x, low, high, grad, s)
    return values, passed, grad[x <= low].sum(), grad[x >= high].sum()


def wrong_averaged(x, low, high, bit_width, grad):
    """Message: The gradients are added up, not averaged"""
    s, low, high = range_of(low, high, bit_width)
    values, passed, _, _ = four_parts(x, low, high, grad, s)
    return values, passed, np.mean(grad * (x < low)), np.mean(grad * (x > high))


def wrong_mean_of_an_empty_part(x, low, high, bit_width, grad):
    """Message: The gradients of those below are added up"""
    s, low, high = range_of(low, high, bit_width)
    values, passed, _, _ = four_parts(x, low, high, grad, s)
    return values, passed, grad[x < low].mean(), grad[x > high].mean()


def wrong_ends_exchanged(x, low, high, bit_width, grad):
    """Message: The gradients of the two ends are exchanged"""
    s, low, high = range_of(low, high, bit_width)
    values, passed, below, above = four_parts(x, low, high, grad, s)
    return values, passed, above, below


def wrong_array_for_an_end(x, low, high, bit_width, grad):
    """Message: must be one number"""
    s, low, high = range_of(low, high, bit_width)
    values, passed, _, _ = four_parts(x, low, high, grad, s)
    return values, passed, grad * (x < low), grad * (x > high)


def wrong_mask_alone(x, low, high, bit_width, grad):
    """Message: The mask is not the gradient"""
    s, low, high = range_of(low, high, bit_width)
    return four_parts(x, low, high, np.ones(x.shape), s)


def wrong_parts_of_the_range(x, low, high, bit_width, grad):
    """Message: cut into 2**b - 1 parts, not into 2**b"""
    s = (high - low) / 2**bit_width
    z = np.round(-low / s)
    return four_parts(x, -z * s, (2**bit_width - z) * s, grad, s)


def wrong_not_clamped(x, low, high, bit_width, grad):
    """Message: beyond the range were not clamped"""
    s, low, high = range_of(low, high, bit_width)
    return np.round(x / s) * s, *four_parts(x, low, high, grad, s)[1:]


def wrong_codes_returned(x, low, high, bit_width, grad):
    """Message: These are the codes"""
    s, low, high = range_of(low, high, bit_width)
    values, *rest = four_parts(x, low, high, grad, s)
    return values / s, *rest


def wrong_zero_point_down(x, low, high, bit_width, grad):
    """Message: rounded to the nearest whole number, not downwards"""
    s = (high - low) / (2**bit_width - 1)
    z = np.floor(-low / s)
    return four_parts(x, -z * s, (2**bit_width - 1 - z) * s, grad, s)


def wrong_in_place(x, low, high, bit_width, grad):
    """Message: The inputs were changed in place"""
    s, low, high = range_of(low, high, bit_width)
    found = four_parts(x, low, high, grad, s)
    grad[(x < low) | (x > high)] = 0
    return found


def wrong_in_float32(x, low, high, bit_width, grad):
    """Message: Only its first digits are right"""
    s, low, high = range_of(low, high, bit_width)
    return tuple(np.asarray(v, np.float32) for v in four_parts(x, low, high, grad, s))


def right_by_autograd_function(x, low, high, bit_width, grad):
    """torch.autograd.Function."""
    s, low, high = range_of(low, high, bit_width)
    given = [torch.tensor(np.array(v), dtype=torch.float64) for v in (x, low, high)]
    x, low, high = (v.requires_grad_() for v in given)
    values = RangeByHand.apply(x, low, high, s)
    values.backward(torch.tensor(np.array(grad)))
    return values.detach(), x.grad, low.grad.item(), high.grad.item()


def right_by_detach(x, low, high, bit_width, grad):
    """Autograd through torch.where, with the rounding detached."""
    s, low, high = range_of(low, high, bit_width)
    x, low, high = (
        torch.tensor(np.array(v), dtype=torch.float64, requires_grad=True) for v in (x, low, high)
    )
    y = torch.where(x < low, low, torch.where(x > high, high, x))
    y = y + (torch.round(y / s) * s - y).detach()
    y.backward(torch.tensor(np.array(grad)))
    return y.detach().numpy(), x.grad.numpy(), low.grad, high.grad


def right_by_codes(x, low, high, bit_width, grad):
    """With integers for the codes, clamped as codes; and with np.where."""
    top = 2**bit_width - 1
    s = (high - low) / top
    z = round(-low / s)
    codes = np.clip(np.round(x / s) + z, 0, top).astype(int)
    under, over = x < -z * s, x > (top - z) * s
    below = np.where(under, grad, 0).sum()
    return (codes - z) * s, np.where(under + over, 0, grad), below, np.where(over, grad, 0).sum()


def right_number_by_number(x, low, high, bit_width, grad):
    """A loop over all numbers."""
    s, low, high = range_of(low, high, bit_width)
    values, passed = np.zeros(x.shape), np.zeros(x.shape)
    below = above = 0.0
    for place in np.ndindex(x.shape):
        v, g = x[place], grad[place]
        if v < low:
            v = low
            below += g
        elif v > high:
            v = high
            above += g
        else:
            passed[place] = g
        values[place] = s * round(float(v / s))
    return values, passed, below, above


def wrong_codes_in_64_bits_before_the_clamp(x, low, high, bit_width, grad):
    """Message: The values are wrong where numbers lie far beyond the range"""
    s, low, high = range_of(low, high, bit_width)
    _, *gradients = four_parts(x, low, high, grad, s)
    codes = np.round(x / s).astype(np.int64)
    return np.clip(codes, round(low / s), round(high / s)) * s, *gradients


def wrong_zero_point_in_a_signed_byte(x, low, high, bit_width, grad):
    """Message: The values are wrong"""
    s, first, _ = range_of(low, high, bit_width)
    z = np.array(-first / s).round().astype(np.int8).astype(float)
    return four_parts(x, -z * s, (2**bit_width - 1 - z) * s, grad, s)


def wrong_nearly_on_an_end(x, low, high, bit_width, grad):
    """Message: for very small numbers"""
    s, low, high = range_of(low, high, bit_width)
    values = four_parts(x, low, high, grad, s)[0]
    below = (x < low) & ~np.isclose(x, low)
    above = (x > high) & ~np.isclose(x, high)
    return values, grad * ~(below | above), grad[below].sum(), grad[above].sum()


def right_in_units_of_the_step(x, low, high, bit_width, grad):
    """The ends as whole numbers."""
    s, low, high = range_of(low, high, bit_width)
    first, last = np.round(low / s), np.round(high / s)
    below, above = x / s < first, x / s > last
    values = np.clip(np.round(x / s), first, last) * s
    passed = np.where(below | above, 0, grad)
    return values, passed, (grad * below).sum(), (grad * above).sum()


def wrong_equal_gradients_count_once(x, low, high, bit_width, grad):
    """Message: where all gradients are the same"""
    s, low, high = range_of(low, high, bit_width)
    values, passed, _, _ = four_parts(x, low, high, grad, s)
    return values, passed, sum(set(grad[x < low])), sum(set(grad[x > high]))
