"""An integer network once more, in Python's whole numbers: no NumPy arithmetic, no kernel.

It takes nothing from a step but its stored fields. Codes are nested lists, H x W x C or K.
"""

import itertools

from quantlib.ptq import steps


def clamped(q, low, high):
    return min(max(q, low), high)


def requantized(total, multiplier, shift, zero_point, low, high):
    product = total * multiplier
    assert abs(product) < 2**63 and abs(total) < 2**31
    rounded = (product + 2 ** (shift - 1)) // 2**shift
    return clamped(rounded + zero_point, low, high)


def output(step, channel, total):
    r = step.requantization
    total += int(step.bias[channel])
    at = (int(x.reshape(-1)[channel]) for x in (r.multiplier, r.shift))
    return requantized(total, *at, int(r.zero_point), int(r.low), int(r.high))


def dense(step, x):
    weights, zeros = step.weight.unpack().tolist(), step.weight_zero_point.tolist()
    return [
        output(
            step, o,
            sum((a - step.zero_point) * (w - zeros[o]) for a, w in zip(x, row, strict=True)),
        )
        for o, row in enumerate(weights)
    ]  # fmt: skip


def convolution(step, x):
    weights, zeros = step.weight.unpack().tolist(), step.weight_zero_point.tolist()
    (down, across), (dy, dx) = step.stride, step.dilation
    left, right, top, bottom = step.padding
    kh, kw = len(weights[0][0]), len(weights[0][0][0])
    height, width = len(x), len(x[0])
    rows = (height + top + bottom - dy * (kh - 1) - 1) // down + 1
    columns = (width + left + right - dx * (kw - 1) - 1) // across + 1
    per_group, channels = len(weights) // step.groups, len(weights[0])

    def at(o, i, j):
        total, first = 0, o // per_group * channels
        for c, k, m in itertools.product(range(channels), range(kh), range(kw)):
            y, z = i * down + k * dy - top, j * across + m * dx - left
            if 0 <= y < height and 0 <= z < width:
                total += (x[y][z][first + c] - step.zero_point) * (weights[o][c][k][m] - zeros[o])
        return output(step, o, total)

    return [
        [[at(o, i, j) for o in range(len(weights))] for j in range(columns)] for i in range(rows)
    ]


def windows(x, size, stride, padding, reduce):
    """Return ``reduce`` of the codes of each window that lie within the image."""
    height, width = len(x), len(x[0])
    rows = (height + 2 * padding[0] - size[0]) // stride[0] + 1
    columns = (width + 2 * padding[1] - size[1]) // stride[1] + 1

    def at(i, j, c):
        ys = (i * stride[0] - padding[0] + k for k in range(size[0]))
        zs = [j * stride[1] - padding[1] + k for k in range(size[1])]
        inside = [(y, z) for y in ys for z in zs if 0 <= y < height and 0 <= z < width]
        return reduce([x[y][z][c] for y, z in inside])

    return [
        [[at(i, j, c) for c in range(len(x[0][0]))] for j in range(columns)] for i in range(rows)
    ]


def average(step, x):
    def mean(codes):
        return requantized(
            sum(q - step.given_zero_point for q in codes), step.multiplier, step.shift,
            step.zero_point, step.low, step.high,
        )  # fmt: skip

    return windows(x, step.size, step.stride, step.padding, mean)


def maximum(step, x):
    return windows(x, (step.size,) * 2, (step.stride,) * 2, (step.padding,) * 2, max)


def added(step, a, b):
    if isinstance(a, list):
        return [added(step, p, q) for p, q in zip(a, b, strict=True)]
    (m1, m2), (z1, z2) = step.multipliers, step.zero_points
    total = m1 * (a - z1) + m2 * (b - z2)
    rounded = (total + 2 ** (step.shift - 1)) // 2**step.shift
    return clamped(rounded + step.zero_point, step.low, step.high)


def looked_up(table, x):
    return [looked_up(table, y) for y in x] if isinstance(x, list) else int(table[x])


def side_by_side(step, *parts):
    parts = [looked_up(table, x) for table, x in zip(step.tables, parts, strict=True)]
    rows, columns = range(len(parts[0])), range(len(parts[0][0]))
    return [[[q for part in parts for q in part[i][j]] for j in columns] for i in rows]


def flattened(step, x):
    if not isinstance(x[0], list):
        return x
    rows, columns = range(len(x)), range(len(x[0]))
    return [x[i][j][c] for c in range(len(x[0][0])) for i in rows for j in columns]


DOES = {
    steps.Add: added,
    steps.AveragePool: average,
    steps.Concatenate: side_by_side,
    steps.Convolution: convolution,
    steps.Dense: dense,
    steps.Flatten: flattened,
    steps.MaxPool: maximum,
    steps.Table: lambda step, x: looked_up(step.table, x),
}


def codes(network, first):
    """Return the codes of each step by its place, for one image's codes (H x W x C lists)."""
    values = {0: first}
    for place, step in enumerate(network.steps):
        if type(step) in DOES:
            values[place] = DOES[type(step)](step, *(values[i] for i in step.inputs))
    return values
