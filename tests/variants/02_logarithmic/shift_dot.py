"""Answers to `shift_dot` of exercise 02."""

import inspect


def add_up(a, signs, shifts):
    """Return the sum of the shifted values with the signs of the weights."""
    total = 0
    for value, sign, shift in zip(a.tolist(), signs.tolist(), shifts, strict=True):
        term = value << shift if shift >= 0 else value >> -shift
        total += term if sign > 0 else -term if sign < 0 else 0
    return total


def wrong_multiplication(a, signs, exponents):
    """Message: There is a multiplication, a division, a power or one of the names of the list"""
    exponent = int(exponents.min())
    return sum(
        int(v) * int(s) << int(k) - exponent for v, s, k in zip(a, signs, exponents, strict=True)
    ), exponent


def wrong_power(a, signs, exponents):
    """Message: There is a multiplication, a division, a power or one of the names of the list"""
    exponent = int(exponents.min())
    return int(np.dot(a.astype(np.int64), signs << (exponents - exponent))), exponent


def wrong_only_the_sum(a, signs, exponents):
    """Message: Return two things"""
    smallest = int(exponents.min())
    return add_up(a, signs, [k - smallest for k in exponents.tolist()])


def wrong_floating_point(a, signs, exponents):
    """Message: The sum and the exponent must be integers"""
    exponent = int(exponents.min())
    total = add_up(a, signs, [k - exponent for k in exponents.tolist()])
    return float(total), exponent


def wrong_correlate(a, signs, exponents):
    """Message: one of the names of the list"""
    exponent = int(exponents.min())
    return int(np.correlate(a.astype(np.int64) << (exponents - exponent), signs)[0]), exponent


def wrong_product_by_another_name(a, signs, exponents):
    """Message: There is a multiplication"""
    exponent = int(exponents.min())
    by = dict(inspect.getmembers(np))["mult" + "iply"]
    return int(by(a.astype(np.int64) << (exponents - exponent), signs).sum()), exponent


def wrong_through_float64(a, signs, exponents):
    """Message: The dot product is not exact"""
    exponent = int(exponents.min())
    total = 0.0
    for value, sign, k in zip(a.tolist(), signs.tolist(), exponents.tolist(), strict=True):
        shifted = float(value << (k - exponent))
        total = total + shifted if sign > 0 else total - shifted if sign < 0 else total
    return int(total), exponent


def wrong_32_bits(a, signs, exponents):
    """Message: The dot product is not exact"""
    exponent = int(exponents.min())
    shifted = a.astype(np.int32) << (exponents - exponent).astype(np.int32)
    return int(shifted[signs > 0].sum()) - int(shifted[signs < 0].sum()), exponent


def wrong_no_signs(a, signs, exponents):
    """Message: The signs of the weights are missing"""
    exponent = int(exponents.min())
    return add_up(a, np.abs(signs), [k - exponent for k in exponents.tolist()]), exponent


def wrong_right_shift_of_negatives(a, signs, exponents):
    """Message: A shift to the right dropped bits."""
    total = 0
    for value, sign, k in zip(a.tolist(), signs.tolist(), exponents.tolist(), strict=True):
        value = -value if sign < 0 else value if sign > 0 else 0
        total += value << k if k >= 0 else value >> -k
    return total, 0


def wrong_right_shift_before_the_sign(a, signs, exponents):
    """Message: total * 2**exponent is wrong for the worked value."""
    return add_up(a, signs, exponents.tolist()), 0


def wrong_exponent_forgotten(a, signs, exponents):
    """Message: The sum is right, but its exponent is not"""
    smallest = int(exponents.min())
    return add_up(a, signs, [k - smallest for k in exponents.tolist()]), 0


def wrong_sign_of_the_exponent(a, signs, exponents):
    """Message: total * 2**exponent is wrong for the worked value."""
    smallest = int(exponents.min())
    return add_up(a, signs, [k - smallest for k in exponents.tolist()]), -smallest


def wrong_exponents_without_sign(a, signs, exponents):
    """Message: The exponents lost their signs"""
    return add_up(a, signs, np.abs(exponents).tolist()), 0


