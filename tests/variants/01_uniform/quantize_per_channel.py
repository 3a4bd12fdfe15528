"""Answers to `quantize_per_channel` of exercise 01."""


def wrong_per_tensor(weight, bit_width):
    """Message: one scale for the whole tensor"""
    highest = 2 ** (bit_width - 1) - 1
    scale = np.abs(weight).max() / highest or 1.0
    return np.round(weight / scale).astype(np.int32), scale


def wrong_per_tensor_repeated(weight, bit_width):
    """Message: All channels got the same scale"""
    highest = 2 ** (bit_width - 1) - 1
    scale = np.abs(weight).max() / highest or 1.0
    return np.round(weight / scale).astype(np.int32), np.full(len(weight), scale)


def wrong_axis(weight, bit_width):
    """Message: These are the scales of the columns"""
    highest = 2 ** (bit_width - 1) - 1
    axes = (0, *range(2, weight.ndim))
    scales = np.abs(weight).max(axis=axes, keepdims=True) / highest
    scales[scales == 0] = 1
    return np.round(weight / scales).astype(np.int32), scales.ravel()


def wrong_shape_of_scales(weight, bit_width):
    """Message: must have the shape (out,)"""
    highest = 2 ** (bit_width - 1) - 1
    axes = tuple(range(1, weight.ndim))
    scales = np.abs(weight).max(axis=axes, keepdims=True) / highest
    scales[scales == 0] = 1
    return np.round(weight / scales).astype(np.int32), scales


def wrong_largest_value(weight, bit_width):
    """Message: not the largest value"""
    highest = 2 ** (bit_width - 1) - 1
    scales = weight.reshape(len(weight), -1).max(axis=1) / highest
    scales[scales == 0] = 1
    beside = scales.reshape(-1, *[1] * (weight.ndim - 1))
    return np.clip(np.round(weight / beside), -highest, highest).astype(np.int32), scales


def wrong_two_to_the_b_minus_1(weight, bit_width):
    """Message: one less than 2**(bit_width - 1)"""
    highest = 2 ** (bit_width - 1)
    scales = np.abs(weight).reshape(len(weight), -1).max(axis=1) / highest
    scales[scales == 0] = 1
    beside = scales.reshape(-1, *[1] * (weight.ndim - 1))
    return np.clip(np.round(weight / beside), 1 - highest, highest - 1).astype(np.int32), scales


def wrong_codes_of_the_tensor(weight, bit_width):
    """Message: channel 1 has lost its weights"""
    highest = 2 ** (bit_width - 1) - 1
    scales = np.abs(weight).reshape(len(weight), -1).max(axis=1) / highest
    scales[scales == 0] = 1
    return np.round(weight / scales.max()).astype(np.int32), scales


def wrong_real_numbers(weight, bit_width):
    """Message: The codes are wrong though the scales are right"""
    highest = 2 ** (bit_width - 1) - 1
    scales = np.abs(weight).reshape(len(weight), -1).max(axis=1) / highest
    scales[scales == 0] = 1
    beside = scales.reshape(-1, *[1] * (weight.ndim - 1))
    return np.round(weight / beside) * beside, scales


def wrong_floats(weight, bit_width):
    """Message: Codes are integers"""
    highest = 2 ** (bit_width - 1) - 1
    scales = np.abs(weight).reshape(len(weight), -1).max(axis=1) / highest
    scales[scales == 0] = 1
    beside = scales.reshape(-1, *[1] * (weight.ndim - 1))
    return np.round(weight / beside), scales


def wrong_zero_channel(weight, bit_width):
    """Message: A channel of zeros gets the scale 1"""
    highest = 2 ** (bit_width - 1) - 1
    scales = np.abs(weight).reshape(len(weight), -1).max(axis=1) / highest
    beside = np.where(scales == 0, 1, scales).reshape(-1, *[1] * (weight.ndim - 1))
    return np.round(weight / beside).astype(np.int32), scales


def wrong_codes_alone(weight, bit_width):
    """Message: Return two things: the codes and the scales"""
    highest = 2 ** (bit_width - 1) - 1
    scales = np.abs(weight).reshape(len(weight), -1).max(axis=1) / highest
    scales[scales == 0] = 1
    return np.round(weight / scales.reshape(-1, *[1] * (weight.ndim - 1))).astype(np.int32)


def wrong_linear_layers_only(weight, bit_width):
    """Message: another shape than the docstring says"""
    highest = 2 ** (bit_width - 1) - 1
    scales = np.abs(weight).max(axis=-1) / highest
    scales = np.where(scales == 0, 1, scales)
    codes = np.round(weight / scales[..., None]).astype(np.int32)
    return codes, scales


def wrong_int8_codes(weight, bit_width):
    """Message: for three axes and 9 bits"""
    highest = 2 ** (bit_width - 1) - 1
    scales = np.abs(weight).max(axis=tuple(range(1, weight.ndim))) / highest
    scales = np.where(scales > 0, scales, 1)
    beside = scales.reshape((-1,) + (1,) * (weight.ndim - 1))
    return np.rint(weight / beside).astype(np.int8), scales


