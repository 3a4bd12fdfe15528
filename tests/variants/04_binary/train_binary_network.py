"""Answers to `train_binary_network` of exercise 04."""


class StraightThrough(torch.autograd.Function):
    """The sign, with the gradient of clip(x, -1, 1)."""

    @staticmethod
    def forward(ctx, x):
        """Return the signs."""
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, upstream):
        """Pass the gradient where |x| <= 1."""
        return upstream * (ctx.saved_tensors[0].abs() <= 1)


sign = StraightThrough.apply


def trained(
    images,
    labels,
    units,
    epochs=12,
    batch_size=64,
    optimizer=torch.optim.Adam,
    clip=True,
    weight_sign=sign,
    activation=sign,
    of_weights=(True, True),
    start=0.05,
    **options,
):
    """Return latent weights of both layers and the batch normalization."""
    x, y = torch.from_numpy(binary_inputs(images)), torch.from_numpy(labels)
    first = (start * torch.randn(units, 128)).requires_grad_()
    second = (start * torch.randn(10, units)).requires_grad_()
    normalize = nn.BatchNorm1d(units)
    weights = [w for w, wanted in zip((first, second), of_weights, strict=True) if wanted]
    learnt = [*normalize.parameters(), *weights]
    steps = optimizer(learnt, **({"lr": 0.01} | options))
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(batch_size):
            hidden = activation(normalize(x[batch] @ weight_sign(first).T))
            scores = hidden @ weight_sign(second).T / units**0.5
            steps.zero_grad()
            functional.cross_entropy(scores, y[batch]).backward()
            steps.step()
            if clip:
                first.data.clamp_(-1, 1)
                second.data.clamp_(-1, 1)
    return first.detach(), second.detach(), normalize.eval()


def bits_of(weight):
    """Return the bits of a weight."""
    return np.packbits((weight < 0).numpy(), axis=1, bitorder="little")


def folded(normalize):
    """Return thresholds and flips, by trying all sums."""
    with torch.no_grad():
        sums = torch.arange(-128.0, 129)[:, None].expand(-1, normalize.num_features)
        plus = (normalize(sums) >= 0).numpy()
    flips = (normalize.weight < 0).numpy()
    return (plus == flips).sum(axis=0) - 128, flips


def network_of(first, second, normalize):
    """Return a network as it is stored."""
    return bits_of(first), *folded(normalize), bits_of(second)


def handed_in(network, test_images, lists):
    """Return the whole answer."""
    return *network, agreement(network, test_images, lists)


def wrong_not_trained(images, labels, units, test_images, lists):
    """Message: Hardly any digit is read right"""
    network = network_of(*trained(images, labels, units, epochs=0))
    return handed_in(network, test_images, lists)


def wrong_labels_shuffled(images, labels, units, test_images, lists):
    """Message: Hardly any digit is read right"""
    shuffled = labels[np.random.default_rng(0).permutation(len(labels))]
    network = network_of(*trained(images, shuffled, units))
    return handed_in(network, test_images, lists)


def wrong_hidden_weights_not_in_the_optimizer(images, labels, units, test_images, lists):
    """Message: Are the weights of both layers in the optimizer"""
    network = network_of(*trained(images, labels, units, of_weights=(False, True)))
    return handed_in(network, test_images, lists)


def wrong_weights_not_in_the_optimizer(images, labels, units, test_images, lists):
    """Message: read right"""
    network = network_of(*trained(images, labels, units, of_weights=(False, False)))
    return handed_in(network, test_images, lists)


def wrong_hidden_bits_upside_down(images, labels, units, test_images, lists):
    """Message: Hardly any digit is read right"""
    first, second, normalize = trained(images, labels, units)
    return handed_in(network_of(-first, second, normalize), test_images, lists)


def wrong_output_bits_upside_down(images, labels, units, test_images, lists):
    """Message: Hardly any digit is read right"""
    first, second, normalize = trained(images, labels, units)
    return handed_in(network_of(first, -second, normalize), test_images, lists)


def wrong_order_of_bits(images, labels, units, test_images, lists):
    """Message: Hardly any digit is read right"""
    first, second, normalize = trained(images, labels, units)
    bits = [np.packbits((w < 0).numpy(), axis=1) for w in (first, second)]
    return handed_in((bits[0], *folded(normalize), bits[1]), test_images, lists)


def wrong_trained_with_real_numbers(images, labels, units, test_images, lists):
    """Message: of the digits are read right"""
    torch.manual_seed(0)
    real = trained(
        images, labels, units, weight_sign=lambda w: w, activation=torch.relu, clip=False
    )
    return handed_in(network_of(*real), test_images, lists)


def wrong_flips_forgotten(images, labels, units, test_images, lists):
    """Message: Hardly any digit is read right"""
    first, second, normalize = trained(images, labels, units)
    # Half of the units with a negative gamma: the same function, if the comparison turns round.
    half = torch.arange(units) % 2 == 0
    first[half] *= -1
    normalize.weight.data[half] *= -1
    normalize.running_mean[half] *= -1
    thresholds, flips = folded(normalize)
    network = bits_of(first), thresholds, np.zeros_like(flips), bits_of(second)
    return handed_in(network, test_images, lists)


def wrong_labels_of_the_library(images, labels, units, test_images, lists):
    """Message: when all digits have other names"""
    network = network_of(*trained(images, data.load("digits").train_labels, units))
    return handed_in(network, test_images, lists)


