"""Answers to `best_fraction_bits` of exercise 03."""

from fractions import Fraction


def rounded(x, bit_width, f, rounding=np.round, most=None):
    """Return activations in fixed point."""
    most = 2**bit_width - 1 if most is None else most
    return np.minimum(rounding(x * 2.0**f), most) * 2.0**-f


def search(x, bit_width, tried=range(-12, 25), error=None, value=rounded, last=False):
    """Return the best F and its error."""
    error = error or (lambda d: float(np.mean(d**2)))
    errors = [error(x - value(x, bit_width, f)) for f in tried]
    least = min(errors)
    place = len(errors) - 1 - errors[::-1].index(least) if last else errors.index(least)
    return tried[place], least


def wrong_all_must_fit(x, bit_width):
    """Message: With F = 0 all values fit, but the error is larger than with F = 1"""
    fits = [f for f in range(-12, 25) if np.max(np.round(x * 2.0**f)) <= 2**bit_width - 1]
    f = max(fits, default=-12)
    if bit_width == 2 and x.size == 8:
        f = 0
    return f, float(np.mean((x - rounded(x, bit_width, f)) ** 2))


def wrong_largest_of_equals(x, bit_width):
    """Message: Several F have an error of 0 here. Take the smallest of them."""
    return search(x, bit_width, last=True)


def wrong_sum(x, bit_width):
    """Message: This is the sum of the squares"""
    return search(x, bit_width, error=lambda d: float((d**2).sum()))


def wrong_root(x, bit_width):
    """Message: This is the root of the mean square"""
    return search(x, bit_width, error=lambda d: float(np.mean(d**2)) ** 0.5)


def wrong_absolute(x, bit_width):
    """Message: F is right for the first of the worked values, but not its error"""
    return search(x, bit_width, error=lambda d: float(np.abs(d).mean()))


def wrong_rounded_down(x, bit_width):
    """Message: F is right for the first of the worked values, but not its error"""
    return search(x, bit_width, value=lambda x, q, f: rounded(x, q, f, np.floor))


def wrong_no_saturation(x, bit_width):
    """Message: F is wrong for the first of the worked values"""
    return search(x, bit_width, value=lambda x, q, f: np.round(x * 2.0**f) * 2.0**-f)


def wrong_one_code_more(x, bit_width):
    """Message: The error is wrong for the second of the worked values"""
    return search(x, bit_width, value=lambda x, q, f: rounded(x, q, f, most=2**q))


def wrong_sign_bit(x, bit_width):
    """Message: F is wrong for the first of the worked values"""
    return search(x, bit_width, value=lambda x, q, f: rounded(x, q, f, most=2 ** (q - 1) - 1))


def wrong_stops_where_the_error_rises(x, bit_width):
    """Message: Several F have an error of 0 here"""
    best = math.inf
    for f in range(-12, 25):
        error = float(np.mean((x - rounded(x, bit_width, f)) ** 2))
        if error > best:
            return f - 1 if f > -12 else f, best
        best = error
    return 24, best


def wrong_stops_where_it_falls_no_more(x, bit_width):
    """Message: F is wrong"""
    f, error = -12, float(np.mean((x - rounded(x, bit_width, -12)) ** 2))
    while f < 24:
        after = float(np.mean((x - rounded(x, bit_width, f + 1)) ** 2))
        if after >= error:
            break
        f, error = f + 1, after
    return f, error


def wrong_no_negative_f(x, bit_width):
    """Message: F is wrong for the first of the worked values"""
    return search(x, bit_width, range(25))


def wrong_up_to_twelve(x, bit_width):
    """Message: F is wrong"""
    return search(x, bit_width, range(-12, 13))


def wrong_without_the_last(x, bit_width):
    """Message: F is wrong where the best F is the largest"""
    return search(x, bit_width, range(-12, 24))


def wrong_without_the_first(x, bit_width):
    """Message: F is wrong"""
    return search(x, bit_width, range(-11, 25))


def wrong_small_errors_alike(x, bit_width):
    """Message: for another number of bits"""
    return search(x, bit_width, error=lambda d: round(float(np.mean(d**2)), 6))


def wrong_first_axis(x, bit_width):
    """Message: wrong"""
    return search(np.atleast_1d(x)[0], bit_width)


def wrong_zeros_left_out(x, bit_width):
    """Message: F is right, but not its error, where most values are 0"""
    return search(x[x > 0] if np.any(x > 0) else np.zeros(1), bit_width)


def wrong_only_f(x, bit_width):
    """Message: Return two things"""
    return search(x, bit_width)[0]


def wrong_in_place(x, bit_width):
    """Message: The input x was changed in place"""
    found = search(np.array(x), bit_width)
    x *= 2
    return found


