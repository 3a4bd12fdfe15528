"""Checks of the arrays that a kernel is given, and memory for the ones it returns."""

import ctypes
import math
import types

import numpy as np

from quantlib._validation import as_numpy, check_choice, check_integer

__all__ = [
    "LARGEST",
    "Remade",
    "aligned_empty",
    "as_flags",
    "as_real",
    "as_whole",
    "check_bounds",
    "check_groups",
    "check_instance",
    "check_layout",
    "check_out",
    "check_shape",
    "convolved_size",
    "own_array",
]

#: No axis is longer: whole sums and the places in lists are of 32 bits.
LARGEST = 2**31 - 1

_MOST_AXES = 64  # of an array of NumPy's

_LINE = 64  # bytes of a line of the cache: a vector that crosses two costs two


class Remade:
    """A dataclass whose copies, and what is read of it from a pickle, are looked at as it is."""

    def __reduce__(self):
        """Return how to make it again: of its fields, by its checks."""
        return type(self), tuple(getattr(self, name) for name in self.__match_args__)


def aligned_empty(shape, dtype):
    """Return a new array that starts at a line of the cache."""
    dtype = np.dtype(dtype)
    size, spare = math.prod(shape), _LINE // dtype.itemsize
    memory = np.empty(size + spare, dtype)
    start = -ctypes.addressof(ctypes.c_char.from_buffer(memory)) // dtype.itemsize % spare
    return memory[start : start + size].reshape(shape)


def as_real(x, name, ndim=None):
    """Return ``x`` as an array of real numbers; raise unless it is one that is not empty."""
    return _as_kind(x, name, ndim, "iuf", "real numbers")


def as_whole(x, name, ndim=None):
    """Return ``x`` as an array of integers; raise unless it is one that is not empty."""
    return _as_kind(x, name, ndim, "iu", "integers")


def as_flags(x, name):
    """Return ``x`` as an array of booleans; raise unless it is one."""
    x = as_numpy(x, name)
    if x.dtype != np.bool_:
        raise TypeError(f"{name} must hold booleans, got dtype {x.dtype.name}")
    return x


def _as_kind(x, name, ndim, kinds, what):
    x = as_numpy(x, name)
    if x.dtype.kind not in kinds:
        raise TypeError(f"{name} must hold {what}, got dtype {x.dtype.name}")
    if x.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {x.shape}")
    if ndim is not None and x.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, got shape {x.shape}")
    if x.size > LARGEST and max(x.shape) > LARGEST:
        raise ValueError(f"{name} must have at most {LARGEST} values an axis, got shape {x.shape}")
    return _of_one_kind(x)


def _of_one_kind(x):
    """Return ``x`` as an array that could be written and is aligned.

    For others numba would compile all loops once more. No kernel writes to what it is given.
    """
    if x.flags.behaved:  # both: one question costs half as much as two
        return x
    if not x.flags.aligned:
        return x.copy()
    memory = {**x.__array_interface__, "data": (x.ctypes.data, False)}
    return np.asarray(types.SimpleNamespace(__array_interface__=memory, owner=x))


def own_array(x, name, dtype, shape):
    """Return a copy of the array ``x`` that nobody else has; raise unless it is what is needed."""
    if not isinstance(x, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array, got {type(x).__name__}")
    x = as_numpy(x, name)
    if x.dtype != dtype or x.shape != shape:
        raise ValueError(
            f"{name} must be {np.dtype(dtype)} of shape {shape}, got {x.dtype} of shape {x.shape}"
        )
    own = aligned_empty(shape, dtype)
    own[...] = x
    return own


def check_shape(shape, ndim=None, low=1, high=LARGEST):
    """Return ``shape`` as a tuple; raise unless it is one, of ``ndim`` lengths if given."""
    if not isinstance(shape, tuple | list):
        raise TypeError(f"shape must be a tuple of whole numbers, got {type(shape).__name__}")
    if ndim is not None and len(shape) != ndim:
        raise ValueError(f"shape must have {ndim} axes, got {len(shape)}")
    if len(shape) > _MOST_AXES:
        raise ValueError(f"shape must have at most {_MOST_AXES} axes, got {len(shape)}")
    return tuple(check_integer(length, "shape", low, high) for length in shape)


def check_bounds(x, name, low, high):
    """Raise ValueError unless all values of ``x`` are from ``low`` to ``high``."""
    least, most = int(x.min()), int(x.max())
    if not low <= least <= most <= high:
        raise ValueError(f"{name} must be from {low} to {high}, got {least} to {most}")


def check_instance(x, name, kind, maker):
    """Raise TypeError unless ``x`` is a ``kind``, as ``maker`` gives."""
    if not isinstance(x, kind):
        raise TypeError(
            f"{name} must be a {kind.__name__}, as {maker} gives, got {type(x).__name__}"
        )


def check_out(out, shape, dtype, *inputs):
    """Return ``out``, or new memory if it is None; raise unless it fits and is no input's."""
    if out is None:
        return aligned_empty(shape, dtype)
    if type(out) not in (np.ndarray, np.memmap) or out.dtype != dtype or out.shape != tuple(shape):
        got = type(out).__name__
        if isinstance(out, np.ndarray):
            got += f" of {out.dtype} of shape {out.shape}"
        raise ValueError(
            f"out must be an array of {np.dtype(dtype)} of shape {tuple(shape)}, got {got}"
        )
    if not out.flags.carray:
        raise ValueError("out must be C-contiguous, aligned and writeable, got one that is not")
    if any(np.may_share_memory(out, x) for x in inputs):
        raise ValueError("out must have memory of its own, got a part of an operand")
    return out


def check_layout(layout):
    """Return whether the channels of images come last; raise unless the layout is known."""
    check_choice(layout, "layout", ("NCHW", "NHWC"))
    return layout == "NHWC"


def check_groups(groups, channels, w_channels, n_filters):
    """Return ``groups``; raise unless channels and filters can be split so."""
    groups = check_integer(groups, "groups", 1, 2**31)
    if w_channels * groups != channels:
        of = f" x {groups} groups" if groups > 1 else ""
        raise ValueError(
            f"x and w must have the same channels, got {channels} and {w_channels}{of}"
        )
    if n_filters % groups:
        raise ValueError(f"groups must divide the {n_filters} filters, got {groups}")
    return groups


def convolved_size(size, kernel_size, stride, padding, dilation=(1, 1)):
    """Return height and width of the result of a convolution, all arguments being such pairs."""
    (height, width), (down, across) = size, kernel_size
    height += 2 * padding[0] - dilation[0] * (down - 1) - 1
    width += 2 * padding[1] - dilation[1] * (across - 1) - 1
    if height < 0 or width < 0:
        raise ValueError(
            f"w must not be larger than the padded image, got {tuple(kernel_size)} "
            f"on {tuple(size)} with padding {padding} and dilation {dilation}"
        )
    return height // stride[0] + 1, width // stride[1] + 1
