"""Answers to `shift_layer` of exercise 08."""


def codes_of(sums, thresholds):
    """Return the codes of sums."""
    above = [1 << e for e in range(thresholds.shape[1] >> 1)]
    row = np.array([-v for v in above[::-1]] + [0] + above)
    return row[(thresholds[None] < sums[:, :, None]).sum(axis=2)]


def add_up(a, states, term):
    """Return the sums of terms of an activation and a state, in Python's whole numbers."""
    return np.array([[sum(map(term, x, s)) for s in states.tolist()] for x in a.tolist()])


def shifted(x, s):
    """Return an activation times a state, by a shift."""
    if s == 0:
        return 0
    moved = x << (abs(s).bit_length() - 1)
    return moved if s > 0 else -moved


def wrong_matrix_product(a, states, thresholds):
    """Message: multiplication"""
    sums = a.astype(np.int64) @ states.astype(np.int64).T
    return sums, codes_of(sums, thresholds)


def wrong_products(a, states, thresholds):
    """Message: multiplication"""
    sums = (a.astype(np.int64)[:, None] * states.astype(np.int64)[None]).sum(axis=2)
    return sums, codes_of(sums, thresholds)


def wrong_products_by_name(a, states, thresholds):
    """Message: multiplication"""
    sums = np.multiply(a.astype(np.int64)[:, None], states.astype(np.int64)[None]).sum(axis=2)
    return sums, codes_of(sums, thresholds)


def wrong_einsum(a, states, thresholds):
    """Message: multiplication"""
    sums = np.einsum("nk,ok->no", a.astype(np.int64), states.astype(np.int64))
    return sums, codes_of(sums, thresholds)


def wrong_cross_product(a, states, thresholds):
    """Message: multiplication"""
    wide = a.astype(np.int64)[:, None, :] + np.zeros(states.shape, np.int64)
    nothing = np.zeros_like(wide)
    left = np.stack((wide, nothing, nothing), axis=-1)
    right = np.stack((nothing, nothing + states, nothing), axis=-1)
    sums = np.cross(left, right)[..., 2].sum(axis=2)
    return sums, codes_of(sums, thresholds)


def wrong_product_that_runs(a, states, thresholds):
    """Message: multiplication"""
    wide = a.astype(np.int64)[:, None, :] + np.zeros(states.shape, np.int64)
    pairs = np.stack((wide, np.zeros_like(wide) + states))
    sums = np.nancumprod(pairs, axis=0)[1].sum(axis=2)
    return sums, codes_of(sums, thresholds)


def wrong_division_by_a_fraction(a, states, thresholds):
    """Message: division"""
    sums = np.zeros((len(a), len(states)), np.int64)
    for j, row in enumerate(states.tolist()):
        for k, s in enumerate(row):
            if s:
                sums[:, j] += (a[:, k] / (1 / s)).astype(np.int64)
    return sums, codes_of(sums, thresholds)


def wrong_codes_of_8_bits(a, states, thresholds):
    """Message: The codes must be integers of 64 bits"""
    sums = add_up(a, states, shifted)
    return sums, codes_of(sums, thresholds).astype(np.int8)


def wrong_sign_as_a_factor(a, states, thresholds):
    """Message: multiplication"""
    e = np.log2(np.maximum(np.abs(states.astype(int)), 1)).astype(int)
    sums = (np.sign(states) * (a.astype(np.int64)[:, None] << e)).sum(axis=2)
    return sums, codes_of(sums, thresholds)


def wrong_power(a, states, thresholds):
    """Message: multiplication"""
    sums = add_up(a, states, shifted)
    row = np.array([0, *(2**e for e in range(thresholds.shape[1] >> 1))])
    row = np.append(-row[:0:-1], row)
    return sums, row[(thresholds < sums[:, :, None]).sum(axis=2)]


def wrong_kernel_of_the_library(a, states, thresholds):
    """Message: multiplication"""
    from quantlib import kernels

    sums = kernels.shift_gemm(a, np.sign(states), np.zeros_like(states))
    return sums, codes_of(sums, thresholds)


def times(x, s):
    """Return a product."""
    return x * s


def wrong_product_in_a_helper(a, states, thresholds):
    """Message: multiplication"""
    sums = add_up(a, states, times)
    return sums, codes_of(sums, thresholds)


