"""Quantize the same networks by quantlib.ptq, by AIMET and by LiteRT, and compare the numbers.

Both are large and pin packages of their own, so they have an environment outside of this one:

    python3.11 -m venv ../ptq_tools
    ../ptq_tools/bin/pip install -r benchmarks/ptq_tools.txt
    ../ptq_tools/bin/python -m benchmarks.ptq_tools  # writes results/ptq/tools/*.json

quantlib runs in it as well, from this folder: its numbers and theirs come from the same run, on the
same network and the same calibration images, the first 200 training digits of scikit-learn.

This module has the cases and our side of them, and needs neither: ``tests/ptq/test_tools.py``
recomputes our numbers. Theirs are in :mod:`benchmarks.ptq_aimet` and :mod:`benchmarks.ptq_litert`.
"""

import argparse
import dataclasses
import datetime
import importlib.metadata
import json
import re
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from benchmarks import machine
from quantlib import data, models, ptq, training
from quantlib.ptq import steps

RESULTS = Path(__file__).parent / "results" / "ptq" / "tools"
DIGITS = data.load()
IMAGES = DIGITS.train_images[:200]
BATCH = 64
SEEDS = range(3)
DECADES = 2

#: Options of `quantize_model` for which the networks' accuracies are compared.
WAYS = {
    "one scale a layer": {"per_channel": False},
    "a scale a channel": {"per_channel": True},
    "one scale a layer, equalized": {"per_channel": False, "equalize": True},
    "a scale a channel, equalized": {"per_channel": True, "equalize": True},
}


#: LiteRT's rounding takes the logits of the digits CNN at most so many codes from ours.
CODES_APART = 1


class Case(NamedTuple):
    """Tensors of the folded digits CNN, and how their scales and zero points are chosen."""

    #: "results" of the layers and the images, with unsigned codes; or "weights", with signed ones.
    of: str
    observer: ptq.Observer
    mapping: str
    #: How far the scales may lie apart, as a share, and the zero points, in codes; None where the
    #: methods differ and the squared errors are compared instead.
    scale_tolerance: float | None
    zero_point_tolerance: int | None
    #: By how much our squared error may be larger, as a share.
    error_tolerance: float = 0.01


#: Symmetric with all 256 codes, as AIMET's is.
SYMMETRIC = "symmetric_no_clipping_err"
_A_CHANNEL = {"axis": 0}
#: AIMET's percentile has 2048 bins. An end is the left edge of a bin, and of the values of a tail
#: the lower one keeps one more: for the 2000 logits, half a thousandth is a single value.
_PERCENTILE = 0.02, 3
CASES = {
    "results, MinMax": Case("results", ptq.MinMax(), "asymmetric", 1e-6, 0),
    "results, Percentile(99.9)": Case("results", ptq.Percentile(99.9), "asymmetric", *_PERCENTILE),
    "results, MSE": Case("results", ptq.MSE(), "asymmetric", None, None),
    "weights by layer, symmetric": Case("weights", ptq.MinMax(), "symmetric", 1e-6, 0),
    "weights by channel, symmetric": Case(
        "weights", ptq.MinMax(**_A_CHANNEL), "symmetric", 1e-6, 0
    ),
    "weights by channel, symmetric, 256 codes": Case(
        "weights", ptq.MinMax(**_A_CHANNEL), SYMMETRIC, 1e-6, 0
    ),
    "weights by layer, asymmetric": Case("weights", ptq.MinMax(), "asymmetric", 1e-6, 0),
    "weights by channel, asymmetric": Case(
        "weights", ptq.MinMax(**_A_CHANNEL), "asymmetric", 1e-6, 0
    ),
    "weights by layer, MSE": Case("weights", ptq.MSE(), "symmetric", None, None),
    # AIMET also tries scales up to 1 % above that of the largest weight, ours none: with 9 weights
    # a channel, some of them suit all 9 better by chance.
    "weights by channel, MSE": Case(
        "weights", ptq.MSE(**_A_CHANNEL), "symmetric", None, None, error_tolerance=0.1
    ),
}


