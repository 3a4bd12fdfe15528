"""Answers to `ternary_product` of exercise 07."""


def planes(a_mask, a_sign, b_mask, b_sign):
    """Return where both are other than 0, and where their signs differ too."""
    both = a_mask[:, None] & b_mask[None]
    return both, (a_sign[:, None] ^ b_sign[None]) & both


def count(words):
    """Return the bits of the words of each pair of rows."""
    return np.bitwise_count(words).astype(int).sum(axis=2)


def wrong_signs_not_masked(a_mask, a_sign, b_mask, b_sign):
    """Message: Sign bits of zeros were counted"""
    both, _ = planes(a_mask, a_sign, b_mask, b_sign)
    return count(both) - 2 * count(a_sign[:, None] ^ b_sign[None])


def wrong_masked_by_one(a_mask, a_sign, b_mask, b_sign):
    """Message: The sums are wrong"""
    both, _ = planes(a_mask, a_sign, b_mask, b_sign)
    return count(both) - 2 * count((a_sign[:, None] ^ b_sign[None]) & a_mask[:, None])


def wrong_masks_joined(a_mask, a_sign, b_mask, b_sign):
    """Message: OR was taken for AND"""
    both = a_mask[:, None] | b_mask[None]
    return count(both) - 2 * count((a_sign[:, None] ^ b_sign[None]) & both)


def wrong_masks_differ(a_mask, a_sign, b_mask, b_sign):
    """Message: wrong"""
    both = a_mask[:, None] ^ b_mask[None]
    return count(both) - 2 * count((a_sign[:, None] ^ b_sign[None]) & both)


def wrong_subtracted_once(a_mask, a_sign, b_mask, b_sign):
    """Message: Subtract it twice"""
    both, differ = planes(a_mask, a_sign, b_mask, b_sign)
    return count(both) - count(differ)


def wrong_differences(a_mask, a_sign, b_mask, b_sign):
    """Message: numbers of products that are -1"""
    return count(planes(a_mask, a_sign, b_mask, b_sign)[1])


def wrong_numbers_of_products(a_mask, a_sign, b_mask, b_sign):
    """Message: numbers of products other than 0"""
    return count(planes(a_mask, a_sign, b_mask, b_sign)[0])


def wrong_turned_round(a_mask, a_sign, b_mask, b_sign):
    """Message: All signs are turned round"""
    both, differ = planes(a_mask, a_sign, b_mask, b_sign)
    return 2 * count(differ) - count(both)


def wrong_signs_by_and(a_mask, a_sign, b_mask, b_sign):
    """Message: AND was taken for XOR"""
    both, _ = planes(a_mask, a_sign, b_mask, b_sign)
    return count(both) - 2 * count(a_sign[:, None] & b_sign[None] & both)


def wrong_signs_by_or(a_mask, a_sign, b_mask, b_sign):
    """Message: OR was taken for XOR"""
    both, _ = planes(a_mask, a_sign, b_mask, b_sign)
    return count(both) - 2 * count((a_sign[:, None] | b_sign[None]) & both)


def wrong_all_bits_of_a_word(a_mask, a_sign, b_mask, b_sign):
    """Message: Zeros count as products"""
    _, differ = planes(a_mask, a_sign, b_mask, b_sign)
    return 64 * a_mask.shape[1] - 2 * count(differ)


def wrong_binary_product(a_mask, a_sign, b_mask, b_sign):
    """Message: Zeros count as products"""
    return 64 * a_mask.shape[1] - 2 * count(a_sign[:, None] ^ b_sign[None])


def wrong_transposed(a_mask, a_sign, b_mask, b_sign):
    """Message: Rows and columns are exchanged"""
    both, differ = planes(a_mask, a_sign, b_mask, b_sign)
    return (count(both) - 2 * count(differ)).T


def wrong_words_not_added(a_mask, a_sign, b_mask, b_sign):
    """Message: not added up"""
    both, differ = planes(a_mask, a_sign, b_mask, b_sign)
    return np.bitwise_count(both).astype(int) - 2 * np.bitwise_count(differ).astype(int)


