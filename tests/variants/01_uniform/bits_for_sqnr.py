"""Answers to `bits_for_sqnr` of exercise 01."""


def answer(x, target_db, steps=lambda b: 2 ** (b - 1) - 1, power=None, noise=lambda s: s**2 / 12):
    """Return the result for another number of steps, another power, or another expected error."""
    power = np.mean(x**2) if power is None else power
    for bits in range(2, 17):
        scale = np.max(np.abs(x)) / steps(bits)
        predicted = 10 * np.log10(power / noise(scale))
        if predicted >= target_db:
            break
    return bits, predicted, measure(x, bits)


def measure(x, bits):
    scale = np.max(np.abs(x)) / (2 ** (bits - 1) - 1)
    return metrics.sqnr_db(x, scale * np.round(x / scale))


def wrong_half_a_step(x, target_db):
    """Message: The number of bits is wrong for the worked value"""
    return answer(x, target_db, steps=lambda b: 2 ** (b - 1) - 0.5)


def wrong_two_to_the_b_minus_1(x, target_db):
    """Message: The number of bits is wrong for the worked value"""
    return answer(x, target_db, steps=lambda b: 2 ** (b - 1))


def wrong_unsigned_steps(x, target_db):
    """Message: The number of bits is wrong"""
    return answer(x, target_db, steps=lambda b: 2**b - 1)


def wrong_variance(x, target_db):
    """Message: The bits are right, but the predicted SQNR is not"""
    return answer(x, target_db, power=np.var(x))


def wrong_sum_of_squares(x, target_db):
    """Message: The number of bits is wrong"""
    return answer(x, target_db, power=np.sum(x**2))


def wrong_half_step_squared(x, target_db):
    """Message: The bits are right, but the predicted SQNR is not"""
    return answer(x, target_db, noise=lambda s: s**2 / 4)


def wrong_twelve_squared(x, target_db):
    """Message: The number of bits is wrong"""
    return answer(x, target_db, noise=lambda s: s / 12)


def wrong_measured_bits(x, target_db):
    """Message: The number of bits is wrong"""
    bits = next((b for b in range(2, 17) if measure(x, b) >= target_db), 16)
    scale = np.max(np.abs(x)) / (2 ** (bits - 1) - 1)
    return bits + (bits == 4), 10 * np.log10(12 * np.mean(x**2) / scale**2), measure(x, bits)


def wrong_six_db_a_bit(x, target_db):
    """Message: The number of bits is wrong"""
    bits = int(np.clip(np.ceil(target_db / 6.02), 2, 16))
    return bits, 6.02 * bits, measure(x, bits)


def wrong_prediction_twice(x, target_db):
    """Message: This is the prediction again"""
    bits, predicted, _ = answer(x, target_db)
    return bits, predicted, predicted


def wrong_largest_value(x, target_db):
    """Message: The number of bits is wrong"""
    for bits in range(2, 17):
        scale = np.max(x) / (2 ** (bits - 1) - 1)
        predicted = 10 * np.log10(np.mean(x**2) / (scale**2 / 12))
        if predicted >= target_db:
            break
    return bits, predicted, measure(x, bits)


def wrong_not_above_8_bits(x, target_db):
    """Message: where many bits are needed"""
    for bits in range(2, 9):
        scale = np.max(np.abs(x)) / (2 ** (bits - 1) - 1)
        predicted = 10 * np.log10(12 * np.mean(x**2) / scale**2)
        if predicted >= target_db:
            break
    return bits, predicted, measure(x, bits)


def right_closed_form(x, target_db):
    """The highest code solved for, without trying."""
    largest, power = np.abs(x).max(), (x**2).mean()
    highest = largest / np.sqrt(12 * power / 10 ** (target_db / 10))
    bits = max(2, int(np.ceil(np.log2(highest + 1))) + 1)
    scale = largest / (2 ** (bits - 1) - 1)
    return np.array([bits, 10 * np.log10(12 * power / scale**2), measure(x, bits)])


def right_library(x, target_db):
    """quantlib's quantizer, and all predictions at once."""
    bits = np.arange(2, 17)
    scales = np.abs(x).max() / (2.0 ** (bits - 1) - 1)
    predicted = 10 * (np.log10(12 * np.mean(np.square(x))) - 2 * np.log10(scales))
    k = int(np.argmax(predicted >= target_db))
    x = np.array(x)
    x_hat = uniform.fake_quantize(x, uniform.choose_qparams(x, int(bits[k])))
    return int(bits[k]), float(predicted[k]), metrics.sqnr_db(x, x_hat)


def right_loop(x, target_db):
    """Python's numbers alone."""
    import math

    values = x.ravel().tolist()
    largest, power = max(map(abs, values)), math.fsum(v * v for v in values)
    bits, predicted = 1, -math.inf
    while predicted < target_db:
        bits += 1
        scale = largest / (2 ** (bits - 1) - 1)
        predicted = 10 * math.log10(power / len(values) * 12 / scale**2)
    noise = math.fsum((v - scale * round(v / scale)) ** 2 for v in values)
    return [bits, predicted, 10 * math.log10(power / noise)]


def right_half_up(x, target_db):
    """A tie is as far from one mark as from the other: its error is the same."""
    power = np.mean(x**2)
    for bits in range(2, 17):
        scale = np.abs(x).max() / (2 ** (bits - 1) - 1)
        predicted = 10 * np.log10(12 * power / scale**2)
        if predicted >= target_db:
            break
    error = x - scale * np.floor(x / scale + 0.5)
    return bits, predicted, 10 * np.log10(power / np.mean(error**2))
