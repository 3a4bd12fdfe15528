"""Arrays of many kinds, for hidden cases that are drawn rather than chosen.

Chosen cases are of what their author thought of. A wrong answer that nobody foresaw fails where
numbers are tiny or huge, all of one sign, all alike, cancelling, tied, or an array has no axis or
four. `drawn` yields some arrays of each such kind, with words for it that a student understands::

    def mean_magnitude(generator):
        for x in drawn(generator):
            expected = math.fsum(abs(v) for v in x.values.ravel().tolist()) / x.values.size
            yield x.case((), equals(expected, x.says("The mean magnitude is wrong")))
"""

from typing import NamedTuple

import numpy as np

from quantgrader.cases.case import Case
from quantgrader.cases.codec import Build

__all__ = ["KINDS", "VIEWS", "Drawn", "drawn", "viewed"]

#: How an array may lie in the memory: as usual, with its axes reversed, or backwards.
VIEWS = ("plain", "transposed", "flipped")


def viewed(values, view):
    """Return what a function is called with to get ``values`` as a view of `VIEWS`.

    An array that has only one such order is passed as it is.
    """
    if view == "transposed" and values.ndim > 1:
        return Build("numpy.transpose", np.ascontiguousarray(values.T))
    if view == "flipped" and values.size > 1:
        return Build("numpy.flip", np.ascontiguousarray(np.flip(values)))
    return values


def _ties(generator, shape):
    """Halves, and the numbers next to them on either side, but for those next to 0."""
    halves = generator.integers(-9, 10, shape) / 2
    # The number next to 0 is so small that nothing can be computed with it.
    side = generator.integers(-1, 2, shape) * (halves != 0)
    return np.nextafter(halves, halves + side)


def _cancelling(generator, shape):
    """Numbers that come with their negatives, as far as they go."""
    x = generator.normal(size=shape)
    flat = x.reshape(-1)
    half = flat.size // 2
    flat[half : 2 * half] = -flat[:half]
    return x


def _one_outlier(generator, shape):
    x = generator.normal(size=shape)
    x.reshape(-1)[generator.integers(x.size)] = 1000 * generator.choice([-1, 1])
    return x


def _mostly_zeros(generator, shape):
    x = np.where(generator.random(shape) < 0.8, 0.0, generator.normal(size=shape))
    x.reshape(-1)[0] = 1.0  # all zeros are a kind of their own
    return x


#: By name: words that follow "is wrong", and how such an array is drawn.
KINDS = {
    "usual": ("for other values", lambda g, s: g.normal(size=s)),
    "positive": ("where all values are positive", lambda g, s: g.uniform(0.1, 3, s)),
    "negative": ("where all values are negative", lambda g, s: -g.uniform(0.1, 3, s)),
    "shifted": ("where values are far from 0", lambda g, s: g.normal(size=s) + 1e5),
    "tiny": ("for very small values", lambda g, s: 1e-30 * g.normal(size=s)),
    "huge": ("for very large values", lambda g, s: 1e30 * g.normal(size=s)),
    "alike": ("where all values are the same", lambda g, s: np.full(s, g.uniform(-3, 3))),
    "zeros": ("where all values are 0", lambda g, s: np.zeros(s)),
    "mostly zeros": ("where most values are 0", _mostly_zeros),
    "cancelling": ("where values cancel each other", _cancelling),
    "whole": ("for whole numbers", lambda g, s: g.integers(-5, 6, s).astype(float)),
    "ties": ("for values half-way between whole numbers, or next to that", _ties),
    "outlier": ("where one value is much larger than the others", _one_outlier),
    "single": ("for a single value", lambda g, s: g.normal(size=(1,) * len(s))),
}


class Drawn(NamedTuple):
    """An array, and what to say of its kind."""

    kind: str
    words: str
    #: The numbers, in the memory's usual order.
    values: np.ndarray
    #: One of `VIEWS`: how the array lies in the memory when the function gets it.
    view: str
    #: The case's share of the points: a kind counts like one chosen case, however often drawn.
    weight: float

    @property
    def argument(self):
        """What the function is called with."""
        return viewed(self.values, self.view)

    def says(self, text):
        """Return ``text`` with the words for the kind behind it."""
        return f"{text} {self.words}."

    def case(self, further, *requirements):
        """Return the `Case` with the array first and ``further`` arguments behind it."""
        return Case((self.argument, *further), *requirements, weight=self.weight)


def drawn(generator, kinds=tuple(KINDS), *, each=5, ndims=(1, 2, 3, 4), most=6, dtype=np.float64):
    """Yield a `Drawn` for each of the ``kinds``, ``each`` times.

    Parameters
    ----------
    generator : numpy.random.Generator
        The course's for this function.
    kinds : sequence of str
        Of `KINDS`: those for which the text says what must come back.
    ndims : sequence of int
        Numbers of axes, taken in turn; 0 is a single number.
    most : int
        Largest length of an axis.
    dtype : numpy.dtype
        Of the arrays. They come as all `VIEWS` in turn.
    """
    for kind in kinds:
        words, draw = KINDS[kind]
        for i in range(each):
            shape = tuple(
                generator.integers(1, most, ndims[i % len(ndims)], endpoint=True).tolist()
            )
            values = np.asarray(draw(generator, shape), dtype)
            yield Drawn(kind, words, values, VIEWS[i % len(VIEWS)], 1 / each)