def wrong_values_without_sign(a, signs, exponents):
    """Message: total * 2**exponent is wrong for the worked value."""
    exponent = int(exponents.min())
    return add_up(np.abs(a), signs, [k - exponent for k in exponents.tolist()]), exponent


def wrong_way_of_shifting(a, signs, exponents):
    """Message: total * 2**exponent is wrong for the worked value."""
    largest = int(exponents.max())
    return add_up(a, signs, [largest - k for k in exponents.tolist()]), int(exponents.min())


def wrong_zero_weight_added(a, signs, exponents):
    """Message: A weight with the sign 0 is zero: it must add nothing"""
    exponent = int(exponents.min())
    return add_up(
        a, np.where(signs < 0, -1, 1), [k - exponent for k in exponents.tolist()]
    ), exponent


def wrong_zero_weight_subtracted(a, signs, exponents):
    """Message: A weight with the sign 0 was subtracted"""
    exponent = int(exponents.min())
    return add_up(
        a, np.where(signs > 0, 1, -1), [k - exponent for k in exponents.tolist()]
    ), exponent


def wrong_8_bits(a, signs, exponents):
    """Message: A shifted value did not fit into 8 bits"""
    exponent = int(exponents.min())
    total = 0
    for value, sign, k in zip(a, signs, exponents.tolist(), strict=True):
        shifted = int(value << (k - exponent))
        total += shifted if sign > 0 else -shifted if sign < 0 else 0
    return total, exponent


def right_arrays(a, signs, exponents):
    """Without a loop."""
    exponent = exponents.min()
    shifted = a.astype(np.int64) << (exponents - exponent)
    return shifted[signs > 0].sum() - shifted[signs < 0].sum(), exponent


def right_bit_by_bit(a, signs, exponents):
    """From the largest exponent down, doubling the sum on the way."""
    total, k = 0, int(exponents.max())
    smallest = int(exponents.min())
    while True:
        total += sum(int(v) for v in a[(exponents == k) & (signs == 1)])
        total -= sum(int(v) for v in a[(exponents == k) & (signs == -1)])
        if k == smallest:
            return total, k
        total <<= 1
        k -= 1


def right_zero_weights_left_out(a, signs, exponents):
    """The smallest exponent of the weights that are not zero."""
    used = [(int(v), int(s), int(k)) for v, s, k in zip(a, signs, exponents, strict=True) if s != 0]
    exponent = min((k for _, _, k in used), default=0)
    terms = [v << k - exponent if s == 1 else -(v << k - exponent) for v, s, k in used]
    return sum(terms), exponent


def right_own_names(a, signs, exponents):
    """Variables that are called as what is forbidden."""
    inner = exponents.min()
    outer = a.astype(np.int64) << (exponents - inner)
    dot = outer.sum(where=signs > 0)
    power = outer.sum(where=signs < 0)
    return [int(dot - power), int(inner)]


def right_other_pair(a, signs, exponents):
    """Another pair of integers that stands for the same number."""
    smallest = int(exponents.min()) - 1
    return add_up(a, signs, [k - smallest for k in exponents.tolist()]), smallest


def wrong_products_along_a_stack(a, signs, exponents):
    """Message: one of the names of the list"""
    exponent = int(exponents.min())
    shifted = a.astype(np.int64) << (exponents - exponent)
    return int(np.nanprod(np.stack([shifted, signs]), axis=0).sum()), exponent


def wrong_fused_products_of_decimals(a, signs, exponents):
    """Message: one of the names of the list"""
    import decimal

    exponent, total = int(exponents.min()), decimal.Decimal(0)
    shifted = a.astype(np.int64) << (exponents - exponent)
    for value, sign in zip(shifted.tolist(), signs.tolist(), strict=True):
        total = decimal.Decimal(value).fma(sign, total)
    return int(total), exponent


def wrong_on_a_line_through_the_weight(a, signs, exponents):
    """Message: one of the names of the list"""
    exponent = int(exponents.min())
    pairs = zip(a.tolist(), signs.tolist(), (exponents - exponent).tolist(), strict=True)
    found = [int(np.interp(v, [-128, 128], [-s << k + 7, s << k + 7])) for v, s, k in pairs]
    return sum(found), exponent
