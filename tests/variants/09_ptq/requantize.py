"""Answers to `requantize` of exercise 09."""


def multiplier_of(factor):
    """Multiplier and shift of one factor."""
    fraction, exponent = math.frexp(factor)
    m = round(fraction * 2**31)
    return (2**30, 30 - exponent) if m == 2**31 else (m, 31 - exponent)


def pairs_of(factors):
    m, n = zip(*map(multiplier_of, factors.tolist()), strict=True)
    return np.array(m), np.array(n)


def codes_by(sums, m, n, zero_point, low, high, one):
    """Codes by a rule for one sum, in Python's whole numbers."""
    rows = [
        [one(a, b, c) for a, b, c in zip(row, m.tolist(), n.tolist(), strict=True)]
        for row in sums.tolist()
    ]
    return np.clip(np.array(rows) + zero_point, low, high)


def half_up(a, m, n):
    return (a * m + (1 << (n - 1))) >> n


def wrong_through_float32(sums, factors, zero_point, low, high):
    """Message: A multiplier went through float32"""
    m, n = pairs_of(factors.astype(np.float32))
    return m, n, codes_by(sums, m, n, zero_point, low, high, half_up)


def wrong_multiplier_in_float32(sums, factors, zero_point, low, high):
    """Message: A multiplier went through float32"""
    m, n = pairs_of(factors)
    m = m.astype(np.float32).astype(np.int64)
    return m, n, codes_by(sums, m, n, zero_point, low, high, half_up)


def wrong_multiplier_cut_off(sums, factors, zero_point, low, high):
    """Message: not down"""
    g, e = np.frexp(factors)
    m, n = (g * 2.0**31).astype(np.int64), 31 - e.astype(np.int64)
    return m, n, codes_by(sums, m, n, zero_point, low, high, half_up)


def wrong_32_bits(sums, factors, zero_point, low, high):
    """Message: Multipliers have 31 bits"""
    g, e = np.frexp(factors)
    m, n = np.rint(g * 2.0**32).astype(np.int64), 32 - e.astype(np.int64)
    return m, n, codes_by(sums, m, n, zero_point, low, high, half_up)


def wrong_30_bits(sums, factors, zero_point, low, high):
    """Message: These multipliers are below 2**30"""
    g, e = np.frexp(factors)
    m, n = np.rint(g * 2.0**30).astype(np.int64), 30 - e.astype(np.int64)
    return m, n, codes_by(sums, m, n, zero_point, low, high, half_up)


def wrong_one_shift_for_all(sums, factors, zero_point, low, high):
    """Message: All factors got the same shift"""
    n = 31 - np.frexp(factors.max())[1]
    m = np.rint(factors * 2.0**n).astype(np.int64)
    n = np.full(len(factors), n)
    return m, n, codes_by(sums, m, n, zero_point, low, high, half_up)


def wrong_shift_of_31(sums, factors, zero_point, low, high):
    """Message: All factors got the shift 31"""
    m, n = np.rint(factors * 2.0**31).astype(np.int64), np.full(len(factors), 31)
    return m, n, codes_by(sums, m, n, zero_point, low, high, half_up)


def wrong_exponents(sums, factors, zero_point, low, high):
    """Message: These are exponents"""
    m, n = pairs_of(factors)
    return m, 31 - n, codes_by(sums, m, n, zero_point, low, high, half_up)


def wrong_way_of_shifts(sums, factors, zero_point, low, high):
    """Message: The shifts go the wrong way"""
    m, n = pairs_of(factors)
    return m, 62 - n, codes_by(sums, m, n, zero_point, low, high, half_up)


def wrong_shift_one_too_small(sums, factors, zero_point, low, high):
    """Message: The shifts are one too small"""
    m, n = pairs_of(factors)
    return m, n - 1, codes_by(sums, m, n, zero_point, low, high, half_up)


def wrong_floor(sums, factors, zero_point, low, high):
    """Message: These are rounded down"""
    m, n = pairs_of(factors)
    return m, n, np.clip(zero_point + ((sums.astype(np.int64) * m) >> n), low, high)


def wrong_half_in_int32(sums, factors, zero_point, low, high):
    """Message: did not fit into int32"""
    g, e = np.frexp(factors)
    m, n = np.rint(g * 2.0**31).astype(np.int64), 31 - e
    n, m = np.where(m == 2**31, n - 1, n), np.where(m == 2**31, 2**30, m)
    half = np.left_shift(np.int32(1), (n - 1).astype(np.int32))
    return m, n, np.clip(zero_point + ((sums.astype(np.int64) * m + half) >> n), low, high)