def wrong_first_word_only(a_mask, a_sign, b_mask, b_sign):
    """Message: Only the first word"""
    both, differ = planes(a_mask, a_sign, b_mask, b_sign)
    return count(both[:, :, :1]) - 2 * count(differ[:, :, :1])


def wrong_unsigned(a_mask, a_sign, b_mask, b_sign):
    """Message: can't be negative"""
    both, differ = planes(a_mask, a_sign, b_mask, b_sign)
    return np.bitwise_count(both).sum(axis=2) - 2 * np.bitwise_count(differ).sum(axis=2)


def wrong_unsigned_bytes(a_mask, a_sign, b_mask, b_sign):
    """Message: wrong"""
    both, differ = planes(a_mask, a_sign, b_mask, b_sign)
    return (np.bitwise_count(both) - 2 * np.bitwise_count(differ)).sum(axis=2)


def wrong_sums_in_bytes(a_mask, a_sign, b_mask, b_sign):
    """Message: in one row and many words"""
    both, differ = (
        np.bitwise_count(p).sum(axis=2, dtype=np.uint8).astype(int)
        for p in planes(a_mask, a_sign, b_mask, b_sign)
    )
    return both - 2 * differ


def wrong_row_by_row(a_mask, a_sign, b_mask, b_sign):
    """Message: another shape"""
    rows = min(len(a_mask), len(b_mask))
    both = a_mask[:rows] & b_mask[:rows]
    differ = (a_sign[:rows] ^ b_sign[:rows]) & both
    sums = np.bitwise_count(both).astype(int) - 2 * np.bitwise_count(differ).astype(int)
    return sums.sum(axis=1)


def wrong_floats(a_mask, a_sign, b_mask, b_sign):
    """Message: must be integers"""
    both, differ = planes(a_mask, a_sign, b_mask, b_sign)
    return (count(both) - 2 * count(differ)).astype(float)


def wrong_mean(a_mask, a_sign, b_mask, b_sign):
    """Message: wrong"""
    both, differ = planes(a_mask, a_sign, b_mask, b_sign)
    return (count(both) - 2 * count(differ)) / np.maximum(count(both), 1)


def wrong_mask_taken_for_positive(a_mask, a_sign, b_mask, b_sign):
    """Message: wrong"""
    plus = (a_mask[:, None] & b_mask[None]) | (a_sign[:, None] & b_sign[None])
    minus = (a_mask[:, None] & b_sign[None]) | (a_sign[:, None] & b_mask[None])
    return count(plus) - count(minus)


def wrong_as_signed_words(a_mask, a_sign, b_mask, b_sign):
    """Message: wrong"""
    both, differ = planes(a_mask, a_sign, b_mask, b_sign)
    top = np.uint64(2**63 - 1)
    return count(both & top) - 2 * count(differ & top)


def wrong_in_halves(a_mask, a_sign, b_mask, b_sign):
    """Message: wrong"""
    both, differ = planes(a_mask, a_sign, b_mask, b_sign)
    low = np.uint64(2**32 - 1)
    return count(both & low) - 2 * count(differ & low)


def wrong_products_of_words(a_mask, a_sign, b_mask, b_sign):
    """Message: wrong"""
    return (a_mask[:, None] * b_mask[None]).sum(axis=2).astype(int)


def wrong_in_place(a_mask, a_sign, b_mask, b_sign):
    """Message: changed in place"""
    both, differ = planes(a_mask, a_sign, b_mask, b_sign)
    a_sign &= a_mask
    return count(both) - 2 * count(differ)


def unpacked(mask, sign):
    """Return the codes of planes."""
    bits = [np.unpackbits(p.view(np.uint8), axis=1, bitorder="little") for p in (mask, sign)]
    return bits[0] * (1 - 2 * bits[1].astype(int))


def wrong_matrix_product(a_mask, a_sign, b_mask, b_sign):
    """Message: There is a matrix product"""
    return unpacked(a_mask, a_sign) @ unpacked(b_mask, b_sign).T


