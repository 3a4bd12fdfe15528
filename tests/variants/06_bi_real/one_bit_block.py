"""Answers to `one_bit_block` of exercise 06."""


def block_bits(v):
    """Return signs, 0 counting as positive."""
    return np.where(v >= 0, 1.0, -1.0)


def convolved(seen, weights, border=1.0):
    """Return the sums of a convolution with a border."""
    framed = np.pad(seen, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=border)
    weights = torch.from_numpy(np.ascontiguousarray(weights))
    return functional.conv2d(torch.from_numpy(np.ascontiguousarray(framed)), weights).numpy()


def wide(v):
    """Return a channel's numbers beside an image."""
    return np.asarray(v)[:, None, None]


def normal(s, gamma, beta, mean, var, eps):
    """Return batch normalization with given numbers."""
    return wide(gamma) * (s - wide(mean)) / np.sqrt(wide(var) + eps) + wide(beta)


def wrong_no_shortcut(x, w, gamma, beta, mean, var, eps):
    """Message: shortcut is missing"""
    return normal(convolved(block_bits(x), block_bits(w)), gamma, beta, mean, var, eps)


def wrong_shortcut_behind_the_sign(x, w, gamma, beta, mean, var, eps):
    """Message: leaves behind the sign"""
    return normal(
        convolved(block_bits(x), block_bits(w)), gamma, beta, mean, var, eps
    ) + block_bits(x)


def wrong_zero_border(x, w, gamma, beta, mean, var, eps):
    """Message: +1, not 0"""
    return normal(convolved(block_bits(x), block_bits(w), 0.0), gamma, beta, mean, var, eps) + x


