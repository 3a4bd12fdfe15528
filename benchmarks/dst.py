"""Time networks whose weights are states beside the same networks in torch, on one thread.

    python -m benchmarks.dst          # prints, and writes results/dst/<machine>.json
    python -m benchmarks.dst --quick  # a small run, to see that it works

A training step is forward, backward and update: Adam on float32 weights, and DST around Adam on
states, with ReLU as activation and with the grid in its place. Inference is from float32 pixels to
logits, of one image and of a batch: whole numbers with shifts and additions beside torch in float32
(as it is, channels last, frozen with batch normalization folded in) and in int8. A DST network has
normalization before each activation's grid; torch's is in the usual order, which it folds best.
One network is trained before, on the digits of scikit-learn. The weights of others are states that
were rounded at the start, and once more with as many zeros as Long et al. (2020) print in Table 5.

All contestants run in turn, round after round, and the least time of each counts, as others use the
machine too. The logits of whole numbers are compared with those of the layers before the clock
starts.
"""

import argparse
import copy
import datetime
import functools
import json
import warnings
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch.nn import functional

from benchmarks import machine, timing
from benchmarks.binary import settled, torch_contestants
from quantlib import data, dst, lowering, models
from quantlib.packed import steps

P, Q2, LEVELS = -2, 0.125, 5

#: 1 less what Table 5 prints for all weights together.
PAPERS_ZEROS = 1 - 0.2332

NETWORKS = {
    "LeNet-5, 1 x 28 x 28": (functools.partial(models.LeNet5, 1, 10, 28), (1, 28, 28)),
    "ResNet-8, 3 x 32 x 32": (functools.partial(models.ResNet, 3, 10, 32), (3, 32, 32)),
    "ResNet-8 x 4, 3 x 32 x 32": (
        functools.partial(models.ResNet, 3, 10, 32, widths=(64, 128, 256)), (3, 32, 32),
    ),
}  # fmt: skip


def seeded(seed=0):
    """Return a generator of torch's."""
    return torch.Generator().manual_seed(seed)


def with_states(build, p=P, levels=LEVELS, zeros=None):
    """Return a network of states; ``zeros`` is the share of weights that are set to 0."""
    grid = None if levels is None else dst.GridActivations(Q2, levels)
    model = build(batch_norm=True, block_order="bn_sign_conv_pool", signs=grid is not None)
    model = dst.to_dst(model, p, act_quant=grid, generator=seeded())
    if zeros is not None:
        with torch.no_grad():
            for weight in state_weights(model):
                # of the others, so many that the share of all zeros is the one that is wanted
                there = (weight == 0).float().mean().item()
                more = max(0.0, (zeros - there) / (1 - there)) if there < 1 else 0.0
                weight[torch.rand(weight.shape, generator=seeded(1)) < more] = 0
    return model


def state_weights(model):
    """Return the int8 weights of a model."""
    layers = models.weight_layers(model).values()
    return [layer.weight for layer in layers if layer.weight.dtype == torch.int8]


def training_step(model, optimizer, images, labels):
    """Return one step as a function without arguments."""

    def step():
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


def measure_training(build, shape, batch_size, effort):
    """Time a training step of each kind."""
    images = torch.rand(batch_size, *shape, generator=seeded())
    labels = torch.randint(0, 10, (batch_size,), generator=seeded())
    real = build(batch_norm=True, block_order="bn_sign_conv_pool")
    cases = {
        "float32, Adam": training_step(
            real, torch.optim.Adam(real.parameters(), lr=1e-3), images, labels
        )
    }
    for name, levels in (("DST, real activations", None), ("DST, grid", LEVELS)):
        model = with_states(build, levels=levels)
        optimizer = dst.DSTOptimizer(model, lr=1e-3, generator=seeded())
        cases[name] = training_step(model, optimizer, images, labels)
    times = timing.compare({name: (run, 1) for name, run in cases.items()}, **effort)
    least = {name: min(seconds) for name, seconds in times.items()}
    return {
        "batch_size": batch_size,
        "seconds": {name: timing.summary(seconds) for name, seconds in times.items()},
        "least_seconds": least,
        "times_as_long_as_float": {n: t / least["float32, Adam"] for n, t in least.items()},
    }


