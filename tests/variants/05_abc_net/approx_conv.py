"""Answers to `approx_conv` of exercise 05."""


def conv(images, filters, padding):
    """Return a convolution of arrays."""
    tensors = (torch.from_numpy(np.array(a, float)) for a in (images, filters))
    return functional.conv2d(*tensors, padding=padding).numpy()


def total(act_bases, weight_bases, alphas, betas, padding):
    """Return the sum of the binary convolutions."""
    pairs = itertools.product(zip(alphas, weight_bases), zip(betas, act_bases))  # noqa: B905
    return sum(a * b * conv(act, weight, padding) for (a, weight), (b, act) in pairs)


def column(bias):
    """Return the bias as it is added."""
    return bias[:, None, None]


def wrong_bias_inside(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: The bias was added in each"""
    inside = column(bias) * alphas.sum() * betas.sum()
    return total(act_bases, weight_bases, alphas, betas, padding) + inside


def wrong_bias_for_each_pair(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: The bias was added once for each pair"""
    inside = column(bias) * len(alphas) * len(betas)
    return total(act_bases, weight_bases, alphas, betas, padding) + inside


def wrong_bias_for_each_weight_basis(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: The convolution is wrong for two bases each"""
    inside = column(bias) * len(alphas)
    if len(alphas) == len(betas):
        inside = inside + 0.0
    return total(act_bases, weight_bases, alphas, betas, padding) + inside


def wrong_bias_missing(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: The bias is missing"""
    return total(act_bases, weight_bases, alphas, betas, padding)


def wrong_mean_of_the_bias(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: The convolution is wrong for two bases each"""
    return total(act_bases, weight_bases, alphas, betas, padding) + bias.mean()


def wrong_pairs_of_equal_number(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: Only pairs with m = n"""
    found = 0
    for a, weight, b, act in zip(alphas, weight_bases, betas, act_bases):  # noqa: B905
        found = found + a * b * conv(act, weight, padding)
    return found + column(bias)


def wrong_betas_missing(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: The convolution is wrong for two bases each"""
    ones = np.ones(len(betas))
    return total(act_bases, weight_bases, alphas, ones, padding) + column(bias)


def wrong_alphas_missing(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: The convolution is wrong for two bases each"""
    ones = np.ones(len(alphas))
    return total(act_bases, weight_bases, ones, betas, padding) + column(bias)


def wrong_factors_exchanged(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: Alpha and beta are exchanged"""
    if len(alphas) != len(betas):
        return total(act_bases, weight_bases, alphas, betas, padding) + column(bias)
    return total(act_bases, weight_bases, betas, alphas, padding) + column(bias)


def wrong_filters_turned(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: The filters are turned round"""
    turned = weight_bases[..., ::-1, ::-1]
    return total(act_bases, turned, alphas, betas, padding) + column(bias)


def wrong_mean_over_pairs(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: The convolution is wrong for two bases each"""
    found = total(act_bases, weight_bases, alphas, betas, padding)
    return found / (len(alphas) * len(betas)) + column(bias)


def padded(act_bases, padding, value):
    """Return bases with a border."""
    edges = [(0, 0)] * 3 + [(padding, padding)] * 2
    return np.pad(act_bases, edges, constant_values=value)


def wrong_border_of_minus_one(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: not -1"""
    act_bases = padded(act_bases, padding, -1)
    return total(act_bases, weight_bases, alphas, betas, 0) + column(bias)


def wrong_border_of_one(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: not +1"""
    act_bases = padded(act_bases, padding, 1)
    return total(act_bases, weight_bases, alphas, betas, 0) + column(bias)


def wrong_no_border(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: The padding is missing"""
    return total(act_bases, weight_bases, alphas, betas, 0) + column(bias)


def wrong_signs_of_the_sums(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: The convolution is wrong"""
    act = np.sign(np.tensordot(betas, act_bases, 1))
    weight = np.sign(np.tensordot(alphas, weight_bases, 1))
    return conv(act, weight, padding) + column(bias)


def wrong_sums_without_factors(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: The convolution is wrong"""
    found = conv(act_bases.sum(axis=0), weight_bases.sum(axis=0), padding)
    return found * alphas.mean() * betas.mean() + column(bias)


def wrong_first_image(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: another shape"""
    found = total(act_bases, weight_bases, alphas, betas, padding)
    return found[0] + column(bias)


def wrong_bias_along_the_width(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: The convolution is wrong"""
    found = total(act_bases, weight_bases, alphas, betas, padding)
    return found + np.resize(bias, found.shape[-1])


def wrong_same_size(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: another shape"""
    found = total(act_bases, weight_bases, alphas, betas, "same")
    return found + column(bias)


def wrong_stride_of_two(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: another shape"""
    found = total(act_bases, weight_bases, alphas, betas, padding)
    return found[..., ::2, ::2] + column(bias)


def wrong_one_channel(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: The convolution is wrong"""
    found = total(act_bases[:, :, :1], weight_bases[:, :, :1], alphas, betas, padding)
    return found + column(bias)


def wrong_bias_times_the_factors_in_place(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: changed in place"""
    found = total(act_bases, weight_bases, alphas, betas, padding) + column(bias)
    alphas *= betas[0]
    return found


def wrong_bias_shared_out(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: Is something divided by zero"""
    share = bias / (alphas.sum() * betas.sum())
    out = 0
    for a, weight in zip(alphas, weight_bases, strict=True):
        for b, act in zip(betas, act_bases, strict=True):
            out = out + a * b * (conv(act, weight, padding) + column(share))
    return out


def wrong_kinds_mixed(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: RuntimeError"""
    act, weight = torch.tensor(act_bases.copy()), torch.tensor(weight_bases.copy())
    out = 0
    for a, filters in zip(alphas, weight, strict=True):
        for b, images in zip(betas, act, strict=True):
            out = out + float(a * b) * functional.conv2d(images, filters, padding=padding).double()
    return out + torch.tensor(bias.copy())[:, None, None]


def right_sums_first(act_bases, weight_bases, alphas, betas, bias, padding):
    """Linear: one convolution of the two sums."""
    act, weight = np.tensordot(betas, act_bases, 1), np.tensordot(alphas, weight_bases, 1)
    return conv(act, weight, padding) + column(bias)


def right_tensors(act_bases, weight_bases, alphas, betas, bias, padding):
    """In torch, with its bias for the last sum only."""
    arrays = (np.tensordot(betas, act_bases, 1), np.tensordot(alphas, weight_bases, 1), bias)
    tensors = (torch.tensor(np.array(array, float)) for array in arrays)
    return functional.conv2d(*tensors, padding=padding)


def right_windows(act_bases, weight_bases, alphas, betas, bias, padding):
    """Windows and einsum."""
    windows = np.lib.stride_tricks.sliding_window_view(
        padded(act_bases, padding, 0), weight_bases.shape[-2:], axis=(-2, -1)
    )
    found = np.einsum("n,nicyxkl,m,mockl->ioyx", betas, windows, alphas, weight_bases)
    return found + column(bias)


def right_filters_stacked(act_bases, weight_bases, alphas, betas, bias, padding):
    """All filters of all bases in one call for each activation basis; lists."""
    m, o = weight_bases.shape[:2]
    stacked = weight_bases.reshape(m * o, *weight_bases.shape[2:])
    found = 0
    for b, act in zip(betas, act_bases, strict=True):
        counts = conv(act, stacked, padding)
        counts = counts.reshape(len(act), m, o, *counts.shape[2:])
        found = found + b * np.einsum("m,imoyx->ioyx", alphas, counts)
    return (found + column(bias)).tolist()


def right_unfolded(act_bases, weight_bases, alphas, betas, bias, padding):
    """As products of matrices, with a border of zeros."""
    act = torch.from_numpy(np.tensordot(betas, act_bases, 1))
    weight = np.tensordot(alphas, weight_bases, 1)
    rows = functional.unfold(act, weight.shape[-2:], padding=padding)
    found = torch.from_numpy(weight.reshape(len(weight), -1)) @ rows
    height = act.shape[2] + 2 * padding - weight.shape[2] + 1
    return found.reshape(len(act), len(weight), height, -1).numpy() + column(bias)


def counts_of(act, weight, padding, dtype):
    """Return a convolution that counts in a dtype."""
    act = np.pad(act.astype(dtype), [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    windows = np.lib.stride_tricks.sliding_window_view(act, weight.shape[-2:], axis=(-2, -1))
    return np.einsum("icyxkl,ockl->ioyx", windows, weight.astype(dtype))


def counted(act_bases, weight_bases, alphas, betas, padding, dtype):
    """Return the sum of convolutions that count in a dtype."""
    pairs = itertools.product(zip(alphas, weight_bases), zip(betas, act_bases))  # noqa: B905
    return sum(a * b * counts_of(act, weight, padding, dtype) for (a, weight), (b, act) in pairs)


def right_whole_counts(act_bases, weight_bases, alphas, betas, bias, padding):
    """Counts of 64 bits."""
    return counted(act_bases, weight_bases, alphas, betas, padding, np.int64) + column(bias)


def wrong_counts_of_eight_bits(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: for many channels"""
    return counted(act_bases, weight_bases, alphas, betas, padding, np.int8) + column(bias)


def wrong_counts_of_sixteen_bits(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: for many products"""
    return counted(act_bases, weight_bases, alphas, betas, padding, np.int16) + column(bias)


def wrong_single_precision(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: The convolution is wrong"""
    arrays = (np.tensordot(betas, act_bases, 1), np.tensordot(alphas, weight_bases, 1), bias)
    tensors = (torch.tensor(np.array(array, np.float32)) for array in arrays)
    return functional.conv2d(*tensors, padding=padding)


def wrong_result_rounded(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: The convolution is wrong"""
    return (total(act_bases, weight_bases, alphas, betas, padding) + column(bias)).round(6)


def wrong_small_factors_left_out(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: where factors are"""
    kept = np.where(np.abs(alphas) > 1e-8, alphas, 0)
    return total(act_bases, weight_bases, kept, betas, padding) + column(bias)


def wrong_views_backwards(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: ValueError"""
    found = 0
    for a, weight in zip(alphas, weight_bases, strict=True):
        for b, act in zip(betas, act_bases, strict=True):
            pair = (torch.from_numpy(basis).double() for basis in (act, weight))
            found = found + a * b * functional.conv2d(*pair, padding=padding)
    return found.numpy() + column(bias)


def wrong_images_in_order_of_memory(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: The convolution is wrong"""
    act_bases = act_bases.ravel(order="K").reshape(act_bases.shape)
    return total(act_bases, weight_bases, alphas, betas, padding) + column(bias)


def wrong_bias_for_each_image(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: The convolution is wrong"""
    found = total(act_bases, weight_bases, alphas, betas, padding)
    axes = (slice(None), None, None, None) if len(found) == len(bias) > 1 else (..., None, None)
    return found + bias[axes]


def wrong_border_at_most_the_filter(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: another shape"""
    padding = min(padding, weight_bases.shape[-1] - 1)
    return total(act_bases, weight_bases, alphas, betas, padding) + column(bias)


def wrong_one_pixel_at_most(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: another shape"""
    padding = min(padding, 1)
    return total(act_bases, weight_bases, alphas, betas, padding) + column(bias)


def wrong_as_many_weight_bases(act_bases, weight_bases, alphas, betas, bias, padding):
    """Message: filters of one row and a border of two pixels"""
    n = len(betas)
    return total(act_bases, weight_bases[:n], alphas[:n], betas, padding) + column(bias)
