"""One training loop for every network of the course, and what to measure on a trained network."""

import math
import os
import zlib
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.optim import SGD, Adam, AdamW, lr_scheduler

from quantlib import data, models
from quantlib._validation import check_choice, check_finite, check_integer, shown
from quantlib.evaluation import accuracy, confusion_matrix, evaluate, logits, predict

__all__ = [
    "History",
    "Settings",
    "accuracy",
    "choose_device",
    "confusion_matrix",
    "evaluate",
    "fit",
    "logits",
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


@dataclass(frozen=True)
class Settings:
    """What decides which weights a training run ends with, beside the network and the data.

    >>> Settings(epochs=5).learning_rate
    0.003
    """

    #: How often each training image is seen.
    epochs: int = 20
    #: The largest learning rate of the schedule.
    learning_rate: float = 3e-3
    #: Images in a step.
    batch_size: int = 64
    #: {"adamw", "adam", "sgd"}: The last with momentum 0.9.
    optimizer: str = "adamw"
    #: {"one_cycle", "cosine", "constant"}: Up, then down to almost 0; down to 0; as it is.
    schedule: str = "one_cycle"
    #: As the optimizer takes it.
    weight_decay: float = 1e-4
    #: Of the order of the images and of what is random in the network, such as dropout. The first
    #: weights are those that the network comes with.
    seed: int = 0

    def __post_init__(self):
        check_choice(self.optimizer, "optimizer", tuple(_OPTIMIZERS))
        check_choice(self.schedule, "schedule", tuple(_SCHEDULES))
        numbers = {
            "epochs": check_integer(self.epochs, "epochs", 1, 10**6),
            "batch_size": check_integer(self.batch_size, "batch_size", 1, 2**31),
            "seed": check_integer(self.seed, "seed", 0, 2**32 - 1),
            "learning_rate": _check_number(self.learning_rate, "learning_rate", positive=True),
            "weight_decay": _check_number(self.weight_decay, "weight_decay", positive=False),
        }
        for name, number in numbers.items():
            object.__setattr__(self, name, number)

    def epoch_seed(self, epoch):
        """Return the seed of one epoch, so that a resumed run needs no generator's state."""
        return int(np.random.SeedSequence([self.seed, epoch]).generate_state(1, np.uint64)[0])

    def optimizer_for(self, model, n_images, wrap=None):
        """Return the optimizer of the run and the schedule of its steps."""
        options = {"lr": self.learning_rate, "weight_decay": self.weight_decay}
        kind = _OPTIMIZERS[self.optimizer]
        optimizer = wrap(model, kind, **options) if wrap else kind(model.parameters(), **options)
        steps = self.epochs * math.ceil(n_images / self.batch_size)
        return optimizer, _SCHEDULES[self.schedule](optimizer, self.learning_rate, steps)


@dataclass
class History:
    """What happened in each epoch of a training run: four lists of one length.

    >>> History([0.7], [0.8], [0.9], [0.001]).to_dict()["test_accuracy"]
    [0.9]
    """

    #: list of float: Mean cross entropy over the epoch's images in nats, each measured just before
    #: the step that learns from it.
    train_loss: list = field(default_factory=list)
    #: list of float: Share of these images that were classified correctly at that moment, 0 to 1.
    train_accuracy: list = field(default_factory=list)
    #: list of float: Share of the test images classified correctly after the epoch, 0 to 1.
    test_accuracy: list = field(default_factory=list)
    #: list of float: Learning rate of the epoch's first step.
    learning_rate: list = field(default_factory=list)

    def append(self, **epoch):
        """Add one epoch: a number for each list."""
        for name, number in epoch.items():
            getattr(self, name).append(number)

    def to_dict(self):
        """Return the four lists as a dictionary that ``json.dumps`` takes."""
        return asdict(self)


def fit(
    model,
    dataset,
    *,
    device=None,
    progress=True,
    checkpoint_path=None,
    after_step=None,
    wrap_optimizer=None,
    **settings,
):
    r"""Train ``model`` in place to classify ``dataset`` and return the run's :class:`History`.

    Minimizes the mean cross entropy over batches of n images drawn without replacement,

    .. math:: L = -\frac{1}{n} \sum_{i=1}^{n} \ln p_i(y_i),

    where p is the softmax of the logits of image i and y its class. The weights of the
    last epoch are kept: accuracy on the test images is reported, and nothing is chosen by it. The
    model comes back in evaluation mode, on the device that it came from.

    On the CPU the same arguments give the same weights to the bit, for one version of torch and one
    number of threads. The global random generators are left as they were. A loss that is no longer
    finite raises FloatingPointError.

    Parameters
    ----------
    model : torch.nn.Module
        Takes images (N x C x H x W) and returns logits (N x classes).
    dataset : quantlib.data.sets.Dataset
    device : str, optional
        ``"cpu"`` or ``"cuda"``. By default a GPU where there is one.
    checkpoint_path : path, optional
        File to hold the state after each epoch. Where it exists, the run goes on from there
        and ends as if it had never been stopped.
    after_step : callable, optional
        Called with the model after each step, to change its weights in place: a network with
        binary layers gives :func:`quantlib.binary.layers.clip_latent_`.
    wrap_optimizer : callable, optional
        Called with the model, what makes the optimizer of the settings, and its options; returns
        the optimizer that takes the steps. A network whose weights are states gives
        :class:`quantlib.dst.optimizer.DSTOptimizer`, or a ``functools.partial`` of it.
    **settings
        Epochs, learning rate, seed, …: the fields of :class:`Settings`.

    Examples
    --------
    >>> from quantlib import data, models, training
    >>> model = models.DigitsCNN()
    >>> history = training.fit(model, data.load("digits"), epochs=2, progress=False)
    >>> history.train_loss[1] < history.train_loss[0]
    True
    """
    from tqdm.auto import tqdm

    _check_model_and_data(model, dataset)
    settings = Settings(**settings)
    hooks = {"after_step": after_step, "wrap_optimizer": wrap_optimizer}
    for name, hook in hooks.items():
        if hook is not None and not callable(hook):
            raise TypeError(f"{name} must be a function or None, got {shown(hook)}")
    device, home = choose_device(device), next(model.parameters()).device
    try:
        _check_logits(model, dataset)
        model.to(device)
        images = torch.from_numpy(dataset.train_images).to(device)
        labels = torch.from_numpy(dataset.train_labels).to(device)
        opt, scheduler = settings.optimizer_for(model, len(images), wrap_optimizer)
        parts = {"model": model, "optimizer": opt, "scheduler": scheduler}
        checkpoint = _Checkpoint(checkpoint_path, parts, settings, hooks, dataset)
        history = checkpoint.resume()

        done = len(history.train_loss)
        epochs, todo = settings.epochs, range(done, settings.epochs)
        bar = tqdm(todo, "epochs", epochs, initial=done, disable=not progress)
        for epoch in bar:
            rate = opt.param_groups[0]["lr"]
            with models.seeded(settings.epoch_seed(epoch), device):
                try:
                    loss, share = _train_epoch(
                        model, images, labels, settings.batch_size, opt, scheduler, after_step
                    )
                    if not math.isfinite(loss):
                        raise FloatingPointError(f"the loss is {loss}")
                except FloatingPointError as error:  # an optimizer may say so, too
                    raise FloatingPointError(
                        f"{error} in epoch {epoch + 1} of {epochs}: "
                        f"the learning_rate of {settings.learning_rate} may be too large"
                    ) from None
            test = evaluate(model, dataset)
            history.append(
                train_loss=loss, train_accuracy=share, test_accuracy=test, learning_rate=rate
            )
            bar.set_postfix(loss=f"{loss:.4f}", test=f"{test:.2%}")
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
    """The state of a run in a file, replaced as a whole after each epoch; no file if no path."""

    def __init__(self, path, parts, settings, hooks, dataset):
        self.path = None if path is None else Path(path)
        self.parts, self.settings = parts, settings
        self.hooks, self.dataset = hooks, dataset

    @cached_property
    def run(self):
        """What must be equal for a run to be gone on with."""
        state = self.parts["model"].state_dict()
        return {
            **asdict(self.settings),
            **{name: _described(hook) for name, hook in self.hooks.items() if hook is not None},
            "dataset": repr(self.dataset),
            "training images (CRC-32)": zlib.crc32(self.dataset.train_images.tobytes()),
            # A method that differs is said when the state is loaded.
            "model": {
                name: list(value.shape)
                for name, value in state.items()
                if not name.endswith("_extra_state")
            },
        }

    def save(self, history):
        if self.path is None:
            return
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
        if self.path is None or not self.path.exists():
            return History()
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            run, history = state["run"], History(**state["history"])
        except Exception as error:
            raise ValueError(
                f"checkpoint_path: {self.path} is not a checkpoint of fit, or is damaged ({error})"
            ) from error
        for name in {**self.run, **run}:
            if run.get(name) != self.run.get(name):
                raise ValueError(
                    f"checkpoint_path: {self.path} is of another run: its {name} is "
                    f"{run.get(name)}, and {self.run.get(name)} is asked for. "
                    "Give another path, or delete it"
                )
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        return history


def _described(hook):
    """What is known of a function: its name, and what a ``functools.partial`` gives it."""
    if not isinstance(hook, partial):
        return getattr(hook, "__qualname__", type(hook).__name__)
    given = [*(("", value) for value in hook.args), *sorted(hook.keywords.items())]
    plain = bool | int | float | str | None  # another object's text may have its address
    shown = (f"{n}={v if isinstance(v, plain) else type(v).__name__}" for n, v in given)
    return f"{_described(hook.func)}({', '.join(shown)})"


def _check_model_and_data(model, dataset):
    models.check_model(model)
    if not isinstance(dataset, data.Dataset):
        raise TypeError(f"dataset must be a quantlib Dataset, got {type(dataset).__name__}")
    check_finite(dataset.train_images, "train_images")
    if next(model.parameters(), None) is None:
        raise ValueError("model must have parameters to train, got none")


def _check_logits(model, dataset):
    given, classes = logits(model, dataset.train_images[:1]).shape[1], len(dataset.class_names)
    if given < classes:
        raise ValueError(
            f"model must give a logit for each of the {classes} classes of dataset, got {given}"
        )


def _check_number(value, name, *, positive):
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise TypeError(f"{name} must be a number, got {shown(value)}")
    if not math.isfinite(value) or value < 0 or (positive and value == 0):
        wanted = "positive" if positive else "at least 0"
        raise ValueError(f"{name} must be finite and {wanted}, got {value}")
    return float(value)


def choose_device(device=None):
    """Return the torch device of that name, by default a GPU where there is one."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind = str(device).split(":")[0]
    check_choice(kind, "device", ("cpu", "cuda"))
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device must be 'cpu' where torch finds no GPU, got {shown(str(device))}")
    return torch.device(device)
