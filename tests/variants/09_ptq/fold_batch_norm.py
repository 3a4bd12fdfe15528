"""Answers to `fold_batch_norm` of exercise 09."""


def with_parts(weight, bias, gamma, beta, mean, var, eps, **parts):
    """Fold, right unless a part says otherwise."""
    factor = parts.get("factor", gamma / np.sqrt(var + eps))
    own = np.zeros(len(gamma)) if bias is None else bias
    shaped = np.reshape(factor, (-1,) + (1,) * (weight.ndim - 1))
    new = beta + factor * (own - mean)
    return parts.get("weight", weight * shaped), parts.get("bias", new)


def wrong_mean_forgotten(weight, bias, gamma, beta, mean, var, eps):
    """Message: The mean was forgotten"""
    return with_parts(weight, bias, gamma, beta, 0 * mean, var, eps)


def wrong_mean_added(weight, bias, gamma, beta, mean, var, eps):
    """Message: The mean is taken away, not added"""
    return with_parts(weight, bias, gamma, beta, -mean, var, eps)


def wrong_own_bias_forgotten(weight, bias, gamma, beta, mean, var, eps):
    """Message: own bias was forgotten"""
    return with_parts(weight, None, gamma, beta, mean, var, eps)


def wrong_own_bias_without_the_factor(weight, bias, gamma, beta, mean, var, eps):
    """Message: own bias gets the factor, too"""
    factor = gamma / np.sqrt(var + eps)
    own = 0 if bias is None else bias
    return with_parts(weight, None, gamma, beta + own, mean, var, eps, factor=factor)


def wrong_mean_without_the_factor(weight, bias, gamma, beta, mean, var, eps):
    """Message: The mean gets the factor, too"""
    return with_parts(weight, bias, gamma, beta - mean, 0 * mean, var, eps)


def wrong_beta_forgotten(weight, bias, gamma, beta, mean, var, eps):
    """Message: beta was forgotten"""
    return with_parts(weight, bias, gamma, 0 * beta, mean, var, eps)


def wrong_beta_with_the_factor(weight, bias, gamma, beta, mean, var, eps):
    """Message: beta does not get the factor"""
    factor = gamma / np.sqrt(var + eps)
    return with_parts(weight, bias, gamma, beta * factor, mean, var, eps)


def wrong_bias_kept(weight, bias, gamma, beta, mean, var, eps):
    """Message: own bias. It changes, too"""
    return with_parts(weight, bias, gamma, beta, mean, var, eps)[0], bias


def wrong_beta_alone(weight, bias, gamma, beta, mean, var, eps):
    """Message: This is beta alone"""
    return with_parts(weight, bias, gamma, beta, mean, var, eps)[0], beta


def wrong_without_eps(weight, bias, gamma, beta, mean, var, eps):
    """Message: The eps is missing"""
    return with_parts(weight, bias, gamma, beta, mean, var, 0)


def wrong_eps_beside_the_root(weight, bias, gamma, beta, mean, var, eps):
    """Message: The eps belongs under the root"""
    factor = gamma / (np.sqrt(var) + eps)
    return with_parts(weight, bias, gamma, beta, mean, var, eps, factor=factor)


def wrong_no_root(weight, bias, gamma, beta, mean, var, eps):
    """Message: Divide by its root"""
    factor = gamma / (var + eps)
    return with_parts(weight, bias, gamma, beta, mean, var, eps, factor=factor)


def wrong_gamma_without_sign(weight, bias, gamma, beta, mean, var, eps):
    """Message: gamma keeps its sign"""
    return with_parts(weight, bias, np.abs(gamma), beta, mean, var, eps)


def wrong_without_gamma(weight, bias, gamma, beta, mean, var, eps):
    """Message: multiplied by gamma, too"""
    return with_parts(weight, bias, np.ones_like(gamma), beta, mean, var, eps)


def wrong_without_the_root(weight, bias, gamma, beta, mean, var, eps):
    """Message: divided by the root, too"""
    return with_parts(weight, bias, gamma, beta, mean, var, eps, factor=gamma)


def wrong_root_multiplied(weight, bias, gamma, beta, mean, var, eps):
    """Message: It was multiplied with"""
    return with_parts(weight, bias, gamma, beta, mean, var, eps, factor=gamma * np.sqrt(var + eps))


def wrong_weights_kept(weight, bias, gamma, beta, mean, var, eps):
    """Message: The weights were not changed"""
    return weight, with_parts(weight, bias, gamma, beta, mean, var, eps)[1]


def wrong_along_the_last_axis(weight, bias, gamma, beta, mean, var, eps):
    """Message: The factor belongs to the output channels"""
    factor = gamma / np.sqrt(var + eps)
    if weight.ndim == 2 and weight.shape[1] == len(factor):
        return weight * factor, with_parts(weight, bias, gamma, beta, mean, var, eps)[1]
    return with_parts(weight, bias, gamma, beta, mean, var, eps)


def wrong_no_bias_no_shift(weight, bias, gamma, beta, mean, var, eps):
    """Message: The bias is wrong for a layer that has none of its own"""
    weight, new = with_parts(weight, bias, gamma, beta, mean, var, eps)
    return weight, beta if bias is None else new


def wrong_none_not_expected(weight, bias, gamma, beta, mean, var, eps):
    """Message: TypeError"""
    factor = gamma / np.sqrt(var + eps)
    shaped = factor.reshape(-1, *[1] * (weight.ndim - 1))
    return weight * shaped, beta + factor * (bias - mean)


def wrong_four_axes_only(weight, bias, gamma, beta, mean, var, eps):
    """Message: The result has another shape"""
    factor = gamma / np.sqrt(var + eps)
    new = with_parts(weight, bias, gamma, beta, mean, var, eps)[1]
    return weight * factor[:, None, None, None], new