def folded_cnn():
    """Return the trained digits CNN, folded."""
    return ptq.fold(ptq.trace(models.load_pretrained()))


def tensors(graph, of):
    """Return what is quantized, by name: a list of batches each."""
    if of == "weights":
        layers = graph.named_layers(nn.Conv2d, nn.Linear)
        return {name: [layer.weight.detach()] for name, layer in layers.items()}
    seen = {name: [] for name in ptq.calibrate(graph, IMAGES, ptq.MinMax())}

    def visit(name, value):
        if name in seen:
            seen[name].append(value)

    with torch.no_grad():
        for batch in torch.as_tensor(IMAGES).split(BATCH):
            graph.run(batch, visit)
    return seen


def our_qparams(case, batches):
    """Return the parameters that quantlib chooses for one tensor."""
    observer = case.observer.fresh()
    for batch in batches:
        observer.observe(batch)
    return observer.qparams(8, mapping=case.mapping, signed=case.of == "weights")


def as_lists(scale, zero_point):
    """Return scales and zero points as they are written: in a list each, also if there is one."""
    scale, zero_point = np.atleast_1d(scale), np.atleast_1d(zero_point)
    zero_point = np.broadcast_to(zero_point, scale.shape)
    return {"scale": scale.astype(float).tolist(), "zero_point": zero_point.astype(int).tolist()}


def squared_error(scale, zero_point, case, batches):
    """Return the mean squared error of quantizing a tensor with those parameters."""
    x = torch.cat([b.flatten(1) for b in batches]).double().numpy()
    scale, zero_point = (np.asarray(v, float).reshape(-1, 1) for v in (scale, zero_point))
    low, high = (0, 255) if case.of == "results" else (-127, 127)
    codes = np.clip(np.rint(x / scale) + zero_point, low, high)
    return float(np.mean((scale * (codes - zero_point) - x) ** 2))


def mobile_net(seed=0, epochs=0):
    """Return a MobileNet for the digits, trained, folded, and with ranges spread as in chapter 9.

    Without training the weights are as they are drawn: for what needs no accuracy.
    """
    model = models.MobileNet(1, 10, 8, activation="relu", seed=seed)
    if epochs:
        training.fit(model, DIGITS, epochs=epochs, learning_rate=0.01, seed=seed, progress=False)
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    return model, ptq.spread_ranges(ptq.fold(ptq.trace(model)), DECADES, generator=generator)


def chain(graph):
    """Return a graph whose layers stand in a row as torch's Sequential, with modules of its own."""
    graph = graph.copy()
    modules, before = OrderedDict(), "input"
    for node in graph.nodes.values():
        if node.inputs != (before,):
            raise ValueError(f"{node.name} must take what {before} hands on, got {node.inputs}")
        modules[node.name] = graph.layers[node.name]
        if node.name in graph.activations:
            modules[f"{node.name}_act"] = type(graph.activations[node.name])()
        before = node.name
    return nn.Sequential(modules).eval()


def drawn_net():
    """Return a MobileNet as it is drawn, spread, with biases of 1: they will tell the factors."""
    graph = mobile_net()[1]
    for layer in graph.named_layers(nn.Conv2d, nn.Linear).values():
        layer.bias = nn.Parameter(torch.ones(len(layer.weight)), requires_grad=False)
    return graph


def our_factors(graph, pairs, *, passes=200):
    """Return by what each layer's output channels are divided, when pairs are equalized in turn.

    Weights of a layer are also multiplied by the factors of the layer before; biases are not.
    """
    graph = graph.copy()
    for _ in range(passes):
        for first, second in pairs:
            ptq.equalize_pair(graph.layers[first], graph.layers[second])
    layers = graph.named_layers(nn.Conv2d, nn.Linear)
    return {name: (1 / layer.bias.double()).numpy() for name, layer in layers.items()}


