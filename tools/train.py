"""Train the networks whose weights :func:`quantlib.models.load_pretrained` reads.

python -m tools.train digits_cnn --seeds 0 1 2 --output quantlib/checkpoints
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

from quantlib import data, models, training

# What the command line trains: the data set, the network, and how.
RECIPES = {
    "digits_cnn": (
        "digits",
        models.DigitsCNN,
        {
            "epochs": 20,
            "learning_rate": 3e-3,
            "batch_size": 64,
            "optimizer": "adamw",
            "schedule": "one_cycle",
            "weight_decay": 1e-4,
        },
    )
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

    dataset_name, network, settings = RECIPES[options.name]
    if options.epochs is not None:
        settings = {**settings, "epochs": options.epochs}
    dataset = data.load(dataset_name)
    torch.set_num_threads(options.threads)
    options.output.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        model = network(seed=seed)
        history = training.fit(model, dataset, seed=seed, device=options.device, **settings)
        path = options.output / f"{options.name}_seed{seed}"
        path.with_suffix(".safetensors").write_bytes(save(model.state_dict()))
        record = {
            "command": shlex.join(["python", "-m", "tools.train", *arguments]),
            "dataset": dataset_name,
            "seed": seed,
            **settings,
            "train_accuracy": training.accuracy(model, dataset.train_images, dataset.train_labels),
            "test_accuracy": training.evaluate(model, dataset),
            "test_images": len(dataset.test_labels),
            "history": history.to_dict(),
            "machine": {
                "processor": platform.machine(),
                "device": str(training.choose_device(options.device)),
                "threads": options.threads,
                "python": platform.python_version(),
                **{name: version(name) for name in ("numpy", "scikit-learn", "torch")},
            },
        }
        path.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
        print(f"{path.name}: {record['test_accuracy']:.2%} of {record['test_images']} test images")


if __name__ == "__main__":
    main()
