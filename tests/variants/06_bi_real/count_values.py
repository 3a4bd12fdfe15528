"""Answers to `count_values` of exercise 06."""


def count(n, shortcut, batch_norm):
    """Return the right count."""
    if shortcut == "none":
        return n + 1
    if shortcut == "before":
        return n * n + n if batch_norm else 2 * n + 1
    return 2 * n if batch_norm else n + 2


def wrong_squared_bound(channels, kernel_size, shortcut, batch_norm):
    """Message: upper bound"""
    n = channels * kernel_size**2
    if shortcut == "before" and batch_norm:
        return (n + 1) ** 2
    return count(n, shortcut, batch_norm)


def wrong_squared(channels, kernel_size, shortcut, batch_norm):
    """Message: The count is wrong with the shortcut before the sign and batch normalization"""
    n = channels * kernel_size**2
    if shortcut == "before" and batch_norm:
        return n**2
    return count(n, shortcut, batch_norm)


def wrong_doubled(channels, kernel_size, shortcut, batch_norm):
    """Message: The count is wrong with the shortcut before the sign and batch normalization"""
    n = channels * kernel_size**2
    if shortcut == "before" and batch_norm:
        return 2 * (n + 1)
    return count(n, shortcut, batch_norm)


def wrong_whole_for_scaled(channels, kernel_size, shortcut, batch_norm):
    """Message: fall onto each other"""
    n = channels * kernel_size**2
    if shortcut == "before" and batch_norm:
        return 2 * n + 1
    return count(n, shortcut, batch_norm)


def wrong_two_products_known(channels, kernel_size, shortcut, batch_norm):
    """Message: The count is wrong with the shortcut before the sign and batch normalization"""
    n = channels * kernel_size**2
    if shortcut == "before" and batch_norm:
        return (n + 1) * n - n - 1
    return count(n, shortcut, batch_norm)


def wrong_no_gain(channels, kernel_size, shortcut, batch_norm):
    """Message: without a shortcut"""
    n = channels * kernel_size**2
    if shortcut == "before" and batch_norm:
        return n + 1
    return count(n, shortcut, batch_norm)


def wrong_carried_sign(channels, kernel_size, shortcut, batch_norm):
    """Message: The count is wrong with the shortcut before the sign and batch normalization"""
    n = channels * kernel_size**2
    if shortcut == "before" and batch_norm:
        return 2 * n
    return count(n, shortcut, batch_norm)


def wrong_scaled_for_whole(channels, kernel_size, shortcut, batch_norm):
    """Message: many sums coincide"""
    n = channels * kernel_size**2
    if shortcut == "before" and not batch_norm:
        return (n + 1) * n
    return count(n, shortcut, batch_norm)


def wrong_scaled_bound_for_whole(channels, kernel_size, shortcut, batch_norm):
    """Message: The count is wrong with the shortcut before the sign and without batch"""
    n = channels * kernel_size**2
    if shortcut == "before" and not batch_norm:
        return (n + 1) ** 2
    return count(n, shortcut, batch_norm)


def wrong_one_end(channels, kernel_size, shortcut, batch_norm):
    """Message: The count is wrong with the shortcut before the sign and without batch"""
    n = channels * kernel_size**2
    if shortcut == "before" and not batch_norm:
        return 2 * n
    return count(n, shortcut, batch_norm)


def wrong_steps_of_one(channels, kernel_size, shortcut, batch_norm):
    """Message: steps are 2 wide"""
    n = channels * kernel_size**2
    if shortcut == "before" and not batch_norm:
        return 4 * n + 1
    return count(n, shortcut, batch_norm)


def wrong_end_left_out(channels, kernel_size, shortcut, batch_norm):
    """Message: The count is wrong with the shortcut before the sign and without batch"""
    n = channels * kernel_size**2
    if shortcut == "before" and not batch_norm:
        return 2 * n - 1
    return count(n, shortcut, batch_norm)


def wrong_not_wider(channels, kernel_size, shortcut, batch_norm):
    """Message: The count is wrong with the shortcut before the sign and without batch"""
    n = channels * kernel_size**2
    if shortcut == "before" and not batch_norm:
        return n + 1
    return count(n, shortcut, batch_norm)


