"""Answers to `least_error_clip` of exercise 09."""


def errors_of(centres, given, clips, bit_width, **how):
    """Errors of all clips, right unless an option says otherwise."""
    top = 2**bit_width - 1
    found = []
    for clip in clips:
        step = clip / how.get("levels", top)
        codes = how.get("rounding", np.round)(centres / step)
        if how.get("clamp", True):
            codes = np.minimum(codes, top)
        off = np.abs(centres - step * codes) ** how.get("power", 2)
        n = how.get("counts", given)
        if how.get("inside"):
            n = n * (centres <= clip)
        found.append((n * off).sum() / how.get("total", given.sum()))
    return np.array(found)


def best_of(errors, clips):
    return clips[np.argmin(errors)]


def wrong_sums(centres, counts, clips, bit_width):
    """Message: These are sums"""
    e = errors_of(centres, counts, clips, bit_width, total=1)
    return e, best_of(e, clips)


def wrong_divided_by_the_bins(centres, counts, clips, bit_width):
    """Message: not by that of the bins"""
    e = errors_of(centres, counts, clips, bit_width, total=len(counts))
    return e, best_of(e, clips)


def wrong_counts_left_out(centres, counts, clips, bit_width):
    """Message: The counts were left out"""
    e = errors_of(centres, counts, clips, bit_width, counts=1, total=len(centres))
    return e, best_of(e, clips)


def wrong_root(centres, counts, clips, bit_width):
    """Message: The root was taken"""
    e = np.sqrt(errors_of(centres, counts, clips, bit_width))
    return e, best_of(e, clips)


def wrong_one_level_more(centres, counts, clips, bit_width):
    """Message: The step is T / (2**b - 1)"""
    e = errors_of(centres, counts, clips, bit_width, levels=2**bit_width)
    return e, best_of(e, clips)


def wrong_signed_levels(centres, counts, clips, bit_width):
    """Message: The errors are wrong"""
    e = errors_of(centres, counts, clips, bit_width, levels=max(2 ** (bit_width - 1) - 1, 1))
    return e, best_of(e, clips)


def wrong_not_clamped(centres, counts, clips, bit_width):
    """Message: Larger values are clipped"""
    e = errors_of(centres, counts, clips, bit_width, clamp=False)
    return e, best_of(e, clips)


def wrong_rounded_down(centres, counts, clips, bit_width):
    """Message: not down"""
    e = errors_of(centres, counts, clips, bit_width, rounding=np.floor)
    return e, best_of(e, clips)


def wrong_magnitudes(centres, counts, clips, bit_width):
    """Message: These are the magnitudes of the errors"""
    e = errors_of(centres, counts, clips, bit_width, power=1)
    return e, best_of(e, clips)


def wrong_clipped_values_left_out(centres, counts, clips, bit_width):
    """Message: Values beyond the clip were left out"""
    e = errors_of(centres, counts, clips, bit_width, inside=True)
    return e, best_of(e, clips)


def wrong_counts_inside_the_square(centres, counts, clips, bit_width):
    """Message: The counts were squared, too"""
    e = errors_of(centres, counts, clips, bit_width, counts=counts**2)
    return e, best_of(e, clips)


def wrong_place(centres, counts, clips, bit_width):
    """Message: This is the place in the list"""
    e = errors_of(centres, counts, clips, bit_width)
    return e, int(np.argmin(e))


def wrong_largest_clip(centres, counts, clips, bit_width):
    """Message: This is the largest clip"""
    return errors_of(centres, counts, clips, bit_width), clips.max()


def wrong_largest_error(centres, counts, clips, bit_width):
    """Message: This is the clip with the largest error"""
    e = errors_of(centres, counts, clips, bit_width)
    return e, clips[np.argmax(e)]


def wrong_least_error_itself(centres, counts, clips, bit_width):
    """Message: This is the least error"""
    e = errors_of(centres, counts, clips, bit_width)
    return e, e.min()


def wrong_rounding_error_alone_decides(centres, counts, clips, bit_width):
    """Message: This is the clip with the largest error"""
    inside = errors_of(centres, counts, clips, bit_width, inside=True)
    return errors_of(centres, counts, clips, bit_width), best_of(inside, clips)


def wrong_exchanged(centres, counts, clips, bit_width):
    """Message: The result has another shape"""
    e = errors_of(centres, counts, clips, bit_width)
    return best_of(e, clips), e


def wrong_sorted_clips(centres, counts, clips, bit_width):
    """Message: The errors are wrong for four clips"""
    e = errors_of(centres, counts, np.sort(clips), bit_width)
    return e, best_of(e, np.sort(clips))


def wrong_always_eight_bits(centres, counts, clips, bit_width):
    """Message: The errors are wrong"""
    e = errors_of(centres, counts, clips, 8)
    return e, best_of(e, clips)


def wrong_codes_in_uint8(centres, counts, clips, bit_width):
    """Message: The errors are wrong for four clips"""
    found = []
    for clip in clips:
        step = clip / (2**bit_width - 1)
        codes = (centres / step).astype(np.uint8)
        found.append((counts * (centres - step * codes) ** 2).sum() / counts.sum())
    return np.array(found), best_of(found, clips)


def wrong_clips_alone_rounded(centres, counts, clips, bit_width):
    """Message: The errors are wrong"""
    e = [(counts * (centres - np.minimum(centres, c)) ** 2).sum() / counts.sum() for c in clips]
    return np.array(e), best_of(e, clips)


