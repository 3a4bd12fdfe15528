"""Answers to `pack_nibbles` of exercise 02."""


def even(codes):
    """Return the codes with a 0 behind them where their number is odd."""
    return np.append(codes, 0) if len(codes) % 2 else codes


def wrong_halves_swapped(codes):
    """Message: The halves are swapped"""
    codes = even(codes)
    return (codes[0::2] << 4 | codes[1::2]).astype(np.uint8)


def wrong_halves_of_the_array(codes):
    """Message: A pair is two neighbours"""
    codes = even(codes)
    half = len(codes) // 2
    return (codes[:half] | codes[half:] << 4).astype(np.uint8)


def wrong_one_code_a_byte(codes):
    """Message: Each code has a byte of its own"""
    return codes.astype(np.uint8)


def wrong_added_without_shift(codes):
    """Message: added without a shift by four bits"""
    codes = even(codes)
    return (codes[0::2] + codes[1::2]).astype(np.uint8)


def wrong_decimal_digits(codes):
    """Message: joined as decimal digits"""
    codes = even(codes)
    return (codes[0::2] + 10 * codes[1::2]).astype(np.uint8)


def wrong_shift(codes):
    """Message: shifted by the wrong number of bits"""
    codes = even(codes)
    return (codes[0::2] | codes[1::2] << 3).astype(np.uint8)


def wrong_bytes_reversed(codes):
    """Message: The bytes are in reverse order"""
    codes = even(codes)
    return (codes[0::2] | codes[1::2] << 4).astype(np.uint8)[::-1]


def wrong_bits_reversed(codes):
    """Message: The bits of each half are in reverse order"""
    bits = np.unpackbits(even(codes).astype(np.uint8)[:, None], axis=1)[:, 4:]
    return np.packbits(bits[:, ::-1].reshape(-1, 8)[:, [4, 5, 6, 7, 0, 1, 2, 3]])


def wrong_int32(codes):
    """Message: must have the dtype uint8"""
    codes = even(codes)
    return codes[0::2] | codes[1::2] << 4


def wrong_odd_one_lost(codes):
    """Message: The last code was lost"""
    n_pairs = len(codes) // 2
    return (codes[: 2 * n_pairs : 2] | codes[1 : 2 * n_pairs : 2] << 4).astype(np.uint8)


def wrong_odd_one_high(codes):
    """Message: The last code went into the high half"""
    if len(codes) % 2:
        codes = np.insert(codes, len(codes) - 1, 0)
    return (codes[0::2] | codes[1::2] << 4).astype(np.uint8)


def wrong_zero_in_front(codes):
    """Message: stands in front"""
    if len(codes) % 2:
        codes = np.insert(codes, 0, 0)
    return (codes[0::2] | codes[1::2] << 4).astype(np.uint8)


def wrong_odd_one_twice(codes):
    """Message: The last code was stored twice"""
    if len(codes) % 2:
        codes = np.append(codes, codes[-1])
    return (codes[0::2] | codes[1::2] << 4).astype(np.uint8)


def wrong_no_padding(codes):
    """Message: shares its byte with another"""
    return (codes[0::2] | codes[1::2] << 4).astype(np.uint8)


def wrong_one_byte_more(codes):
    """Message: another shape than the docstring says"""
    codes = np.append(codes, 0) if len(codes) % 2 or len(codes) > 6 else codes
    codes = even(codes)
    return (codes[0::2] | codes[1::2] << 4).astype(np.uint8)


def right_sum(codes):
    """With an array of zeros, and a sum."""
    result = np.zeros((len(codes) + 1) // 2, dtype=np.uint8)
    result += codes[0::2].astype(np.uint8)
    result[: len(codes) // 2] += (16 * codes[1::2]).astype(np.uint8)
    return result


def right_loop(codes):
    """Pair after pair."""
    result = []
    for i in range(0, len(codes), 2):
        high = int(codes[i + 1]) if i + 1 < len(codes) else 0
        result.append(int(codes[i]) + 16 * high)
    return np.array(result, dtype=np.uint8)


def right_bits(codes):
    """Bit by bit, the lowest first."""
    bits = codes[:, None] >> np.arange(4) & 1
    return np.packbits(bits.astype(np.uint8), bitorder="little")
