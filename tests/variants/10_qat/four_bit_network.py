"""Answers to `four_bit_network` of exercise 10."""

# The notebook's images and labels under other names.
at_hand = test_images.copy(), digits.test_labels.copy(), digits.train_labels.copy()


def from_ranges(network, images, clip=1.0, rows=True):
    """Whole numbers from ranges alone."""
    dims = {"axis": 1} if rows else {}
    weight_steps = [clip * np.abs(weight).max(**dims) / 7 for weight, _ in network]
    result_steps = [clip * y.max() / 15 for y in results(network, images)]
    return as_whole_numbers(network, weight_steps, result_steps, to_integers)


class LearnedLevels(nn.Module):
    """A learned step whose gradients are LSQ's."""

    def __init__(self, step, low, high):
        super().__init__()
        self.theta, self.low, self.high = nn.Parameter(torch.log(step)), low, high

    def forward(self, x):
        s = self.theta.exp()
        g = (x.numel() / s.numel() * self.high) ** -0.5
        s = s * g + (s - s * g).detach()
        ratio = torch.clamp(x / s, self.low, self.high)
        return s * (ratio + (ratio.round() - ratio).detach())


def trained_layers(network, images, labels, wide=0.8, epochs=15, rate=0.005, rows=True, **other):
    """Train and convert: with the roundings that are not left out."""
    images = np.asarray(images, np.float32)
    layers = [[torch.tensor(t).float().requires_grad_() for t in pair] for pair in network]
    steps = [
        LearnedLevels(
            wide * (w.detach().abs().amax(1, keepdim=True) if rows else w.detach().abs().max()) / 7,
            -7,
            7,
        )
        for w, _ in layers
    ]
    heights = [
        LearnedLevels(torch.tensor(wide * y.max() / 15).float(), 0, 15)
        for y in results(network, images)
    ]
    pixels = other.get("pixels", np.rint(15 * images) / 15)
    x, labels = torch.tensor(pixels), torch.tensor(labels)
    parameters = [t for pair in layers for t in pair]
    parameters += [q.theta for q in (steps + heights)]
    optimizer = torch.optim.Adam(parameters, lr=rate)
    source = torch.Generator().manual_seed(1)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=max(epochs, 1) * 21)
    for _ in range(epochs):
        for chosen in torch.randperm(len(x), generator=source).split(64):
            h = x[chosen]
            for i, (w, b) in enumerate(layers):
                h = heights[i - 1](h.relu()) if i and other.get("with_results", True) else h.relu()
                w = steps[i](w) if other.get("with_weights", True) else w
                h = functional.linear(h, w, b)
            optimizer.zero_grad()
            functional.cross_entropy(h, labels[chosen]).backward()
            optimizer.step()
            plan.step()
    real = [tuple(t.detach().double().numpy() for t in pair) for pair in layers]
    found = [q.theta.detach().exp().double().numpy().reshape(-1) for q in steps]
    after = [q.theta.exp().item() for q in heights]
    return as_whole_numbers(real, found, after, to_integers)


def wrong_ranges_alone(network, images, labels):
    """Message: Too few test images are read right"""
    return from_ranges(network, images)


def wrong_narrower_ranges_alone(network, images, labels):
    """Message: Too few test images are read right"""
    return from_ranges(network, images, 0.8, rows=False)


def wrong_trained_without_rounding(network, images, labels):
    """Message: Too few test images are read right"""
    layers = [tuple(torch.tensor(t).float().requires_grad_() for t in pair) for pair in network]
    optimizer = torch.optim.Adam([t for pair in layers for t in pair], lr=0.004)
    x, labels = torch.tensor(images), torch.tensor(labels)
    for _ in range(200):
        optimizer.zero_grad()
        functional.cross_entropy(scores(layers, x), labels).backward()
        optimizer.step()
    real = [tuple(t.detach().double().numpy() for t in pair) for pair in layers]
    return from_ranges(real, images)


