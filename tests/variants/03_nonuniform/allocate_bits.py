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
    """Message: The bit widths are wrong for the worked value"""
    return cheapest(
        sizes,
        sqnr_db,
        lambda bits: np.mean([sqnr_db[n][b] for n, b in bits.items()]) >= target_db,
    )


def wrong_sum_of_db(sizes, sqnr_db, target_db):
    """Message: The bit widths are wrong for the worked value"""
    return cheapest(
        sizes, sqnr_db, lambda bits: sum(sqnr_db[n][b] for n, b in bits.items()) >= target_db
    )


def wrong_comparison_upside_down(sizes, sqnr_db, target_db):
    """Message: The bit widths are wrong for the worked value"""
    limit = 10 ** (-target_db / 10)
    return cheapest(sizes, sqnr_db, lambda bits: noise(sqnr_db, bits) >= limit)


def wrong_amplitudes(sizes, sqnr_db, target_db):
    """Message: These reach the target, but take more memory than 3 bits and 4"""
    limit = 10 ** (-target_db / 20)
    return cheapest(sizes, sqnr_db, lambda bits: noise(sqnr_db, bits, 20) <= limit)


def wrong_sign_of_the_exponent(sizes, sqnr_db, target_db):
    """Message: The bit widths are wrong for the worked value"""
    good = [bits for bits in combinations(sizes, sqnr_db) if noise(sqnr_db, bits, -10) >= 10**1.5]
    return max(good, key=lambda bits: memory(sizes, bits))


def wrong_least_noise(sizes, sqnr_db, target_db):
    """Message: The bit widths are wrong for the worked value"""
    return min(combinations(sizes, sqnr_db), key=lambda bits: noise(sqnr_db, bits))


def wrong_sizes_not_used(sizes, sqnr_db, target_db):
    """Message: for three layers that come in another order"""
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
    """Message: for three layers that come in another order"""
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
    """Message: for three layers that come in another order"""
    bits = {name: min(curve) for name, curve in sqnr_db.items()}

    def gain(name):
        before, after = (sqnr_db[name].get(bits[name] + more) for more in (0, 1))
        return -1.0 if after is None else 10 ** (-before / 10) - 10 ** (-after / 10)

    while noise(sqnr_db, bits) > 10 ** (-target_db / 10):
        bits[max(sizes, key=gain)] += 1
    return bits


def wrong_greedy_noisiest(sizes, sqnr_db, target_db):
    """Message: for three layers that come in another order"""
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


def wrong_sizes_by_place(sizes, sqnr_db, target_db):
    """Message: for three layers that come in another order"""
    limit = 10 ** (-target_db / 10)
    sizes = dict(zip(sqnr_db, sizes.values(), strict=True))
    return cheapest(sizes, sqnr_db, lambda bits: noise(sqnr_db, bits) <= limit)


def wrong_names_by_place(sizes, sqnr_db, target_db):
    """Message: for three layers that come in another order"""
    limit = 10 ** (-target_db / 10)
    own = {name: sizes[name] for name in sqnr_db}
    found = cheapest(own, sqnr_db, lambda bits: noise(sqnr_db, bits) <= limit)
    return dict(zip(sizes, found.values(), strict=True))


def wrong_equal_shares_of_noise(sizes, sqnr_db, target_db):
    """Message: These reach the target, but take more memory than 3 bits and 4"""
    wanted = target_db + 10 * math.log10(len(sizes))
    return {n: min(b for b, s in sqnr_db[n].items() if s >= wanted) for n in sizes}


def wrong_sqnrs(sizes, sqnr_db, target_db):
    """Message: The bit widths are wrong for the worked value"""
    limit = 10 ** (-target_db / 10)
    found = cheapest(sizes, sqnr_db, lambda bits: noise(sqnr_db, bits) <= limit)
    return {name: sqnr_db[name][b] for name, b in found.items()}


def wrong_two_to_five_bits(sizes, sqnr_db, target_db):
    """Message: The bit widths are wrong"""
    limit = 10 ** (-target_db / 10)
    sqnr_db = {n: {b: s for b, s in row.items() if 2 <= b <= 5} for n, row in sqnr_db.items()}
    good = [bits for bits in combinations(sizes, sqnr_db) if noise(sqnr_db, bits) <= limit]
    return min(good, key=lambda bits: memory(sizes, bits)) if good else {n: 5 for n in sizes}


def wrong_values_zipped_with_the_other_order(sizes, sqnr_db, target_db):
    """Message: The bit widths are wrong for three layers"""
    best, least = None, math.inf
    for widths in itertools.product(*sqnr_db.values()):
        bits = dict(zip(sizes, widths, strict=True))
        if any(b not in sqnr_db[name] for name, b in bits.items()):
            continue
        if noise(sqnr_db, bits) <= 10 ** (-target_db / 10) and memory(sizes, bits) < least:
            best, least = bits, memory(sizes, bits)
    return best


def wrong_magnitude_of_the_target(sizes, sqnr_db, target_db):
    """Message: The function stopped with ValueError on another input"""
    return cheapest(sizes, sqnr_db, lambda b: noise(sqnr_db, b) <= 10 ** (-abs(target_db) / 10))


