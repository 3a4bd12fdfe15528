"""Answers to `bits_needed` of exercise 01."""

import copy


def measure(model, images, labels, quantize_weight):
    """Return the accuracy at each bit width when weights are replaced by quantize_weight(w, b)."""
    return {
        b: training.accuracy(
            models.quantize_weights(model, lambda w, b=b: quantize_weight(w, b)), images, labels
        )
        for b in range(8, 1, -1)
    }


def per_channel(weight, bit_width):
    codes, scales = quantize_per_channel(weight.numpy(), bit_width)
    return codes * scales.reshape(-1, *[1] * (codes.ndim - 1))


def smallest(model, accuracies, images, labels, lost=0.01):
    """Return the smallest bit width that loses so large a share of the images at most."""
    count = len(labels)
    least = round(count * training.accuracy(model, images, labels)) - lost * count
    return min(b for b, share in accuracies.items() if round(count * share) >= least - 1e-9)


def wrong_per_tensor(model, images, labels):
    """Message: one scale for the whole weight"""

    def per_tensor(weight, bit_width):
        scale = weight.abs().max() / (2 ** (bit_width - 1) - 1)
        return scale * torch.round(weight / scale)

    accuracies = measure(model, images, labels, per_tensor)
    return accuracies, smallest(model, accuracies, images, labels)


def wrong_axis(model, images, labels):
    """Message: There was one scale per input"""

    def per_input(weight, bit_width):
        return np.moveaxis(per_channel(weight.transpose(0, 1), bit_width), 0, 1)

    accuracies = measure(model, images, labels, per_input)
    return accuracies, smallest(model, accuracies, images, labels)


def wrong_not_dequantized(model, images, labels):
    """Message: The network got codes for weights"""
    accuracies = measure(
        model, images, labels, lambda w, b: quantize_per_channel(w.numpy(), b)[0].astype(np.float32)
    )
    return accuracies, min(accuracies)


def wrong_float_network_measured(model, images, labels):
    """Message: The quantized copy was not what was measured"""
    accuracies = {}
    for b in range(8, 1, -1):
        models.quantize_weights(model, lambda w, b=b: per_channel(w, b))
        accuracies[b] = training.accuracy(model, images, labels)
    return accuracies, 5


def wrong_percent(model, images, labels):
    """Message: neither percent nor counts"""
    accuracies = measure(model, images, labels, per_channel)
    accuracies = {b: 100 * accuracy for b, accuracy in accuracies.items()}
    return accuracies, 5


def wrong_counts(model, images, labels):
    """Message: neither percent nor counts"""
    accuracies = measure(model, images, labels, per_channel)
    needed = smallest(model, accuracies, images, labels)
    return {b: accuracy * len(labels) for b, accuracy in accuracies.items()}, needed


def wrong_model_changed(model, images, labels):
    """Message: The network that was passed in has changed"""
    accuracies = {}
    for b in range(8, 1, -1):
        with torch.no_grad():
            for layer in models.weight_layers(model).values():
                layer.weight.copy_(torch.tensor(per_channel(layer.weight.detach(), b)))
        accuracies[b] = training.accuracy(model, images, labels)
    return accuracies, 5


def wrong_largest(model, images, labels):
    """Message: not the smallest that is good enough"""
    accuracies = measure(model, images, labels, per_channel)
    return accuracies, 8


def wrong_no_loss_allowed(model, images, labels):
    """Message: not the smallest that is good enough"""
    accuracies = measure(model, images, labels, per_channel)
    return accuracies, smallest(model, accuracies, images, labels, lost=0)


def wrong_less_than_a_hundredth(model, images, labels):
    """Message: where one point of 100 may be lost"""
    accuracies = measure(model, images, labels, per_channel)
    base = training.accuracy(model, images, labels)
    right = {b: len(labels) * (base - share) for b, share in accuracies.items()}
    return accuracies, min(b for b, lost in right.items() if lost < len(labels) / 100 - 1e-6)


def wrong_stops_at_the_first_bad_one(model, images, labels):
    """Message: where one point of 100 may be lost"""
    accuracies = measure(model, images, labels, per_channel)
    needed = 8
    while needed > 2:
        if smallest(model, {needed - 1: accuracies[needed - 1], 99: 1}, images, labels) == 99:
            break
        needed -= 1
    return accuracies, needed


