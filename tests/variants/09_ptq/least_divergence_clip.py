"""Answers to `least_divergence_clip` of exercise 09."""


def divergences_of(centres, counts, clips, bit_width, **how):
    """Divergences of all clips, right unless an option says otherwise."""
    top, found = 2**bit_width - 1, []
    if how.get("drop", True):
        centres, counts = centres[counts > 0], counts[counts > 0]
    for clip in clips:
        inside = centres < clip if how.get("strict") else centres <= clip
        step = clip / how.get("levels", top)
        codes = how.get("rounding", np.round)(centres[inside] / step).astype(int)
        codes = np.minimum(codes, top)
        p = counts[inside].astype(float)
        beyond = counts[~inside].sum()
        if how.get("clipped_in_both"):
            p[-1] += beyond
        shared = np.bincount(codes) if how.get("spread", True) else np.ones(top + 1)
        q = (np.bincount(codes, p, top + 1) / np.maximum(np.resize(shared, top + 1), 1))[codes]
        if not how.get("clipped_in_both") and how.get("clipped", True):
            p[-1] += beyond
        total = how.get("total", counts.sum())
        p, q = p / total, q / total
        if how.get("sum_to_one"):
            p, q = p / p.sum(), q / q.sum()
        if how.get("turned"):
            p, q = q, p
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = p * how.get("log", np.log)(p / q)
        found.append(np.nansum(terms))
    return np.array(found)


def least_of(found, clips):
    return clips[np.argmin(found)]


def wrong_base_two(centres, counts, clips, bit_width):
    """Message: natural logarithm"""
    d = divergences_of(centres, counts, clips, bit_width, log=np.log2)
    return d, least_of(d, clips)


def wrong_not_spread(centres, counts, clips, bit_width):
    """Message: spread over its bins"""
    d = divergences_of(centres, counts, clips, bit_width, spread=False)
    return d, least_of(d, clips)


def wrong_clipped_left_out(centres, counts, clips, bit_width):
    """Message: the last bin gets the values that are clipped"""
    d = divergences_of(centres, counts, clips, bit_width, clipped=False)
    return d, least_of(d, clips)


def wrong_clipped_in_both(centres, counts, clips, bit_width):
    """Message: Clipped values count in P, and not in Q"""
    d = divergences_of(centres, counts, clips, bit_width, clipped_in_both=True)
    return d, least_of(d, clips)


def wrong_other_way_round(centres, counts, clips, bit_width):
    """Message: P and Q are exchanged"""
    d = divergences_of(centres, counts, clips, bit_width, turned=True)
    return d, least_of(d, clips)


def wrong_sum_to_one(centres, counts, clips, bit_width):
    """Message: Q does not sum to 1"""
    d = divergences_of(centres, counts, clips, bit_width, sum_to_one=True)
    return d, least_of(d, clips)


def wrong_counts_not_shares(centres, counts, clips, bit_width):
    """Message: Divide the counts by their sum"""
    d = divergences_of(centres, counts, clips, bit_width, total=1)
    return d, least_of(d, clips)


def wrong_empty_bins_share(centres, counts, clips, bit_width):
    """Message: Empty bins were counted"""
    d = divergences_of(centres, counts, clips, bit_width, drop=False)
    return d, least_of(d, clips)


def wrong_strictly_below(centres, counts, clips, bit_width):
    """Message: A bin whose centre is exactly T is inside"""
    d = divergences_of(centres, counts, clips, bit_width, strict=True)
    return d, least_of(d, clips)


def wrong_one_code_more(centres, counts, clips, bit_width):
    """Message: The divergences are wrong"""
    d = divergences_of(centres, counts, clips, bit_width, levels=2**bit_width)
    return d, least_of(d, clips)


def wrong_signed_codes(centres, counts, clips, bit_width):
    """Message: The divergences are wrong"""
    d = divergences_of(centres, counts, clips, bit_width, levels=max(2 ** (bit_width - 1) - 1, 1))
    return d, least_of(d, clips)


def wrong_down(centres, counts, clips, bit_width):
    """Message: Codes are rounded to the nearest, not down"""
    d = divergences_of(centres, counts, clips, bit_width, rounding=np.floor)
    return d, least_of(d, clips)


def wrong_total_of_those_inside(centres, counts, clips, bit_width):
    """Message: The divergences are wrong"""
    found = []
    for clip in clips:
        kept = np.where(centres <= clip, counts, 0)
        found.append(divergences_of(centres, kept, [clip], bit_width)[0])
    return np.array(found), least_of(found, clips)


def wrong_index(centres, counts, clips, bit_width):
    """Message: This is the place in the list"""
    d = divergences_of(centres, counts, clips, bit_width)
    return d, int(np.argmin(d))


def wrong_most_diverging(centres, counts, clips, bit_width):
    """Message: This is the clip with the largest divergence"""
    d = divergences_of(centres, counts, clips, bit_width)
    return d, clips[np.argmax(d)]


def wrong_widest(centres, counts, clips, bit_width):
    """Message: This is the largest clip"""
    return divergences_of(centres, counts, clips, bit_width), clips.max()


