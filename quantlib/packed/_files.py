"""Files of packed values: safetensors, with a header in JSON among the metadata."""

import contextlib
import json
import os
import threading
from pathlib import Path

import numpy as np

__all__ = ["opened", "save", "write"]


def save(path, tensors, key, header):
    """Write arrays and a header to ``path``, whole or not at all."""
    from safetensors.numpy import save as as_bytes

    tensors = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    write(path, as_bytes(tensors, metadata={key: json.dumps(header)}))


def write(path, content):
    """Write bytes to ``path``, whole or not at all: till then the old file stays."""
    path = Path(os.path.realpath(path))
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def opened(path, key, kind):
    """Yield the header, and a function that reads an array by its name.

    What is wrong with the file, or with what is made of it meanwhile, becomes a ValueError.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            yield json.loads((file.metadata() or {})[key]), file.get_tensor
    except (
        ArithmeticError, AttributeError, LookupError, RecursionError, SafetensorError, TypeError,
        ValueError,
    ) as error:  # fmt: skip
        raise ValueError(
            f"path must be a file saved by {kind.__name__}, got {path} ({error})"
        ) from error
