"""Answers to `folded_layer` of exercise 10."""


def on_levels_of(u, bit_width):
    """Weights on symmetric levels."""
    s = np.max(np.abs(u)) / (2 ** (bit_width - 1) - 1)
    return np.round(u / s) * s if s > 0 else u


def root_of(var, norm):
    """sigma."""
    return np.sqrt(var + norm["eps"])


def fold_with(x, weight, bias, norm, bit_width, training, **other):
    """The layer, with some parts given from outside."""
    b = 0.0 if bias is None else bias
    sigma = root_of(norm["var"], norm)
    real = other.get("real", x @ weight.T + b)
    mu, v = (real.mean(0), real.var(0)) if training else (norm["mean"], norm["var"])
    there = other.get("there", root_of(v, norm))
    fold_by = other.get("fold_by", sigma)
    stored = on_levels_of(weight * (norm["gamma"] / fold_by)[:, None], bit_width)
    stored = other.get("stored", stored)
    factor = other.get("factor", fold_by / there)
    y = factor * (x @ stored.T) + norm["beta"] + norm["gamma"] * (b - other.get("mu", mu)) / there
    m = norm["momentum"] if training else 0.0
    n = len(x)
    unbiased = v * n / (n - 1) if n > 1 and training else v
    return y, norm["mean"] + m * (mu - norm["mean"]), norm["var"] + m * (unbiased - norm["var"])


def wrong_mean_forgotten(x, weight, bias, norm, bit_width, training):
    """Message: The mean was forgotten"""
    return fold_with(x, weight, bias, norm, bit_width, training, mu=0.0)


def wrong_moves_in_evaluation(x, weight, bias, norm, bit_width, training):
    """Message: In evaluation nothing moves: the mean stays as it is"""
    y = fold_with(x, weight, bias, norm, bit_width, training)[0]
    _, mean, var = fold_with(x, weight, bias, norm, bit_width, True)
    return y, mean, var


def wrong_batch_in_evaluation(x, weight, bias, norm, bit_width, training):
    """Message: In evaluation mean and variance are the remembered ones"""
    return fold_with(x, weight, bias, norm, bit_width, True)


def wrong_remembered_in_training(x, weight, bias, norm, bit_width, training):
    """Message: In training mean and variance are those of the batch"""
    y = fold_with(x, weight, bias, norm, bit_width, False)[0]
    return y, *fold_with(x, weight, bias, norm, bit_width, training)[1:]


def wrong_layer_rounded_before_folding(x, weight, bias, norm, bit_width, training):
    """Message: Fold first, and round the folded ones"""
    stored = on_levels_of(weight, bit_width)
    stored = stored * (norm["gamma"] / root_of(norm["var"], norm))[:, None]
    return fold_with(x, weight, bias, norm, bit_width, training, stored=stored)


def wrong_not_rounded(x, weight, bias, norm, bit_width, training):
    """Message: The weights were folded, but not rounded"""
    stored = weight * (norm["gamma"] / root_of(norm["var"], norm))[:, None]
    return fold_with(x, weight, bias, norm, bit_width, training, stored=stored)


def wrong_not_folded(x, weight, bias, norm, bit_width, training):
    """Message: The weights were rounded, but not folded"""
    stored = on_levels_of(weight, bit_width)
    return fold_with(x, weight, bias, norm, bit_width, training, stored=stored)


def wrong_a_step_for_each_row(x, weight, bias, norm, bit_width, training):
    """Message: All rows share one step"""
    u = weight * (norm["gamma"] / root_of(norm["var"], norm))[:, None]
    stored = np.array([on_levels_of(row, bit_width) for row in u])
    return fold_with(x, weight, bias, norm, bit_width, training, stored=stored)


def wrong_factor_missing(x, weight, bias, norm, bit_width, training):
    """Message: The factor sigma / sigma_B is missing in training"""
    return fold_with(x, weight, bias, norm, bit_width, training, factor=1.0)


def wrong_factor_on_the_bias(x, weight, bias, norm, bit_width, training):
    """Message: belongs to the product only, not to the bias"""
    b = 0.0 if bias is None else bias
    y, mean, var = fold_with(x, weight, bias, norm, bit_width, training, factor=1.0)
    real = x @ weight.T + b
    factor = root_of(norm["var"], norm) / root_of(real.var(0), norm) if training else 1.0
    return factor * y, mean, var


def wrong_unbiased_in_the_batch(x, weight, bias, norm, bit_width, training):
    """Message: The variance that normalizes the batch is divided by n"""
    if not training:
        return fold_with(x, weight, bias, norm, bit_width, training)
    real = x @ weight.T + (0 if bias is None else bias)
    there = root_of(real.var(0, ddof=1), norm)
    return fold_with(x, weight, bias, norm, bit_width, training, there=there)


