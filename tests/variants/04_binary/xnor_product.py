"""Answers to `xnor_product` of exercise 04."""


def masked(a, b, n):
    """Return the XOR of all pairs, padding bits 0."""
    differ = a[:, None, :] ^ b[None, :, :]
    if n % 8:
        differ[..., -1] &= 2 ** (n % 8) - 1
    return differ


def count(words):
    """Return the number of ones in the bytes of the last axis."""
    return np.bitwise_count(words).astype(int).sum(axis=-1)


def wrong_popcount_once(a, b, n):
    """Message: This is n - popcount"""
    return n - count(masked(a, b, n))


def wrong_popcount_only(a, b, n):
    """Message: These are the numbers of differences"""
    return count(masked(a, b, n))


def wrong_turned_round(a, b, n):
    """Message: The sums are wrong for two rows and three rows of 16 signs."""
    return 2 * count(masked(a, b, n)) - n


def wrong_unsigned(a, b, n):
    """Message: An unsigned number can't be negative"""
    return n - 2 * np.bitwise_count(masked(a, b, n)).sum(axis=2)


def wrong_unsigned_byte(a, b, n):
    """Message: An unsigned byte can't be negative"""
    return n - 2 * np.bitwise_count(masked(a, b, n)).sum(axis=2, dtype=np.uint8)


def wrong_transposed(a, b, n):
    """Message: Rows and columns are exchanged"""
    return n - 2 * count(masked(b, a, n))


def wrong_and(a, b, n):
    """Message: The sums are wrong for two rows and three rows of 16 signs."""
    return n - 2 * count(a[:, None, :] & b[None, :, :])


def wrong_or(a, b, n):
    """Message: The sums are wrong for two rows and three rows of 16 signs."""
    return n - 2 * count(a[:, None, :] | b[None, :, :])


def wrong_bytes_compared(a, b, n):
    """Message: The sums are wrong for two rows and three rows of 16 signs."""
    return n - 2 * (masked(a, b, n) != 0).sum(axis=2)


def wrong_first_byte(a, b, n):
    """Message: The sums are wrong for two rows and three rows of 16 signs."""
    return n - 2 * count(masked(a, b, n)[..., :1])


def wrong_not_added_up(a, b, n):
    """Message: The result has another shape than the docstring says."""
    return n - 2 * np.bitwise_count(masked(a, b, n)).astype(int)


def wrong_padding_counted(a, b, n):
    """Message: The padding bits were counted."""
    return n - 2 * count(a[:, None, :] ^ b[None, :, :])


def wrong_padding_counted_as_values(a, b, n):
    """Message: The sums are wrong for rows of 11 signs, whose last bytes have padding bits."""
    return 8 * a.shape[1] - 2 * count(a[:, None, :] ^ b[None, :, :])


def wrong_all_bits_are_values(a, b, n):
    """Message: The sums are wrong for rows of 11 signs, whose last bytes have padding bits."""
    return 8 * a.shape[1] - 2 * count(masked(a, b, n))


def wrong_last_byte_left_out(a, b, n):
    """Message: The sums are wrong for rows of 11 signs, whose last bytes have padding bits."""
    full = n // 8
    return n - 2 * count(masked(a, b, n)[..., :full])


def wrong_highest_bits(a, b, n):
    """Message: The sums are wrong for rows of 11 signs, whose last bytes have padding bits."""
    differ = a[:, None, :] ^ b[None, :, :]
    if n % 8:
        differ[..., -1] &= 256 - 2 ** (8 - n % 8)
    return n - 2 * count(differ)


def wrong_mask_too_wide(a, b, n):
    """Message: The sums are wrong for rows of 11 signs, whose last bytes have padding bits."""
    differ = a[:, None, :] ^ b[None, :, :]
    if n % 8:
        differ[..., -1] &= 2 ** (n % 8 + 1) - 1
    return n - 2 * count(differ)


def wrong_mask_too_narrow(a, b, n):
    """Message: The sums are wrong for rows of 11 signs, whose last bytes have padding bits."""
    differ = a[:, None, :] ^ b[None, :, :]
    if n % 8:
        differ[..., -1] &= 2 ** (n % 8 - 1) - 1
    return n - 2 * count(differ)


def wrong_mask_of_nothing(a, b, n):
    """Message: The sums are wrong for two rows and three rows of 16 signs."""
    differ = a[:, None, :] ^ b[None, :, :]
    differ[..., -1] &= 2 ** (n % 8) - 1
    return n - 2 * count(differ)


def wrong_matrix_product(a, b, n):
    """Message: What stands here is forbidden in this function. XOR the bytes and count bits."""
    u, v = (
        1 - 2 * np.unpackbits(x, axis=1, count=n, bitorder="little").astype(int) for x in (a, b)
    )
    return u @ v.T


def wrong_products_of_python_numbers(a, b, n):
    """Message: What stands here is forbidden in this function. XOR the bytes and count bits."""
    u, v = (
        (1 - 2 * np.unpackbits(x, axis=1, count=n, bitorder="little").astype(int)).tolist()
        for x in (a, b)
    )
    return [[sum(p * q for p, q in zip(x, y, strict=True)) for y in v] for x in u]


