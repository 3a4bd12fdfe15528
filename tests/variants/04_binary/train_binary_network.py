"""Answers to `train_binary_network` of exercise 04."""


def trained(
    images,
    labels,
    units,
    epochs=16,
    batch_size=128,
    rate=0.03,
    fall=0.05,
    weight_sign=sign_ste,
    activation=sign_ste,
    of_weights=(True, True),
    start=0.1,
    scale=None,
    seed=1,
):
    """Return latent weights of both layers and the batch normalization."""
    torch.manual_seed(seed)
    x, y = torch.from_numpy(binary_inputs(images)), torch.from_numpy(labels)
    first = (start * torch.randn(units, 128)).requires_grad_()
    second = (start * torch.randn(10, units)).requires_grad_()
    normalize = nn.BatchNorm1d(units)
    weights = [w for w, wanted in zip((first, second), of_weights, strict=True) if wanted]
    steps = torch.optim.Adam([*normalize.parameters(), *weights], lr=rate)
    for epoch in range(epochs):
        steps.param_groups[0]["lr"] = rate * (1 - (1 - fall) * epoch / epochs)
        for batch in torch.randperm(len(x)).split(batch_size):
            hidden = activation(normalize(x[batch] @ weight_sign(first).T))
            scores = hidden @ weight_sign(second).T / (scale or units**0.5)
            steps.zero_grad()
            functional.cross_entropy(scores, y[batch]).backward()
            steps.step()
            first.data.clamp_(-1, 1)
            second.data.clamp_(-1, 1)
    return first.detach(), normalize, second.detach()


def wrong_not_trained(images, labels, units):
    """Message: Step 1"""
    return frozen(*trained(images, labels, units, epochs=0))


def wrong_labels_shuffled(images, labels, units):
    """Message: Step 1"""
    shuffled = labels[np.random.default_rng(0).permutation(len(labels))]
    return frozen(*trained(images, shuffled, units, epochs=3))


def wrong_hidden_weights_not_in_the_optimizer(images, labels, units):
    """Message: Step 2"""
    return frozen(*trained(images, labels, units, of_weights=(False, True)))


def wrong_weights_not_in_the_optimizer(images, labels, units):
    """Message: Step"""
    return frozen(*trained(images, labels, units, epochs=8, of_weights=(False, False)))


def wrong_trained_with_real_numbers(images, labels, units):
    """Message: Step"""
    real = trained(images, labels, units, weight_sign=lambda w: w, activation=torch.relu)
    return frozen(*real)


def wrong_trained_with_real_weights(images, labels, units):
    """Message: Step"""
    return frozen(*trained(images, labels, units, weight_sign=lambda w: w))


def wrong_start_too_far_out(images, labels, units):
    """Message: Step"""
    return frozen(*trained(images, labels, units, epochs=4, rate=0.01, start=1.0))


def wrong_one_pass(images, labels, units):
    """Message: Step"""
    return frozen(*trained(images, labels, units, epochs=1, rate=0.005))


def wrong_scores_too_steep(images, labels, units):
    """Message: Step"""
    return frozen(*trained(images, labels, units, epochs=12, rate=0.01, fall=1.0, scale=0.1))


def wrong_weights_upside_down(images, labels, units):
    """Message: Step 1"""
    hidden, *rest = frozen(*trained(images, labels, units, epochs=4))
    return -hidden, *rest


def wrong_flips_everywhere(images, labels, units):
    """Message: Step 1"""
    hidden, thresholds, flips, output = frozen(*trained(images, labels, units, epochs=4))
    return hidden, thresholds, np.ones_like(flips), output


def wrong_library_labels(images, labels, units):
    """Message: for other names of digits"""
    return frozen(*trained(images, data.load("digits").train_labels, units))


def wrong_library_images(images, labels, units):
    """Message: for other names of digits"""
    return frozen(*trained(data.load("digits").train_images, labels, units))


def wrong_number_of_units(images, labels, units):
    """Message: The hidden layer has the wrong shape for other units"""
    return frozen(*trained(images, labels, 60))


def wrong_images_of_some_digits(images, labels, units):
    """Message: Step"""
    few = labels < 7
    return frozen(*trained(images[few], labels[few], units))


