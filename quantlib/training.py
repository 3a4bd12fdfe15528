"""One training loop for every network of the course, and what to measure on a trained network.

``python -m quantlib.training digits_cnn --seeds 0 1 2 --output quantlib/checkpoints`` makes the
weights that :func:`quantlib.models.pretrained.load_pretrained` reads.
"""

import argparse
import json
import math
import os
import platform
import shlex
import sys
import zlib
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch.nn import functional
from torch.optim import SGD, Adam, AdamW, lr_scheduler

from quantlib import data, models
from quantlib._validation import check_choice, check_finite, check_integer
from quantlib.evaluation import accuracy, confusion_matrix, evaluate, logits, predict

__all__ = [
    "History",
    "accuracy",
    "confusion_matrix",
    "evaluate",
    "fit",
    "logits",
    "main",
    "predict",
]

_OPTIMIZERS = {
    "adam": Adam,
    "adamw": AdamW,
    "sgd": lambda parameters, **options: SGD(parameters, momentum=0.9, **options),
}

_SCHEDULES = {
    "one_cycle": lambda opt, rate, steps: lr_scheduler.OneCycleLR(opt, rate, total_steps=steps),
    "cosine": lambda opt, rate, steps: lr_scheduler.CosineAnnealingLR(opt, steps),
    "constant": lambda opt, rate, steps: lr_scheduler.ConstantLR(opt, factor=1.0),
}


@dataclass
class History:
    """What happened in each epoch of a training run: four lists of one length.

    Attributes
    ----------
    train_loss : list of float
        Mean cross entropy over the epoch's images in nats, each measured just before the step
        that learns from it.
    train_accuracy : list of float
        Share of these images that were classified correctly at that moment, 0 to 1.
    test_accuracy : list of float
        Share of the test images classified correctly after the epoch, 0 to 1.
    learning_rate : list of float
        Learning rate of the epoch's first step.

    Examples
    --------
    >>> from quantlib.training import History
    >>> History([0.7], [0.8], [0.9], [0.001]).to_dict()["test_accuracy"]
    [0.9]
    """

    train_loss: list = field(default_factory=list)
    train_accuracy: list = field(default_factory=list)
    test_accuracy: list = field(default_factory=list)
    learning_rate: list = field(default_factory=list)

    def to_dict(self):
        """Return the four lists as a dictionary that ``json.dumps`` takes."""
        return asdict(self)


