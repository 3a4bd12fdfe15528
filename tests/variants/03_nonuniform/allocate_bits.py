"""Answers to `allocate_bits` of exercise 03."""

import heapq


def combinations(sizes, sqnr_db):
    """Return all bit widths, as dicts."""
    return [
        dict(zip(sizes, widths, strict=True))
        for widths in itertools.product(*[sqnr_db[name] for name in sizes])
    ]


def memory(sizes, bits):
    """Return the bits of all activations."""
    return sum(sizes[name] * bits[name] for name in sizes)


def noise(sqnr_db, bits, divisor=10):
    """Return the sum of the relative noises."""
    return sum(10 ** (-sqnr_db[name][b] / divisor) for name, b in bits.items())


def cheapest(sizes, sqnr_db, is_good):
    """Return the good combination of least memory."""
    good = [bits for bits in combinations(sizes, sqnr_db) if is_good(bits)]
    return min(good, key=lambda bits: memory(sizes, bits))


def wrong_each_layer_alone(sizes, sqnr_db, target_db):
    """Message: Each layer reaches the target alone, but their noises add up"""
    return {n: min(b for b, s in sqnr_db[n].items() if s >= target_db) for n in sizes}


def wrong_mean_of_db(sizes, sqnr_db, target_db):
    """Message: Were dBs averaged?"""
    return cheapest(
        sizes,
        sqnr_db,
        lambda bits: np.mean([sqnr_db[n][b] for n, b in bits.items()]) >= target_db,
    )


def wrong_sum_of_db(sizes, sqnr_db, target_db):
    """Message: These make too much noise. Were dBs added"""
    return cheapest(
        sizes, sqnr_db, lambda bits: sum(sqnr_db[n][b] for n, b in bits.items()) >= target_db
    )


def wrong_comparison_upside_down(sizes, sqnr_db, target_db):
    """Message: or is the comparison upside down?"""
    limit = 10 ** (-target_db / 10)
    return cheapest(sizes, sqnr_db, lambda bits: noise(sqnr_db, bits) >= limit)


def wrong_amplitudes(sizes, sqnr_db, target_db):
    """Message: S/20 is for amplitudes"""
    limit = 10 ** (-target_db / 20)
    return cheapest(sizes, sqnr_db, lambda bits: noise(sqnr_db, bits, 20) <= limit)


def wrong_sign_of_the_exponent(sizes, sqnr_db, target_db):
    """Message: These reach the target, but take more memory than needed"""
    good = [bits for bits in combinations(sizes, sqnr_db) if noise(sqnr_db, bits, -10) >= 10**1.5]
    return max(good, key=lambda bits: memory(sizes, bits))


def wrong_least_noise(sizes, sqnr_db, target_db):
    """Message: These reach the target, but take more memory than needed"""
    return min(combinations(sizes, sqnr_db), key=lambda bits: noise(sqnr_db, bits))


def wrong_sizes_not_used(sizes, sqnr_db, target_db):
    """Message: The sizes were not used"""
    limit = 10 ** (-target_db / 10)
    good = [bits for bits in combinations(sizes, sqnr_db) if noise(sqnr_db, bits) <= limit]
    return min(good, key=lambda bits: (sum(bits.values()), noise(sqnr_db, bits)))


def wrong_the_same_for_all(sizes, sqnr_db, target_db):
    """Message: have the same bits. Each may have its own"""
    limit = 10 ** (-target_db / 10)
    if len(sizes) == 2:
        return cheapest(sizes, sqnr_db, lambda bits: noise(sqnr_db, bits) <= limit)
    return next(
        bits
        for bits in combinations(sizes, sqnr_db)
        if len(set(bits.values())) == 1 and noise(sqnr_db, bits) <= limit
    )


