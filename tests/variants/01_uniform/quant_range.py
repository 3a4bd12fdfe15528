"""Answers to `quant_range` of exercise 01."""


def wrong_two_to_the_b(bit_width, signed=True, narrow_range=False):
    """Message: they start at 0: the last one is one less"""
    if not signed:
        return 0, 2**bit_width
    return -(2 ** (bit_width - 1)) + bool(narrow_range), 2 ** (bit_width - 1) - 1


def wrong_signed_for_unsigned(bit_width, signed=True, narrow_range=False):
    """Message: With signed=False the codes start at 0"""
    return -(2 ** (bit_width - 1)) + bool(narrow_range), 2 ** (bit_width - 1) - 1


def wrong_unsigned_for_signed(bit_width, signed=True, narrow_range=False):
    """Message: By default codes are signed"""
    return 0, 2**bit_width - 1


def wrong_symmetric_signed(bit_width, signed=True, narrow_range=False):
    """Message: The top is one less"""
    half = 2 ** (bit_width - 1)
    return (-half, half) if signed else (0, 2**bit_width - 1)


def wrong_sign_costs_no_bit(bit_width, signed=True, narrow_range=False):
    """Message: A sign takes one of the bits"""
    highest = 2**bit_width - 1
    return (-highest - 1 + bool(narrow_range), highest) if signed else (0, highest)


def wrong_narrow_ignored(bit_width, signed=True, narrow_range=False):
    """Message: narrow_range=True changed nothing"""
    if signed:
        return -(2 ** (bit_width - 1)), 2 ** (bit_width - 1) - 1
    return 0, 2**bit_width - 1


def wrong_narrow_at_the_top(bit_width, signed=True, narrow_range=False):
    """Message: leaves out the lowest code, not the highest"""
    if signed:
        return -(2 ** (bit_width - 1)), 2 ** (bit_width - 1) - 1 - bool(narrow_range)
    return 0, 2**bit_width - 1


def wrong_always_narrow(bit_width, signed=True, narrow_range=False):
    """Message: By default no code is left out"""
    highest = 2 ** (bit_width - 1) - 1
    return (-highest, highest) if signed else (0, 2**bit_width - 1)


def wrong_caret(bit_width, signed=True, narrow_range=False):
    """Message: exclusive or"""
    if not signed:
        return 0, 2 ^ bit_width - 1
    return -(2 ^ bit_width - 1) + bool(narrow_range), 2 ^ bit_width - 1 - 1


def wrong_caret_with_brackets(bit_width, signed=True, narrow_range=False):
    """Message: exclusive or"""
    if not signed:
        return 0, (2 ^ bit_width) - 1
    return -(2 ^ (bit_width - 1)) + bool(narrow_range), (2 ^ (bit_width - 1)) - 1


def wrong_order(bit_width, signed=True, narrow_range=False):
    """Message: lowest code first"""
    if not signed:
        return 2**bit_width - 1, 0
    return 2 ** (bit_width - 1) - 1, -(2 ** (bit_width - 1)) + bool(narrow_range)


def wrong_only_four_bits(bit_width, signed=True, narrow_range=False):
    """Message: for another bit width"""
    if not signed:
        return 0, 15
    return (-7, 7) if narrow_range else (-8, 7)


def wrong_printed(bit_width, signed=True, narrow_range=False):
    """Message: returned nothing"""
    highest = 2 ** (bit_width - signed) - 1
    print((-highest - 1 + narrow_range, highest) if signed else (0, highest))


def right_shifts(bit_width, signed=True, narrow_range=False):
    """Powers of two as shifts, booleans as numbers."""
    lowest = -(1 << (bit_width - 1)) if signed else 0
    highest = lowest + (1 << bit_width) - 1
    return lowest + narrow_range, highest


def right_cases(bit_width, signed=True, narrow_range=False):
    """One return for each row of the table; floats that are whole numbers."""
    if signed and narrow_range:
        return 1 - 2.0 ** (bit_width - 1), 2.0 ** (bit_width - 1) - 1
    if signed:
        return -(2.0 ** (bit_width - 1)), 2.0 ** (bit_width - 1) - 1
    return 0, 2.0**bit_width - 1


def right_counted(bit_width, signed=True, narrow_range=False):
    """A list of all codes, then its ends."""
    codes = np.arange(2**bit_width)
    if signed:
        codes = codes - 2**bit_width // 2
    if narrow_range:
        codes = codes[1:]
    return codes[0], codes[-1]
