"""What networks are made of, in words that JSON has, with arrays beside them."""

from dataclasses import fields, is_dataclass

import numpy as np

from quantlib._validation import check_flag
from quantlib.kernels import PackedBits
from quantlib.kernels.words import row_words
from quantlib.packed.powers import PackedPowers
from quantlib.packed.tensor import PackedTensor
from quantlib.packed.trits import PackedTrits

__all__ = ["describe", "restore"]


def describe(value, tensors):
    """Return ``value`` in words that JSON has; put arrays into ``tensors``."""
    key = str(len(tensors))
    if isinstance(value, np.ndarray):
        tensors[key] = value
        return {"tensor": key}
    if isinstance(value, PackedBits):
        tensors[key] = row_words(value)
        about = {"shape": value.shape, "axis": value.axis, "panels": value.panels}
        return {"signs": key, **about}
    if isinstance(value, PackedTrits):
        tensors[key] = value.data
        return {"trits": key, "shape": value.shape}
    if isinstance(value, PackedPowers):
        tensors[key] = value.places.data
        return {"powers": key, "shape": value.shape, "bit_width": value.bit_width}
    if is_dataclass(value):
        parts = {f.name: describe(getattr(value, f.name), tensors) for f in fields(value)}
        return {"step": type(value).__name__, **parts}
    if isinstance(value, tuple | list):
        return [describe(item, tensors) for item in value]
    return value


def restore(value, tensor, kinds):
    """Undo :func:`describe`; ``kinds`` are the dataclasses by name, ``tensor`` reads an array."""
    if isinstance(value, list):
        return tuple(restore(item, tensor, kinds) for item in value)
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensor(value["tensor"])
    if "signs" in value:
        packed = PackedBits(tensor(value["signs"]), value["shape"], value["axis"])
        return packed.as_panels() if check_flag(value["panels"], "panels") else packed
    if "trits" in value:
        return PackedTrits(tensor(value["trits"]), value["shape"])
    if "powers" in value:
        places = PackedTensor(tensor(value["powers"]), value["shape"], value["bit_width"])
        return PackedPowers(places)
    parts = {name: restore(part, tensor, kinds) for name, part in value.items() if name != "step"}
    return kinds[value["step"]](**parts)
