"""Answers to `grid_error` of exercise 08."""


def summed(levels, bounds, density, size=lambda d: d * d):
    """Return the sum of the integrals over all pieces."""
    total = 0.0
    for q, a, b in zip(levels, bounds[:-1], bounds[1:], strict=True):
        if b > a:
            total += integrate.quad(lambda x, q=q: density(x) * size(q - x), a, b)[0]
    return total


def all_levels(q2, n_levels):
    """Return the levels as a list."""
    return [0.0, *(q2 * 2.0**k for k in range(n_levels - 1))]


def half_way(levels):
    """Return the thresholds as a list."""
    return [(a + b) / 2 for a, b in itertools.pairwise(levels)]


def wrong_both_sides(q2, n_levels, density):
    """Message: twice the integral"""
    levels = all_levels(q2, n_levels)
    return 2 * summed(levels, [0, *half_way(levels), np.inf], density)


def wrong_both_sides_integrated(q2, n_levels, density):
    """Message: twice the integral"""
    levels = all_levels(q2, n_levels)
    bounds = [0, *half_way(levels), np.inf]
    return summed(levels, bounds, density) + summed(levels, bounds, lambda x: density(-x))


def wrong_thresholds_are_levels(q2, n_levels, density):
    """Message: not at the levels"""
    levels = all_levels(q2, n_levels)
    return summed(levels, [0, *levels[1:], np.inf], density)


def wrong_geometric_means(q2, n_levels, density):
    """Message: geometric mean"""
    levels = all_levels(q2, n_levels)
    means = [math.sqrt(a * b) for a, b in itertools.pairwise(levels[1:])]
    return summed(levels, [0, q2 / 2, *means, np.inf], density)


def wrong_one_level_less(q2, n_levels, density):
    """Message: The last level is missing"""
    levels = all_levels(q2, n_levels - 1)
    return summed(levels, [0, *half_way(levels), np.inf], density)


def wrong_one_level_more(q2, n_levels, density):
    """Message: one level too many"""
    levels = all_levels(q2, n_levels + 1)
    return summed(levels, [0, *half_way(levels), np.inf], density)


def wrong_equation_6_as_printed(q2, n_levels, density):
    """Message: equation (6) as it is printed"""
    n = n_levels
    levels = [0, q2, *(2.0 ** (i - 2) * q2 for i in range(3, n + 1)), 2.0 ** (n - 1) * q2]
    starts = [0, q2 / 2, *(1.5 ** (i - 3) * q2 for i in range(3, n + 1)), 1.5 ** (n - 2) * q2]
    ends = [q2 / 2, 1.5 * q2, *(1.5 ** (i - 2) * q2 for i in range(3, n + 1)), np.inf]
    return sum(
        integrate.quad(lambda x, q=q: density(x) * (q - x) ** 2, a, b)[0]
        for q, a, b in zip(levels, starts, ends, strict=True)
    )


def wrong_last_piece_ends_at_the_last_level(q2, n_levels, density):
    """Message: The last piece ends at the last level"""
    levels = all_levels(q2, n_levels)
    return summed(levels, [0, *half_way(levels), levels[-1]], density)


def wrong_last_piece_missing(q2, n_levels, density):
    """Message: The last piece is missing"""
    levels = all_levels(q2, n_levels)
    return summed(levels[:-1], [0, *half_way(levels)], density)


def wrong_cut_off_at_10(q2, n_levels, density):
    """Message: The error is wrong"""
    levels = all_levels(q2, n_levels)
    return summed(levels, [0, *half_way(levels), 10.0], density)


def wrong_cut_off_at_1000(q2, n_levels, density):
    """Message: The error is wrong"""
    levels = all_levels(q2, n_levels)
    edges = [0, *half_way(levels), 20.0, 1000.0]
    return summed([*levels, levels[-1]], edges, density)


def wrong_end_where_the_density_is_small(q2, n_levels, density):
    """Message: The error is wrong for the grid of a density that falls very slowly"""
    levels = all_levels(q2, n_levels)
    bounds = [0, *half_way(levels)]
    end = max(bounds[-1], 20.0)
    ends = [bounds[-1], end]
    while density(end) > 1e-20:
        end = 1.5 * end
        ends.append(end)
    far = [levels[-1]] * (len(ends) - 1)
    return summed(levels[:-1], bounds, density) + summed(far, ends, density)


def wrong_gauss_on_a_mapped_tail(q2, n_levels, density):
    """Message: The error is wrong for the grid of a density that falls very slowly"""
    levels = all_levels(q2, n_levels)
    bounds = [0, *half_way(levels)]
    nodes, weights = np.polynomial.legendre.leggauss(400)
    t = (nodes + 1) / 2
    x = bounds[-1] + t / (1 - t)
    tail = weights / 2 * density(x) * (x - levels[-1]) ** 2 / (1 - t) ** 2
    return summed(levels[:-1], bounds, density) + tail.sum()


errors_of_grids = {}


def wrong_error_kept_for_another_density(q2, n_levels, density):
    """Message: The error is wrong for the grid"""
    if (q2, n_levels) not in errors_of_grids:
        levels = all_levels(q2, n_levels)
        errors_of_grids[q2, n_levels] = summed(levels, [0, *half_way(levels), np.inf], density)
    return errors_of_grids[q2, n_levels]


def wrong_no_square(q2, n_levels, density):
    """Message: not squared"""
    levels = all_levels(q2, n_levels)
    return summed(levels, [0, *half_way(levels), np.inf], density, abs)


def wrong_root(q2, n_levels, density):
    """Message: root of the expected square"""
    levels = all_levels(q2, n_levels)
    return math.sqrt(summed(levels, [0, *half_way(levels), np.inf], density))


