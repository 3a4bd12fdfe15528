"""Answers to `weights_under_budget` of exercise 01."""


def layer(w, bit_width, share=1.0):
    """Return codes, scales and bit width, the scale from the largest magnitude."""
    rows = w.reshape(len(w), -1)
    highest = 2 ** (bit_width - 1) - 1
    scales = share * np.abs(rows).max(axis=1) / highest
    codes = np.clip(np.round(rows / scales[:, None]), -highest, highest)
    return codes.astype(int).reshape(w.shape), scales, bit_width


def layers_of(model, widths, share=1.0):
    weights = models.weight_tensors(model)
    return {
        n: layer(w.numpy(), b, share) for (n, w), b in zip(weights.items(), widths, strict=True)
    }


def plan(budget):
    """Return bit widths that fit."""
    if budget >= 23_000:
        return 8, 6, 4, 2, 6
    if budget >= 20_000:
        return 8, 5, 3, 2, 5
    if budget >= 17_000:
        return 5, 4, 2, 2, 5
    return (8, 2, 2, 2, 5) if budget >= 16_000 else (7, 2, 2, 2, 2)


def wrong_two_bits_everywhere(model, images, labels, budget):
    """Message: Step 1 of 3"""
    return layers_of(model, (2, 2, 2, 2, 2))


def wrong_eight_bits_everywhere(model, images, labels, budget):
    """Message: more than the budget of 17,000 bytes"""
    return layers_of(model, (8, 8, 8, 8, 8))


def wrong_widest_that_fit_everywhere(model, images, labels, budget):
    """Message: Step 1 of 3"""
    return layers_of(model, (3,) * 5 if budget >= 22_462 else (2,) * 5)


def wrong_scales_forgotten_in_the_bytes(model, images, labels, budget):
    """Message: more than the budget of 17,000 bytes"""
    return layers_of(model, (8, 5, 2, 2, 8))


def wrong_bits_for_the_largest_layer(model, images, labels, budget):
    """Message: more than the budget of 17,000 bytes"""
    return layers_of(model, (2, 2, 2, 3, 2))


def wrong_real_weights(model, images, labels, budget):
    """Message: The codes must be whole numbers"""
    weights = models.weight_tensors(model)
    return {n: (w.numpy(), np.ones(len(w)), 2) for n, w in weights.items()}


def wrong_codes_of_more_bits(model, images, labels, budget):
    """Message: The codes must be whole numbers"""
    weights = models.weight_tensors(model)
    return {n: (*layer(w.numpy(), 4)[:2], 2) for n, w in weights.items()}


def wrong_last_layer_left_out(model, images, labels, budget):
    """Message: Its keys must be the names of the five layers"""
    layers = layers_of(model, plan(budget))
    del layers["fc2"]
    return layers


def wrong_scales_upside_down(model, images, labels, budget):
    """Message: Step 1 of 3"""
    return {n: (c, 1 / s, b) for n, (c, s, b) in layers_of(model, plan(budget)).items()}


def wrong_scales_of_the_inputs(model, images, labels, budget):
    """Message: another form"""
    layers = layers_of(model, plan(budget))
    return {n: (c, np.ones(c.shape[1] + 1), b) for n, (c, s, b) in layers.items()}


def wrong_network_of_the_notebook(model, images, labels, budget):
    """Message: Too few digits"""
    return layers_of(network, plan(budget), 0.8)


def wrong_test_images_looked_at(model, images, labels, budget):
    """Message: One of the names test_images and test_labels stands in the function"""
    found = [layers_of(model, plan(budget), share) for share in (0.75, 0.8)]
    seen = data.load("digits")
    return max(
        found,
        key=lambda layers: training.accuracy(
            rebuild(model, layers), seen.test_images, seen.test_labels
        ),
    )


def wrong_plan_of_the_example(model, images, labels, budget):
    """Message: more bytes than another budget"""
    return layers_of(model, (5, 4, 2, 2, 5), 0.8)


def right_plan(model, images, labels, budget):
    """A plan by hand, with all scales a little smaller than the largest magnitudes."""
    return layers_of(model, plan(budget), 0.8)


def right_share_for_each_layer(model, images, labels, budget):
    """A plan by hand, and the best of some scales by the squared error; lists."""
    found = {}
    for (name, w), b in zip(models.weight_tensors(model).items(), plan(budget), strict=True):
        w = w.numpy()
        beside = (-1, *[1] * (w.ndim - 1))
        tried = [layer(w, b, share) for share in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)]
        errors = [((c * s.reshape(beside) - w) ** 2).sum() for c, s, _ in tried]
        codes, scales, _ = tried[int(np.argmin(errors))]
        found[name] = [codes.tolist(), scales.tolist(), b]
    return found


def right_one_scale_for_large_layers(model, images, labels, budget):
    """One scale for fc1 saves 508 bytes."""
    layers = layers_of(model, plan(budget), 0.75)
    w = models.weight_tensors(model)["fc1"].numpy()
    scale = 0.6 * float(np.abs(w).max())
    layers["fc1"] = np.clip(np.round(w / scale), -1, 1), scale, 2
    return layers


def right_negative_scales(model, images, labels, budget):
    """Codes and scales turned round."""
    layers = layers_of(model, plan(budget), 0.8)
    return {name: (-codes, -scales, b) for name, (codes, scales, b) in layers.items()}
