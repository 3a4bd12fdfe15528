"""Answers to `search_bits` of exercise 03."""


def nearest_levels(values, table):
    """Return the nearest levels of activations."""
    return knq.KnqQParams(table, 8).fake_quantize(values)


def levels_below(values, table):
    """Return the next levels below."""
    return knq.KnqQParams(table, 8, boundary="level").fake_quantize(values)


def all_bits(levels):
    """Return all bit widths, as dicts."""
    return [dict(zip(levels, c, strict=True)) for c in itertools.product(*levels.values())]


def measure(model, images, labels, levels, bits, rule=nearest_levels):
    """Return the accuracy with these bit widths."""
    quantizers = {n: lambda v, t=levels[n][b]: rule(v, t) for n, b in bits.items()}
    return training.accuracy(activations.QuantizedActivations(model, quantizers), images, labels)


def memory_of(model, images, bits):
    """Return the bits of one image's activations."""
    seen = activations.record(model, images[:1])
    return sum(seen[n].size * b for n, b in bits.items())


def runs(model, images, labels, levels, rule=nearest_levels):
    """Return (memory, accuracy, bits) of all combinations."""
    return [
        (memory_of(model, images, bits), measure(model, images, labels, levels, bits, rule), bits)
        for bits in all_bits(levels)
    ]


def answer(
    model,
    images,
    labels,
    levels,
    max_loss,
    rule=nearest_levels,
    key=lambda run: (run[0], -run[1]),
    is_good=lambda accuracy, before, max_loss: accuracy >= before - max_loss,
):
    """Return the right answer, or one that a changed step gives."""
    before = training.accuracy(model, images, labels)
    good = [
        run
        for run in runs(model, images, labels, levels, rule)
        if is_good(run[1], before, max_loss)
    ]
    if not good:
        return None, None, None
    memory, accuracy, bits = min(good, key=key)
    return bits, memory, accuracy


def wrong_first_in_order(model, images, labels, levels, max_loss):
    """Message: Was the first good combination taken"""
    return answer(model, images, labels, levels, max_loss, key=lambda run: 0)


def wrong_most_accurate(model, images, labels, levels, max_loss):
    """Message: This is the most accurate combination"""
    return answer(model, images, labels, levels, max_loss, key=lambda run: -run[1])


def wrong_most_memory(model, images, labels, levels, max_loss):
    """Message: This is the combination of the most memory"""
    before = training.accuracy(model, images, labels)
    good = [r for r in runs(model, images, labels, levels) if r[1] >= before - max_loss]
    if not good:
        return None, None, None
    memory, accuracy, bits = good[-1]
    return bits, memory, accuracy


def wrong_percent(model, images, labels, levels, max_loss):
    """Message: 9 bits are 1 for each activation"""
    return answer(model, images, labels, levels, 100 * max_loss)


def wrong_comparison(model, images, labels, levels, max_loss):
    """Message: 9 bits are 1 for each activation"""
    return answer(
        model,
        images,
        labels,
        levels,
        max_loss,
        is_good=lambda accuracy, before, max_loss: accuracy <= before - max_loss,
    )


def wrong_loss_added(model, images, labels, levels, max_loss):
    """Message: No combination was found, but some are good enough"""
    return answer(model, images, labels, levels, -max_loss)


def wrong_one_layer_at_a_time(model, images, labels, levels, max_loss):
    """Message: Were layers quantized one at a time"""
    before = training.accuracy(model, images, labels)
    bits = {}
    for name in levels:
        for b in levels[name]:
            if measure(model, images, labels, levels, {name: b}) >= before - max_loss:
                bits[name] = b
                break
        else:
            return None, None, None
    return (
        bits,
        memory_of(model, images, bits),
        measure(model, images, labels, levels, bits),
    )


def wrong_lambda_in_a_loop(model, images, labels, levels, max_loss):
    """Message: or all with the last one's levels"""
    before = training.accuracy(model, images, labels)
    found = None, None, None
    for bits in sorted(all_bits(levels), key=lambda b: memory_of(model, images, b)):
        quantizers = {}
        for name in bits:
            table = levels[name][bits[name]]
            quantizers[name] = lambda values: nearest_levels(values, table)  # noqa: B023
        quantized = activations.QuantizedActivations(model, quantizers)
        accuracy = training.accuracy(quantized, images, labels)
        memory = memory_of(model, images, bits)
        if accuracy >= before - max_loss and (
            found[1] is None or (memory, -accuracy) < (found[1], -found[2])
        ):
            found = bits, memory, accuracy
    return found