def wrong_counts_in_place(centres, counts, clips, bit_width):
    """Message: The inputs were changed in place"""
    e = errors_of(centres, counts, clips, bit_width)
    found = best_of(e, clips)
    clips.sort()
    return e, found


def wrong_in_float32(centres, counts, clips, bit_width):
    """Message: Only its first digits are right"""
    e = errors_of(centres, counts, clips, bit_width)
    return e.astype(np.float32), best_of(e, clips)


def wrong_divided_by_the_bins_that_have_values(centres, counts, clips, bit_width):
    """Message: The errors are wrong"""
    e = errors_of(centres, counts, clips, bit_width, total=np.count_nonzero(counts))
    return e, best_of(e, clips)


def wrong_codes_of_32_bits(centres, counts, clips, bit_width):
    """Message: clamp before you make integers of the codes"""
    rounding = lambda v: np.round(v).astype(np.int32).clip(0)  # noqa: E731
    e = errors_of(centres, counts, clips, bit_width, rounding=rounding)
    return e, best_of(e, clips)


def wrong_no_error_cannot_be(centres, counts, clips, bit_width):
    """Message: The best clip is wrong where the best clip has no error at all"""
    e = errors_of(centres, counts, clips, bit_width)
    return e, best_of(np.where(e > 0, e, np.inf), clips)


def wrong_least_error_from_a_number(centres, counts, clips, bit_width):
    """Message: The best clip is wrong for very large values"""
    e = errors_of(centres, counts, clips, bit_width)
    best, least = 0.0, 1e10
    for clip, error in zip(clips, e, strict=True):
        if error < least:
            best, least = clip, error
    return e, best


def wrong_until_the_error_rises(centres, counts, clips, bit_width):
    """Message: The best clip is wrong"""
    e = errors_of(centres, counts, clips, bit_width)
    order = np.argsort(clips, kind="stable")
    best = order[0]
    for i in order[1:]:
        if e[i] > e[best]:
            break
        best = i
    return e, clips[best]


def wrong_errors_by_clip(centres, counts, clips, bit_width):
    """Message: The result has another shape"""
    e = dict(zip(clips, errors_of(centres, counts, clips, bit_width), strict=True))
    return np.array(list(e.values())), min(e, key=e.get)


def wrong_codes_of_8_signed_bits(centres, counts, clips, bit_width):
    """Message: The errors are wrong for other histograms"""
    top = 2**bit_width - 1
    signed = lambda v: np.round(v).clip(0, top).astype(np.uint8).view(np.int8)  # noqa: E731
    rounding = lambda v: signed(v).astype(np.int64)  # noqa: E731
    e = errors_of(centres, counts, clips, bit_width, rounding=rounding)
    return e, best_of(e, clips)


def wrong_counts_of_16_bits(centres, counts, clips, bit_width):
    """Message: The errors are wrong where counts are large"""
    e = errors_of(centres, counts.astype(np.uint16), clips, bit_width)
    return e, best_of(e, clips)


def wrong_small_counts_left_out(centres, counts, clips, bit_width):
    """Message: The errors are wrong where counts of bins are far apart"""
    kept = np.where(counts > counts.max() * 1e-4, counts, 0)
    e = errors_of(centres, counts, clips, bit_width, counts=kept, total=kept.sum())
    return e, best_of(e, clips)


def right_all_at_once(centres, counts, clips, bit_width):
    """Clips along a new axis."""
    top = (1 << bit_width) - 1
    step = clips[:, None] / top
    seen = step * np.clip(np.rint(centres / step), 0, top)
    errors = np.average((centres - seen) ** 2, axis=1, weights=counts)
    return errors, clips[errors.argmin()]


def right_plain_python(centres, counts, clips, bit_width):
    """Loops; halves are rounded up."""
    top, total = 2**bit_width - 1, sum(counts.tolist())
    errors = []
    for clip in clips.tolist():
        step, error = clip / top, 0.0
        for c, n in zip(centres.tolist(), counts.tolist(), strict=True):
            code = min(int(c / step + 0.5), top)
            error += n * (c - code * step) ** 2
        errors.append(error / total)
    return errors, clips.tolist()[errors.index(min(errors))]


def right_clipped_first(centres, counts, clips, bit_width):
    """Values are clipped, then rounded."""
    found = {}
    for i, clip in enumerate(clips):
        step = clip / (2**bit_width - 1)
        seen = np.round(np.minimum(centres, clip) / step) * step
        found[i] = float(counts @ (centres - seen) ** 2 / counts.sum())
    best = min(found, key=found.get)
    return np.array(list(found.values())), float(clips[best])


def right_by_torch(centres, counts, clips, bit_width):
    """In torch."""
    given = (centres, counts, clips)
    c, n, t = (torch.tensor(np.ascontiguousarray(v)).double() for v in given)
    step = t[:, None] / (2**bit_width - 1)
    seen = step * torch.round(c / step).clamp(0, 2**bit_width - 1)
    errors = ((c - seen) ** 2 * (n / n.sum())).sum(1)
    return errors, t[errors.argmin()]


def right_nearest_level(centres, counts, clips, bit_width):
    """By the levels and the edges half-way between them."""
    e = np.zeros(len(clips))
    for i, clip in enumerate(clips):
        levels = np.linspace(0, clip, 2**bit_width)
        nearest = levels[np.searchsorted((levels[1:] + levels[:-1]) / 2, centres)]
        e[i] = np.average((centres - nearest) ** 2, weights=counts)
    return e.tolist(), clips[e == e.min()][-1]