def wrong_products_of_elements(a, b, n):
    """Message: What stands here is forbidden in this function. XOR the bytes and count bits."""
    sums = np.zeros((len(a), len(b)), int)
    for k in range(n):
        u, v = (1 - 2 * (x[:, k // 8] >> k % 8 & 1).astype(int) for x in (a, b))
        for i in range(len(a)):
            for j in range(len(b)):
                sums[i, j] += u[i] * v[j]
    return sums


def wrong_products_of_tensors(a, b, n):
    """Message: What stands here is forbidden in this function. XOR the bytes and count bits."""
    u, v = (
        torch.tensor(1 - 2 * np.unpackbits(x, axis=1, count=n, bitorder="little").astype(int))
        for x in (a, b)
    )
    return (u[:, None] * 1 * v).sum(dim=2)


def wrong_batches_of_matrices(a, b, n):
    """Message: What stands here is forbidden in this function. XOR the bytes and count bits."""
    u, v = (
        torch.tensor(1 - 2 * np.unpackbits(x, axis=1, count=n, bitorder="little").astype(int))
        for x in (a, b)
    )
    zero = torch.zeros((len(a), len(b)), dtype=int)
    return torch.addbmm(zero, u[None], v.T[None])


def wrong_bytes_without_watch(a, b, n):
    """Message: What stands here is forbidden in this function. XOR the bytes and count bits."""
    u, v = (
        1
        - 2
        * np.unpackbits(
            np.frombuffer(x.tobytes(), np.uint8).reshape(x.shape),
            axis=1,
            count=n,
            bitorder="little",
        ).astype(int)
        for x in (a, b)
    )
    return np.vecdot(u[:, None], v)


def unpacked(a, b, n):
    """Return the signs of all rows, in lists: they are watched no longer."""
    bits = (np.unpackbits(x, axis=1, count=n, bitorder="little").astype(int) for x in (a, b))
    return [(1 - 2 * x).tolist() for x in bits]


def wrong_products_of_an_operator(a, b, n):
    """Message: What stands here is forbidden in this function. XOR the bytes and count bits."""
    from operator import imul as both

    u, v = unpacked(a, b, n)
    return [[sum(map(both, p, q)) for q in v] for p in u]


def wrong_products_of_polynomials(a, b, n):
    """Message: What stands here is forbidden in this function. XOR the bytes and count bits."""
    u, v = unpacked(a, b, n)
    return [[np.polymul(p, q[::-1])[n - 1] for q in v] for p in u]


def wrong_values_of_polynomials(a, b, n):
    """Message: What stands here is forbidden in this function. XOR the bytes and count bits."""
    u, v = unpacked(a, b, n)
    sides = [[[np.poly1d([s, 0])(t) for s, t in zip(p, q, strict=True)] for q in v] for p in u]
    return np.sum(sides, axis=2).astype(int)


def wrong_weighted_mean(a, b, n):
    """Message: What stands here is forbidden in this function. XOR the bytes and count bits."""
    u, v = unpacked(a, b, n)
    sides = [[q + 2 for q in row] for row in v]
    return [[round(np.average(p, weights=q) * sum(q)) - 2 * sum(p) for q in sides] for p in u]


def wrong_sums_of_another_module(a, b, n):
    """Message: What stands here is forbidden in this function. XOR the bytes and count bits."""
    from sklearn.metrics.pairwise import linear_kernel

    u, v = unpacked(a, b, n)
    return linear_kernel(u, v).astype(int)


def wrong_floats(a, b, n):
    """Message: The sums must be integers"""
    return n - 2.0 * count(masked(a, b, n))


def wrong_count_in_int8(a, b, n):
    """Message: Some sums are wrong where rows are equal or opposite."""
    return n - 2 * np.bitwise_count(masked(a, b, n)).sum(axis=2, dtype=np.int8).astype(int)


def wrong_in_place(a, b, n):
    """Message: The bytes were changed in place"""
    for x in (a, b):
        if n % 8:
            x[:, -1] &= 2 ** (n % 8) - 1
    return n - 2 * count(a[:, None, :] ^ b[None, :, :])


def right_table(a, b, n):
    """A table of the ones of all bytes, and padding shifted out."""
    table = np.array([f"{i:b}".count("1") for i in range(256)])
    differ = a[:, None, :] ^ b[None, :, :]
    last = table[(differ[..., -1].astype(int) << (-n % 8)) & 255]
    return n - 2 * (table[differ[..., :-1]].sum(axis=2) + last)


def right_bits(a, b, n):
    """One bit a value, without the padding."""
    u, v = (np.unpackbits(x, axis=1, bitorder="little")[:, :n] for x in (a, b))
    equal = (u[:, None, :] == v[None, :, :]).sum(axis=2)
    return 2 * equal - n


def right_python_integers(a, b, n):
    """Rows as large integers, XNOR and bit_count."""
    everything = (1 << n) - 1
    rows, columns = (
        [int.from_bytes(row.tobytes(), "little") & everything for row in x] for x in (a, b)
    )
    return [[2 * (~(u ^ v) & everything).bit_count() - n for v in columns] for u in rows]


def right_lists(a, b, n):
    """Python's numbers, bit by bit; a product with a number is none."""
    sums = [[0] * len(b) for _ in a]
    for i, p in enumerate(a.tolist()):
        for j, q in enumerate(b.tolist()):
            differences = [x ^ y for x, y in zip(p, q, strict=True)]
            for k in range(n):
                sums[i][j] += 1 - 2 * (differences[k // 8] >> k % 8 & 1)
    return sums


def right_modules_of_python(a, b, n):
    """Counts, with what Python's own modules have."""
    import functools
    import itertools

    keep = [255] * (n // 8) + [2 ** (n % 8) - 1]
    ones = functools.reduce(lambda table, _: table + [c + 1 for c in table], range(8), [0])
    sums = [
        sum(ones[(x ^ y) & m] for x, y, m in zip(p, q, keep, strict=False))
        for p, q in itertools.product(a.tolist(), b.tolist())
    ]
    return np.reshape([n - 2 * s for s in sums], (len(a), len(b)))
