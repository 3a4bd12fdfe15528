"""The inner loops of chapter 3: optimal clusters on a line, codes by comparisons, and look-ups.

NumPy arrays in and out. Imported by the functions that need it at their first call.
"""

from typing import NamedTuple

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from quantlib.kernels._compile import compiled
from quantlib.kernels._ir import I8, Pointers, splat, vector, zeros

__all__ = [
    "TASK",
    "Line",
    "all_finite",
    "count_at_most",
    "look_up",
    "partition_by_penalty",
    "partition_by_table",
    "sum_up",
    "sums_before",
]

TASK = 64  # values that are compared side by side


class Line(NamedTuple):
    """Sorted values, and sums over those before every 2**``shift``-th of them.

    The sums are of weight, w x and w x², where x is (value - ``origin``) x ``per_unit``. Those
    between are made on the way, so that a line takes little more memory than its values.
    ``weights`` may be empty: each value then counts once. ``values`` may be empty where ``shift``
    is 0: then the sums are those before each of some places, between which no values are equal.
    """

    values: np.ndarray
    weights: np.ndarray
    origin: float
    per_unit: float
    shift: int
    sums: np.ndarray


@compiled(inline=True)
def _extended(line, i, total):
    """Return the three sums with value ``i`` added."""
    weight = line.weights[i] if len(line.weights) else 1.0
    x = (line.values[i] - line.origin) * line.per_unit
    return total[0] + weight, total[1] + weight * x, total[2] + weight * x * x


@compiled
def sum_up(line):
    """Write the sums of a line, of shape ((n >> shift) + 1, 3)."""
    total = (0.0, 0.0, 0.0)
    for i in range(len(line.values) + 1):
        row = i >> line.shift
        if row << line.shift == i:
            for column in range(3):
                line.sums[row, column] = total[column]
        if i < len(line.values):
            total = _extended(line, i, total)


@compiled(inline=True)
def _sums_before(line, place):
    row = place >> line.shift
    total = line.sums[row, 0], line.sums[row, 1], line.sums[row, 2]
    for i in range(row << line.shift, place):
        total = _extended(line, i, total)
    return total


@compiled
def sums_before(line, places, out):
    """Write the sums over the values before each of ``places``, a row each."""
    for row in range(len(places)):
        total = _sums_before(line, places[row])
        for column in range(3):
            out[row, column] = total[column]


@compiled(inline=True)
def _spread_of(weight, first, second):
    """Return the weighted sum of squares around their mean, from the three sums."""
    return second - first * first / weight


@compiled
def _spread(sums, i, j):
    """Return the spread of the values i to j - 1."""
    weight, first, second = (
        sums[j, 0] - sums[i, 0], sums[j, 1] - sums[i, 1], sums[j, 2] - sums[i, 2],
    )  # fmt: skip
    return _spread_of(weight, first, second)


@compiled
def _cost(best, sums, i, j):
    return best[i] + _spread(sums, i, j)


@compiled(inline=True)
def _cost_of(start, total):
    """Return the cost up to a start, and of a last part from there to where ``total`` is summed."""
    weight, first, second = total[0] - start[0], total[1] - start[1], total[2] - start[2]
    return start[3] + _spread_of(weight, first, second)


@compiled(inline=True)
def _start(line, queue, costs, entry):
    """Return the sums before the start in an entry of the queue, and the least cost up to it."""
    total = _sums_before(line, queue[entry, 0])
    return total[0], total[1], total[2], costs[entry]


@compiled
def _with_room(queue, costs, head, tail):
    """Return the queue's entries from ``head`` to ``tail``, with room for half as many again."""
    size = 3 * (tail - head) // 2 + 16
    longer, their_costs = np.empty((size, 2), queue.dtype), np.empty(size)
    for entry in range(tail - head):
        longer[entry, 0], longer[entry, 1] = queue[head + entry, 0], queue[head + entry, 1]
        their_costs[entry] = costs[head + entry]
    return longer, their_costs


@compiled(inline=True)
def _next(line, place, total):
    """Return the sums before ``place`` + 1, from those before ``place``."""
    if len(line.values) == 0:
        return _sums_before(line, place + 1)
    return _extended(line, place, total)


@compiled(inline=True)
def _crossing(line, mine, last, start, there, n):
    """Return the first length after ``start`` at which ``mine`` is a better start than ``last``.

    At ``start``, of sums ``there``, it is not, and at ``n`` it is. Most are near. Of the others
    those lengths before which the sums are kept come first. The sums come with the length.
    """
    low = start
    for _ in range(16):
        there = _next(line, low, there)
        low += 1
        if low == n or _cost_of(mine, there) <= _cost_of(last, there):
            return low, there
    high, step, row = n, 1, low >> line.shift
    while (row + step) << line.shift < n:
        place = (row + step) << line.shift
        there = _sums_before(line, place)
        if _cost_of(mine, there) <= _cost_of(last, there):
            high = place
            break
        low, row, step = place, row + step, 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        kept = middle >> line.shift << line.shift
        middle = kept if kept > low else middle
        there = _sums_before(line, middle)
        if _cost_of(mine, there) <= _cost_of(last, there):
            high = middle
        else:
            low = middle
    return high, _sums_before(line, high)


@compiled
def partition_by_penalty(line, penalty, before):
    """Split a line so that spread + ``penalty`` x (number of parts) is least.

    Returns the number of parts and the least cost. ``before``, of one entry more than there are
    places, is written: ``before[j]`` is where the last part of the first j values starts. Equal
    values are not split.

    The start of the last part never moves back when j grows. The queue holds the starts that are
    still needed in ascending order; queue[e, 0] is the best one for j from queue[e, 1] on, and
    costs[e] is the least cost up to it.
    """
    n = len(before) - 1
    queue, costs = np.empty((16, 2), before.dtype), np.empty(16)
    queue[0, 0], queue[0, 1] = 0, 1
    costs[0] = 0.0
    head, tail = 0, 1
    total, least = (0.0, 0.0, 0.0), 0.0
    end = _sums_before(line, n)
    known, there = 0, total  # a length, and the sums before it
    for j in range(1, n + 1):
        total = _next(line, j - 1, total)
        if len(line.values) and j < n and line.values[j] == line.values[j - 1]:
            continue
        while head + 1 < tail and queue[head + 1, 1] <= j:
            head += 1
        before[j] = queue[head, 0]
        least = _cost_of(_start(line, queue, costs, head), total) + penalty
        if j == n:
            break
        if tail == len(queue):
            queue, costs = _with_room(queue, costs, head, tail)
            head, tail = 0, tail - head
        mine = total[0], total[1], total[2], least
        if _cost_of(mine, end) > _cost_of(_start(line, queue, costs, tail - 1), end):
            continue
        # From which length on is j a better start than those before it?
        while True:
            last = _start(line, queue, costs, tail - 1)
            start = max(queue[tail - 1, 1], j + 1)
            if start != known:
                known, there = start, _sums_before(line, start)
            better = _cost_of(mine, there) <= _cost_of(last, there)
            if not better or tail - 1 == head:
                break
            tail -= 1
        if better:
            tail -= 1
        else:
            known, there = _crossing(line, mine, last, start, there, n)
        start = known
        queue[tail, 0], queue[tail, 1] = j, start
        costs[tail] = least
        tail += 1
    parts, j = 0, n
    while j > 0:
        j = before[j]
        parts += 1
    return parts, least


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
