"""Answers to `repaired_training` of exercise 04."""


def double(x):
    """Return a tensor of float64, a copy."""
    return torch.tensor(np.array(x, dtype=float))


def train(first, second, x, y, rate, steps, starts=None, sign=sign_ste, hidden=None, clip=True):
    """Return latent weights and losses, with parts that may be wrong."""
    x, y = double(x), double(y)
    weights = [double(w) for w in (first, second)]
    weights = [(starts(w) if starts else w).detach().requires_grad_() for w in weights]
    losses = []
    for _ in range(steps):
        w1, w2 = weights
        h = (hidden or sign)(x @ sign(w1).T / w1.shape[1] ** 0.5)
        p = h @ sign(w2).T / w2.shape[1] ** 0.5
        loss = ((p - y) ** 2).mean()
        gradients = torch.autograd.grad(loss, weights)
        losses.append(loss.item())
        with torch.no_grad():
            for w, g in zip(weights, gradients, strict=True):
                w -= rate * g
                if clip:
                    w.clamp_(-1, 1)
    return *(w.detach() for w in weights), losses


def through(values):
    """Return a sign with the given values and the gradient of clip(x, -1, 1)."""

    def sign(x):
        soft = x.clamp(-1, 1)
        return soft + (values(x) - soft).detach()

    return sign


def everywhere(x):
    """Return the sign with the gradient of x."""
    return x + (sign_ste(x) - x).detach()


def wrong_unrepaired(first, second, x, y, rate, steps):
    """Message: only one of the four faults shows"""
    return train_broken(first, second, x, y, rate, steps)


def wrong_start_is_binary(first, second, x, y, rate, steps):
    """Message: only one of the four faults shows"""
    return train(first, second, x, y, rate, steps, starts=sign_ste)


def wrong_torch_sign(first, second, x, y, rate, steps):
    """Message: The loss is wrong where a weight is 0"""
    return train(first, second, x, y, rate, steps, sign=through(torch.sign))


def wrong_zero_is_negative(first, second, x, y, rate, steps):
    """Message: The loss is wrong where a weight is 0"""
    sign = through(lambda x: torch.where(x > 0, 1.0, -1.0))
    return train(first, second, x, y, rate, steps, sign=sign)


def wrong_hidden_torch_sign(first, second, x, y, rate, steps):
    """Message: The loss is wrong where a weight is 0."""
    return train(first, second, x, y, rate, steps, hidden=through(torch.sign))


def wrong_passes_everywhere(first, second, x, y, rate, steps):
    """Message: wrong where sums are large"""
    return train(first, second, x, y, rate, steps, sign=everywhere)


def wrong_hidden_passes_everywhere(first, second, x, y, rate, steps):
    """Message: wrong where sums are large"""
    return train(first, second, x, y, rate, steps, hidden=everywhere)


def wrong_not_clipped(first, second, x, y, rate, steps):
    """Message: latent weights are wrong after three large steps"""
    return train(first, second, x, y, rate, steps, clip=False)


def wrong_clipped_in_the_end(first, second, x, y, rate, steps):
    """Message: latent weights are wrong after three large steps"""
    w1, w2, losses = train(first, second, x, y, rate, steps, clip=False)
    return w1.clamp(-1, 1), w2.clamp(-1, 1), losses


def wrong_signs_returned(first, second, x, y, rate, steps):
    """Message: only one of the four faults shows"""
    w1, w2, losses = train(first, second, x, y, rate, steps)
    return sign_ste(w1), sign_ste(w2), losses


def wrong_gradients_pile_up(first, second, x, y, rate, steps):
    """Message: after three large steps"""
    weights = [double(w).requires_grad_() for w in (first, second)]
    losses = []
    for _ in range(steps):
        h = sign_ste(double(x) @ sign_ste(weights[0]).T / weights[0].shape[1] ** 0.5)
        p = h @ sign_ste(weights[1]).T / weights[1].shape[1] ** 0.5
        loss = ((p - double(y)) ** 2).mean()
        loss.backward()
        losses.append(loss.item())
        for w in weights:
            w.data = (w.data - rate * w.grad).clamp(-1, 1)
    return weights[0].detach(), weights[1].detach(), losses


def wrong_losses_after_the_step(first, second, x, y, rate, steps):
    """Message: After one step the first layer's latent weights are wrong, in a run where only"""
    w1, w2, losses = train(first, second, x, y, rate, steps + 1)
    return w1, w2, losses[1:]


def wrong_last_loss_only(first, second, x, y, rate, steps):
    """Message: There must be one loss for each step"""
    w1, w2, losses = train(first, second, x, y, rate, steps)
    return w1, w2, losses[-1]


