"""Which classes a coarse network mixes up, and its accuracy when those count as one."""

import numpy as np

from quantlib._validation import as_array, as_integers, check_integer, to_numpy

__all__ = ["group_classes", "grouped_accuracy"]


def _check_confusion(confusion):
    """Return the confusion matrix as float64 counts; raise unless it is one."""
    counts = np.asarray(as_array(confusion, "confusion"), np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.size == 0:
        raise ValueError(f"confusion must be a square matrix, got shape {counts.shape}")
    if not np.all(np.isfinite(counts)) or counts.min() < 0 or counts.sum() == 0:
        raise ValueError("confusion must hold counts of 0 or more, and not only zeros")
    return counts


def group_classes(confusion, n_groups):
    r"""Group the classes that are mistaken for each other most, by hierarchical clustering.

    .. math:: P_{ij} = \frac{C_{ij}}{\sum_k C_{ik}}, \qquad
              S = \tfrac12 (P + P^\top), \qquad D = 1 - S

    ``confusion`` is C, K x K counts: :math:`C_{ij}` images of class i were taken for class j. The
    distances D are clustered by average linkage, and the tree is cut where it has ``n_groups``
    branches. The result is each class's group (K, int64), numbered from 0 as they first occur.

    Source: Nayak et al. 2019, IV.a, group CIFAR-10's classes by "hierarchical clustering" and do
    not say of what; similarity and linkage are the course's choice. Classes that are never
    mistaken for each other all have distance 1: a cut that must join such classes is arbitrary.
    Here classes 0 and 2 are often mixed up:

    >>> group_classes([[6, 0, 4], [0, 9, 1], [5, 0, 5]], n_groups=2).tolist()
    [0, 1, 0]
    """
    from scipy.cluster.hierarchy import average, cut_tree
    from scipy.spatial.distance import squareform

    counts = _check_confusion(confusion)
    n_classes = len(counts)
    n_groups = check_integer(n_groups, "n_groups", 1, n_classes)
    if n_classes == 1:
        return np.zeros(1, np.int64)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    distance = 1 - (share + share.T) / 2
    np.fill_diagonal(distance, 0)
    labels = cut_tree(average(squareform(distance)), n_clusters=n_groups)[:, 0]
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


def grouped_accuracy(confusion, groups):
    r"""Share of the images whose predicted class lies in the group of the true one, from 0 to 1.

    .. math:: \frac{\sum_{g(i) = g(j)} C_{ij}}{\sum_{ij} C_{ij}}

    C and g are as for :func:`group_classes`. It is never below the accuracy over single classes:
    joining classes can only forgive mistakes, so compare with the same groups on the unquantized
    network. Source: Nayak et al. 2019, IV.a and Table 2.

    >>> grouped_accuracy([[6, 0, 4], [0, 9, 1], [5, 0, 5]], [0, 1, 0])
    0.9666666666666667
    """
    counts = _check_confusion(confusion)
    groups = as_array(groups, "groups")
    if tuple(groups.shape) != (len(counts),):
        raise ValueError(f"groups must have shape ({len(counts)},), got {tuple(groups.shape)}")
    groups = to_numpy(as_integers(groups, "groups"))
    together = groups[:, None] == groups[None, :]
    return float(counts[together].sum() / counts.sum())
