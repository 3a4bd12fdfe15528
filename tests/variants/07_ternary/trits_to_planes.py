"""Answers to `trits_to_planes` of exercise 07."""


def codes_of(packed, n):
    """Return the codes of the first n trits of each row."""
    digits = packed[:, :, None].astype(int) // 3 ** np.arange(5) % 3
    return digits.reshape(len(packed), -1)[:, :n] - 1


def words(bits, order="little"):
    """Return the words of bits, the first the lowest."""
    rows, n = bits.shape
    wide = np.zeros((rows, -(-n // 64) * 64), np.uint8)
    wide[:, :n] = bits
    return np.packbits(wide, axis=1, bitorder=order).view("<u8").astype(np.uint64)


def both(codes):
    """Return the two planes."""
    return words(codes != 0), words(codes < 0)


def wrong_planes_exchanged(packed, n):
    """Message: The planes are exchanged"""
    mask, sign = both(codes_of(packed, n))
    return sign, mask


def wrong_sign_of_positive(packed, n):
    """Message: bit 1 stands for -1"""
    codes = codes_of(packed, n)
    return words(codes != 0), words(codes > 0)


def wrong_sign_of_zero(packed, n):
    """Message: The sign bit of a zero"""
    codes = codes_of(packed, n)
    return words(codes != 0), words(codes <= 0)


def wrong_mask_of_zeros(packed, n):
    """Message: The mask is turned round"""
    codes = codes_of(packed, n)
    return words(codes == 0), words(codes < 0)


def wrong_mask_of_positive(packed, n):
    """Message: The mask holds the positive codes only"""
    codes = codes_of(packed, n)
    return words(codes > 0), words(codes < 0)


def wrong_digits_taken_for_codes(packed, n):
    """Message: The digits 0, 1, 2"""
    digits = codes_of(packed, n) + 1
    return words(digits != 0), words(digits == 2)


def wrong_bits_from_the_top(packed, n):
    """Message: The first code is the lowest bit"""
    codes = codes_of(packed, n)

    def turned(bits):
        rows, m = bits.shape
        wide = np.zeros((rows, -(-m // 64) * 64), bool)
        wide[:, :m] = bits
        return words(wide.reshape(rows, -1, 64)[:, :, ::-1].reshape(rows, -1))

    return turned(codes != 0), turned(codes < 0)


def wrong_bits_of_bytes_in_reverse(packed, n):
    """Message: The mask is wrong"""
    codes = codes_of(packed, n)
    return words(codes != 0, "big"), words(codes < 0, "big")


def wrong_first_trit_last(packed, n):
    """Message: The five codes of a byte are in reverse order"""
    digits = packed[:, :, None].astype(int) // 3 ** np.arange(4, -1, -1) % 3
    return both(digits.reshape(len(packed), -1)[:, :n] - 1)


def wrong_padding_counted(packed, n):
    """Message: stand for nothing"""
    return both(codes_of(packed, packed.shape[1] * 5))


def wrong_last_byte_lost(packed, n):
    """Message: wrong"""
    mask = np.arange(n) < n // 5 * 5
    return both(codes_of(packed, n) * mask)


def wrong_bytes(packed, n):
    """Message: uint64"""
    codes = codes_of(packed, n)
    pack = [np.packbits(bits, axis=1, bitorder="little") for bits in (codes != 0, codes < 0)]
    return pack[0], pack[1]


def wrong_signed_words(packed, n):
    """Message: uint64"""
    return tuple(plane.view(np.int64) for plane in both(codes_of(packed, n)))


def wrong_floats(packed, n):
    """Message: uint64"""
    return tuple(plane.astype(float) for plane in both(codes_of(packed, n)))


def wrong_words_of_32(packed, n):
    """Message: two words"""
    codes = codes_of(packed, n)

    def narrow(bits):
        rows, m = bits.shape
        wide = np.zeros((rows, -(-m // 32) * 32), np.uint8)
        wide[:, :m] = bits
        return np.packbits(wide, axis=1, bitorder="little").view("<u4").astype(np.uint64)

    return narrow(codes != 0), narrow(codes < 0)


def wrong_only_one_word(packed, n):
    """Message: two words"""
    return tuple(plane[:, :1] for plane in both(codes_of(packed, n)))


def wrong_a_word_too_many(packed, n):
    """Message: too few or too many words"""
    return tuple(np.pad(p, ((0, 0), (0, n % 64 == 0))) for p in both(codes_of(packed, n)))


def wrong_highest_bit_lost(packed, n):
    """Message: wrong"""
    return tuple(plane & np.uint64(2**63 - 1) for plane in both(codes_of(packed, n)))


def wrong_shift_in_32_bits(packed, n):
    """Message: wrong"""
    return tuple(plane & np.uint64(2**32 - 1) for plane in both(codes_of(packed, n)))


def wrong_float_powers(packed, n):
    """Message: wrong"""
    codes = codes_of(packed, n)

    def add(bits):
        rows, m = bits.shape
        wide = np.zeros((rows, -(-m // 64) * 64))
        wide[:, :m] = bits
        total = (wide.reshape(rows, -1, 64) * 2.0 ** np.arange(64)).sum(axis=2)
        return np.minimum(total, 2.0**64 - 2048).astype(np.uint64)

    return add(codes != 0), add(codes < 0)


def wrong_rows_run_together(packed, n):
    """Message: another shape"""
    codes = codes_of(packed, n).reshape(1, -1)
    return both(codes)


def wrong_plus_and_minus(packed, n):
    """Message: The mask holds the positive codes only"""
    codes = codes_of(packed, n)
    return words(codes == 1), words(codes == -1)


def wrong_in_uint8(packed, n):
    """Message: wrong"""
    digits = packed[:, :, None] // (3 ** np.arange(5)).astype(np.uint8) % 3
    codes = digits.reshape(len(packed), -1)[:, :n] - np.uint8(1)
    return words(codes != 0), words(codes < 0)


def wrong_bits_two_a_code(packed, n):
    """Message: another shape"""
    codes = codes_of(packed, n)
    pairs = np.stack([codes != 0, codes < 0], axis=2).reshape(len(codes), -1)
    return words(pairs)


def wrong_base_two(packed, n):
    """Message: wrong"""
    digits = packed[:, :, None].astype(int) >> np.arange(5) & 1
    return both(digits.reshape(len(packed), -1)[:, :n])


def wrong_in_place(packed, n):
    """Message: changed in place"""
    planes = both(codes_of(packed, n))
    packed[...] = 0
    return planes


def wrong_one_plane(packed, n):
    """Message: another form"""
    return both(codes_of(packed, n))[:1]


def right_integers(packed, n):
    """With Python's integers, number by number, as a list of arrays."""
    masks, signs = [], []
    for row in packed.tolist():
        mask = sign = 0
        for k in range(n):
            digit = row[k // 5] // 3 ** (k % 5) % 3
            mask |= (digit != 1) << k
            sign |= (digit == 0) << k
        count = (n + 63) // 64
        masks.append([mask >> 64 * i & (2**64 - 1) for i in range(count)])
        signs.append([sign >> 64 * i & (2**64 - 1) for i in range(count)])
    return [np.array(masks, dtype=np.uint64), np.array(signs, dtype=np.uint64)]


def right_divmod(packed, n):
    """Dividing five times, shifting words."""
    rest, digits = packed.copy(), []
    for _ in range(5):
        rest, digit = np.divmod(rest, 3)
        digits.append(digit)
    trits = np.stack(digits, axis=-1).reshape(len(packed), -1)[:, :n]
    mask = np.zeros((len(packed), (n + 63) // 64), np.uint64)
    sign = mask.copy()
    for k in range(n):
        place = np.uint64(k % 64)
        mask[:, k // 64] |= (trits[:, k] != 1).astype(np.uint64) << place
        sign[:, k // 64] |= (trits[:, k] == 0).astype(np.uint64) << place
    return mask, sign


def right_table(packed, n):
    """By a table of all bytes."""
    table = np.array([[b // 3**i % 3 for i in range(5)] for b in range(256)], np.uint8)
    trits = table[packed].reshape(len(packed), -1)[:, :n]
    wide = np.ones((len(packed), -(-n // 64) * 64), np.uint8)
    wide[:, :n] = trits
    weights = np.uint64(1) << np.arange(64, dtype=np.uint64)
    groups = wide.reshape(len(packed), -1, 64)
    planes = [
        np.bitwise_or.reduce(np.where(chosen, weights, np.uint64(0)), axis=2)
        for chosen in (groups != 1, groups == 0)
    ]
    return planes[0], planes[1]


def right_packbits(packed, n):
    """With np.packbits and a view."""
    codes = packed[..., None].astype(np.int64) // [1, 3, 9, 27, 81] % 3 - 1
    codes = codes.reshape(packed.shape[0], -1)[:, :n]
    bits = np.pad(codes, ((0, 0), (0, -n % 64)))
    mask = np.packbits(bits != 0, axis=1, bitorder="little")
    sign = np.packbits(bits == -1, axis=1, bitorder="little")
    return mask.view(np.uint64), sign.view(np.uint64)


def wrong_table_of_243(packed, n):
    """Message: IndexError"""
    table = np.arange(243)[:, None] // 3 ** np.arange(5) % 3 - 1
    return both(table[packed].reshape(len(packed), -1)[:, :n])


def wrong_two_words_at_most(packed, n):
    """Message: three words"""
    found = []
    for plane in both(codes_of(packed, n)):
        plane = plane.copy()
        plane[:, 1:2] |= np.bitwise_or.reduce(plane[:, 2:], axis=1, keepdims=True)
        plane[:, 2:] = 0
        found.append(plane)
    return tuple(found)


def wrong_order_of_the_memory(packed, n):
    """Message: wrong"""
    return both(codes_of(packed.ravel("K").reshape(packed.shape), n))


def wrong_no_backward_views(packed, n):
    """Message: stopped with ValueError"""
    return both(codes_of(torch.from_numpy(packed).numpy(), n))


def wrong_highest_bit_lost_in_long_rows(packed, n):
    """Message: which take three words"""
    mask, sign = both(codes_of(packed, n))
    return mask, sign & np.uint64(2**63 - 1) if n > 128 else sign
