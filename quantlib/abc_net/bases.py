r"""Real weights as a sum of few binary tensors, each times a number.

.. math:: W \approx \alpha_1 B_1 + \dots + \alpha_M B_M, \qquad B_m \in \{-1, +1\}^{\dots}
"""

import numpy as np
import torch
from array_api_compat import is_torch_array

from quantlib._validation import as_float_array, check_axis, check_integer
from quantlib.abc_net.least_squares import least_squares
from quantlib.binary.ste import bare_signs
from quantlib.models.weights import check_tensor

__all__ = [
    "fit_alphas",
    "initial_shifts",
    "optimal_two_bases",
    "sum_of_bases",
    "weight_bases",
]

#: More bases than these are of no use: 16 already cost half of what 32 bits of a weight do.
MOST_BASES = 64


def initial_shifts(n_bases):
    r"""Return the shifts of M bases, evenly spaced from -1 to 1, as a NumPy array.

    .. math:: u_m = -1 + (m - 1)\, \frac{2}{M - 1}, \qquad m = 1, \dots, M

    For M = 1, where the formula divides by 0, the shift is 0, the middle: the one basis then has
    the form of BWN's, but for the mean.

    Source: Bei Yu, Mo04, "Weights Binarization".

    >>> initial_shifts(5).tolist(), initial_shifts(1).tolist()
    ([-1.0, -0.5, 0.0, 0.5, 1.0], [0.0])
    """
    n_bases = check_integer(n_bases, "n_bases", 1, MOST_BASES)
    if n_bases == 1:
        return np.zeros(1)
    return np.arange(n_bases) * 2 / (n_bases - 1) - 1


def weight_bases(w, shifts):
    r"""Return the binary bases of weights: their signs, each time from another threshold.

    .. math::
        B_m = \mathrm{sign}(\bar W + u_m\, \mathrm{std}(W)), \qquad \bar W = W - \mathrm{mean}(W)

    The mean and the standard deviation are those of the whole tensor; the deviation is the
    population's, the root of the mean square of :math:`\bar W`. The sign of 0 is +1.

    Parameters
    ----------
    w : torch.Tensor or array
        Weights of any shape.
    shifts : torch.Tensor or array
        The M numbers u, such as :func:`initial_shifts` gives.

    Returns
    -------
    torch.Tensor or numpy.ndarray
        M x the shape of ``w``, in its dtype, without a gradient: for training there is
        :class:`~quantlib.abc_net.quantizers.AbcWeights`.

    Notes
    -----
    Source: Bei Yu, Mo04, "Weights Binarization"; Lin, Zhao and Pan (2017), section 3.1.

    Examples
    --------
    >>> weight_bases([-3.0, -1.0, 1.0, 3.0], initial_shifts(3)).tolist()
    [[-1.0, -1.0, -1.0, 1.0], [-1.0, -1.0, 1.0, 1.0], [-1.0, 1.0, 1.0, 1.0]]
    """
    if not is_torch_array(w):
        w, shifts = _as_tensor(w, "w"), torch.as_tensor(as_float_array(shifts, "shifts"))
        return weight_bases(w, shifts).numpy()
    check_tensor(w, "w")
    _check_weights(w)
    shifts = torch.as_tensor(shifts)
    if shifts.ndim != 1 or not len(shifts):
        raise ValueError(f"shifts must be one number for each basis, got {tuple(shifts.shape)}")
    return torch.stack(thresholded(w, shifts.to(w.device), len(shifts))[0])


def thresholded(w, shifts, n_bases):
    """Return the bases of a tensor as a list, and its deviation; unchecked, without gradients.

    If one weight is NaN or infinite all are NaN.
    """
    # In double precision, where squares of weights of single precision neither overflow nor vanish.
    known = w.detach().double()
    mean = known.mean()
    # The mean of equal weights is that weight, whichever way their sum was rounded.
    centred = known - torch.minimum(torch.maximum(mean, known.min()), known.max())
    deviation = centred.square().mean().sqrt()
    minus_1 = (deviation - deviation).to(w.dtype) - 1  # NaN if that is not finite
    shifts = shifts.detach().double()
    bases = [(centred >= -shifts[m] * deviation).to(w.dtype) * 2 + minus_1 for m in range(n_bases)]
    return bases, deviation