def wrong_level_below(model, images, labels, levels, max_loss):
    """Message: or were levels not the nearest?"""
    return answer(model, images, labels, levels, max_loss, rule=levels_below)


def wrong_codes_passed_on(model, images, labels, levels, max_loss):
    """Message: Do activations become levels, or only their codes?"""

    def codes(values, table):
        return knq.KnqQParams(table, 8).quantize(values)

    return answer(model, images, labels, levels, max_loss, rule=codes)


def wrong_the_same_for_all_layers(model, images, labels, levels, max_loss):
    """Message: All layers have the same bits"""
    before = training.accuracy(model, images, labels)
    for memory, accuracy, bits in runs(model, images, labels, levels):
        if len(set(bits.values())) == 1 and accuracy >= before - max_loss:
            return bits, memory, accuracy
    return None, None, None


def wrong_bytes(model, images, labels, levels, max_loss):
    """Message: These are bytes. Return bits."""
    bits, memory, accuracy = answer(model, images, labels, levels, max_loss)
    return bits, memory and memory / 8, accuracy


def wrong_all_images_counted(model, images, labels, levels, max_loss):
    """Message: This is the memory of all images"""
    bits, memory, accuracy = answer(model, images, labels, levels, max_loss)
    return bits, memory and memory * len(images), accuracy


def wrong_activations_counted(model, images, labels, levels, max_loss):
    """Message: or were bits forgotten in the memory?"""
    bits, memory, accuracy = answer(model, images, labels, levels, max_loss)
    seen = activations.record(model, images[:1])
    return bits, memory and sum(seen[name].size for name in bits), accuracy


def wrong_last_axis_counted(model, images, labels, levels, max_loss):
    """Message: The result is wrong for a trained network"""
    seen = activations.record(model, images[:1])

    def key(run):
        return sum(seen[n].shape[1] * b for n, b in run[2].items()), -run[1]

    bits, _, accuracy = answer(model, images, labels, levels, max_loss, key=key)
    return bits, bits and sum(seen[n].shape[1] * b for n, b in bits.items()), accuracy


def wrong_all_layers_counted(model, images, labels, levels, max_loss):
    """Message: The result is wrong for a trained network"""
    seen = activations.record(model, images[:1])
    rest = sum(32 * values.size for name, values in seen.items() if name not in levels)
    bits, memory, accuracy = answer(model, images, labels, levels, max_loss)
    return bits, memory and memory + rest, accuracy


def wrong_float_accuracy(model, images, labels, levels, max_loss):
    """Message: This is the network as it is"""
    bits, memory, _ = answer(model, images, labels, levels, max_loss)
    return bits, memory, bits and training.accuracy(model, images, labels)


def wrong_limit_returned(model, images, labels, levels, max_loss):
    """Message: This is the limit"""
    bits, memory, _ = answer(model, images, labels, levels, max_loss)
    return bits, memory, bits and training.accuracy(model, images, labels) - max_loss


def wrong_loss_returned(model, images, labels, levels, max_loss):
    """Message: This is the loss"""
    bits, memory, accuracy = answer(model, images, labels, levels, max_loss)
    return bits, memory, bits and training.accuracy(model, images, labels) - accuracy


def wrong_in_percent(model, images, labels, levels, max_loss):
    """Message: The accuracy is a share from 0 to 1"""
    bits, memory, accuracy = answer(model, images, labels, levels, max_loss)
    return bits, memory, bits and 100 * accuracy


def wrong_order_of_equal_memory(model, images, labels, levels, max_loss):
    """Message: Of two combinations with the same memory"""
    return answer(model, images, labels, levels, max_loss, key=lambda run: run[0])


def wrong_largest_where_none(model, images, labels, levels, max_loss):
    """Message: Then (None, None, None) must come back"""
    bits, memory, accuracy = answer(model, images, labels, levels, max_loss)
    if bits is None:
        memory, accuracy, bits = runs(model, images, labels, levels)[-1]
    return bits, memory, accuracy


def wrong_only_the_bits(model, images, labels, levels, max_loss):
    """Message: Return three things"""
    return answer(model, images, labels, levels, max_loss)[0]