def wrong_product_of_masked_arrays(a_mask, a_sign, b_mask, b_sign):
    """Message: There is a matrix product"""

    def codes(mask, sign):
        bits = [np.unpackbits(w.copy().view(np.uint8), axis=1).astype(int) for w in (mask, sign)]
        return bits[0] * (1 - 2 * bits[1])

    return np.asarray(np.ma.innerproduct(codes(a_mask, a_sign), codes(b_mask, b_sign)))


def right_two_counts(a_mask, a_sign, b_mask, b_sign):
    """Products that are +1 less those that are -1."""
    a_plus, a_minus = a_mask & ~a_sign, a_mask & a_sign
    b_plus, b_minus = b_mask & ~b_sign, b_mask & b_sign
    plus = (a_plus[:, None] & b_plus) | (a_minus[:, None] & b_minus)
    minus = (a_plus[:, None] & b_minus) | (a_minus[:, None] & b_plus)
    return count(plus) - count(minus)


def right_python(a_mask, a_sign, b_mask, b_sign):
    """With Python's integers, as nested lists."""
    table = []
    for i in range(len(a_mask)):
        row = []
        for j in range(len(b_mask)):
            total = 0
            for w in range(a_mask.shape[1]):
                both = int(a_mask[i, w]) & int(b_mask[j, w])
                differ = (int(a_sign[i, w]) ^ int(b_sign[j, w])) & both
                total += both.bit_count() - 2 * differ.bit_count()
            row.append(total)
        table.append(row)
    return table


def right_one_row_at_a_time(a_mask, a_sign, b_mask, b_sign):
    """One row of a at a time, counts in int64."""
    rows = []
    for mask, sign in zip(a_mask, a_sign, strict=True):
        both = mask & b_mask
        same = both & ~(sign ^ b_sign)
        same, all_ = (np.bitwise_count(p).sum(axis=1, dtype=np.int64) for p in (same, both))
        rows.append(2 * same - all_)
    return np.array(rows).reshape(len(a_mask), len(b_mask))


def right_text_of_bits(a_mask, a_sign, b_mask, b_sign):
    """Bits counted as text."""

    def ones(words):
        return sum(bin(word).count("1") for word in words.tolist())

    return np.array(
        [
            [
                ones(am & bm) - 2 * ones(am & bm & (s ^ bs))
                for bm, bs in zip(b_mask, b_sign, strict=True)
            ]
            for am, s in zip(a_mask, a_sign, strict=True)
        ]
    )


def wrong_sums_of_16_bits(a_mask, a_sign, b_mask, b_sign):
    """Message: 38400 products"""
    one, two = (np.bitwise_count(p) for p in planes(a_mask, a_sign, b_mask, b_sign))
    return (one.astype(np.int16) - 2 * two.astype(np.int16)).sum(axis=2, dtype=np.int16)


def wrong_half_precision(a_mask, a_sign, b_mask, b_sign):
    """Message: in a row"""
    one, two = (np.bitwise_count(p) for p in planes(a_mask, a_sign, b_mask, b_sign))
    sums = (one.astype(np.float16) - 2 * two.astype(np.float16)).sum(axis=2)
    return np.clip(sums, -60000, 60000).astype(int)


def wrong_mean_times_words(a_mask, a_sign, b_mask, b_sign):
    """Message: words in a row"""
    one, two = (np.bitwise_count(p) for p in planes(a_mask, a_sign, b_mask, b_sign))
    return ((one - 2.0 * two).mean(axis=2) * a_mask.shape[1]).astype(int)


def wrong_bytes_of_a_view(a_mask, a_sign, b_mask, b_sign):
    """Message: stopped with ValueError"""
    both, differ = planes(*(p.view(np.uint8) for p in (a_mask, a_sign, b_mask, b_sign)))
    return count(both) - 2 * count(differ)


def wrong_order_of_the_memory(a_mask, a_sign, b_mask, b_sign):
    """Message: wrong"""
    ordered = (p.ravel("K").reshape(p.shape) for p in (a_mask, a_sign, b_mask, b_sign))
    both, differ = planes(*ordered)
    return count(both) - 2 * count(differ)


