"""Answers to `mixed_network` of exercise 02."""


def weights_of(model):
    """Return the weights by name, as NumPy arrays of floats."""
    return {name: w.numpy().astype(float) for name, w in models.weight_tensors(model).items()}


def uniform_layer(w, bit_width, factor=1.0):
    """Return uniform codes whose step is a part of what the largest magnitude gives."""
    top = 2 ** (bit_width - 1) - 1
    step = factor * np.abs(w).max() / top
    return "uniform", bit_width, np.clip(np.round(w / step), -top, top).astype(int), step


def power_layer(w, bit_width, lower=0):
    """Return codes of powers of two whose largest exponent is lower than the formula's."""
    qparams = logarithmic.choose_qparams(w, bit_width)
    k = qparams.max_exponent - lower
    qparams = logarithmic.LogQParams(k - 2 ** (bit_width - 1) + 2, k, bit_width)
    return "power of two", bit_width, logarithmic.quantize(w, qparams), k


def error(w, layer):
    """Return the squared error of a layer."""
    return ((weight_of(layer) - w) ** 2).sum()


def best_uniform(w, bit_width):
    """Return the uniform layer with the least squared error."""
    layers = [uniform_layer(w, bit_width, f) for f in np.arange(0.15, 1.01, 0.05)]
    return min(layers, key=lambda layer: error(w, layer))


def best_power(w, bit_width):
    """Return the layer of powers of two with the least squared error."""
    layers = [power_layer(w, bit_width, lower) for lower in range(5)]
    return min(layers, key=lambda layer: error(w, layer))


def plan(budget):
    """Return bits for each layer that fit."""
    bits = {"conv1": 8, "conv2": 2, "conv3": 2, "fc1": 2, "fc2": 4}
    if budget < 14_800:
        bits |= {"conv1": 4, "fc2": 2}
    if budget >= 17_000:
        bits |= {"conv2": 4, "fc2": 6}
    if budget >= 21_000:
        bits |= {"conv3": 3}
    return bits


def wrong_formula_everywhere(model, images, labels, budget):
    """Message: Step 1 of 4"""
    return {name: power_layer(w, 2) for name, w in weights_of(model).items()}


def wrong_largest_magnitude_everywhere(model, images, labels, budget):
    """Message: Step 1 of 4"""
    return {name: uniform_layer(w, 2) for name, w in weights_of(model).items()}


def wrong_bits_without_steps(model, images, labels, budget):
    """Message: Step 2 of 4"""
    bits = plan(budget)
    return {name: uniform_layer(w, bits[name]) for name, w in weights_of(model).items()}


def wrong_steps_without_bits(model, images, labels, budget):
    """Message: Step 4 of 4"""
    return {name: best_uniform(w, 2) for name, w in weights_of(model).items()}


def wrong_powers_of_two_only(model, images, labels, budget):
    """Message: Step 3 of 4"""
    return {name: best_power(w, 2) for name, w in weights_of(model).items()}


def wrong_over_budget(model, images, labels, budget):
    """Message: more bytes than the budget"""
    return {name: best_uniform(w, 4) for name, w in weights_of(model).items()}


def wrong_steps_not_counted(model, images, labels, budget):
    """Message: more bytes than the budget"""
    layers = {}
    for name, w in weights_of(model).items():
        rows = [best_uniform(row, 2) for row in w]
        codes = np.stack([row[2] for row in rows])
        layers[name] = "uniform", 2, codes, np.array([row[3] for row in rows])
    return layers


def wrong_budget_of_the_example(model, images, labels, budget):
    """Message: more bytes than another budget"""
    bits = plan(15_000)
    return {name: best_uniform(w, bits[name]) for name, w in weights_of(model).items()}


def wrong_codes_of_more_bits(model, images, labels, budget):
    """Message: Codes or steps are out of range"""
    wide = {name: best_uniform(w, 4) for name, w in weights_of(model).items()}
    return {name: ("uniform", 2, codes, step) for name, (_, _, codes, step) in wide.items()}


def wrong_real_codes(model, images, labels, budget):
    """Message: another form than the docstring says"""
    return {name: ("uniform", 2, w, 1.0) for name, w in weights_of(model).items()}


def wrong_a_step_for_each_weight(model, images, labels, budget):
    """Message: another form than the docstring says"""
    return {name: ("uniform", 2, np.ones(w.shape, int), w) for name, w in weights_of(model).items()}


def wrong_exponent_with_a_fraction(model, images, labels, budget):
    """Message: Codes or steps are out of range"""
    found = {}
    for name, w in weights_of(model).items():
        scheme, bits, codes, k = best_power(w, 2)
        found[name] = scheme, bits, codes, k + 0.5
    return found


def wrong_layer_left_out(model, images, labels, budget):
    """Message: another form than the docstring says"""
    bits = plan(budget)
    weights = weights_of(model)
    return {name: best_uniform(w, bits[name]) for name, w in weights.items() if name != "conv1"}


def wrong_signed_powers(model, images, labels, budget):
    """Message: Codes or steps are out of range"""
    layers = {name: best_power(w, 2) for name, w in weights_of(model).items()}
    return {name: (s, b, np.where(c == 3, -1, c), k) for name, (s, b, c, k) in layers.items()}


def wrong_a_step_for_each_input(model, images, labels, budget):
    """Message: another form than the docstring says"""
    layers = table_of_layers(model, budget)
    w = weights_of(model)["fc2"]
    layers["fc2"] = uniform_layer(w, layers["fc2"][1])
    scheme, bits, codes, step = layers["fc2"]
    layers["fc2"] = scheme, bits, codes, np.full((1, w.shape[1]), step)
    return layers


def wrong_network_changed(model, images, labels, budget):
    """Message: The network, the images or the labels were changed"""
    layers = table_of_layers(model, budget)
    for name, w in models.weight_tensors(model).items():
        w.copy_(torch.from_numpy(weight_of(layers[name])))
    return layers


def table_of_layers(model, budget):
    """Return bits by a table, and steps by squared error."""
    bits = plan(budget)
    return {name: best_uniform(w, bits[name]) for name, w in weights_of(model).items()}


def right_by_hand(model, images, labels, budget):
    """Bits by a table, steps by squared error, in lists."""
    layers = table_of_layers(model, budget)
    return {name: [s, b, codes.tolist(), step] for name, (s, b, codes, step) in layers.items()}


def right_mixed(model, images, labels, budget):
    """Powers of two for one layer, and a step for each output of the first one."""
    layers = table_of_layers(model, budget)
    weights = weights_of(model)
    rows = [best_uniform(row, 4) for row in weights["conv1"]]
    codes, steps = np.stack([row[2] for row in rows]), np.array([row[3] for row in rows])
    layers["conv1"] = "uniform", 4, codes, steps
    layers["fc1"] = best_power(weights["fc1"], 2)
    if budget < 14_800:
        layers["conv1"] = best_uniform(weights["conv1"], 4)
    return layers


def right_axes_kept(model, images, labels, budget):
    """A step for each output with further axes of length 1."""
    layers = table_of_layers(model, budget)
    if budget > 14_500:
        scheme, bits, codes, step = layers["conv1"]
        layers["conv1"] = scheme, bits, codes, np.full((len(codes), 1, 1, 1), step)
        layers |= {"fc2": best_uniform(weights_of(model)["fc2"], 3)} if budget < 17_000 else {}
    return layers
