"""Data sets of the course: scikit-learn's digits, and larger ones read from the publishers' files.

* :mod:`quantlib.data.sets`: which there are, and their split;
* :mod:`quantlib.data.canvases`: several digits on one image, with boxes around them;
* :mod:`quantlib.data.files`: finding, fetching and reading files.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "canvases": ["Canvases", "make_canvases"],
        "files": ["read_cifar10_batch", "read_idx"],
        "sets": ["NAMES", "Dataset", "load"],
    },
)