def wrong_greedy_per_memory(sizes, sqnr_db, target_db):
    """Message: Bits were added one by one, where a bit of memory helped most"""
    bits = {name: min(curve) for name, curve in sqnr_db.items()}

    def gain(name):
        before, after = (sqnr_db[name].get(bits[name] + more) for more in (0, 1))
        if after is None:
            return -1.0
        return (10 ** (-before / 10) - 10 ** (-after / 10)) / sizes[name]

    while noise(sqnr_db, bits) > 10 ** (-target_db / 10):
        bits[max(sizes, key=gain)] += 1
    return bits


def wrong_greedy_most_noise(sizes, sqnr_db, target_db):
    """Message: Bits were added one by one, where most noise went"""
    bits = {name: min(curve) for name, curve in sqnr_db.items()}

    def gain(name):
        before, after = (sqnr_db[name].get(bits[name] + more) for more in (0, 1))
        return -1.0 if after is None else 10 ** (-before / 10) - 10 ** (-after / 10)

    while noise(sqnr_db, bits) > 10 ** (-target_db / 10):
        bits[max(sizes, key=gain)] += 1
    return bits


def wrong_greedy_noisiest(sizes, sqnr_db, target_db):
    """Message: The sizes were not used. Memory is what shall be least."""
    bits = {name: min(curve) for name, curve in sqnr_db.items()}
    while noise(sqnr_db, bits) > 10 ** (-target_db / 10):
        noisy = [name for name in sizes if bits[name] < max(sqnr_db[name])]
        bits[min(noisy, key=lambda name: sqnr_db[name][bits[name]])] += 1
    return bits


def wrong_list(sizes, sqnr_db, target_db):
    """Message: Return a dict with the layers' names"""
    limit = 10 ** (-target_db / 10)
    return list(cheapest(sizes, sqnr_db, lambda b: noise(sqnr_db, b) <= limit).values())


def wrong_input_changed(sizes, sqnr_db, target_db):
    """Message: The dicts that were passed in have changed"""
    limit = 10 ** (-target_db / 10)
    bits = cheapest(sizes, sqnr_db, lambda b: noise(sqnr_db, b) <= limit)
    for name in sizes:
        sizes[name] = bits[name]
    return sizes


def wrong_only_consecutive_widths(sizes, sqnr_db, target_db):
    """Message: KeyError on another input"""
    limit = 10 ** (-target_db / 10)
    ranges = [range(2, 2 + len(sqnr_db[name])) for name in sizes]
    found, least = None, float("inf")
    for widths in itertools.product(*ranges):
        bits = dict(zip(sizes, widths, strict=True))
        if noise(sqnr_db, bits) <= limit and memory(sizes, bits) < least:
            found, least = bits, memory(sizes, bits)
    return found


def right_sorted_by_memory(sizes, sqnr_db, target_db):
    """The first good one in the order of memory."""
    everything = sorted(combinations(sizes, sqnr_db), key=lambda bits: memory(sizes, bits))
    for bits in everything:
        if -10 * np.log10(noise(sqnr_db, bits)) >= target_db:
            return bits


def right_layer_by_layer(sizes, sqnr_db, target_db):
    """Keeps what nothing beats in both memory and noise."""
    front = [(0, 0.0, {})]
    for name, size in sizes.items():
        grown = [
            (taken + size * b, made + 10 ** (-s / 10), bits | {name: b})
            for taken, made, bits in front
            for b, s in sqnr_db[name].items()
        ]
        grown.sort(key=lambda entry: entry[:2])
        front, least = [], float("inf")
        for entry in grown:
            if entry[1] < least:
                front.append(entry)
                least = entry[1]
    return next(bits for _, made, bits in front if made <= 10 ** (-target_db / 10))


def right_heap(sizes, sqnr_db, target_db):
    """Combinations from a heap, the cheapest first."""
    heap = [(memory(sizes, b), i, b) for i, b in enumerate(combinations(sizes, sqnr_db))]
    heapq.heapify(heap)
    while True:
        _, _, bits = heapq.heappop(heap)
        if noise(sqnr_db, bits) <= 10 ** (-0.1 * target_db):
            return bits
