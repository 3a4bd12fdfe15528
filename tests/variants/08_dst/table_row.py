"""Answers to `table_row` of exercise 08."""


def closed(q2, n_levels, end=1e5, sign=1.0, square=1.0, edges=None, more=0):
    """Return the error of one q2, right unless an option says otherwise."""
    levels = np.append(0.0, q2 * 2.0 ** np.arange(n_levels - 1 + more))
    middle = (levels[1:] + levels[:-1]) / 2 if edges is None else edges(levels)
    bounds = np.concatenate([[0.0], middle, [end]])
    phi = np.exp(-(bounds**2) / 2) / np.sqrt(2 * np.pi)
    area = np.diff(special.ndtr(bounds))
    tops = (2 * levels - bounds[1:]) * phi[1:] - (2 * levels - bounds[:-1]) * phi[:-1]
    return float(((levels**2 + square) * area + sign * tops).sum())


def deepest(n_levels, error=closed, low=-10.0, high=3.0):
    """Return the best q2 and its error: the deepest of all valleys."""
    grid = np.linspace(low, high, 261)
    heights = [error(2.0**u, n_levels) for u in grid]
    found = []
    for i in range(1, 260):
        if heights[i] < min(heights[i - 1], heights[i + 1]):
            ends = grid[i - 1], grid[i + 1]
            valley = optimize.minimize_scalar(
                lambda u: error(2.0**u, n_levels), bounds=ends, method="bounded"
            )
            found.append((valley.fun, 2.0**valley.x))
    least, best = min(found)
    return best, least


def errors_of(q2s, n_levels, **options):
    """Return the errors of several q2."""
    return np.array([closed(q, n_levels, **options) for q in q2s])


def wrong_both_sides_of_0(q2s, n_levels):
    """Message: errors of both sides"""
    best, least = deepest(n_levels)
    return 2 * errors_of(q2s, n_levels), best, 2 * least


def wrong_infinite_bound(q2s, n_levels):
    """Message: infinity times 0"""
    with np.errstate(all="ignore"):
        return errors_of(q2s, n_levels, end=np.inf), *deepest(n_levels)


def wrong_sign_of_the_density(q2s, n_levels):
    """Message: has the wrong sign"""
    return errors_of(q2s, n_levels, sign=-1.0), *deepest(n_levels)


def wrong_square_without_area(q2s, n_levels):
    """Message: it has the distribution function, too"""
    return errors_of(q2s, n_levels, square=0.0), *deepest(n_levels)


def wrong_too_few_levels(q2s, n_levels):
    """Message: The last level is missing"""
    return errors_of(q2s, n_levels, more=-1), *deepest(n_levels - 1)


def wrong_too_many_levels(q2s, n_levels):
    """Message: one level too many"""
    return errors_of(q2s, n_levels, more=1), *deepest(n_levels + 1)


def wrong_edges_are_levels(q2s, n_levels):
    """Message: not at the levels"""
    return errors_of(q2s, n_levels, edges=lambda levels: levels[1:]), *deepest(n_levels)


def wrong_printed_equation(q2s, n_levels):
    """Message: equation (6) as it is printed"""

    def piece(q, a, b):
        phi = [math.exp(-x * x / 2) / math.sqrt(2 * math.pi) for x in (a, b)]
        area = special.ndtr(b) - special.ndtr(a)
        return (q * q + 1) * area + (2 * q - b) * phi[1] - (2 * q - a) * phi[0]

    def printed(q, n):
        total = piece(0, 0, q / 2) + piece(q, q / 2, 1.5 * q)
        for i in range(3, n + 1):
            total += piece(2.0 ** (i - 2) * q, 1.5 ** (i - 3) * q, 1.5 ** (i - 2) * q)
        return total + piece(2.0 ** (n - 1) * q, 1.5 ** (n - 2) * q, 1e3)

    return np.array([printed(q, n_levels) for q in q2s]), *deepest(n_levels)


def wrong_in_rising_order(q2s, n_levels):
    """Message: Keep the order that came"""
    return errors_of(np.sort(q2s), n_levels), *deepest(n_levels)


