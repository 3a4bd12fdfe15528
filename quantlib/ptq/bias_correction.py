"""Bias correction: rounding moves the mean of a layer's results, and its bias can move it back."""

import math

import torch
from torch import nn

from quantlib._validation import check_integer
from quantlib.evaluation import evaluating
from quantlib.ptq.graph import INPUT, as_images, check_graph

__all__ = ["clipped_normal_mean", "correct_bias", "correct_bias_from_statistics"]

_WEIGHTED = nn.Conv2d, nn.Linear
_MEANS = nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Flatten


def correct_bias(graph, simulated, images, *, batch_size=64):
    r"""Return the simulated graph with biases that give each channel its mean back.

    .. math:: b_o \leftarrow b_o + \mathrm{E}[y_o] - \mathrm{E}[\hat y_o]

    for the results y of each layer before its activation, in the float graph and in the simulated
    one, over the images and all places of a channel. Layers are corrected in their order, each with
    those before it corrected already, as its input changes with them.

    Source: Nagel et al. (2019), section 4.2 and appendix B, the empirical form; Chenna, section 7.

    Parameters
    ----------
    graph, simulated : Graph
        What :func:`~quantlib.ptq.simulation.simulate` was given and returned. They stay as they
        are.
    images : numpy.ndarray or torch.Tensor
        N x C x H x W, usually the calibration set. No labels are needed.

    Examples
    --------
    >>> from quantlib import data, models, ptq
    >>> digits = data.load()
    >>> found = ptq.quantize_model(
    ...     models.load_pretrained(), digits.train_images[:100], bit_width=3)
    >>> corrected = correct_bias(found.folded, found.simulated, digits.train_images[:100])
    >>> wanted, was, now = (
    ...     mean_results(g, ["fc2"], torch.as_tensor(digits.train_images[:100]))["fc2"]
    ...     for g in (found.folded, found.simulated, corrected))
    >>> bool(abs(now - wanted).max() < abs(was - wanted).max())
    True
    """
    check_graph(graph), check_graph(simulated, "simulated")
    images = as_images(images)
    batch_size = check_integer(batch_size, "batch_size", 1, 2**31)
    simulated = simulated.copy()
    names = list(simulated.named_layers(*_WEIGHTED))
    wanted = mean_results(graph, names, images, batch_size=batch_size)
    for name in names:
        found = mean_results(simulated, [name], images, batch_size=batch_size)[name]
        _add_to_bias(simulated.layers[name], wanted[name] - found)
    return simulated


def mean_results(graph, names, images, *, batch_size=64):
    """Return the mean of each output channel of some layers, before activations, in float64."""
    sums, counts = dict.fromkeys(names, 0), dict.fromkeys(names, 0)

    def adds(name):
        def hook(layer, given, y):
            y = y.transpose(0, 1).flatten(1).double()
            sums[name] = sums[name] + y.sum(1)
            counts[name] += y.shape[1]

        return hook

    hooks = [graph.layers[name].register_forward_hook(adds(name)) for name in names]
    try:
        with evaluating(graph):
            for batch in torch.split(images, batch_size):
                graph.run(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: sums[name] / counts[name] for name in names}


def _add_to_bias(layer, change):
    bias = torch.zeros(len(change)) if layer.bias is None else layer.bias.detach()
    layer.bias = nn.Parameter((bias + change).float(), requires_grad=False)


def clipped_normal_mean(mean, std, low=0.0, high=math.inf):
    r"""Mean of a normal number that is clamped to [``low``, ``high``], by its activation.

    .. math:: \mathrm{E}[\mathrm{clamp}(x)] = a\,\Phi(\alpha) + b\,(1 - \Phi(\beta))
              + \mu\,(\Phi(\beta) - \Phi(\alpha)) - \sigma\,(\varphi(\beta) - \varphi(\alpha))

    with a, b the bounds, :math:`\alpha = (a - \mu)/\sigma` and :math:`\beta = (b - \mu)/\sigma`.
    Tensors in float64. Source: Nagel et al. (2019), appendix C.

    >>> zero, one = torch.tensor(0.0), torch.tensor(1.0)
    >>> round(clipped_normal_mean(zero, one).item(), 6) == round(1 / math.sqrt(2 * math.pi), 6)
    True
    """
    mean, std = mean.double(), std.double().clamp_min(1e-30)
    alpha, beta = (low - mean) / std, (high - mean) / std
    below, above = torch.special.ndtr(alpha), torch.special.ndtr(-beta)
    inside = 1 - below - above
    density = [torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) for x in (alpha, beta)]
    clamped = mean * inside - std * (density[1] - density[0])
    if low:
        clamped = clamped + low * below
    return clamped + (high * above if math.isfinite(high) else 0)


def correct_bias_from_statistics(graph, simulated):
    r"""Do the same without images, from what batch normalization remembered.

    .. math:: b_o \leftarrow b_o - \sum_{c,k} (\hat w_{ock} - w_{ock})\, \mathrm{E}[x_c]

    A layer's input x is taken to be normal with the shift and scale of the normalization before it
    as mean and standard deviation, clamped by its activation
    (:func:`clipped_normal_mean`). Only layers whose input is such a result are corrected, behind
    maxima none; the images have no normalization. Borders, where zeros are added, count as if
    they had the same mean.

    Source: Nagel et al. (2019), section 4.2 and appendix C.
    """
    check_graph(graph), check_graph(simulated, "simulated")
    simulated = simulated.copy()
    for name, layer in simulated.named_layers(*_WEIGHTED).items():
        expected = _expected_input(graph, name)
        if expected is None or getattr(layer, "weight_quant", None) is None:
            continue
        error = (layer.weight_quant(layer.weight.detach()) - graph.layers[name].weight).double()
        by_channel = error.flatten(2).sum(2) if error.ndim == 4 else error
        groups = getattr(layer, "groups", 1)
        each = expected.reshape(groups, -1).repeat_interleave(len(error) // groups, 0)
        _add_to_bias(layer, -(by_channel * each).sum(1))
    return simulated


def _expected_input(graph, name):
    before = graph.nodes[name].inputs[0]
    # A mean over places has the mean of its channel.
    while before != INPUT and isinstance(graph.layers[before], _MEANS):
        before = graph.nodes[before].inputs[0]
    channels = graph.layers[name].weight.shape[1] * getattr(graph.layers[name], "groups", 1)
    if before not in graph.statistics or len(graph.statistics[before][0]) != channels:
        return None
    mean, std = graph.statistics[before]
    if before not in graph.activations:
        return mean
    six = isinstance(graph.activations[before], nn.ReLU6)
    return clipped_normal_mean(mean, std, 0.0, 6.0 if six else math.inf)