def wrong_negative_border(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong for two channels of 2 x 3 pixels"""
    return normal(convolved(block_bits(x), block_bits(w), -1.0), gamma, beta, mean, var, eps) + x


def wrong_real_input(x, w, gamma, beta, mean, var, eps):
    """Message: x goes into"""
    return normal(convolved(x, block_bits(w)), gamma, beta, mean, var, eps) + x


def wrong_real_input_zero_border(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong for two channels of 2 x 3 pixels"""
    return normal(convolved(x, block_bits(w), 0.0), gamma, beta, mean, var, eps) + x


def wrong_real_weights(x, w, gamma, beta, mean, var, eps):
    """Message: weights are real"""
    return normal(convolved(block_bits(x), w), gamma, beta, mean, var, eps) + x


def wrong_scaled_weights(x, w, gamma, beta, mean, var, eps):
    """Message: scaled by their mean magnitude"""
    return (
        normal(
            wide(np.abs(w).mean(axis=(1, 2, 3))) * convolved(block_bits(x), block_bits(w)),
            gamma,
            beta,
            mean,
            var,
            eps,
        )
        + x
    )


def wrong_mean_for_sum(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong for two channels of 2 x 3 pixels"""
    return (
        normal(convolved(block_bits(x), block_bits(w)) / w[0].size, gamma, beta, mean, var, eps) + x
    )


def wrong_no_normalization(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong for two channels of 2 x 3 pixels"""
    return convolved(block_bits(x), block_bits(w)) + x


def wrong_shortcut_before_normalization(x, w, gamma, beta, mean, var, eps):
    """Message: comes back before"""
    return normal(convolved(block_bits(x), block_bits(w)) + x, gamma, beta, mean, var, eps)


def wrong_both_normalized(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong for two channels of 2 x 3 pixels"""
    return normal(convolved(block_bits(x), block_bits(w)), gamma, beta, mean, var, eps) + normal(
        x, gamma, beta, mean, var, eps
    )


def wrong_divided_by_the_variance(x, w, gamma, beta, mean, var, eps):
    """Message: by the variance"""
    return (
        wide(gamma) * (convolved(block_bits(x), block_bits(w)) - wide(mean)) / (wide(var) + eps)
        + wide(beta)
        + x
    )


def wrong_eps_outside(x, w, gamma, beta, mean, var, eps):
    """Message: under the root"""
    return (
        wide(gamma)
        * (convolved(block_bits(x), block_bits(w)) - wide(mean))
        / (np.sqrt(wide(var)) + eps)
        + wide(beta)
        + x
    )


def wrong_no_eps(x, w, gamma, beta, mean, var, eps):
    """Message: eps is missing"""
    with np.errstate(all="ignore"):
        return normal(convolved(block_bits(x), block_bits(w)), gamma, beta, mean, var, 0) + x


def wrong_variance_and_eps_multiplied(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong"""
    return (
        wide(gamma)
        * (convolved(block_bits(x), block_bits(w)) - wide(mean))
        / np.sqrt(wide(var) * (1 + eps))
        + wide(beta)
        + x
    )


def wrong_variance_squared(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong for two channels of 2 x 3 pixels"""
    return normal(convolved(block_bits(x), block_bits(w)), gamma, beta, mean, var**2, eps) + x


def wrong_variance_and_mean_exchanged(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong for two channels of 2 x 3 pixels"""
    return normal(convolved(block_bits(x), block_bits(w)), gamma, beta, var, np.abs(mean), eps) + x


def wrong_measured(x, w, gamma, beta, mean, var, eps):
    """Message: were measured"""
    s = convolved(block_bits(x), block_bits(w))
    return normal(s, gamma, beta, s.mean(axis=(0, 2, 3)), s.var(axis=(0, 2, 3)), eps) + x


def wrong_no_mean(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong for two channels of 2 x 3 pixels"""
    return normal(convolved(block_bits(x), block_bits(w)), gamma, beta, 0 * mean, var, eps) + x


def wrong_mean_added(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong for two channels of 2 x 3 pixels"""
    return normal(convolved(block_bits(x), block_bits(w)), gamma, beta, -mean, var, eps) + x


def wrong_no_gamma(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong for two channels of 2 x 3 pixels"""
    return (
        normal(convolved(block_bits(x), block_bits(w)), np.ones(len(w)), beta, mean, var, eps) + x
    )


def wrong_no_beta(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong for two channels of 2 x 3 pixels"""
    return normal(convolved(block_bits(x), block_bits(w)), gamma, 0 * beta, mean, var, eps) + x


def wrong_gamma_and_beta_exchanged(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong for two channels of 2 x 3 pixels"""
    return normal(convolved(block_bits(x), block_bits(w)), beta, gamma, mean, var, eps) + x


def wrong_flipped(x, w, gamma, beta, mean, var, eps):
    """Message: was flipped"""
    return (
        normal(
            convolved(block_bits(x), block_bits(w)[:, :, ::-1, ::-1]), gamma, beta, mean, var, eps
        )
        + x
    )


def wrong_transposed_filter(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong for two channels of 2 x 3 pixels"""
    return (
        normal(convolved(block_bits(x), block_bits(w).swapaxes(2, 3)), gamma, beta, mean, var, eps)
        + x
    )


def wrong_channels_exchanged(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong for two channels of 2 x 3 pixels"""
    return (
        normal(convolved(block_bits(x), block_bits(w).swapaxes(0, 1)), gamma, beta, mean, var, eps)
        + x
    )


def wrong_relu_before(x, w, gamma, beta, mean, var, eps):
    """Message: ReLU before"""
    return (
        normal(convolved(block_bits(np.maximum(x, 0)), block_bits(w)), gamma, beta, mean, var, eps)
        + x
    )


def wrong_relu_behind(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong for two channels of 2 x 3 pixels"""
    return np.maximum(
        normal(convolved(block_bits(x), block_bits(w)), gamma, beta, mean, var, eps) + x, 0
    )


def wrong_sign_at_the_end(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong for two channels of 2 x 3 pixels"""
    return block_bits(
        normal(convolved(block_bits(x), block_bits(w)), gamma, beta, mean, var, eps) + x
    )


def wrong_subtracted(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong for two channels of 2 x 3 pixels"""
    return normal(convolved(block_bits(x), block_bits(w)), gamma, beta, mean, var, eps) - x


def wrong_no_border(x, w, gamma, beta, mean, var, eps):
    """Message: shape of x"""
    return normal(convolved(block_bits(x), block_bits(w)), gamma, beta, mean, var, eps)[
        :, :, 1:-1, 1:-1
    ]


def wrong_sign_of_zero(x, w, gamma, beta, mean, var, eps):
    """Message: np.sign gives 0"""
    return normal(convolved(np.sign(x), np.sign(w)), gamma, beta, mean, var, eps) + x


def wrong_sign_of_zero_weights(x, w, gamma, beta, mean, var, eps):
    """Message: for weights as well"""
    return normal(convolved(block_bits(x), np.sign(w)), gamma, beta, mean, var, eps) + x


def wrong_sign_of_zero_numbers(x, w, gamma, beta, mean, var, eps):
    """Message: for the numbers as well"""
    return normal(convolved(np.sign(x), block_bits(w)), gamma, beta, mean, var, eps) + x


def wrong_sign_of_zero_below(x, w, gamma, beta, mean, var, eps):
    """Message: not -1"""
    return (
        normal(convolved(np.where(x > 0, 1.0, -1.0), block_bits(w)), gamma, beta, mean, var, eps)
        + x
    )


def wrong_one_channel(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong"""
    return (
        normal(convolved(block_bits(x), block_bits(w)), gamma[:1], beta[:1], mean[:1], var[:1], eps)
        + x
    )


def wrong_wrapped(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong"""
    framed = np.pad(block_bits(x), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    s = functional.conv2d(torch.from_numpy(framed), torch.from_numpy(block_bits(w))).numpy()
    return normal(s, gamma, beta, mean, var, eps) + x


def wrong_in_place(x, w, gamma, beta, mean, var, eps):
    """Message: changed in place"""
    result = normal(convolved(block_bits(x), block_bits(w)), gamma, beta, mean, var, eps)
    x += result
    return x.copy()


def wrong_int8(x, w, gamma, beta, mean, var, eps):
    """Message: whose signs agree"""
    s = convolved(block_bits(x), block_bits(w)).astype(np.int64).astype(np.int8)
    return normal(s, gamma, beta, mean, var, eps) + x


def wrong_from_numpy(x, w, gamma, beta, mean, var, eps):
    """Message: stopped with ValueError"""
    s = convolved(torch.where(torch.from_numpy(x) >= 0, 1.0, -1.0).double(), block_bits(w))
    return normal(s, gamma, beta, mean, var, eps) + x


def wrong_sign_bit(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong"""
    s = convolved(np.copysign(1.0, x), np.copysign(1.0, w))
    return normal(s, gamma, beta, mean, var, eps) + x


def wrong_first_image(x, w, gamma, beta, mean, var, eps):
    """Message: two images"""
    s = convolved(block_bits(x[:1]), block_bits(w))
    return normal(s, gamma, beta, mean, var, eps) + x


def wrong_least_variance(x, w, gamma, beta, mean, var, eps):
    """Message: The output is wrong"""
    s = convolved(block_bits(x), block_bits(w))
    return normal(s, gamma, beta, mean, np.maximum(var, 1e-3), eps) + x


def wrong_float32(x, w, gamma, beta, mean, var, eps):
    """Message: nine digits"""
    t = torch.tensor(np.array(x))
    signs = torch.where(t >= 0, 1.0, -1.0)
    framed = functional.pad(signs, (1, 1, 1, 1), value=1.0)
    s = functional.conv2d(framed, torch.from_numpy(np.where(w >= 0, 1, -1)).float())
    numbers = [torch.tensor(np.array(part, np.float32)) for part in (mean, var, gamma, beta)]
    return functional.batch_norm(s, *numbers, training=False, eps=eps) + t.float()


def wrong_tiny_variance(x, w, gamma, beta, mean, var, eps):
    """Message: where variances are tiny and eps is 0"""
    sums = convolved(block_bits(x), block_bits(w))
    return normal(sums, gamma, beta, mean, np.maximum(var, 1e-12), eps) + x


def right_windows(x, w, gamma, beta, mean, var, eps):
    """By windows and einsum."""
    framed = np.pad(np.where(x < 0, -1, 1), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=1)
    windows = np.lib.stride_tricks.sliding_window_view(framed, (3, 3), axis=(2, 3))
    s = np.einsum("nchwij,ocij->nohw", windows, np.where(w < 0, -1, 1))
    scale = gamma / np.sqrt(var + eps)
    return scale[None, :, None, None] * s + (beta - mean * scale)[None, :, None, None] + x


def right_torch(x, w, gamma, beta, mean, var, eps):
    """All by torch."""
    t = torch.tensor(np.array(x))
    framed = functional.pad(torch.where(t >= 0, 1.0, -1.0).double(), (1, 1, 1, 1), value=1.0)
    s = functional.conv2d(framed, torch.tensor(np.where(w >= 0, 1.0, -1.0)))
    four = [torch.tensor(np.array(part)) for part in (mean, var, gamma, beta)]
    return functional.batch_norm(s, *four, training=False, eps=eps) + t


def right_nine_shifts(x, w, gamma, beta, mean, var, eps):
    """As a sum of nine shifted images."""
    images, channels, height, width = x.shape
    framed = np.ones((images, channels, height + 2, width + 2))
    framed[:, :, 1:-1, 1:-1] = np.where(x >= 0, 1, -1)
    signs = np.where(w >= 0, 1, -1)
    s = np.zeros(x.shape)
    for i in range(3):
        for j in range(3):
            part = framed[:, :, i : i + height, j : j + width]
            s += np.einsum("nchw,oc->nohw", part, signs[:, :, i, j])
    root = np.sqrt(var + eps).reshape(1, -1, 1, 1)
    return (
        (s - mean.reshape(1, -1, 1, 1)) / root * gamma.reshape(1, -1, 1, 1)
        + beta.reshape(1, -1, 1, 1)
    ) + x


def right_agreeing_bits(x, w, gamma, beta, mean, var, eps):
    """By counts of bits that agree."""
    positive = np.pad(x >= 0, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=True)
    windows = np.lib.stride_tricks.sliding_window_view(positive, (3, 3), axis=(2, 3))
    agree = (windows[:, None] == (w >= 0)[None, :, :, None, None]).sum(axis=(2, 5, 6))
    s = 2 * agree - w[0].size
    return x + normal(s, gamma, beta, mean, var, eps)
