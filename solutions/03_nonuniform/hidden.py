"""Hidden checks of exercise 3: other inputs, and what must come back for them.

For each graded function a generator of its name yields cases. Inputs are drawn from the course's
seed. Reference results come from other sources than quantlib: exact fractions, text of digits,
all combinations, all partitions, scikit-learn. Inputs keep away from places where two right ways
of computing differ.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import accuracy_score
from torch.nn.functional import max_pool2d, relu

from quantgrader.cases import Build, Case, equals, integers, keys, unchanged
from quantlib import data, models

IN_PLACE = unchanged("An input was changed in place. Work on new arrays.")


def fixed_point(generator):
    for bit_width, fraction_bits, shape in (
        (1, 0, (30,)),
        (3, 5, (8, 5)),
        (5, -3, (40,)),
        (8, 4, (3, 4, 5)),
        (12, 9, (2, 3, 4, 4)),
    ):
        # Up to 0.4 units from a number of the format, or of what lies beyond its largest.
        units = generator.integers(0, 2**bit_width + 2 ** (bit_width - 1) + 2, size=shape)
        units.ravel()[:4] = 0, 2**bit_width - 1, 2**bit_width, 10 * 2**bit_width
        off = generator.uniform(-0.4, 0.4, size=shape)
        x = np.ldexp(np.abs(units + off), -fraction_bits)
        expected = [
            nearest_in_fractions(v, bit_width, Fraction(2) ** -fraction_bits)
            for v in x.ravel().tolist()
        ]
        yield Case(
            (x, bit_width, fraction_bits),
            equals(np.reshape(expected, shape), "Some values are wrong for other q, F or shapes."),
            IN_PLACE,
        )
    zeros = np.zeros((2, 3))
    yield Case((zeros, 4, 2), equals(zeros, "An array of zeros must stay an array of zeros."))


def nearest_in_fractions(value, bit_width, unit):
    """The number of the format that is nearest, found by measuring or at the end of the range."""
    below = int(Fraction(value) // unit)
    both = [Fraction(min(i, 2**bit_width - 1)) * unit for i in (below, below + 1)]
    return float(min(both, key=lambda level: abs(Fraction(value) - level)))


def qe(generator):
    for bit_width, fixed_bit_width, shape in (
        (1, 1, (12,)),
        (1, 6, (30,)),
        (3, 4, (7, 6)),
        (5, 12, (4, 4, 5)),
        (8, 10, (2, 3, 4, 4)),
        (10, 16, (50,)),
    ):
        u = generator.integers(0, 2**fixed_bit_width, size=shape)
        u.ravel()[:4] = 2**fixed_bit_width - 1, 2**fixed_bit_width, 5 * 2**fixed_bit_width + 1, 0
        expected = [int(top_bits(v, bit_width, fixed_bit_width), 2) for v in u.ravel().tolist()]
        yield Case(
            (u, bit_width, fixed_bit_width),
            equals(np.reshape(expected, shape), "Some codes are wrong for other E, q_m or shapes."),
            integers("Codes are integers, for every E and q_m."),
            IN_PLACE,
        )


def top_bits(u, bit_width, fixed_bit_width):
    """The first digits of a binary number; all ones if it has too many digits."""
    text = f"{u:0{fixed_bit_width}b}"
    return text[:bit_width] if len(text) == fixed_bit_width else "1" * bit_width


def ce(generator):
    for bit_width, fixed_bit_width, shape in (
        (1, 2, (8,)),
        (3, 9, (5, 6)),
        (4, 4, (16,)),
        (6, 7, (3, 4, 5)),
        (7, 16, (40,)),
    ):
        codes = generator.integers(0, 2**bit_width, size=shape)
        codes.ravel()[:3] = 0, 2**bit_width - 1, 1
        dropped = fixed_bit_width - bit_width
        for reconstruction, behind in (
            ("low", "0" * dropped),
            ("middle", "1".ljust(dropped, "0")[:dropped]),
        ):
            expected = [int(f"{k:b}{behind}", 2) if k else 0 for k in codes.ravel().tolist()]
            yield Case(
                (codes, bit_width, fixed_bit_width, reconstruction),
                equals(
                    np.reshape(expected, shape),
                    "Some numbers are wrong for other E, q_m or shapes.",
                ),
                integers("Fixed-point numbers are integers, for every E and q_m."),
                IN_PLACE,
            )


def allocate_bits(generator):
    names = ("conv1", "conv2", "conv3", "fc1", "fc2")
    for n_layers, widths, slope in ((1, 6, 6), (2, 8, 6), (3, 5, 5), (4, 6, 6.5), (5, 4, 6)):
        while True:
            layers = names[:n_layers]
            sizes = {name: int(10 ** generator.uniform(1.5, 3.5)) for name in layers}
            curves = {name: measured(generator, widths, slope) for name in layers}
            target = float(generator.uniform(12, 20))
            found = least_memory(sizes, curves, target)
            # Who tries the visible checks' bit widths only must not get far.
            if found is not None and (widths < 8 or max(found.values()) > 5):
                break
        other_order = dict(reversed(curves.items()))
        yield Case(
            (sizes, other_order, target),
            keys(list(layers), "Return a bit width for each layer, for other layers too."),
            equals(found, "The bit widths are wrong for other layers, SQNRs or targets."),
            unchanged("The dicts that were passed in have changed."),
        )


def measured(generator, widths, slope):
    """An SQNR for each bit width, in no particular order; not every width is there."""
    offset = generator.uniform(-4, 3)
    taken = generator.permutation(np.arange(1, widths + 2))[:widths]
    noise = generator.uniform(-1.5, 1.5, size=widths)
    return {
        int(b): float(np.round(offset + slope * b + e, 2))
        for b, e in zip(taken, noise, strict=True)
    }


def least_memory(sizes, curves, target):
    """Fill a table of all combinations. None where the best is no clear case."""
    axes = [sorted(curve) for curve in curves.values()]
    noise, memory = np.zeros([1] * len(axes)), np.zeros([1] * len(axes))
    for place, (name, widths) in enumerate(zip(sizes, axes, strict=True)):
        along = [-1 if i == place else 1 for i in range(len(axes))]
        noise = noise + np.reshape([0.1 ** (curves[name][b] / 10) for b in widths], along)
        memory = memory + np.reshape([float(sizes[name] * b) for b in widths], along)
    limit = 0.1 ** (target / 10)
    good = np.where(noise <= limit, memory, np.inf)
    first, *others = np.sort(good, axis=None)[:2]
    if not np.isfinite(first) or first in others or np.any(np.abs(noise / limit - 1) < 1e-4):
        return None
    best = np.unravel_index(good.argmin(), good.shape)
    chosen = {n: w[i] for n, w, i in zip(sizes, axes, best, strict=True)}
    at_an_end = all(b in (min(w), max(w)) for b, w in zip(chosen.values(), axes, strict=True))
    return None if at_an_end else chosen


def nearest_codes(generator):
    for n_levels, shape in (
        (2, (20,)),
        (4, (6, 7)),
        (8, (3, 4, 5)),
        (32, (4, 3, 4, 4)),
        (200, (60,)),
    ):
        levels = np.sort(generator.choice(4096, size=n_levels, replace=False)) / 64 - 8
        x = generator.uniform(levels[0] - 3, levels[-1] + 3, size=shape)
        expected = [code_by_distance(v, levels.tolist()) for v in x.ravel().tolist()]
        yield Case(
            (x, levels),
            equals(np.reshape(expected, shape), "Some codes are wrong for other levels or shapes."),
            integers("Codes are integers, for other levels too."),
            IN_PLACE,
        )
        middles = np.array([math.fsum(pair) / 2 for pair in itertools.pairwise(levels.tolist())])
        codes = [code_by_distance(v, levels.tolist()) for v in middles.tolist()]
        yield Case(
            (middles, levels),
            equals(
                codes, "A value exactly half-way must get the upper code, for other levels too."
            ),
        )
        yield Case(
            # By so much that differences of floats still tell, near zero as well.
            (middles - 2.0**-30, levels),
            equals(
                np.arange(n_levels - 1), "A value just below the middle must get the lower code."
            ),
        )
        yield Case(
            (levels, levels),
            equals(np.arange(n_levels), "A value that is a level must get this level's code."),
        )


def code_by_distance(value, levels):
    """Measure the distance to each level, exactly; of two that are as near the later one."""
    distances = [abs(Fraction(value) - Fraction(level)) for level in levels]
    least = min(distances)
    return max(k for k, distance in enumerate(distances) if distance == least)


def lloyd(generator):
    for n, n_centroids, empty, turns in (
        (12, 1, 0, 1),
        (30, 2, 0, 3),
        (50, 4, 0, 5),
        (80, 5, 0, 7),
        (40, 3, 1, 3),
        (60, 4, 2, 3),
        (300, 8, 0, 13),
    ):
        while True:
            x = np.ceil(generator.exponential(3.0, size=n) * 1024) / 1024
            start = generator.choice(x, size=n_centroids, replace=False)
            if empty:  # far from everything, on either side
                far = [-50.0, 200.0][:empty]
                start = generator.permutation([*start, *far])
            found = lloyd_in_fractions(x.tolist(), start.tolist())
            if found is not None and set(found[1]) == {empty} and len(found[1]) >= turns:
                break
        expected = np.array(sorted(map(float, found[0])))
        if not empty:
            # scikit-learn moves empty clusters elsewhere. Without any, it must say the same.
            fit = KMeans(n_centroids, init=start[:, None], n_init=1, tol=0, max_iter=1000)
            other = np.sort(fit.fit(x[:, None]).cluster_centers_.ravel())
            np.testing.assert_allclose(expected, other, rtol=1e-9)
        message = (
            "The centroids are wrong for other values, where a cluster is empty."
            if empty
            else "The centroids are wrong for other values or another start."
        )
        yield Case((x, start), equals(expected, message), IN_PLACE)
    yield from special_starts()


def special_starts():
    """Starts from which a common mistake ends elsewhere."""
    elsewhere = "The centroids are wrong for other values or another start."
    for x, start, message in (
        (
            [37.0, 24.0, 5.0, 36.0, 35.0, 20.0, 33.0, 1.0],
            [37.0, 3.0, 31.0, 13.0],
            "The centroids are wrong where one of them moves and then has no values any more.",
        ),
        # If each centroid moves before values are assigned for the next, others are found.
        ([19.0, 1.0, 10.0, 9.0, 15.0, 24.0, 11.0], [4.0, 20.0, 17.0], elsewhere),
        # The outer centroids move by the same length each way, so their sum stands still.
        (
            [0.0, 4.0, 6.0, 7.0, 9.0, 10.0, 11.0, 13.0, 14.0, 16.0, 20.0],
            [9.0, 10.0, 11.0],
            elsewhere,
        ),
    ):
        centroids, _ = lloyd_in_fractions(x, start)
        expected = np.array(sorted(map(float, centroids)))
        yield Case((np.array(x), np.array(start)), equals(expected, message), IN_PLACE)


def lloyd_in_fractions(x, start):
    """The last centroids, exactly, and how many clusters were empty in each turn.

    None if a value is ever about half-way between two centroids.
    """
    x, centroids = [Fraction(v) for v in x], [Fraction(v) for v in start]
    before, n_empty = None, []
    while True:
        codes = []
        for value in x:
            ranked = sorted((abs(value - c), k) for k, c in enumerate(centroids))
            if len(ranked) > 1 and ranked[1][0] - ranked[0][0] < Fraction(1, 10**6):
                return None
            codes.append(ranked[0][1])
        if codes == before:
            return centroids, n_empty
        n_empty.append(len(centroids) - len(set(codes)))
        for k in set(codes):
            mine = [v for v, code in zip(x, codes, strict=True) if code == k]
            centroids[k] = sum(mine) / len(mine)
        before = codes


def best_levels(generator):
    for n, n_distinct, n_levels in (
        (9, 9, 9),
        (20, 20, 2),
        (16, 16, 5),
        (100, 14, 6),
        (120, 18, 4),
        (30, 30, 4),
        (22, 22, 8),
    ):
        while True:
            # Like activations: most are small, and where values repeat, most are zero.
            values = np.unique(np.round(generator.exponential(4.0, size=n_distinct), 2))
            counts = np.ones(len(values), dtype=int)
            if n > n_distinct:
                values[0] = 0.0
                shares = [0.4] + [0.6 / (len(values) - 1)] * (len(values) - 1)
                counts += generator.multinomial(n - len(values), shares)
            found = len(values) == n_distinct and by_all_partitions(values, counts, n_levels)
            if not found:
                continue
            levels, cost = found
            x = generator.permutation(np.repeat(values, counts))
            # scikit-learn may end at a worse place, and with eight levels it does; never at a
            # better one.
            other = KMeans(n_levels, n_init=10, random_state=0).fit(x[:, None]).inertia_
            np.testing.assert_array_less(cost, other * (1 + 1e-9) + 1e-9)
            if n_levels != 8 or other > 1.001 * cost:
                break
        yield Case(
            (x, n_levels),
            equals(
                levels,
                "The levels are wrong for other values or another number.",
                part=0,
                atol=1e-9,
            ),
            equals(
                cost, "The cost is wrong for other values or another number.", part=1, atol=1e-8
            ),
            IN_PLACE,
        )


def by_all_partitions(values, counts, n_levels):
    """Try all ways to cut distinct values into runs. None where two of them are about as good.

    Equal values share a level in every best solution, so nothing is missed.
    """
    n = len(values)
    exact = [Fraction(str(v)) for v in values.tolist()]
    weights = counts.tolist()
    spread, mean = np.full((n + 1, n + 1), np.inf), {}
    for i, j in itertools.combinations(range(n + 1), 2):
        run, weight = exact[i:j], weights[i:j]
        mean[i, j] = sum(map(math.prod, zip(run, weight, strict=True))) / sum(weight)
        spread[i, j] = float(
            sum(w * (v - mean[i, j]) ** 2 for v, w in zip(run, weight, strict=True))
        )
    cuts = np.array(list(itertools.combinations(range(1, n), n_levels - 1)), dtype=int)
    ends = np.zeros((len(cuts), 1), dtype=int)
    bounds = np.hstack([ends, cuts.reshape(len(cuts), -1), ends + n])
    costs = spread[bounds[:, :-1], bounds[:, 1:]].sum(axis=1)
    best = int(costs.argmin())
    others = np.delete(costs, best)
    if others.size and others.min() < costs[best] * 1.0001:
        return None
    levels = [float(mean[i, j]) for i, j in itertools.pairwise(bounds[best].tolist())]
    return levels, float(costs[best])


def search_bits(generator):
    digits = data.load("digits")
    found_nothing = {"No combination was found, but some are good enough.": None}
    for seed, kind, choices in (
        (0, "tie", {"conv1": (2, 1, 3), "conv2": (3, 1, 2)}),
        (1, "between", {"conv2": (2, 1), "conv3": (2, 1), "fc1": (1, 2)}),
        (2, "none", {"conv1": (1,), "conv2": (2, 1), "conv3": (1,), "fc1": (1,)}),
        (0, "exact", {"conv1": (5, 4), "conv2": (3, 1, 2)}),
    ):
        model = models.load_pretrained("digits_cnn", seed=seed)
        found = []
        while not found:
            chosen = generator.permutation(len(digits.test_labels))[:150]
            images, labels = digits.test_images[chosen], digits.test_labels[chosen]
            levels = some_levels(generator, model, digits.train_images[:40], choices)
            before, runs = all_combinations(model, images, labels, levels)
            found = clear_cases(before, runs, kind)
        loss, expected = found[int(generator.integers(len(found)))]
        yield Case(
            (
                Build("quantlib.models.load_pretrained", "digits_cnn", seed=seed),
                images,
                labels,
                levels,
                loss,
            ),
            unchanged("The network or the levels that were passed in have changed."),
            # The accuracy within a fraction of an image; bit widths and memory exactly.
            *(
                equals(
                    expected[part],
                    "The result is wrong for a trained network.",
                    found_nothing if part == 1 and kind != "none" else None,
                    part=part,
                    rtol=tolerance,
                )
                for part, tolerance in ((1, 0), (0, 0), (2, 0.001))
            ),
        )


def clear_cases(before, runs, kind):
    """Limits, as losses, that say something, each with the best combination.

    "between": the best combination is neither the cheapest, nor the dearest, nor the first that is
    good enough. "tie": besides, a later one is good enough too, of the same memory and less
    accurate. "exact": no loss is allowed, and the best combination has none and gains nothing.
    "none": nothing is good enough.
    """
    shares = sorted({before, *(share for _, share, _ in runs)})
    if kind == "none":
        return [(0.0, (None, None, None))] if shares[-1] == before != shares[-2] else []
    memories = [memory for memory, _, _ in runs]
    losses = [round(before - (low + high) / 2, 4) for low, high in itertools.pairwise(shares)]
    found = []
    for loss in [0.0] if kind == "exact" else [loss for loss in losses if loss > 0]:
        good = [run for run in runs if run[1] >= before - loss]
        if not good:
            continue
        memory, share, bits = min(good, key=lambda run: (run[0], -run[1]))
        equal = [run[1] for run in good if run[0] == memory]
        if equal.count(share) > 1 or memory in (min(memories), max(memories), good[0][0]):
            continue
        if {"between": True, "tie": equal[-1] < share, "exact": share == before}[kind]:
            found.append((loss, (bits, memory, share)))
    return found


def some_levels(generator, model, images, choices):
    """Levels by scikit-learn's k-means on a part of the activations, in steps of 1/1024."""
    seen = {}
    forward(model, images, lambda name, values: seen.setdefault(name, values))
    levels = {}
    for name, widths in choices.items():
        sample = generator.choice(seen[name].numpy().ravel(), size=1500, replace=False)
        levels[name] = {}
        for b in widths:
            fit = KMeans(2**b, n_init=1, random_state=int(generator.integers(1000)))
            found = np.sort(fit.fit(sample[:, None]).cluster_centers_.ravel())
            levels[name][b] = np.round(found.astype(float) * 1024) / 1024
    return levels


