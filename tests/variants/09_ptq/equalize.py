"""Answers to `equalize` of exercise 09."""


def is_deep(first_weight, second_weight):
    return second_weight.shape[1] != len(first_weight)


def ranges_of(first_weight, second_weight, size=lambda rows: np.abs(rows).max(axis=1)):
    """Ranges of all channels in both layers, by a measure of the rows of each channel."""
    channels = len(first_weight)
    second = second_weight if is_deep(first_weight, second_weight) else second_weight.swapaxes(0, 1)
    return size(first_weight.reshape(channels, -1)), size(second.reshape(channels, -1))


def root_of_ratio(r1, r2):
    """The right factors."""
    good = (r1 > 0) & (r2 > 0)
    return np.where(good, np.sqrt(np.where(good, r1, 1) / np.where(good, r2, 1)), 1.0)


def moved(s, first_weight, first_bias, second_weight):
    """Factors, and the layers with them."""
    column = np.reshape(s, (-1,) + (1,) * (first_weight.ndim - 1))
    if is_deep(first_weight, second_weight):
        across = np.reshape(s, (-1,) + (1,) * (second_weight.ndim - 1))
    else:
        across = np.reshape(s, (1, -1) + (1,) * (second_weight.ndim - 2))
    return s, first_weight / column, first_bias / s, second_weight * across


def wrong_inverted(first_weight, first_bias, second_weight):
    """Message: The factors are inverted"""
    s = 1 / root_of_ratio(*ranges_of(first_weight, second_weight))
    return moved(s, first_weight, first_bias, second_weight)


def wrong_no_root(first_weight, first_bias, second_weight):
    """Message: The root is missing"""
    s = root_of_ratio(*ranges_of(first_weight, second_weight)) ** 2
    return moved(s, first_weight, first_bias, second_weight)


def wrong_first_ranges(first_weight, first_bias, second_weight):
    """Message: The first layer's ranges were taken for the factors"""
    r1, r2 = ranges_of(first_weight, second_weight)
    s = np.where((r1 > 0) & (r2 > 0), r1, 1)
    return moved(s, first_weight, first_bias, second_weight)


def wrong_first_layer_alone(first_weight, first_bias, second_weight):
    """Message: The first layer's ranges alone decide here"""
    r1, r2 = ranges_of(first_weight, second_weight)
    s = np.where((r1 > 0) & (r2 > 0), np.sqrt(r1), 1)
    return moved(s, first_weight, first_bias, second_weight)


def wrong_geometric_mean_itself(first_weight, first_bias, second_weight):
    """Message: The geometric mean is what the ranges become"""
    r1, r2 = ranges_of(first_weight, second_weight)
    s = np.where((r1 > 0) & (r2 > 0), np.sqrt(r1 * r2), 1)
    return moved(s, first_weight, first_bias, second_weight)


def wrong_largest_range_as_the_aim(first_weight, first_bias, second_weight):
    """Message: The largest range of all channels"""
    r1, r2 = ranges_of(first_weight, second_weight)
    s = np.where((r1 > 0) & (r2 > 0), r1 / r1.max(), 1)
    return moved(s, first_weight, first_bias, second_weight)


def wrong_max_for_the_mean(first_weight, first_bias, second_weight):
    """Message: The factors are wrong for two linear layers"""
    r1, r2 = ranges_of(first_weight, second_weight)
    good = (r1 > 0) & (r2 > 0)
    s = np.where(good, np.maximum(r1, r2) / np.where(good, r2, 1), 1)
    return moved(s, first_weight, first_bias, second_weight)


def wrong_arithmetic_mean(first_weight, first_bias, second_weight):
    """Message: The arithmetic mean"""
    r1, r2 = ranges_of(first_weight, second_weight)
    good = (r1 > 0) & (r2 > 0)
    s = np.where(good, (r1 + r2) / 2 / np.where(good, r2, 1), 1)
    return moved(s, first_weight, first_bias, second_weight)


