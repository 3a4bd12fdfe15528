"""Answers to `bnn_layer` of exercise 04."""


def signs_of(x):
    """Return a tensor of signs; that of 0 is +1."""
    return torch.tensor(np.where(x >= 0, 1.0, -1.0))


def padded(x, weight, value=1.0):
    """Return images with a frame, so that the result is as large as they are."""
    height, width = weight.shape[2:]
    frame = (width // 2, width // 2, height // 2, height // 2)
    return functional.pad(torch.as_tensor(x), frame, value=value)


def convolved(x, weight, value=1.0):
    """Return the convolution of two arrays as they are."""
    return functional.conv2d(padded(x, weight, value).double(), torch.as_tensor(weight).double())


def normalized(sums, gamma, delta, mean, variance, eps):
    """Return what batch normalization gives."""
    tensors = (torch.tensor(v) for v in (mean, variance, gamma, delta))
    return functional.batch_norm(torch.as_tensor(sums), *tensors, eps=eps)


def wrong_padding_of_zeros(x, weight, gamma, delta, mean, variance, eps):
    """Message: Padding with 0 puts a third value"""
    sums = convolved(signs_of(x), signs_of(weight), 0.0)
    return normalized(sums, gamma, delta, mean, variance, eps)


def wrong_padding_minus_one(x, weight, gamma, delta, mean, variance, eps):
    """Message: The result is wrong for an image of 3 x 3 pixels and one filter of 3 x 3."""
    sums = convolved(signs_of(x), signs_of(weight), -1.0)
    return normalized(sums, gamma, delta, mean, variance, eps)


def wrong_real_input(x, weight, gamma, delta, mean, variance, eps):
    """Message: The result is wrong for an image of 3 x 3 pixels and one filter of 3 x 3."""
    return normalized(convolved(x, signs_of(weight)), gamma, delta, mean, variance, eps)


def wrong_real_input_zeros(x, weight, gamma, delta, mean, variance, eps):
    """Message: The result is wrong for an image of 3 x 3 pixels and one filter of 3 x 3."""
    return normalized(convolved(x, signs_of(weight), 0.0), gamma, delta, mean, variance, eps)


def wrong_real_weights(x, weight, gamma, delta, mean, variance, eps):
    """Message: The weights are not binary"""
    return normalized(convolved(signs_of(x), weight), gamma, delta, mean, variance, eps)


def wrong_nothing_binary(x, weight, gamma, delta, mean, variance, eps):
    """Message: The result is wrong for an image of 3 x 3 pixels and one filter of 3 x 3."""
    return normalized(convolved(x, weight, 0.0), gamma, delta, mean, variance, eps)


def wrong_real_with_ones(x, weight, gamma, delta, mean, variance, eps):
    """Message: The result is wrong for an image of 3 x 3 pixels and one filter of 3 x 3."""
    return normalized(convolved(x, weight), gamma, delta, mean, variance, eps)


def wrong_sign_of_zero(x, weight, gamma, delta, mean, variance, eps):
    """Message: The sign of 0 is +1"""
    sums = convolved(np.sign(x), np.sign(weight))
    return normalized(sums, gamma, delta, mean, variance, eps)


def wrong_without_eps(x, weight, gamma, delta, mean, variance, eps):
    """Message: eps is missing"""
    return normalized(convolved(signs_of(x), signs_of(weight)), gamma, delta, mean, variance, 0.0)


def wrong_fixed_eps(x, weight, gamma, delta, mean, variance, eps):
    """Message: The result is wrong for an image"""
    return normalized(convolved(signs_of(x), signs_of(weight)), gamma, delta, mean, variance, 0.1)


def wrong_eps_outside_of_the_root(x, weight, gamma, delta, mean, variance, eps):
    """Message: eps belongs under the root"""
    squared = (np.sqrt(variance) + eps) ** 2
    return normalized(convolved(signs_of(x), signs_of(weight)), gamma, delta, mean, squared, 0.0)


def wrong_no_root(x, weight, gamma, delta, mean, variance, eps):
    """Message: The root is missing"""
    squared = (variance + eps) ** 2
    return normalized(convolved(signs_of(x), signs_of(weight)), gamma, delta, mean, squared, 0.0)


def wrong_statistics_of_the_batch(x, weight, gamma, delta, mean, variance, eps):
    """Message: The result is wrong for an image of 3 x 3 pixels and one filter of 3 x 3."""
    sums = convolved(signs_of(x), signs_of(weight))
    scale, shift = torch.tensor(gamma), torch.tensor(delta)
    return functional.batch_norm(sums, None, None, scale, shift, training=True, eps=eps)


def wrong_beta_scaled(x, weight, gamma, delta, mean, variance, eps):
    """Message: The result is wrong for an image of 3 x 3 pixels and one filter of 3 x 3."""
    sums = convolved(signs_of(x), signs_of(weight))
    return normalized(sums, gamma, 0 * delta, mean - delta, variance, eps)


def wrong_mean_forgotten(x, weight, gamma, delta, mean, variance, eps):
    """Message: The result is wrong for an image of 3 x 3 pixels and one filter of 3 x 3."""
    sums = convolved(signs_of(x), signs_of(weight))
    return normalized(sums, gamma, delta, 0 * mean, variance, eps)


def wrong_mean_added(x, weight, gamma, delta, mean, variance, eps):
    """Message: The result is wrong for an image of 3 x 3 pixels and one filter of 3 x 3."""
    return normalized(convolved(signs_of(x), signs_of(weight)), gamma, delta, -mean, variance, eps)


def wrong_gamma_forgotten(x, weight, gamma, delta, mean, variance, eps):
    """Message: The result is wrong for an image of 3 x 3 pixels and one filter of 3 x 3."""
    sums = convolved(signs_of(x), signs_of(weight))
    return normalized(sums, np.ones_like(gamma), delta, mean, variance, eps)


def wrong_beta_forgotten(x, weight, gamma, delta, mean, variance, eps):
    """Message: The result is wrong for an image of 3 x 3 pixels and one filter of 3 x 3."""
    sums = convolved(signs_of(x), signs_of(weight))
    return normalized(sums, gamma, 0 * delta, mean, variance, eps)


def wrong_mirrored(x, weight, gamma, delta, mean, variance, eps):
    """Message: The result is wrong for an image of 3 x 3 pixels and one filter of 3 x 3."""
    sums = convolved(signs_of(x), signs_of(weight[..., ::-1, ::-1]))
    return normalized(sums, gamma, delta, mean, variance, eps)


def wrong_scaled_by_alpha(x, weight, gamma, delta, mean, variance, eps):
    """Message: The result is wrong for an image of 3 x 3 pixels and one filter of 3 x 3."""
    alpha = torch.tensor(np.abs(weight).mean(axis=(1, 2, 3)))[:, None, None]
    sums = alpha * convolved(signs_of(x), signs_of(weight))
    return normalized(sums, gamma, delta, mean, variance, eps)


def wrong_signs_returned(x, weight, gamma, delta, mean, variance, eps):
    """Message: The result is wrong for an image of 3 x 3 pixels and one filter of 3 x 3."""
    sums = convolved(signs_of(x), signs_of(weight))
    return signs_of(normalized(sums, gamma, delta, mean, variance, eps).numpy())


def wrong_not_normalized(x, weight, gamma, delta, mean, variance, eps):
    """Message: The result is wrong for an image of 3 x 3 pixels and one filter of 3 x 3."""
    return convolved(signs_of(x), signs_of(weight))


def wrong_no_padding(x, weight, gamma, delta, mean, variance, eps):
    """Message: There is no padding"""
    sums = functional.conv2d(signs_of(x), signs_of(weight))
    return normalized(sums, gamma, delta, mean, variance, eps)


def wrong_axis(x, weight, gamma, delta, mean, variance, eps):
    """Message: went along the wrong axis"""
    sums = convolved(signs_of(x), signs_of(weight)).numpy()
    return gamma * (sums - mean) / np.sqrt(variance + eps) + delta


def wrong_padding_of_3_by_3(x, weight, gamma, delta, mean, variance, eps):
    """Message: another shape"""
    frame = functional.pad(signs_of(x), (1, 1, 1, 1), value=1.0)
    sums = functional.conv2d(frame, signs_of(weight))
    return normalized(sums, gamma, delta, mean, variance, eps)


def wrong_height_for_width(x, weight, gamma, delta, mean, variance, eps):
    """Message: needs padding on the left and right"""
    size = weight.shape[2] // 2
    frame = functional.pad(signs_of(x), (size, size, size, size), value=1.0)
    sums = functional.conv2d(frame, signs_of(weight))
    return normalized(sums, gamma, delta, mean, variance, eps)


def wrong_rows_and_columns_exchanged(x, weight, gamma, delta, mean, variance, eps):
    """Message: needs padding on the left and right"""
    height, width = weight.shape[2:]
    frame = (height // 2, height // 2, width // 2, width // 2)
    sums = functional.conv2d(functional.pad(signs_of(x), frame, value=1.0), signs_of(weight))
    return normalized(sums, gamma, delta, mean, variance, eps)


def wrong_sums_in_int8(x, weight, gamma, delta, mean, variance, eps):
    """Message: Some results are wrong for tens of channels."""
    sums = convolved(signs_of(x), signs_of(weight)).to(torch.int8).double()
    return normalized(sums, gamma, delta, mean, variance, eps)


def wrong_floor_below_the_root(x, weight, gamma, delta, mean, variance, eps):
    """Message: Some results are wrong where variances are tiny."""
    spread = np.maximum(variance + eps, 1e-10)
    return normalized(convolved(signs_of(x), signs_of(weight)), gamma, delta, mean, spread, 0.0)


def wrong_floor_below_the_deviation(x, weight, gamma, delta, mean, variance, eps):
    """Message: Some results are wrong where variances are tiny."""
    spread = (np.sqrt(variance + eps) + 1e-8) ** 2
    return normalized(convolved(signs_of(x), signs_of(weight)), gamma, delta, mean, spread, 0.0)


def wrong_half_precision(x, weight, gamma, delta, mean, variance, eps):
    """Message: Some results are wrong"""
    sums = convolved(signs_of(x), signs_of(weight)).half()
    scale, shift, center = (
        torch.tensor(v.copy()).half()[:, None, None] for v in (gamma, delta, mean)
    )
    spread = torch.tensor(np.sqrt(variance + eps))[:, None, None]
    return (scale * (sums - center)).double() / spread + shift


def wrong_small_spread_beside_a_large_one(x, weight, gamma, delta, mean, variance, eps):
    """Message: Some results are wrong where a variance is 0."""
    spread = np.maximum(variance + eps, (variance + eps).max() / 1000)
    return normalized(convolved(signs_of(x), signs_of(weight)), gamma, delta, mean, spread, 0.0)


def wrong_in_place(x, weight, gamma, delta, mean, variance, eps):
    """Message: The inputs were changed in place"""
    x[:] = np.where(x >= 0, 1, -1)
    return normalized(convolved(x, signs_of(weight)), gamma, delta, mean, variance, eps)


def right_layers_of_torch(x, weight, gamma, delta, mean, variance, eps):
    """With torch's batch normalization."""
    sums = functional.conv2d(padded(signs_of(x), weight), signs_of(weight))
    return normalized(sums, gamma, delta, mean, variance, eps)


def right_window_by_window(x, weight, gamma, delta, mean, variance, eps):
    """With NumPy alone."""
    u, v = np.where(x < 0, -1, 1), np.where(weight < 0, -1, 1)
    above, left = weight.shape[2] // 2, weight.shape[3] // 2
    u = np.pad(u, ((0, 0), (0, 0), (above, above), (left, left)), constant_values=1)
    result = np.empty((len(x), len(weight), *x.shape[2:]))
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            window = u[:, :, i : i + weight.shape[2], j : j + weight.shape[3]]
            sums = np.tensordot(window, v, ([1, 2, 3], [1, 2, 3]))
            result[:, :, i, j] = gamma * (sums - mean) / np.sqrt(variance + eps) + delta
    return result


def right_float32(x, weight, gamma, delta, mean, variance, eps):
    """In float32."""
    sums = functional.conv2d(padded(signs_of(x).float(), weight), signs_of(weight).float())
    scale, shift, center, spread = (
        torch.tensor(v).float()[:, None, None] for v in (gamma, delta, mean, variance)
    )
    return scale * (sums - center) / torch.sqrt(spread + eps) + shift


def right_folded_in_float32(x, weight, gamma, delta, mean, variance, eps):
    """One slope and one shift for each channel, in float32."""
    sums = functional.conv2d(padded(signs_of(x), weight), signs_of(weight)).numpy()
    slope = (gamma / np.sqrt(variance + eps)).astype(np.float32)
    shift = delta.astype(np.float32) - slope * mean.astype(np.float32)
    return sums.astype(np.float32) * slope[:, None, None] + shift[:, None, None]
