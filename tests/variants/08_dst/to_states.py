"""Answers to `to_states` of exercise 08."""


def resolve(whole, larger):
    """Return states: numbers between two become the larger where ``larger`` says so."""
    m = np.abs(whole)
    low = np.where(m > 0, 2.0 ** np.floor(np.log2(np.maximum(m, 1))), 0)
    return np.sign(whole) * np.where(m == low, m, np.where(larger, 2 * low, low))


def wrong_3_always_up(w, p, draws):
    """Message: always became the larger"""
    return resolve(np.round(w / 2.0**p), np.full(w.shape, True)).astype(np.int8)


def wrong_3_always_down(w, p, draws):
    """Message: always became the smaller"""
    return resolve(np.round(w / 2.0**p), np.full(w.shape, False)).astype(np.int8)


def wrong_neighbours_exchanged(w, p, draws):
    """Message: The neighbours are exchanged"""
    return resolve(np.round(w / 2.0**p), draws >= 0.5).astype(np.int8)


def wrong_half_is_below(w, p, draws):
    """Message: A random number of 0.5 is not below 0.5"""
    return resolve(np.round(w / 2.0**p), draws <= 0.5).astype(np.int8)


def wrong_not_resolved(w, p, draws):
    """Message: A number between two states stays"""
    return np.round(w / 2.0**p).astype(np.int8)


def wrong_only_3_resolved(w, p, draws):
    """Message: Only 3 was resolved"""
    whole = np.round(w / 2.0**p)
    return np.where(np.abs(whole) == 3, resolve(whole, draws < 0.5), whole).astype(np.int8)


def wrong_nearest_of_5_to_7(w, p, draws):
    """Message: became the nearer state"""
    whole = np.round(w / 2.0**p)
    m = np.abs(whole)
    low = 2.0 ** np.floor(np.log2(np.maximum(m, 1)))
    larger = np.where(m * 2 == 3 * low, draws < 0.5, m > 1.5 * low)
    larger = np.where(m == 6, True, larger)
    return resolve(whole, larger).astype(np.int8)


def wrong_odds_by_distance(w, p, draws):
    """Message: The odds are equal for 5, 6 and 7"""
    whole = np.round(w / 2.0**p)
    m = np.abs(whole)
    low = 2.0 ** np.floor(np.log2(np.maximum(m, 1)))
    return resolve(whole, draws < (m - low) / low).astype(np.int8)


def wrong_whole_neighbours(w, p, draws):
    """Message: The neighbours of 5, 6 and 7 are 4 and 8"""
    whole = np.round(w / 2.0**p)
    m = np.abs(whole)
    step = np.where(draws < 0.5, 1, -1)
    near = np.where(m == 3, np.where(draws < 0.5, 4, 2), m + step)
    between = np.log2(np.maximum(m, 1)) % 1 > 0
    return (np.sign(whole) * np.where(between, near, m)).astype(np.int8)


def wrong_signs_lost(w, p, draws):
    """Message: signs of the weights were lost"""
    return np.abs(resolve(np.round(w / 2.0**p), draws < 0.5)).astype(np.int8)


def wrong_larger_number_below_0(w, p, draws):
    """Message: Larger means larger in magnitude"""
    whole = np.round(w / 2.0**p)
    return resolve(whole, np.where(whole < 0, draws >= 0.5, draws < 0.5)).astype(np.int8)


def wrong_half_up(w, p, draws):
    """Message: Rounding is half to even"""
    whole = np.sign(w) * np.floor(np.abs(w) / 2.0**p + 0.5)
    return resolve(whole, draws < 0.5).astype(np.int8)


def wrong_half_up_to_the_right(w, p, draws):
    """Message: half to even"""
    return resolve(np.floor(w / 2.0**p + 0.5), draws < 0.5).astype(np.int8)


def wrong_half_to_even_by_hand(w, p, draws):
    """Message: half-way"""
    steps = w / 2.0**p
    whole = np.floor(steps + 0.5)
    whole = np.where((steps - np.floor(steps) == 0.5) & (whole % 2 == 1), whole - 1, whole)
    return resolve(whole, draws < 0.5).astype(np.int8)


def wrong_cut_off(w, p, draws):
    """Message: cut off towards 0"""
    return resolve(np.trunc(w / 2.0**p), draws < 0.5).astype(np.int8)


def wrong_multiplied_by_the_unit(w, p, draws):
    """Message: multiplied by L"""
    return resolve(np.round(w * 2.0**p), draws < 0.5).astype(np.int8)


def wrong_unit_of_a_quarter(w, p, draws):
    """Message: for p = -3"""
    return resolve(np.round(w / 0.25), draws < 0.5).astype(np.int8)


