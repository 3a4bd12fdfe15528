"""Answers to `take_step` of exercise 08."""


def settled(moved, p, larger, clip=True):
    """Return sums as states in the range."""
    m = np.minimum(np.abs(moved), 2.0**-p) if clip else np.abs(moved)
    low = np.where(m > 0, 2.0 ** np.floor(np.log2(np.maximum(m, 1))), 0)
    return np.sign(moved) * np.where(m == low, m, np.where(larger, 2 * low, low))


def stepped(states, change, p, th, gates, odds, whole=None, chance=None, opens=None, way=None):
    """Take a step, right unless an option says otherwise."""
    unit = 2.0**p
    k = np.trunc(change / unit) if whole is None else whole(change, unit)
    v = change - k * unit
    p1 = np.tanh(th * np.abs(v) / unit) if chance is None else chance(v, unit)
    gate = gates < p1 if opens is None else opens(gates, p1)
    moved = states + k + (np.sign(change) if way is None else way(change, v)) * gate
    return settled(moved, p, odds < 0.5).astype(np.int8)


def wrong_sign_of_k_lost(states, change, p, th, draws_gate, draws_odds):
    """Message: k has lost its sign"""
    unit = 2.0**p
    k = np.floor(np.abs(change) / unit)
    v = np.abs(change) - k * unit
    moved = states + k + np.sign(change) * (draws_gate < np.tanh(th * v / unit))
    return settled(moved, p, draws_odds < 0.5).astype(np.int8)


def wrong_floor_of_the_change(states, change, p, th, draws_gate, draws_odds):
    """Message: not the floor of the change"""
    given = (states, change, p, th, draws_gate, draws_odds)
    return stepped(*given, whole=lambda c, unit: np.floor(c / unit))


def wrong_floor_and_way_of_the_rest(states, change, p, th, draws_gate, draws_odds):
    """Message: k is not the floor"""
    given = (states, change, p, th, draws_gate, draws_odds)
    return stepped(*given, whole=lambda c, unit: np.floor(c / unit), way=lambda c, v: np.sign(v))


def wrong_units_clipped_to_8_bits(states, change, p, th, draws_gate, draws_odds):
    """Message: The new states are wrong for changes from one end of the range to the other"""
    unit = 2.0**p
    whole = np.trunc(change / unit)
    gate = draws_gate < np.tanh(th * np.abs(change / unit - whole))
    moved = states + np.clip(whole, -128, 127) + np.sign(change) * gate
    return settled(moved, p, draws_odds < 0.5).astype(np.int8)


def wrong_rounded(states, change, p, th, draws_gate, draws_odds):
    """Message: not rounded to the next"""
    given = (states, change, p, th, draws_gate, draws_odds)
    return stepped(*given, whole=lambda c, unit: np.round(c / unit))


def wrong_chance_without_the_unit(states, change, p, th, draws_gate, draws_odds):
    """Message: The division by L is missing"""
    given = (states, change, p, th, draws_gate, draws_odds)
    return stepped(*given, chance=lambda v, unit: np.tanh(th * np.abs(v)))


def wrong_chance_times_the_unit(states, change, p, th, draws_gate, draws_odds):
    """Message: The new states are wrong"""
    given = (states, change, p, th, draws_gate, draws_odds)
    return stepped(*given, chance=lambda v, unit: np.tanh(th * np.abs(v) * unit))


def wrong_chance_without_th(states, change, p, th, draws_gate, draws_odds):
    """Message: th is missing"""
    given = (states, change, p, th, draws_gate, draws_odds)
    return stepped(*given, chance=lambda v, unit: np.tanh(np.abs(v) / unit))


def wrong_chance_without_tanh(states, change, p, th, draws_gate, draws_odds):
    """Message: The tanh is missing"""
    given = (states, change, p, th, draws_gate, draws_odds)
    return stepped(*given, chance=lambda v, unit: th * np.abs(v) / unit)


def wrong_chance_of_a_negative_rest(states, change, p, th, draws_gate, draws_odds):
    """Message: the magnitude of v"""
    given = (states, change, p, th, draws_gate, draws_odds)
    return stepped(*given, chance=lambda v, unit: np.tanh(th * v / unit))


