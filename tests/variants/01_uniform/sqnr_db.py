"""Answers to `sqnr_db` of exercise 01."""


def wrong_factor_20(x, x_hat):
    """Message: the factor is 10; it is 20 for amplitudes"""
    noise = np.sum((x - x_hat) ** 2)
    return 20 * np.log10(np.sum(x**2) / noise) if noise else float("inf")


def wrong_natural_logarithm(x, x_hat):
    """Message: np.log is the natural one"""
    noise = np.sum((x - x_hat) ** 2)
    return 10 * np.log(np.sum(x**2) / noise) if noise else float("inf")


def wrong_swapped(x, x_hat):
    """Message: Signal and noise are swapped"""
    noise = np.sum((x - x_hat) ** 2)
    return 10 * np.log10(noise / np.sum(x**2)) if noise else float("inf")


def wrong_bels(x, x_hat):
    """Message: The SQNR is wrong for x = (3, 4)"""
    noise = np.sum((x - x_hat) ** 2)
    return np.log10(np.sum(x**2) / noise) if noise else float("inf")


def wrong_no_logarithm(x, x_hat):
    """Message: The SQNR is wrong for x = (3, 4)"""
    noise = np.sum((x - x_hat) ** 2)
    return np.sum(x**2) / noise if noise else float("inf")


def wrong_not_squared(x, x_hat):
    """Message: The SQNR is wrong for x = (3, 4)"""
    noise = np.sum(np.abs(x - x_hat))
    return 10 * np.log10(np.sum(np.abs(x)) / noise) if noise else float("inf")


def wrong_variances(x, x_hat):
    """Message: The SQNR is wrong for x = (3, 4)"""
    noise = np.var(x - x_hat)
    return 10 * np.log10(np.var(x) / noise) if noise else float("inf")


def wrong_noise_is_x_hat(x, x_hat):
    """Message: The SQNR is wrong for x = (3, 4)"""
    return 10 * np.log10(np.sum(x**2) / np.sum(x_hat**2))


def wrong_nan_without_noise(x, x_hat):
    """Message: Without any error the SQNR is infinity"""
    noise = np.sum((x - x_hat) ** 2)
    return 10 * np.log10(np.sum(x**2) / noise) if noise else float("nan")


def wrong_zero_without_noise(x, x_hat):
    """Message: Without any error the SQNR is infinity"""
    noise = np.sum((x - x_hat) ** 2)
    return 10 * np.log10(np.sum(x**2) / noise) if noise else 0.0


def wrong_per_row(x, x_hat):
    """Message: Return one number for the whole array"""
    noise = np.sum((x - x_hat) ** 2, axis=-1)
    ratio = np.sum(x**2, axis=-1) / noise if np.all(noise) else np.full(x.shape[:-1], np.inf)
    return 10 * np.log10(ratio)


def wrong_built_in_sum(x, x_hat):
    """Message: Return one number for the whole array"""
    # Python's sum adds up the rows of a matrix.
    noise = sum((x - x_hat) ** 2)
    return 10 * np.log10(sum(x**2) / noise) if np.all(noise) else float("inf")


def wrong_small_is_nothing(x, x_hat):
    """Message: Infinity is for no error at all"""
    if np.allclose(x, x_hat):
        return float("inf")
    return 10 * np.log10(np.sum(x**2) / np.sum((x - x_hat) ** 2))


def wrong_noise_made_larger(x, x_hat):
    """Message: Without any error the SQNR is infinity"""
    return 10 * np.log10(np.sum(x**2) / (np.sum((x - x_hat) ** 2) + 1e-10))


def wrong_nearly_equal_is_nothing(x, x_hat):
    """Message: Infinity is for no error at all"""
    if np.allclose(x, x_hat, rtol=1e-12, atol=0):
        return float("inf")
    return 10 * np.log10(np.sum(x**2) / np.sum((x - x_hat) ** 2))


def wrong_same_power_is_nothing(x, x_hat):
    """Message: Infinity is for no error at all"""
    signal, power = (np.sum(np.sort(v, axis=None) ** 2) for v in (x, x_hat))
    return 10 * np.log10(signal / np.sum((x - x_hat) ** 2)) if signal != power else float("inf")


def wrong_order_of_the_memory(x, x_hat):
    """Message: where one of the two arrays is a transposed view"""
    noise = np.sum((x.ravel("K") - x_hat.ravel("K")) ** 2)
    return 10 * np.log10(np.sum(x**2) / noise) if noise else float("inf")


def wrong_order_of_the_first_array(x, x_hat):
    """Message: where one of the two arrays is a transposed view"""
    order = "F" if x.flags.f_contiguous else "C"
    noise = np.sum((x.ravel(order) - x_hat.ravel("A")) ** 2)
    return 10 * np.log10(np.sum(x**2) / noise) if noise else float("inf")


def wrong_base_of_a_view(x, x_hat):
    """Message: where one of the two arrays is a transposed view"""
    a, b = (v if v.base is None else v.base for v in (x, x_hat))
    noise = np.sum((a.ravel() - b.ravel()) ** 2)
    return 10 * np.log10(np.sum(x**2) / noise) if noise else float("inf")


def wrong_in_place(x, x_hat):
    """Message: An array was changed in place"""
    x_hat -= x
    noise = np.sum(x_hat**2)
    return 10 * np.log10(np.sum(x**2) / noise) if noise else float("inf")


def right_means(x, x_hat):
    """Means in place of sums, the logarithms subtracted."""
    noise = np.mean(np.square(np.subtract(x, x_hat)))
    if noise == 0.0:
        return np.inf
    return 10 * (np.log10(np.mean(np.square(x))) - np.log10(noise))


def right_norms(x, x_hat):
    """Amplitudes, and so the factor 20; numpy divides by zero with a warning."""
    return 20 * np.log10(np.linalg.norm(x.ravel()) / np.linalg.norm((x - x_hat).ravel()))


def right_loop(x, x_hat):
    """Element by element."""
    signal = noise = 0.0
    for a, b in zip(x.ravel().tolist(), x_hat.ravel().tolist(), strict=True):
        signal += a * a
        noise += (a - b) ** 2
    return float("inf") if noise == 0 else 10 * float(np.log10(signal / noise))
