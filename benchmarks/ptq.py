"""Time networks in whole numbers beside the same ones in ONNX Runtime and torch, on one thread.

    python -m benchmarks.ptq          # prints, and writes results/ptq/<machine>.json
    python -m benchmarks.ptq --quick  # a small run, to see that it works

All take float32 images and give logits, of one image and of a batch: :class:`quantlib.ptq.integer.
IntegerNetwork`; ONNX Runtime with the file that quantlib exports, with one that it quantized itself
(static, per channel), and in float32; torch in float32 (as it is, channels last, frozen with batch
normalization folded in) and in its own int8. Two small networks are trained before, on the digits
of scikit-learn, and their accuracies and sizes compared; the others have random weights.

All contestants run in turn, round after round, and the least time of each counts, as others use the
machine too. Before the clock starts, the logits are compared with those of the float network.
"""

import argparse
import datetime
import functools
import json
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks import machine, ptq_peers, timing
from benchmarks.binary import settled, torch_contestants
from quantlib import data, models, ptq, training

OURS, RUNTIME = "quantlib", "ONNX Runtime int8"

#: How each is built, the shape of an image, and the sizes of a batch.
NETWORKS = {
    "LeNet-5, 1 x 28 x 28": (
        functools.partial(models.LeNet5, 1, 10, 28, batch_norm=True), (1, 28, 28), (1, 64),
    ),
    "VGG / 4, 3 x 32 x 32": (
        functools.partial(models.VGG, 3, 10, 32, width=4), (3, 32, 32), (1, 32),
    ),
    "MobileNet, 3 x 32 x 32": (
        functools.partial(
            models.MobileNet, 3, 10, 32, widths=(32, 64, 128, 128, 256, 256), halved=(2, 4),
            activation="relu",
        ),
        (3, 32, 32), (1, 32),
    ),
    "ResNet-18, 3 x 224 x 224": (
        functools.partial(
            models.ResNet, 3, 1000, 224, widths=(64, 128, 256, 512), blocks=(2, 2, 2, 2),
            stem="large",
        ),
        (3, 224, 224), (1, 4),
    ),
}  # fmt: skip


def peers(model, images):
    """Return the others' networks by name; what a peer cannot do is printed and left out."""
    makers = {
        RUNTIME: functools.partial(ptq_peers.onnxruntime_int8, model, images),
        "ONNX Runtime float32": functools.partial(ptq_peers.onnxruntime_real, model, images),
        "torch int8, onednn": functools.partial(
            ptq_peers.torch_int8, model, torch.as_tensor(images)
        ),
    }
    found = {}
    for name, make in makers.items():
        try:
            found[name] = make()
        except (ImportError, RuntimeError) as error:
            print(f"  no {name}: {error}")
    return found


def distance(found, wanted):
    """Return the root mean square distance of logits, as a share of theirs."""
    return float(np.sqrt(((found - wanted) ** 2).mean() / (wanted**2).mean()))


def measure(build, shape, sizes, effort):
    """Time batches through ours and the peers' networks."""
    images = np.random.default_rng(0).random((max(sizes), *shape), np.float32)
    model = settled(build(), shape)
    made = ptq.quantize_model(model, images, 8)
    network, others = made.network, peers(model, images)
    others["quantlib's file in ONNX Runtime"] = ptq_peers.exported(made.simulated)
    rows = []
    for size in sizes:
        batch = images[:size]
        wanted = model(torch.from_numpy(batch)).numpy()
        contestants = torch_contestants(model, batch)
        contestants[OURS] = lambda batch=batch: network(batch, num_threads=1)
        for name, peer in others.items():
            contestants[name] = lambda peer=peer, batch=batch: peer.run(batch)
        apart = {name: distance(np.asarray(run()), wanted) for name, run in contestants.items()}
        times = timing.compare({name: (run, 1) for name, run in contestants.items()}, **effort)
        least = {name: min(seconds) / size for name, seconds in times.items()}
        real = min(t for name, t in least.items() if name.startswith("torch float32"))
        rows.append(
            {
                "batch_size": size,
                "least_seconds_per_image": least,
                "distance_of_logits": apart,
                "times_as_fast_as_fastest_torch_float": real / least[OURS],
                "times_as_long_as_onnx_runtime_int8": least[OURS]
                / least.get(RUNTIME, float("nan")),
            }
        )
    sizes_ = {OURS: network.nbytes, "float32": made.report.nbytes_before}
    return rows, sizes_ | {name: peer.nbytes for name, peer in others.items()}


def accuracies(epochs):
    """Return share of test digits classified correctly, and bytes, of two trained networks."""
    digits, found = data.load(), {}
    for title, model in {
        "digits CNN": models.load_pretrained(),
        "digits MobileNet": models.MobileNet(1, 10, 8, activation="relu"),
    }.items():
        if not title.endswith("CNN"):
            training.fit(model, digits, epochs=epochs, learning_rate=0.01, progress=False)
        images = digits.train_images[:200]
        made = ptq.quantize_model(model, images, 8, dataset=digits)
        runs = {OURS: (made.network, made.network.nbytes)}
        others = peers(model, images)
        others["quantlib's file in ONNX Runtime"] = ptq_peers.exported(made.simulated)
        runs |= {name: (peer.run, peer.nbytes) for name, peer in others.items()}
        right = {"torch float32": (made.report.accuracy_before, made.report.nbytes_before)}
        for name, (run, nbytes) in runs.items():
            said = np.asarray(run(digits.test_images)).argmax(1)
            right[name] = float((said == digits.test_labels).mean()), nbytes
        found[title] = {n: {"accuracy": a, "nbytes": b} for n, (a, b) in right.items()}
    return found


def main():
    """Run everything, print what counts, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--output", type=Path, default=machine.results_path("ptq"))
    options = parser.parse_args()
    effort = {"rounds": options.rounds, "seconds": options.seconds}
    networks, epochs = NETWORKS, 30
    if options.quick:
        first = next(iter(NETWORKS))
        effort, networks, epochs = {"rounds": 2, "seconds": 0.0}, {first: NETWORKS[first]}, 1
    torch.set_num_threads(1)
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": machine.describe(), "threads": 1, **effort,
        "accuracy": {}, "inference": {}, "bytes": {},
    }  # fmt: skip
    with threadpool_limits(1):
        result["accuracy"] = accuracies(epochs)
        torch.set_grad_enabled(False)
        for title, rows in result["accuracy"].items():
            print(title)
            for name, row in rows.items():
                print(f"    {name:36}{row['accuracy']:>9.2%}{row['nbytes']:>12,} bytes")
        for title, (build, shape, sizes) in networks.items():
            print(title)
            rows, nbytes = measure(build, shape, sizes, effort)
            result["inference"][title], result["bytes"][title] = rows, nbytes
            for row in rows:
                print(f"  {row['batch_size']} images, microseconds an image")
                for name, seconds in row["least_seconds_per_image"].items():
                    print(f"    {name:36}{1e6 * seconds:>12,.1f}")
                print(
                    f"  {row['times_as_fast_as_fastest_torch_float']:.2f} times as fast as torch "
                    f"float32, {row['times_as_long_as_onnx_runtime_int8']:.2f} times as long as "
                    f"ONNX Runtime int8"
                )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
