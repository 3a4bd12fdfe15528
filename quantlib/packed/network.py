"""A whole network with packed weights: NumPy and the kernels, no torch, one file."""

from dataclasses import fields

import numpy as np

from quantlib._validation import as_array, check_finite, check_integer, to_numpy
from quantlib.kernels import PackedBits
from quantlib.kernels._checks import LARGEST
from quantlib.packed import _files
from quantlib.packed._describe import describe, restore
from quantlib.packed.flow import NUMBERS, REAL, Flow
from quantlib.packed.powers import PackedPowers
from quantlib.packed.steps import STEPS, Step, flow_behind
from quantlib.packed.trits import PackedTrits

__all__ = ["PackedNetwork"]

#: The name in files, older than the module's.
_KEY, _VERSION = "quantlib.packed_network", 2


class PackedNetwork:
    """A network that computes with packed signs; :func:`~quantlib.lowering.to_packed` makes one.

    ``steps`` are done one after the other. ``image_shape`` are C, H and W of the images, where
    they are fixed; None stands for any.

    >>> from quantlib import binary, data, training
    >>> digits = data.load()
    >>> model = binary.BinaryLeNet5(1, 10, 8)
    >>> _ = training.fit(model, digits, epochs=2, learning_rate=0.01, progress=False)
    >>> network = binary.to_packed(model)
    >>> same = network.predict(digits.test_images) == training.predict(model, digits.test_images)
    >>> bool(same.all())
    True
    """

    def __init__(self, steps, image_shape=(None, None, None)):
        self.steps, self.image_shape = tuple(steps), tuple(image_shape)
        for step in self.steps:
            if not isinstance(step, Step):
                raise TypeError(f"steps must be steps, got {type(step).__name__}")
        if len(self.image_shape) != 3:
            raise ValueError(f"image_shape must be C, H and W, got {len(self.image_shape)} numbers")
        for length in self.image_shape:
            if length is not None:
                check_integer(length, "image_shape", 1, LARGEST)
        self._result(self.image_shape)

    def _result(self, image_shape):
        """Return the shape of what comes of an image; raise unless the steps fit together."""
        channels, height, width = image_shape
        end = flow_behind(self.steps, Flow(REAL, (height, width, channels)))
        if end.kind not in NUMBERS:
            raise ValueError(f"steps must end with numbers, got {end}")
        return end.shape

    def __call__(self, images, *, batch_size=256, num_threads=None):
        """Return the logits (N x classes, float32) of ``images`` (N x C x H x W, floating-point).

        ``batch_size`` images are computed at a time, on ``num_threads`` threads of the kernels (all
        that numba has if not given). If the last step gives images the result is N x C x H x W.
        """
        images = float_images(images, self.image_shape)
        batch_size = check_integer(batch_size, "batch_size", 1, 2**31)
        if None in self.image_shape or not len(images):
            *size, length = self._result(images.shape[1:])
            if not len(images):
                return np.zeros((0, length, *size), np.float32)
        results = []
        for start in range(0, len(images), batch_size):
            x = images[start : start + batch_size].transpose(0, 2, 3, 1)
            x = np.ascontiguousarray(x)
            for step in self.steps:
                x = step(x, num_threads)
            x = x if x.ndim == 2 else x.transpose(0, 3, 1, 2)
            results.append(x.astype(np.float32, copy=False))
        return results[0] if len(results) == 1 else np.concatenate(results)

    def predict(self, images, *, batch_size=256, num_threads=None):
        """Return the class with the largest logit for each image (int64, N)."""
        return self(images, batch_size=batch_size, num_threads=num_threads).argmax(axis=1)

    @property
    def nbytes(self):
        """Bytes that the weights, scales and thresholds take in memory."""
        return sum(array.nbytes for array in _arrays(self.steps))

    def __repr__(self):
        names = " - ".join(type(step).__name__ for step in self.steps)
        return f"<PackedNetwork of {self.nbytes:,} bytes: {names}>"

    def save(self, path):
        """Write the network to one safetensors file at ``path``.

        Signs are stored as the rows of :class:`quantlib.kernels.words.PackedBits`, 64 to a word,
        ternary values five to a byte, powers of two by their exponents in a few bits.
        """
        tensors = {}
        steps = [describe(step, tensors) for step in self.steps]
        header = {"version": _VERSION, "image_shape": self.image_shape, "steps": steps}
        _files.save(path, tensors, _KEY, header)

    @classmethod
    def load(cls, path):
        """Read a network that :meth:`save` wrote; a ValueError refuses any other file."""
        with _files.opened(path, _KEY, cls) as (header, read):
            if header["version"] != _VERSION:
                raise ValueError(f"version {header['version']} is unknown")
            steps = [restore(step, read, STEPS) for step in header["steps"]]
            return cls(steps, header["image_shape"])


def _arrays(value):
    """Return all arrays and packed values that a step, or steps, hold."""
    if isinstance(value, np.ndarray | PackedBits | PackedPowers | PackedTrits):
        return [value]
    if isinstance(value, tuple):
        return [array for item in value for array in _arrays(item)]
    if isinstance(value, Step):
        return [array for f in fields(value) for array in _arrays(getattr(value, f.name))]
    return []


def float_images(images, image_shape):
    """Return ``images`` in float32; raise unless they are N of that shape, and finite.

    ``image_shape`` are C, H and W, and None stands for any.
    """
    if hasattr(images, "detach"):  # with a gradient, or in bfloat16, too
        images = to_numpy(as_array(images, "images"))
    images = np.asarray(images)
    if images.dtype.kind != "f":
        raise TypeError(f"images must be floating-point, got dtype {images.dtype}")
    wanted = ["N", *("CHW"[i] if s is None else str(s) for i, s in enumerate(image_shape))]
    if images.ndim != 4 or any(
        s not in (None, size) for s, size in zip(image_shape, images.shape[1:], strict=True)
    ):
        raise ValueError(f"images must be {' x '.join(wanted)}, got shape {images.shape}")
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
        images = images.astype(np.float32, copy=False)
    if not np.isfinite(images).all():  # the quicker question first
        check_finite(images, "images")
    return images
