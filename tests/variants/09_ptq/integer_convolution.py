"""Answers to `integer_convolution` of exercise 09."""


def sums_of(x, x_zero, weight, weight_zero, padding, **how):
    """Sums without the bias, right unless an option says otherwise."""
    border = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    given = x.astype(np.int64)
    if how.get("mode"):
        padded = np.pad(given, border, mode=how["mode"])
    else:
        padded = np.pad(given, border, constant_values=how.get("fill", x_zero))
    images, w = padded - x_zero, weight.astype(np.int64) - weight_zero
    if how.get("turned"):
        w = w[:, :, ::-1, ::-1]
    windows = np.lib.stride_tricks.sliding_window_view(images, w.shape[2:], (2, 3))
    return np.einsum("nchwkl,ockl->nohw", windows, w)


def codes_from(sums, multipliers, shifts, y_zero, relu, **how):
    """Codes of sums, right unless an option says otherwise."""
    m = multipliers.astype(np.int64)[:, None, None]
    n = shifts.astype(np.int64)[:, None, None]
    half = how.get("half", 1 << (n - 1))
    codes = y_zero + ((sums * m + half) >> n)
    codes = np.clip(codes, y_zero if relu else 0, how.get("high", 255))
    return codes.astype(np.uint8)


def wrong_zero_point_of_images_forgotten(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The zero point of the images was forgotten"""
    sums = sums_of(x, 0, weight, weight_zero, padding) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def wrong_zero_point_of_weights_forgotten(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The zero point of the weights was forgotten"""
    sums = sums_of(x, x_zero, weight, 0, padding) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def wrong_both_zero_points_forgotten(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: Both zero points were forgotten"""
    sums = sums_of(x, 0, weight, 0, padding) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def wrong_zero_points_added(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The zero points were added"""
    sums = sums_of(x, -x_zero, weight, -weight_zero, padding) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def wrong_product_of_zero_points_forgotten(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The codes are wrong without padding and without ReLU"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding) + bias[:, None, None]
    sums = sums - x_zero * weight_zero * weight[0].size
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def wrong_bias_forgotten(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The bias was forgotten"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding)
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def wrong_bias_late(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The bias is added to the sums, before the multiplier"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding)
    return codes_from(sums, multipliers, shifts, y_zero + bias.astype(int)[:, None, None], relu)


def wrong_zero_point_of_the_result_forgotten(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The zero point of the result was forgotten"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, 0, relu)


def wrong_kernel_turned(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The kernel was turned around"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding, turned=True) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def wrong_rounded_down(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: These are rounded down"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu, half=0)


def wrong_rounding_in_int32(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: did not fit into int32"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding) + bias[:, None, None]
    added = np.left_shift(np.int32(1), shifts - 1)[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu, half=added)


def wrong_always_relu(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The ReLU is there, though relu is False"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, True)


def wrong_never_relu(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The ReLU is missing"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, False)


def wrong_relu_at_code_0(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The ReLU is missing"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding) + bias[:, None, None]
    codes = codes_from(sums, multipliers, shifts, y_zero, False)
    return np.maximum(codes, 0) if relu else codes


def wrong_padded_with_0(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The border is padded with the code 0"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding, fill=0) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def wrong_padded_with_twice_the_zero_point(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: after it had been taken away"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding, fill=2 * x_zero)
    return codes_from(sums + bias[:, None, None], multipliers, shifts, y_zero, relu)


def wrong_padded_with_the_other_zero_point(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The padding has the zero point of the result"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding, fill=y_zero) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def wrong_edge_repeated(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The border repeats the image's edge"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding, mode="edge") + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def wrong_no_padding(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: another shape than the docstring says, with padding"""
    sums = sums_of(x, x_zero, weight, weight_zero, 0) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def wrong_subtracted_in_uint8(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: did not fit into uint8"""
    wrapped = x - np.uint8(x_zero)
    sums = sums_of(wrapped, 0, weight, weight_zero, padding) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def wrong_ran_over(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: were not clamped: they ran over"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding) + bias[:, None, None]
    m, n = (v.astype(np.int64)[:, None, None] for v in (multipliers, shifts))
    codes = y_zero + ((sums * m + (1 << (n - 1))) >> n)
    return (np.maximum(codes, y_zero) if relu else codes).astype(np.uint8)


def wrong_up_to_127(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: Codes end at 255, not at 127"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu, high=127)


def wrong_first_multiplier_for_all(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The multiplier of the first channel"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding) + bias[:, None, None]
    first = multipliers[:1].repeat(len(bias)), shifts[:1].repeat(len(bias))
    return codes_from(sums, *first, y_zero, relu)


def wrong_product_in_int32(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The codes are wrong"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding) + bias[:, None, None]
    product = (sums.astype(np.int32) * multipliers[:, None, None]).astype(np.int64)
    n = shifts.astype(np.int64)[:, None, None]
    codes = y_zero + ((product + (1 << (n - 1))) >> n)
    return np.clip(codes, y_zero if relu else 0, 255).astype(np.uint8)


def wrong_sums_in_int16(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The codes are wrong for large sums"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding).astype(np.int16)
    sums = sums.astype(np.int64) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def wrong_by_a_division(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: Compute in whole numbers"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding) + bias[:, None, None]
    factor = multipliers / 2.0**shifts
    codes = y_zero + np.rint(sums * factor[:, None, None])
    return np.clip(codes, y_zero if relu else 0, 255).astype(np.uint8)


def wrong_other_dtype(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The codes must have the dtype uint8"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu).astype(np.int64)


def wrong_rounded_twice(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The codes are wrong"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding) + bias[:, None, None]
    m, n = (v.astype(np.int64)[:, None, None] for v in (multipliers, shifts))
    first, left = (sums * m + (1 << 30)) >> 31, np.maximum(n - 31, 1)
    codes = y_zero + ((first + (1 << (left - 1))) >> left)
    return np.clip(codes, y_zero if relu else 0, 255).astype(np.uint8)


def wrong_half_away_from_zero(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: where results are half-way between whole numbers"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding) + bias[:, None, None]
    m, n = (v.astype(np.int64)[:, None, None] for v in (multipliers, shifts))
    size = (abs(sums) * m + (1 << (n - 1))) >> n
    codes = y_zero + np.where(sums < 0, -size, size)
    return np.clip(codes, y_zero if relu else 0, 255).astype(np.uint8)


def wrong_square_kernel(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The result has another shape than the docstring says"""
    square = weight[:, :, :, : weight.shape[2]]
    sums = sums_of(x, x_zero, square, weight_zero, padding) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def wrong_border_of_one_at_most(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: with a wide padding"""
    sums = sums_of(x, x_zero, weight, weight_zero, min(padding, 1)) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def wrong_first_input_for_all(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The codes are wrong for other codes"""
    same = np.broadcast_to(weight[:, :1], weight.shape)
    sums = sums_of(x, x_zero, same, weight_zero, padding) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def wrong_images_for_outputs_if_all_sizes_agree(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The codes are wrong where all sizes are the same"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding)
    if len(set(sums.shape)) == 1 and len(x) > 1:
        sums = sums.swapaxes(0, 1)
    return codes_from(sums + bias[:, None, None], multipliers, shifts, y_zero, relu)


def wrong_half_of_long_shifts(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The codes are wrong where the bias is large"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding) + bias[:, None, None]
    half = 1 << np.minimum(shifts.astype(np.int64) - 1, 40)[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu, half=half)


def wrong_nothing_where_the_kernel_is_larger(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The codes are wrong for a kernel that is larger than the image"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding)
    if weight.shape[2] > x.shape[2] or weight.shape[3] > x.shape[3]:
        sums[:] = 0
    return codes_from(sums + bias[:, None, None], multipliers, shifts, y_zero, relu)


def wrong_no_border_where_zero_is_code_0(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The result has another shape than the docstring says for sizes and zero points"""
    border = padding if x_zero else 0
    sums = sums_of(x, x_zero, weight, weight_zero, border) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def wrong_weights_of_code_0_skipped(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: The codes are wrong"""
    w = np.where(weight == 0, weight_zero, weight.astype(np.int64))
    sums = sums_of(x, x_zero, w, weight_zero, padding) + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def right_two_loops(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Loops over the kernel's places."""
    count, _, height, width = x.shape
    outputs, _, rows, columns = weight.shape
    padded = np.full((count, x.shape[1], height + 2 * padding, width + 2 * padding), x_zero)
    padded[:, :, padding : padding + height, padding : padding + width] = x
    padded, w = padded - x_zero, weight.astype(int) - weight_zero
    tall, wide = padded.shape[2] - rows + 1, padded.shape[3] - columns + 1
    total = np.zeros((count, outputs, tall, wide), int) + bias[:, None, None]
    for k in range(rows):
        for j in range(columns):
            part = padded[:, :, k : k + tall, j : j + wide]
            total += np.tensordot(w[:, :, k, j], part, (1, 1)).transpose(1, 0, 2, 3)
    scaled = total * multipliers.astype(int)[:, None, None]
    scaled = scaled + 2 ** (shifts.astype(int)[:, None, None] - 1)
    codes = y_zero + scaled // 2 ** shifts.astype(int)[:, None, None]
    return np.clip(codes, y_zero if relu else 0, 255).astype(np.uint8)


def right_by_torch(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """torch's convolution of int64; the sums go through the ReLU."""
    images = torch.tensor(x.astype(np.int64)) - x_zero
    kernel = torch.tensor(weight.astype(np.int64)) - weight_zero
    sums = torch.nn.functional.conv2d(images, kernel, padding=padding)
    b, m, n = (
        torch.tensor(v.astype(np.int64)).reshape(-1, 1, 1) for v in (bias, multipliers, shifts)
    )
    sums = sums + b
    if relu:
        sums = sums.clamp(min=0)
    one = torch.ones_like(n)
    return (y_zero + ((sums * m + (one << (n - 1))) >> n)).clamp(0, 255).to(torch.uint8)


def right_four_terms(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """The product of differences written out."""
    border = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    padded = np.pad(x, border, constant_values=x_zero).astype(np.int64)
    w = weight.astype(np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], (2, 3))
    plain = np.einsum("nchwkl,ockl->nohw", windows, w)
    of_images = windows.sum(axis=(1, 4, 5))[:, None]
    of_weights = w.sum(axis=(1, 2, 3))[:, None, None]
    sums = plain - weight_zero * of_images - x_zero * of_weights
    sums = sums + x_zero * weight_zero * w[0].size + bias[:, None, None]
    return codes_from(sums, multipliers, shifts, y_zero, relu)


def right_by_python(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Sums by the helper, codes in Python's whole numbers."""
    sums = sums_of(x, x_zero, weight, weight_zero, padding)
    codes = np.zeros(sums.shape, np.uint8)
    for place in np.ndindex(*sums.shape):
        o = place[1]
        total = int(sums[place]) + int(bias[o])
        n = int(shifts[o])
        code = y_zero + ((total * int(multipliers[o]) + (1 << (n - 1))) >> n)
        codes[place] = max(y_zero if relu else 0, min(255, code))
    return codes


def right_tensordot_channels_last(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Channels stand last until the end, where multipliers and shifts fall into place."""
    border = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    padded = np.pad(x, border, constant_values=x_zero)
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], (2, 3))
    given, w = windows.astype(np.int32) - x_zero, weight.astype(np.int32) - weight_zero
    sums = np.tensordot(given, w, ((1, 4, 5), (1, 2, 3))) + bias
    product = sums.astype(np.int64) * multipliers
    codes = (product + 2 ** (shifts.astype(np.int64) - 1)) // 2 ** shifts.astype(np.int64)
    codes = np.clip(codes + y_zero, (0, y_zero)[relu], 255)
    return np.moveaxis(codes, 3, 1).astype("uint8")


def wrong_long_shifts_rounded_twice(
    x, x_zero, weight, weight_zero, bias, multipliers, shifts, y_zero, padding, relu
):
    """Message: where products lie just below a jump, for all shifts"""
    sums = sums_of(x, x_zero, weight, weight_zero, padding) + bias[:, None, None]
    m, n = (v.astype(np.int64)[:, None, None] for v in (multipliers, shifts))
    first = np.where(n > 36, 16, 0)
    sums = (sums * m + ((1 << first) >> 1)) >> first
    codes = y_zero + ((sums + (1 << (n - first - 1))) >> (n - first))
    return np.clip(codes, y_zero if relu else 0, 255).astype(np.uint8)