def as_aimet(graph, *, per_channel):
    """Return our simulation with ranges chosen as AIMET does: weights are on their levels already.

    Weights have all 256 codes, and biases stay real. Batches and the rest are as ever.
    """
    observer = ptq.MinMax(axis=0 if per_channel else None)
    weights = {
        name: observer.fresh().observe(batch).qparams(8, mapping=SYMMETRIC, signed=True)
        for name, (batch,) in tensors(graph, "weights").items()
    }
    seen = ptq.calibrate(ptq.simulate(graph, weights, {}), IMAGES, ptq.MinMax())
    return ptq.simulate(graph, weights, ptq.activation_qparams(seen, 8))


def our_logit_codes(network):
    """Return the codes of our logits for the test images, as int8: ours are unsigned."""
    batches = np.array_split(DIGITS.test_images, 8)
    return as_int8(np.concatenate([network.results(batch)[-2] for batch in batches]))


def as_int8(codes):
    """Return unsigned codes as signed ones."""
    return (codes.astype(int) - 128).astype(np.int8)


def logit_codes_rounded_twice(network):
    """Return what our logits' codes would be with the two roundings of gemmlowp.

    LiteRT's reference kernels have them in convolutions and means; linear layers are rounded once.
    Source: Jacob et al. (2018), appendix B; LiteRT's ``MultiplyByQuantizedMultiplier``.
    """
    values = []
    for step in network.steps[:-1]:
        given = [values[i] for i in step.inputs] if values else [DIGITS.test_images]
        if isinstance(step, steps.Convolution):
            sums = dataclasses.replace(step, requantization=None)(*given, threads=1)
            values.append(rounded_twice(sums, step.requantization))
        elif isinstance(step, steps.AveragePool):  # of whole images, behind a ReLU
            sums = given[0].sum(axis=(1, 2), keepdims=True, dtype=np.int64)
            values.append(rounded_twice(sums, step))
        else:
            values.append(step(*given, threads=1))
    return as_int8(values[-1])


def rounded_twice(sums, step):
    """Return codes of sums: first the upper 32 bits of twice the product, then a shift.

    ``step`` has the multiplier, the shift, the zero point and the bounds.
    """
    shift = 31 - np.asarray(step.shift, np.int64)
    product = (sums.astype(np.int64) << np.maximum(shift, 0)) * step.multiplier
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    high = np.where(nudged >= 0, nudged >> 31, -(-nudged >> 31))
    right_shift = np.maximum(-shift, 0)
    mask = (1 << right_shift) - 1
    codes = (high >> right_shift) + ((high & mask) > (mask >> 1) + (high < 0))
    return np.clip(codes + step.zero_point, step.low, step.high).astype(np.uint8)


def right(said):
    """Return the share of test digits that are classified correctly."""
    return float(np.mean(np.asarray(said) == DIGITS.test_labels))


def declare_nms():
    """Declare two operators of torchvision, if its own code cannot be loaded.

    AIMET imports torchvision and calls no operator of it. Beside a torch for processors only,
    PyPI's torchvision (built for CUDA) finds these two missing and stops.
    """
    if torch.version.cuda is None:
        for name in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{name}", "(Tensor dets, Tensor scores, float threshold) -> Tensor"
            )


def main():
    """Run both comparisons, or one of them, and write what was found."""
    declare_nms()
    from benchmarks import ptq_aimet, ptq_litert

    sides = {"aimet": ptq_aimet, "litert": ptq_litert}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=list(sides))
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    torch.set_num_threads(1)
    graphs = [mobile_net(seed, options.epochs)[1] for seed in SEEDS]
    for name in [options.only] if options.only else sides:
        side = sides[name]
        packages = ("numpy", "torch", *side.PACKAGES)
        result = {
            "date": datetime.date.today().isoformat(),
            "versions": {p: importlib.metadata.version(p) for p in packages},
            "processor": machine.describe()["processor"],
            "microarchitecture": machine.results_path("ptq").stem,
            "calibration_images": len(IMAGES),
            **side.compare(graphs),
        }
        RESULTS.mkdir(parents=True, exist_ok=True)
        text = json.dumps(result, indent=1)
        # lists of numbers on one line
        text = re.sub(r"\[[^][{}]*\]", lambda found: " ".join(found[0].split()), text)
        (RESULTS / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