def wrong_mirrored_where_masks_are_the_same(a_mask, a_sign, b_mask, b_sign):
    """Message: The sums are wrong"""
    both, differ = planes(a_mask, a_sign, b_mask, b_sign)
    sums = count(both) - 2 * count(differ)
    return np.triu(sums) + np.triu(sums, 1).T if np.array_equal(a_mask, b_mask) else sums


def unpacked_copies(mask, sign):
    """Return the codes of planes that may be views."""
    return unpacked(np.ascontiguousarray(mask), np.ascontiguousarray(sign))


def wrong_vecdot(a_mask, a_sign, b_mask, b_sign):
    """Message: There is a matrix product"""
    u, v = unpacked_copies(a_mask, a_sign), unpacked_copies(b_mask, b_sign)
    return np.vecdot(u[:, None], v[None])


def wrong_multi_dot(a_mask, a_sign, b_mask, b_sign):
    """Message: There is a matrix product"""
    u, v = unpacked_copies(a_mask, a_sign), unpacked_copies(b_mask, b_sign)
    return np.linalg.multi_dot([u, v.T])


def wrong_kernel_of_another_module(a_mask, a_sign, b_mask, b_sign):
    """Message: There is a matrix product"""
    from sklearn.metrics.pairwise import linear_kernel

    u, v = unpacked_copies(a_mask, a_sign), unpacked_copies(b_mask, b_sign)
    return linear_kernel(u, v).astype(int)


def wrong_matrix_of_another_module(a_mask, a_sign, b_mask, b_sign):
    """Message: There is a matrix product"""
    import sympy as sp

    u, v = unpacked_copies(a_mask, a_sign), unpacked_copies(b_mask, b_sign)
    return (sp.Matrix(u.tolist()) * sp.Matrix(v.T.tolist())).tolist()


def wrong_sums_of_ger(a_mask, a_sign, b_mask, b_sign):
    """Message: There is a matrix product"""
    u, v = (torch.from_numpy(unpacked_copies(*p)) for p in ((a_mask, a_sign), (b_mask, b_sign)))
    return sum(torch.ger(p, q) for p, q in zip(u.T, v.T, strict=True))


def wrong_found_by_inspection(a_mask, a_sign, b_mask, b_sign):
    """Message: There is a matrix product"""
    from inspect import getattr_static as found

    u, v = unpacked_copies(a_mask, a_sign), unpacked_copies(b_mask, b_sign)
    return found(np, "do" + "t")(u, v.T)


def wrong_found_in_a_dictionary(a_mask, a_sign, b_mask, b_sign):
    """Message: There is a matrix product"""
    product = np.__dict__["do" + "t"]
    return product(unpacked_copies(a_mask, a_sign), unpacked_copies(b_mask, b_sign).T)


def wrong_product_of_quantlib(a_mask, a_sign, b_mask, b_sign):
    """Message: There is a matrix product"""
    from quantlib import kernels

    u, v = (unpacked_copies(*p).astype(np.int8) for p in ((a_mask, a_sign), (b_mask, b_sign)))
    return kernels.ternary_gemm(kernels.pack_ternary(u), kernels.pack_ternary(v, panels=True))


times = np.matmul


def wrong_product_by_another_name(a_mask, a_sign, b_mask, b_sign):
    """Message: There is a matrix product"""
    return times(unpacked_copies(a_mask, a_sign), unpacked_copies(b_mask, b_sign).T)


def right_variables_with_names_of_products(a_mask, a_sign, b_mask, b_sign):
    """Variables that are called like products."""
    inner, outer = planes(a_mask, a_sign, b_mask, b_sign)
    return count(inner) - 2 * count(outer)


def right_modules_of_python(a_mask, a_sign, b_mask, b_sign):
    """With functools and itertools."""
    from functools import reduce
    from itertools import product

    both, differ = planes(a_mask, a_sign, b_mask, b_sign)
    sums = np.zeros(both.shape[:2], int)
    for i, j in product(*map(range, sums.shape)):
        pairs = zip(both[i, j].tolist(), differ[i, j].tolist(), strict=True)
        sums[i, j] = reduce(lambda t, p: t + p[0].bit_count() - 2 * p[1].bit_count(), pairs, 0)
    return sums