def wrong_noise_of_one_at_most(sizes, sqnr_db, target_db):
    """Message: The bit widths are wrong"""
    limit = min(10 ** (-target_db / 10), 1.0)
    found = [b for b in combinations(sizes, sqnr_db) if noise(sqnr_db, b) <= limit]
    return min(found, key=lambda b: memory(sizes, b)) if found else dict.fromkeys(sizes, 1)


def wrong_stops_at_the_first_bad_width(sizes, sqnr_db, target_db):
    """Message: The bit widths are wrong"""
    bits = {name: max(widths) for name, widths in sqnr_db.items()}
    for name in sorted(sizes, key=sizes.get, reverse=True):
        for b in sorted(sqnr_db[name], reverse=True):
            if noise(sqnr_db, bits | {name: b}) > 10 ** (-target_db / 10):
                break
            bits[name] = b
    return bits


def wrong_small_number_added(sizes, sqnr_db, target_db):
    """Message: where the target is very high"""
    limit = 10 ** (-target_db / 10) + 1e-9
    return cheapest(sizes, sqnr_db, lambda bits: noise(sqnr_db, bits) <= limit)


def wrong_about_enough(sizes, sqnr_db, target_db):
    """Message: where the"""
    limit = 10 ** (-target_db / 10)
    return cheapest(
        sizes,
        sqnr_db,
        lambda b: noise(sqnr_db, b) <= limit or np.isclose(noise(sqnr_db, b), limit),
    )


def wrong_hundredths_of_a_db(sizes, sqnr_db, target_db):
    """Message: The bit widths are wrong where the"""

    def enough(bits):
        return round(-10 * math.log10(noise(sqnr_db, bits)), 2) >= round(target_db, 2)

    return cheapest(sizes, sqnr_db, enough)


def first_better(sizes, sqnr_db, target_db, found, least):
    """Go through all bit widths, with these and this memory to begin with."""
    for bits in combinations(sizes, sqnr_db):
        good = noise(sqnr_db, bits) <= 10 ** (-target_db / 10)
        if good and memory(sizes, bits) < least:
            found, least = bits, memory(sizes, bits)
    return found


def wrong_a_billion_to_begin_with(sizes, sqnr_db, target_db):
    """Message: The function returned nothing"""
    return first_better(sizes, sqnr_db, target_db, None, 10**9)


def wrong_the_largest_of_32_bits_to_begin_with(sizes, sqnr_db, target_db):
    """Message: The bit widths are wrong where layers have hundreds of millions of activations"""
    return first_better(sizes, sqnr_db, target_db, dict.fromkeys(sizes, 0), np.iinfo(np.int32).max)


def of_table(sizes, sqnr_db, target_db, dtype):
    """Return what a table of all combinations gives, with sums of this type."""
    table = combinations(sizes, sqnr_db)
    bits = np.array([list(row.values()) for row in table], dtype=dtype)
    sums = (bits * np.array(list(sizes.values()), dtype=dtype)).sum(axis=1, dtype=dtype)
    good = [noise(sqnr_db, row) <= 10 ** (-target_db / 10) for row in table]
    return table[min(np.flatnonzero(good), key=lambda i: sums[i])]


def wrong_sums_of_32_bits(sizes, sqnr_db, target_db):
    """Message: The bit widths are wrong where"""
    return of_table(sizes, sqnr_db, target_db, np.int32)


def wrong_sums_of_unsigned_32_bits(sizes, sqnr_db, target_db):
    """Message: The bit widths are wrong where"""
    return of_table(sizes, sqnr_db, target_db, np.uint32)


def wrong_sums_in_float32(sizes, sqnr_db, target_db):
    """Message: where one layer has a billion activations and others few"""
    return of_table(sizes, sqnr_db, target_db, np.float32)


def wrong_less_than_a_million(sizes, sqnr_db, target_db):
    """Message: The function returned nothing"""
    return first_better(sizes, sqnr_db, target_db, None, 1e6)


def wrong_absolute_tolerance(sizes, sqnr_db, target_db):
    """Message: The bit widths are wrong where the target is very high."""
    limit = 10 ** (-target_db / 10) + 1e-12
    good = [
        bits
        for bits in combinations(sizes, sqnr_db)
        if sum(10 ** (-sqnr_db[name][b] / 10) for name, b in bits.items()) <= limit
    ]
    return min(good, key=lambda bits: sum(sizes[name] * b for name, b in bits.items()))


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


def right_budget(sizes, sqnr_db, target_db):
    """Layer by layer, by recursion, with what is left of the noise."""

    def search(names, budget):
        if not names:
            return 0, {}
        name, *others = names
        found = math.inf, {}
        for b, s in sqnr_db[name].items():
            left = budget - 10 ** (-s / 10)
            if left >= 0:
                rest, bits = search(others, left)
                found = min(found, (rest + sizes[name] * b, {name: b} | bits), key=lambda f: f[0])
        return found

    return search(list(sizes), 10 ** (-target_db / 10))[1]