def wrong_all_sums_meet_both_signs(channels, kernel_size, shortcut, batch_norm):
    """Message: for each sign there are n sums"""
    n = channels * kernel_size**2
    if shortcut == "behind" and batch_norm:
        return 2 * (n + 1)
    return count(n, shortcut, batch_norm)


def wrong_moved_nowhere(channels, kernel_size, shortcut, batch_norm):
    """Message: The count is wrong with the shortcut behind the sign and batch normalization"""
    n = channels * kernel_size**2
    if shortcut == "behind" and batch_norm:
        return n + 1
    return count(n, shortcut, batch_norm)


def wrong_real_number_behind(channels, kernel_size, shortcut, batch_norm):
    """Message: The count is wrong with the shortcut behind the sign and batch normalization"""
    n = channels * kernel_size**2
    if shortcut == "behind" and batch_norm:
        return (n + 1) * n
    return count(n, shortcut, batch_norm)


def wrong_whole_behind(channels, kernel_size, shortcut, batch_norm):
    """Message: The count is wrong with the shortcut behind the sign and batch normalization"""
    n = channels * kernel_size**2
    if shortcut == "behind" and batch_norm:
        return n + 2
    return count(n, shortcut, batch_norm)


def wrong_scaled_behind(channels, kernel_size, shortcut, batch_norm):
    """Message: meet others"""
    n = channels * kernel_size**2
    if shortcut == "behind" and not batch_norm:
        return 2 * n
    return count(n, shortcut, batch_norm)


def wrong_plain_behind(channels, kernel_size, shortcut, batch_norm):
    """Message: The count is wrong with the shortcut behind the sign and without batch"""
    n = channels * kernel_size**2
    if shortcut == "behind" and not batch_norm:
        return n + 1
    return count(n, shortcut, batch_norm)


def wrong_inner_behind(channels, kernel_size, shortcut, batch_norm):
    """Message: The count is wrong with the shortcut behind the sign and without batch"""
    n = channels * kernel_size**2
    if shortcut == "behind" and not batch_norm:
        return n
    return count(n, shortcut, batch_norm)


def wrong_one_more_behind(channels, kernel_size, shortcut, batch_norm):
    """Message: The count is wrong with the shortcut behind the sign and without batch"""
    n = channels * kernel_size**2
    if shortcut == "behind" and not batch_norm:
        return n + 3
    return count(n, shortcut, batch_norm)


def wrong_open_interval(channels, kernel_size, shortcut, batch_norm):
    """Message: Both ends count"""
    n = channels * kernel_size**2
    if shortcut == "none" and batch_norm:
        return n
    return count(n, shortcut, batch_norm)


def wrong_all_whole_numbers(channels, kernel_size, shortcut, batch_norm):
    """Message: 2 wide"""
    n = channels * kernel_size**2
    if shortcut == "none" and batch_norm:
        return 2 * n + 1
    return count(n, shortcut, batch_norm)


def wrong_all_inputs(channels, kernel_size, shortcut, batch_norm):
    """Message: The count is wrong without a shortcut"""
    n = channels * kernel_size**2
    if shortcut == "none" and batch_norm:
        return 2 ** min(n, 60)
    return count(n, shortcut, batch_norm)


def wrong_normalization_loses(channels, kernel_size, shortcut, batch_norm):
    """Message: no difference"""
    n = channels * kernel_size**2
    if shortcut == "none" and not batch_norm:
        return n
    return count(n, shortcut, batch_norm)


def wrong_kernel_not_squared(channels, kernel_size, shortcut, batch_norm):
    """Message: The count is wrong without a shortcut"""
    return count(channels * kernel_size, shortcut, batch_norm)


def wrong_channels_forgotten(channels, kernel_size, shortcut, batch_norm):
    """Message: The count is wrong without a shortcut"""
    return count(kernel_size**2, shortcut, batch_norm)


def wrong_always_three(channels, kernel_size, shortcut, batch_norm):
    """Message: wrong"""
    return count(9 * channels, shortcut, batch_norm)