def wrong_rounding_without_straight_through(network, images, labels):
    """Message: Too few test images are read right"""
    layers = [[torch.tensor(t).float().requires_grad_() for t in pair] for pair in network]
    steps = [w.detach().abs().max() / 7 for w, _ in layers]
    heights = [y.max() / 15 for y in results(network, images)]
    optimizer = torch.optim.SGD([t for pair in layers for t in pair], lr=0.01)
    x, labels = torch.tensor(images), torch.tensor(labels)
    for _ in range(30):
        h = x
        for i, (w, b) in enumerate(layers):
            h = (
                h
                if i == 0
                else torch.round(torch.clamp(h / heights[i - 1], 0, 15)) * heights[i - 1]
            )
            h = functional.linear(h, torch.round(w / steps[i]) * steps[i], b)
        optimizer.zero_grad()
        functional.cross_entropy(h, labels).backward()
        optimizer.step()
    real = [tuple(t.detach().double().numpy() for t in pair) for pair in layers]
    return as_whole_numbers(real, [s.item() for s in steps], heights, to_integers)


def wrong_trained_on_the_test_images(network, images, labels):
    """Message: The test images are for looking at the result"""
    return trained_layers(network, test_images, digits.test_labels)


def wrong_test_images_loaded_anew(network, images, labels):
    """Message: The test images are for looking at the result"""
    from sklearn.datasets import load_digits

    _ = load_digits()
    return trained_layers(network, images, labels)


def wrong_trained_on_the_test_images_by_other_names(network, images, labels):
    """Message: read right by another network of the same kind"""
    pixels, named, before = at_hand
    # What the digits are called this time.
    called = np.array([labels[before == digit][0] for digit in range(10)])
    return trained_layers(network, pixels, called[named])


def wrong_eight_bits(network, images, labels):
    """Message: numbers that are not allowed for it"""
    layers = from_ranges(network, images)
    for layer, (weight, _) in zip(layers, network, strict=True):
        layer["weight"] = np.round(127 * weight / np.abs(weight).max()).astype(np.int8)
    return layers


def wrong_real_weights(network, images, labels):
    """Message: holds no integers"""
    layers = from_ranges(network, images)
    for layer, (weight, _) in zip(layers, network, strict=True):
        layer["weight"] = np.clip(weight, -8, 7)
    return layers


def wrong_last_layer_left_out(network, images, labels):
    """Message: The result has another form"""
    return from_ranges(network, images)[:-1]


def wrong_network_changed(network, images, labels):
    """Message: were changed in place"""
    layers = trained_layers(network, images, labels)
    network[0][1][:] += 1
    return layers


def right_step_for_each_row(network, images, labels):
    """Learned steps, one for each row."""
    return trained_layers(network, images, labels)


def right_step_for_each_layer(network, images, labels):
    """Learned steps, one for each layer."""
    return trained_layers(network, images, labels, wide=0.6, epochs=18, rows=False)


def right_by_quantlib(network, images, labels):
    """quantlib's quantizers in a module, trained by torch."""
    from quantlib.uniform import QParams

    images = np.asarray(images, np.float32)
    layers = nn.ModuleList()
    for weight, bias in network:
        layer = nn.Linear(weight.shape[1], len(weight))
        layer.weight = nn.Parameter(torch.tensor(weight).float())
        layer.bias = nn.Parameter(torch.tensor(bias).float())
        layers.append(layer)
    on_weights = nn.ModuleList(
        qat.LearnedStep(QParams(0.7 * np.abs(w).max() / 7, 0, 4, narrow_range=True))
        for w, _ in network
    )
    on_results = nn.ModuleList(
        qat.LearnedClip(4, first_clip=0.7 * float(y.max())) for y in results(network, images)
    )
    everything = [*layers.parameters(), *on_weights.parameters(), *on_results.parameters()]
    optimizer = torch.optim.Adam(everything, lr=0.005)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.005, total_steps=15 * 21)
    x, labels = torch.tensor(np.rint(15 * images) / 15), torch.tensor(labels)
    source = torch.Generator().manual_seed(2)
    for _ in range(15):
        for chosen in torch.randperm(len(x), generator=source).split(64):
            h = x[chosen]
            for i, layer in enumerate(layers):
                h = on_results[i - 1](h) if i else h
                h = functional.linear(h, on_weights[i](layer.weight), layer.bias)
            optimizer.zero_grad()
            functional.cross_entropy(h, labels[chosen]).backward()
            optimizer.step()
            plan.step()
    real = [tuple(t.detach().double().numpy() for t in (m.weight, m.bias)) for m in layers]
    steps = [float(q.qparams.scale) for q in on_weights]
    return as_whole_numbers(real, steps, [float(q.qparams.scale) for q in on_results], to_integers)


