"""Answers to `compress_network` of exercise 02."""

import math


def largest_exponent(weight):
    """Return the exponent of the largest magnitude."""
    return round(float(np.log2(np.abs(weight.numpy()).max())))


def levels(weight, bit_width, max_exponent=None):
    """Return the levels of a weight; its largest exponent is its own unless given."""
    top = largest_exponent(weight) if max_exponent is None else max_exponent
    return log_decode(log_encode(weight.numpy(), bit_width, top), bit_width, top)


def accuracies(model, images, labels):
    """Return the accuracy at each bit width from 2 to 8."""
    return {
        b: training.accuracy(
            models.quantize_weights(model, lambda w, b=b: levels(w, b)), images, labels
        )
        for b in range(2, 9)
    }


def size(model, bit_width):
    """Return the bytes of the codes."""
    return sum(math.ceil(w.numel() * bit_width / 8) for w in models.weight_tensors(model).values())


def first_good(found, limit):
    """Return the smallest bit width that is good enough, or None."""
    return next((b for b in sorted(found) if found[b] >= limit), None)


def answer(model, images, labels, max_loss, n_bytes=size):
    """Return the right answer, its bytes counted by n_bytes(model, bit_width)."""
    found = accuracies(model, images, labels)
    b = first_good(found, training.accuracy(model, images, labels) - max_loss)
    return (None, None, None) if b is None else (b, found[b], n_bytes(model, b))


def with_exponent(model, images, labels, max_loss, exponent_of):
    """Return the answer for levels whose largest exponent is exponent_of(weight)."""
    limit = training.accuracy(model, images, labels) - max_loss
    for b in range(2, 9):
        quantized = models.quantize_weights(model, lambda w, b=b: levels(w, b, exponent_of(w)))
        accuracy = training.accuracy(quantized, images, labels)
        if accuracy >= limit:
            return b, accuracy, size(model, b)
    return None, None, None


def wrong_largest_bit_width(model, images, labels, max_loss):
    """Message: This is the largest good bit width"""
    found = accuracies(model, images, labels)
    limit = training.accuracy(model, images, labels) - max_loss
    good = [b for b in found if found[b] >= limit]
    return (max(good), found[max(good)], size(model, max(good))) if good else (None, None, None)


def wrong_nothing_compared(model, images, labels, max_loss):
    """Message: 2 bits are not good enough"""
    return 2, accuracies(model, images, labels)[2], size(model, 2)


def wrong_compared_the_wrong_way(model, images, labels, max_loss):
    """Message: 2 bits are not good enough"""
    found = accuracies(model, images, labels)
    limit = training.accuracy(model, images, labels) - max_loss
    b = next(b for b in found if found[b] <= limit)
    return b, found[b], size(model, b)


def wrong_percent_of_the_limit(model, images, labels, max_loss):
    """Message: 2 bits are not good enough"""
    return answer(model, images, labels, 100 * max_loss)


def wrong_loss_added(model, images, labels, max_loss):
    """Message: No bit width was found, but one is good enough"""
    return answer(model, images, labels, -max_loss)


def wrong_last_bad_bit_width(model, images, labels, max_loss):
    """Message: This is the last bit width that is not good enough"""
    b, accuracy, n_bytes = answer(model, images, labels, max_loss)
    return (b and b - 1), accuracy, n_bytes


def wrong_one_bit_more(model, images, labels, max_loss):
    """Message: A smaller bit width is good enough"""
    b, accuracy, n_bytes = answer(model, images, labels, max_loss)
    return (b and b + 1), accuracy, n_bytes


def wrong_one_exponent_for_all_layers(model, images, labels, max_loss):
    """Message: One k_max for all layers"""
    top = max(largest_exponent(w) for w in models.weight_tensors(model).values())
    return with_exponent(model, images, labels, max_loss, lambda weight: top)


def wrong_exponent_cut_off(model, images, labels, max_loss):
    """Message: not the rounded logarithm"""

    def exponent_of(weight):
        return math.floor(math.log2(weight.abs().max()))

    return with_exponent(model, images, labels, max_loss, exponent_of)


def wrong_exponent_of_the_largest_value(model, images, labels, max_loss):
    """Message: logarithm of the largest magnitude"""

    def exponent_of(weight):
        return round(math.log2(weight.max()))

    return with_exponent(model, images, labels, max_loss, exponent_of)


def wrong_half_way(model, images, labels, max_loss):
    """Message: The boundaries lie half-way"""
    limit = training.accuracy(model, images, labels) - max_loss
    for b in range(2, 9):
        quantized = models.quantize_weights(
            model,
            lambda w, b=b: logarithmic.fake_quantize(
                w, logarithmic.choose_qparams(w, b, boundary="nearest")
            ),
        )
        accuracy = training.accuracy(quantized, images, labels)
        if accuracy >= limit:
            return b, accuracy, size(model, b)
    return None, None, None


def wrong_linear_layers_only(model, images, labels, max_loss):
    """Message: The result is wrong for a trained network."""
    linear = [name for name, w in models.weight_tensors(model).items() if w.ndim == 2]
    limit = training.accuracy(model, images, labels) - max_loss
    for b in range(2, 9):
        quantized = models.quantize_weights(model, lambda w, b=b: levels(w, b), layers=linear)
        accuracy = training.accuracy(quantized, images, labels)
        if accuracy >= limit:
            return b, accuracy, size(model, b)
    return None, None, None


def wrong_changed_in_place(model, images, labels, max_loss):
    """Message: The network that was passed in has changed"""
    limit = training.accuracy(model, images, labels) - max_loss
    for b in range(2, 9):
        for weight in models.weight_tensors(model).values():
            weight.copy_(torch.as_tensor(levels(weight, b)))
        accuracy = training.accuracy(model, images, labels)
        if accuracy >= limit:
            return b, accuracy, size(model, b)
    return None, None, None


