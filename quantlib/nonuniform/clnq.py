"""CLNQ: one bit width for each layer, chosen by its signal-to-quantization-noise ratio.

Noise of all layers adds up on its way to the output, memory does too. The question is which
layers should make the noise: those whose bits are dear, because they have many activations.
"""

import heapq
import math
import operator

from quantlib._validation import check_integer

__all__ = ["bits_by_measured_sqnr", "bits_for_sqnr", "cheapest_first"]


def bits_for_sqnr(sizes, target_db, *, db_per_bit=6.02, offset_db=0.0):
    r"""Return the bit widths, as real numbers, that reach an SQNR with the least memory.

    .. math:: \min_b \sum_l n_l b_l \quad \text{where} \quad
              \sum_l 10^{-(\kappa b_l + c)/10} = 10^{-\gamma/10}, \qquad
              b_l = \frac{1}{\kappa}\left(\gamma - c + 10 \log_{10} \frac{\sum_m n_m}{n_l}\right)

    Source: Lin, Talathi, Annapureddy 2015, which Sun, Lin, Wang 2016 compare with: inverse SQNRs of
    the layers add up, and at the optimum a layer's share of the noise is proportional to its
    size. So b_l - b_m = (10/κ) log10(n_m / n_l): of two layers, the larger gets fewer bits.

    Parameters
    ----------
    sizes : dict of str to int
        n, activations of each layer for one image.
    target_db : float
        γ, SQNR at the output in dB.
    db_per_bit, offset_db : float
        κ and c: a layer with b bits has an SQNR of κ b + c.

    Examples
    --------
    Four times the activations, one bit less:

    >>> bits = bits_for_sqnr({"a": 1000, "b": 4000}, target_db=24.0)
    >>> {name: round(value, 2) for name, value in bits.items()}
    {'a': 5.15, 'b': 4.15}
    """
    _check_sizes(sizes)
    if not db_per_bit > 0:
        raise ValueError(f"db_per_bit must be positive, got {db_per_bit}")
    for name, value in (("target_db", target_db), ("offset_db", offset_db)):
        if not math.isfinite(value):
            raise ValueError(f"{name} must be finite, got {value}")
    total = sum(sizes.values())
    return {
        name: (target_db - offset_db + 10 * math.log10(total / size)) / db_per_bit
        for name, size in sizes.items()
    }


def bits_by_measured_sqnr(sizes, sqnr_db, target_db):
    r"""Return the whole bit widths of least memory whose measured noises add up to a target.

    .. math:: \min_b \sum_l n_l b_l \quad \text{where} \quad
              \sum_l 10^{-\mathrm{SQNR}_l(b_l)/10} \le 10^{-\gamma/10}

    This is the exact optimum; of several, the one with the least noise. A target out of reach is a
    ValueError.

    Parameters
    ----------
    sizes : dict of str to int
        n, activations of each layer.
    sqnr_db : dict of str to dict of int to float
        For each layer the SQNR in dB that was measured at each bit width.
    target_db : float
        γ.

    Examples
    --------
    >>> curve = {2: 12.0, 3: 18.0, 4: 24.0}
    >>> bits_by_measured_sqnr({"a": 100, "b": 400}, {"a": curve, "b": curve}, 17.0)
    {'a': 4, 'b': 3}
    """
    _check_sizes(sizes)
    missing = sorted(set(sizes) - set(sqnr_db))
    if missing:
        raise ValueError(f"sqnr_db must have every layer of sizes, got none for {missing}")
    limit = 10 ** (-target_db / 10)
    # Layer by layer, all pairs (memory, noise) are kept that no other pair beats in both.
    front = [(0, 0.0, ())]  # memory, noise, bits so far
    for name, size in sizes.items():
        options = [(bits, 10 ** (-db / 10)) for bits, db in sqnr_db[name].items()]
        grown = sorted(
            (memory + size * bits, noise + extra, (*chosen, bits))
            for memory, noise, chosen in front
            for bits, extra in options
            if noise + extra <= limit * (1 + 1e-12)
        )
        front, least = [], math.inf
        for point in grown:
            if point[1] < least:
                front.append(point)
                least = point[1]
    if not front:
        raise ValueError(f"target_db must be within reach of the measured SQNRs, got {target_db}")
    return dict(zip(sizes, front[0][2], strict=True))


def _check_sizes(sizes):
    if not sizes:
        raise ValueError("sizes must name at least one layer")
    for name, size in sizes.items():
        check_integer(size, f"sizes[{name!r}]", 1, 2**62)


def cheapest_first(sizes, bit_widths):
    """Yield every combination of bit widths in ascending order of memory, without listing them all.

    ``sizes`` are the activations of each layer, ``bit_widths`` what each may take. Each item is the
    memory in bits, the sum of size times bit width, and a tuple of bit widths. Of equal memory, the
    lexicographically smaller comes first.

    >>> list(cheapest_first([10, 1], [(1, 2), (1, 3)]))
    [(11, (1, 1)), (13, (1, 3)), (21, (2, 1)), (23, (2, 3))]
    """
    choices = [sorted(set(options)) for options in bit_widths]
    if len(choices) != len(sizes):
        raise ValueError(
            f"bit_widths must have one entry for each of the {len(sizes)} sizes, got {len(choices)}"
        )
    if not all(choices):
        raise ValueError("bit_widths must not be empty for any layer")
    first = tuple(options[0] for options in choices)
    # One candidate is made from another by giving the next larger bit width to a layer at or behind
    # the one that was raised last: so each is made once, from one that takes less memory.
    heap = [(sum(map(operator.mul, sizes, first)), first, (0,) * len(choices), 0)]
    while heap:
        memory, bits, index, raised = heapq.heappop(heap)
        yield memory, bits
        for layer in range(raised, len(choices)):
            if index[layer] + 1 < len(choices[layer]):
                new = (*index[:layer], index[layer] + 1, *index[layer + 1 :])
                taken = tuple(choices[i][j] for i, j in enumerate(new))
                total = sum(map(operator.mul, sizes, taken))
                heapq.heappush(heap, (total, taken, new, layer))