def fit_alphas(w, bases, *, axis=None):
    r"""Return the factors of bases whose sum is nearest to the weights.

    .. math:: \alpha = \arg\min_\alpha \Big\lVert W - \sum_m \alpha_m B_m \Big\rVert^2

    It is ``W`` itself that is approximated and not :math:`\bar W`, though the bases are signs
    around its mean. Where bases coincide, or one is a combination of others, many factors are
    equally good; the result is the one of least norm, so that equal bases share their factor.

    Parameters
    ----------
    w : torch.Tensor or array
        Weights of any shape, n numbers a problem.
    bases : torch.Tensor or array
        M x the shape of ``w``, of +1 and -1.
    axis : int or None
        None solves one problem for the tensor; 0 one for each output filter.

    Returns
    -------
    torch.Tensor or numpy.ndarray
        M factors, or M x C for the C slices along ``axis``, in the kind and dtype of ``w``,
        without a gradient.

    Notes
    -----
    Bases by thresholds, as :func:`weight_bases` has them, make groups of weights, M + 1 if none is
    empty. Their levels are as free as M numbers can make them: each inner group is coded by its
    mean, and the two outer ones, which are minus and plus the sum of all factors, by one mean
    magnitude.

    Source: Bei Yu, Mo04, "Weights Binarization", :math:`\min_\alpha \lVert W - B\alpha \rVert^2`.

    Examples
    --------
    >>> w = [-3.0, -1.0, 1.0, 3.0]
    >>> bases = weight_bases(w, initial_shifts(3))
    >>> fit_alphas(w, bases).round(6).tolist()
    [1.0, 1.0, 1.0]
    """
    if not is_torch_array(w):
        w, bases = _as_tensor(w, "w"), _as_tensor(bases, "bases")
        return fit_alphas(w, bases, axis=axis).numpy()
    check_tensor(w, "w")
    check_tensor(bases, "bases")
    _check_weights(w)
    if bases.ndim != w.ndim + 1 or bases.shape[1:] != w.shape or not len(bases):
        raise ValueError(
            f"bases must be M x the shape of w, {tuple(w.shape)}, got {tuple(bases.shape)}"
        )
    axis = None if axis is None else check_axis(axis, w.ndim)
    rows = [rows_of(basis, axis) for basis in bases.detach()]
    alphas = least_squares(rows_of(w.detach(), axis), rows)
    return alphas[0] if axis is None else alphas.T.contiguous()


def sum_of_bases(bases, alphas, *, axis=None):
    r"""Return the sum of bases, each times its factor.

    .. math:: \sum_m \alpha_m B_m

    ``bases`` are M x any shape; ``alphas`` are M numbers, or M x C for the C slices of that shape
    along ``axis``, as :func:`fit_alphas` gives them.

    >>> sum_of_bases(np.array([[1.0, -1.0], [1.0, 1.0]]), np.array([2.0, 0.5])).tolist()
    [2.5, -1.5]
    """
    if not is_torch_array(bases):
        bases, alphas = as_float_array(bases, "bases"), as_float_array(alphas, "alphas")
    if bases.ndim == 0:
        raise ValueError("bases must be M x any shape, got a single number")
    shape, sizes = [1] * (bases.ndim - 1), [len(bases)]
    if axis is not None:
        axis = check_axis(axis, bases.ndim - 1)
        shape[axis] = bases.shape[axis + 1]
        sizes.append(shape[axis])
    if list(alphas.shape) != sizes:
        raise ValueError(f"alphas must have shape {tuple(sizes)}, got {tuple(alphas.shape)}")
    return (bases * alphas.reshape(-1, *shape)).sum(0)


