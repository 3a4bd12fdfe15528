"""Checks that refuse bad input by name: which argument, what came, what is taken."""

import operator
import reprlib
import sys

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 100


def _shown(value):
    """Return ``value`` as an error shows it, which is short whatever it is."""
    if isinstance(value, int) and value.bit_length() > 256:  # Python may refuse to print it
        return f"a number of {value.bit_length()} bits"
    return f"shape {tuple(value.shape)}" if getattr(value, "shape", ()) else _repr.repr(value)


def as_array(x, name):
    """Return ``x`` if it is a NumPy array or torch tensor, a NumPy array of a list or number."""
    if not is_array_api_obj(x):
        try:
            x = np.asarray(x)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(f"{name} must be an array, got {type(x).__name__} ({error})") from error
    if isinstance(x, np.ndarray) and x.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {x.dtype}")
    return x


def detached(x):
    """Return ``x``, a torch tensor without its gradient: what becomes a plain number has none."""
    return x.detach() if hasattr(x, "detach") else x


def has_values(x):
    """Return whether the values of ``x`` can be looked at: not while torch traces or transforms."""
    if not hasattr(x, "detach"):
        return True
    torch = sys.modules["torch"]
    if torch.compiler.is_compiling():
        return False
    transformed = torch._C._functorch.is_functorch_wrapped_tensor(x)
    return not transformed and type(x).__name__ != "FakeTensor"


def to_numpy(x):
    """Return the values of a NumPy array or torch tensor as a NumPy array, bfloat16 as float32."""
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        x = x.float() if str(x.dtype) == "torch.bfloat16" else x
    return np.asarray(x)


def as_integers(x, name):
    """Return ``x`` as an array of its own kind; raise TypeError unless it holds integers."""
    x = as_array(x, name)
    if not array_namespace(x).isdtype(x.dtype, "integral"):
        raise TypeError(f"{name} must be integers, got dtype {x.dtype}")
    return x


def as_float_array(x, name):
    """Return ``x`` as an array of floats of its own kind; raise if it is empty or not finite.

    Integers and booleans become the kind's default floating-point type.
    """
    x = as_array(x, name)
    xp = array_namespace(x)
    if xp.isdtype(x.dtype, "complex floating"):
        raise TypeError(f"{name} must hold real numbers, got dtype {x.dtype}")
    if not xp.isdtype(x.dtype, "real floating"):
        x = xp.astype(x, xp.float64 if xp.__name__.endswith("numpy") else xp.float32)
    check_finite(x, name)
    return x


def check_finite(x, name):
    """Raise ValueError if the array ``x`` is empty or holds NaN or infinity."""
    xp = array_namespace(x)
    if 0 in x.shape:
        raise ValueError(f"{name} must not be empty, got shape {tuple(x.shape)}")
    if not has_values(x):
        return
    if getattr(x, "is_meta", False):
        raise ValueError(f'{name} must hold numbers, got a tensor on the device "meta"')
    finite = xp.isfinite(x)
    if not bool(xp.all(finite)):
        n_bad = int(xp.count_nonzero(~finite))
        raise ValueError(f"{name} must be finite, got {n_bad} NaN or infinite values")


def check_bit_width(bit_width, low, high):
    """Return ``bit_width`` as an int; raise unless it is from ``low`` to ``high``."""
    return check_integer(bit_width, "bit_width", low, high)


def check_integer(value, name, low, high):
    """Return ``value`` as an int; raise unless it is a whole number from ``low`` to ``high``."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(
            f"{name} must be a whole number, got {_shown(value)} of type {type(value).__name__}"
        ) from None
    if not low <= number <= high:
        raise ValueError(f"{name} must be from {low} to {high}, got {_shown(number)}")
    return number


def check_axis(axis, ndim):
    """Return ``axis`` counted from the front; raise unless an array of ``ndim`` axes has it."""
    if ndim == 0:
        raise ValueError(f"axis must be None for a single number, got {axis}")
    return check_integer(axis, "axis", -ndim, ndim - 1) % ndim


def check_choice(value, name, choices):
    """Raise ValueError unless ``value`` is one of ``choices``."""
    if getattr(value, "shape", ()) or value not in choices:  # an array is no choice
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {listed}, got {_shown(value)}")


def check_same_shape(a, b, names):
    """Raise ValueError unless the arrays ``a`` and ``b`` have the same shape."""
    if tuple(a.shape) != tuple(b.shape):
        raise ValueError(
            f"{names[0]} and {names[1]} must have the same shape, "
            f"got {tuple(a.shape)} and {tuple(b.shape)}"
        )
