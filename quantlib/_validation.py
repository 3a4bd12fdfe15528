"""Checks that refuse bad input by name: which argument, what came, what is taken."""

import math
import operator
import reprlib
import sys

import numpy as np
from array_api_compat import array_namespace


class _Short(reprlib.Repr):
    """Python's short ``repr``, in which an array is its type, dtype and shape."""

    def __init__(self):
        super().__init__()
        self.maxlevel, self.maxother, self.maxstring = 2, 60, 60

    def repr1(self, x, level):
        try:
            shape, dtype = tuple(x.shape), getattr(x.dtype, "name", x.dtype)
        except Exception:  # no array, or one without a shape
            shape = ()
        if shape:
            return f"{type(x).__name__} of {dtype} of shape {super().repr1(shape, 1)}"
        if isinstance(x, int) and x.bit_length() > 200:
            return f"whole number of {x.bit_length()} bits"
        return " ".join(super().repr1(x, level).split())


def shown(value):
    """Return ``value`` as an error prints it: its ``repr``, never longer than 120 characters.

    >>> shown("nearest"), shown(np.zeros((3, 4)))
    ("'nearest'", 'ndarray of float64 of shape (3, 4)')
    """
    text = _Short().repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


#: What torch computes with. Of its other integers without a sign it only stores the values.
_TORCH_DTYPES = (
    *("bool", "uint8", "int8", "int16", "int32", "int64"),
    *("float16", "bfloat16", "float32", "float64"),
)
_WIDER = {"uint16": "int32", "uint32": "int64"}


def as_array(x, name):
    """Return ``x`` as an array of real numbers that can be computed with, or refuse it by name.

    A NumPy array and a torch tensor stay what they are. Everything else becomes what
    ``numpy.asarray`` makes of it. Bytes come in the machine's own order.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        return _checked_tensor(x, name, torch) if has_values(x) else x
    given, x = x, as_numpy(x, name)
    if x.dtype.kind not in "biuf":
        of = f" of {type(given).__name__}" if x.ndim == 0 else ""
        raise TypeError(f"{name} must hold real numbers, got dtype {x.dtype.name}{of}")
    if x.dtype.itemsize > 8:
        raise TypeError(f"{name} must hold numbers of at most 64 bits, got dtype {x.dtype}")
    return x


def as_numpy(x, name):
    """Return any array-like as a NumPy array in the machine's own byte order, or refuse it."""
    if type(x) is not np.ndarray:
        if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
            raise ValueError(f"{name} must have no masked values, got {np.ma.count_masked(x)}")
        try:
            x = to_numpy(x) if hasattr(x, "detach") else x
            exported = hasattr(x, "__dlpack__") and not hasattr(x, "__array__")
            x = np.from_dlpack(x) if exported else np.asarray(x)
        except Exception as error:  # whatever an array-like's own code raises
            kind = ValueError if isinstance(error, ValueError) else TypeError
            why = " ".join(str(error)[:100].split())
            raise kind(f"{name} must be an array, got {shown(x)} ({why})") from error
    return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))


def _checked_tensor(x, name, torch):
    """Return the torch tensor ``x``, an unsigned one of 16 or 32 bits as a wider signed one."""
    if x.layout != torch.strided or x.is_nested:
        layout = "torch.nested" if x.is_nested else x.layout
        raise TypeError(f"{name} must be a dense tensor, got one of layout {layout}")
    _check_meta(x, name)
    dtype = str(x.dtype).removeprefix("torch.")
    if dtype in _TORCH_DTYPES:
        return x
    if dtype in _WIDER:
        return x.to(getattr(torch, _WIDER[dtype]))
    raise TypeError(
        f"{name} must hold real numbers, of {', '.join(_TORCH_DTYPES)}, got dtype {x.dtype}"
    )


def _check_meta(x, name):
    if getattr(x, "is_meta", False):
        raise ValueError(f"{name} must have values, got a meta tensor of shape {tuple(x.shape)}")


_NAMESPACES = {}


def namespace(x):
    """Return ``array_namespace(x)``, asked once for each type: it takes longer than a sum."""
    kind = type(x)
    if kind not in _NAMESPACES:
        _NAMESPACES[kind] = array_namespace(x)
    return _NAMESPACES[kind]


def detached(x):
    """Return ``x``, a torch tensor without its gradient: what becomes a plain number has none."""
    return x.detach() if hasattr(x, "detach") else x