def wrong_chance_of_the_whole_change(states, change, p, th, draws_gate, draws_odds):
    """Message: not from the whole change"""
    given = (states, change, p, th, draws_gate, draws_odds)
    return stepped(*given, chance=lambda v, unit: np.tanh(th * np.abs(change) / unit))


def wrong_th_outside(states, change, p, th, draws_gate, draws_odds):
    """Message: The new states are wrong"""
    given = (states, change, p, th, draws_gate, draws_odds)
    return stepped(*given, chance=lambda v, unit: th * np.tanh(np.abs(v) / unit))


def wrong_th_of_the_paper(states, change, p, th, draws_gate, draws_odds):
    """Message: another th"""
    given = (states, change, p, th, draws_gate, draws_odds)
    if np.size(change) < 1000:
        return stepped(*given)
    return stepped(*given, chance=lambda v, unit: np.tanh(0.5 * np.abs(v) / unit))


def wrong_gate_turned_round(states, change, p, th, draws_gate, draws_odds):
    """Message: opens where the random number is below"""
    given = (states, change, p, th, draws_gate, draws_odds)
    return stepped(*given, opens=lambda g, p1: g >= p1)


def wrong_gate_opens_at_its_chance(states, change, p, th, draws_gate, draws_odds):
    """Message: wrong"""
    given = (states, change, p, th, draws_gate, draws_odds)
    return stepped(*given, opens=lambda g, p1: g <= p1)


def wrong_one_gate_for_all(states, change, p, th, draws_gate, draws_odds):
    """Message: Each weight has its own"""
    gates = np.full(np.shape(states), np.ravel(draws_gate)[0])
    return stepped(states, change, p, th, gates, draws_odds)


def wrong_mean_chance(states, change, p, th, draws_gate, draws_odds):
    """Message: one number for all weights"""
    given = (states, change, p, th, draws_gate, draws_odds)
    return stepped(*given, chance=lambda v, unit: np.tanh(th * np.abs(v).mean() / unit))


def wrong_gate_always_up(states, change, p, th, draws_gate, draws_odds):
    """Message: in the direction of its change"""
    given = (states, change, p, th, draws_gate, draws_odds)
    return stepped(*given, way=lambda c, v: 1)


def wrong_no_gate(states, change, p, th, draws_gate, draws_odds):
    """Message: There is no gate"""
    given = (states, change, p, th, draws_gate, draws_odds)
    return stepped(*given, opens=lambda g, p1: 0)


def wrong_open_gates(states, change, p, th, draws_gate, draws_odds):
    """Message: The gate is always open"""
    given = (states, change, p, th, draws_gate, draws_odds)
    return stepped(*given, opens=lambda g, p1: 1)


def wrong_k_left_out(states, change, p, th, draws_gate, draws_odds):
    """Message: k is missing"""
    rest = np.fmod(change, 2.0**p)
    return stepped(states, rest, p, th, draws_gate, draws_odds)


def wrong_states_left_out(states, change, p, th, draws_gate, draws_odds):
    """Message: The states were forgotten"""
    return stepped(0 * states, change, p, th, draws_gate, draws_odds)


def wrong_downhill_again(states, change, p, th, draws_gate, draws_odds):
    """Message: The changes have the wrong sign"""
    return stepped(states, -change, p, th, draws_gate, draws_odds)


def wrong_random_numbers_exchanged(states, change, p, th, draws_gate, draws_odds):
    """Message: random numbers are exchanged"""
    return stepped(states, change, p, th, draws_odds, draws_gate)


def wrong_gates_used_twice(states, change, p, th, draws_gate, draws_odds):
    """Message: taken for the odds, too"""
    return stepped(states, change, p, th, draws_gate, draws_gate)


def wrong_clip_forgotten(states, change, p, th, draws_gate, draws_odds):
    """Message: kept in the range"""
    k = np.trunc(change / 2.0**p)
    rest = np.abs(change / 2.0**p - k)
    moved = states + k + np.sign(change) * (draws_gate < np.tanh(th * rest))
    found = settled(moved, p, draws_odds < 0.5, clip=False)
    return np.clip(found, -128, 127).astype(np.int8) if np.abs(found).max() > 100 else found


def wrong_clipped_to_1(states, change, p, th, draws_gate, draws_odds):
    """Message: The new states are wrong"""
    return np.clip(stepped(states, change, p, th, draws_gate, draws_odds), -1, 1)