def wrong_density_left_out(q2, n_levels, density):
    """Message: The error is wrong"""
    levels = all_levels(q2, n_levels)
    return summed(levels, [0, *half_way(levels), 8.0], lambda x: 1.0)


def wrong_always_normal(q2, n_levels, density):
    """Message: This is the normal density"""
    levels = all_levels(q2, n_levels)
    return summed(levels, [0, *half_way(levels), np.inf], stats.norm.pdf)


def wrong_both_numbers_of_quad(q2, n_levels, density):
    """Message: one number"""
    levels = all_levels(q2, n_levels)
    bounds = [0, *half_way(levels), np.inf]
    pieces = [
        integrate.quad(lambda x, q=q: density(x) * (q - x) ** 2, a, b)
        for q, a, b in zip(levels, bounds[:-1], bounds[1:], strict=True)
    ]
    return np.sum(pieces, axis=0)


def wrong_level_of_the_last_turn(q2, n_levels, density):
    """Message: The error is wrong"""
    levels = all_levels(q2, n_levels)
    pieces = itertools.pairwise([0, *half_way(levels), np.inf])
    functions = []
    for q in levels:
        functions.append(lambda x: density(x) * (q - x) ** 2)  # noqa: B023
    return sum(integrate.quad(f, a, b)[0] for f, (a, b) in zip(functions, pieces, strict=True))


def wrong_sum_over_a_grid(q2, n_levels, density):
    """Message: The error is wrong"""
    levels = np.array(all_levels(q2, n_levels))
    x = np.linspace(0, 50, 20001)
    values = levels[np.searchsorted(half_way(levels), x)]
    return np.sum(density(x) * (values - x) ** 2) * (x[1] - x[0])


def wrong_trapezoids(q2, n_levels, density):
    """Message: The error is wrong"""
    levels = np.array(all_levels(q2, n_levels))
    total = 0.0
    for q, (a, b) in zip(levels, itertools.pairwise([0, *half_way(levels), 1e4]), strict=True):
        x = np.linspace(a, b, 200) if b < 1e4 else np.geomspace(a, b, 4000)
        total += np.trapezoid(density(x) * (q - x) ** 2, x)
    return total


def wrong_drawn_numbers(q2, n_levels, density):
    """Message: The error is wrong"""
    levels = np.array(all_levels(q2, n_levels))
    x = np.random.default_rng(0).normal(size=100_000)
    x = x[x > 0]
    return 0.5 * ((levels[np.searchsorted(half_way(levels), x)] - x) ** 2).mean()


def wrong_mean_of_those_above_0(q2, n_levels, density):
    """Message: it is no mean"""
    levels = all_levels(q2, n_levels)
    share = integrate.quad(density, 0, np.inf)[0]
    return summed(levels, [0, *half_way(levels), np.inf], density) / share


def wrong_twice_half_of_the_normal(q2, n_levels, density):
    """Message: not symmetric"""
    levels = all_levels(q2, n_levels)
    bounds = [0, *half_way(levels), np.inf]
    ahead, behind = (summed(levels, bounds, f) for f in (density, lambda x: density(-x)))
    return (ahead + behind) / 2 if behind else ahead


def right_substitution(q2, n_levels, density):
    """The last piece by x = 1 / u, all by a fixed rule of many points."""
    levels = np.array(all_levels(q2, n_levels))
    edges = half_way(levels)
    nodes, shares = np.polynomial.legendre.leggauss(400)
    total = 0.0
    for q, (a, b) in zip(levels, itertools.pairwise([0.0, *edges]), strict=False):
        x = (a + b) / 2 + (b - a) / 2 * nodes
        total += (b - a) / 2 * (shares * density(x) * (q - x) ** 2).sum()
    for a, b in itertools.pairwise(edges[-1] * 2.0 ** np.arange(0, 60)):
        x = (a + b) / 2 + (b - a) / 2 * nodes
        total += (b - a) / 2 * (shares * density(x) * (levels[-1] - x) ** 2).sum()
    return total


def right_quad_in_a_function(q2, n_levels, density):
    """With what changes as arguments of the integrand."""

    def piece(x, q):
        return (x - q) ** 2 * density(x)

    total, low = 0.0, 0.0
    for i in range(n_levels):
        level = 0.0 if i == 0 else q2 * 2.0 ** (i - 1)
        high = np.inf if i == n_levels - 1 else (level + q2 * 2.0**i) / 2
        total += integrate.quad(piece, low, high, args=(level,))[0]
        low = high
    return total


def right_simpson_from_0_on(q2, n_levels, density):
    """Simpson's rule takes the density at 0, where it is finite; only the tail is quad's."""
    levels = all_levels(q2, n_levels)
    bounds = [0, *half_way(levels)]
    total = summed(levels[-1:], [bounds[-1], np.inf], density)
    for q, a, b in zip(levels[:-1], bounds[:-1], bounds[1:], strict=True):
        x = np.linspace(a, b, 40001)
        total += integrate.simpson(density(x) * (x - q) ** 2, x=x)
    return total


def right_two_integrals(q2, n_levels, density):
    """One finite integral with the kinks as points, and one without an end."""
    levels = np.array(all_levels(q2, n_levels))
    edges = np.array(half_way(levels))

    def inside(x):
        return density(x) * (levels[np.searchsorted(edges, x)] - x) ** 2

    near = integrate.quad(inside, 0, edges[-1], points=edges, limit=500)[0]
    far = integrate.quad(lambda x: density(x) * (levels[-1] - x) ** 2, edges[-1], np.inf)[0]
    return near + far