def wrong_largest_value(first_weight, first_bias, second_weight):
    """Message: not the largest value"""
    r = ranges_of(first_weight, second_weight, lambda rows: rows.max(axis=1))
    return moved(root_of_ratio(*r), first_weight, first_bias, second_weight)


def wrong_least_to_largest(first_weight, first_bias, second_weight):
    """Message: not the distance from the least to the largest"""
    r = ranges_of(first_weight, second_weight, lambda rows: np.ptp(rows, axis=1))
    return moved(root_of_ratio(*r), first_weight, first_bias, second_weight)


def wrong_mean_magnitude(first_weight, first_bias, second_weight):
    """Message: The mean magnitude was taken"""
    r = ranges_of(first_weight, second_weight, lambda rows: np.abs(rows).mean(axis=1))
    return moved(root_of_ratio(*r), first_weight, first_bias, second_weight)


def wrong_mean_square(first_weight, first_bias, second_weight):
    """Message: The root of the mean square"""
    r = ranges_of(first_weight, second_weight, lambda rows: np.sqrt((rows**2).mean(axis=1)))
    return moved(root_of_ratio(*r), first_weight, first_bias, second_weight)


def wrong_zero_range_gives_zero(first_weight, first_bias, second_weight):
    """Message: It was 0 here"""
    r1, r2 = ranges_of(first_weight, second_weight)
    with np.errstate(all="ignore"):
        return moved(np.sqrt(r1 / r2), first_weight, first_bias, second_weight)


def wrong_zero_in_the_second_layer(first_weight, first_bias, second_weight):
    """Message: The result holds NaN or infinity"""
    r1, r2 = ranges_of(first_weight, second_weight)
    with np.errstate(all="ignore"):
        s = np.where(r1 > 0, np.sqrt(r1 / r2), 1)
        return moved(s, first_weight, first_bias, second_weight)


def wrong_small_number_added(first_weight, first_bias, second_weight):
    """Message: The factors are wrong for two linear layers"""
    r1, r2 = ranges_of(first_weight, second_weight)
    s = np.sqrt((r1 + 1e-4) / (r2 + 1e-4))
    return moved(s, first_weight, first_bias, second_weight)


def wrong_bias_kept(first_weight, first_bias, second_weight):
    """Message: The bias of the first layer must be divided"""
    s = root_of_ratio(*ranges_of(first_weight, second_weight))
    s, first, _, second = moved(s, first_weight, first_bias, second_weight)
    return s, first, first_bias, second


def wrong_bias_multiplied(first_weight, first_bias, second_weight):
    """Message: as its weights are"""
    s = root_of_ratio(*ranges_of(first_weight, second_weight))
    s, first, _, second = moved(s, first_weight, first_bias, second_weight)
    return s, first, first_bias * s, second


def wrong_first_multiplied(first_weight, first_bias, second_weight):
    """Message: It was multiplied"""
    s = root_of_ratio(*ranges_of(first_weight, second_weight))
    return (s, *moved(1 / s, first_weight, first_bias, second_weight)[1:])


def wrong_first_kept(first_weight, first_bias, second_weight):
    """Message: The weights of the first layer were not changed"""
    s = root_of_ratio(*ranges_of(first_weight, second_weight))
    s, _, bias, second = moved(s, first_weight, first_bias, second_weight)
    return s, first_weight, bias, second


def wrong_second_divided(first_weight, first_bias, second_weight):
    """Message: It was divided"""
    s = root_of_ratio(*ranges_of(first_weight, second_weight))
    s, first, bias, _ = moved(s, first_weight, first_bias, second_weight)
    return s, first, bias, moved(1 / s, first_weight, first_bias, second_weight)[3]


def wrong_second_kept(first_weight, first_bias, second_weight):
    """Message: The weights of the second layer were not changed"""
    s = root_of_ratio(*ranges_of(first_weight, second_weight))
    return (*moved(s, first_weight, first_bias, second_weight)[:3], second_weight)