def wrong_cut_off(sums, factors, zero_point, low, high):
    """Message: Fractions were cut off towards 0"""
    m, n = pairs_of(factors)
    rule = lambda a, m, n: a * m // 2**n if a > 0 else -(-a * m // 2**n)  # noqa: E731
    return m, n, codes_by(sums, m, n, zero_point, low, high, rule)


def wrong_half_away_from_zero(sums, factors, zero_point, low, high):
    """Message: -1.5 becomes -1 and not -2"""
    m, n = pairs_of(factors)
    rule = lambda a, m, n: half_up(a, m, n) if a > 0 else -half_up(-a, m, n)  # noqa: E731
    return m, n, codes_by(sums, m, n, zero_point, low, high, rule)


def wrong_half_to_even(sums, factors, zero_point, low, high):
    """Message: not to the even number"""
    m, n = pairs_of(factors)
    codes = np.rint(sums * (m / 2.0**n)).astype(np.int64)
    return m, n, np.clip(zero_point + codes, low, high)


def wrong_two_roundings(sums, factors, zero_point, low, high):
    """Message: There are two roundings"""

    def rule(a, m, n):
        first, left = half_up(a, m, 31), n - 31
        return half_up(first, 1, left) if left > 0 else half_up(a, m, n)

    m, n = pairs_of(factors)
    return m, n, codes_by(sums, m, n, zero_point, low, high, rule)


def wrong_zero_point_forgotten(sums, factors, zero_point, low, high):
    """Message: The zero point was forgotten"""
    m, n = pairs_of(factors)
    return m, n, codes_by(sums, m, n, 0, low, high, half_up)


def wrong_zero_point_late(sums, factors, zero_point, low, high):
    """Message: The zero point is added after the clamp"""
    m, n = pairs_of(factors)
    return m, n, codes_by(sums, m, n, 0, low, high, half_up) + zero_point


def wrong_zero_point_early(sums, factors, zero_point, low, high):
    """Message: The zero point was added to the sums"""
    m, n = pairs_of(factors)
    return m, n, codes_by(sums + zero_point, m, n, 0, low, high, half_up)


def wrong_zero_point_taken_away(sums, factors, zero_point, low, high):
    """Message: not taken away"""
    m, n = pairs_of(factors)
    return m, n, codes_by(sums, m, n, -zero_point, low, high, half_up)


def wrong_not_clamped(sums, factors, zero_point, low, high):
    """Message: The codes were not clamped"""
    m, n = pairs_of(factors)
    return m, n, codes_by(sums, m, n, zero_point, -(2**62), 2**62, half_up)


def wrong_ceiling(sums, factors, zero_point, low, high):
    """Message: 2**n is added before the shift"""
    m, n = pairs_of(factors)
    rule = lambda a, m, n: (a * m + (1 << n)) >> n  # noqa: E731
    return m, n, codes_by(sums, m, n, zero_point, low, high, rule)


def wrong_in_int32(sums, factors, zero_point, low, high):
    """Message: Multipliers and shifts are right, but the codes are wrong"""
    m, n = pairs_of(factors)
    products = (sums.astype(np.int32) * m.astype(np.int32)).astype(np.int64)
    return m, n, np.clip(zero_point + ((products + (1 << (n - 1))) >> n), low, high)


def wrong_in_floats(sums, factors, zero_point, low, high):
    """Message: The codes are wrong where products have 60 bits"""
    m, n = pairs_of(factors)
    codes = np.floor(sums * (m / 2.0**n) + 0.5).astype(np.int64)
    return m, n, np.clip(zero_point + codes, low, high)


def wrong_factors_themselves(sums, factors, zero_point, low, high):
    """Message: Multipliers and shifts are right, but the codes are wrong"""
    m, n = pairs_of(factors)
    codes = np.floor(sums * factors + 0.5).astype(np.int64)
    return m, n, np.clip(zero_point + codes, low, high)


def wrong_float_multipliers(sums, factors, zero_point, low, high):
    """Message: The multipliers must be integers"""
    m, n = pairs_of(factors)
    return m * 1.0, n, codes_by(sums, m, n, zero_point, low, high, half_up)


