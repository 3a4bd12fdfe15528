"""Answers to `to_integers` of exercise 10."""


def multiplier_of(factor):
    """Multiplier and shift of one factor."""
    n = 30 - math.floor(math.log2(factor))
    m = round(math.ldexp(factor, n))
    if m < 2**30:
        n += 1
        m = round(math.ldexp(factor, n))
    if m >= 2**31:
        m, n = (2**30, n - 1) if m == 2**31 else (round(math.ldexp(factor, n - 1)), n - 1)
    return m, n


def layer_with(weight, bias, step_in, weight_steps, step_out, bit_width):
    """The layer as it must be."""
    top = 2 ** (bit_width - 1) - 1
    codes = np.clip(np.round(weight / weight_steps[:, None]), -top, top)
    pairs = [multiplier_of(f) for f in (step_in * weight_steps / step_out).tolist()]
    m, n = np.array(pairs, dtype=np.int64).T
    return {
        "weight": codes.astype(np.int8),
        "bias": np.round(bias / step_in / weight_steps).astype(np.int32),
        "multiplier": m,
        "shift": n,
    }


def wrong_not_clamped(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: The codes are clamped to -Q to Q"""
    codes = np.round(weight / weight_steps[:, None]).astype(int)
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "weight": codes}


def wrong_lowest_code_kept(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: The codes of the weights are wrong"""
    top = 2 ** (bit_width - 1)
    codes = np.clip(np.round(weight / weight_steps[:, None]), -top, top - 1).astype(np.int8)
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "weight": codes}


def wrong_codes_cut_off(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: They were cut off towards 0"""
    top = 2 ** (bit_width - 1) - 1
    codes = np.clip(weight / weight_steps[:, None], -top, top).astype(np.int8)
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "weight": codes}


def wrong_one_step_for_all(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: Each row has a step of its own"""
    top = 2 ** (bit_width - 1) - 1
    codes = np.clip(np.round(weight / weight_steps[0]), -top, top).astype(np.int8)
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "weight": codes}


def wrong_bias_without_step_in(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: The first is missing"""
    whole = np.round(bias / weight_steps).astype(np.int32)
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "bias": whole}


def wrong_bias_in_units_of_the_result(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: not of what the layer hands on"""
    whole = np.round(bias / step_out).astype(np.int32)
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "bias": whole}


def wrong_bias_real(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: The bias is wrong"""
    real = bias / (step_in * weight_steps)
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "bias": real}


def wrong_bias_clamped(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: It has 32 bits"""
    top = 2 ** (bit_width - 1) - 1
    whole = np.clip(np.round(bias / (step_in * weight_steps)), -top, top).astype(np.int32)
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "bias": whole}


def wrong_bias_of_other_dtype(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: The bias must have the dtype int32"""
    whole = np.round(bias / (step_in * weight_steps)).astype(np.int64)
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "bias": whole}


def wrong_weight_of_other_dtype(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: The weights must have the dtype int8"""
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "weight": found["weight"].astype(np.int32)}


