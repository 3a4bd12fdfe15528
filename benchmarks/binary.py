"""Time packed binary networks beside the same networks in torch float32, on one thread.

    python -m benchmarks.binary          # prints, and writes results/binary/<machine>.json
    python -m benchmarks.binary --quick  # a small run, to see that it works

Inference is one image at a time, from float32 pixels to logits: BNN's network for CIFAR-10, and
ResNet-18 at 224 x 224, also with Bi-Real Net's blocks, beside the same ResNet-18. torch takes part
in three ways: as it is, with channels last, and frozen with batch normalization folded into the
convolutions. A training step is forward, backward, AdamW, and for binary networks the clip of the
latent weights.

All contestants run in turn, round after round; a ratio is taken within each round. The packed
network's logits are compared with those of the binary layers in torch before the clock starts.
"""

import argparse
import copy
import datetime
import functools
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch.nn import functional

from benchmarks import machine, timing
from quantlib import bi_real, binary, lowering

METHODS = ("bnn", "xnor")


def by_method(build, methods=METHODS):
    """Return, by method, how a network is built; "float" is what torch runs."""
    return {m: functools.partial(build, method=m) for m in ("float", *methods)}


resnet18 = binary.BinaryResNet.resnet18
INFERENCE = {
    "BNN's network, 3 x 32 x 32": (by_method(binary.BinaryVGG), (3, 32, 32)),
    "ResNet-18, 3 x 224 x 224": (by_method(resnet18), (3, 224, 224)),
    "Bi-Real-18, 3 x 224 x 224": (
        by_method(resnet18, ()) | {"bi_real": bi_real.BiRealResNet.resnet18},
        (3, 224, 224),
    ),
}
TRAINING = {
    "LeNet-5, 1 x 28 x 28": (lambda **k: binary.BinaryLeNet5(1, 10, 28, **k), (1, 28, 28)),
    "ResNet-8, 3 x 32 x 32": (lambda **k: binary.BinaryResNet(3, 10, 32, **k), (3, 32, 32)),
    "BNN's network / 2, 3 x 32 x 32": (lambda **k: binary.BinaryVGG(width=2, **k), (3, 32, 32)),
}


def settled(model, shape):
    """Return ``model`` in evaluation mode, its batch normalization as after training."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.momentum = None
            with torch.no_grad():
                module.bias.uniform_(-0.5, 0.5, generator=generator)
    with torch.no_grad():
        model(torch.rand(4, *shape, generator=generator))
    return model.eval()


def torch_contestants(model, images):
    """Return the float network as functions without arguments, by the way it is run."""
    plain = torch.from_numpy(images)
    last = plain.contiguous(memory_format=torch.channels_last)
    model_last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    layers = torch.nn.Sequential(*copy.deepcopy(model_last).children()).eval()
    frozen = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(layers, last)))
    return {
        "torch float32": lambda: model(plain),
        "torch float32, channels last": lambda: model_last(last),
        "torch float32, frozen": lambda: frozen(last),
    }


def measure_inference(builds, shape, effort):
    """Time one image through the float network in torch and the packed networks."""
    images = np.random.default_rng(0).random((1, *shape), np.float32)
    model = settled(builds["float"](), shape)
    real_bytes = sum(p.numel() * p.element_size() for p in model.parameters())
    contestants, sizes, agree = torch_contestants(model, images), {"torch float32": real_bytes}, {}
    for method, build in builds.items():
        if method == "float":
            continue
        layers = settled(build(), shape)
        packed = lowering.to_packed(layers)
        name = f"packed, {method}"
        expected = layers(torch.from_numpy(images)).numpy()
        found = packed(images, num_threads=1)
        agree[name] = float(abs(found - expected).max() / abs(expected).max())
        with tempfile.TemporaryDirectory() as folder:
            packed.save(Path(folder) / "network")
            sizes[f"{name}, file"] = (Path(folder) / "network").stat().st_size
        sizes[name] = packed.nbytes
        contestants[name] = lambda packed=packed: packed(images, num_threads=1)
    times = timing.compare({name: (run, 1) for name, run in contestants.items()}, **effort)
    best = [min(each) for each in zip(*(t for n, t in times.items() if n[0] == "t"), strict=True)]
    return {
        "seconds": {name: timing.summary(t) for name, t in times.items()},
        "times_as_fast_as_torch": {
            name: timing.summary([a / b for a, b in zip(times["torch float32"], t, strict=True)])
            for name, t in times.items()
        },
        "times_as_fast_as_fastest_torch": {
            name: timing.summary([a / b for a, b in zip(best, t, strict=True)])
            for name, t in times.items()
            if name.startswith("packed")
        },
        "bytes": sizes,
        "largest_difference_of_logits": agree,
    }


def measure_training(build, shape, batch_size, effort):
    """Time a training step of each method."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(batch_size, *shape, generator=generator)
    labels = torch.randint(0, 10, (batch_size,), generator=generator)
    cases = {}
    for method in ("float", "binaryconnect", "bwn", *METHODS):
        model = build(method=method).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

        def step(model=model, optimizer=optimizer, clip=method != "float"):
            optimizer.zero_grad()
            functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
            if clip:
                binary.clip_latent_(model)

        cases[method] = (step, 1)
    times = timing.compare(cases, **effort)
    return {
        "batch_size": batch_size,
        "seconds": {name: timing.summary(t) for name, t in times.items()},
        "times_as_long_as_float": {
            name: timing.summary([b / a for a, b in zip(times["float"], t, strict=True)])
            for name, t in times.items()
        },
    }


def main():
    """Run everything, print medians, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--output", type=Path, default=machine.results_path("binary"))
    options = parser.parse_args()
    effort = {"rounds": options.rounds, "seconds": options.seconds}
    if options.quick:
        effort = {"rounds": 2, "seconds": 0.0}
    torch.set_num_threads(1)
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": machine.describe(),
        "threads": 1,
        **effort,
        "inference": {},
        "training": {},
    }
    with threadpool_limits(1):
        for title, (build, shape) in INFERENCE.items():
            with torch.no_grad():
                row = result["inference"][title] = measure_inference(build, shape, effort)
            print(title)
            for name, seconds in row["seconds"].items():
                ratio = row["times_as_fast_as_torch"][name]["median"]
                print(f"  {name:32} {1000 * seconds['median']:9.2f} ms  {ratio:6.1f} x")
        for title, (build, shape) in TRAINING.items():
            batch_size = 8 if options.quick else 64
            row = result["training"][title] = measure_training(build, shape, batch_size, effort)
            print(title)
            for name, seconds in row["seconds"].items():
                ratio = row["times_as_long_as_float"][name]["median"]
                print(f"  {name:32} {1000 * seconds['median']:9.2f} ms  {ratio:6.2f} x")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