def wrong_float_codes(sums, factors, zero_point, low, high):
    """Message: The codes must be integers"""
    m, n = pairs_of(factors)
    return m, n, codes_by(sums, m, n, zero_point, low, high, half_up) * 1.0


def wrong_2_to_the_31(sums, factors, zero_point, low, high):
    """Message: A multiplier of 2**31 does not fit"""
    g, e = np.frexp(factors)
    m, n = np.rint(g * 2.0**31).astype(np.int64), 31 - e.astype(np.int64)
    return m, n, codes_by(sums, m, n, zero_point, low, high, half_up)


def wrong_below_2_to_the_31(sums, factors, zero_point, low, high):
    """Message: The multiplier is wrong for a factor just below 1"""
    g, e = np.frexp(factors)
    m, n = np.rint(g * 2.0**31).astype(np.int64), 31 - e.astype(np.int64)
    m = np.minimum(m, 2**31 - 1)
    return m, n, codes_by(sums, m, n, zero_point, low, high, half_up)


def wrong_clamped_to_bytes(sums, factors, zero_point, low, high):
    """Message: The codes are wrong where products have 60 bits"""
    m, n = pairs_of(factors)
    return m, n, codes_by(sums, m, n, zero_point, 0, 255, half_up)


def wrong_sums_in_place(sums, factors, zero_point, low, high):
    """Message: The inputs were changed in place"""
    m, n = pairs_of(factors)
    codes = codes_by(sums, m, n, zero_point, low, high, half_up)
    sums += 1
    return m, n, codes


def wrong_one_row(sums, factors, zero_point, low, high):
    """Message: The result has another shape"""
    m, n = pairs_of(factors)
    return m, n, codes_by(sums, m, n, zero_point, low, high, half_up)[0]


def wrong_exact_factor_for_the_codes(sums, factors, zero_point, low, high):
    """Message: Multipliers and shifts are right, but the codes are wrong"""
    from fractions import Fraction

    half = Fraction(1, 2)
    rows = [
        [math.floor(a * Fraction(f) + half) for a, f in zip(row, factors.tolist(), strict=True)]
        for row in sums.tolist()
    ]
    return *pairs_of(factors), np.clip(np.array(rows) + zero_point, low, high)


def wrong_zero_point_shifted_up(sums, factors, zero_point, low, high):
    """Message: The codes are wrong"""
    m, n = pairs_of(factors)
    product = sums.astype(np.int64) * m + (np.int64(zero_point) << n)
    return m, n, np.clip((product + (1 << (n - 1))) >> n, low, high)


def wrong_all_halved_with_one(sums, factors, zero_point, low, high):
    """Message: The multipliers are wrong for factors just below powers of two"""
    g, e = np.frexp(factors)
    m, n = np.rint(g * 2.0**31).astype(np.int64), 31 - e.astype(np.int64)
    if (m == 2**31).any():
        m, n = m // 2, n - 1
    return m, n, codes_by(sums, m, n, zero_point, low, high, half_up)


def wrong_codes_of_32_bits(sums, factors, zero_point, low, high):
    """Message: The codes are wrong for factors from very small to very large"""
    m, n = pairs_of(factors)
    return m, n, codes_by(sums, m, n, zero_point, low, high, half_up).astype(np.int32)


def wrong_bytes_if_low_is_zero(sums, factors, zero_point, low, high):
    """Message: The codes are wrong for other ends than 0 and 255"""
    m, n = pairs_of(factors)
    codes = codes_by(sums, m, n, zero_point, low, high, half_up)
    return m, n, codes.astype(np.uint8) if low == 0 else codes


def wrong_zero_point_clamped_too(sums, factors, zero_point, low, high):
    """Message: The codes are wrong for other ends than 0 and 255"""
    m, n = pairs_of(factors)
    z = min(max(zero_point, low), high)
    return m, n, codes_by(sums, m, n, z, low, high, half_up)


def wrong_two_roundings_of_long_shifts(sums, factors, zero_point, low, high):
    """Message: The codes are wrong where results are next to a jump, for many shifts"""
    m, n = pairs_of(factors)
    one = lambda a, m, n: half_up(half_up(a, m, 20), 1, n - 20) if n > 32 else half_up(a, m, n)  # noqa: E731
    return m, n, codes_by(sums, m, n, zero_point, low, high, one)


