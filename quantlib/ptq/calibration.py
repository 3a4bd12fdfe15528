"""Calibration: what ranges do the layers' results have, on some images?"""

import torch
from torch import nn

from quantlib import uniform
from quantlib._validation import check_integer
from quantlib.evaluation import evaluating
from quantlib.ptq.graph import as_images, check_graph
from quantlib.ptq.observers import check_observer
from quantlib.ptq.support import own_range

__all__ = ["calibrate"]


class UnitRange:
    """The range of a sigmoid, which is known: b bits stand for 0, 2**-b, …, 1 - 2**-b.

    >>> UnitRange().qparams(8, mapping="asymmetric", signed=False).scale == 1 / 256
    True
    """

    def observe(self, x):
        """Take nothing."""

    def range(self, bit_width=8):
        """Return the least and the largest level."""
        return 0.0, 1 - 0.5**bit_width

    def qparams(self, bit_width, *, mapping="asymmetric", signed=False):
        """Return the parameters of unsigned codes."""
        return uniform.QParams(0.5**bit_width, 0, bit_width, signed=False)


def calibrate(graph, images, observer, *, batch_size=64):
    """Show images to a graph, and return an observer of each result that will be quantized.

    Parameters
    ----------
    graph : Graph
        A network in floating point, usually one that :func:`~quantlib.ptq.folding.fold` returned.
    images : numpy.ndarray or torch.Tensor
        N x C x H x W, the calibration set; floating-point, as the network takes them.
    observer : observer, or dict of str to observer
        One of :mod:`quantlib.ptq.observers`, of which each result gets a fresh one. A dict gives
        one for each name, and under ``""`` that of all others.
    batch_size : int
        Images to compute at a time. A moving average sees one batch after the other.

    Returns
    -------
    dict of str to observer
        By the names of :func:`~quantlib.ptq.support.own_range`, the images as ``"input"``.

    Raises
    ------
    ValueError
        If there are no images, or one of them, or what a layer makes of it, is NaN or infinite.

    Examples
    --------
    >>> from quantlib import data, models, ptq
    >>> graph = ptq.fold(ptq.trace(models.load_pretrained()))
    >>> seen = calibrate(graph, data.load().train_images[:100], ptq.MinMax())
    >>> [float(x) for x in seen["input"].range()]
    [0.0, 1.0]
    """
    check_graph(graph)
    images = as_images(images)
    batch_size = check_integer(batch_size, "batch_size", 1, 2**31)
    given = observer if isinstance(observer, dict) else {"": observer}
    names = own_range(graph)
    for name, one in given.items():
        check_observer(one, "observer")
        if name and name not in names:
            raise ValueError(
                f"observer must name what is quantized ({', '.join(names)}), got {name!r}"
            )
    if "" not in given and len(given) < len(names):
        missing = [name for name in names if name not in given]
        raise ValueError(f"observer must have one for {', '.join(missing)}, or one under ''")
    seen = {name: given.get(name, given.get("")).fresh() for name in names}
    sigmoids = [name for name in graph.named_layers(nn.Sigmoid) if name not in given]
    seen |= {name: UnitRange() for name in sigmoids}

    def visit(name, value):
        if not isinstance(value, torch.Tensor):
            raise ValueError(
                f"model cannot be quantized: {name} hands on a {type(value).__name__}, not a tensor"
            )
        if name in seen:
            try:
                seen[name].observe(value)
            except ValueError as error:
                raise ValueError(f"the results of {name}: {error}") from error

    with evaluating(graph):
        for batch in torch.split(images, batch_size):
            try:
                graph.run(batch, visit)
            except RuntimeError as error:
                raise ValueError(
                    f"images must be as the model takes them, got shape {tuple(images.shape)}: "
                    f"{error}"
                ) from error
    graph.image_shape = tuple(images.shape[1:])
    return seen