def wrong_zero_as_exponent_0(a, states, thresholds):
    """Message: A state of 0 has no exponent"""

    def term(x, s):
        return shifted(x, s) if s else x

    sums = add_up(a, states, term)
    return sums, codes_of(sums, thresholds)


def wrong_zero_subtracted(a, states, thresholds):
    """Message: The sums are wrong"""
    wide = a.astype(np.int64)[:, None]
    e = np.frexp(np.maximum(np.abs(states.astype(int)), 1))[1] - 1
    sums = np.where(states > 0, wide << e, -(wide << e)).sum(axis=2)
    return sums, codes_of(sums, thresholds)


def wrong_signs_of_states_lost(a, states, thresholds):
    """Message: signs of the states were lost"""

    def term(x, s):
        return shifted(x, abs(s))

    sums = add_up(a, states, term)
    return sums, codes_of(sums, thresholds)


def wrong_signs_of_activations_lost(a, states, thresholds):
    """Message: signs of the activations were lost"""

    def term(x, s):
        return shifted(abs(x), s)

    sums = add_up(a, states, term)
    return sums, codes_of(sums, thresholds)


def wrong_negative_activations_as_bits(a, states, thresholds):
    """Message: The sums are wrong"""

    def term(x, s):
        return shifted(x & 0xFFFF, s)

    sums = add_up(a, states, term)
    return sums, codes_of(sums, thresholds)


def wrong_negative_activations_left_out(a, states, thresholds):
    """Message: The sums are wrong"""

    def term(x, s):
        return shifted(max(x, 0), s)

    sums = add_up(a, states, term)
    return sums, codes_of(sums, thresholds)


def wrong_signs_only(a, states, thresholds):
    """Message: The exponents were not taken"""

    def term(x, s):
        return x if s > 0 else -x if s < 0 else 0

    sums = add_up(a, states, term)
    return sums, codes_of(sums, thresholds)


def wrong_state_as_exponent(a, states, thresholds):
    """Message: taken for exponents"""

    def term(x, s):
        return x << s if s > 0 else -(x << -s) if s < 0 else 0

    sums = add_up(a, states, term)
    return sums, codes_of(sums, thresholds)


def wrong_shift_by_one_too_many(a, states, thresholds):
    """Message: one too far"""

    def term(x, s):
        return shifted(x, s) << 1

    sums = add_up(a, states, term)
    return sums, codes_of(sums, thresholds)


def wrong_shift_to_the_right(a, states, thresholds):
    """Message: shifts go to the right"""

    def term(x, s):
        moved = x >> max(abs(s).bit_length() - 1, 0)
        return moved if s > 0 else -moved if s < 0 else 0

    sums = add_up(a, states, term)
    return sums, codes_of(sums, thresholds)


def wrong_transposed(a, states, thresholds):
    """Message: Rows and columns"""
    sums = add_up(a, states, shifted)
    return sums.T, codes_of(sums, thresholds).T


def wrong_narrow(a, states, thresholds):
    """Message: did not fit into 8 bits"""
    sums = np.zeros((len(a), len(states)), np.int64)
    for e in range(7):
        moved = (a << e)[:, None]
        sums += np.where(states == 1 << e, moved, 0).sum(axis=2)
        sums -= np.where(states == -(1 << e), moved, 0).sum(axis=2)
    return sums, codes_of(sums, thresholds)


def wrong_32_bits(a, states, thresholds):
    """Message: The sums must be integers of 64 bits"""
    sums = np.zeros((len(a), len(states)), np.int32)
    with np.errstate(all="ignore"):
        wide = a.astype(np.int32)
    for e in range(7):
        moved = (wide << e)[:, None]
        sums += np.where(states == 1 << e, moved, 0).sum(axis=2, dtype=np.int32)
        sums -= np.where(states == -(1 << e), moved, 0).sum(axis=2, dtype=np.int32)
    return sums, codes_of(sums, thresholds)


def wrong_floats_within(a, states, thresholds):
    """Message: larger than 2**53"""
    sums = add_up(a, states, shifted).astype(float)
    return sums.astype(np.int64), codes_of(sums, thresholds)


def wrong_float_sums(a, states, thresholds):
    """Message: sums must be integers"""
    sums = add_up(a, states, shifted)
    return sums.astype(float), codes_of(sums, thresholds)


def wrong_float_codes(a, states, thresholds):
    """Message: codes must be integers"""
    sums = add_up(a, states, shifted)
    return sums, codes_of(sums, thresholds).astype(float)