def wrong_float(channels, kernel_size, shortcut, batch_norm):
    """Message: A count is an int"""
    return float(count(channels * kernel_size**2, shortcut, batch_norm))


def wrong_no_return(channels, kernel_size, shortcut, batch_norm):
    """Message: returned nothing"""
    count(channels * kernel_size**2, shortcut, batch_norm)


def wrong_square_root_of_float(channels, kernel_size, shortcut, batch_norm):
    """Message: for another n"""
    n = channels * kernel_size**2
    return int(np.float32(count(n, shortcut, batch_norm)))


def wrong_double(channels, kernel_size, shortcut, batch_norm):
    """Message: n is very large"""
    return int(float(count(channels * kernel_size**2, shortcut, batch_norm)))


def wrong_root(channels, kernel_size, shortcut, batch_norm):
    """Message: n is very large"""
    n = int(np.sqrt(float((channels * kernel_size**2) ** 2)))
    return count(n, shortcut, batch_norm)


def wrong_list_of_sums(channels, kernel_size, shortcut, batch_norm):
    """Message: stopped with"""
    n = channels * kernel_size**2
    return count(len(np.arange(-n, n + 1, 2)) - 1, shortcut, batch_norm)


def wrong_library(channels, kernel_size, shortcut, batch_norm):
    """Message: A part of quantlib stands in the function, or in one that it calls"""
    from quantlib.bi_real import representable_values

    n = representable_values(channels, kernel_size=kernel_size).plain - 1
    return count(n, shortcut, batch_norm)


def wrong_object(channels, kernel_size, shortcut, batch_norm):
    """Message: The count is wrong without a shortcut"""
    n = channels * kernel_size**2
    names = [name for name in ("none", "before", "behind") if name is shortcut]
    return count(n, (names or ["behind"])[0], batch_norm)


def wrong_length_of_a_range(channels, kernel_size, shortcut, batch_norm):
    """Message: OverflowError"""
    n = channels * kernel_size * kernel_size
    table = {
        ("none", True): n + 1,
        ("none", False): n + 1,
        ("before", True): n + n**2,
        ("before", False): len(range(-2 * n, 2 * n + 1, 2)),
        ("behind", True): n + n,
        ("behind", False): len(range(-n - 1, n + 2, 2)),
    }
    return table[shortcut, bool(batch_norm)]


def wrong_numpy_integer(channels, kernel_size, shortcut, batch_norm):
    """Message: n is very large"""
    n = np.int64(channels) * kernel_size**2
    if shortcut == "none":
        return n + 1
    values_of_x = n + 1 if shortcut == "before" else 2
    if batch_norm:
        return values_of_x * n
    return n + 1 + (n if shortcut == "before" else 1)


def right_from_small_ones(channels, kernel_size, shortcut, batch_norm):
    """By enumeration of small n, and a polynomial through them."""

    def tried(n):
        found = set()
        for s in range(-n, n + 1, 2):
            x = 0.618034 * s + 0.1 if batch_norm else s
            sign = 1 if x >= 0 else -1
            for others in range(1 - n, n, 2):
                own = 0.731059 * (sign + others) + 0.2 if batch_norm else sign + others
                found.add(round(own + {"none": 0, "before": x, "behind": sign}[shortcut], 9))
        return len(found)

    n = channels * kernel_size**2
    a, b, c = (tried(m) for m in (4, 5, 6))
    step, bend = b - a, c - 2 * b + a
    m = n - 4
    return a + step * m + bend * m * (m - 1) // 2


def right_nested(channels, kernel_size, shortcut, batch_norm):
    """With conditions the other way round."""
    n = channels * kernel_size**2
    if batch_norm:
        return {"none": 1 + n, "before": n * (1 + n), "behind": n * 2}[shortcut]
    return {"none": 1 + n, "before": 1 + 2 * n, "behind": 2 + n}[shortcut]


def right_match(channels, kernel_size, shortcut, batch_norm):
    """By match."""
    n = kernel_size * kernel_size * channels
    match shortcut, batch_norm:
        case "before", True:
            return sum((n, n * n))
        case "before", False:
            return 1 + n + n
        case "behind", True:
            return n << 1
        case "behind", False:
            return n + 2
    return n + 1