def wrong_real_weights(images, labels, units):
    """Message: Weights must be +1 and -1"""
    first, normalize, second = trained(images, labels, units, epochs=2)
    _, thresholds, flips, _ = frozen(first, normalize, second)
    return first, thresholds, flips, second


def wrong_bits(images, labels, units):
    """Message: Weights must be +1 and -1"""
    hidden, thresholds, flips, output = frozen(*trained(images, labels, units, epochs=2))
    return hidden < 0, thresholds, flips, output < 0


def wrong_zero_weights(images, labels, units):
    """Message: Weights must be +1 and -1"""
    hidden, thresholds, flips, output = frozen(*trained(images, labels, units, epochs=2))
    return hidden, thresholds, flips, output * (np.abs(output.sum(axis=1)) > 3)[:, None]


def wrong_real_thresholds(images, labels, units):
    """Message: The thresholds of the hidden layer must be integers"""
    hidden, thresholds, flips, output = frozen(*trained(images, labels, units, epochs=2))
    return hidden, thresholds - 0.5, flips, output


def wrong_transposed(images, labels, units):
    """Message: The hidden layer needs 128 weights"""
    hidden, thresholds, flips, output = frozen(*trained(images, labels, units, epochs=2))
    return hidden.T, thresholds, flips, output.T


def wrong_layers_only(images, labels, units):
    """Message: Return four things"""
    hidden, _, _, output = frozen(*trained(images, labels, units, epochs=2))
    return hidden, output


def wrong_in_place(images, labels, units):
    """Message: The images or labels were changed in place"""
    network = frozen(*trained(images, labels, units))
    images *= 2
    return network


def right_momentum(images, labels, units):
    """Gradient descent with momentum, lists of whole numbers."""
    torch.manual_seed(5)
    x, y = torch.from_numpy(binary_inputs(images)), torch.from_numpy(labels)
    first = (0.1 * torch.randn(units, 128)).requires_grad_()
    second = (0.1 * torch.randn(10, units)).requires_grad_()
    normalize = nn.BatchNorm1d(units)
    parameters = [first, second, *normalize.parameters()]
    steps = torch.optim.SGD(parameters, lr=1.0, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(steps, 20)
    for _ in range(20):
        for batch in torch.randperm(len(x)).split(100):
            hidden = sign_ste(normalize(x[batch] @ sign_ste(first).T))
            scores = hidden @ sign_ste(second).T / units**0.5
            steps.zero_grad()
            functional.cross_entropy(scores, y[batch]).backward()
            steps.step()
            first.data.clamp_(-1, 1)
            second.data.clamp_(-1, 1)
        schedule.step()
    return [part.tolist() for part in frozen(first, normalize, second)]


def right_modules(images, labels, units):
    """A network of torch modules, batch normalization without gamma and delta, no flips."""

    class Binary(nn.Linear):
        def forward(self, x):
            return functional.linear(x, sign_ste(self.weight))

    class Sign(nn.Module):
        def forward(self, x):
            return sign_ste(x)

    torch.manual_seed(2)
    network = nn.Sequential(
        Binary(128, units, bias=False),
        nn.BatchNorm1d(units, affine=False),
        Sign(),
        Binary(units, 10, bias=False),
    )
    x, y = torch.from_numpy(binary_inputs(images)), torch.from_numpy(labels)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.05, total_iters=25)
    for _ in range(25):
        for batch in torch.randperm(len(x)).split(100):
            optimizer.zero_grad()
            functional.cross_entropy(network(x[batch]) / units**0.5, y[batch]).backward()
            optimizer.step()
            for layer in (network[0], network[3]):
                layer.weight.data.clamp_(-1, 1)
        schedule.step()
    hidden, normalize, _, output = network.eval()
    signs = [sign_ste(layer.weight.detach()).int() for layer in (hidden, output)]
    thresholds = np.ceil(normalize.running_mean.numpy()).astype(int)
    return signs[0], thresholds, np.zeros(units, bool), signs[1]


def right_statistics_of_all_images(images, labels, units):
    """Longer, with the statistics of all images in the end."""
    first, normalize, second = trained(images, labels, units, epochs=20, seed=3)
    with torch.no_grad():
        sums = torch.from_numpy(binary_inputs(images)) @ torch.where(first >= 0, 1.0, -1.0).T
        normalize.running_mean, normalize.running_var = sums.mean(dim=0), sums.var(dim=0)
    return frozen(first, normalize, second)
