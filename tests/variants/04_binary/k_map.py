"""Answers to `k_map` of exercise 04."""


def means(a, height, width):
    """Return the means of all windows of N x C x H x W maps, channel by channel."""
    windows = np.lib.stride_tricks.sliding_window_view(a, (height, width), axis=(2, 3))
    return windows.mean(axis=(-2, -1))


def wrong_mean_of_x(x, height, width):
    """Message: This is the mean of X, not of |X|"""
    return means(x.mean(axis=1, keepdims=True), height, width)


def wrong_absolute_value_after_the_channels(x, height, width):
    """Message: The absolute value came after the mean of the channels"""
    return means(np.abs(x.mean(axis=1, keepdims=True)), height, width)


def wrong_channels_added_up(x, height, width):
    """Message: The channels were added up"""
    return means(np.abs(x).sum(axis=1, keepdims=True), height, width)


def wrong_windows_added_up(x, height, width):
    """Message: The windows were added up"""
    mean = torch.from_numpy(np.abs(x).mean(axis=1, keepdims=True))
    return functional.conv2d(mean, torch.ones(1, 1, height, width))


def wrong_all_added_up(x, height, width):
    """Message: Channels and windows were added up"""
    magnitudes = torch.from_numpy(np.abs(x))
    return functional.conv2d(magnitudes, torch.ones(1, x.shape[1], height, width))


def wrong_map_for_each_channel(x, height, width):
    """Message: There is a map for each channel"""
    return means(np.abs(x), height, width)


def wrong_squares(x, height, width):
    """Message: These are means of squares"""
    return means((x**2).mean(axis=1, keepdims=True), height, width)


def wrong_largest_of_a_window(x, height, width):
    """Message: These are the largest magnitudes"""
    mean = torch.from_numpy(np.abs(x).mean(axis=1, keepdims=True))
    return functional.max_pool2d(mean, (height, width), stride=1)


def wrong_one_scale_an_image(x, height, width):
    """Message: This is one scale for the whole image"""
    return np.abs(x).mean(axis=(1, 2, 3), keepdims=True)


def wrong_not_convolved(x, height, width):
    """Message: This is A, the mean over the channels"""
    return np.abs(x).mean(axis=1, keepdims=True)


def wrong_channel_axis_missing(x, height, width):
    """Message: The axis of the channels is missing"""
    return means(np.abs(x).mean(axis=1, keepdims=True), height, width)[:, 0]


def wrong_stride(x, height, width):
    """Message: The stride is 1"""
    mean = torch.from_numpy(np.abs(x).mean(axis=1, keepdims=True))
    return functional.avg_pool2d(mean, (height, width))


def wrong_padded(x, height, width):
    """Message: another shape"""
    mean = torch.from_numpy(np.abs(x).mean(axis=1, keepdims=True))
    kernel = torch.full((1, 1, height, width), 1 / (height * width))
    return functional.conv2d(mean, kernel, padding="same")


def wrong_height_and_width_exchanged(x, height, width):
    """Message: Height and width are exchanged"""
    return means(np.abs(x).mean(axis=1, keepdims=True), width, height)


def wrong_always_a_quarter(x, height, width):
    """Message: The divisor fits windows of 2 x 2 only"""
    mean = torch.from_numpy(np.abs(x).mean(axis=1, keepdims=True))
    return functional.conv2d(mean, torch.full((1, 1, height, width), 0.25))


def wrong_square_windows(x, height, width):
    """Message: another shape"""
    return means(np.abs(x).mean(axis=1, keepdims=True), height, height)


def wrong_two_channels(x, height, width):
    """Message: K is wrong for other images"""
    return means(np.abs(x).sum(axis=1, keepdims=True) / 2, height, width)


def wrong_first_image_only(x, height, width):
    """Message: The shape is wrong for other images"""
    return means(np.abs(x[:1]).mean(axis=1, keepdims=True), height, width)


def wrong_in_place(x, height, width):
    """Message: The images were changed in place"""
    np.abs(x, out=x)
    return means(x.mean(axis=1, keepdims=True), height, width)


def right_windows(x, height, width):
    """Every window by itself, without the convolution."""
    n, _, full_height, full_width = x.shape
    result = np.zeros((n, 1, full_height - height + 1, full_width - width + 1))
    for i in range(result.shape[2]):
        for j in range(result.shape[3]):
            window = x[:, :, i : i + height, j : j + width]
            result[:, 0, i, j] = np.abs(window).mean(axis=(1, 2, 3))
    return result


def right_channels_in_the_filter(x, height, width):
    """One filter that averages over the channels as well."""
    kernel = torch.ones(1, x.shape[1], height, width, dtype=torch.float64)
    magnitudes = torch.from_numpy(np.abs(x)).double()
    return functional.conv2d(magnitudes, kernel / kernel.numel())


def right_pooling(x, height, width):
    """Average pooling with stride 1."""
    mean = torch.tensor(x).abs().mean(1, keepdim=True)
    return functional.avg_pool2d(mean, (height, width), stride=1).numpy()