def wrong_biased_in_the_memory(x, weight, bias, norm, bit_width, training):
    """Message: The variance that goes into the memory is divided by n - 1"""
    y, mean, var = fold_with(x, weight, bias, norm, bit_width, training)
    if training:
        real = x @ weight.T
        m = norm["momentum"]
        var = (1 - m) * norm["var"] + m * real.var(0)
    return y, mean, var


def wrong_momentum_exchanged(x, weight, bias, norm, bit_width, training):
    """Message: It was taken for the share of what is old"""
    turned = {**norm, "momentum": 1 - norm["momentum"]}
    return fold_with(x, weight, bias, turned, bit_width, training)


def wrong_own_bias_not_in_the_mean(x, weight, bias, norm, bit_width, training):
    """Message: The mean that is remembered is that of the layer's results with its own bias"""
    y, mean, var = fold_with(x, weight, bias, norm, bit_width, training)
    if training and bias is not None:
        mean = mean - norm["momentum"] * bias
    return y, mean, var


def wrong_bias_forgotten(x, weight, bias, norm, bit_width, training):
    """Message: The layer's own bias was forgotten"""
    y = fold_with(x, weight, None, norm, bit_width, training)[0]
    return y, *fold_with(x, weight, bias, norm, bit_width, training)[1:]


def wrong_memory_moves_first(x, weight, bias, norm, bit_width, training):
    """Message: the sigma with which weights are folded is the one from before the batch"""
    y, mean, var = fold_with(x, weight, bias, norm, bit_width, training)
    if training:
        real = x @ weight.T
        old = root_of(norm["var"], norm)
        factor = root_of(var, norm) / root_of(real.var(0), norm)
        stored = on_levels_of(weight * (norm["gamma"] / old)[:, None], bit_width)
        y = fold_with(x, weight, bias, norm, bit_width, True, stored=stored, factor=factor)[0]
    return y, mean, var


def wrong_real_results_for_the_rounded(x, weight, bias, norm, bit_width, training):
    """Message: those of the real layer, not of the rounded one"""
    sigma = root_of(norm["var"], norm)
    gamma = np.where(norm["gamma"] == 0, 1.0, norm["gamma"])
    stored = on_levels_of(weight * (gamma / sigma)[:, None], bit_width)
    real = (x @ stored.T) * sigma / gamma + (0 if bias is None else bias)
    return fold_with(x, weight, bias, norm, bit_width, training, real=real)


def wrong_none_not_expected(x, weight, bias, norm, bit_width, training):
    """Message: TypeError"""
    _ = -bias
    return fold_with(x, weight, bias, norm, bit_width, training)


def wrong_zeros_not_expected(x, weight, bias, norm, bit_width, training):
    """Message: The result holds NaN or infinity"""
    u = weight * (norm["gamma"] / root_of(norm["var"], norm))[:, None]
    s = np.abs(u).max() / (2 ** (bit_width - 1) - 1)
    return fold_with(x, weight, bias, norm, bit_width, training, stored=np.round(u / s) * s)


def wrong_memory_changed_in_place(x, weight, bias, norm, bit_width, training):
    """Message: The inputs were changed in place"""
    y, mean, var = fold_with(x, weight, bias, norm, bit_width, training)
    if training:
        norm["mean"][:] = mean
        norm["var"][:] = var
    return y, mean, var


def right_output_by_output(x, weight, bias, norm, bit_width, training):
    """A loop over outputs."""
    columns, means, variances = [], [], []
    sigmas = [math.sqrt(v + norm["eps"]) for v in norm["var"]]
    folded = [row * g / s for row, g, s in zip(weight, norm["gamma"], sigmas, strict=True)]
    s = max(np.abs(u).max() for u in folded) / (2 ** (bit_width - 1) - 1)
    for o, row in enumerate(weight):
        gamma, beta, mu, v = (float(norm[key][o]) for key in ("gamma", "beta", "mean", "var"))
        b = 0.0 if bias is None else float(bias[o])
        sigma, u = sigmas[o], folded[o]
        w_hat = s * np.rint(u / s) if s > 0 else u
        if training:
            r = [float(row @ one) + b for one in x]
            n, now = len(r), sum(r) / len(r)
            v_now = sum((one - now) ** 2 for one in r) / n
            s_now = math.sqrt(v_now + norm["eps"])
            columns.append(sigma / s_now * (x @ w_hat) + beta + gamma * (b - now) / s_now)
            m = norm["momentum"]
            mu, v = (1 - m) * mu + m * now, (1 - m) * v + m * v_now * n / (n - 1)
        else:
            columns.append(x @ w_hat + beta + gamma * (b - mu) / sigma)
        means.append(mu)
        variances.append(v)
    return np.stack(columns, axis=1), means, variances