def trained_on_digits(epochs):
    """Return LeNet-5 for 8 x 8 digits whose states were trained, and how it is built."""
    digits = data.load("digits")
    build = functools.partial(models.LeNet5, 1, 10, 8)
    model = with_states(build)
    images, labels = (torch.from_numpy(x) for x in (digits.train_images, digits.train_labels))
    generator = seeded(2)
    optimizer = dst.DSTOptimizer(model, lr=0.03, generator=generator)
    for _ in range(epochs):
        for batch in torch.randperm(len(images), generator=generator).split(64):
            training_step(model, optimizer, images[batch], labels[batch])()
    return model.eval(), build


def int8(model, images):
    """Return torch's int8 form of a network, calibrated by ``images``."""
    from torch.ao.quantization import get_default_qconfig_mapping, quantize_fx

    layers = torch.nn.Sequential(*copy.deepcopy(model).children()).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is to move to another package
        prepared = quantize_fx.prepare_fx(layers, get_default_qconfig_mapping("x86"), (images,))
        prepared(images)
        return quantize_fx.convert_fx(prepared)


def measure_inference(build, shape, with_zeros, batch_size, effort):
    """Time a batch through torch's networks and through ``with_zeros``, networks of states."""
    images = np.random.default_rng(0).random((batch_size, *shape), np.float32)
    real = settled(build(batch_norm=True), shape)
    contestants, agree = torch_contestants(real, images), {}
    try:
        quantized, plain = int8(real, torch.from_numpy(images)), torch.from_numpy(images)
        contestants["torch int8"] = lambda: quantized(plain)
    except (ImportError, RuntimeError) as error:  # not in this torch, or not for this processor
        print(f"  no int8: {error}")
    for name, model in with_zeros.items():
        packed = lowering.to_packed(model)
        expected = model(torch.from_numpy(images)).numpy()
        # A real first layer rounds in another order: rarely, a code is then another one.
        agree[name] = float(np.isclose(packed(images, num_threads=1), expected, atol=1e-3).mean())
        contestants[name] = lambda packed=packed: packed(images, num_threads=1)
    times = timing.compare({name: (run, 1) for name, run in contestants.items()}, **effort)
    least = {name: min(seconds) / batch_size for name, seconds in times.items()}
    fastest = min(t for name, t in least.items() if name.startswith("torch float32"))
    return {
        "batch_size": batch_size,
        "least_seconds_per_image": least,
        "times_as_long_as_fastest_float": {name: t / fastest for name, t in least.items()},
        "share_of_logits_that_agree": agree,
    }


def memory(model, shape):
    """Return the bytes of the weights that are states: in float32, as int8, packed, and running."""
    network = lowering.to_packed(model)
    network(np.zeros((1, *shape), np.float32), num_threads=1)
    shifts = [s for s in every_step(network.steps) if isinstance(s, SHIFTS)]
    count = sum(weight.numel() for weight in state_weights(model))
    found = {
        "float32": 4 * count,
        "int8 states": sum(w.numel() * w.element_size() for w in state_weights(model)),
        "packed": sum(step.weight.nbytes for step in shifts),
        "lists while running": sum(step.running_bytes for step in shifts),
    }
    real_bytes = sum(4 * p.numel() for p in model.parameters() if p.is_floating_point())
    whole = {"whole network, float32": real_bytes + 4 * count, "whole network": network.nbytes}
    return found | whole | {"times_float32": {k: v / (4 * count) for k, v in found.items()}}


SHIFTS = steps.ShiftConv, steps.ShiftDense


def every_step(chain):
    """Yield all steps, those of both ways of a residual one too."""
    for step in chain:
        if isinstance(step, steps.Residual):
            yield from every_step(step.body)
            yield from every_step(step.shortcut)
        else:
            yield step


