"""Answers to `pack_trits` of exercise 07."""

POWERS = 3 ** np.arange(5)


def groups(codes, fill=0):
    """Return the codes in fives, what is missing filled up."""
    rows, n = codes.shape
    filled = np.full((rows, -(-n // 5) * 5), fill, dtype=int)
    filled[:, :n] = codes
    return filled.reshape(rows, -1, 5)


def packed(digits, powers=POWERS):
    """Return the bytes of digits 0, 1 and 2."""
    return (digits * powers).sum(axis=2).astype(np.uint8)


def wrong_first_counts_most(codes):
    """Message: The first code of a byte counts 1"""
    return packed(groups(codes) + 1, POWERS[::-1])


def wrong_digits_not_shifted(codes):
    """Message: The codes -1, 0, 1 are the digits 0, 1, 2"""
    return packed(groups(codes))


def wrong_digits_by_magnitude(codes):
    """Message: The codes -1, 0, 1 are the digits 0, 1, 2"""
    return packed(groups(codes) % 3)


def wrong_digits_turned_round(codes):
    """Message: turned round"""
    return packed(1 - groups(codes))


def wrong_digits_from_one(codes):
    """Message: The bytes are wrong"""
    return packed(groups(codes) + 2)


def wrong_filled_with_minus_one(codes):
    """Message: filled up with the code -1"""
    return packed(groups(codes, -1) + 1)


def wrong_filled_with_plus_one(codes):
    """Message: The bytes are wrong"""
    return packed(groups(codes, 1) + 1)


def wrong_filled_in_front(codes):
    """Message: stands in front"""
    missing = -codes.shape[1] % 5
    padded = np.pad(codes, ((0, 0), (missing, 0)))
    return packed(groups(padded) + 1)


def wrong_last_byte_lost(codes):
    """Message: last codes of a row were lost"""
    n = codes.shape[1] // 5 * 5
    return packed(groups(codes[:, :n]) + 1)


def wrong_one_byte_too_many(codes):
    """Message: no byte more"""
    n = (codes.shape[1] // 5 + 1) * 5
    return packed(groups(np.pad(codes, ((0, 0), (0, n - codes.shape[1])))) + 1)


def wrong_rows_run_together(codes):
    """Message: Each row has bytes of its own"""
    return packed(groups(codes.reshape(1, -1)) + 1)


def wrong_rows_run_together_flat(codes):
    """Message: Each row has bytes of its own"""
    return packed(groups(codes.reshape(1, -1)) + 1)[0]


def wrong_one_row(codes):
    """Message: have become one row"""
    return packed(groups(codes) + 1).ravel()


def wrong_columns(codes):
    """Message: Columns were packed"""
    return packed(groups(codes.T) + 1)


def wrong_four_to_a_byte(codes):
    """Message: Two bits were taken for each code"""
    rows, n = codes.shape
    filled = np.zeros((rows, -(-n // 4) * 4), dtype=int)
    filled[:, :n] = codes
    return ((filled.reshape(rows, -1, 4) + 1) * 4 ** np.arange(4)).sum(axis=2).astype(np.uint8)


def wrong_powers_of_two(codes):
    """Message: Powers of 2 were taken"""
    return packed(groups(codes) + 1, 2 ** np.arange(5))


def wrong_powers_of_four(codes):
    """Message: The bytes are wrong"""
    return packed(groups(codes) + 1, 4 ** np.arange(5))


def wrong_powers_from_three(codes):
    """Message: The bytes are wrong"""
    return packed(groups(codes) + 1, 3 * POWERS)


def wrong_bytes_in_reverse(codes):
    """Message: in reverse order"""
    return packed(groups(codes) + 1)[:, ::-1]


def wrong_integers(codes):
    """Message: dtype uint8"""
    return (groups(codes) + 1) @ POWERS


def wrong_signed_bytes(codes):
    """Message: wrong"""
    return packed(groups(codes) + 1).astype(np.int8)


def wrong_unpacked(codes):
    """Message: Each code has a byte of its own"""
    return (codes + 1).astype(np.uint8)


def wrong_call_for_each_byte(codes):
    """Message: The function stopped with an error"""

    def bytes_of(row):
        return [packed(groups(row[None, :5]) + 1)[0, 0], *bytes_of(row[5:])] if len(row) else []

    return np.array([bytes_of(row) for row in codes], np.uint8)


def right_in_the_codes_type(codes):
    """In the dtype of the codes: what runs over is right again in a byte."""
    rows, n = codes.shape
    digits = np.ones((rows, -(-n // 5) * 5), codes.dtype)
    digits[:, :n] = codes + 1
    digits = digits.reshape(rows, -1, 5)
    return (digits @ POWERS.astype(codes.dtype)).astype(np.uint8)


def wrong_in_place(codes):
    """Message: changed in place"""
    result = packed(groups(codes) + 1)
    codes += 1
    return result


def wrong_four_trits(codes):
    """Message: The bytes are wrong"""
    rows, n = codes.shape
    filled = np.zeros((rows, -(-n // 4) * 4), dtype=int)
    filled[:, :n] = codes
    return ((filled.reshape(rows, -1, 4) + 1) @ POWERS[:4]).astype(np.uint8)


def wrong_only_multiples(codes):
    """Message: ValueError"""
    rows, _ = codes.shape
    return ((codes.reshape(rows, -1, 5) + 1) @ POWERS).astype(np.uint8)


def wrong_every_fifth(codes):
    """Message: The bytes are wrong"""
    rows, n = codes.shape
    size = -(-n // 5)
    filled = np.zeros((rows, 5 * size), dtype=int)
    filled[:, :n] = codes
    return ((filled.reshape(rows, 5, size).transpose(0, 2, 1) + 1) @ POWERS).astype(np.uint8)


def right_horner(codes):
    """By Horner's rule from the last code to the first."""
    rows, n = codes.shape
    out = np.zeros((rows, (n + 4) // 5), np.uint8)
    for row in range(rows):
        for byte in range(out.shape[1]):
            value = 0
            for i in reversed(range(5)):
                place = 5 * byte + i
                value = 3 * value + (int(codes[row, place]) + 1 if place < n else 1)
            out[row, byte] = value
    return out


def right_text(codes):
    """By text of digits to base 3."""
    rows = []
    for row in codes.tolist():
        text = "".join("012"[c + 1] for c in row)
        text += "1" * (-len(text) % 5)
        rows.append([int(text[i : i + 5][::-1], 3) for i in range(0, len(text), 5)])
    return np.array(rows, dtype="uint8")


def right_with_pad(codes):
    """With np.pad and a matrix product."""
    wide = np.pad(codes.astype(np.int64), ((0, 0), (0, -codes.shape[1] % 5)))
    return ((wide.reshape(len(wide), -1, 5) + 1) @ np.array([1, 3, 9, 27, 81])).astype(np.uint8)


def right_strided(codes):
    """Each place of the five by itself, around the byte 121 of five zeros."""
    rows, n = codes.shape
    total = np.full((rows, (n + 4) // 5), 121)
    for i in range(5):
        part = codes[:, i::5].astype(int)
        total[:, : part.shape[1]] += 3**i * part
    return np.uint8(total)


def right_torch(codes):
    """With torch."""
    wide = functional.pad(torch.tensor(codes.copy()).long(), (0, -codes.shape[1] % 5))
    powers = torch.tensor([1, 3, 9, 27, 81])
    return ((wide + 1).unflatten(1, (-1, 5)) * powers).sum(-1).to(torch.uint8).numpy()


def wrong_no_backward_views(codes):
    """Message: stopped with ValueError"""
    wide = functional.pad(torch.from_numpy(codes).long(), (0, -codes.shape[1] % 5))
    return packed(wide.numpy().reshape(len(codes), -1, 5) + 1)


def wrong_order_of_the_memory(codes):
    """Message: wrong"""
    if codes.shape[1] % 5:
        return packed(groups(codes) + 1)
    digits = codes.astype(int) + 1  # its order in memory is that of the codes
    return packed(digits.ravel("K").reshape(len(codes), -1, 5))
