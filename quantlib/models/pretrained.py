"""Trained weights that come with the library."""

from pathlib import Path

from safetensors.torch import load_file

from quantlib._validation import check_choice, check_integer
from quantlib.models.detector import Detector
from quantlib.models.networks import DigitsCNN

__all__ = ["CHECKPOINTS", "load_pretrained"]

CHECKPOINTS = Path(__file__).parent.parent / "checkpoints"

_PRETRAINED = {"digits_cnn": DigitsCNN, "detector": Detector}


def load_pretrained(name="digits_cnn", seed=0):
    """Return a trained network in evaluation mode, its weights read from the library's own files.

    ``"digits_cnn"`` is a :class:`DigitsCNN` trained on ``data.load("digits")``, from the first
    weights and in the order of images that ``seed`` (0, 1 or 2) gives. All were trained on the
    same images, so the test images of ``data.load("digits")`` are new to each of them, and those
    of another split are not. ``"detector"`` is a
    :class:`~quantlib.models.detector.Detector` trained on canvases with the same training images
    (:func:`quantlib.data.canvases.make_canvases`). Beside each file in ``quantlib/checkpoints`` a
    JSON file holds the command that made it and what it reached.

    Raises
    ------
    ValueError
        If there is no such network or no such seed.

    Examples
    --------
    >>> from quantlib import data, models, training
    >>> model = models.load_pretrained("digits_cnn")
    >>> training.evaluate(model, data.load("digits")) > 0.98
    True
    """
    check_choice(name, "name", tuple(_PRETRAINED))
    check_integer(seed, "seed", 0, 2**32 - 1)
    path = CHECKPOINTS / f"{name}_seed{seed}.safetensors"
    if not path.exists():
        there = sorted(p.stem.rpartition("seed")[2] for p in CHECKPOINTS.glob(f"{name}_seed*.json"))
        raise ValueError(f"seed must be one of {', '.join(there)} for {name!r}, got {seed}")
    model = _PRETRAINED[name]()
    model.load_state_dict(load_file(path))
    return model.eval()