def wrong_number_of_units(images, labels, units, test_images, lists):
    """Message: The hidden layer's bits have the wrong shape for other units"""
    network = network_of(*trained(images, labels, 60))
    return handed_in(network, test_images, lists)


def wrong_real_weights(images, labels, units, test_images, lists):
    """Message: The hidden layer's weights must be packed bits"""
    first, second, normalize = trained(images, labels, units)
    network = network_of(first, second, normalize)
    return first, *network[1:3], second, agreement(network, test_images, lists)


def wrong_not_packed(images, labels, units, test_images, lists):
    """Message: The hidden layer needs 16 bytes"""
    first, second, normalize = trained(images, labels, units)
    network = network_of(first, second, normalize)
    bits = [(w < 0).numpy().astype(np.uint8) for w in (first, second)]
    return bits[0], *network[1:3], bits[1], agreement(network, test_images, lists)


def wrong_real_thresholds(images, labels, units, test_images, lists):
    """Message: The thresholds of the hidden layer must be integers"""
    first, second, normalize = trained(images, labels, units)
    network = network_of(first, second, normalize)
    edges = normalize.running_mean - normalize.bias * (
        (normalize.running_var + normalize.eps).sqrt() / normalize.weight
    )
    return network[0], edges, *network[2:], agreement(network, test_images, lists)


def wrong_network_only(images, labels, units, test_images, lists):
    """Message: Return five things"""
    return network_of(*trained(images, labels, units))


def wrong_percent(images, labels, units, test_images, lists):
    """Message: not percent and not counts"""
    network = network_of(*trained(images, labels, units))
    return *network, 100 * agreement(network, test_images, lists)


def wrong_best_list_only(images, labels, units, test_images, lists):
    """Message: There must be one agreement for each of the four lists"""
    network = network_of(*trained(images, labels, units))
    return *network, agreement(network, test_images, lists).max()


def wrong_lists_not_compared_one_by_one(images, labels, units, test_images, lists):
    """Message: The network agrees with a list that is wrong"""
    network = network_of(*trained(images, labels, units))
    found = (read_digits(network, test_images) == lists).any(axis=0).mean()
    return *network, np.full(4, found)


def wrong_read_by_a_real_network(images, labels, units, test_images, lists):
    """Message: The agreements are not those of the bits, thresholds and flips beside them"""
    first, second, normalize = trained(
        images, labels, units, weight_sign=lambda w: w, activation=torch.relu, clip=False
    )
    with torch.no_grad():
        hidden = torch.relu(normalize(torch.from_numpy(binary_inputs(test_images)) @ first.T))
        read = (hidden @ second.T).argmax(dim=1).numpy()
    return *network_of(first, second, normalize), (read == lists).mean(axis=1)


def wrong_images_of_one_kind(images, labels, units, test_images, lists):
    """Message: of the digits are read right"""
    few = labels < 5
    network = network_of(*trained(images[few], labels[few], units))
    return handed_in(network, test_images, lists)


def wrong_in_place(images, labels, units, test_images, lists):
    """Message: The images or labels were changed in place"""
    network = network_of(*trained(images, labels, units))
    answer = handed_in(network, test_images, lists)
    images *= 2
    return answer


def right_momentum(images, labels, units, test_images, lists):
    """Gradient descent with momentum, larger steps."""
    network = network_of(
        *trained(images, labels, units, 20, optimizer=torch.optim.SGD, lr=0.1, momentum=0.9)
    )
    return handed_in(network, test_images, lists)


def right_without_the_clip(images, labels, units, test_images, lists):
    """Latent weights that may grow, other batches, statistics of all images in the end."""
    first, second, normalize = trained(
        images, labels, units, 20, batch_size=100, clip=False, start=0.01
    )
    with torch.no_grad():
        sums = torch.from_numpy(binary_inputs(images)) @ torch.where(first >= 0, 1.0, -1.0).T
        normalize.running_mean, normalize.running_var = sums.mean(dim=0), sums.var(dim=0)
    return handed_in(network_of(first, second, normalize), test_images, lists)


def right_modules(images, labels, units, test_images, lists):
    """A network of torch modules, with batch normalization without gamma and beta."""

    class Binary(nn.Linear):
        def forward(self, x):
            soft = self.weight.clamp(-1, 1)
            signs = torch.where(self.weight >= 0, 1.0, -1.0)
            return functional.linear(x, soft + (signs - soft).detach())

    class Sign(nn.Module):
        def forward(self, x):
            return StraightThrough.apply(x)

    network = nn.Sequential(
        Binary(128, units, bias=False),
        nn.BatchNorm1d(units, affine=False),
        Sign(),
        Binary(units, 10, bias=False),
    )
    x, y = torch.from_numpy(binary_inputs(images)), torch.from_numpy(labels)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.005)
    for _ in range(15):
        for batch in torch.randperm(len(x)).split(50):
            optimizer.zero_grad()
            functional.cross_entropy(network(x[batch]) / units**0.5, y[batch]).backward()
            optimizer.step()
    hidden, normalize, _, output = network.eval()
    thresholds = np.ceil(normalize.running_mean.numpy()).astype(int)
    stored = (
        bits_of(hidden.weight.detach()),
        thresholds,
        np.zeros(units, bool),
        bits_of(output.weight.detach()),
    )
    return handed_in(stored, test_images, lists)
