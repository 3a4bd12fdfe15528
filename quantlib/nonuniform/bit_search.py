"""Which bit width for which layer? All combinations, without running all of them.

Two things are known before a combination is run: its memory, and how many images the best cheaper
combination gets right. So combinations run in ascending order of memory, and a run stops as soon as
it can no longer beat what costs no more. Nothing is assumed about how accuracy depends on bits,
and nothing on the trade-off curve is missed.
"""

import itertools
import math
import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from quantlib import activations
from quantlib._validation import check_choice, check_integer, shown
from quantlib.evaluation import check_classes, check_labels, logits
from quantlib.nonuniform.clnq import cheapest_first

__all__ = ["BitSearch", "TradeOff", "pareto", "search_bits"]

BATCH = 100  # images between two looks at whether a run can still win


@dataclass(frozen=True)
class TradeOff:
    """A point of the trade-off curve."""

    #: dict of str to int: Bit width of each layer's activations.
    bit_width: dict
    #: Bits of all activations of one image.
    memory_bits: int
    #: Share of the images that are classified correctly, 0 to 1.
    accuracy: float


@dataclass(frozen=True)
class BitSearch:
    """The result of :func:`search_bits`."""

    #: tuple of TradeOff: From the least memory to the highest accuracy: each more accurate than all
    #: that take no more memory.
    curve: tuple
    #: Accuracy with activations in floating point.
    baseline: float
    #: All that there are.
    n_combinations: int
    #: How many were run on all images.
    n_finished: int
    #: How many were stopped on the way.
    n_stopped: int
    #: Whether the curve is the whole one. False if the budget ended first: below ``reached_bits``
    #: of memory the curve is then complete, and at or above it nothing is sure.
    complete: bool
    #: Memory of the last combination that was looked at.
    reached_bits: int

    def within(self, delta):
        """Return the cheapest point that loses at most ``delta`` (a share), or None."""
        for point in self.curve:
            if self.baseline - point.accuracy <= delta + 1e-9:
                return point
        return None


def pareto(points):
    """Return the points that no other beats: more accurate than all that take no more memory.

    >>> few, many, waste = TradeOff({}, 10, 0.8), TradeOff({}, 20, 0.9), TradeOff({}, 30, 0.9)
    >>> pareto([waste, many, few]) == (few, many)
    True
    """
    curve = []
    for point in sorted(points, key=lambda point: (point.memory_bits, -point.accuracy)):
        if not curve or point.accuracy > curve[-1].accuracy:
            curve.append(point)
    return tuple(curve)


def search_bits(
    model,
    images,
    labels,
    scheme,
    *,
    calibration=None,
    bit_widths=range(1, 7),
    layers=None,
    budget=10_000,
    seconds=math.inf,
    n_jobs=None,
    progress=True,
):
    r"""Find the least memory for every accuracy, over all combinations of bit widths.

    Source: Sun, Lin, Wang 2016, III.A: "exhaustive search is employed to find the minimal E_i". How
    it was done for 13 layers they do not tell; running the cheap ones first and stopping
    hopeless runs is the course's.

    A run that has got c of the first m images right, of N, can reach c + N - m. If a combination of
    no more memory got as many right, this one is not on the curve. Images that the
    floating-point network is least sure of come first, so that mistakes show early.

    Parameters
    ----------
    images, labels : array
        What accuracy is measured on.
    scheme : callable
        Takes a layer's activations on ``calibration`` and a bit width; returns a function from
        activations to quantized ones. With several processes it must be picklable.
    calibration : array, optional
        Images from which ``scheme`` chooses levels. None takes ``images``.
    bit_widths : iterable of int, or dict of str to iterable of int
        What each layer may take: the same for all, or by name.
    layers : iterable of str, optional
        Names as :func:`quantlib.activations.record` gives them; by default all. Other layers stay
        in floating point and do not count as memory.
    budget : int
        Run at most so many combinations.
    seconds : float
        Start no more runs after this time.
    n_jobs : int, optional
        Processes, for ``joblib.Parallel``; the curve does not depend on it. None is one, or what
        ``joblib.parallel_config`` says: inside ``with joblib.parallel_config("dask")`` the runs go
        to a Dask cluster.

    Returns
    -------
    BitSearch

    Examples
    --------
    >>> from quantlib import data, enq, models
    >>> from quantlib.nonuniform.bit_search import search_bits
    >>> digits = data.load()
    >>> def scheme(x, bits):
    ...     return enq.choose_qparams(x, bits, fixed_bit_width=8).fake_quantize
    >>> result = search_bits(models.load_pretrained(), digits.test_images[:100],
    ...     digits.test_labels[:100], scheme, bit_widths=[1, 4], progress=False)
    >>> result.n_combinations, result.complete
    (16, True)
    """
    from tqdm import tqdm

    labels = check_labels(labels, images)
    if not seconds >= 0:
        raise ValueError(f"seconds must be 0 or more, got {seconds}")
    scores = logits(model, images)
    check_classes(labels, scores.shape[1])
    order = np.argsort(_margin(scores, labels), kind="stable")  # mistakes and doubts first
    images, labels = torch.as_tensor(np.asarray(images)[order]), labels[order]
    baseline = float(np.mean(scores.argmax(1)[order] == labels))

    seen = activations.record(model, images.numpy() if calibration is None else calibration)
    names = _names(layers, tuple(seen))
    choices = _choices(bit_widths, names)
    budget = check_integer(budget, "budget", 1, 2**62)
    quantizers = {
        (name, bits): scheme(seen[name], bits)
        for name, options in zip(names, choices, strict=True)
        for bits in options
    }
    sizes = [math.prod(seen[name].shape[1:]) for name in names]
    n_combinations = math.prod(map(len, choices))

    def start(bits, best):
        chosen = {name: quantizers[name, b] for name, b in zip(names, bits, strict=True)}
        return model, chosen, images, labels, best

    candidates = itertools.islice(cheapest_first(sizes, choices), budget)
    runs = _runs(candidates, start, len(labels), seconds, n_jobs)
    total = min(budget, n_combinations)
    runs = list(tqdm(runs, "combinations", total, disable=not progress))
    finished = [run for run in runs if run.right is not None]
    return BitSearch(
        curve=pareto(
            TradeOff(dict(zip(names, run.bits, strict=True)), run.memory, run.right / len(labels))
            for run in finished
        ),
        baseline=baseline,
        n_combinations=n_combinations,
        n_finished=len(finished),
        n_stopped=len(runs) - len(finished),
        complete=len(runs) == n_combinations or any(run.right == len(labels) for run in finished),
        reached_bits=runs[-1].memory if runs else 0,
    )


