"""Answers to `accuracy_after_grouping` of exercise 02."""

import itertools


def distances(confusion):
    """Return the matrix of distances."""
    share = confusion / confusion.sum(axis=1, keepdims=True)
    distance = 1 - (share + share.T) / 2
    np.fill_diagonal(distance, 0)
    return distance


def cluster(distance, n_groups, method="average"):
    """Return the groups that SciPy makes of distances."""
    return fcluster(linkage(squareform(distance), method=method), t=n_groups, criterion="maxclust")


def correct_answers(confusion, groups):
    """Return how many answers lie in the group of their true class."""
    return confusion[groups[:, None] == groups[None, :]].sum()


def wrong_similarity_for_distance(confusion, n_groups):
    """Message: The groups are wrong for cat, dog, deer and ship."""
    similarity = 1 - distances(confusion)
    np.fill_diagonal(similarity, 0)
    groups = cluster(similarity, n_groups)
    return groups, correct_answers(confusion, groups) / confusion.sum()


def wrong_rows_for_points(confusion, n_groups):
    """Message: The groups are wrong for cat, dog, deer and ship."""
    groups = fcluster(linkage(confusion, method="average"), t=n_groups, criterion="maxclust")
    return groups, correct_answers(confusion, groups) / confusion.sum()


def wrong_square_matrix_to_linkage(confusion, n_groups):
    """Message: The groups are wrong for five classes with different numbers of images. Are"""
    tree = linkage(distances(confusion), method="average")
    groups = fcluster(tree, t=n_groups, criterion="maxclust")
    return groups, correct_answers(confusion, groups) / confusion.sum()


def wrong_both_directions_missing(confusion, n_groups):
    """Message: must be symmetric"""
    distance = 1 - confusion / confusion.sum(axis=1, keepdims=True)
    np.fill_diagonal(distance, 0)
    groups = cluster(distance, n_groups)
    return groups, correct_answers(confusion, groups) / confusion.sum()


def wrong_diagonal(confusion, n_groups):
    """Message: must be zero"""
    share = confusion / confusion.sum(axis=1, keepdims=True)
    groups = cluster(1 - (share + share.T) / 2, n_groups)
    return groups, correct_answers(confusion, groups) / confusion.sum()


def wrong_criterion(confusion, n_groups):
    """Message: All classes are in one group"""
    tree = linkage(squareform(distances(confusion)), method="average")
    groups = fcluster(tree, t=n_groups, criterion="distance")
    return groups, correct_answers(confusion, groups) / confusion.sum()


def wrong_default_criterion(confusion, n_groups):
    """Message: All classes are in one group"""
    tree = linkage(squareform(distances(confusion)), method="average")
    groups = fcluster(tree, n_groups)
    return groups, correct_answers(confusion, groups) / confusion.sum()


def wrong_nothing_joined(confusion, n_groups):
    """Message: There are four groups and should be three"""
    groups = np.arange(len(confusion))
    return groups, correct_answers(confusion, groups) / confusion.sum()


def wrong_one_group_less(confusion, n_groups):
    """Message: There are two groups and should be three"""
    groups = cluster(distances(confusion), n_groups - 1)
    return groups, correct_answers(confusion, groups) / confusion.sum()


def wrong_counts(confusion, n_groups):
    """Message: The groups are wrong for five classes with different numbers of images. Are"""
    distance = confusion.max() - (confusion + confusion.T) / 2
    np.fill_diagonal(distance, 0)
    groups = cluster(distance, n_groups)
    return groups, correct_answers(confusion, groups) / confusion.sum()


def wrong_columns_divided(confusion, n_groups):
    """Message: The groups are wrong for five classes with different numbers of images. Are"""
    groups = cluster(distances(confusion.T), n_groups)
    return groups, correct_answers(confusion, groups) / confusion.sum()


def wrong_single_linkage(confusion, n_groups):
    """Message: The groups are wrong for five classes with different numbers of images. Are"""
    groups = cluster(distances(confusion), n_groups, "single")
    return groups, correct_answers(confusion, groups) / confusion.sum()


def wrong_complete_linkage(confusion, n_groups):
    """Message: The groups are wrong for five classes with different numbers of images. Are"""
    groups = cluster(distances(confusion), n_groups, "complete")
    return groups, correct_answers(confusion, groups) / confusion.sum()