def wrong_in_place(weight, bias, gamma, beta, mean, var, eps):
    """Message: The inputs were changed in place"""
    new = with_parts(weight, bias, gamma, beta, mean, var, eps)
    weight *= (gamma / np.sqrt(var + eps)).reshape(-1, *[1] * (weight.ndim - 1))
    return weight, new[1]


def wrong_in_float32(weight, bias, gamma, beta, mean, var, eps):
    """Message: Only its first digits are right"""
    new = with_parts(weight, bias, gamma, beta, mean, var, eps)
    return tuple(v.astype(np.float32) for v in new)


def wrong_one_factor_for_all(weight, bias, gamma, beta, mean, var, eps):
    """Message: The weights are wrong for two channels"""
    return with_parts(weight, bias, gamma, beta, mean, var.mean() + 0 * var, eps)


def wrong_zero_gamma_kept(weight, bias, gamma, beta, mean, var, eps):
    """Message: The weights are wrong where gamma is 0 in some channels"""
    return with_parts(weight, bias, np.where(gamma == 0, 1.0, gamma), beta, mean, var, eps)


def wrong_variance_clamped(weight, bias, gamma, beta, mean, var, eps):
    """Message: The weights are wrong for a linear layer"""
    return with_parts(weight, bias, gamma, beta, mean, np.maximum(var, 1e-4), eps)


def wrong_small_variances_raised(weight, bias, gamma, beta, mean, var, eps):
    """Message: The weights are wrong where variances and eps are very small"""
    return with_parts(weight, bias, gamma, beta, mean, np.maximum(var + eps, 1e-5), 0)


def wrong_zero_bias_without_a_mean(weight, bias, gamma, beta, mean, var, eps):
    """Message: The bias is wrong where the bias is 0 in some channels"""
    own = bias if bias is None else np.where(bias == 0, mean, bias)
    return with_parts(weight, own, gamma, beta, mean, var, eps)


def wrong_one_zero_bias_is_none(weight, bias, gamma, beta, mean, var, eps):
    """Message: The bias is wrong where the bias is 0 in some channels"""
    own = None if bias is None or not bias.all() else bias
    return with_parts(weight, own, gamma, beta, mean, var, eps)


def wrong_rounded_far_behind_the_point(weight, bias, gamma, beta, mean, var, eps):
    """Message: are very small"""
    w, b = with_parts(weight, bias, gamma, beta, mean, var, eps)
    return np.round(w, 14), b


def wrong_mean_turned_without_a_bias(weight, bias, gamma, beta, mean, var, eps):
    """Message: The inputs were changed in place"""
    if bias is None:
        mean *= -1
        return with_parts(weight, mean, gamma, beta, 0 * mean, var, eps)
    return with_parts(weight, bias, gamma, beta, mean, var, eps)


def wrong_rows_in_the_order_of_the_memory(weight, bias, gamma, beta, mean, var, eps):
    """Message: The weights are wrong for other numbers"""
    _, new = with_parts(weight, bias, gamma, beta, mean, var, eps)
    rows = weight.ravel(order="K").reshape(len(weight), -1)
    rows = rows * (gamma / np.sqrt(var + eps))[:, None]
    return rows.reshape(weight.shape), new


def right_list_of_both(weight, bias, gamma, beta, mean, var, eps):
    """The two things in a list."""
    return list(with_parts(weight, bias, gamma, beta, mean, var, eps))


def right_channel_by_channel(weight, bias, gamma, beta, mean, var, eps):
    """A loop over the channels."""
    new, shift = np.empty_like(weight), np.empty(len(weight))
    for o in range(len(weight)):
        factor = gamma[o] / math.sqrt(var[o] + eps)
        new[o] = weight[o] * factor
        own = bias[o] if bias is not None else 0
        shift[o] = (own - mean[o]) * factor + beta[o]
    return new, shift


def right_by_torch(weight, bias, gamma, beta, mean, var, eps):
    """In torch, with einsum."""
    given = (gamma, beta, mean, var)
    gamma, beta, mean, var = (torch.tensor(np.ascontiguousarray(v)) for v in given)
    factor = gamma * torch.rsqrt(var + eps)
    new = torch.einsum("o...,o->o...", torch.tensor(np.ascontiguousarray(weight)), factor)
    own = 0 if bias is None else torch.tensor(np.ascontiguousarray(bias))
    return new, factor * own - factor * mean + beta


def right_transposed(weight, bias, gamma, beta, mean, var, eps):
    """The first axis comes last for the product."""
    factor = gamma * (var + eps) ** -0.5
    if bias is None:
        bias = np.zeros_like(beta)
    return (weight.T * factor).T, bias * factor + (beta - mean * factor)


def right_as_lists(weight, bias, gamma, beta, mean, var, eps):
    """The bias as a list of numbers."""
    new, shift = with_parts(weight, bias, gamma, beta, mean, var, eps)
    return new, shift.tolist()


def right_by_batch_norm_of_torch(weight, bias, gamma, beta, mean, var, eps):
    """Batch normalization of what the layer gives for 0."""
    own = np.zeros(len(gamma)) if bias is None else bias
    g, b, m, v, x = (torch.tensor(a.copy()) for a in (gamma, beta, mean, var, own))
    new = nn.functional.batch_norm(torch.stack([x, x]), m, v, g, b, False, 0.0, eps)[0]
    factor = (g / torch.sqrt(v + eps)).numpy()
    return weight * np.expand_dims(factor, tuple(range(1, weight.ndim))), new.numpy()