class _Run(NamedTuple):
    """One combination of bit widths: None right if it was stopped."""

    memory: int
    bits: tuple
    right: int | None


def _runs(candidates, start, n_images, seconds, n_jobs):
    """Yield a run for each candidate, until one gets every image right or the time is up."""
    import joblib

    workers = joblib.effective_n_jobs(n_jobs)
    at_once = 1 if workers == 1 else 4 * workers
    best, began = -1, time.monotonic()
    with joblib.Parallel(n_jobs=n_jobs) as parallel:
        while best < n_images and time.monotonic() - began < seconds:
            group = list(itertools.islice(candidates, at_once))
            if not group:
                break
            jobs = (joblib.delayed(_count_right)(*start(bits, best)) for _, bits in group)
            for (memory, bits), right in zip(group, parallel(jobs), strict=True):
                best = best if right is None else max(best, right)
                yield _Run(memory, bits, right)


def _names(layers, known):
    """Return the layers to be searched, all of ``known`` if None."""
    if isinstance(layers, str):
        raise TypeError(f"layers must be a list of names, got the text {shown(layers)}")
    names = list(known if layers is None else layers)
    for name in names:
        check_choice(name, "layers", known)
        if names.count(name) > 1:
            raise ValueError(f"layers must be different, got {name!r} twice")
    return names


def _margin(scores, labels):
    """Return by how much the right class leads, negative where it does not."""
    right = np.take_along_axis(scores, labels[:, None], 1)[:, 0]
    others = scores.copy()
    np.put_along_axis(others, labels[:, None], -np.inf, 1)
    return right - others.max(1)


def _choices(bit_widths, names):
    if not names:
        raise ValueError("layers must name at least one layer")
    if not isinstance(bit_widths, dict):
        bit_widths = dict.fromkeys(names, tuple(bit_widths))
    missing = [name for name in names if name not in bit_widths]
    if missing:
        raise ValueError(f"bit_widths must have every layer, got none for {missing}")
    choices = [
        sorted({check_integer(b, "bit_widths", 1, 64) for b in bit_widths[name]}) for name in names
    ]
    for name, options in zip(names, choices, strict=True):
        if not options:
            raise ValueError(f"bit_widths must not be empty, got nothing for {name!r}")
    return choices


def _count_right(model, quantizers, images, labels, best):
    """Return how many images are classified correctly; None once no more than ``best`` can be."""
    quantized = activations.QuantizedActivations(model, quantizers)
    possible = len(labels)
    for start in range(0, len(labels), BATCH):
        part = slice(start, start + BATCH)
        possible -= int((logits(quantized, images[part]).argmax(1) != labels[part]).sum())
        if possible <= best:
            return None
    return possible