def wrong_states_up_to_16(a, states, thresholds):
    """Message: The sums are wrong"""

    def term(x, s):
        return shifted(x, s) if abs(s) < 32 else 0

    sums = add_up(a, states, term)
    return sums, codes_of(sums, thresholds)


def wrong_places(a, states, thresholds):
    """Message: These are the numbers of thresholds"""
    sums = add_up(a, states, shifted)
    return sums, (thresholds < sums[:, :, None]).sum(axis=2)


def wrong_places_around_0(a, states, thresholds):
    """Message: These are the places, with 0 in the middle"""
    sums = add_up(a, states, shifted)
    return sums, (thresholds < sums[:, :, None]).sum(axis=2) - (thresholds.shape[1] >> 1)


def wrong_equal_counts(a, states, thresholds):
    """Message: it is < and not <="""
    sums = add_up(a, states, shifted)
    return sums, codes_of(sums + 1, thresholds)


def wrong_list_turned_round(a, states, thresholds):
    """Message: from the smallest number to the largest"""
    sums = add_up(a, states, shifted)
    return sums, -codes_of(sums, thresholds)


def wrong_thresholds_of_one_output(a, states, thresholds):
    """Message: thresholds of the first output"""
    sums = add_up(a, states, shifted)
    return sums, codes_of(sums, np.repeat(thresholds[:1], len(states), axis=0))


def wrong_larger_thresholds_counted(a, states, thresholds):
    """Message: Count those that are smaller"""
    sums = add_up(a, states, shifted)
    above = [1 << e for e in range(thresholds.shape[1] >> 1)]
    row = np.array([-v for v in above[::-1]] + [0] + above)
    return sums, row[(thresholds > sums[:, :, None]).sum(axis=2)]


def wrong_codes_without_sign(a, states, thresholds):
    """Message: The signs of the codes are wrong"""
    sums = add_up(a, states, shifted)
    return sums, np.abs(codes_of(sums, thresholds))


def wrong_four_levels_always(a, states, thresholds):
    """Message: wrong"""
    sums = add_up(a, states, shifted)
    row = np.array([-4, -2, -1, 0, 1, 2, 4])
    places = (thresholds < sums[:, :, None]).sum(axis=2)
    return sums, row[np.minimum(places, 6)]


def wrong_equal_thresholds_once(a, states, thresholds):
    """Message: The codes are wrong"""
    sums = add_up(a, states, shifted)
    above = [1 << e for e in range(thresholds.shape[1] >> 1)]
    row = np.array([-v for v in above[::-1]] + [0] + above)
    limits = [sorted(set(r)) for r in thresholds.tolist()]
    found = [[row[sum(t < y for t in limits[j])] for j, y in enumerate(x)] for x in sums.tolist()]
    return sums, np.array(found)


def wrong_only_sums(a, states, thresholds):
    """Message: two things"""
    return add_up(a, states, shifted)


def wrong_sums_in_the_activations(a, states, thresholds):
    """Message: changed in place"""
    sums = add_up(a, states, shifted)
    states[...] = np.abs(states)
    return sums, codes_of(sums, thresholds)


def wrong_negative_before_it_is_wide(a, states, thresholds):
    """Message: as large as int8 holds"""
    plus, minus = a.astype(np.int64)[:, None], (-a).astype(np.int64)[:, None]
    sums = np.zeros((len(a), len(states)), np.int64)
    for e in range(7):
        sums += np.where(states == 1 << e, plus << e, 0).sum(axis=2)
        sums += np.where(states == -(1 << e), minus << e, 0).sum(axis=2)
    return sums, codes_of(sums, thresholds)


def wrong_thresholds_mirrored(a, states, thresholds):
    """Message: The sums are right, but the codes are wrong"""
    sums = add_up(a, states, shifted)
    half = thresholds.shape[1] >> 1
    places = (thresholds[:, half:] < np.abs(sums)[:, :, None]).sum(axis=2)
    row = np.array([0] + [1 << e for e in range(half)])
    return sums, np.where(sums < 0, -row[places], row[places])


def sums_of(a, states, wide):
    """Return the sums of activations in a dtype, computed in that dtype."""
    moved = a.astype(wide)[:, None]
    sums = np.zeros((len(a), len(states)), wide)
    for e in range(7):
        sums += np.where(states == 1 << e, moved << wide(e), wide(0)).sum(axis=2, dtype=wide)
        sums -= np.where(states == -(1 << e), moved << wide(e), wide(0)).sum(axis=2, dtype=wide)
    return sums.astype(np.int64)