def wrong_copy_not_measured(model, images, labels, max_loss):
    """Message: 2 bits are not good enough"""
    limit = training.accuracy(model, images, labels) - max_loss
    for b in range(2, 9):
        models.quantize_weights(model, lambda w, b=b: levels(w, b))
        accuracy = training.accuracy(model, images, labels)
        if accuracy >= limit:
            return b, accuracy, size(model, b)
    return None, None, None


def wrong_accuracy_of_the_float_network(model, images, labels, max_loss):
    """Message: This is the floating-point network"""
    b, _, n_bytes = answer(model, images, labels, max_loss)
    return b, b and training.accuracy(model, images, labels), n_bytes


def wrong_limit_returned(model, images, labels, max_loss):
    """Message: This is the limit. Return the accuracy itself."""
    b, _, n_bytes = answer(model, images, labels, max_loss)
    return b, b and training.accuracy(model, images, labels) - max_loss, n_bytes


def wrong_loss_returned(model, images, labels, max_loss):
    """Message: This is the loss. Return the accuracy itself."""
    b, accuracy, n_bytes = answer(model, images, labels, max_loss)
    return b, b and training.accuracy(model, images, labels) - accuracy, n_bytes


def wrong_percent(model, images, labels, max_loss):
    """Message: The accuracy is a share from 0 to 1, not percent."""
    b, accuracy, n_bytes = answer(model, images, labels, max_loss)
    return b, b and 100 * accuracy, n_bytes


def wrong_one_stream(model, images, labels, max_loss):
    """Message: The layers are in one stream"""

    def n_bytes(model, b):
        return math.ceil(sum(w.numel() for w in models.weight_tensors(model).values()) * b / 8)

    return answer(model, images, labels, max_loss, n_bytes)


def wrong_rounded_down(model, images, labels, max_loss):
    """Message: The bytes were rounded down"""

    def n_bytes(model, b):
        return sum(w.numel() * b // 8 for w in models.weight_tensors(model).values())

    return answer(model, images, labels, max_loss, n_bytes)


def wrong_bits(model, images, labels, max_loss):
    """Message: These are bits. A byte has eight."""

    def n_bits(model, b):
        return sum(w.numel() * b for w in models.weight_tensors(model).values())

    return answer(model, images, labels, max_loss, n_bits)


def wrong_fraction_of_bytes(model, images, labels, max_loss):
    """Message: The bytes are not a whole number"""

    def n_bytes(model, b):
        return sum(w.numel() * b / 8 for w in models.weight_tensors(model).values())

    return answer(model, images, labels, max_loss, n_bytes)


def wrong_float_bytes(model, images, labels, max_loss):
    """Message: This is what floating-point weights take"""

    def n_bytes(model, b):
        return sum(w.numel() * 4 for w in models.weight_tensors(model).values())

    return answer(model, images, labels, max_loss, n_bytes)


def wrong_one_byte_a_code(model, images, labels, max_loss):
    """Message: Each code has a byte of its own here"""

    def n_bytes(model, b):
        return sum(w.numel() for w in models.weight_tensors(model).values())

    return answer(model, images, labels, max_loss, n_bytes)


def wrong_biases_counted(model, images, labels, max_loss):
    """Message: The biases were counted too"""

    def n_bytes(model, b):
        return sum(math.ceil(p.numel() * b / 8) for p in model.parameters())

    return answer(model, images, labels, max_loss, n_bytes)


def wrong_eight_bits_where_none(model, images, labels, max_loss):
    """Message: No bit width is good enough for this limit"""
    b, accuracy, n_bytes = answer(model, images, labels, max_loss)
    if b is None:
        return 8, accuracies(model, images, labels)[8], size(model, 8)
    return b, accuracy, n_bytes


def wrong_only_the_bit_width(model, images, labels, max_loss):
    """Message: Return three things"""
    return answer(model, images, labels, max_loss)[0]


def right_library(model, images, labels, max_loss):
    """With quantlib's quantizer."""
    limit = training.accuracy(model, images, labels) - max_loss
    for bit_width in (2, 3, 4, 5, 6, 7, 8):
        copy = models.quantize_weights(
            model,
            lambda w, b=bit_width: logarithmic.fake_quantize(w, logarithmic.choose_qparams(w, b)),
        )
        accuracy = training.accuracy(copy, images, labels)
        if not accuracy < limit:
            weights = models.weight_tensors(model).values()
            return bit_width, accuracy, sum(-(-w.numel() * bit_width // 8) for w in weights)
    return None, None, None


def right_all_bit_widths_first(model, images, labels, max_loss):
    """Measures all, then chooses."""
    found = accuracies(model, images, labels)
    limit = training.accuracy(model, images, labels) - max_loss
    good = sorted(b for b, accuracy in found.items() if accuracy >= limit)
    if not good:
        return None, None, None
    return good[0], found[good[0]], size(model, good[0])


def right_own_copy(model, images, labels, max_loss):
    """Copies the network itself and writes into the copy."""
    import copy

    def correct(network):
        with torch.no_grad():
            answers = network(torch.as_tensor(images)).argmax(dim=1).numpy()
        return np.mean(answers == labels)

    for bit_width in range(2, 9):
        network = copy.deepcopy(model).eval()
        n_bytes = 0
        for weight in models.weight_tensors(network).values():
            weight.copy_(torch.as_tensor(levels(weight, bit_width)))
            n_bytes += (weight.numel() * bit_width + 7) // 8
        if correct(network) >= correct(model) - max_loss:
            return bit_width, correct(network), n_bytes
    return None, None, None
