"""Answers to `layer_to_blame` of exercise 02."""


def measured(model, images, labels, bit_width, layers, levels=None):
    """Return the accuracy with some layers in few bits."""
    levels = levels or fake_quantize
    copy = models.quantize_weights(model, lambda w: levels(w, bit_width), layers=list(layers))
    return training.accuracy(copy, images, labels)


def experiments(model, images, labels, bit_width, levels=None):
    """Return names and the accuracies of both experiments."""
    names = list(models.weight_tensors(model))
    alone = {n: measured(model, images, labels, bit_width, [n], levels) for n in names}
    spared = {
        n: measured(model, images, labels, bit_width, [m for m in names if m != n], levels)
        if len(names) > 1
        else training.accuracy(model, images, labels)
        for n in names
    }
    return names, alone, spared


def wrong_worst_alone(model, images, labels, bit_width):
    """Message: All accuracies are right, but another layer is to blame"""
    names, alone, spared = experiments(model, images, labels, bit_width)
    return min(names, key=alone.get), alone, spared


def wrong_worst_spared(model, images, labels, bit_width):
    """Message: All accuracies are right, but another layer is to blame"""
    names, alone, spared = experiments(model, images, labels, bit_width)
    return min(names, key=spared.get), alone, spared


def wrong_last_of_equal_layers(model, images, labels, bit_width):
    """Message: Of several layers that are equal the first is to blame"""
    names, alone, spared = experiments(model, images, labels, bit_width)
    return max(reversed(names), key=spared.get), alone, spared


def wrong_swapped(model, images, labels, bit_width):
    """Message: The two experiments are swapped"""
    names, alone, spared = experiments(model, images, labels, bit_width)
    return max(names, key=spared.get), spared, alone


def wrong_losses(model, images, labels, bit_width):
    """Message: The accuracies with one layer alone in few bits are wrong"""
    names, alone, spared = experiments(model, images, labels, bit_width)
    base = training.accuracy(model, images, labels)
    losses = [{n: base - one[n] for n in names} for one in (alone, spared)]
    return max(names, key=spared.get), *losses


def wrong_percent(model, images, labels, bit_width):
    """Message: The accuracies with one layer alone in few bits are wrong"""
    names, alone, spared = experiments(model, images, labels, bit_width)
    hundred = [{n: 100 * one[n] for n in names} for one in (alone, spared)]
    return max(names, key=spared.get), *hundred


def wrong_two_bits_always(model, images, labels, bit_width):
    """Message: The accuracies with a layer alone in few bits are wrong with 3 bits"""
    names, alone, spared = experiments(model, images, labels, 2)
    return max(names, key=spared.get), alone, spared


def wrong_nearest_levels(model, images, labels, bit_width):
    """Message: The accuracies with a layer alone in few bits are wrong"""

    def levels(w, b):
        return logarithmic.fake_quantize(w, logarithmic.choose_qparams(w, b, boundary="nearest"))

    names, alone, spared = experiments(model, images, labels, bit_width, levels)
    return max(names, key=spared.get), alone, spared


def wrong_one_exponent_for_all(model, images, labels, bit_width):
    """Message: The accuracies with one layer alone in few bits are wrong"""
    every = torch.cat([w.flatten() for w in models.weight_tensors(model).values()])
    qparams = logarithmic.choose_qparams(every, bit_width)

    def levels(w, b):
        return logarithmic.fake_quantize(w, qparams)

    names, alone, spared = experiments(model, images, labels, bit_width, levels)
    return max(names, key=spared.get), alone, spared


def wrong_everything_quantized_for_one(model, images, labels, bit_width):
    """Message: wrong for a network of one layer"""
    names, alone, spared = experiments(model, images, labels, bit_width)
    if len(names) == 1:
        spared = dict(alone)
    return max(names, key=spared.get), alone, spared


def wrong_in_place(model, images, labels, bit_width):
    """Message: The network that was passed in has changed"""
    names, alone, spared = experiments(model, images, labels, bit_width)
    for w in models.weight_tensors(model).values():
        w.copy_(fake_quantize(w, bit_width))
    return max(names, key=spared.get), alone, spared