def wrong_clipped_before_the_gate(states, change, p, th, draws_gate, draws_odds):
    """Message: wrong"""
    steps = change / 2.0**p
    k = np.trunc(steps)
    moved = np.clip(states + k, -(2.0**-p), 2.0**-p)
    moved = moved + np.sign(change) * (draws_gate < np.tanh(th * np.abs(steps - k)))
    return settled(moved, p, draws_odds < 0.5, clip=False).astype(np.int8)


def wrong_clipped_change(states, change, p, th, draws_gate, draws_odds):
    """Message: wrong"""
    return stepped(states, np.clip(change, -1, 1), p, th, draws_gate, draws_odds)


def wrong_sums_not_resolved(states, change, p, th, draws_gate, draws_odds):
    """Message: A sum that is no state stays"""
    k = np.trunc(change / 2.0**p)
    rest = np.abs(change / 2.0**p - k)
    moved = states + k + np.sign(change) * (draws_gate < np.tanh(th * rest))
    return np.clip(moved, -(2.0**-p), 2.0**-p).astype(np.int8)


def wrong_sums_always_larger(states, change, p, th, draws_gate, draws_odds):
    """Message: always became the larger"""
    return stepped(states, change, p, th, draws_gate, 0 * draws_odds)


def wrong_resolved_before_the_gate(states, change, p, th, draws_gate, draws_odds):
    """Message: The new states are wrong"""
    steps = change / 2.0**p
    k = np.trunc(steps)
    moved = settled(states + k, p, draws_odds < 0.5)
    moved = moved + np.sign(change) * (draws_gate < np.tanh(th * np.abs(steps - k)))
    return settled(moved, p, draws_odds < 0.5).astype(np.int8)


def wrong_states_as_weights(states, change, p, th, draws_gate, draws_odds):
    """Message: These are the weights"""
    return stepped(states, change, p, th, draws_gate, draws_odds) * 2.0**p


def wrong_not_bytes(states, change, p, th, draws_gate, draws_odds):
    """Message: dtype int8"""
    return stepped(states, change, p, th, draws_gate, draws_odds).astype(float)


def wrong_integers_before_the_clip(states, change, p, th, draws_gate, draws_odds):
    """Message: very large"""
    steps = change / 2.0**p
    with np.errstate(all="ignore"):
        k = np.trunc(steps).astype(np.int64)
    rest = np.abs(steps - np.trunc(steps))
    moved = states + k + (np.sign(change) * (draws_gate < np.tanh(th * rest))).astype(np.int64)
    m = np.clip(moved, -(2**-p), 2**-p)
    return settled(m, p, draws_odds < 0.5).astype(np.int8)


def wrong_step_on_the_index(states, change, p, th, draws_gate, draws_odds):
    """Message: not places in the list"""
    powers = [2**k for k in range(1 - p)]
    table = np.array([*(-s for s in powers[::-1]), 0, *powers])
    steps = change / 2.0**p
    k = np.trunc(steps)
    k = k + np.sign(change) * (draws_gate < np.tanh(th * np.abs(steps - k)))
    place = np.searchsorted(table, states) + k
    return table[np.clip(place, 0, len(table) - 1).astype(int)].astype(np.int8)


def wrong_single_precision(states, change, p, th, draws_gate, draws_odds):
    """Message: The new states are wrong"""
    given = (states, change.astype(np.float32) * np.float32(1 + 2e-6))
    return stepped(*given, p, th, draws_gate, draws_odds)


def wrong_states_changed(states, change, p, th, draws_gate, draws_odds):
    """Message: changed in place"""
    found = stepped(states, change, p, th, draws_gate, draws_odds)
    states[...] = found
    return found


def wrong_rest_by_modulo(states, change, p, th, draws_gate, draws_odds):
    """Message: The new states are wrong"""
    given = (states, change, p, th, draws_gate, draws_odds)
    return stepped(*given, chance=lambda v, unit: np.tanh(th * (change % unit) / unit))


def wrong_units_as_bytes(states, change, p, th, draws_gate, draws_odds):
    """Message: very large"""
    steps = change / 2.0**p
    k = np.trunc(steps)
    with np.errstate(all="ignore"):
        narrow = np.fmod(k, 256).astype(np.int64).astype(np.int8)
    gate = np.sign(change) * (draws_gate < np.tanh(th * np.abs(steps - k)))
    moved = (states + narrow + gate.astype(np.int8)).astype(float)
    return settled(moved, p, draws_odds < 0.5).astype(np.int8)


