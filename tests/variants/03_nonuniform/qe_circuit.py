"""Answers to `qe_circuit` of exercise 03."""


class Circuit:
    """Gates, and the number of the next wire."""

    def __init__(self, widths, q):
        self.q, self.n_index = q, (len(widths) - 1).bit_length()
        self.gates = []

    def add(self, kind, *wires):
        """Append a gate and return its wire."""
        self.gates.append((kind, *wires))
        return self.q + self.n_index + len(self.gates)

    def join(self, kind, wires):
        """Return the wire of a chain of gates."""
        first, *others = wires
        for wire in others:
            first = self.add(kind, first, wire)
        return first

    def layer_lines(self, widths):
        """Return a wire for each layer that says whether it is meant."""
        index = range(self.q + 1, self.q + 1 + self.n_index)
        inverse = [self.add("not", w) for w in index]
        return [
            self.join("and", [w if layer >> n & 1 else inverse[n] for n, w in enumerate(index)])
            for layer in range(len(widths))
        ]


def unit(widths, q, shift=lambda q, width: q - width, saturate=True, upper=True, each=False):
    """Return QE; options leave out, or change, a part of it."""
    c, largest = Circuit(widths, q), max(widths)
    selects = {}
    if len(widths) > 1:
        for layer, wire in enumerate(c.layer_lines(widths)):
            selects.setdefault((widths[layer], layer if each else 0), []).append(wire)
        selects = {key: c.join("or", wires) for key, wires in selects.items()}
    else:
        selects = {(widths[0], 0): None}
    tops = {n: c.add("or", n, q) if saturate else n for n in range(q)}
    outputs = []
    for place in range(largest):
        terms = []
        for (width, _), line in selects.items():
            if upper and place >= width:
                continue
            bit = tops[min(max(shift(q, width) + place, 0), q - 1)]
            terms.append(bit if line is None else c.add("and", line, bit))
        outputs.append(c.join("or", terms))
    return c.gates, outputs


def small(widths, q):
    """Return a small QE."""
    c, largest = Circuit(widths, q), max(widths)
    selects = {}
    if len(widths) > 1:
        for layer, wire in enumerate(c.layer_lines(widths)):
            selects.setdefault(widths[layer], []).append(wire)
        selects = {width: c.join("or", wires) for width, wires in selects.items()}
    tops = [c.add("or", q - largest + n, q) for n in range(largest)]
    outputs = []
    for place in range(largest):
        bits = {width: tops[largest - width + place] for width in set(widths) if width > place}
        outputs.append(
            c.join("or", [c.add("and", selects[w], b) if selects else b for w, b in bits.items()])
        )
    return c.gates, outputs


def wrong_low_bits(widths, fixed_bit_width):
    """Message: Some codes are wrong, without an overflow, for one layer"""
    return unit(widths, fixed_bit_width, shift=lambda q, width: 0)


def wrong_shift_by_e(widths, fixed_bit_width):
    """Message: Some codes are wrong, without an overflow, for one layer"""
    return unit(widths, fixed_bit_width, shift=lambda q, width: width)


def wrong_no_saturation(widths, fixed_bit_width):
    """Message: Codes are right as long as there is no overflow, then wrong, for one layer"""
    return unit(widths, fixed_bit_width, saturate=False)


def wrong_all_ones_where_it_overflows(widths, fixed_bit_width):
    """Message: With an overflow all E bits are 1, and no more"""
    gates, outputs = unit(widths, fixed_bit_width, saturate=False)
    n = fixed_bit_width + 1 + (len(widths) - 1).bit_length() + len(gates)
    ends = [("or", wire, fixed_bit_width) for wire in outputs]
    return [*gates, *ends], [n + i for i in range(len(ends))]


def wrong_upper_bits_left(widths, fixed_bit_width):
    """Message: Some codes are wrong, without an overflow, for two layers"""
    return unit(widths, fixed_bit_width, upper=False)


def wrong_one_part_for_each_layer(widths, fixed_bit_width):
    """Message: All codes are right for six layers, but there are more gates than allowed"""
    return unit(widths, fixed_bit_width, each=True)


def wrong_rounded_to_nearest(widths, fixed_bit_width):
    """Message: Some codes are wrong, without an overflow, for one layer"""
    c, width, q = Circuit(widths, fixed_bit_width), widths[0], fixed_bit_width
    carry, outputs = q - width - 1, []
    for place in range(width):
        bit = c.add("or", q - width + place, q)
        outputs.append(c.add("xor", bit, carry))
        carry = c.add("and", bit, carry)
    return c.gates, outputs


def wrong_layer_from_one(widths, fixed_bit_width):
    """Message: Some codes are wrong, without an overflow, for two layers"""
    return small([*widths[1:], widths[0]], fixed_bit_width)


