"""Answers to `pack_codes` of exercise 02."""


def stream(codes, bit_width):
    """Return the bits of all codes, each with its lowest bit first."""
    flat = np.asarray(codes).astype(np.int64).ravel()
    return ((flat[:, None] >> np.arange(bit_width)) & 1).ravel().astype(np.uint8)


def wrong_one_code_a_byte(codes, bit_width):
    """Message: Each code has a byte of its own"""
    return np.ravel(codes).astype(np.uint8)


def wrong_highest_bit_first(codes, bit_width):
    """Message: The stream has the highest bit first"""
    bits = stream(codes, bit_width).reshape(-1, bit_width)[:, ::-1]
    return np.packbits(bits.ravel())


def wrong_gaps_in_bytes(codes, bit_width):
    """Message: Two codes went into each byte, and bits are left free"""
    flat, each = np.ravel(codes).astype(np.int64), 8 // bit_width
    groups = [flat[i : i + each] for i in range(0, len(flat), each)]
    values = [sum(int(c) << j * bit_width for j, c in enumerate(group)) for group in groups]
    return np.array(values, dtype=np.uint8)


def wrong_last_byte_missing(codes, bit_width):
    """Message: The last byte is missing"""
    bits = stream(codes, bit_width)
    return np.packbits(bits[: len(bits) // 8 * 8], bitorder="little")


def wrong_codes_whole_bytes_reversed(codes, bit_width):
    """Message: The bytes are wrong for the codes 5, 1, 7"""
    return np.packbits(stream(codes, bit_width), bitorder="big")


def wrong_nibbles(codes, bit_width):
    """Message: The bytes are wrong for the codes 5, 1, 7"""
    flat = np.append(np.ravel(codes), 0).astype(np.int64)
    flat = flat[: len(flat) // 2 * 2]
    return (flat[0::2] | flat[1::2] << 4).astype(np.uint8)


def wrong_each_row_for_itself(codes, bit_width):
    """Message: Each row was packed for itself"""
    rows = np.atleast_2d(codes)
    rows = rows.reshape(-1, rows.shape[-1])
    return np.concatenate([np.packbits(stream(r, bit_width), bitorder="little") for r in rows])


def wrong_shift_in_uint8(codes, bit_width):
    """Message: The bytes are wrong for two rows of codes of 5 bits"""
    flat = np.ravel(codes)
    result = np.zeros((len(flat) * bit_width + 7) // 8 + 1, dtype=np.uint8)
    for i, code in enumerate(flat):
        place, shift = divmod(i * bit_width, 8)
        shifted = code << flat.dtype.type(shift)
        result[place] |= np.uint8(int(shifted) & 255)
        result[place + 1] |= np.uint8(int(shifted) >> 8 & 255)
    return result[:-1]


def wrong_one_axis_only(codes, bit_width):
    """Message: ValueError: operands could not be broadcast together with shapes (2,1,3) (8,)"""
    bits = (codes[:, None] >> np.arange(bit_width)) & 1
    return np.packbits(bits.astype(np.uint8), bitorder="little")


def wrong_memory_order(codes, bit_width):
    """Message: Some bytes are wrong for an array of"""
    return np.packbits(stream(np.ravel(codes, order="K"), bit_width), bitorder="little")


def wrong_int64(codes, bit_width):
    """Message: must have the dtype uint8"""
    return np.packbits(stream(codes, bit_width), bitorder="little").astype(np.int64)


def wrong_one_byte_more(codes, bit_width):
    """Message: another shape than the docstring says"""
    bits = np.append(stream(codes, bit_width), np.zeros(8, np.uint8))
    return np.packbits(bits, bitorder="little")


def wrong_zeros_cut_off(codes, bit_width):
    """Message: The result has another shape than the docstring says."""
    total = sum(int(c) << i * bit_width for i, c in enumerate(np.ravel(codes)))
    n_bytes = max(1, (total.bit_length() + 7) // 8)
    return np.frombuffer(total.to_bytes(n_bytes, "little"), np.uint8)


def wrong_shift_in_int8(codes, bit_width):
    """Message: The bytes are wrong for five codes of 7 bits in int8."""
    flat = np.ravel(codes)
    if flat.dtype != np.int8:
        flat = flat.astype(np.int64)
    result = np.zeros((len(flat) * bit_width + 7) // 8 + 1, dtype=np.uint8)
    for i, code in enumerate(flat):
        place, shift = divmod(i * bit_width, 8)
        shifted = int(code << flat.dtype.type(shift))
        result[place] |= np.uint8(shifted & 255)
        result[place + 1] |= np.uint8(shifted >> 8 & 255)
    return result[:-1]


def wrong_uint64_shifted_by_int64(codes, bit_width):
    """Message: TypeError: ufunc 'right_shift' not supported for the input types"""
    bits = np.ravel(codes)[:, None] >> np.arange(bit_width) & 1
    return np.packbits(bits.astype(np.uint8), bitorder="little")


def wrong_powers_in_the_codes_dtype(codes, bit_width):
    """Message: The bytes are wrong for two rows of codes of 5 bits in uint8."""
    flat = np.ravel(codes)
    offsets = np.arange(flat.size) * bit_width % 8
    words = (flat << offsets.astype(flat.dtype)).astype(np.int64)
    result = np.zeros(flat.size * bit_width // 8 + 2, dtype=np.int64)
    places = np.arange(flat.size) * bit_width // 8
    np.add.at(result, places, words & 255)
    np.add.at(result, places + 1, words >> 8)
    return result[: (flat.size * bit_width + 7) // 8].astype(np.uint8)


def wrong_library(codes, bit_width):
    """Message: The library does the work"""
    from quantlib import packed

    return packed.pack(codes, bit_width, signed=False).data


def right_packbits(codes, bit_width):
    """With NumPy's own packing."""
    return np.packbits(stream(codes, bit_width), bitorder="little")


def right_large_integer(codes, bit_width):
    """All codes as one large integer."""
    total = 0
    for code in reversed(np.ravel(codes).tolist()):
        total = total << bit_width | code
    n_bytes = (np.size(codes) * bit_width + 7) // 8
    return np.frombuffer(total.to_bytes(n_bytes, "little"), dtype=np.uint8)


def right_bit_buffer(codes, bit_width):
    """A buffer that gives off a byte whenever it has eight bits."""
    result, buffer, filled = [], 0, 0
    for code in np.ravel(codes).tolist():
        buffer |= code << filled
        filled += bit_width
        while filled >= 8:
            result.append(buffer & 255)
            buffer >>= 8
            filled -= 8
    if filled:
        result.append(buffer)
    return np.array(result, dtype=np.uint8)