def fit(
    model,
    dataset,
    *,
    epochs=20,
    learning_rate=3e-3,
    batch_size=64,
    optimizer="adamw",
    schedule="one_cycle",
    weight_decay=1e-4,
    seed=0,
    device=None,
    progress=True,
    checkpoint_path=None,
    after_step=None,
):
    r"""Train ``model`` in place to classify ``dataset`` and return what happened in each epoch.

    Minimizes the mean cross entropy over batches of n images drawn without replacement,

    .. math:: L = -\frac{1}{n} \sum_{i=1}^{n} \ln p_i(y_i),

    where p is the softmax of the logits of image i and y its class. The weights of the
    last epoch are kept: accuracy on the test images is reported, and nothing is chosen by it. The
    model comes back in evaluation mode, on the device that it came from.

    On the CPU the same arguments give the same weights to the bit, for one version of torch and
    one number of threads. The global random generators are left as they were.

    Parameters
    ----------
    model : torch.nn.Module
        Takes images (N x C x H x W) and returns logits (N x classes).
    dataset : quantlib.data.sets.Dataset
    epochs : int
        How often each training image is seen.
    learning_rate : float
        The largest learning rate of the schedule.
    batch_size : int
        Images in a step.
    optimizer : str
        ``"adam"``, ``"adamw"`` or ``"sgd"`` (with momentum 0.9).
    schedule : str
        ``"one_cycle"`` (up, then down to almost 0), ``"cosine"`` (down to 0) or ``"constant"``.
    weight_decay : float
        As the optimizer takes it.
    seed : int
        Of the order of the images and of what is random in the network, such as dropout. The
        first weights are those that ``model`` comes with.
    device : str, optional
        ``"cpu"`` or ``"cuda"``. By default a GPU where there is one.
    progress : bool
        Whether to show a progress bar.
    checkpoint_path : path, optional
        File to hold the state after each epoch. Where it exists, the run goes on from there
        and ends as if it had never been stopped.
    after_step : callable, optional
        Called with the model after each step, to change its weights in place: a network with
        binary layers gives :func:`quantlib.binary.layers.clip_latent_`.

    Returns
    -------
    History

    Raises
    ------
    TypeError, ValueError
        If an argument is not usable, or the checkpoint cannot be read or is of another run.
    FloatingPointError
        If the loss is no longer finite.

    Examples
    --------
    >>> from quantlib import data, models, training
    >>> model = models.DigitsCNN()
    >>> history = training.fit(model, data.load("digits"), epochs=2, progress=False)
    >>> history.train_loss[1] < history.train_loss[0]
    True
    """
    from tqdm.auto import tqdm

    models.check_model(model)
    if not isinstance(dataset, data.Dataset):
        raise TypeError(f"dataset must be a quantlib Dataset, got {type(dataset).__name__}")
    check_choice(optimizer, "optimizer", tuple(_OPTIMIZERS))
    check_choice(schedule, "schedule", tuple(_SCHEDULES))
    epochs = check_integer(epochs, "epochs", 1, 10**6)
    batch_size = check_integer(batch_size, "batch_size", 1, 2**31)
    seed = check_integer(seed, "seed", 0, 2**32 - 1)
    learning_rate = _check_number(learning_rate, "learning_rate", positive=True)
    weight_decay = _check_number(weight_decay, "weight_decay", positive=False)
    check_finite(dataset.train_images, "train_images")
    first = next(model.parameters(), None)
    if first is None:
        raise ValueError("model must have parameters to train, got none")
    device, home = _choose_device(device), first.device
    settings = {
        "epochs": epochs,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "schedule": schedule,
        "weight_decay": weight_decay,
        "seed": seed,
    }
    if after_step is not None:
        if not callable(after_step):
            raise TypeError(f"after_step must be a function or None, got {after_step!r}")
        settings["after_step"] = getattr(after_step, "__qualname__", type(after_step).__name__)

    history = History()
    try:
        n_logits, n_classes = (
            logits(model, dataset.train_images[:1]).shape[1],
            len(dataset.class_names),
        )
        if n_logits < n_classes:
            raise ValueError(
                f"model must give a logit for each of the {n_classes} classes of dataset, "
                f"got {n_logits}"
            )
        model.to(device)
        images = torch.from_numpy(dataset.train_images).to(device)
        labels = torch.from_numpy(dataset.train_labels).to(device)
        steps = epochs * math.ceil(len(images) / batch_size)
        opt = _OPTIMIZERS[optimizer](
            model.parameters(), lr=learning_rate, weight_decay=weight_decay
        )
        scheduler = _SCHEDULES[schedule](opt, learning_rate, steps)
        checkpoint = None
        if checkpoint_path is not None:
            checkpoint = _Checkpoint(checkpoint_path, settings, dataset, model, opt, scheduler)
            history = checkpoint.resume()

        done = len(history.train_loss)
        bar = tqdm(range(done, epochs), "epochs", epochs, initial=done, disable=not progress)
        for epoch in bar:
            rate = opt.param_groups[0]["lr"]
            # Seeded anew for each epoch, so that a resumed run needs no generator's state.
            epoch_seed = int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0])
            with models.seeded(epoch_seed, device):
                loss, share = _train_epoch(
                    model, images, labels, batch_size, opt, scheduler, after_step
                )
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"the loss is {loss} in epoch {epoch + 1} of {epochs}: "
                    f"the learning_rate of {learning_rate} may be too large"
                )
            history.train_loss.append(loss)
            history.train_accuracy.append(share)
            history.test_accuracy.append(evaluate(model, dataset))
            history.learning_rate.append(rate)
            bar.set_postfix(loss=f"{loss:.4f}", test=f"{history.test_accuracy[-1]:.2%}")
            if checkpoint is not None:
                checkpoint.save(history)
    finally:
        model.to(home).eval()
    return history