def right_by_torch(x, weight, bias, norm, bit_width, training):
    """With torch's own batch normalization for the memory."""
    x, weight = (torch.tensor(np.array(v)) for v in (x, weight))
    gamma, beta, mean, var = (torch.tensor(norm[k]) for k in ("gamma", "beta", "mean", "var"))
    b = torch.zeros(len(weight)).double() if bias is None else torch.tensor(bias)
    sigma = (var + norm["eps"]).sqrt()
    u = weight * (gamma / sigma)[:, None]
    s = u.abs().max().div(2 ** (bit_width - 1) - 1)
    q = torch.where(s > 0, torch.round(u / s.clamp(min=1e-300)) * s, 0.0)
    new_mean, new_var = mean.clone(), var.clone()
    real = functional.linear(x, weight, b)
    mu, there = mean, sigma
    if training:
        functional.batch_norm(
            real, new_mean, new_var, training=True, momentum=norm["momentum"], eps=norm["eps"]
        )
        there = (real.var(0, correction=0) + norm["eps"]).sqrt()
        mu = real.mean(0)
    y = functional.linear(x, q) * (sigma / there) + (beta + gamma * (b - mu) / there)
    return y, new_mean, new_var


def right_without_own_bias(x, weight, bias, norm, bit_width, training):
    """The layer's own bias cancels in training, as the mean of the batch has it."""
    b = np.zeros(len(weight)) if bias is None else bias
    sigma = root_of(norm["var"], norm)
    product = x @ on_levels_of(weight * (norm["gamma"] / sigma)[:, None], bit_width).T
    if not training:
        return (
            product + (norm["beta"] - norm["gamma"] / sigma * (norm["mean"] - b)),
            norm["mean"],
            norm["var"],
        )
    real = x @ weight.T
    there = root_of(np.mean((real - real.mean(0)) ** 2, 0), norm)
    y = product * (sigma / there) + (norm["beta"] - norm["gamma"] * real.mean(0) / there)
    m = norm["momentum"]
    mean = norm["mean"] * (1 - m) + m * (real.mean(0) + b)
    return y, mean, norm["var"] * (1 - m) + m * np.cov(real.T).reshape(len(weight), -1).diagonal()


def wrong_folded_by_the_batch(x, weight, bias, norm, bit_width, training):
    """Message: The results are wrong in training"""
    if not training:
        return fold_with(x, weight, bias, norm, bit_width, False)
    real = x @ weight.T + (0 if bias is None else bias)
    there = root_of(real.var(0), norm)
    return fold_with(x, weight, bias, norm, bit_width, True, fold_by=there)


def wrong_rounded_in_evaluation_only(x, weight, bias, norm, bit_width, training):
    """Message: The results are wrong in training"""
    sigma = root_of(norm["var"], norm)
    other = {"stored": weight * (norm["gamma"] / sigma)[:, None]} if training else {}
    return fold_with(x, weight, bias, norm, bit_width, training, **other)


def wrong_variance_by_the_mean_of_squares(x, weight, bias, norm, bit_width, training):
    """Message: so large that results differ little for their size"""
    real = x @ weight.T + (0.0 if bias is None else bias)
    square = np.maximum((real**2).mean(0) - real.mean(0) ** 2, 0)
    square = square if training else norm["var"]
    there = root_of(square, norm)
    return fold_with(x, weight, bias, norm, bit_width, training, there=there)


def wrong_step_has_a_least_value(x, weight, bias, norm, bit_width, training):
    """Message: where weights are very small"""
    u = weight * (norm["gamma"] / root_of(norm["var"], norm))[:, None]
    s = max(np.abs(u).max() / (2 ** (bit_width - 1) - 1), 1e-8)
    return fold_with(x, weight, bias, norm, bit_width, training, stored=np.round(u / s) * s)


def wrong_largest_without_magnitude(x, weight, bias, norm, bit_width, training):
    """Message: The results are wrong"""
    u = weight * (norm["gamma"] / root_of(norm["var"], norm))[:, None]
    top = 2 ** (bit_width - 1) - 1
    s = u.max() / top
    stored = np.clip(np.round(u / s), -top, top) * s if s > 0 else 0 * u
    return fold_with(x, weight, bias, norm, bit_width, training, stored=stored)


def wrong_rows_counted_along_the_inputs(x, weight, bias, norm, bit_width, training):
    """Message: The remembered variance is wrong"""
    y, mean, var = fold_with(x, weight, bias, norm, bit_width, training)
    if training:
        n, k, m = len(x), max(x.shape[1], 2), norm["momentum"]
        moved = (var - (1 - m) * norm["var"]) * (n - 1) / n
        var = (1 - m) * norm["var"] + moved * k / (k - 1)
    return y, mean, var


def wrong_step_of_the_inputs_in_use(x, weight, bias, norm, bit_width, training):
    """Message: where an input is 0 in all rows"""
    u = weight * (norm["gamma"] / root_of(norm["var"], norm))[:, None]
    s = np.abs(u * (x != 0).any(0)).max() / (2 ** (bit_width - 1) - 1)
    stored = np.round(u / s) * s if s > 0 else 0 * u
    return fold_with(x, weight, bias, norm, bit_width, training, stored=stored)
