"""Panels of chapter 4: the straight-through estimator, and XNOR with popcount."""

import numpy as np

from quantlib import figures
from quantlib._validation import shown
from quantlib.explorers.base import explorer

__all__ = ["ste_explorer", "xnor_explorer"]


def ste_explorer(cases, clip_values=(0.25, 0.5, 0.75, 1, 1.5, 2, 3, None)):
    """Panel of straight-through estimators: where to clip, and how many values still learn.

    Parameters
    ----------
    cases : dict of str to array
        The drop-down: values whose signs are taken, by name.
    clip_values : sequence of float or None
        The slider: the gradient is passed where ``|x|`` is at most that; everywhere for None.

    Examples
    --------
    >>> panel = ste_explorer({"ramp": np.linspace(-2, 2, 50)}, clip_values=[1, None])
    >>> [option[0] for option in panel.children[0].children[0].options]
    ['1', 'none']
    """
    frames = {}
    for name, values in cases.items():
        x = np.asarray(values, np.float64).ravel()
        limit = float(np.ceil(2 * np.quantile(np.abs(x), 0.999)) / 2)
        frames[name] = []
        for clip in clip_values:
            passed = 1.0 if clip is None else np.mean(np.abs(x) <= clip)
            figure = figures.plot_ste(x, clip, max(limit, 1.5), name)
            where = "no clip" if clip is None else f"clip at ±{clip:g}"
            frames[name].append((figure, f"{name}, {where}: {100 * passed:.1f} % get a gradient."))
    labels = ["none" if clip is None else f"{clip:g}" for clip in clip_values]
    return explorer(frames, "values", "clip", labels)


def xnor_explorer(words):
    """Panel of two words: their dot product by XOR and popcount, one bit after the other.

    The drop-down, ``words``, gives by name the bits of two words of one width, 1 for -1, and how
    many of them hold a value. The others are spare, and are counted like the rest: so a name can
    show what happens if they are not 0 in both.

    >>> panel = xnor_explorer({"two bits": ([0, 1], [1, 1], 2)})
    >>> len(panel.children[1].children[0].children)  # 0, 1 and 2 bits done
    3
    """
    widths = {len(bits) for a, b, _ in words.values() for bits in (a, b)}
    if len(widths) != 1:
        raise ValueError(f"words must all have one width, got {sorted(widths)}")
    (width,) = widths
    frames = {}
    for name, (a_bits, b_bits, length) in words.items():
        a, b = np.asarray(a_bits), np.asarray(b_bits)
        if not np.isin([a, b], [0, 1]).all():
            got = f"{shown(a.tolist())}, {shown(b.tolist())}"
            raise ValueError(f"words[{name!r}] must hold 0 and 1, got {got}")
        if not 1 <= length <= width:
            raise ValueError(f"words[{name!r}] must hold 1 to {width} values, got {length}")
        products = ((1 - 2 * a) * (1 - 2 * b))[:length]
        frames[name] = []
        for done in range(width + 1):
            ones, seen = int(np.count_nonzero((a ^ b)[:done])), min(done, length)
            total = int(products[:seen].sum())
            by_count, by_products = (str(n).replace("-", "−") for n in (seen - 2 * ones, total))
            caption = (
                f"{name}, {done} of {width} bits: popcount {ones}, "
                f"{seen} − 2 · {ones} = {by_count}; the products so far add up to {by_products}."
            )
            if by_count != by_products:
                caption += " The two differ: spare bits were counted."
            frames[name].append((figures.plot_xnor(a, b, done, length), caption))
    return explorer(frames, "words", "bits done", range(width + 1))
