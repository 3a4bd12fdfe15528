"""Train one network by several methods, from several seeds, with the same data and budget.

    QUANTLIB_DATA=folder python -m experiments.accuracy --data mnist_10k --network lenet5

A run is one method with one seed. Its result is kept as soon as it is finished, and its state
after each epoch: started again, the command goes on where it was. When all are there, they are
written to one JSON file, with the machine, for the pages to read. What that file holds already is
not trained again.
"""

import argparse
import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import torch
from tqdm.auto import tqdm

from benchmarks import machine
from quantlib import bi_real, binary, data, layers, models, ternary, training
from quantlib.abc_net.layers import quantizers as abc_quantizers
from quantlib.binary.layers import METHODS as BINARY_METHODS
from quantlib.binary.layers import quantizers as binary_quantizers

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("results")
STATE = ROOT / "_build" / "experiments"

NETWORKS = {"lenet5": models.LeNet5, "vgg": models.VGG, "resnet": models.ResNet}

#: What quantizes weights and activations of all layers but the first and the last.
QUANTIZERS = {
    **{method: partial(binary_quantizers, method) for method in BINARY_METHODS},
    "abc": abc_quantizers,  # 3 bases of both
    "bi_real": bi_real.quantizers,
    "twn": partial(dict, weight_quant=ternary.TernaryWeights("twn"), act_quant=None),
    "ttq": partial(dict, weight_quant=ternary.TrainedTernaryWeights(), act_quant=None),
}
METHODS = ("float", *QUANTIZERS)

#: Bits of a quantized weight: ABC-Net's bases, and the two planes of ternary values; else 1.
BITS = {"float": 32, "abc": 3, "twn": 2, "ttq": 2}