def operations(model, shape):
    """Count what one image takes: what a float network multiplies, and what is added and compared.

    A weight is used once for each result of its output. Multiplications of a float network are
    all weights; shifts and additions those that are not zero. Real layers still multiply.
    """
    network, counts = lowering.to_packed(model), dict.fromkeys(KINDS, 0)

    def follow(chain, x):
        for step in chain:
            if isinstance(step, steps.Residual):
                follow(step.body, x)
                follow(step.shortcut, x)
            y = step(x, 1)
            places = y[0, ..., 0].size
            if isinstance(step, steps.RealLayer):
                counts["multiplications that stay"] += step.weight.size * places
            elif isinstance(step, SHIFTS):
                weights = np.prod(step.weight.shape)
                counts["multiplications in float32"] += int(weights) * places
                counts["shifts and additions"] += step.additions * places
            elif isinstance(step, steps.GridThreshold):
                counts["comparisons"] += len(step.thresholds) * y.size
            x = y

    follow(network.steps, np.zeros((1, *shape[1:], shape[0]), np.float32))
    counts["multiplications in float32"] += counts["multiplications that stay"]
    return counts


KINDS = (
    "multiplications in float32", "multiplications that stay", "shifts and additions",
    "comparisons",
)  # fmt: skip


def show(title, numbers, form):
    """Print a line for each number."""
    print(f"  {title}")
    for name, value in numbers.items():
        print(f"    {name:44}{format(value, form):>14}")


def main():
    """Run everything, print what counts, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--output", type=Path, default=machine.results_path("dst"))
    options = parser.parse_args()
    effort, networks, sizes, epochs = (
        {"rounds": options.rounds, "seconds": options.seconds}, NETWORKS, (1, 64), 12,
    )  # fmt: skip
    if options.quick:
        first = next(iter(NETWORKS))
        effort, networks, sizes, epochs = (
            {"rounds": 2, "seconds": 0.0}, {first: NETWORKS[first]}, (2,), 1,
        )  # fmt: skip
    torch.set_num_threads(1)
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": machine.describe(),
        "threads": 1,
        **effort,
        "training": {}, "inference": {}, "memory": {}, "operations": {}, "zeros": {},
    }  # fmt: skip
    with threadpool_limits(1):
        for title, (build, shape) in networks.items():
            if "x 4" in title:  # as the small one, for longer
                continue
            row = result["training"][title] = measure_training(build, shape, 64, effort)
            print(title)
            show("a training step, times float32", row["times_as_long_as_float"], ".2f")
        model, build = trained_on_digits(epochs)
        cases = {"LeNet-5, 1 x 8 x 8": (build, (1, 8, 8), {"shifts, trained": model})}
        for title, (build, shape) in networks.items():
            made = {
                "shifts": with_states(build),
                "shifts, the paper's zeros": with_states(build, zeros=PAPERS_ZEROS),
                "ternary": with_states(build, 0, 2),
            }
            cases[title] = build, shape, {n: settled(m, shape) for n, m in made.items()}
        with torch.no_grad():
            for title, (build, shape, made) in cases.items():
                print(title)
                for name, model in made.items():
                    key = f"{title}: {name}"
                    weights = torch.cat([w.flatten() for w in state_weights(model)])
                    zeros = (weights == 0).double().mean().item()
                    shares = {name: z.share for name, z in dst.sparsity(model).items()}
                    result["zeros"][key] = {"all states": zeros, **shares}
                    kept = result["memory"][key] = memory(model, shape)
                    counts = result["operations"][key] = operations(model, shape)
                    show(f"{name}: bytes, times float32", kept["times_float32"], ".3f")
                    show(f"{name}: operations", counts, ",")
                    print(f"    zeros among states: {zeros:.1%}")
                rows = result["inference"][title] = []
                for size in sizes:
                    rows.append(measure_inference(build, shape, made, size, effort))
                    times = rows[-1]["least_seconds_per_image"]
                    show(
                        f"{size} images, microseconds an image",
                        {name: 1e6 * t for name, t in times.items()},
                        ",.1f",
                    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