def _train_epoch(model, images, labels, batch_size, optimizer, scheduler, after_step):
    """Take one step for each batch; return the mean loss and the share classified correctly."""
    model.train()
    total_loss = torch.zeros((), dtype=torch.float64, device=images.device)
    correct = torch.zeros((), dtype=torch.int64, device=images.device)
    # The course's data sets fit into memory, so that a batch is an index into one tensor.
    for batch in torch.randperm(len(images)).split(batch_size):
        batch = batch.to(images.device)
        scores = model(images[batch])
        loss = functional.cross_entropy(scores, labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if after_step is not None:
            after_step(model)
        total_loss += loss.detach() * len(batch)
        correct += (scores.argmax(1) == labels[batch]).sum()
    return total_loss.item() / len(images), correct.item() / len(images)


class _Checkpoint:
    """The state of a run in a file, replaced as a whole after each epoch."""

    def __init__(self, path, settings, dataset, model, optimizer, scheduler):
        self.path = Path(path)
        self.parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
        self.run = {
            **settings,
            "dataset": repr(dataset),
            "training images (CRC-32)": zlib.crc32(dataset.train_images.tobytes()),
            "model": {name: list(value.shape) for name, value in model.state_dict().items()},
        }

    def save(self, history):
        state = {name: part.state_dict() for name, part in self.parts.items()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(self.path.name + ".partial")
        try:
            with open(partial, "wb") as file:
                torch.save({"run": self.run, "history": history.to_dict(), **state}, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, self.path)
        finally:
            partial.unlink(missing_ok=True)

    def resume(self):
        if not self.path.exists():
            return History()
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            run, history = state["run"], History(**state["history"])
        except Exception as error:
            raise ValueError(
                f"checkpoint_path: {self.path} is not a checkpoint of fit, or is damaged ({error})"
            ) from error
        for name, value in self.run.items():
            if run.get(name) != value:
                raise ValueError(
                    f"checkpoint_path: {self.path} is of another run: its {name} is "
                    f"{run.get(name)}, and {value} is asked for. Give another path, or delete it"
                )
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        return history


def _check_number(value, name, *, positive):
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise TypeError(f"{name} must be a number, got {value!r} of type {type(value).__name__}")
    if not math.isfinite(value) or value < 0 or (positive and value == 0):
        wanted = "positive" if positive else "at least 0"
        raise ValueError(f"{name} must be finite and {wanted}, got {value}")
    return float(value)


def _choose_device(device):
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind = str(device).split(":")[0]
    check_choice(kind, "device", ("cpu", "cuda"))
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device must be 'cpu' where torch finds no GPU, got {str(device)!r}")
    return torch.device(device)


# What the command line trains: the data set, the network, and how.
_RECIPES = {
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
    """Train networks from the command line; write weights and, beside them, how they were made.

    See ``python -m quantlib.training --help``.
    """
    parser = argparse.ArgumentParser(prog="python -m quantlib.training", description=__doc__)
    parser.add_argument("name", choices=sorted(_RECIPES), help="the network to train")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one run for each")
    parser.add_argument("--output", type=Path, required=True, help="folder for the files")
    parser.add_argument("--epochs", type=int, help="in place of the recipe's")
    parser.add_argument("--device", help="cpu or cuda; by default a GPU where there is one")
    parser.add_argument(
        "--threads", type=int, default=1, help="of the CPU; the last bits of the weights follow it"
    )
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(arguments)

    dataset_name, network, settings = _RECIPES[options.name]
    if options.epochs is not None:
        settings = {**settings, "epochs": options.epochs}
    dataset = data.load(dataset_name)
    torch.set_num_threads(options.threads)
    options.output.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        model = network(seed=seed)
        history = fit(model, dataset, seed=seed, device=options.device, **settings)
        path = options.output / f"{options.name}_seed{seed}"
        path.with_suffix(".safetensors").write_bytes(save(model.state_dict()))
        record = {
            "command": shlex.join(["python", "-m", "quantlib.training", *arguments]),
            "dataset": dataset_name,
            "seed": seed,
            **settings,
            "train_accuracy": accuracy(model, dataset.train_images, dataset.train_labels),
            "test_accuracy": evaluate(model, dataset),
            "test_images": len(dataset.test_labels),
            "history": history.to_dict(),
            "machine": {
                "processor": platform.machine(),
                "device": str(_choose_device(options.device)),
                "threads": options.threads,
                "python": platform.python_version(),
                **{name: version(name) for name in ("numpy", "scikit-learn", "torch")},
            },
        }
        path.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
        print(f"{path.name}: {record['test_accuracy']:.2%} of {record['test_images']} test images")


if __name__ == "__main__":
    main()