def wrong_stops_when_the_loss_rises(first, second, x, y, rate, steps):
    """Message: one loss for each step"""
    losses = []
    for count in range(1, steps + 1):
        w1, w2, found = train(first, second, x, y, rate, count)
        losses.append(found[-1])
        if count > 1 and losses[-1] >= losses[-2]:
            break
    return w1, w2, losses


def wrong_stops_at_loss_zero(first, second, x, y, rate, steps):
    """Message: There must be one loss for each step, also where the loss comes to 0."""
    w1, w2, losses = train(first, second, x, y, rate, steps)
    return w1, w2, losses[: losses.index(0.0) + 1] if 0.0 in losses else losses


def wrong_stops_when_no_weight_moves(first, second, x, y, rate, steps):
    """Message: There must be one loss for each step, also where the loss comes to 0."""
    losses, before = [], None
    for count in range(1, steps + 1):
        w1, w2, found = train(first, second, x, y, rate, count)
        losses.append(found[-1])
        if before is not None and all(map(torch.equal, before, (w1, w2))):
            break
        before = w1, w2
    return w1, w2, losses


def wrong_inputs_are_signs(first, second, x, y, rate, steps):
    """Message: The very first loss is wrong"""
    return train(first, second, sign_ste(double(x)), y, rate, steps)


def wrong_in_float32(first, second, x, y, rate, steps):
    """Message: wrong"""
    x, y = double(x).float(), double(y).float()
    weights = [double(w).float().requires_grad_() for w in (first, second)]
    optimizer = torch.optim.SGD(weights, lr=rate)
    losses = []
    for _ in range(steps):
        h = sign_ste(x @ sign_ste(weights[0]).T / weights[0].shape[1] ** 0.5)
        p = h @ sign_ste(weights[1]).T / weights[1].shape[1] ** 0.5
        loss = ((p - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        for w in weights:
            w.data.clamp_(-1, 1)
    return weights[0].detach(), weights[1].detach(), losses


def wrong_in_place(first, second, x, y, rate, steps):
    """Message: The inputs were changed in place"""
    answer = train(first, second, x, y, rate, steps)
    first[:] = answer[0]
    return answer


def right_numpy(first, second, x, y, rate, steps):
    """Gradients by hand."""

    def sign(v):
        return 1.0 - 2 * (v < 0)

    w1, w2, losses = first.astype(float), second.astype(float), np.empty(steps)
    for step in range(steps):
        a = x @ sign(w1).T / np.sqrt(w1.shape[1])
        h = sign(a)
        rest = h @ sign(w2).T / np.sqrt(w2.shape[1]) - y
        losses[step] = np.mean(rest**2)
        back = 2 * rest / rest.size / np.sqrt(w2.shape[1])
        g2 = back.T @ h * (np.abs(w2) <= 1)
        g1 = (back @ sign(w2) * (np.abs(a) <= 1)).T @ x / np.sqrt(w1.shape[1])
        w1 = np.clip(w1 - rate * g1 * (np.abs(w1) <= 1), -1, 1)
        w2 = np.clip(w2 - rate * g2, -1, 1)
    return w1, w2, losses


def right_mended(first, second, x, y, rate, steps):
    """The program with four lines changed."""

    class Sign(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)

        @staticmethod
        def backward(ctx, upstream):
            (x,) = ctx.saved_tensors
            return upstream * (x.abs() <= 1)

    sign = Sign.apply
    x, y = (torch.tensor(np.array(v, dtype=float)) for v in (x, y))
    start = (torch.tensor(np.array(w, dtype=float)) for w in (first, second))
    weights = [w.requires_grad_() for w in start]
    optimizer = torch.optim.SGD(weights, lr=rate)
    losses = []
    for _ in range(steps):
        w1, w2 = weights
        h = sign(x @ sign(w1).T / w1.shape[1] ** 0.5)
        p = h @ sign(w2).T / w2.shape[1] ** 0.5
        loss = ((p - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for w in weights:
                w.clamp_(-1, 1)
        losses.append(loss.item())
    return [weights[0].detach().tolist(), weights[1].detach().tolist(), losses]


def right_modules(first, second, x, y, rate, steps):
    """With a module and functional.mse_loss."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Parameter(double(first)), nn.Parameter(double(second))

        def forward(self, x):
            x = sign_ste(functional.linear(x, sign_ste(self.a)) / self.a.shape[1] ** 0.5)
            return functional.linear(x, sign_ste(self.b)) / self.b.shape[1] ** 0.5

    net, losses = Net(), []
    for _ in range(steps):
        loss = functional.mse_loss(net(double(x)), double(y))
        net.zero_grad()
        loss.backward()
        losses.append(float(loss))
        for p in net.parameters():
            p.data = (p.data - rate * p.grad).clamp(-1, 1)
    return net.a.detach().numpy(), net.b.detach().numpy(), np.array(losses)