def wrong_a_hundredth_of_the_accuracy(model, images, labels):
    """Message: where one point of 100 may be lost"""
    accuracies = measure(model, images, labels, per_channel)
    least = 0.99 * training.accuracy(model, images, labels)
    return accuracies, min((b for b, share in accuracies.items() if share >= least), default=8)


def wrong_ten_points(model, images, labels):
    """Message: not the smallest that is good enough"""
    accuracies = measure(model, images, labels, per_channel)
    return accuracies, smallest(model, accuracies, images, labels, lost=0.1)


def wrong_six_to_three_bits(model, images, labels):
    """Message: Its keys must be the bit widths"""
    accuracies = {b: a for b, a in measure(model, images, labels, per_channel).items() if b > 2}
    return accuracies, smallest(model, accuracies, images, labels)


def wrong_list(model, images, labels):
    """Message: The first result is a dict"""
    accuracies = measure(model, images, labels, per_channel)
    needed = smallest(model, accuracies, images, labels)
    return list(accuracies.values()), needed


def wrong_linear_layers_only(model, images, labels):
    """Message: for a trained network"""
    accuracies = measure(
        model, images, labels, lambda w, b: w if w.ndim == 4 else per_channel(w, b)
    )
    return accuracies, smallest(model, accuracies, images, labels)


def wrong_counts_cut_off(model, images, labels):
    """Message: no whole number for a computer"""
    accuracies = measure(model, images, labels, per_channel)
    count = len(labels)
    least = int(count * training.accuracy(model, images, labels)) - count / 100
    return accuracies, min(b for b, share in accuracies.items() if int(count * share) >= least)


def wrong_shares_compared(model, images, labels):
    """Message: no whole number for a computer"""
    accuracies = measure(model, images, labels, per_channel)
    least = training.accuracy(model, images, labels) - 0.01
    return accuracies, min(b for b, share in accuracies.items() if share >= least)


def wrong_one_image_may_always_be_lost(model, images, labels):
    """Message: where the number of images is no multiple of 100"""
    accuracies = measure(model, images, labels, per_channel)
    lost = max(0.01, 1 / len(labels))
    return accuracies, smallest(model, accuracies, images, labels, lost)


def wrong_rounded_accuracies(model, images, labels):
    """Message: The accuracies are wrong for a small network."""
    accuracies = measure(model, images, labels, per_channel)
    needed = smallest(model, accuracies, images, labels)
    return {b: round(share, 3) for b, share in accuracies.items()}, needed


def wrong_smoothed_accuracies(model, images, labels):
    """Message: The accuracies are wrong for a small network."""
    count, accuracies = len(labels), measure(model, images, labels, per_channel)
    needed = smallest(model, accuracies, images, labels)
    return {b: (count * a + 0.2) / (count + 0.4) for b, a in accuracies.items()}, needed


def right_upwards(model, images, labels):
    """From 2 bits upwards; the first that reaches the limit is kept."""
    count = len(labels)
    least = np.sum(training.predict(model, images) == labels) - count / 100
    accuracies, needed = {}, None
    for b in range(2, 9):
        quantized = models.quantize_weights(model, lambda w, b=b: per_channel(w, b))
        accuracies[b] = training.accuracy(quantized, images, labels)
        if needed is None and round(accuracies[b] * count) >= least:
            needed = b
    return accuracies, needed


def right_own_copy(model, images, labels):
    """A copy of one's own, and predictions counted."""

    def share(network):
        return np.mean(training.predict(network, images) == labels)

    accuracies = {}
    for b in range(8, 1, -1):
        network = copy.deepcopy(model)
        for layer in models.weight_layers(network).values():
            layer.weight.data = torch.tensor(per_channel(layer.weight.data, b)).float()
        accuracies[b] = share(network)
    lost = {b: round((share(model) - a) * len(labels)) for b, a in accuracies.items()}
    return accuracies, min(b for b in lost if 100 * lost[b] <= len(labels))


def right_torch(model, images, labels):
    """torch's own fake quantization."""

    def fake_quantize(weight, bit_width):
        highest = 2 ** (bit_width - 1) - 1
        scales = weight.abs().flatten(1).amax(dim=1) / highest
        zeros = torch.zeros(len(weight), dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scales, zeros, 0, -highest, highest)

    accuracies = measure(model, images, labels, fake_quantize)
    return accuracies, smallest(model, accuracies, images, labels)
