"""Answers to `train_power_of_two` of exercise 10."""


def powers_of(w, bit_width, rounded=np.round, fewer=2, top=None):
    """The powers of two."""
    found = np.zeros(len(w))
    some = w != 0
    if not some.any():
        return found
    e = rounded(np.log2(np.abs(w[some])))
    top = e.max() if top is None else top
    keep = e >= top - (2 ** (bit_width - 1) - fewer)
    found[some] = np.where(keep, np.sign(w[some]) * np.exp2(e), 0)
    return found


def slope_at(p, x, y):
    """Gradient of the mean squared error."""
    return 2 * x.T @ (x @ p - y) / len(y)


def go(w, x, y, rate, bit_width, steps, **options):
    """The whole training with another rounding."""
    for _ in range(steps):
        w = w - rate * slope_at(powers_of(w, bit_width, **options), x, y)
    return powers_of(w, bit_width, **options), w


def to_nearest_power(m):
    """Exponents of the nearest of the two powers, not in the exponent."""
    low = np.floor(m)
    return low + (2.0**m > 1.5 * 2.0**low)


class PowersByHand(torch.autograd.Function):
    """Powers of two that pass the gradient on as it is."""

    @staticmethod
    def forward(ctx, w, bit_width):
        return torch.tensor(powers_of(w.detach().numpy(), bit_width))

    @staticmethod
    def backward(ctx, grad):
        return grad, None


def wrong_floor(w, x, y, rate, bit_width, steps):
    """Message: Here it was cut off downwards"""
    return go(w, x, y, rate, bit_width, steps, rounded=np.floor)


def wrong_ceil(w, x, y, rate, bit_width, steps):
    """Message: Here it was rounded upwards"""
    return go(w, x, y, rate, bit_width, steps, rounded=np.ceil)


def wrong_nearest_power(w, x, y, rate, bit_width, steps):
    """Message: The exponent is rounded, not the weight"""
    return go(w, x, y, rate, bit_width, steps, rounded=to_nearest_power)


def wrong_one_exponent_more(w, x, y, rate, bit_width, steps):
    """Message: one too many was kept"""
    return go(w, x, y, rate, bit_width, steps, fewer=1)


def wrong_one_exponent_fewer(w, x, y, rate, bit_width, steps):
    """Message: one too few was kept"""
    return go(w, x, y, rate, bit_width, steps, fewer=3)


def wrong_small_weights_kept(w, x, y, rate, bit_width, steps):
    """Message: becomes 0, not the smallest power"""

    def p(w):
        some = np.where(w == 0, 1.0, np.abs(w))
        e = np.round(np.log2(np.where(w == 0, some.max(), some)))
        e = np.maximum(e, e.max() - (2 ** (bit_width - 1) - 2))
        return np.sign(w) * 2.0**e

    for _ in range(steps):
        w = w - rate * slope_at(p(w), x, y)
    return p(w), w


def wrong_signs_lost(w, x, y, rate, bit_width, steps):
    """Message: The signs of the weights were lost"""
    for _ in range(steps):
        w = w - rate * slope_at(powers_of(np.abs(w), bit_width), x, y)
    return powers_of(np.abs(w), bit_width), w


def wrong_gradient_at_the_real_weights(w, x, y, rate, bit_width, steps):
    """Message: The gradient was taken at the real weights"""
    for _ in range(steps):
        w = w - rate * slope_at(w, x, y)
    return powers_of(w, bit_width), w


def wrong_rounded_weights_kept(w, x, y, rate, bit_width, steps):
    """Message: The gradient was applied to the rounded weights"""
    for _ in range(steps):
        p = powers_of(w, bit_width)
        w = p - rate * slope_at(p, x, y)
    return powers_of(w, bit_width), w


def wrong_two_forgotten(w, x, y, rate, bit_width, steps):
    """Message: has a 2 in its gradient"""
    return go(w, x, y, rate / 2, bit_width, steps)


def wrong_sum_for_the_mean(w, x, y, rate, bit_width, steps):
    """Message: The gradient is that of the mean, not of the sum"""
    return go(w, x, y, rate * len(x), bit_width, steps)


def wrong_no_gradient_where_rounded_to_zero(w, x, y, rate, bit_width, steps):
    """Message: also to those that are rounded to 0"""
    for _ in range(steps):
        p = powers_of(w, bit_width)
        w = w - rate * slope_at(p, x, y) * (p != 0)
    return powers_of(w, bit_width), w


def wrong_rounded_once(w, x, y, rate, bit_width, steps):
    """Message: Round them anew in each"""
    p = powers_of(w, bit_width)
    for _ in range(steps):
        w = w - rate * slope_at(p, x, y)
    return powers_of(w, bit_width), w


def wrong_range_of_the_first_weights(w, x, y, rate, bit_width, steps):
    """Message: not of those before the first step"""
    if not w.any():
        return go(w, x, y, rate, bit_width, steps)
    top = np.round(np.log2(np.abs(w).max()))
    return go(w, x, y, rate, bit_width, steps, top=top)


def wrong_uphill(w, x, y, rate, bit_width, steps):
    """Message: Weights go against the gradient"""
    return go(w, x, y, -rate, bit_width, steps)


