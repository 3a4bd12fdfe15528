"""What a network says of images, and how often it is right."""

from contextlib import contextmanager

import numpy as np
import torch

from quantlib._validation import check_finite, check_integer
from quantlib.data.sets import Dataset
from quantlib.models import check_model
from quantlib.models.weights import input_like


def logits(model, images, *, batch_size=256):
    """Return what ``model`` gives for ``images``, as a NumPy array (N x classes).

    ``images`` are floating-point, N x C x H x W with N at least 1, and computed ``batch_size`` at a
    time, in evaluation mode and without gradients, on the device where the model is. Each of its
    modules is left in the mode that it was in.

    >>> from quantlib import data, models, training
    >>> training.logits(models.load_pretrained(), data.load().test_images).shape
    (500, 10)
    """
    check_model(model)
    batch_size = check_integer(batch_size, "batch_size", 1, 2**31)
    images = torch.as_tensor(images)
    if not images.is_floating_point():
        raise TypeError(f"images must be floating-point, 0 to 1, got dtype {images.dtype}")
    check_finite(images, "images")
    like = input_like(model, images)
    with evaluating(model):
        batches = [model(batch.to(like)).cpu() for batch in images.split(batch_size)]
    return torch.cat(batches).numpy()


def predict(model, images, *, batch_size=256):
    """Return the number of the class with the largest logit for each image (int64, N).

    >>> from quantlib import data, models, training
    >>> training.predict(models.load_pretrained(), data.load("digits").test_images[:5]).tolist()
    [4, 8, 8, 7, 9]
    """
    return logits(model, images, batch_size=batch_size).argmax(axis=1)


def accuracy(model, images, labels, *, batch_size=256):
    """Return the share of ``images`` that ``model`` classifies as ``labels`` (N class numbers) say.

    >>> from quantlib import data, models, training
    >>> digits = data.load("digits")
    >>> training.accuracy(models.load_pretrained(), digits.test_images, digits.test_labels) > 0.98
    True
    """
    labels = check_labels(labels, images)
    return float(np.mean(predict(model, images, batch_size=batch_size) == labels))


def evaluate(model, dataset, *, batch_size=256):
    """Return the share of the test images of ``dataset`` that are classified correctly, 0 to 1.

    >>> from quantlib import data, models, training
    >>> training.evaluate(models.load_pretrained(), data.load("digits")) > 0.98
    True
    """
    check_dataset(dataset)
    return accuracy(model, dataset.test_images, dataset.test_labels, batch_size=batch_size)


def check_dataset(dataset):
    """Raise TypeError unless ``dataset`` is a :class:`~quantlib.data.sets.Dataset`."""
    if not isinstance(dataset, Dataset):
        raise TypeError(f"dataset must be a quantlib Dataset, got {type(dataset).__name__}")


def confusion_matrix(model, images, labels, *, batch_size=256):
    """Return how many images of each class (row) are classified as each class (column), int64.

    The entry in row i and column j counts the images of class i that ``model`` takes for class
    j, so that the trace counts the correct ones. Computed by scikit-learn.

    >>> from quantlib import data, models, training
    >>> digits, model = data.load("digits"), models.load_pretrained()
    >>> training.confusion_matrix(model, digits.test_images, digits.test_labels).shape
    (10, 10)
    """
    from sklearn import metrics

    labels = check_labels(labels, images)
    scores = logits(model, images, batch_size=batch_size)
    n_classes = scores.shape[1]
    # scikit-learn would leave out the images of a class that is not listed.
    check_classes(labels, n_classes)
    return metrics.confusion_matrix(labels, scores.argmax(1), labels=range(n_classes))


def check_labels(labels, images):
    """Return ``labels`` as a NumPy array; raise unless they are one whole number an image."""
    labels = torch.as_tensor(labels).cpu().numpy()
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be whole numbers, got dtype {labels.dtype}")
    if labels.shape != (len(images),):
        raise ValueError(
            f"labels must be one class number for each of the {len(images)} images, "
            f"got shape {labels.shape}"
        )
    return labels


def check_classes(labels, n_classes):
    """Raise ValueError unless all ``labels`` are from 0 to ``n_classes`` - 1."""
    if labels.min() < 0 or labels.max() >= n_classes:
        raise ValueError(
            f"labels must be from 0 to {n_classes - 1}, got {labels.min()} to {labels.max()}"
        )


@contextmanager
def evaluating(model):
    """Let ``model`` compute in evaluation mode and without gradients; then restore its modes."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