def forward(model, images, visit):
    """Compute DigitsCNN's scores layer by layer; what ``visit`` returns goes on from a ReLU."""
    with torch.no_grad():
        x = torch.as_tensor(images)
        for n, pool in ((1, 1), (2, 2), (3, 2)):
            x = getattr(model, f"conv{n}")(x)
            x = visit(f"conv{n}", relu(getattr(model, f"bn{n}")(x)))
            x = max_pool2d(x, pool) if pool > 1 else x
        x = visit("fc1", relu(model.fc1(x.flatten(1))))
        return model.fc2(x)


def all_combinations(model, images, labels, levels):
    """The accuracy of a network as it is, and (memory, accuracy, bits) of all combinations."""
    sizes = {}

    def share_correct(bits):
        def visit(name, values):
            sizes[name] = values[0].numel()
            if name not in bits:
                return values
            table = torch.tensor(levels[name][bits[name]])
            distances = (values.double()[..., None] - table).abs()
            return table[distances.argmin(dim=-1)].float()

        return float(accuracy_score(labels, forward(model, images, visit).argmax(dim=1)))

    before, runs = share_correct({}), []
    for chosen in itertools.product(*levels.values()):
        bits = dict(zip(levels, chosen, strict=True))
        share = share_correct(bits)
        runs.append((sum(sizes[name] * b for name, b in bits.items()), share, bits))
    return before, runs
