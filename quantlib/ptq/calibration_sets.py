"""Calibration sets: the few images from which the ranges of activations are found.

They need no labels. Chenna, section 5.2: 100 to 1,000 images are enough for ImageNet, chosen at
random or by the statistics of activations. Section 5: where there are none, they can be made.
"""

import warnings

import numpy as np
import torch
from torch import nn

from quantlib._validation import (
    as_float_array,
    check_finite,
    check_integer,
    check_positive,
    detached,
    shown,
    to_numpy,
)
from quantlib.activations import record
from quantlib.evaluation import evaluating
from quantlib.models import check_model
from quantlib.models.weights import input_like

__all__ = ["batch_norm_distance", "by_statistics", "from_batch_norm", "random_choice"]

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def random_choice(images, n, *, seed):
    """Return ``n`` different images of ``images``, chosen at random, each set being equally likely.

    Source: Chenna, section 5.2.

    Parameters
    ----------
    images : numpy.ndarray or torch.Tensor
        N x C x H x W. What is returned is of its kind, n x C x H x W.
    n : int
        1 to N.
    seed : int
        The same seed gives the same images.

    Examples
    --------
    >>> from quantlib import data
    >>> random_choice(data.load().train_images, 16, seed=0).shape
    (16, 1, 8, 8)
    """
    images, n, seed = _checked(images, n, seed)
    return _taken(images, np.random.default_rng(seed).choice(len(images), n, replace=False))


def by_statistics(model, images, n, *, seed, batch_size=256):
    r"""Return ``n`` images that stand for the kinds of activations that all ``images`` give.

    An image is described by the mean and the standard deviation of each channel of each activation
    (:func:`quantlib.activations.record`). Each of these numbers is centred and divided by its
    standard deviation over the images, and by the root of how many numbers its layer has, so that
    every layer counts alike. k-means finds n clusters, and of each cluster the image nearest to its
    centre is taken.

    The idea, to choose by clusters of the statistics of activations, is SelectQ's (Zhang et al.
    2022), which Chenna names in section 5.2. SelectQ clusters layer by layer, step by step, with a
    distance of its own; one k-means over all layers, and the scaling, are ours. Clusters count
    alike whether many images are in them or few: rare images come more often than by
    :func:`random_choice`.

    Parameters
    ----------
    images : numpy.ndarray or torch.Tensor
        N x C x H x W. What is returned is of its kind, in the order of ``images``.
    n : int
        1 to N.
    seed : int
        Of k-means.

    Examples
    --------
    >>> from quantlib import data, models
    >>> images = data.load().train_images[:100]
    >>> by_statistics(models.load_pretrained(), images, 8, seed=0).shape
    (8, 1, 8, 8)
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    images, n, seed = _checked(images, n, seed)
    batch_size = check_integer(batch_size, "batch_size", 1, 2**31)
    starts = range(0, len(images), batch_size)
    found = [_statistics(model, images[i : i + batch_size], batch_size) for i in starts]
    layers = [np.concatenate(parts) for parts in zip(*found, strict=True)]
    features = np.concatenate([_scaled(layer) for layer in layers], axis=1)
    with warnings.catch_warnings():  # fewer different images than clusters: see below
        warnings.simplefilter("ignore", ConvergenceWarning)
        clusters = KMeans(n, random_state=seed, n_init=4).fit(features)
    distances = ((features - clusters.cluster_centers_[clusters.labels_]) ** 2).sum(axis=1)
    order = np.lexsort((distances, clusters.labels_))
    # The first of each cluster. Where clusters are empty, the second ones, and so on.
    rank = np.zeros(len(order), int)
    for label in range(n):
        members = order[clusters.labels_[order] == label]
        rank[members] = np.arange(len(members))
    return _taken(images, np.argsort(rank, kind="stable")[:n])


def _statistics(model, images, batch_size):
    """Return for each activation the channels' means and standard deviations, a row an image."""
    seen = record(model, images, batch_size=batch_size).values()
    rows = [v.reshape(*v.shape[:2], -1).astype(np.float64) for v in seen]
    return [np.concatenate([row.mean(axis=2), row.std(axis=2)], axis=1) for row in rows]