def wrong_network_changed(model, images, labels, levels, max_loss):
    """Message: The network or the levels that were passed in have changed"""
    found = answer(model, images, labels, levels, max_loss)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    return found


def wrong_rising_accuracy_assumed(model, images, labels, levels, max_loss):
    """Message: 18 bits are enough, not 21"""
    before = training.accuracy(model, images, labels)
    bits = {name: max(widths) for name, widths in levels.items()}
    if measure(model, images, labels, levels, bits) < before - max_loss:
        return None, None, None
    for name in levels:
        for b in sorted(levels[name], reverse=True):
            if measure(model, images, labels, levels, bits | {name: b}) < before - max_loss:
                break
            bits[name] = b
    return (
        bits,
        memory_of(model, images, bits),
        measure(model, images, labels, levels, bits),
    )


def wrong_less_than_the_loss_allowed(model, images, labels, levels, max_loss):
    """Message: No combination was found, but some are good enough"""
    return answer(
        model,
        images,
        labels,
        levels,
        max_loss,
        is_good=lambda accuracy, before, max_loss: accuracy > before - max_loss,
    )


def wrong_relative_loss(model, images, labels, levels, max_loss):
    """Message: is the limit another"""
    return answer(
        model,
        images,
        labels,
        levels,
        max_loss,
        is_good=lambda accuracy, before, max_loss: accuracy >= before * (1 - max_loss),
    )


def wrong_widths_of_the_first_layer(model, images, labels, levels, max_loss):
    """Message: No combination was found, but some are good enough"""
    widths = next(iter(levels.values()))
    levels = {n: {b: t for b, t in row.items() if b in widths} for n, row in levels.items()}
    return answer(model, images, labels, levels, max_loss)


def wrong_one_to_three_bits(model, images, labels, levels, max_loss):
    """Message: No combination was found, but some are good enough"""
    levels = {n: {b: t for b, t in row.items() if b <= 3} for n, row in levels.items()}
    return answer(model, images, labels, levels, max_loss)


def wrong_equal_steps(model, images, labels, levels, max_loss):
    """Message: or levels are not those that were given"""

    def evenly(values, table):
        return nearest_levels(values, np.linspace(table[0], table[-1], len(table)))

    return answer(model, images, labels, levels, max_loss, rule=evenly)


def right_in_the_order_of_memory(model, images, labels, levels, max_loss):
    """The first good one, the cheapest first; all of the same memory are run."""
    before = training.accuracy(model, images, labels)
    everything = sorted(
        ((memory_of(model, images, bits), bits) for bits in all_bits(levels)),
        key=lambda entry: entry[0],
    )
    for memory, group in itertools.groupby(everything, key=lambda entry: entry[0]):
        tried = [(measure(model, images, labels, levels, bits), bits) for _, bits in group]
        accuracy, bits = max(tried, key=lambda entry: entry[0])
        if not accuracy < before - max_loss:
            return bits, memory, accuracy
    return None, None, None


def right_nested(model, images, labels, levels, max_loss):
    """Layer by layer, by recursion, with distances in place of function 5."""
    before = training.accuracy(model, images, labels)
    sizes = {n: math.prod(a.shape[1:]) for n, a in activations.record(model, images).items()}

    def by_distance(values, table):
        values = values.double().numpy()
        above = np.abs(values[..., None] - table[::-1]).argmin(axis=-1)
        return table[::-1][above]

    def search(bits, names):
        if not names:
            accuracy = measure(model, images, labels, levels, bits, by_distance)
            if accuracy < before - max_loss:
                return []
            return [(sum(sizes[n] * b for n, b in bits.items()), -accuracy, dict(bits))]
        return [run for b in levels[names[0]] for run in search(bits | {names[0]: b}, names[1:])]

    good = sorted(search({}, list(levels)), key=lambda run: run[:2])
    if not good:
        return None, None, None
    memory, negative, bits = good[0]
    return bits, memory, -negative


def right_torch(model, images, labels, levels, max_loss):
    """Levels by torch; losses are compared, not accuracies."""

    def bucketized(values, table):
        table = torch.as_tensor(table)
        bounds = (table[1:] + table[:-1]) / 2
        return table[torch.bucketize(values.double(), bounds, right=True)]

    return answer(
        model,
        images,
        labels,
        levels,
        max_loss,
        rule=bucketized,
        is_good=lambda accuracy, before, max_loss: before - accuracy <= max_loss,
    )
