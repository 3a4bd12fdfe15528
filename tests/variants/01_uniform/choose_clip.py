"""Answers to `choose_clip` of exercise 01."""


def fake(x, clip, bit_width):
    highest = 2 ** (bit_width - 1) - 1
    scale = clip / highest
    return scale * np.clip(np.round(x / scale), -highest, highest)


def measured(x, clip, bit_width):
    return np.sum((x - fake(x, clip, bit_width)) ** 2)


def expected(x, clip, bit_width, highest=None):
    m = np.abs(x)
    inside = m <= clip
    step = clip / (highest or 2 ** (bit_width - 1) - 1)
    return np.sum(inside) * step**2 / 12 + np.sum((m[~inside] - clip) ** 2)


def gain(error, x, clip, bit_width):
    return 10 * np.log10(error(x, np.abs(x).max(), bit_width) / error(x, clip, bit_width))


def result(x, bit_width, clips, choosing=expected, predicting=expected):
    clip = min(clips, key=lambda c: choosing(x, c, bit_width))
    return clip, gain(predicting, x, clip, bit_width), gain(measured, x, clip, bit_width)


def wrong_by_measuring(x, bit_width, clips):
    """Message: The clip is wrong for an array of two dimensions"""
    return result(x, bit_width, clips, choosing=measured)


def wrong_no_clipping_error(x, bit_width, clips):
    """Message: The clip is right, but the predicted gain is not"""
    return result(x, bit_width, clips, predicting=lambda x, c, b: c**2)


def wrong_all_values_inside(x, bit_width, clips):
    """Message: The clip is right, but the predicted gain is not"""

    def error(x, clip, bit_width):
        beyond = np.maximum(np.abs(x) - clip, 0)
        return x.size * (clip / (2 ** (bit_width - 1) - 1)) ** 2 / 12 + np.sum(beyond**2)

    return result(x, bit_width, clips, error, error)


def wrong_beyond_not_squared(x, bit_width, clips):
    """Message: The clip is right, but the predicted gain is not"""

    def error(x, clip, bit_width):
        m = np.abs(x)
        beyond = m[m > clip] - clip
        return np.sum(m <= clip) * (clip / (2 ** (bit_width - 1) - 1)) ** 2 / 12 + np.sum(beyond)

    return result(x, bit_width, clips, error, error)


def wrong_positive_side_only(x, bit_width, clips):
    """Message: for another bit width"""

    def error(x, clip, bit_width):
        beyond = x[x > clip] - clip
        return np.sum(x <= clip) * (clip / (2 ** (bit_width - 1) - 1)) ** 2 / 12 + np.sum(beyond**2)

    return result(x, bit_width, clips, error, error)


def wrong_steps(x, bit_width, clips):
    """Message: The clip is wrong for the worked value"""

    def error(x, clip, bit_width):
        return expected(x, clip, bit_width, highest=2 ** (bit_width - 1))

    return result(x, bit_width, clips, error, error)


def wrong_sign(x, bit_width, clips):
    """Message: The gain has the wrong sign"""
    clip, predicted, found = result(x, bit_width, clips)
    return clip, -predicted, -found


def wrong_measured_for_predicted(x, bit_width, clips):
    """Message: This is the measured gain"""
    clip, _, found = result(x, bit_width, clips)
    return clip, found, found


def wrong_predicted_for_measured(x, bit_width, clips):
    """Message: This is the prediction again"""
    clip, predicted, _ = result(x, bit_width, clips)
    return clip, predicted, predicted


def wrong_against_the_largest_clip(x, bit_width, clips):
    """Message: where the largest magnitude is not among the clips"""
    clip = min(clips, key=lambda c: expected(x, c, bit_width))
    gains = [
        10 * np.log10(error(x, clips.max(), bit_width) / error(x, clip, bit_width))
        for error in (expected, measured)
    ]
    return clip, *gains


def wrong_not_clamped(x, bit_width, clips):
    """Message: The predicted gain is right, but the measured one is not"""

    def unclamped(x, clip, bit_width):
        scale = clip / (2 ** (bit_width - 1) - 1)
        return np.sum((x - scale * np.round(x / scale)) ** 2)

    clip, predicted, _ = result(x, bit_width, clips)
    return clip, predicted, gain(unclamped, x, clip, bit_width)


def wrong_amplitudes(x, bit_width, clips):
    """Message: The clip is right, but the predicted gain is not"""
    clip, predicted, found = result(x, bit_width, clips)
    return clip, 2 * predicted, 2 * found


def wrong_sorted_clips(x, bit_width, clips):
    """Message: An input was changed in place"""
    clips.sort()
    return result(x, bit_width, clips)


def wrong_no_clip_above_all_values(x, bit_width, clips):
    """Message: where some clips are larger than all values"""
    below = [clip for clip in clips if clip <= np.abs(x).max()]
    return result(x, bit_width, below or clips)


def wrong_first_of_the_falling_ones(x, bit_width, clips):
    """Message: The clip is another one"""
    tried = sorted(clips.tolist())
    rising = [
        k
        for k in range(len(tried) - 1)
        if expected(x, tried[k + 1], bit_width) > expected(x, tried[k], bit_width)
    ]
    return result(x, bit_width, [tried[rising[0] if rising else -1]])


def right_arrays(x, bit_width, clips):
    """All clips at once."""
    m = np.abs(x).reshape(-1, 1)
    steps = clips / (2 ** (bit_width - 1) - 1)
    errors = np.where(m <= clips, steps**2 / 12, (m - clips) ** 2).sum(axis=0)
    k = errors.argmin()
    largest = m.max()
    at_largest = m.size * (largest / (2 ** (bit_width - 1) - 1)) ** 2 / 12
    found = [np.mean((x - fake(x, c, bit_width)) ** 2) for c in (largest, clips[k])]
    return np.array(
        [clips[k], 10 * np.log10(at_largest / errors[k]), 10 * np.log10(found[0] / found[1])]
    )


def right_library(x, bit_width, clips):
    """quantlib's quantizer and SQNR."""

    def sqnr(c):
        qparams = uniform.qparams_from_range(-c, c, bit_width)
        return metrics.sqnr_db(x, uniform.fake_quantize(x, qparams))

    x = np.array(x)
    clip = float(min(clips.tolist(), key=lambda c: expected(x, c, bit_width)))
    largest = float(np.abs(x).max())
    return [clip, gain(expected, x, clip, bit_width), sqnr(clip) - sqnr(largest)]


def right_loop(x, bit_width, clips):
    """Value by value."""
    values = x.ravel().tolist()
    highest = 2 ** (bit_width - 1) - 1

    def model(c):
        s = c / highest
        return sum(s * s / 12 if abs(v) <= c else (abs(v) - c) ** 2 for v in values)

    def truth(c):
        s = c / highest
        return sum((v - s * max(-highest, min(highest, round(v / s)))) ** 2 for v in values)

    clip, largest = min(clips.tolist(), key=model), max(map(abs, values))
    ratios = (model(largest) / model(clip), truth(largest) / truth(clip))
    return (clip, *(10 * float(np.log10(r)) for r in ratios))