def has_values(x):
    """Return whether the values of ``x`` can be looked at: not while torch traces or transforms."""
    if not hasattr(x, "detach"):
        return True
    torch = sys.modules["torch"]
    return not (
        torch.compiler.is_compiling()
        or torch._C._is_tracing()
        or torch._C._functorch.is_functorch_wrapped_tensor(x)
        or type(x).__name__ == "FakeTensor"
    )


def to_numpy(x):
    """Return the values of a NumPy array or torch tensor as a NumPy array, bfloat16 as float32."""
    if hasattr(x, "detach"):
        x = x.detach().cpu().resolve_neg()
        x = x.float() if str(x.dtype) == "torch.bfloat16" else x
    return np.asarray(x)


def as_integers(x, name):
    """Return ``x`` as an array of its own kind; raise TypeError unless it holds integers."""
    x = as_array(x, name)
    if not namespace(x).isdtype(x.dtype, "integral"):
        raise TypeError(f"{name} must be integers, got dtype {x.dtype}")
    return x


def as_float_array(x, name, *, may_be_empty=False):
    """Return ``x`` as an array of floats of its own kind; raise if it is empty or not finite.

    A batch of size 0 has codes and values, but no range. Integers and booleans become the kind's
    default floating-point type.
    """
    x = as_array(x, name)
    xp = namespace(x)
    if not xp.isdtype(x.dtype, "real floating"):
        x = xp.astype(x, xp.float64 if xp.__name__.endswith("numpy") else xp.float32)
    check_finite(x, name, may_be_empty=may_be_empty)
    return x


def check_finite(x, name, *, may_be_empty=False):
    """Raise ValueError if the array ``x`` holds NaN or infinity, or is empty and may not be."""
    xp = namespace(x)
    if not has_values(x):
        return
    _check_meta(x, name)
    if 0 in x.shape and not may_be_empty:
        raise ValueError(f"{name} must not be empty, got shape {tuple(x.shape)}")
    # The sum, much the cheaper to find, is finite only if all values are.
    with np.errstate(over="ignore", invalid="ignore"):
        if math.isfinite(detached(x).sum().item()):
            return
    n_bad = int(xp.count_nonzero(~xp.isfinite(x)))
    if n_bad:
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
            f"{name} must be a whole number, got {shown(value)} of type {type(value).__name__}"
        ) from None
    if not low <= number <= high:
        raise ValueError(f"{name} must be from {low} to {high}, got {shown(number)}")
    return number


def check_pair(value, name, low=1):
    """Return height and width of ``value``, a pair or one whole number for both."""
    if type(value) is int and low <= value <= 2**15:
        return value, value
    if not isinstance(value, (tuple, list)):
        value = check_integer(value, name, low, 2**15)
        return value, value
    if len(value) != 2:
        raise ValueError(f"{name} must be one whole number or a pair, got {shown(value)}")
    return check_integer(value[0], name, low, 2**15), check_integer(value[1], name, low, 2**15)


def check_positive(value, name):
    """Return ``value`` as a float; raise unless it is a number above 0, and finite."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number, got {shown(value)}")
    number = float(value) if isinstance(value, np.floating) else value  # an int may be too large
    if not 0 < number <= sys.float_info.max:
        raise ValueError(f"{name} must be positive and finite, got {shown(value)}")
    return float(number)


def check_axis(axis, ndim):
    """Return ``axis`` counted from the front; raise unless an array of ``ndim`` axes has it."""
    if ndim == 0:
        raise ValueError(f"axis must be None for a single number, got {shown(axis)}")
    return check_integer(axis, "axis", -ndim, ndim - 1) % ndim


def check_choice(value, name, choices):
    """Raise ValueError unless ``value`` is one of ``choices``."""
    try:
        hash(value)  # an array, which compares value by value, has none
        known = value in choices
    except Exception:
        known = False
    if not known:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {listed}, got {shown(value)}")


def check_flag(value, name):
    """Return ``value`` as a bool; raise TypeError unless it is one."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def check_same_shape(a, b, names):
    """Raise ValueError unless the arrays ``a`` and ``b`` have the same shape."""
    if tuple(a.shape) != tuple(b.shape):
        raise ValueError(
            f"{names[0]} and {names[1]} must have the same shape, "
            f"got {tuple(a.shape)} and {tuple(b.shape)}"
        )