def wrong_magnitudes_for_long_shifts(sums, factors, zero_point, low, high):
    """Message: half-way between whole numbers, also for small factors"""
    m, n = pairs_of(factors)

    def one(a, m, n):
        return (1, -1)[a < 0] * half_up(abs(a), m, n) if n > 40 else half_up(a, m, n)

    return m, n, codes_by(sums, m, n, zero_point, low, high, one)


def wrong_along_the_rows_of_a_square(sums, factors, zero_point, low, high):
    """Message: The codes are wrong"""
    m, n = pairs_of(factors)
    if sums.shape == (len(factors), len(factors)):
        return m, n, codes_by(sums.T, m, n, zero_point, low, high, half_up).T
    return m, n, codes_by(sums, m, n, zero_point, low, high, half_up)


def right_plain_python(sums, factors, zero_point, low, high):
    """Lists, with fractions for the factors."""
    ms, ns = [], []
    for factor in factors.tolist():
        n = 0
        while factor * 2.0**n < 2**30:
            n += 1
        while factor * 2.0**n >= 2**31:
            n -= 1
        m = round(factor * 2.0**n)
        if m == 2**31:
            m, n = 2**30, n - 1
        ms.append(m)
        ns.append(n)
    rows = []
    for row in sums.tolist():
        scaled = [(a * m + 2 ** (n - 1)) // 2**n for a, m, n in zip(row, ms, ns, strict=True)]
        rows.append([min(max(zero_point + v, low), high) for v in scaled])
    return ms, ns, rows


def right_by_logarithms(sums, factors, zero_point, low, high):
    """The shift from the logarithm, mended where it is off by one."""
    n = 30 - np.floor(np.log2(factors)).astype(np.int64)
    scaled = factors * 2.0**n
    n = np.where(scaled >= 2.0**31, n - 1, np.where(scaled < 2.0**30, n + 1, n))
    m = np.round(factors * 2.0**n).astype(np.int64)
    n, m = np.where(m == 2**31, n - 1, n), np.where(m == 2**31, 2**30, m)
    products = sums.astype(np.int64) * m
    codes = zero_point + np.right_shift(products + np.left_shift(1, n - 1), n)
    return m.astype(np.int32), n.astype(np.int32), np.minimum(np.maximum(codes, low), high)


def right_by_torch(sums, factors, zero_point, low, high):
    """In torch."""
    g, e = torch.frexp(torch.tensor(np.ascontiguousarray(factors)))
    m, n = torch.round(g * 2.0**31).long(), 31 - e.long()
    over = m == 2**31
    m, n = torch.where(over, m // 2, m), torch.where(over, n - 1, n)
    one = torch.ones_like(n)
    products = torch.tensor(np.ascontiguousarray(sums)).long() * m
    codes = zero_point + ((products + (one << (n - 1))) >> n)
    return m, n, codes.clamp(low, high)


def right_sum_by_sum(sums, factors, zero_point, low, high):
    """By the helpers above."""
    m, n = pairs_of(factors)
    return m, n, codes_by(sums, m, n, zero_point, low, high, half_up)


def right_floor_then_half(sums, factors, zero_point, low, high):
    """A shift by one bit less, one added, and the last bit: both floors are one."""
    n = 30 - np.floor(np.log2(factors)).astype(np.int64)
    m = np.floor(factors * np.exp2(n) + 0.5).astype(np.int64)
    m, n = np.where(m == 2**31, 2**30, m), np.where(m == 2**31, n - 1, n)
    codes = (((sums.astype(np.int64) * m) >> (n - 1)) + 1) >> 1
    return m.astype(np.uint32), n.astype(np.int8), np.clip(codes + zero_point, low, high)


def wrong_two_roundings_of_very_long_shifts(sums, factors, zero_point, low, high):
    """Message: where products lie just below a jump, for all shifts"""

    def rule(a, m, n):
        return half_up(half_up(a, m, 31), 1, n - 31) if n > 40 else half_up(a, m, n)

    m, n = pairs_of(factors)
    return m, n, codes_by(sums, m, n, zero_point, low, high, rule)


def wrong_first_rounding_of_few_bits(sums, factors, zero_point, low, high):
    """Message: where products lie just below a jump, for all shifts"""

    def rule(a, m, n):
        return half_up(half_up(a, m, 8), 1, n - 8) if n > 50 else half_up(a, m, n)

    m, n = pairs_of(factors)
    return m, n, codes_by(sums, m, n, zero_point, low, high, rule)