def _scaled(layer):
    """Return the columns centred, each of the same spread, and all together of spread 1."""
    spread = layer.std(axis=0)
    layer = (layer - layer.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return layer / np.sqrt(max(np.count_nonzero(spread), 1))


def from_batch_norm(
    model, n, *, image_shape, seed, steps=200, value_range=(0.0, 1.0), learning_rate=0.1
):
    r"""Return ``n`` images, made from nothing but what the batch normalizations remember.

    They start as random numbers, uniform in ``value_range``. Adam then changes the pixels, in as
    many steps as given, so that :func:`batch_norm_distance` falls; after each step they are put
    back into the range. Of all that it passes, the nearest set is returned, a NumPy array of
    float32, n x C x H x W.

    The idea is ZeroQ's (Cai et al. 2020); Chenna names it in section 5. Ours are the range and the
    measure of the distance, in which each channel is set in proportion to its spread: ZeroQ sums
    the squared differences as they are. Such images give each layer the mean and the spread that it
    had in training, and no more: the rare large activations, which set a range, are not among what
    batch normalization remembers.

    Parameters
    ----------
    model : torch.nn.Module
        It computes in evaluation mode, and stays as it is.
    n : int
        From 1 on. All images are made together, and it is their common statistics that match.
    image_shape : tuple of int
        (C, H, W).
    seed : int
        Of the random numbers.
    value_range : tuple of float
        What pixels lie in: that of the images that the network was trained on.

    Raises
    ------
    ValueError
        If the network has no batch normalization that remembers statistics.

    Examples
    --------
    >>> from quantlib import models
    >>> model = models.load_pretrained()
    >>> images = from_batch_norm(model, 4, image_shape=(1, 8, 8), seed=0, steps=5)
    >>> images.shape, images.dtype
    ((4, 1, 8, 8), dtype('float32'))
    """
    layers = _batch_norms(model)
    n, steps = check_integer(n, "n", 1, 2**31), check_integer(steps, "steps", 1, 2**31)
    learning_rate = check_positive(learning_rate, "learning_rate")
    shape = [check_integer(size, "image_shape", 1, 2**15) for size in image_shape]
    low, high = _checked_range(value_range)
    generator = torch.Generator().manual_seed(check_integer(seed, "seed", 0, 2**63 - 1))
    start = torch.rand((n, *shape), generator=generator) * (high - low) + low
    images = start.to(input_like(model)).requires_grad_()
    optimizer = torch.optim.Adam([images], lr=learning_rate * (high - low))
    least, best = torch.inf, images.detach().clone()
    with evaluating(model), torch.enable_grad():
        for step in range(steps + 1):
            distance = _distance(model, layers, images)
            if distance.item() < least:
                least, best = distance.item(), images.detach().clone()
            if step == steps:
                break
            (images.grad,) = torch.autograd.grad(distance, images)
            optimizer.step()
            with torch.no_grad():
                images.clamp_(low, high)
    return best.cpu().float().numpy()


def batch_norm_distance(model, images):
    r"""Return how far ``images`` are from what the batch normalizations of ``model`` remember.

    .. math:: \frac1L \sum_l \frac{1}{C_l} \sum_c
              \left(\frac{\tilde\mu_c - \mu_c}{\sigma_c}\right)^2
              + \left(\frac{\tilde\sigma_c - \sigma_c}{\sigma_c}\right)^2

    Of channel c of layer l the network remembers mean :math:`\mu_c` and variance
    :math:`\sigma_c^2` (:math:`\varepsilon` added, as in use); those of the images have a tilde. It
    is without unit, and 0 if all agree.

    >>> from quantlib import data, models
    >>> model, digits = models.load_pretrained(), data.load()
    >>> batch_norm_distance(model, digits.train_images) < 0.02
    True
    """
    layers = _batch_norms(model)
    images = torch.as_tensor(images)
    check_finite(images, "images")
    with evaluating(model):
        return _distance(model, layers, images.to(input_like(model, images))).item()


def _distance(model, layers, images):
    parts = []

    def compare(layer, args):
        (x,) = args
        axes = [axis for axis in range(x.ndim) if axis != 1]
        variance, mean = torch.var_mean(x, dim=axes, correction=0)
        remembered = layer.running_var + layer.eps
        spread = remembered.sqrt()
        off = ((mean - layer.running_mean) / spread) ** 2
        # The root of 0 has no gradient.
        parts.append((off + ((variance + layer.eps).sqrt() / spread - 1) ** 2).mean())

    hooks = [layer.register_forward_pre_hook(compare) for layer in layers]
    try:
        model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(parts).mean()


def _batch_norms(model):
    check_model(model)
    layers = [m for m in model.modules() if isinstance(m, _BATCH_NORMS)]
    layers = [layer for layer in layers if layer.running_mean is not None]
    if not layers:
        raise ValueError(
            "model must have batch normalization that remembers statistics, got none in "
            f"{type(model).__name__}"
        )
    return layers


def _checked(images, n, seed):
    """Return images, n and seed, checked; the images as they came."""
    values = detached(as_float_array(images, "images"))
    if values.ndim != 4:
        raise ValueError(f"images must be N x C x H x W, got shape {tuple(values.shape)}")
    n = check_integer(n, "n", 1, len(values))
    return values, n, check_integer(seed, "seed", 0, 2**32 - 1)


def _taken(images, chosen):
    """Return the chosen images, as a copy of the same kind."""
    chosen = np.sort(chosen)
    return images[chosen.tolist()]


def _checked_range(value_range):
    if not isinstance(value_range, tuple | list) or len(value_range) != 2:
        raise ValueError(f"value_range must be a pair of numbers, got {shown(value_range)}")
    low, high = (float(v) for v in to_numpy(as_float_array(value_range, "value_range")))
    if low >= high:
        raise ValueError(f"value_range must have its lower end first, got {shown(value_range)}")
    return low, high
