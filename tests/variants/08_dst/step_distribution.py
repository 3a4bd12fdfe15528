"""Answers to `step_distribution` of exercise 08."""


def shares(
    state,
    change,
    p,
    th,
    chance=None,
    upper=lambda m, low: 0.5,
    lower=lambda m, low: 0.5,
    positions=(0, 1),
    whole=math.trunc,
    ends=True,
):
    """Return a dictionary of probabilities, right unless an option says otherwise."""
    powers = [2**k for k in range(1 - p)]
    found = {s: 0.0 for s in (*(-s for s in reversed(powers)), 0, *powers)}
    steps = change / 2.0**p
    k = whole(steps)
    p1 = math.tanh(th * abs(steps - k)) if chance is None else chance(abs(steps - k))
    way = (change > 0) - (change < 0)
    for gate in positions:
        share = p1 if gate else 1 - p1
        moved = state + k + way * gate
        if ends:
            moved = max(-powers[-1], min(powers[-1], moved))
        elif abs(moved) > powers[-1]:
            continue
        m, sign = abs(moved), -1 if moved < 0 else 1
        if moved in found:
            found[moved] += share
            continue
        low = max(s for s in powers if s < m)
        found[sign * low] += share * lower(m, low)
        found[2 * sign * low] += share * upper(m, low)
    return found


def in_order(found):
    """Return the probabilities in rising order."""
    return np.array([found[s] for s in sorted(found)])


chances_of_moves = {}


def wrong_chance_kept_for_another_th(state, change, p, th):
    """Message: The probabilities are wrong when the same state and change come again"""

    def kept(rest):
        return chances_of_moves.setdefault((state, change), math.tanh(th * rest))

    return in_order(shares(state, change, p, th, chance=kept))


def wrong_falling_order(state, change, p, th):
    """Message: falling order"""
    return in_order(shares(state, change, p, th))[::-1]


def wrong_order_of_magnitude(state, change, p, th):
    """Message: The probabilities are wrong"""
    found = shares(state, change, p, th)
    return np.array([found[s] for s in sorted(found, key=lambda s: (abs(s), s))])


def wrong_gate_exchanged(state, change, p, th):
    """Message: The open and the closed gate are exchanged"""
    return in_order(shares(state, change, p, th, chance=lambda v: 1 - math.tanh(th * v)))


def wrong_chance_without_the_unit(state, change, p, th):
    """Message: The division by L is missing"""
    return in_order(shares(state, change, p, th, chance=lambda v: math.tanh(th * v * 2.0**p)))


def wrong_chance_without_tanh(state, change, p, th):
    """Message: The tanh is missing"""
    return in_order(shares(state, change, p, th, chance=lambda v: th * v))


def wrong_chance_cut_at_1(state, change, p, th):
    """Message: The tanh is missing"""
    return in_order(shares(state, change, p, th, chance=lambda v: min(1, th * v)))


def wrong_chance_without_th(state, change, p, th):
    """Message: th is missing"""
    return in_order(shares(state, change, p, th, chance=math.tanh))


def wrong_chance_of_one_half(state, change, p, th):
    """Message: one half"""
    return in_order(shares(state, change, p, th, chance=lambda v: 0.5))


def wrong_closed_gate_only(state, change, p, th):
    """Message: sum 1"""
    return in_order(shares(state, change, p, th, positions=(0,)))


def wrong_open_gate_only(state, change, p, th):
    """Message: sum 1"""
    return in_order(shares(state, change, p, th, positions=(1,)))


def wrong_not_resolved(state, change, p, th):
    """Message: sum 1"""
    nothing = {"upper": lambda m, low: 0, "lower": lambda m, low: 0}
    return in_order(shares(state, change, p, th, **nothing))


def wrong_all_to_both(state, change, p, th):
    """Message: Here both got all"""
    both = {"upper": lambda m, low: 1, "lower": lambda m, low: 1}
    return in_order(shares(state, change, p, th, **both))


def wrong_all_to_both_scaled(state, change, p, th):
    """Message: The probabilities are wrong"""
    both = {"upper": lambda m, low: 1, "lower": lambda m, low: 1}
    found = in_order(shares(state, change, p, th, **both))
    return found / found.sum()


def wrong_larger_gets_all(state, change, p, th):
    """Message: The larger got all"""
    up = {"upper": lambda m, low: 1, "lower": lambda m, low: 0}
    return in_order(shares(state, change, p, th, **up))


def wrong_smaller_gets_all(state, change, p, th):
    """Message: The smaller got all"""
    down = {"upper": lambda m, low: 0, "lower": lambda m, low: 1}
    return in_order(shares(state, change, p, th, **down))


def wrong_odds_by_distance(state, change, p, th):
    """Message: The odds of the two neighbours are equal"""
    near = {"upper": lambda m, low: m / low - 1, "lower": lambda m, low: 2 - m / low}
    return in_order(shares(state, change, p, th, **near))


def wrong_floor(state, change, p, th):
    """Message: k rounds towards 0"""
    return in_order(shares(state, change, p, th, whole=math.floor))


def wrong_sign_of_k(state, change, p, th):
    """Message: k has lost its sign"""
    k = math.trunc(abs(change) / 2.0**p)
    v = abs(change) / 2.0**p - k
    whole = lambda steps: k  # noqa: E731
    return in_order(shares(state, change, p, th, whole=whole, chance=lambda x: math.tanh(th * v)))


def wrong_lost_beyond_the_range(state, change, p, th):
    """Message: end of the range"""
    return in_order(shares(state, change, p, th, ends=False))


def wrong_scaled_beyond_the_range(state, change, p, th):
    """Message: The probabilities are wrong"""
    found = in_order(shares(state, change, p, th, ends=False))
    return found / max(found.sum(), 1e-300)