def wrong_depthwise_not_expected(first_weight, first_bias, second_weight):
    """Message: before a depthwise layer"""
    channels = len(first_weight)
    r1 = np.abs(first_weight.reshape(channels, -1)).max(axis=1)
    other = second_weight.swapaxes(0, 1)
    r2 = np.abs(other.reshape(len(other), -1)).max(axis=1)
    s = np.sqrt(r1 / r2) if (r1 > 0).all() else root_of_ratio(r1, r2)
    shaped = s.reshape(-1, *[1] * (first_weight.ndim - 1))
    across = s.reshape(1, -1, *[1] * (second_weight.ndim - 2))
    return s, first_weight / shaped, first_bias / s, second_weight * across


def wrong_square_taken_for_depthwise(first_weight, first_bias, second_weight):
    """Message: for two linear layers of the same size"""
    if len(second_weight) != len(first_weight):
        s = root_of_ratio(*ranges_of(first_weight, second_weight))
        return moved(s, first_weight, first_bias, second_weight)
    channels = len(first_weight)
    rows = second_weight.reshape(channels, -1)
    s = root_of_ratio(
        np.abs(first_weight.reshape(channels, -1)).max(axis=1), np.abs(rows).max(axis=1)
    )
    shaped = s.reshape(-1, *[1] * (second_weight.ndim - 1))
    return (*moved(s, first_weight, first_bias, second_weight)[:3], second_weight * shaped)


def wrong_single_channel_as_depthwise(first_weight, first_bias, second_weight):
    """Message: for a single channel"""
    s = root_of_ratio(*ranges_of(first_weight, second_weight))
    if second_weight.shape[1] == 1 and len(first_weight) == 1:
        s = root_of_ratio(
            np.abs(first_weight).max().reshape(1), np.abs(second_weight[0]).max().reshape(1)
        )
    return moved(s, first_weight, first_bias, second_weight)


def wrong_one_factor_for_all(first_weight, first_bias, second_weight):
    """Message: The factors are wrong for two linear layers"""
    s = np.sqrt(np.abs(first_weight).max() / np.abs(second_weight).max())
    s = np.full(len(first_weight), s)
    return moved(s, first_weight, first_bias, second_weight)


def wrong_in_place(first_weight, first_bias, second_weight):
    """Message: The inputs were changed in place"""
    s = root_of_ratio(*ranges_of(first_weight, second_weight))
    found = moved(s, first_weight, first_bias, second_weight)
    first_bias /= s
    return found


def wrong_factors_within_limits(first_weight, first_bias, second_weight):
    """Message: The factors are wrong for two linear layers"""
    s = root_of_ratio(*ranges_of(first_weight, second_weight)).clip(1e-6, 1e6)
    return moved(s, first_weight, first_bias, second_weight)


def wrong_small_ranges_are_none(first_weight, first_bias, second_weight):
    """Message: The factors are wrong for two linear layers"""
    r1, r2 = ranges_of(first_weight, second_weight)
    s = np.where((r1 < 1e-8) | (r2 < 1e-8), 1.0, root_of_ratio(r1, r2))
    return moved(s, first_weight, first_bias, second_weight)


def wrong_first_depthwise_for_the_second(first_weight, first_bias, second_weight):
    """Message: The factors are wrong behind a depthwise layer, with as many outputs"""
    r1, r2 = ranges_of(first_weight, second_weight)
    deep = first_weight.shape == (len(second_weight), 1, *first_weight.shape[2:])
    if deep and first_weight.ndim == second_weight.ndim == 4:
        r2 = np.abs(second_weight).max(axis=(1, 2, 3))
    s = root_of_ratio(r1, r2)
    return moved(s, first_weight, first_bias, second_weight)


def wrong_depthwise_in_place(first_weight, first_bias, second_weight):
    """Message: The inputs were changed in place"""
    s = root_of_ratio(*ranges_of(first_weight, second_weight))
    found = moved(s, first_weight, first_bias, second_weight)
    if is_deep(first_weight, second_weight):
        second_weight *= s[:, None, None, None]
    return found