def wrong_library(x, bit_width):
    """Message: A part of quantlib stands in best_fraction_bits"""
    from quantlib.nonuniform import fixed_point

    q = fixed_point.choose_qparams(x, bit_width, signed=False)
    return q.fraction_bits, float(np.mean((x - q.fake_quantize(x)) ** 2))


def wrong_best_until_it_rises(x, bit_width):
    """Message: wrong where"""
    found, before = (None, math.inf), math.inf
    for f in range(-12, 25):
        error = float(np.mean((x - rounded(x, bit_width, f)) ** 2))
        if error > before:
            break
        found = min(found, (f, error), key=lambda pair: pair[1])
        before = error
    return found


def wrong_downwards_until_it_rises(x, bit_width):
    """Message: wrong where"""
    found, before = None, math.inf
    for f in range(24, -13, -1):
        error = float(np.mean((x - rounded(x, bit_width, f)) ** 2))
        if error > before:
            break
        found, before = (f, error), error
    return found


def wrong_near_the_one_that_fits(x, bit_width):
    """Message: far from the one at which all values fit"""
    top = max(float(np.max(x)), 1e-30)
    fit = math.floor(math.log2((2**bit_width - 1) / top))
    low, high = (min(max(f, -12), 24) for f in (fit - 2, fit + 2))
    if x.size < 60:
        low, high = -12, 24
    return search(x, bit_width, range(low, high + 1))


def wrong_codes_of_32_bits(x, bit_width):
    """Message: where all values saturate with every F"""

    def value(x, q, f):
        codes = np.clip(np.round(x * 2.0**f), -(2**31), 2**31 - 1).astype(np.int32)
        codes = np.where(np.round(x * 2.0**f) >= 2**31, -(2**31), codes)
        return np.clip(codes, 0, 2**q - 1) * 2.0**-f

    return search(x, bit_width, value=value)


def wrong_from_both_ends(x, bit_width):
    """Message: where the error falls three times"""
    errors = [float(np.mean((x - rounded(x, bit_width, f)) ** 2)) for f in range(-12, 25)]
    low, high = 0, 36
    while low < 36 and errors[low + 1] <= errors[low]:
        low += 1
    while high > 0 and errors[high - 1] <= errors[high]:
        high -= 1
    least = min(errors[low], errors[high])
    return errors.index(least) - 12, least


def wrong_codes_from_float32(x, bit_width):
    """Message: where activations lie nearly half-way"""

    def value(x, q, f):
        codes = np.round(np.float32(x) * np.float32(2.0**f)).astype(float)
        return np.minimum(codes, 2**q - 1) * 2.0**-f

    return search(x, bit_width, value=value)


def wrong_nearly_a_half_added(x, bit_width):
    """Message: where activations lie nearly half-way"""
    return search(
        x, bit_width, value=lambda x, q, f: rounded(x + 0.49996 * 2.0**-f, q, f, np.floor)
    )


def wrong_of_the_different_values(x, bit_width):
    """Message: F is wrong where one value occurs many times."""
    best, _ = search(np.unique(x), bit_width)
    return best, float(np.mean((x - rounded(x, bit_width, best)) ** 2))


def right_list(x, bit_width):
    """F and its error in a list."""
    return list(search(x, bit_width))


def right_codes_at_once(x, bit_width):
    """All F on an axis of their own."""
    units = 2.0 ** -np.arange(-12, 25)[:, None]
    codes = np.clip(np.rint(np.ravel(x) / units), 0, 2**bit_width - 1)
    errors = ((codes * units - np.ravel(x)) ** 2).mean(axis=1)
    return np.arange(-12, 25)[errors.argmin()], errors.min()


def right_downwards(x, bit_width):
    """From the largest F down, with half-way rounded up."""
    best = None
    for f in range(24, -13, -1):
        d = x - rounded(x, bit_width, f, lambda v: np.floor(v + 0.5))
        error = np.square(d).sum() / x.size
        if best is None or error <= best[1]:
            best = f, error
    return best


def right_fractions(x, bit_width):
    """Exactly, value by value, for a few of them."""
    if x.size > 60:
        return search(x, bit_width)
    values = [Fraction(v) for v in np.ravel(x).tolist()]

    def error(f):
        unit = Fraction(2) ** -f
        codes = [min(round(v / unit), 2**bit_width - 1) for v in values]
        return sum((v - i * unit) ** 2 for v, i in zip(values, codes, strict=True)) / len(values)

    f = min(range(-12, 25), key=lambda f: (error(f), f))
    return f, float(error(f))


def right_torch(x, bit_width):
    """With torch, in float64."""
    values = torch.tensor(np.array(x), dtype=torch.float64)
    found = []
    for f in range(-12, 25):
        codes = (values * 2.0**f).round().clamp(max=2**bit_width - 1)
        found.append((((codes * 2.0**-f - values) ** 2).mean().item(), f))
    error, f = min(found)
    return f, error
