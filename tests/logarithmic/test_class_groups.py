"""Class groups against hand-made confusion matrices and clustering by hand."""

import numpy as np
import pytest
import torch

from quantlib import logarithmic


def blocks():
    """Six classes in three pairs (0, 3), (1, 4), (2, 5); 3 and 4 are mixed up a little."""
    confusion = np.diag([80, 70, 60, 50, 90, 40])
    for i, j, count in ((0, 3, 15), (3, 0, 20), (1, 4, 30), (4, 1, 9), (5, 2, 10), (3, 4, 2)):
        confusion[i, j] += count
    return confusion


def same_partition(a, b):
    return all((a[i] == a[j]) == (b[i] == b[j]) for i in range(len(a)) for j in range(len(a)))


def test_groups_of_a_hand_made_matrix():
    assert logarithmic.group_classes(blocks(), 3).tolist() == [0, 1, 2, 0, 1, 2]
    assert logarithmic.group_classes(torch.from_numpy(blocks()), 3).tolist() == [0, 1, 2, 0, 1, 2]
    # at two groups the pairs that were ever mixed up join
    assert logarithmic.group_classes(blocks(), 2).tolist() == [0, 0, 1, 0, 0, 1]
    assert logarithmic.group_classes(blocks(), 6).tolist() == [0, 1, 2, 3, 4, 5]
    assert logarithmic.group_classes(blocks(), 1).tolist() == [0] * 6


def test_rows_are_normalised_before_they_are_compared():
    # 1 of 2 images of class 2 is taken for class 0; 30 of 1030 images of class 0 for class 1
    confusion = [[1000, 30, 0], [0, 1000, 0], [1, 0, 1]]
    assert logarithmic.group_classes(confusion, 2).tolist() == [0, 1, 0]


def test_the_direction_of_a_mistake_does_not_matter():
    confusion = blocks()
    assert same_partition(
        logarithmic.group_classes(confusion[::-1, ::-1], 3)[::-1],
        logarithmic.group_classes(confusion, 3),
    )
    one_way = [[10, 5, 0], [0, 10, 0], [0, 0, 10]]
    other_way = [[10, 0, 0], [5, 10, 0], [0, 0, 10]]
    assert logarithmic.group_classes(one_way, 2).tolist() == [0, 0, 1]
    assert logarithmic.group_classes(other_way, 2).tolist() == [0, 0, 1]


def average_linkage_by_hand(distance, n_groups):
    """Join the two groups of the least mean distance until ``n_groups`` are left."""
    groups = [[i] for i in range(len(distance))]
    while len(groups) > n_groups:
        pairs = [(i, j) for j in range(len(groups)) for i in range(j)]
        i, j = min(pairs, key=lambda p: distance[np.ix_(groups[p[0]], groups[p[1]])].mean())
        groups[i] += groups.pop(j)
    labels = np.empty(len(distance), int)
    for label, members in enumerate(groups):
        labels[members] = label
    return labels


@pytest.mark.parametrize("seed", range(20))
def test_groups_of_random_matrices(seed):
    confusion = np.random.default_rng(seed).integers(1, 10_000, size=(9, 9))
    share = confusion / confusion.sum(axis=1)[:, None]
    distance = 1 - (share + share.T) / 2
    for n_groups in range(1, 10):
        groups = logarithmic.group_classes(confusion, n_groups)
        assert np.unique(groups).size == n_groups
        assert same_partition(groups, average_linkage_by_hand(distance, n_groups))
        first_seen = list(dict.fromkeys(groups.tolist()))
        assert first_seen == list(range(n_groups))


def test_exactly_n_groups_where_nothing_is_ever_mixed_up():
    for n_groups in range(1, 8):
        groups = logarithmic.group_classes(np.eye(7), n_groups)
        assert np.unique(groups).size == n_groups
    assert logarithmic.group_classes([[3]], 1).tolist() == [0]


def test_a_class_without_images_is_grouped_by_how_often_it_is_predicted():
    assert logarithmic.group_classes([[9, 0, 0], [0, 6, 3], [0, 0, 0]], 2).tolist() == [0, 1, 1]


def test_grouped_accuracy_by_hand():
    confusion = [[6, 1, 3], [2, 8, 0], [5, 0, 5]]
    assert logarithmic.grouped_accuracy(confusion, [0, 1, 2]) == pytest.approx(19 / 30)
    assert logarithmic.grouped_accuracy(confusion, [0, 1, 0]) == pytest.approx(27 / 30)
    assert logarithmic.grouped_accuracy(confusion, np.array([4, 4, 4])) == 1.0
    assert logarithmic.grouped_accuracy(torch.tensor(confusion), [1, 1, 0]) == pytest.approx(
        22 / 30
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: logarithmic.group_classes(np.eye(3)[:2], 2), ValueError, r"square.*\(2, 3\)"),
        (lambda: logarithmic.group_classes(-np.eye(3), 2), ValueError, "counts of 0 or more"),
        (lambda: logarithmic.group_classes(np.zeros((3, 3)), 2), ValueError, "not only zeros"),
        (
            lambda: logarithmic.group_classes(np.eye(3), 4),
            ValueError,
            "n_groups must be from 1 to 3",
        ),
        (
            lambda: logarithmic.group_classes(np.eye(3), 0),
            ValueError,
            "n_groups must be from 1 to 3",
        ),
        (
            lambda: logarithmic.grouped_accuracy(np.eye(3), [0, 1]),
            ValueError,
            r"groups must have shape \(3,\), got \(2,\)",
        ),
        (
            lambda: logarithmic.grouped_accuracy(np.eye(2), [0.0, 1.0]),
            TypeError,
            "groups must be integers",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