def wrong_factor_upside_down(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: The factor is the wrong way round"""
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    other = layer_with(weight, bias, 1.0, 1 / weight_steps, step_in / step_out, bit_width)
    return {**found, "multiplier": other["multiplier"], "shift": other["shift"]}


def wrong_factor_without_step_out(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: The step of what the layer hands on is missing"""
    return layer_with(weight, bias, step_in, weight_steps, 1.0, bit_width)


def wrong_real_factor(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: not the real factor M"""
    factor = step_in * weight_steps / step_out
    zeros = 0 * factor.astype(int)
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "multiplier": factor, "shift": zeros}


def wrong_one_bit_too_few(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: This one has a bit too few"""
    f, e = np.frexp(step_in * weight_steps / step_out)
    m = np.round(f * 2.0**30).astype(int)
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "multiplier": m, "shift": 30 - e}


def wrong_too_large_multiplier_left(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: A multiplier that rounds to 2**31 is none"""
    f, e = np.frexp(step_in * weight_steps / step_out)
    m = np.round(f * 2.0**31).astype(int)
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "multiplier": m, "shift": 31 - e}


def wrong_multiplier_cut_off(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: Round the multiplier to the nearest whole number"""
    f, e = np.frexp(step_in * weight_steps / step_out)
    m = (f * 2.0**31).astype(int)
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "multiplier": m, "shift": 31 - e}


def wrong_multiplier_in_float32(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: The factor is in float32"""
    f, e = np.frexp((step_in * weight_steps / step_out).astype(np.float32))
    m = np.round(f.astype(float) * 2.0**31).astype(int)
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "multiplier": m, "shift": 31 - e}


def wrong_shift_negative(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: The shift has the wrong sign"""
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "shift": -found["shift"]}


def wrong_keys(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: a dictionary with the four keys of the table"""
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "scale": step_out}


def right_row_by_row(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Whole numbers of Python, row by row."""
    top = 2 ** (bit_width - 1) - 1
    rows, biases, multipliers, shifts = [], [], [], []
    for row, b, s in zip(weight.tolist(), bias.tolist(), weight_steps.tolist(), strict=True):
        rows.append([max(-top, min(top, round(v / s))) for v in row])
        biases.append(round(b / (step_in * s)))
        factor, n = step_in * s / step_out, 0
        while factor < 2**30:
            factor *= 2
            n += 1
        while factor >= 2**31:
            factor /= 2
            n -= 1
        m = round(factor)
        multipliers.append(m // 2 if m == 2**31 else m)
        shifts.append(n - (m == 2**31))
    return {
        "weight": np.array(rows, np.int8),
        "bias": np.array(biases, np.int32),
        "multiplier": multipliers,
        "shift": shifts,
    }


def right_by_fractions(weight, bias, step_in, weight_steps, step_out, bit_width):
    """With the exact factors."""
    from fractions import Fraction

    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    multipliers, shifts = [], []
    for s in weight_steps.tolist():
        factor, n = Fraction(step_in) * Fraction(s) / Fraction(step_out), 70
        while round(factor * Fraction(2) ** n) > 2**31 - 1:
            n -= 1
        multipliers.append(round(factor * Fraction(2) ** n))
        shifts.append(n)
    return {**found, "multiplier": np.array(multipliers), "shift": np.array(shifts)}


def right_by_torch(weight, bias, step_in, weight_steps, step_out, bit_width):
    """In torch, with torch.frexp."""
    w, b, s = (torch.tensor(np.array(v)) for v in (weight, bias, weight_steps))
    top = 2 ** (bit_width - 1) - 1
    f, e = torch.frexp(s * step_in / step_out)
    m = torch.round(f * 2**31).long()
    return {
        "weight": (w / s[:, None]).round().clamp(-top, top).to(torch.int8),
        "bias": (b / s / step_in).round().to(torch.int32),
        "multiplier": torch.where(m == 2**31, m // 2, m),
        "shift": 31 - e - (m == 2**31).int(),
    }


def wrong_all_rows_carried_with_one(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: where factors lie on powers of two, or next to them"""
    f, e = np.frexp(step_in * weight_steps / step_out)
    m, n = np.round(f * 2.0**31).astype(int), 31 - e
    if m.max() == 2**31:
        m, n = m // 2, n - 1
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "multiplier": m, "shift": n}


def wrong_exponent_by_a_generous_logarithm(
    weight, bias, step_in, weight_steps, step_out, bit_width
):
    """Message: where factors lie on powers of two, or next to them"""
    factors = step_in * weight_steps / step_out
    n = 30 - np.floor(np.log2(factors) + 1e-6).astype(int)
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "multiplier": np.round(factors * 2.0**n).astype(int), "shift": n}


def wrong_bias_rounded_twice(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: The bias is wrong"""
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    twice = np.round(np.round(bias / weight_steps) / step_in)
    return {**found, "bias": twice.astype(np.int32)}


def wrong_bias_of_31_bits(weight, bias, step_in, weight_steps, step_out, bit_width):
    """Message: where the bias nearly fills 32 bits"""
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "bias": np.clip(found["bias"], -(2**30), 2**30)}


def wrong_weights_in_64_bits_before_the_clamp(
    weight, bias, step_in, weight_steps, step_out, bit_width
):
    """Message: where some weights lie far beyond the codes"""
    top = 2 ** (bit_width - 1) - 1
    ratios = np.round(weight / weight_steps[:, None])
    # What astype(np.int64) makes of numbers that don't fit, on most processors.
    whole = np.where(np.abs(ratios) < 2.0**63, ratios, -(2.0**63)).astype(np.int64)
    found = layer_with(weight, bias, step_in, weight_steps, step_out, bit_width)
    return {**found, "weight": np.clip(whole, -top, top).astype(np.int8)}
