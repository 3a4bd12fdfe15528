"""Train the networks whose weights :func:`quantlib.models.load_pretrained` reads.

python -m tools.train digits_cnn --seeds 0 1 2 --output quantlib/checkpoints
python -m tools.train detector --seeds 0 1 2 --output quantlib/checkpoints
"""

import argparse
import json
import platform
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import save

from quantlib import data, detection, models, training

_USUAL = {
    "batch_size": 64,
    "optimizer": "adamw",
    "schedule": "one_cycle",
    "weight_decay": 1e-4,
}
# What the command line trains: the network, and how.
RECIPES = {
    "digits_cnn": (models.DigitsCNN, {"epochs": 20, "learning_rate": 3e-3, **_USUAL}),
    "detector": (models.Detector, {"epochs": 10, "learning_rate": 1e-2, **_USUAL}),
}


def classifier(model, device, **settings):
    """Train a classifier of digits, and return what its record tells."""
    digits = data.load("digits")
    history = training.fit(model, digits, device=device, **settings)
    return {
        "dataset": "digits",
        "train_accuracy": training.accuracy(model, digits.train_images, digits.train_labels),
        "test_accuracy": training.evaluate(model, digits),
        "test_images": len(digits.test_labels),
        "history": history.to_dict(),
    }


def detector(model, device, **settings):
    """Train a detector of digits on canvases, and return what its record tells."""
    digits = data.load("digits")
    train = data.make_canvases(digits.train_images, digits.train_labels, 6000, seed=0)
    test = data.make_canvases(digits.test_images, digits.test_labels, 500, seed=1)
    losses = detection.fit(model, train, **settings)
    found = detection.evaluate(model, test)
    return {
        "dataset": "canvases of digits",
        "train_images": len(train.images),
        "test_images": len(test.images),
        "test_map": dict(zip(map(str, detection.COCO_THRESHOLDS), found.tolist(), strict=True)),
        "history": {"train_loss": losses},
    }


def main(arguments=None):
    """Train networks; write weights and, beside them, how they were made."""
    parser = argparse.ArgumentParser(prog="python -m tools.train", description=__doc__)
    parser.add_argument("name", choices=sorted(RECIPES), help="the network to train")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one run for each")
    parser.add_argument("--output", type=Path, required=True, help="folder for the files")
    parser.add_argument("--epochs", type=int, help="in place of the recipe's")
    parser.add_argument("--device", help="cpu or cuda; by default a GPU where there is one")
    parser.add_argument(
        "--threads", type=int, default=1, help="of the CPU; the last bits of the weights follow it"
    )
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(arguments)

    network, settings = RECIPES[options.name]
    train = detector if options.name == "detector" else classifier
    if options.epochs is not None:
        settings = {**settings, "epochs": options.epochs}
    torch.set_num_threads(options.threads)
    options.output.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        model = network(seed=seed)
        told = train(model, options.device, seed=seed, **settings)
        path = options.output / f"{options.name}_seed{seed}"
        path.with_suffix(".safetensors").write_bytes(save(model.state_dict()))
        record = {
            "command": shlex.join(["python", "-m", "tools.train", *arguments]),
            "dataset": told.pop("dataset"),
            "seed": seed,
            **settings,
            **told,
            "machine": {
                "processor": platform.machine(),
                "device": str(training.choose_device(options.device)),
                "threads": options.threads,
                "python": platform.python_version(),
                **{name: version(name) for name in ("numpy", "scikit-learn", "torch")},
            },
        }
        path.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
        found = record.get("test_accuracy", record.get("test_map"))
        print(f"{path.name}: {found} on {record['test_images']} test images")


if __name__ == "__main__":
    main()
