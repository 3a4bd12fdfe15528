"""A network that computes in whole numbers from its first layer to its last."""

import functools
from dataclasses import fields

import numpy as np

from quantlib._validation import check_integer, shown
from quantlib.kernels import Requantization
from quantlib.packed import PackedTensor, _files
from quantlib.packed._describe import describe, restore
from quantlib.packed.network import float_images
from quantlib.ptq import float_steps, steps
from quantlib.ptq.float_steps import FloatModule
from quantlib.ptq.steps import IntegerStep
from quantlib.uniform import QParams

__all__ = ["IntegerNetwork"]

_KEY, _VERSION = "quantlib.ptq.integer_network", 1

_KINDS = {
    kind.__name__: kind
    for kind in (
        QParams, PackedTensor, Requantization,
        *(getattr(steps, name) for name in steps.__all__),
        float_steps.FloatConvolution, float_steps.FloatDense, float_steps.FloatLayer,
    )
}  # fmt: skip


class IntegerNetwork:
    """Steps in whole numbers; :func:`~quantlib.ptq.lowering.to_integer` makes one.

    Images become codes of 8 bits or fewer; weights have codes of 8 bits or fewer, biases and sums
    32 bits. Nothing between is floating-point, but for layers that were left so.

    Attributes
    ----------
    steps : tuple of IntegerStep
        Each knows by ``inputs`` whose results it takes.
    ends : tuple of int
        The steps whose results are the network's.
    image_shape : tuple of int
        C, H and W.

    Examples
    --------
    >>> from quantlib import data, models, ptq
    >>> digits = data.load()
    >>> network = ptq.quantize_model(
    ...     models.load_pretrained(), digits.train_images[:100], bit_width=8).network
    >>> network
    <IntegerNetwork of 61,232 bytes, 10 steps>
    >>> bool((network.predict(digits.test_images) == digits.test_labels).mean() > 0.98)
    True
    """

    def __init__(self, steps, ends, image_shape):
        self.steps, self.ends = tuple(steps), tuple(ends)
        self.image_shape = tuple(image_shape)
        for place, step in enumerate(self.steps):
            if not isinstance(step, IntegerStep):
                raise TypeError(f"steps must be IntegerStep, got {type(step).__name__}")
            for i in step.inputs:
                check_integer(i, "inputs", 0, place - 1)
        for end in self.ends:
            check_integer(end, "ends", 0, len(self.steps) - 1)
        if len(self.image_shape) != 3:
            raise ValueError(f"image_shape must be C, H and W, got {shown(self.image_shape)}")

    def __call__(self, images, *, batch_size=64, num_threads=None):
        """Return what the network says of ``images`` (N x C x H x W, floating-point), in float32.

        An array, or a tuple of them where the network has several ends. ``batch_size`` images are
        computed at a time, on ``num_threads`` threads of the kernels (all that numba has if not
        given).
        """
        images = float_images(images, self.image_shape)
        batch_size = check_integer(batch_size, "batch_size", 1, 2**31)
        if not len(images):  # one image tells the shapes
            found = [self._ends(np.zeros((1, *self.image_shape), np.float32), num_threads)]
            found = [[x[:0] for x in found[0]]]
        else:
            starts = range(0, len(images), batch_size)
            found = [self._ends(images[i : i + batch_size], num_threads) for i in starts]
        if len(found) > 1:
            found = [[np.concatenate(parts) for parts in zip(*found, strict=True)]]
        return tuple(found[0]) if len(self.ends) > 1 else found[0][0]

    def _ends(self, images, threads):
        values = {}
        for place, step, done in self._order:
            given = [values[i] for i in step.inputs] if place else (images,)
            values[place] = step(*given, threads=threads)
            for i in done:
                del values[i]
        return [values[i] for i in self.ends]

    @functools.cached_property
    def _order(self):
        """Each step with its place, and the results that no later one takes."""
        last = {i: place for place, step in enumerate(self.steps) for i in step.inputs}
        kept = set(self.ends)
        return [
            (place, step, [i for i in set(step.inputs) - kept if last[i] == place])
            for place, step in enumerate(self.steps)
        ]

    def results(self, images, *, num_threads=None):
        """Return what each step hands on, in their order: codes, N x H x W x C or N x K."""
        values = []
        for place, step in enumerate(self.steps):
            given = [values[i] for i in step.inputs] if place else (images,)
            values.append(step(*given, threads=num_threads))
        return values

    def predict(self, images, *, batch_size=64, num_threads=None):
        """Return the class with the largest logit for each image (int64, N)."""
        return self(images, batch_size=batch_size, num_threads=num_threads).argmax(axis=1)

    @property
    def nbytes(self):
        """Bytes that the network takes in a file, without its header: codes, biases, scales."""
        return sum(array.nbytes for step in self.steps for array in _arrays(step))

    def __repr__(self):
        return f"<IntegerNetwork of {self.nbytes:,} bytes, {len(self.steps)} steps>"

    def save(self, path):
        """Write the network to one safetensors file at ``path``.

        Raises
        ------
        ValueError
            If what was left in floating point is no layer that runs in whole numbers, nor softmax:
            then it is code, which a file of numbers cannot hold.
        """
        code = [step.name for step in self.steps if isinstance(step, FloatModule)]
        if code:
            raise ValueError(
                f"{', '.join(code)} cannot be saved: in floating point what is no layer of whole "
                f"numbers is code"
            )
        tensors = {}
        described = [describe(step, tensors) for step in self.steps]
        header = {
            "version": _VERSION, "image_shape": self.image_shape, "steps": described,
            "ends": self.ends,
        }  # fmt: skip
        _files.save(path, tensors, _KEY, header)

    @classmethod
    def load(cls, path):
        """Read a network that :meth:`save` wrote; a ValueError refuses any other file."""
        with _files.opened(path, _KEY, cls) as (header, read):
            if header["version"] != _VERSION:
                raise ValueError(f"version {header['version']} is unknown")
            made = [restore(step, read, _KINDS) for step in header["steps"]]
            return cls(made, header["ends"], header["image_shape"])


def _arrays(value):
    """Return the arrays that a step, or what it consists of, holds."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, tuple):
        return [array for item in value for array in _arrays(item)]
    if isinstance(value, tuple(_KINDS.values())):
        return [array for f in fields(value) for array in _arrays(getattr(value, f.name))]
    return []