def wrong_powers_before_the_last_step(w, x, y, rate, bit_width, steps):
    """Message: These are the powers of the weights before the last step"""
    p = powers_of(w, bit_width)
    for _ in range(steps):
        p = powers_of(w, bit_width)
        w = w - rate * slope_at(p, x, y)
    return p, w


def wrong_zeros_not_expected(w, x, y, rate, bit_width, steps):
    """Message: NaN or infinity"""
    for left in range(steps, -1, -1):
        e = np.round(np.log2(np.abs(w)))
        p = np.sign(w) * np.where(e >= e.max() - (2 ** (bit_width - 1) - 2), 2.0**e, 0)
        p = p / (np.abs(w).max() > 0)
        if left:
            w = w - rate * slope_at(p, x, y)
    return p, w


def wrong_in_place(w, x, y, rate, bit_width, steps):
    """Message: The inputs were changed in place"""
    for _ in range(steps):
        w -= rate * slope_at(powers_of(w, bit_width), x, y)
    return powers_of(w, bit_width), w


def right_by_autograd_function(w, x, y, rate, bit_width, steps):
    """torch.autograd.Function and torch's SGD."""
    w = nn.Parameter(torch.tensor(np.array(w)))
    x, y = torch.tensor(np.array(x)), torch.tensor(np.array(y))
    optimizer = torch.optim.SGD([w], lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        functional.mse_loss(x @ PowersByHand.apply(w, bit_width), y).backward()
        optimizer.step()
    return powers_of(w.detach().numpy(), bit_width), w.detach()


def right_by_detach(w, x, y, rate, bit_width, steps):
    """Autograd, with what rounding adds detached."""
    w = torch.tensor(np.array(w))
    x, y = torch.tensor(np.array(x)), torch.tensor(np.array(y))
    for _ in range(steps):
        w.requires_grad_()
        p = w + (torch.tensor(powers_of(w.detach().numpy(), bit_width)) - w).detach()
        (slope,) = torch.autograd.grad(((x @ p - y) ** 2).mean(), w)
        w = w.detach() - rate * slope
    return powers_of(w.detach().numpy(), bit_width), w.detach().numpy()


def right_by_frexp(w, x, y, rate, bit_width, steps):
    """Exponents by frexp: the mantissa tells on which side of the root of 1/2 a weight lies."""

    def p(w):
        f, e = np.frexp(np.abs(w))
        e = np.where(f > math.sqrt(0.5), e, e - 1)
        if not np.any(w):
            return 0.0 * w
        least = e[w != 0].max() - 2 ** (bit_width - 1) + 2
        return np.where((w != 0) & (e >= least), np.copysign(np.ldexp(1.0, e), w), 0.0)

    w = np.array(w)
    for _ in range(steps):
        w -= rate * np.mean(2 * (x @ p(w) - y)[:, None] * x, axis=0)
    return p(w), w


def right_in_lists(w, x, y, rate, bit_width, steps):
    """Plain Python."""

    def p(w):
        exponents = [round(math.log2(abs(v))) if v else None for v in w]
        some = [e for e in exponents if e is not None]
        least = max(some, default=0) - 2 ** (bit_width - 1) + 2
        return [
            math.copysign(2.0**e, v) if e is not None and e >= least else 0.0
            for e, v in zip(exponents, w, strict=True)
        ]

    w, rows = w.tolist(), x.tolist()
    for _ in range(steps):
        now = p(w)
        misses = [
            sum(a * b for a, b in zip(r, now, strict=True)) - t
            for r, t in zip(rows, y, strict=True)
        ]
        for k in range(len(w)):
            w[k] -= rate * 2 / len(rows) * sum(m * r[k] for m, r in zip(misses, rows, strict=True))
    return p(w), w


def wrong_zero_counts_as_one(w, x, y, rate, bit_width, steps):
    """Message: where some weights are 0, and the others small"""

    def p(w):
        e = np.round(np.log2(np.where(w == 0, 1.0, np.abs(w))))
        return np.sign(w) * np.where(e >= e.max() - 2 ** (bit_width - 1) + 2, 2.0**e, 0)

    for _ in range(steps):
        w = w - rate * slope_at(p(w), x, y)
    return p(w), w


def wrong_exponents_that_occur(w, x, y, rate, bit_width, steps):
    """Message: The powers of two are wrong for other numbers"""

    def p(w):
        some = w != 0
        e = np.round(np.log2(np.abs(w[some])))
        found = np.zeros(len(w))
        kept = np.isin(e, np.unique(e)[1 - 2 ** (bit_width - 1) :])
        found[some] = np.sign(w[some]) * np.where(kept, 2.0**e, 0)
        return found

    for _ in range(steps):
        w = w - rate * slope_at(p(w), x, y)
    return p(w), w


def wrong_stops_when_powers_stay(w, x, y, rate, bit_width, steps):
    """Message: The real weights are"""
    before = np.nan
    for _ in range(steps):
        p = powers_of(w, bit_width)
        if np.all(p == before):
            break
        w, before = w - rate * slope_at(p, x, y), p
    return powers_of(w, bit_width), w


def wrong_at_most_31_exponents(w, x, y, rate, bit_width, steps):
    """Message: where weights differ by more powers of two than 7 bits have"""
    return go(w, x, y, rate, min(bit_width, 6), steps)