def wrong_divergence_itself(centres, counts, clips, bit_width):
    """Message: This is the least divergence"""
    d = divergences_of(centres, counts, clips, bit_width)
    return d, d.min()


def wrong_order_of_clips(centres, counts, clips, bit_width):
    """Message: The divergences are wrong for four clips"""
    d = divergences_of(centres, counts, np.sort(clips), bit_width)
    return d, least_of(d, np.sort(clips))


def wrong_squared_error_decides(centres, counts, clips, bit_width):
    """Message: best clip is wrong"""
    d, errors = divergences_of(centres, counts, clips, bit_width), []
    for clip in clips:
        step = clip / (2**bit_width - 1)
        errors.append(counts @ (centres - step * np.round(np.minimum(centres, clip) / step)) ** 2)
    return d, least_of(errors, clips)


def wrong_smoothed(centres, counts, clips, bit_width):
    """Message: The divergences are wrong"""
    d = divergences_of(centres, counts + 1e-4, clips, bit_width)
    return d, least_of(d, clips)


def wrong_single_precision(centres, counts, clips, bit_width):
    """Message: Only its first digits are right"""
    d = divergences_of(centres, counts, clips, bit_width)
    return d.astype(np.float32), least_of(d, clips)


def wrong_changes_counts(centres, counts, clips, bit_width):
    """Message: The inputs were changed in place"""
    d = divergences_of(centres, counts, clips, bit_width)
    counts[-1] += 1
    return d, least_of(d, clips)


def wrong_runs_of_equal_width(centres, counts, clips, bit_width):
    """Message: The divergences are wrong"""
    centres, counts, found = centres[counts > 0], counts[counts > 0], []
    for clip in clips:
        n = int((centres <= clip).sum())
        codes = np.arange(n) * 2**bit_width // n
        p = counts[:n].astype(float)
        q = (np.bincount(codes, p) / np.maximum(np.bincount(codes), 1))[codes]
        p[-1] += counts[n:].sum()
        found.append((p * np.log(p / q)).sum() / counts.sum())
    return np.array(found), least_of(found, clips)


def right_bin_by_bin(centres, counts, clips, bit_width):
    """Loops in plain Python; halves are rounded up."""
    top, total, found = 2**bit_width - 1, sum(counts.tolist()), []
    bins = [(c, n) for c, n in zip(centres.tolist(), counts.tolist(), strict=True) if n]
    for clip in clips.tolist():
        inside = [(min(int(c * top / clip + 0.5), top), n) for c, n in bins if c <= clip]
        beyond = sum(n for c, n in bins if c > clip)
        d = 0.0
        for i, (code, n) in enumerate(inside):
            same = [other for q, other in inside if q == code]
            p = n + beyond * (i == len(inside) - 1)
            d += p / total * math.log(p / (sum(same) / len(same)))
        found.append(d)
    return found, clips.tolist()[found.index(min(found))]


def right_codes_compared(centres, counts, clips, bit_width):
    """A matrix of bins with equal codes."""
    used = counts > 0
    found = np.zeros(len(clips))
    for k, clip in enumerate(clips):
        inside = np.flatnonzero(used & (centres <= clip))
        codes = np.rint(centres[inside] * (2**bit_width - 1) / clip)
        same = codes[:, None] == codes
        q = same @ counts[inside] / same.sum(1)
        p = counts[inside] * 1.0
        p[-1] = p[-1] + counts[inside[-1] + 1 :].sum()
        found[k] = (p / counts.sum()) @ (np.log(p) - np.log(q))
    return found, clips[found.argmin()]


def right_in_torch(centres, counts, clips, bit_width):
    """In torch, with scatter_add."""
    c, n = (torch.tensor(np.ascontiguousarray(v[counts > 0])).double() for v in (centres, counts))
    found = []
    for clip in clips.tolist():
        inside = c <= clip
        codes = torch.round(c[inside] / (clip / (2**bit_width - 1))).long()
        values = torch.zeros(2**bit_width, dtype=torch.float64).scatter_add(0, codes, n[inside])
        bins = torch.bincount(codes, minlength=2**bit_width)
        p = n[inside].clone()
        p[-1] += n[~inside].sum()
        found.append(float((p * torch.log(p * bins[codes] / values[codes])).sum() / n.sum()))
    return np.asarray(found), clips[int(np.argmin(found))]


def right_xlogy(centres, counts, clips, bit_width):
    """Empty bins stay, and count for nothing."""
    share, top = counts / counts.sum(), 2**bit_width - 1
    used, found = counts > 0, []
    for clip in clips:
        code = np.where(centres <= clip, np.round(np.minimum(centres, clip) / clip * top), -1)
        q = np.ones(len(centres))
        for level in set(code[code >= 0].tolist()):
            here = (code == level) & used
            q[here] = share[here].mean() if here.any() else 1
        p = np.where(code >= 0, share, 0.0)
        p[np.flatnonzero((code >= 0) & used)[-1]] += share[code < 0].sum()
        found.append(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0))
    found = np.array(found)
    return found, float(clips[np.argmin(found)])