def wrong_change_turned_round(state, change, p, th):
    """Message: The change has the wrong sign"""
    return in_order(shares(state, -change, p, th))


def wrong_states_without_0(state, change, p, th):
    """Message: for each of the 7 states"""
    found = shares(state, change, p, th)
    del found[0]
    return in_order(found)


def wrong_only_what_may_come(state, change, p, th):
    """Message: for each of the 7 states"""
    found = in_order(shares(state, change, p, th))
    return found[found > 0]


def wrong_all_whole_numbers(state, change, p, th):
    """Message: for each of the 7 states"""
    found = shares(state, change, p, th)
    return np.array([found.get(s, 0.0) for s in range(-(2**-p), 2**-p + 1)])


def wrong_later_way_wins(state, change, p, th):
    """Message: The probabilities are wrong"""
    found = np.zeros(3 - 2 * p)
    for gate in (0, 1):
        one = in_order(shares(state, change, p, th, positions=(gate,)))
        found[one > 0] = one[one > 0]
    return found


def wrong_counted(state, change, p, th):
    """Message: The probabilities are wrong"""
    rng = np.random.default_rng(0)
    draws = rng.random((2, 20_000))
    steps = change / 2.0**p
    k = math.trunc(steps)
    moved = state + k + np.sign(change) * (draws[0] < math.tanh(th * abs(steps - k)))
    m = np.minimum(np.abs(moved), 2.0**-p)
    low = np.where(m > 0, 2.0 ** np.floor(np.log2(np.maximum(m, 1))), 0)
    new = np.sign(moved) * np.where(m == low, m, np.where(draws[1] < 0.5, 2 * low, low))
    powers = [2**k for k in range(1 - p)]
    return np.array([(new == s).mean() for s in (*(-s for s in powers[::-1]), 0, *powers)])


def wrong_sorted(state, change, p, th):
    """Message: from -2 by -0.2"""
    found = shares(state, change, p, th)
    return np.array(sorted(found.values()))


def wrong_units_in_64_bits(state, change, p, th):
    """Message: The probabilities are wrong for very large changes."""

    def whole(steps):
        with np.errstate(all="ignore"):
            return int(np.array(steps).astype(np.int64))

    p1 = math.tanh(th * abs(math.fmod(change / 2.0**p, 1)))
    return in_order(shares(state, change, p, th, whole=whole, chance=lambda v: p1))


def wrong_units_in_32_bits(state, change, p, th):
    """Message: The probabilities are wrong for very large changes."""

    def whole(steps):
        k = math.trunc(steps) & 0xFFFFFFFF
        return k - 2**32 if k >= 2**31 else k

    p1 = math.tanh(th * abs(math.fmod(change / 2.0**p, 1)))
    return in_order(shares(state, change, p, th, whole=whole, chance=lambda v: p1))


def wrong_chance_near_1_is_1(state, change, p, th):
    """Message: Only a few digits"""

    def chance(rest):
        p1 = math.tanh(th * rest)
        return 1.0 if p1 > 1 - 1e-6 else p1

    return in_order(shares(state, change, p, th, chance=chance))


def wrong_chance_near_0_is_0(state, change, p, th):
    """Message: Only a few digits"""

    def chance(rest):
        p1 = math.tanh(th * rest)
        return 0.0 if p1 < 1e-7 else p1

    return in_order(shares(state, change, p, th, chance=chance))


def wrong_chance_1_where_th_is_large(state, change, p, th):
    """Message: Only a few digits"""

    def chance(rest):
        return math.tanh(th * rest) if th * rest < 9 else 1.0

    return in_order(shares(state, change, p, th, chance=chance))


def wrong_single_precision(state, change, p, th):
    """Message: Only a few digits"""
    return in_order(shares(state, change, p, th)).astype(np.float32)


def right_recursion(state, change, p, th):
    """By spreading each number, in plain lists."""
    largest = 2**-p
    powers = [2**k for k in range(1 - p)]
    states = [*(-s for s in powers[::-1]), 0, *powers]
    found = [0.0] * len(states)

    def spread(number, share):
        if number in states:
            found[states.index(number)] += share
        elif abs(number) > largest:
            spread(largest if number > 0 else -largest, share)
        else:
            spread(max(s for s in states if s < number), share / 2)
            spread(min(s for s in states if s > number), share / 2)

    steps = abs(change) * 2**-p
    k = math.floor(steps)
    gate = math.tanh(th * (steps - k))
    sign = int(np.sign(change))
    spread(state + sign * k, 1 - gate)
    spread(state + sign * (k + 1), gate)
    return found


def right_matrix(state, change, p, th):
    """By a table that resolves all whole numbers of the range."""
    size = 2**-p
    powers = 2 ** np.arange(1 - p)
    states = np.concatenate([-powers[::-1], [0], powers])
    table = np.zeros((2 * size + 1, len(states)))
    for number in range(-size, size + 1):
        above = np.searchsorted(states, number)
        below = np.searchsorted(states, number, side="right") - 1
        table[number + size, above] += 0.5
        table[number + size, below] += 0.5
    k = np.fix(change / 2.0**p)
    gate = np.tanh(th * np.abs(change - k * 2.0**p) / 2.0**p)
    ends = np.clip([state + k, state + k + np.sign(change)], -size, size).astype(int) + size
    return np.array([1 - gate, gate]) @ table[ends]


def right_tuple(state, change, p, th):
    """A tuple of numbers."""
    powers = [2**k for k in range(1 - p)]
    found = shares(state, change, p, th)
    return tuple(found[s] for s in (*(-s for s in powers[::-1]), 0, *powers))