def wrong_weights_returned(w, p, draws):
    """Message: These are the weights"""
    return resolve(np.round(w / 2.0**p), draws < 0.5) * 2.0**p


def wrong_floats(w, p, draws):
    """Message: dtype int8"""
    return resolve(np.round(w / 2.0**p), draws < 0.5)


def wrong_wide_integers(w, p, draws):
    """Message: dtype int8"""
    return resolve(np.round(w / 2.0**p), draws < 0.5).astype(int)


def wrong_states_drawn_too(w, p, draws):
    """Message: Others stay what they are"""
    whole = np.round(w / 2.0**p)
    m = np.abs(whole)
    low = 2.0 ** np.floor(np.log2(np.maximum(m, 1)))
    moved = np.where(m > 0, np.where(draws < 0.5, 2 * low, low), 0)
    return (np.sign(whole) * moved).astype(np.int8)


def wrong_one_draw_for_all(w, p, draws):
    """Message: always became the larger"""
    return resolve(np.round(w / 2.0**p), np.ravel(draws)[0] < 0.5).astype(np.int8)


def wrong_own_random_numbers(w, p, draws):
    """Message: wrong"""
    own = np.random.default_rng(0).random(w.shape)
    return resolve(np.round(w / 2.0**p), own < 0.5).astype(np.int8)


def wrong_chance_between_real_neighbours(w, p, draws):
    """Message: wrong"""
    steps = w / 2.0**p
    return resolve(np.where(draws < steps % 1, np.ceil(steps), np.floor(steps)), True).astype(
        np.int8
    )


def wrong_scaled_by_the_largest(w, p, draws):
    """Message: The states are wrong"""
    largest = np.abs(w).max()
    return resolve(np.round(w / (largest or 1) / 2.0**p), draws < 0.5).astype(np.int8)


def wrong_up_to_7_only(w, p, draws):
    """Message: The states are wrong"""
    whole = np.round(w / 2.0**p)
    m = np.abs(whole)
    found = np.where(m == 3, np.where(draws < 0.5, 4, 2), m)
    found = np.where((m > 4) & (m < 8), np.where(draws < 0.5, 8, 4), found)
    return (np.sign(whole) * found).astype(np.int8)


def wrong_single_precision(w, p, draws):
    """Message: half-way"""
    whole = np.round(w.astype(np.float32) / np.float32(2.0**p))
    return resolve(whole, draws < 0.5).astype(np.int8)


def wrong_in_place(w, p, draws):
    """Message: changed in place"""
    states = resolve(np.round(w / 2.0**p), draws < 0.5)
    w[...] = states * 2.0**p
    return states.astype(np.int8)


def wrong_bytes_of_a_view(w, p, draws):
    """Message: wrong"""
    found = resolve(np.round(w.ravel(order="K") / 2.0**p), draws.ravel(order="K") < 0.5)
    return found.reshape(w.shape).astype(np.int8)


def wrong_draws_in_turn(w, p, draws):
    """Message: The states are wrong"""
    numbers, found = iter(draws.ravel()), []
    for value in np.round(w / 2.0**p).ravel().tolist():
        m = int(abs(value))
        if m & (m - 1):
            m = 1 << (m.bit_length() - (next(numbers) >= 0.5))
        found.append(m if value > 0 else -m)
    return np.array(found, np.int8).reshape(w.shape)


def right_table_of_neighbours(w, p, draws):
    """Neighbours by a search in the list of states."""
    states = np.array([0, *(2**k for k in range(1 - p))])
    whole = np.rint(w * 2.0**-p)
    m = np.abs(whole).astype(int)
    high = np.searchsorted(states, m)
    low = np.searchsorted(states, m, side="right") - 1
    return (np.sign(whole) * states[np.where(draws < 0.5, high, low)]).astype(np.int8)


def right_python(w, p, draws):
    """Number by number, with the bits of whole numbers."""
    found = np.zeros(w.shape, np.int8)
    for place, value in np.ndenumerate(w):
        whole = round(float(value) * 2**-p)
        m = abs(whole)
        if m.bit_count() > 1:
            m = 1 << m.bit_length() - (draws[place] >= 0.5)
        found[place] = m if whole > 0 else -m
    return found


def right_frexp(w, p, draws):
    """By mantissa and exponent."""
    whole = np.round(np.ldexp(w, -p))
    mantissa, exponent = np.frexp(np.abs(whole))
    between = (mantissa > 0.5) & (draws < 0.5)
    found = np.where(mantissa > 0, np.ldexp(1.0, exponent - 1 + between), 0)
    return np.asarray(np.copysign(found, whole), np.int8)