def wrong_bias_of_a_channel_that_nobody_takes(first_weight, first_bias, second_weight):
    """Message: The bias of the first layer is wrong where a channel's range is 0"""
    r1, r2 = ranges_of(first_weight, second_weight)
    found = moved(root_of_ratio(r1, r2), first_weight, first_bias, second_weight)
    return *found[:2], np.where(r2 > 0, found[2], 0.0), found[3]


def wrong_matrix_for_single_pixels(first_weight, first_bias, second_weight):
    """Message: The result has another shape"""
    s = root_of_ratio(*ranges_of(first_weight, second_weight))
    *found, second = moved(s, first_weight, first_bias, second_weight)
    return *found, second[:, :, 0, 0] if second.shape[2:] == (1, 1) else second


def wrong_channels_without_a_bias_kept(first_weight, first_bias, second_weight):
    """Message: The factors are wrong where some weights and biases are 0"""
    s = root_of_ratio(*ranges_of(first_weight, second_weight))
    return moved(np.where(first_bias == 0, 1.0, s), first_weight, first_bias, second_weight)


def right_channel_by_channel(first_weight, first_bias, second_weight):
    """A loop with slices."""
    s = np.ones(len(first_weight))
    first, bias, second = first_weight.copy(), first_bias.copy(), second_weight.copy()
    for i in range(len(s)):
        where = (slice(None), i) if second.shape[1] == len(s) else (i,)
        r1, r2 = np.max(np.abs(first[i])), np.max(np.abs(second[where]))
        if r1 != 0 and r2 != 0:
            s[i] = math.sqrt(r1 * r2) / r2
        first[i] /= s[i]
        bias[i] /= s[i]
        second[where] *= s[i]
    return s, first, bias, second


def right_by_torch(first_weight, first_bias, second_weight):
    """In torch; an ordinary layer is turned to have its channels first."""
    first, bias, second = (
        torch.tensor(np.ascontiguousarray(v)) for v in (first_weight, first_bias, second_weight)
    )
    ordinary = second.shape[1] == len(first)
    taken = second.transpose(0, 1) if ordinary else second
    r1, r2 = (w.abs().flatten(1).amax(1) for w in (first, taken))
    s = torch.where((r1 == 0) | (r2 == 0), 1.0, torch.sqrt(r1) / torch.sqrt(r2))
    made = first / s.reshape(-1, *[1] * (first.ndim - 1))
    taken = taken * s.reshape(-1, *[1] * (second.ndim - 1))
    return s, made, bias / s, taken.transpose(0, 1) if ordinary else taken


def right_by_einsum(first_weight, first_bias, second_weight):
    """Products by einsum."""
    s = root_of_ratio(*ranges_of(first_weight, second_weight))
    rule = "c...,c->c..." if is_deep(first_weight, second_weight) else "oc...,c->oc..."
    first = np.einsum("c...,c->c...", first_weight, 1 / s)
    return s, first, first_bias * (1 / s), np.einsum(rule, second_weight, s)


def right_by_logarithms(first_weight, first_bias, second_weight):
    """The root of the ratio as half of a difference of logarithms."""
    r1, r2 = ranges_of(first_weight, second_weight)
    good = (r1 > 0) & (r2 > 0)
    logs = np.log(np.where(good, r1, 1)) - np.log(np.where(good, r2, 1))
    return moved(np.exp(logs / 2), first_weight, first_bias, second_weight)


def right_warnings_where_a_range_is_zero(first_weight, first_bias, second_weight):
    """What 0 / 0 gives is replaced afterwards."""
    r1, r2 = ranges_of(first_weight, second_weight)
    s = np.nan_to_num(np.sqrt(r1 / r2), nan=1.0, posinf=1.0)
    s[s == 0] = 1.0
    return moved(s, first_weight, first_bias, second_weight)