def wrong_integrated_numerically(q2s, n_levels):
    """Message: names of the list"""

    def error(q2, n):
        levels = [0.0, *(q2 * 2.0**k for k in range(n - 1))]
        edges = [0, *((a + b) / 2 for a, b in itertools.pairwise(levels)), np.inf]
        return sum(
            integrate.quad(lambda x, q=q: stats.norm.pdf(x) * (q - x) ** 2, a, b)[0]
            for q, a, b in zip(levels, edges[:-1], edges[1:], strict=True)
        )

    return np.array([error(q, n_levels) for q in q2s]), *deepest(n_levels)


def wrong_by_function_2(q2s, n_levels):
    """Message: names of the list"""
    errors = [grid_error(q, n_levels, stats.norm.pdf) for q in q2s]
    return np.array(errors), *deepest(n_levels)


def wrong_by_the_library(q2s, n_levels):
    """Message: names of the list"""
    from quantlib import dst

    best = dst.optimal_q2(n_levels)
    return np.array([dst.expected_error(q, n_levels) for q in q2s]), best.q2, best.error


def wrong_last_piece_to_5(q2s, n_levels):
    """Message: The errors are wrong"""
    return errors_of(q2s, n_levels, end=5.0), *deepest(n_levels)


def wrong_best_of_the_row(q2s, n_levels):
    """Message: best of the values in the table"""
    errors = errors_of(q2s, n_levels)
    return errors, q2s[np.argmin(errors)], errors.min()


def wrong_logarithm_of_the_best(q2s, n_levels):
    """Message: logarithm to base 2"""
    best, least = deepest(n_levels)
    return errors_of(q2s, n_levels), np.log2(best), least


def wrong_exchanged(q2s, n_levels):
    """Message: exchanged"""
    return errors_of(q2s, n_levels), *deepest(n_levels)[::-1]


def wrong_downhill_from_a_half(q2s, n_levels):
    """Message: not the deepest one"""
    found = optimize.minimize_scalar(
        lambda u: closed(2.0**u, n_levels), bounds=(-3, 1), method="bounded"
    )
    return errors_of(q2s, n_levels), 2.0**found.x, found.fun


def wrong_brent_from_anywhere(q2s, n_levels):
    """Message: many valleys"""
    found = optimize.minimize_scalar(lambda u: closed(2.0**u, n_levels), bracket=(-4, -2))
    return errors_of(q2s, n_levels), 2.0**found.x, found.fun


def wrong_first_valley_from_below(q2s, n_levels):
    """Message: not the deepest one"""
    grid = 2.0 ** np.linspace(-10, 3, 400)
    errors = [closed(q, n_levels) for q in grid]
    place = next(i for i in range(1, 399) if errors[i] < errors[i + 1])
    found = optimize.minimize_scalar(
        lambda u: closed(2.0**u, n_levels),
        bounds=np.log2(grid[[place - 1, place + 1]]),
        method="bounded",
    )
    return errors_of(q2s, n_levels), 2.0**found.x, found.fun


def wrong_best_of_a_grid(q2s, n_levels):
    """Message: best q2"""
    grid = np.arange(0.004, 2, 0.001)
    errors = errors_of(grid, n_levels)
    return errors_of(q2s, n_levels), grid[np.argmin(errors)], errors.min()


def wrong_valley_of_the_best_of_a_grid(q2s, n_levels):
    """Message: many valleys"""
    grid = np.linspace(-9, 2, 400)
    at = int(np.argmin(errors_of(2.0**grid, n_levels)))
    found = optimize.minimize_scalar(
        lambda u: closed(2.0**u, n_levels), bounds=grid[[at - 1, at + 1]], method="bounded"
    )
    return errors_of(q2s, n_levels), 2.0**found.x, found.fun


def wrong_grid_too_short_below(q2s, n_levels):
    """Message: many valleys"""
    return errors_of(q2s, n_levels), *deepest(n_levels, low=-5.0)


def wrong_least_of_the_row(q2s, n_levels):
    """Message: the least error of the table"""
    errors = errors_of(q2s, n_levels)
    return errors, deepest(n_levels)[0], errors.min()


def wrong_single_precision_at_the_end(q2s, n_levels):
    """Message: errors are wrong"""
    return errors_of(q2s, n_levels).astype(np.float32), *deepest(n_levels)


def wrong_sorted_in_place(q2s, n_levels):
    """Message: changed in place"""
    errors = errors_of(q2s, n_levels)
    q2s.sort()
    return errors, *deepest(n_levels)