def wrong_best_ranges_and_corrected_biases(network, images, labels):
    """Message: Too few test images are read right"""
    codes = np.rint(15 * images).astype(int)
    largest = [np.abs(w).max(axis=1) / 7 for w, _ in network]
    best = (-1.0, None)
    for narrower in (1.0, 0.9, 0.8):
        steps = [narrower * s for s in largest]
        for clip in (0.4, 0.5, 0.6, 0.7, 0.8, 1.0):
            real, seen, corrected, heights = np.asarray(images, float), codes / 15, [], []
            for (w, b), s in zip(network, steps, strict=True):
                stored = np.clip(np.round(w / s[:, None]), -7, 7) * s[:, None]
                real = real @ w.T + b
                b = b + (real - (seen @ stored.T + b)).mean(axis=0)
                corrected.append((w, b))
                real = np.maximum(real, 0)
                heights.append(clip * real.max() / 15)
                seen = np.clip(np.round((seen @ stored.T + b) / heights[-1]), 0, 15) * heights[-1]
            layers = as_whole_numbers(corrected, steps, heights[:-1], to_integers)
            best = max(best, (read_right(layers, codes, labels), layers), key=lambda pair: pair[0])
    return best[1]


def right_with_observed_ranges(network, images, labels):
    """Ranges that follow what is seen, and freeze; weights on their own range."""
    layers = [[torch.tensor(t).float().requires_grad_() for t in pair] for pair in network]
    heights = [0.7 * float(y.max()) for y in results(network, images)]
    optimizer = torch.optim.Adam([t for pair in layers for t in pair], lr=0.004)
    x, labels = torch.tensor(np.rint(15 * images) / 15), torch.tensor(labels)
    source = torch.Generator().manual_seed(3)
    plan = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)

    def straight(v):
        return v + (v.round() - v).detach()

    for epoch in range(20):
        for chosen in torch.randperm(len(x), generator=source).split(64):
            h = x[chosen]
            for i, (w, b) in enumerate(layers):
                if i:
                    if epoch < 17:
                        heights[i - 1] += 0.01 * (float(h.detach().max()) - heights[i - 1])
                    h = (
                        straight(h.clamp(0, heights[i - 1]) * 15 / heights[i - 1])
                        * heights[i - 1]
                        / 15
                    )
                s = w.detach().abs().amax(1, keepdim=True) / 7
                h = functional.linear(h, straight(w / s) * s, b)
            optimizer.zero_grad()
            functional.cross_entropy(h, labels[chosen]).backward()
            optimizer.step()
        plan.step()
    real = [tuple(t.detach().double().numpy() for t in pair) for pair in layers]
    steps = [np.abs(w).max(axis=1) / 7 for w, _ in real]
    return as_whole_numbers(real, steps, [height / 15 for height in heights], to_integers)


def right_by_prepare(network, images, labels):
    """quantlib's whole way: a graph that trains, then whole numbers."""
    model = nn.Sequential(nn.Flatten())
    for place, (weight, bias) in enumerate(network):
        layer = nn.Linear(weight.shape[1], len(weight))
        layer.weight.data, layer.bias.data = (
            torch.tensor(weight).float(),
            torch.tensor(bias).float(),
        )
        model.extend([nn.ReLU(), layer] if place else [layer])
    pixels = (np.rint(15 * images) / np.float32(15)).reshape(-1, 1, 8, 8)
    graph = qat.prepare(model.eval(), pixels, 4, act_bit_width=4)
    optimizer = torch.optim.Adam(graph.parameters(), lr=0.004)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.004, total_steps=15 * 21)
    x, labels = torch.tensor(pixels), torch.tensor(labels)
    source = torch.Generator().manual_seed(0)
    for _ in range(15):
        for chosen in torch.randperm(len(x), generator=source).split(64):
            optimizer.zero_grad()
            functional.cross_entropy(graph(x[chosen]), labels[chosen]).backward()
            optimizer.step()
            plan.step()
    layers = []
    for step in qat.to_integer(graph).steps:
        if hasattr(step, "requantization"):
            ones = np.ones(len(step.bias), np.int64)
            how = step.requantization
            layers.append(
                {
                    "weight": step.weight.unpack(),
                    "bias": step.bias,
                    "multiplier": how.multiplier * ones,
                    "shift": how.shift * ones,
                }
            )
    layers[-1]["shift"] = layers[-1]["shift"] - 8  # finer scores, which are not clamped
    return layers