def wrong_index_backwards(widths, fixed_bit_width):
    """Message: Some codes are wrong, without an overflow, for five layers"""
    gates, outputs = small(widths, fixed_bit_width)
    first, n = fixed_bit_width + 1, (len(widths) - 1).bit_length()
    turned = {first + i: first + n - 1 - i for i in range(n)}
    return [(kind, *(turned.get(w, w) for w in wires)) for kind, *wires in gates], outputs


def wrong_highest_bit_first(widths, fixed_bit_width):
    """Message: Some codes are wrong, without an overflow, for one layer"""
    gates, outputs = small(widths, fixed_bit_width)
    return gates, outputs[::-1]


def wrong_wires_counted_from_one(widths, fixed_bit_width):
    """Message: another form than the docstring says"""
    gates, outputs = small(widths, fixed_bit_width)
    return [(kind, *(w + 1 for w in wires)) for kind, *wires in gates], [w + 1 for w in outputs]


def wrong_for_the_first_layer(widths, fixed_bit_width):
    """Message: Some codes are wrong, without an overflow, for two layers"""
    q = fixed_bit_width
    n = q + 1 + (len(widths) - 1).bit_length()
    gates = [("or", q - widths[0] + i, q) for i in range(widths[0])]
    return gates, [n + i for i in range(widths[0])]


def wrong_for_up_to_four_layers(widths, fixed_bit_width):
    """Message: Some codes are wrong, without an overflow, for five layers"""
    return unit([*widths[:4], *[widths[0]] * len(widths[4:])], fixed_bit_width)


def wrong_sorts_the_widths(widths, fixed_bit_width):
    """Message: The list of widths was changed in place"""
    right = small(list(widths), fixed_bit_width)
    widths.sort()
    widths.append(0)
    return right


def decoded(widths, q, decode):
    """Return a QE whose decoder has a line for each number that the layer's wires can carry."""
    c, largest = Circuit(widths, q), max(widths)
    tops = [c.add("or", q - largest + n, q) for n in range(largest)]
    if len(widths) == 1:
        return c.gates, [q + 1 + n for n in range(largest)]
    lines = decode(c, list(range(q + 1, q + 1 + c.n_index)))
    selects = {
        width: c.join("or", [line for line, w in zip(lines, widths, strict=False) if w == width])
        for width in set(widths)
    }
    outputs = []
    for place in range(largest):
        bits = {w: tops[largest - w + place] for w in selects if w > place}
        outputs.append(c.join("or", [c.add("and", selects[w], b) for w, b in bits.items()]))
    return c.gates, outputs


def wrong_decodes_all_numbers(widths, fixed_bit_width):
    """Message: There are more gates than allowed for five layers of one width"""

    def decode(c, index):
        lines = [c.add("not", index[0]), index[0]]
        for wire in index[1:]:
            no = c.add("not", wire)
            lines = [c.add("and", line, bit) for bit in (no, wire) for line in lines]
        return lines

    return decoded(widths, fixed_bit_width, decode)


def wrong_decodes_all_numbers_one_by_one(widths, fixed_bit_width):
    """Message: All codes are right for six layers, but there are more gates than allowed"""

    def decode(c, index):
        inverse = [c.add("not", wire) for wire in index]
        choices = [(w, i) for w, i in zip(inverse, index, strict=True)]
        return [c.join("and", line[::-1]) for line in itertools.product(*choices[::-1])]

    return decoded(widths, fixed_bit_width, decode)


def wrong_only_gates(widths, fixed_bit_width):
    """Message: Return two things"""
    return [*small(widths, fixed_bit_width)[0], ("not", 0), ("not", 0), ("not", 0)]


def right_small(widths, fixed_bit_width):
    """A part for each width, saturated first."""
    return small(widths, fixed_bit_width)


def right_lists(widths, fixed_bit_width):
    """Lists in place of tuples, and NumPy's integers."""
    gates, outputs = small(list(widths), fixed_bit_width)
    return [[[kind, *wires] for kind, *wires in gates], np.array(outputs)]


def right_remembered_products(widths, fixed_bit_width):
    """Gates that are asked for twice are built once."""
    q, n_index = fixed_bit_width, (len(widths) - 1).bit_length()
    gates, known = [], {}

    def gate(kind, *wires):
        key = (kind, *sorted(wires))
        if key not in known:
            gates.append(key)
            known[key] = q + n_index + len(gates)
        return known[key]

    def line(layer):
        wire = None
        for n in range(n_index):
            bit = q + 1 + n
            bit = bit if layer >> n & 1 else gate("not", bit)
            wire = bit if wire is None else gate("and", wire, bit)
        return wire

    different = sorted(set(widths))
    selects = {}
    for width in different:
        for layer, other in enumerate(widths):
            if other == width and n_index:
                wire = line(layer)
                selects[width] = gate("or", selects[width], wire) if width in selects else wire
    outputs = []
    for place in range(max(widths)):
        out = None
        for width in different:
            if place < width:
                bit = gate("or", q - width + place, q)
                if n_index and len(different) > 1:
                    bit = gate("and", bit, selects[width])
                out = bit if out is None else gate("or", out, bit)
        outputs.append(out)
    return gates, outputs