def wrong_bound_of_8(q2s, n_levels):
    """Message: The errors are wrong"""
    return errors_of(q2s, n_levels, end=8.0), *deepest(n_levels)


def right_derivative_is_0(q2s, n_levels):
    """All zeros of the derivative, by the error function of Python."""

    def error(q2):
        total, low = 0.0, 0.0
        for i in range(n_levels):
            q = 0.0 if i == 0 else q2 * 2.0 ** (i - 1)
            high = 60.0 if i == n_levels - 1 else min((q + q2 * 2.0**i) / 2, 60.0)
            low = min(low, 60.0)
            area = (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2
            f, g = (math.exp(-x * x / 2) / math.sqrt(2 * math.pi) for x in (low, high))
            total += q * q * area - 2 * q * (f - g) + area + low * f - high * g
            low = high
        return total

    def slope(q2):
        total, low = 0.0, 0.0
        for i in range(n_levels):
            q = 0.0 if i == 0 else q2 * 2.0 ** (i - 1)
            high = 60.0 if i == n_levels - 1 else (q + q2 * 2.0**i) / 2
            area = special.ndtr(high) - special.ndtr(low)
            f, g = (math.exp(-x * x / 2) / math.sqrt(2 * math.pi) for x in (low, high))
            total += q * (q * area - (f - g))
            low = high
        return total

    grid = np.geomspace(0.003, 2.5, 300)
    signs = [slope(q) for q in grid]
    zeros = [
        optimize.brentq(slope, grid[i], grid[i + 1])
        for i in range(299)
        if signs[i] < 0 <= signs[i + 1]
    ]
    best = min(zeros, key=error)
    return [error(q) for q in q2s], best, error(best)


def right_golden_section(q2s, n_levels):
    """All q2 at once, and a golden section by hand."""
    q = np.asarray(q2s)[:, None] * np.append(0.0, 2.0 ** np.arange(n_levels - 1))
    edges = np.hstack([np.zeros((len(q), 1)), (q[:, 1:] + q[:, :-1]) / 2])
    below = special.ndtr(-edges)
    phi = stats.norm.pdf(edges)
    tails = np.hstack([below[:, 1:], np.zeros((len(q), 1))])
    ends = np.hstack([phi[:, 1:] * (2 * q[:, :-1] - edges[:, 1:]), np.zeros((len(q), 1))])
    errors = ((q**2 + 1) * (below - tails) + ends - (2 * q - edges) * phi).sum(axis=1)
    grid = np.linspace(-9, 2, 400)
    heights = errors_of(2.0**grid, n_levels)
    ratio, ends = (math.sqrt(5) - 1) / 2, []
    for at in range(1, 399):
        if heights[at] > min(heights[at - 1], heights[at + 1]):
            continue
        low, high = grid[at - 1], grid[at + 1]
        for _ in range(40):
            a, b = high - ratio * (high - low), low + ratio * (high - low)
            if closed(2.0**a, n_levels) < closed(2.0**b, n_levels):
                high = b
            else:
                low = a
        ends.append(2.0 ** ((low + high) / 2))
    best = min(ends, key=lambda q2: closed(q2, n_levels))
    return errors, best, closed(best, n_levels)


def right_very_fine_grid(q2s, n_levels):
    """The best of a grid so fine that it cannot be in the wrong valley, twice."""
    low, high = math.log(0.0035), math.log(2.5)
    for _ in range(2):
        grid = np.linspace(low, high, 12001)
        q = np.exp(grid)[:, None] * np.append(0.0, 2.0 ** np.arange(n_levels - 1))
        edges = np.pad((q[:, 1:] + q[:, :-1]) / 2, ((0, 0), (1, 1)), constant_values=(0, 99))
        edges[:, 0] = 0
        phi = np.exp(-(edges**2) / 2) / math.sqrt(2 * math.pi)
        area = np.diff(special.ndtr(edges), axis=1)
        errors = (q**2 + 1) * area + (2 * q - edges[:, 1:]) * phi[:, 1:]
        errors = (errors - (2 * q - edges[:, :-1]) * phi[:, :-1]).sum(axis=1)
        place = int(np.argmin(errors))
        low, high = grid[max(place - 1, 0)], grid[min(place + 1, 12000)]
    return errors_of(q2s, n_levels).tolist(), float(np.exp(grid[place])), float(errors[place])