def optimal_two_bases(w, *, axis=None):
    r"""Return the two bases that are the best of all, and their factors.

    .. math::
        \min_{\alpha_1 \ge \alpha_2 \ge 0,\; B_1, B_2}
            \lVert W - \alpha_1 B_1 - \alpha_2 B_2 \rVert^2

    Two bases code a weight by one of :math:`\pm v_1, \pm v_2` with
    :math:`v_1 = \alpha_1 + \alpha_2 \ge v_2 = \alpha_1 - \alpha_2 \ge 0`. The nearest of these has
    the weight's own sign and leaves the error :math:`\min_j\, (|w| - v_j)^2`. So the problem is
    2-means of the magnitudes, in one dimension, where each group is an interval: after sorting
    there are n splits. With the means of k lower and n - k upper magnitudes as levels, a split
    leaves :math:`\lVert W \rVert^2 - S_k^2 / k - (S_n - S_k)^2 / (n - k)`, S being their sums.
    Sorting makes it O(n log n).

    Parameters
    ----------
    w : torch.Tensor or array
        Weights of any shape.
    axis : int or None
        As for :func:`fit_alphas`.

    Returns
    -------
    bases : torch.Tensor or numpy.ndarray
        2 x the shape of ``w``: the signs, and the signs where the magnitude is in the upper
        group, but the opposite where it is in the lower.
    alphas : torch.Tensor or numpy.ndarray
        2 factors, or 2 x C. Neither has a gradient.

    Examples
    --------
    >>> bases, alphas = optimal_two_bases([5.0, -1.0, 1.0, -5.0, 7.0, -7.0])
    >>> alphas.tolist(), sum_of_bases(bases, alphas).tolist()
    ([3.5, 2.5], [6.0, -1.0, 1.0, -6.0, 6.0, -6.0])
    """
    if not is_torch_array(w):
        bases, alphas = optimal_two_bases(_as_tensor(w, "w"), axis=axis)
        return bases.numpy(), alphas.numpy()
    check_tensor(w, "w")
    _check_weights(w)
    axis = None if axis is None else check_axis(axis, w.ndim)
    signs = bare_signs(w)
    moved = signs if axis is None else signs.movedim(axis, 0)
    magnitudes, order = rows_of(w.detach(), axis).abs().double().sort(1)
    n = magnitudes.shape[1]
    lower = torch.arange(n, device=w.device)  # how many are in the lower group
    low = magnitudes.cumsum(1) - magnitudes
    high = magnitudes.sum(1, keepdim=True) - low
    mean_low, mean_high = low / lower.clamp(min=1), high / (n - lower)
    split = (low * mean_low + high * mean_high).argmax(1, keepdim=True)
    upper_level = mean_high.gather(1, split)
    lower_level = torch.where(split > 0, mean_low.gather(1, split), upper_level)
    # Of equal levels the difference, rounded, could be below 0.
    alphas = torch.cat([upper_level + lower_level, (upper_level - lower_level).clamp(min=0)], 1) / 2
    second = torch.where(order.argsort(1) < split, -1.0, 1.0).to(w.dtype).reshape(moved.shape)
    second = signs * (second if axis is None else second.movedim(0, axis))
    alphas = alphas.to(w.dtype)
    return torch.stack([signs, second]), alphas[0] if axis is None else alphas.T.contiguous()


def rows_of(x, axis):
    """Return ``x`` as a matrix, a row for each slice along ``axis``, or one row for all."""
    if axis is None:
        return x.flatten()[None]
    return (x if axis == 0 else x.movedim(axis, 0)).flatten(1)


def _as_tensor(x, name):
    return torch.from_numpy(np.array(as_float_array(x, name)))


def _check_weights(w):
    if not w.numel():
        raise ValueError(f"w must not be empty, got shape {tuple(w.shape)}")