def wrong_first_layer(model, images, labels, bit_width):
    """Message: All accuracies are right, but another layer is to blame"""
    names, alone, spared = experiments(model, images, labels, bit_width)
    return names[0], alone, spared


def wrong_only_the_name(model, images, labels, bit_width):
    """Message: Return three things"""
    names, _, spared = experiments(model, images, labels, bit_width)
    return max(names, key=spared.get)


def wrong_equal_layers_by_name(model, images, labels, bit_width):
    """Message: All accuracies are right, but another layer is to blame"""
    names, alone, spared = experiments(model, images, labels, bit_width)
    return max(sorted(names), key=spared.get), alone, spared


def wrong_equal_layers_by_the_worst_alone(model, images, labels, bit_width):
    """Message: All accuracies are right, but another layer is to blame"""
    names, alone, spared = experiments(model, images, labels, bit_width)
    return max(names, key=lambda n: (spared[n], -alone[n])), alone, spared


def wrong_equal_layers_by_the_best_alone(model, images, labels, bit_width):
    """Message: All accuracies are right, but another layer is to blame"""
    names, alone, spared = experiments(model, images, labels, bit_width)
    return max(names, key=lambda n: (spared[n], alone[n])), alone, spared


def wrong_nearly_equal_layers(model, images, labels, bit_width):
    """Message: All accuracies are right, but another layer is to blame"""
    names, alone, spared = experiments(model, images, labels, bit_width)
    return max(names, key=lambda n: round(spared[n], 2)), alone, spared


def wrong_biases_in_few_bits(model, images, labels, bit_width):
    """Message: The accuracies with a layer alone in few bits are wrong"""
    names = list(models.weight_tensors(model))

    def read(few):
        copy = models.quantize_weights(model, lambda w: fake_quantize(w, bit_width), layers=few)
        for name, layer in copy.named_modules():
            if name in few and layer.bias is not None and layer.bias.any():
                layer.bias.data.copy_(fake_quantize(layer.bias.data, bit_width))
        return training.accuracy(copy, images, labels)

    alone = {n: read([n]) for n in names}
    spared = {n: read([m for m in names if m != n]) for n in names}
    return max(names, key=spared.get), alone, spared


def wrong_numbers_for_names(model, images, labels, bit_width):
    """Message: must have all layers' names"""
    names, alone, spared = experiments(model, images, labels, bit_width)
    return max(names, key=spared.get), list(alone.values()), list(spared.values())


def right_loop(model, images, labels, bit_width):
    """One loop over the names."""
    tensors = models.weight_tensors(model)
    alone, spared, best = {}, {}, None
    for name in tensors:
        accuracies = []
        for low in ([name], [n for n in tensors if n != name]):
            copy = models.quantize_weights(model, lambda w: w)
            for n in low:
                models.weight_tensors(copy)[n].copy_(fake_quantize(tensors[n], bit_width))
            accuracies.append(training.accuracy(copy, images, labels))
        alone[name], spared[name] = accuracies
        if best is None or spared[name] > spared[best]:
            best = name
    return [best, alone, spared]


def right_own_levels(model, images, labels, bit_width):
    """With the formula, and copies by hand."""
    import copy

    def few(w):
        a = np.abs(w)
        top = round(float(np.log2(a.max())))
        low = top - 2 ** (bit_width - 1) + 2
        level = 2.0 ** np.clip(np.round(np.log2(np.where(a == 0, 1, a))), low, top)
        return np.where(a < 2.0 ** (low - 1), 0, np.sign(w) * level)

    def read(names):
        other = copy.deepcopy(model).eval()
        for name, w in models.weight_tensors(other).items():
            if name in names:
                w.copy_(torch.from_numpy(few(w.numpy().astype(float))))
        with torch.no_grad():
            return np.mean(other(torch.tensor(images)).argmax(dim=1).numpy() == labels)

    names = list(models.weight_tensors(model))
    alone = {name: read({name}) for name in names}
    spared = {name: read({*names} - {name}) for name in names}
    best = max(spared.values())
    return next(name for name in names if spared[name] == best), alone, spared