def wrong_accuracy_before_grouping(confusion, n_groups):
    """Message: This is the accuracy before grouping"""
    groups = cluster(distances(confusion), n_groups)
    return groups, np.trace(confusion) / confusion.sum()


def wrong_mean_over_groups(confusion, n_groups):
    """Message: This is the mean over the groups"""
    groups = cluster(distances(confusion), n_groups)
    recalls = [
        confusion[np.ix_(groups == g, groups == g)].sum() / confusion[groups == g].sum()
        for g in np.unique(groups)
    ]
    return groups, np.mean(recalls)


def wrong_mean_over_classes(confusion, n_groups):
    """Message: This is the mean over the classes"""
    groups = cluster(distances(confusion), n_groups)
    together = groups[:, None] == groups[None, :]
    return groups, np.mean((confusion * together).sum(axis=1) / confusion.sum(axis=1))


def wrong_only_what_grouping_gains(confusion, n_groups):
    """Message: The groups are right, but the accuracy is not."""
    groups = cluster(distances(confusion), n_groups)
    return groups, (correct_answers(confusion, groups) - np.trace(confusion)) / confusion.sum()


def wrong_percent(confusion, n_groups):
    """Message: not percent"""
    groups = cluster(distances(confusion), n_groups)
    return groups, 100 * correct_answers(confusion, groups) / confusion.sum()


def wrong_number_of_answers(confusion, n_groups):
    """Message: The groups are right, but the accuracy is not."""
    groups = cluster(distances(confusion), n_groups)
    return groups, correct_answers(confusion, groups)


def wrong_one_direction_counted(confusion, n_groups):
    """Message: The groups are right, but the accuracy is not."""
    groups = cluster(distances(confusion), n_groups)
    pairs = itertools.combinations(range(len(confusion)), 2)
    joined = sum(confusion[j, i] for i, j in pairs if groups[i] == groups[j])
    return groups, (np.trace(confusion) + joined) / confusion.sum()


def wrong_only_groups(confusion, n_groups):
    """Message: Return two things"""
    return cluster(distances(confusion), n_groups)


def wrong_changed_in_place(confusion, n_groups):
    """Message: The confusion matrix was changed in place"""
    groups = cluster(distances(confusion), n_groups)
    accuracy = correct_answers(confusion, groups) / confusion.sum()
    np.fill_diagonal(confusion, 0)
    return groups, accuracy


def right_by_hand(confusion, n_groups):
    """Joins groups in a loop, without SciPy."""
    distance = distances(confusion)
    groups = [[i] for i in range(len(confusion))]
    while len(groups) > n_groups:
        p, q = min(
            itertools.combinations(range(len(groups)), 2),
            key=lambda pair: distance[np.ix_(groups[pair[0]], groups[pair[1]])].mean(),
        )
        groups[p] += groups.pop(q)
    numbers = np.empty(len(confusion), dtype=int)
    for number, members in enumerate(groups):
        numbers[members] = number
    correct = sum(confusion[np.ix_(members, members)].sum() for members in groups)
    return numbers, correct / confusion.sum()


def right_matrix_of_groups(confusion, n_groups):
    """The confusion matrix of the groups, and its trace."""
    share = (confusion.T / confusion.sum(axis=1)).T
    distance = 1 - np.mean([share, share.T], axis=0)
    pairs = np.triu_indices(len(confusion), k=1)
    groups = fcluster(linkage(distance[pairs], "average"), n_groups, "maxclust")
    membership = groups == np.unique(groups)[:, None]
    of_groups = membership @ confusion @ membership.T
    return groups.tolist(), np.trace(of_groups) / np.sum(of_groups)


def right_scikit_learn(confusion, n_groups):
    """With the clustering of scikit-learn."""
    from sklearn.cluster import AgglomerativeClustering

    model = AgglomerativeClustering(n_clusters=n_groups, metric="precomputed", linkage="average")
    groups = model.fit_predict(distances(confusion))
    correct = sum(
        confusion[i, j]
        for i in range(len(groups))
        for j in range(len(groups))
        if groups[i] == groups[j]
    )
    return groups, correct / confusion.sum()
