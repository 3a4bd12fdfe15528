"""Answers to `correct_bias` of exercise 09."""


def channel_means(batches):
    """Means over all images and places."""
    whole = np.concatenate(batches)
    return whole.mean(axis=(0, *range(2, whole.ndim)))


def old_bias(bias, units):
    return np.zeros(len(units)) if bias is None else bias


def with_codes(bias, units):
    return bias, np.rint(bias / units).astype(np.int64)


def shifted_by(bias, units, means, wanted, found):
    """A bias by another kind of mean, and its codes."""
    return with_codes(old_bias(bias, units) + means(wanted) - means(found), units)


def wrong_sign(bias, units, wanted, found):
    """Message: The sign is wrong"""
    return with_codes(old_bias(bias, units) - channel_means(wanted) + channel_means(found), units)


def wrong_old_bias_forgotten(bias, units, wanted, found):
    """Message: The bias that was there before is missing"""
    return with_codes(channel_means(wanted) - channel_means(found), units)


def wrong_mean_of_means(bias, units, wanted, found):
    """Message: Batches were counted alike"""
    means = lambda batches: np.mean([channel_means([b]) for b in batches], axis=0)  # noqa: E731
    return shifted_by(bias, units, means, wanted, found)


def wrong_means_added_up(bias, units, wanted, found):
    """Message: Batches' means were added up"""
    means = lambda batches: np.sum([channel_means([b]) for b in batches], axis=0)  # noqa: E731
    return shifted_by(bias, units, means, wanted, found)


def wrong_mean_over_everything(bias, units, wanted, found):
    """Message: These are means over everything"""
    means = lambda batches: np.concatenate(batches).mean()  # noqa: E731
    return shifted_by(bias, units, means, wanted, found)


def wrong_last_batch(bias, units, wanted, found):
    """Message: The last batch alone"""
    means = lambda batches: channel_means(batches[-1:])  # noqa: E731
    return shifted_by(bias, units, means, wanted, found)


def wrong_first_batch(bias, units, wanted, found):
    """Message: The first batch alone"""
    means = lambda batches: channel_means(batches[:1])  # noqa: E731
    return shifted_by(bias, units, means, wanted, found)


def wrong_sums_over_places(bias, units, wanted, found):
    """Message: The places were summed"""

    def means(batches):
        whole = np.concatenate(batches)
        return whole.sum(axis=tuple(range(2, whole.ndim))).mean(axis=0)

    return shifted_by(bias, units, means, wanted, found)


def wrong_sums(bias, units, wanted, found):
    """Message: Sums were taken"""

    def sums(batches):
        whole = np.concatenate(batches)
        return whole.sum(axis=(0, *range(2, whole.ndim)))

    return shifted_by(bias, units, sums, wanted, found)


def wrong_found_forgotten(bias, units, wanted, found):
    """Message: The mean of what was found is missing"""
    return with_codes(old_bias(bias, units) + channel_means(wanted), units)


def wrong_over_the_images_alone(bias, units, wanted, found):
    """Message: The result has another shape"""
    means = lambda batches: np.concatenate(batches).mean(axis=0)  # noqa: E731
    if wanted[0].ndim == 2:
        return shifted_by(bias, units, means, wanted, found)
    own = old_bias(bias, units)[:, None, None]
    return with_codes(own + means(wanted) - means(found), units[:, None, None])


def wrong_channels_for_images(bias, units, wanted, found):
    """Message: ValueError"""
    means = lambda batches: np.concatenate(batches).mean(  # noqa: E731
        axis=tuple(range(1, batches[0].ndim))
    )
    return shifted_by(bias, units, means, wanted, found)


def wrong_median(bias, units, wanted, found):
    """Message: The bias is wrong for two channels"""

    def medians(batches):
        whole = np.concatenate(batches)
        return np.median(whole, axis=(0, *range(2, whole.ndim)))

    return shifted_by(bias, units, medians, wanted, found)


def wrong_behind_the_relu(bias, units, wanted, found):
    """Message: The bias is wrong for two channels"""
    means = lambda batches: channel_means([np.maximum(b, 0) for b in batches])  # noqa: E731
    return shifted_by(bias, units, means, wanted, found)


def wrong_none_is_not_expected(bias, units, wanted, found):
    """Message: TypeError"""
    return with_codes(bias + channel_means(wanted) - channel_means(found), units)


def wrong_codes_cut_off(bias, units, wanted, found):
    """Message: not cut off"""
    new, _ = shifted_by(bias, units, channel_means, wanted, found)
    return new, (new / units).astype(np.int64)


def wrong_codes_rounded_down(bias, units, wanted, found):
    """Message: not down"""
    new, _ = shifted_by(bias, units, channel_means, wanted, found)
    return new, np.floor(new / units).astype(np.int64)


def wrong_codes_multiplied(bias, units, wanted, found):
    """Message: It was multiplied"""
    new, _ = shifted_by(bias, units, channel_means, wanted, found)
    return new, np.rint(new * units).astype(np.int64)


def wrong_codes_of_the_old_bias(bias, units, wanted, found):
    """Message: These are codes of the old bias"""
    new, _ = shifted_by(bias, units, channel_means, wanted, found)
    return new, np.rint(old_bias(bias, units) / units).astype(np.int64)


def wrong_one_unit(bias, units, wanted, found):
    """Message: One unit was taken for all channels"""
    new, _ = shifted_by(bias, units, channel_means, wanted, found)
    return new, np.rint(new / units[0]).astype(np.int64)


def wrong_codes_in_8_bits(bias, units, wanted, found):
    """Message: The codes of the bias are wrong"""
    new, codes = shifted_by(bias, units, channel_means, wanted, found)
    return new, np.clip(codes, -128, 127)


