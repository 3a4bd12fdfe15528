"""The inner loops of chapter 3: optimal clusters on a line, codes by comparisons, and look-ups.

NumPy arrays in and out. Imported by the functions that need it at their first call.
"""

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib.kernels._compile import compiled
from quantlib.kernels._ir import I8, Pointers, splat, vector, zeros

__all__ = [
    "TASK",
    "all_finite",
    "count_at_most",
    "join_equal",
    "look_up",
    "partition_by_penalty",
    "partition_by_table",
]

TASK = 64  # values that are compared side by side


@compiled
def join_equal(values, weights, origin, per_unit):
    """Return the distinct ones of sorted ``values`` and prefix sums of weight, w x and w x².

    ``weights`` may be empty: each value then counts once. x is (value - ``origin``) x ``per_unit``,
    and entry i is the sum over the first i distinct values.
    """
    n = len(values)
    distinct = np.empty(n, np.float64)
    sums = np.zeros((n + 1, 3))
    m = -1
    total = np.zeros(3)
    for i in range(n):
        if i == 0 or values[i] != values[i - 1]:
            m += 1
            distinct[m] = values[i]
        weight = weights[i] if len(weights) else 1.0
        x = (values[i] - origin) * per_unit
        total[0] += weight
        total[1] += weight * x
        total[2] += weight * x * x
        sums[m + 1, 0] = total[0]
        sums[m + 1, 1] = total[1]
        sums[m + 1, 2] = total[2]
    return distinct[: m + 1], sums[: m + 2]


@compiled
def _spread(sums, i, j):
    """Return the weighted sum of squares around their mean of the values i to j - 1."""
    first = sums[j, 1] - sums[i, 1]
    return sums[j, 2] - sums[i, 2] - first * first / (sums[j, 0] - sums[i, 0])


@compiled
def _cost(best, sums, i, j):
    return best[i] + _spread(sums, i, j)


@compiled
def partition_by_penalty(sums, penalty, before, best, queue, since):
    """Split all values so that spread + ``penalty`` x (number of parts) is least.

    Returns the number of parts. ``before[j]`` is where the last part of the first j values
    starts. ``best``, ``queue`` and ``since`` are work space of the length of ``sums``.

    The start of the last part never moves back when j grows. The queue holds the starts that are
    still needed in ascending order; queue[e] is the best one for j from since[e] on.
    """
    n = len(sums) - 1
    best[0] = 0.0
    queue[0], since[0] = 0, 1
    head, tail = 0, 1
    for j in range(1, n + 1):
        while head + 1 < tail and since[head + 1] <= j:
            head += 1
        before[j] = queue[head]
        best[j] = _cost(best, sums, queue[head], j) + penalty
        if j == n:
            break
        # From which length on is j a better start than those before it?
        while True:
            last, start = queue[tail - 1], max(since[tail - 1], j + 1)
            if _cost(best, sums, j, start) > _cost(best, sums, last, start):
                break
            if tail - 1 == head:
                break
            tail -= 1
        if _cost(best, sums, j, start) <= _cost(best, sums, last, start):
            queue[tail - 1], since[tail - 1] = j, start
            continue
        low, step = start, 1
        high = low + step
        while high < n and _cost(best, sums, j, high) > _cost(best, sums, last, high):
            low = high
            step *= 2
            high = low + step
        if high >= n:
            high = n
            if _cost(best, sums, j, n) > _cost(best, sums, last, n):
                continue
        while high - low > 1:
            middle = (low + high) // 2
            if _cost(best, sums, j, middle) > _cost(best, sums, last, middle):
                low = middle
            else:
                high = middle
        queue[tail], since[tail] = j, high
        tail += 1
    parts, j = 0, n
    while j > 0:
        j = before[j]
        parts += 1
    return parts


@compiled
def partition_by_table(sums, k):
    """Return the k + 1 bounds of the best split into k parts, by the full table of sub-problems.

    Row p of the table holds the least spread of the first j values in p parts, for every j. The
    start of the last part never moves back when j grows, so a row is filled from the middle
    outwards: each middle halves the starts that are to be tried on either side of it.
    """
    n = len(sums) - 1
    starts = np.zeros((k, n + 1), np.int32)
    last = np.empty(n + 1)
    row = np.empty(n + 1)
    for j in range(1, n + 1):
        last[j] = _spread(sums, 0, j)
    stack = np.empty((128, 4), np.int64)
    for p in range(2, k + 1):
        stack[0] = (p, n, p - 1, n - 1)
        size = 1
        while size:
            size -= 1
            low, high, first, final = stack[size]
            if low > high:
                continue
            j = (low + high) // 2
            least, where = np.inf, first
            for i in range(first, min(final, j - 1) + 1):
                cost = _cost(last, sums, i, j)
                if cost < least:
                    least, where = cost, i
            row[j], starts[p - 1, j] = least, where
            stack[size] = (low, j - 1, first, where)
            stack[size + 1] = (j + 1, high, where, final)
            size += 2
        last, row = row, last
    bounds = np.empty(k + 1, np.int64)
    bounds[k] = n
    for p in range(k, 0, -1):
        bounds[p - 1] = starts[p - 1, bounds[p]]
    return bounds


@intrinsic
def _count_task(typing_context, x, thresholds, codes, place):
    """Write to ``codes`` how many thresholds are at most x, for ``TASK`` values from ``place``."""

    def emit(context, builder, signature, args):
        at = Pointers(context, builder, signature, args)
        real, whole = (context.get_data_type(signature.args[i].dtype) for i in (0, 2))
        values = at.load(at.element(0, args[3]), vector(real, TASK))
        total = cgutils.alloca_once_value(builder, zeros(vector(I8, TASK)))
        with cgutils.for_range(builder, at.length(1)) as loop:
            bound = splat(builder, at.load(at.element(1, loop.index), real), TASK)
            reached = builder.zext(builder.fcmp_ordered(">=", values, bound), vector(I8, TASK))
            builder.store(builder.add(builder.load(total), reached), total)
        counted = builder.load(total)
        counted = counted if whole == I8 else builder.zext(counted, vector(whole, TASK))
        at.store(counted, at.element(2, args[3]))
        return context.get_dummy_value()

    return types.void(x, thresholds, codes, types.int64), emit


def _plain_count_task(x, thresholds, codes, place):
    values = x[place : place + TASK, None]
    codes[place : place + TASK] = (values >= thresholds).sum(axis=1)


if numba.config.DISABLE_JIT:
    _count_task = _plain_count_task


@compiled
def all_finite(x):
    """Return whether no value is NaN or infinite: only of these x - x is not 0."""
    bad = 0
    for value in x:
        bad += (value - value) != 0
    return bad == 0


@compiled
def count_at_most(x, thresholds, codes):
    """Write to ``codes`` how many of at most 255 ``thresholds`` are <= each value of ``x``."""
    whole = len(x) // TASK * TASK
    for place in range(0, whole, TASK):
        _count_task(x, thresholds, codes, place)
    for i in range(whole, len(x)):
        count = 0
        for bound in thresholds:
            count += x[i] >= bound
        codes[i] = count


@compiled
def look_up(codes, table, out):
    """Write ``table[code]`` for every code; return whether all codes were in the table."""
    size = len(table)
    good = True
    for i in range(len(codes)):
        code = codes[i]
        inside = 0 <= code < size
        good &= inside
        out[i] = table[code if inside else 0]
    return good
