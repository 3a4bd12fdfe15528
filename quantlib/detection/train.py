"""A detector learns from canvases, and is measured on others."""

import math

import numpy as np
import torch
from torch.nn import functional

from quantlib import models
from quantlib._validation import check_positive, shown
from quantlib.data import Canvases
from quantlib.detection.boxes import decode, encode
from quantlib.detection.precision import COCO_THRESHOLDS, mean_average_precision
from quantlib.evaluation import evaluating
from quantlib.training import Settings

__all__ = ["detect", "evaluate", "fit", "targets"]


def targets(canvases, model):
    """Return what the model should say of each cell: classes (N x rows x columns) and boxes.

    A cell in which the centre of a box is has the box's class and its four numbers
    (:func:`~quantlib.detection.boxes.encode`); the others have the class "nothing", and zeros.
    """
    _check(canvases)
    if not hasattr(model, "stride") or not hasattr(model, "num_classes"):
        raise TypeError(
            f"model must be a Detector, or have stride and num_classes, got {type(model).__name__}"
        )
    rows, columns = (n // model.stride for n in canvases.images.shape[2:])
    count = len(canvases.images)
    classes = torch.full((count, rows, columns), model.num_classes)
    numbers = torch.zeros(count, 4, rows, columns)
    for i, (boxes, labels) in enumerate(zip(canvases.boxes, canvases.labels, strict=True)):
        if len(boxes):
            (y, x), told = (part.T for part in encode(boxes, model.stride))
            classes[i, y, x] = torch.from_numpy(labels)
            numbers[i, :, y, x] = torch.from_numpy(told.astype(np.float32))
    return classes, numbers


def fit(model, canvases, *, box_weight=5.0, progress=True, **settings):
    r"""Train ``model`` in place, and return the mean loss of each epoch.

    The loss of a batch of n images is

    .. math:: L = \frac1n \sum_i \Bigl(\sum_c \mathrm{CE}_{i,c}
              + \lambda \sum_{c \text{ with a box}} \sum_{k=1}^{4} d(t_{i,c,k} - \hat t_{i,c,k})
              \Bigr),

    the cross entropy of every cell's class, and of cells with a box the smooth L1 distance d of its
    four numbers (quadratic up to 0.1) with the weight λ, ``box_weight``. The model comes back in
    evaluation mode. The same arguments give the same weights to the bit, for one version of torch
    and one number of threads.

    Source: Liu et al. (2016), section 2.2, without hard negative mining: there are few cells.

    Parameters
    ----------
    model : quantlib.models.Detector
    canvases : Canvases
    **settings
        Epochs, learning rate, seed, …: the fields of :class:`quantlib.training.Settings`.

    Examples
    --------
    >>> from quantlib import data, detection, models
    >>> digits = data.load("digits")
    >>> canvases = data.make_canvases(digits.train_images, digits.train_labels, 128)
    >>> losses = detection.fit(models.Detector(), canvases, epochs=2, progress=False)
    >>> losses[1] < losses[0]
    True
    """
    from tqdm.auto import tqdm

    models.check_model(model)
    box_weight = check_positive(box_weight, "box_weight")
    classes, numbers = targets(canvases, model)
    images, settings = torch.from_numpy(canvases.images), Settings(**settings)
    optimizer, scheduler = settings.optimizer_for(model, len(images))
    losses = []
    for epoch in tqdm(range(settings.epochs), "epochs", disable=not progress):
        model.train()
        total = 0.0
        with models.seeded(settings.epoch_seed(epoch)):
            order = torch.randperm(len(images))
        for batch in order.split(settings.batch_size):
            loss = _loss(*model(images[batch]), classes[batch], numbers[batch], box_weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            total += loss.item() * len(batch)
        losses.append(total / len(images))
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(f"the loss is {losses[-1]} in epoch {epoch + 1}")
    model.eval()
    return losses


def _loss(logits, boxes, classes, numbers, box_weight):
    own = (classes < logits.shape[1] - 1).unsqueeze(1)
    distance = functional.smooth_l1_loss(boxes, numbers, reduction="none", beta=0.1)
    total = functional.cross_entropy(logits, classes, reduction="sum")
    return (total + box_weight * (distance * own).sum()) / len(logits)


def detect(network, images, *, stride=8, batch_size=256, **thresholds):
    """Return what a detector finds in each image, a list of ``Detections``.

    Parameters
    ----------
    network : torch.nn.Module or callable
        A :class:`~quantlib.models.detector.Detector`, a graph of one
        (:func:`quantlib.ptq.graph.trace`), or its :class:`~quantlib.ptq.integer.IntegerNetwork`.
    images : numpy.ndarray
        N x 1 x H x W, float32.
    **thresholds
        ``score_threshold`` and ``iou_threshold`` of :func:`~quantlib.detection.boxes.decode`.
    """
    if isinstance(network, torch.nn.Module):
        with evaluating(network):
            parts = [network(part) for part in torch.from_numpy(images).split(batch_size)]
        classes, boxes = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
    elif callable(network):
        classes, boxes = network(images)
    else:
        raise TypeError(f"network must be a module or an integer network, got {shown(network)}")
    return decode(classes, boxes, stride, **thresholds)


def evaluate(network, canvases, *, iou_thresholds=COCO_THRESHOLDS):
    """Return the mAP of a detector on canvases at each IoU, 0 to 1 (see :func:`detect`)."""
    _check(canvases)
    found = detect(network, canvases.images)
    return mean_average_precision(
        found, canvases.boxes, canvases.labels, iou_thresholds=iou_thresholds
    )


def _check(canvases):
    if not isinstance(canvases, Canvases):
        raise TypeError(f"canvases must be data.Canvases, got {shown(canvases)}")
