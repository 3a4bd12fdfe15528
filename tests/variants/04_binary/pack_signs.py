"""Answers to `pack_signs` of exercise 04."""


def packed(bits, order="little"):
    """Return the bytes of rows of bits."""
    return np.packbits(bits, axis=1, bitorder=order)


def wrong_upside_down(x):
    """Message: The bits are upside down: 1 stands for -1."""
    return packed(x >= 0)


def wrong_padding_upside_down_too(x):
    """Message: The bytes are wrong for two rows of ten values."""
    return ~packed(x < 0)


def wrong_sign_of_zero(x):
    """Message: The sign of 0 is +1, so its bit is 0"""
    return packed(x <= 0)


def wrong_order_of_bits(x):
    """Message: The bits of each byte are in reverse order"""
    return packed(x < 0, "big")


def wrong_padding_of_ones(x):
    """Message: The bytes are wrong for two rows of ten values."""
    bits = np.ones((len(x), -(-x.shape[1] // 8) * 8), bool)
    bits[:, : x.shape[1]] = x < 0
    return packed(bits)


def wrong_rows_run_together(x):
    """Message: The rows run into one another"""
    return np.packbits(x.ravel() < 0, bitorder="little")


def wrong_flat_bytes(x):
    """Message: The result has another shape than the docstring says."""
    return packed(x < 0).ravel()


def wrong_columns(x):
    """Message: Columns were packed"""
    return np.packbits(x < 0, axis=0, bitorder="little")


def wrong_last_byte_lost(x):
    """Message: The result has another shape than the docstring says."""
    return packed((x < 0)[:, : x.shape[1] // 8 * 8])


def wrong_order_of_bytes(x):
    """Message: The bytes are wrong for two rows of ten values."""
    return packed(x < 0)[:, ::-1]


def wrong_padding_in_front(x):
    """Message: The bytes are wrong for two rows of ten values."""
    return packed(np.pad(x < 0, ((0, 0), (-x.shape[1] % 8, 0))))


def wrong_bytes_of_one_sign(x):
    """Message: The result has another shape than the docstring says."""
    return (x < 0).astype(np.uint8)


def wrong_one_byte_too_many(x):
    """Message: The result has another shape than the docstring says."""
    n_bytes = x.shape[1] // 8 + 1
    bits = np.zeros((len(x), 8 * n_bytes), bool)
    bits[:, : x.shape[1]] = x < 0
    return packed(bits)


def wrong_wide_numbers(x):
    """Message: The result must have the dtype uint8"""
    return packed(x < 0).astype(np.int64)


def wrong_two_bytes_only(x):
    """Message: another shape"""
    return packed(x < 0)[:, :2]


def wrong_sign_bits_of_float64(x):
    """Message: The bytes are wrong for one row of eight values of float32."""
    return packed(np.ascontiguousarray(x + 0.0).view(np.int64) < 0)


def wrong_high_words_of_float64(x):
    """Message: The bytes are wrong for one row of eight values of float32."""
    return packed(np.ascontiguousarray(x + 0.0).view(np.int32)[:, 1::2] < 0)


def wrong_zero_in_the_result_only(x):
    """Message: The values in x were changed in place"""
    x[x == 0] = 1
    return packed(x < 0)


def right_packbits(x):
    """With NumPy's function."""
    return np.packbits(x < 0, axis=-1, bitorder="little")


def right_bit_by_bit(x):
    """A loop over the values."""
    rows, n = x.shape
    result = np.zeros((rows, (n + 7) // 8), dtype=np.uint8)
    for k in range(n):
        result[:, k // 8] |= ((x[:, k] < 0) << (k % 8)).astype(np.uint8)
    return result


def right_python_integers(x):
    """Every row one large integer."""
    n_bytes = (x.shape[1] + 7) // 8
    rows = [sum(1 << k for k, v in enumerate(row) if v < 0) for row in x.tolist()]
    data = b"".join(row.to_bytes(n_bytes, "little") for row in rows)
    return np.frombuffer(data, np.uint8).reshape(len(x), n_bytes)