def wrong_codes_of_the_change_added(bias, units, wanted, found):
    """Message: The codes of the bias are wrong"""
    new, _ = shifted_by(bias, units, channel_means, wanted, found)
    own = old_bias(bias, units)
    return new, (np.rint(own / units) + np.rint((new - own) / units)).astype(np.int64)


def wrong_float_codes(bias, units, wanted, found):
    """Message: The codes must be integers by their type"""
    new, codes = shifted_by(bias, units, channel_means, wanted, found)
    return new, codes * 1.0


def wrong_bias_of_the_codes(bias, units, wanted, found):
    """Message: The bias is wrong for"""
    _, codes = shifted_by(bias, units, channel_means, wanted, found)
    return codes * units, codes


def wrong_in_place(bias, units, wanted, found):
    """Message: The inputs were changed in place"""
    new, codes = shifted_by(bias, units, channel_means, wanted, found)
    for y, z in zip(wanted, found, strict=True):
        y -= z
    return new, codes


def wrong_in_float32(bias, units, wanted, found):
    """Message: Only its first digits are right"""
    new, codes = shifted_by(bias, units, channel_means, wanted, found)
    return new.astype(np.float32), codes


def wrong_codes_through_float32(bias, units, wanted, found):
    """Message: The codes of the bias are wrong where codes have eight digits and more"""
    new = old_bias(bias, units) + channel_means(wanted) - channel_means(found)
    return new, np.rint(new.astype(np.float32) / units.astype(np.float32)).astype(np.int64)


def wrong_zero_bias_kept(bias, units, wanted, found):
    """Message: The bias is wrong where the bias is 0 in some channels"""
    new = old_bias(bias, units) + channel_means(wanted) - channel_means(found)
    return with_codes(new if bias is None else np.where(bias == 0, 0.0, new), units)


def wrong_one_zero_bias_is_none(bias, units, wanted, found):
    """Message: The bias is wrong where the bias is 0 in some channels"""
    own = None if bias is None or not bias.all() else bias
    return with_codes(old_bias(own, units) + channel_means(wanted) - channel_means(found), units)


def wrong_codes_away_from_zero(bias, units, wanted, found):
    """Message: The codes of the bias are wrong"""
    new = old_bias(bias, units) + channel_means(wanted) - channel_means(found)
    codes = np.sign(new) * np.ceil(np.abs(new / units) - 1e-9)
    return new, codes.astype(np.int64)


def wrong_two_batches_alone(bias, units, wanted, found):
    """Message: The bias is wrong for many batches"""
    means = lambda batches: channel_means(batches[:2])  # noqa: E731
    return shifted_by(bias, units, means, wanted, found)


def wrong_axes_of_one_dropped(bias, units, wanted, found):
    """Message: The result has another shape"""
    means = lambda batches: channel_means([np.concatenate(batches).squeeze()])  # noqa: E731
    return shifted_by(bias, units, means, wanted, found)


def wrong_lists_used_up(bias, units, wanted, found):
    """Message: The inputs were changed in place"""
    n, d = 0, np.zeros(len(units))
    while wanted[0].ndim == 2 and len(wanted) > 1:
        y, z = wanted.pop(), found.pop()
        n, d = n + len(y), d + (y - z).sum(axis=0)
    last = channel_means(wanted) - channel_means(found)
    rest = sum(map(len, wanted))
    return with_codes(old_bias(bias, units) + (d + rest * last) / (n + rest), units)


def right_sums_by_batches(bias, units, wanted, found):
    """Sums and numbers, batch by batch."""
    total, count = np.zeros(len(units)), 0
    for y, z in zip(wanted, found, strict=True):
        off = (y - z).reshape(len(y), len(units), -1)
        total += off.sum(axis=(0, 2))
        count += off.shape[0] * off.shape[2]
    new = total / count if bias is None else bias + total / count
    return new, np.round(new / units).astype(np.int32)


def right_plain_python(bias, units, wanted, found):
    """Channel by channel, in lists."""
    new, codes = [], []
    for o, unit in enumerate(units.tolist()):
        y, z = (
            [v for batch in batches for v in batch[:, o].ravel().tolist()]
            for batches in (wanted, found)
        )
        own = 0.0 if bias is None else float(bias[o])
        new.append(own + sum(y) / len(y) - sum(z) / len(z))
        codes.append(round(new[-1] / unit))
    return new, codes


def right_by_torch(bias, units, wanted, found):
    """In torch, channels first."""
    y, z = (
        torch.cat([torch.tensor(np.ascontiguousarray(b)) for b in batches])
        .transpose(0, 1)
        .flatten(1)
        .mean(1)
        for batches in (wanted, found)
    )
    new = y - z
    if bias is not None:
        new = new + torch.tensor(np.ascontiguousarray(bias))
    return new, torch.round(new / torch.tensor(np.ascontiguousarray(units))).int()


def right_weighted_means(bias, units, wanted, found):
    """Means of the batches, weighted by their images."""
    weights = [len(b) for b in wanted]
    y, z = (
        np.average([channel_means([b]) for b in batches], axis=0, weights=weights)
        for batches in (wanted, found)
    )
    return with_codes(old_bias(bias, units) + (y - z), units)


def right_running_mean(bias, units, wanted, found):
    """Image by image, each pulling the mean by its share."""
    mean, seen = np.zeros(len(units)), 0
    for y, z in zip(wanted, found, strict=True):
        for one, other in zip(y, z, strict=True):
            seen += 1
            mean += ((one - other).reshape(len(mean), -1).mean(axis=1) - mean) / seen
    new = mean + old_bias(bias, units)
    return new, (new / units + 0.5 * np.sign(new)).astype(np.int32)