@dataclass(frozen=True)
class Run:
    """All that a run's result depends on."""

    data: str
    network: str
    method: str
    seed: int
    epochs: int
    learning_rate: float
    batch_size: int
    train_images: int | None
    width: int

    @property
    def key(self):
        """A short name that no other run has."""
        text = json.dumps(asdict(self), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return f"{self.network}-{self.method}-{self.seed}-{digest[:12]}"

    def model(self, dataset):
        """Return the untrained network."""
        return make_model(self, dataset)

    def options(self):
        """Return what the training loop is given beside the budget."""
        return {"after_step": binary.clip_latent_}

    def found(self, model):
        """Return what is to be kept of a trained network, beside its accuracy."""
        return {"parameter_bits": parameter_bits(self, model)}


def make_model(run, dataset):
    """Return the untrained network of a run."""
    (channels, size), classes = dataset.train_images.shape[1:3], len(dataset.class_names)
    if (run.network, run.method) == ("resnet", "bi_real"):  # its blocks, not its quantizers alone
        return bi_real.BiRealResNet(channels, classes, size, seed=run.seed)
    values = QUANTIZERS[run.method]() if run.method != "float" else {}
    options = {"width": run.width} if run.network == "vgg" else {}
    model = NETWORKS[run.network](
        channels, classes, size, block_order="bn_sign_conv_pool", batch_norm=True,
        signs=values.get("act_quant") is not None, seed=run.seed, **options,
    )  # fmt: skip
    if not values:
        return model
    names = list(models.weight_layers(model))
    shortcuts = [name for name in names if ".shortcut." in name]
    return layers.convert_(model, **values, skip=[names[0], names[-1], *shortcuts])


def parameter_bits(run, model):
    """Return the bits of all weights: those of quantized layers as stored, 32 for each other."""
    few = layers.quantized(model)
    return sum(
        layer.weight.numel() * (BITS.get(run.method, 1) if name in few else 32)
        for name, layer in models.weight_layers(model).items()
    )


def make_dataset(run):
    """Return the data of a run. The first ``train_images`` are the same for all."""
    dataset = data.load(run.data)
    if run.train_images is None:
        return dataset
    if not 1 <= run.train_images <= len(dataset.train_images):
        raise ValueError(
            f"train_images must be from 1 to {len(dataset.train_images)}, got {run.train_images}"
        )
    kept = slice(run.train_images)
    return replace(
        dataset,
        train_images=dataset.train_images[kept],
        train_labels=dataset.train_labels[kept],
    )


def train(run, state, known):
    """Return the result of a run: read where it is finished, else trained, from where it was.

    ``known`` are results by key, those of an earlier call of the command.
    """
    if run.key in known:
        return known[run.key]
    finished = state / f"{run.key}.json"
    if finished.exists():
        return json.loads(finished.read_text(encoding="utf-8"))
    torch.set_num_threads(1)  # runs go side by side; and one thread gives the same weights again
    dataset = make_dataset(run)
    model = run.model(dataset)
    state.mkdir(parents=True, exist_ok=True)
    checkpoint = state / f"{run.key}.pt"
    start = time.perf_counter()
    history = training.fit(
        model, dataset, epochs=run.epochs, learning_rate=run.learning_rate,
        batch_size=run.batch_size, seed=run.seed, progress=False, checkpoint_path=checkpoint,
        **run.options(),
    )  # fmt: skip
    result = asdict(run) | {
        "test_accuracy": training.evaluate(model, dataset),
        "train_accuracy": history.train_accuracy[-1],
        **run.found(model),
        "seconds": round(time.perf_counter() - start, 1),
    }
    write(finished, result)
    checkpoint.unlink(missing_ok=True)
    return result


def written(path, kind=Run):
    """Return the results that the file has, by key, of runs of a kind."""
    if not path.exists():
        return {}
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
    names = [field.name for field in fields(kind)]
    return {kind(**{name: run[name] for name in names}).key: run for run in runs}


def write(path, content):
    """Write JSON in one step: a file is there in whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(new, path)


def report(results):
    """Print accuracy by method: mean, and the lowest and highest seed."""
    for method in dict.fromkeys(result["method"] for result in results):
        found = [100 * r["test_accuracy"] for r in results if r["method"] == method]
        spread = f"({min(found):.2f} to {max(found):.2f}, {len(found)} seeds)"
        print(f"{method:14} {np.mean(found):6.2f} %  {spread}")


def parser(description, networks, *, epochs):
    """Return a parser of the options that every command takes which trains networks in runs."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--data", choices=data.NAMES, default="digits")
    parser.add_argument("--called", help="what the results call the data, if not by its name")
    parser.add_argument("--network", choices=tuple(networks), default=next(iter(networks)))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--train-images", type=int, help="only so many of the training images")
    parser.add_argument("--jobs", type=int, default=None, help="processes; none: what joblib says")
    parser.add_argument("--output", type=Path, help="where the results go")
    parser.add_argument("--state", type=Path, default=STATE, help="where unfinished runs are kept")
    return parser


def main(arguments=None):
    """Train what is not trained yet, then write and print the results."""
    wanted = parser(__doc__, NETWORKS, epochs=20)
    wanted.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    wanted.add_argument("--learning-rate", type=float, default=3e-3)
    wanted.add_argument("--batch-size", type=int, default=64)
    wanted.add_argument("--width", type=int, default=1, help="vgg: divides the published widths")
    options = wanted.parse_args(arguments)
    runs = [
        Run(
            options.data, options.network, method, seed, options.epochs, options.learning_rate,
            options.batch_size, options.train_images, options.width,
        )
        for seed in options.seeds
        for method in options.methods
    ]  # fmt: skip
    report(collect(runs, "accuracy", options))
    return 0


def collect(runs, name, options):
    """Train what is not trained yet, write all results to one file, and return them.

    The file is ``options.output``, or one among the results that ``name``, data and network name.
    """
    output = options.output or RESULTS / f"{name}_{options.data}_{options.network}.json"
    known = written(output, type(runs[0]))
    with joblib.Parallel(n_jobs=options.jobs, return_as="generator") as parallel:
        found = parallel(joblib.delayed(train)(run, options.state, known) for run in runs)
        results = list(tqdm(found, "runs", len(runs)))
    dataset = make_dataset(runs[0])
    content = {
        "machine": machine.describe(),
        "data": {
            "name": options.called or options.data,
            "train_images": len(dataset.train_images),
            "test_images": len(dataset.test_images),
        },
        "runs": results,
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    write(output, content)
    return results


if __name__ == "__main__":
    # Other processes import what they run by name, and "__main__" is another module there.
    from experiments import accuracy

    raise SystemExit(accuracy.main())