def wrong_zero_by_its_sum(weight, bit_width):
    """Message: The scales are wrong"""
    highest = 2 ** (bit_width - 1) - 1
    axes = tuple(range(1, weight.ndim))
    scales = np.where(weight.sum(axis=axes) == 0, 1.0, np.abs(weight).max(axis=axes) / highest)
    codes = np.rint(weight / scales.reshape((-1,) + (1,) * (weight.ndim - 1)))
    return np.clip(codes, -highest, highest).astype(np.int32), scales


def wrong_tiny_is_zero(weight, bit_width):
    """Message: for weights of 1e-9 and below"""
    highest = 2 ** (bit_width - 1) - 1
    largest = np.abs(weight).max(axis=tuple(range(1, weight.ndim)))
    scales = np.where(largest < 1e-8, 1.0, largest / highest)
    codes = np.rint(weight / scales.reshape((-1,) + (1,) * (weight.ndim - 1)))
    return codes.astype(np.int32), scales


def wrong_small_beside_others_is_zero(weight, bit_width):
    """Message: where channels differ by many powers of ten"""
    highest = 2 ** (bit_width - 1) - 1
    largest = np.abs(weight).max(axis=tuple(range(1, weight.ndim)))
    scales = np.where(largest <= 1e-12 * largest.max(), 1.0, largest / highest)
    codes = np.rint(weight / scales.reshape((-1,) + (1,) * (weight.ndim - 1)))
    return codes.astype(np.int32), scales


def wrong_zero_by_its_first_weight(weight, bit_width):
    """Message: where many weights are zero"""
    highest = 2 ** (bit_width - 1) - 1
    largest = np.abs(weight).max(axis=tuple(range(1, weight.ndim)))
    scales = np.where(weight.reshape(len(weight), -1)[:, 0] == 0, 1.0, largest / highest)
    codes = np.rint(weight / scales.reshape((-1,) + (1,) * (weight.ndim - 1)))
    return codes.clip(-highest, highest).astype(np.int32), scales


def scaled(weight, bit_width):
    """Return weights in steps of their channel's scale, and the scales."""
    largest = np.abs(weight.astype(float)).max(axis=tuple(range(1, weight.ndim)))
    scales = np.where(largest == 0, 1.0, largest / (2 ** (bit_width - 1) - 1))
    return weight / scales.reshape(-1, *[1] * (weight.ndim - 1)), scales


def wrong_half_up(weight, bit_width):
    """Message: The codes are wrong half-way between two codes."""
    steps, scales = scaled(weight, bit_width)
    return np.floor(steps + 0.5).astype(np.int32), scales


def wrong_half_away_from_zero(weight, bit_width):
    """Message: The codes are wrong half-way between two codes."""
    steps, scales = scaled(weight, bit_width)
    return np.trunc(steps + 0.5 * np.sign(steps)).astype(np.int32), scales


def wrong_half_down(weight, bit_width):
    """Message: The codes are wrong though the scales are right."""
    steps, scales = scaled(weight, bit_width)
    return np.ceil(steps - 0.5).astype(np.int32), scales


def wrong_rounded_twice(weight, bit_width):
    """Message: The codes are wrong next to half-way between two codes."""
    steps, scales = scaled(weight, bit_width)
    return np.round(np.round(steps, 4)).astype(np.int32), scales


def right_broadcast(weight, bit_width):
    """Without a loop."""
    highest = 2 ** (bit_width - 1) - 1
    scales = np.abs(weight).max(axis=tuple(range(1, weight.ndim))) / highest
    scales = np.where(scales > 0, scales, 1)
    beside = scales.reshape((-1,) + (1,) * (weight.ndim - 1))
    return np.rint(weight / beside).clip(-highest, highest).astype(np.int16), scales


def right_flattened(weight, bit_width):
    """As a matrix with one row for each channel; double precision."""
    rows = np.asarray(weight, dtype=np.float64).reshape(weight.shape[0], -1)
    highest = np.iinfo(np.int16).max >> (16 - bit_width)
    largest = np.linalg.norm(rows, ord=np.inf, axis=1) if rows.shape[1] == 1 else abs(rows).max(1)
    scales = largest / highest
    scales[largest == 0] = 1.0
    codes = np.round((rows.T / scales).T)
    return codes.reshape(weight.shape).astype(int), scales


def right_torch(weight, bit_width):
    """With torch, tensors returned."""
    tensor = torch.tensor(weight)
    highest = 2 ** (bit_width - 1) - 1
    scales = tensor.flatten(1).abs().amax(dim=1) / highest
    scales = torch.where(scales == 0, 1.0, scales)
    codes = torch.round(tensor / scales.view(-1, *[1] * (tensor.ndim - 1)))
    return codes.to(torch.int32), scales