def wrong_int16_in_32_bits(a, states, thresholds):
    """Message: The sums are wrong for thousands of inputs that are as large as their dtype"""
    sums = sums_of(a, states, np.int32 if a.dtype.itemsize < 4 else np.int64)
    return sums, codes_of(sums, thresholds)


def wrong_int8_in_16_bits(a, states, thresholds):
    """Message: The sums are wrong"""
    sums = sums_of(a, states, np.int16 if a.dtype.itemsize < 2 else np.int64)
    return sums, codes_of(sums, thresholds)


def wrong_int16_in_single_precision(a, states, thresholds):
    """Message: The sums are wrong for thousands of inputs that are as large as their dtype"""
    sums = sums_of(a, states, np.int64)
    if a.dtype.itemsize < 4:
        sums = sums.astype(np.float32).astype(np.int64)
    return sums, codes_of(sums, thresholds)


def wrong_places_in_8_bits(a, states, thresholds):
    """Message: The codes are wrong where all codes of 8 levels come."""
    sums = add_up(a, states, shifted)
    half = np.int8(thresholds.shape[1] >> 1)
    place = (thresholds < sums[:, :, None]).sum(axis=2, dtype=np.int8) - half
    return sums, (np.sign(place) << np.abs(place) >> 1).astype(np.int64)


def wrong_last_code_left_out(a, states, thresholds):
    """Message: codes are wrong"""
    sums = add_up(a, states, shifted)
    return sums, codes_of(sums, np.c_[thresholds[:, :-1], np.full(len(thresholds), 1 << 62)])


def wrong_equal_counts_below_0(a, states, thresholds):
    """Message: codes are wrong"""
    sums = add_up(a, states, shifted)
    above = [1 << e for e in range(thresholds.shape[1] >> 1)]
    row = np.array([-v for v in above[::-1]] + [0] + above)
    wide = sums[:, :, None]
    return sums, row[np.where(thresholds < 0, thresholds <= wide, thresholds < wide).sum(axis=2)]


def right_python(a, states, thresholds):
    """In Python's whole numbers, with bisection."""
    import bisect

    sums = [[sum(map(shifted, x, s)) for s in states.tolist()] for x in a.tolist()]
    above = [1 << e for e in range(len(thresholds[0]) >> 1)]
    row = [-v for v in reversed(above)] + [0, *above]
    limits = thresholds.tolist()
    codes = [[row[bisect.bisect_left(limits[j], y)] for j, y in enumerate(line)] for line in sums]
    return np.array(sums, np.int64), np.array(codes, np.int64)


def right_bit_planes(a, states, thresholds):
    """One plane after the other, from the highest: double and add."""
    wide = a.astype(np.int64)[:, None]
    sums = np.zeros((len(a), len(states)), np.int64)
    magnitudes = np.abs(states.astype(np.int64))
    for e in range(6, -1, -1):
        here = (magnitudes >> e) & 1 == 1
        signed = np.where(here & (states < 0), -wide, np.where(here, wide, 0))
        sums = (sums << 1) + signed.sum(axis=2)
    half = thresholds.shape[1] >> 1
    place = (thresholds[None] < sums[:, :, None]).sum(axis=2) - half
    size = np.where(place == 0, 0, np.int64(1) << np.maximum(np.abs(place) - 1, 0))
    return sums, np.where(place < 0, -size, size)


def right_gathered(a, states, thresholds):
    """For each output the inputs of each state, with variables named as what is forbidden."""
    sums = np.zeros((len(a), len(states)), np.int64)
    for j, inner in enumerate(states):
        for dot, power in enumerate((1, 2, 4, 8, 16, 32, 64)):
            plus = a[:, inner == power].astype(np.int64) << dot
            minus = a[:, inner == -power].astype(np.int64) << dot
            sums[:, j] += plus.sum(axis=1) - minus.sum(axis=1)
    above = [1 << e for e in range(thresholds.shape[1] >> 1)]
    row = np.array([-v for v in above[::-1]] + [0] + above)
    columns = [row[np.searchsorted(t, y)] for t, y in zip(thresholds, sums.T, strict=True)]
    return sums, np.stack(columns, axis=1)