def wrong_odds_along_the_change(states, change, p, th, draws_gate, draws_odds):
    """Message: The new states are wrong"""
    steps = change / 2.0**p
    k = np.trunc(steps)
    moved = states + k + np.sign(change) * (draws_gate < np.tanh(th * np.abs(steps - k)))
    larger = np.where(moved * change >= 0, draws_odds < 0.5, draws_odds >= 0.5)
    return settled(moved, p, larger).astype(np.int8)


def wrong_outside_stays(states, change, p, th, draws_gate, draws_odds):
    """Message: The new states are wrong"""
    steps = change / 2.0**p
    k = np.trunc(steps)
    moved = states + k + np.sign(change) * (draws_gate < np.tanh(th * np.abs(steps - k)))
    moved = np.where(np.abs(moved) > 2.0**-p, states, moved)
    return settled(moved, p, draws_odds < 0.5).astype(np.int8)


def wrong_chance_near_1_is_1(states, change, p, th, draws_gate, draws_odds):
    """Message: The new states are wrong"""
    steps = change / 2.0**p
    whole = np.trunc(steps)
    chance = np.tanh(th * np.abs(steps - whole))
    chance = np.where(np.isclose(chance, 1, rtol=0, atol=1e-6), 1, chance)
    moved = np.clip(states + whole + np.sign(change) * (draws_gate < chance), -(2.0**-p), 2.0**-p)
    return to_states(moved * 2.0**p, p, draws_odds)


def wrong_chance_of_single_precision(states, change, p, th, draws_gate, draws_odds):
    """Message: The new states are wrong"""
    given = (states, change, p, th, draws_gate, draws_odds)
    narrow = lambda v, unit: np.tanh((th * np.abs(v) / unit).astype(np.float32))  # noqa: E731
    return stepped(*given, chance=narrow)


def right_clipped_last(states, change, p, th, draws_gate, draws_odds):
    """Resolved first: the end of the range is a state, so that clipping may come last."""
    steps = change / 2.0**p
    k = np.trunc(steps)
    moved = states + k + np.sign(change) * (draws_gate < np.tanh(th * np.abs(steps - k)))
    found = settled(moved, p, draws_odds < 0.5, clip=False)
    return np.clip(found, -(2.0**-p), 2.0**-p).astype(np.int8)


def right_as_weights(states, change, p, th, draws_gate, draws_odds):
    """In weights, not in units."""
    unit = 2.0**p
    k = np.sign(change) * np.floor(np.abs(change) / unit)
    v = change - k * unit
    e = np.exp(-2 * th * np.abs(v) / unit)
    gate = (draws_gate < -np.expm1(-2 * th * np.abs(v) / unit) / (1 + e)).astype(float)
    w = np.clip(states * unit + (np.sign(change) * gate + k) * unit, -1, 1)
    return settled(np.round(w / unit), p, draws_odds < 0.5).astype(np.int8)


def right_python(states, change, p, th, draws_gate, draws_odds):
    """Number by number, in whole numbers without an end."""
    found = []
    numbers = (a.ravel().tolist() for a in (states, change, draws_gate, draws_odds))
    for s, c, gate, odds in zip(*numbers, strict=True):
        steps = abs(c) * 2**-p
        k = math.floor(steps)
        k += gate < math.tanh(th * (steps - k))
        moved = s + (k if c > 0 else -k if c < 0 else 0)
        m = min(abs(moved), 2**-p)
        if m & (m - 1):
            m = 1 << (m.bit_length() - (odds >= 0.5))
        found.append(m if moved > 0 else -m)
    return np.array(found, np.int8).reshape(states.shape)


def right_by_function_4(states, change, p, th, draws_gate, draws_odds):
    """With function 4, and the rest from the remainder of a division."""
    unit = 2.0**p
    size, sign = np.abs(change), np.sign(change)
    rest = np.fmod(size, unit)
    units = (size - rest) / unit + (np.tanh(th * rest / unit) > draws_gate)
    return to_states((states + sign * units).clip(-1 / unit, 1 / unit) * unit, p, draws_odds)
