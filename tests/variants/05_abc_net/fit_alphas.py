"""Answers to `fit_alphas` of exercise 05."""


def columns_of(bases):
    """Return a column for each basis."""
    return np.array(bases, float).reshape(len(bases), -1).T


def least(columns, w):
    """Return the solution of least norm."""
    return np.linalg.lstsq(columns, w.ravel(), rcond=None)[0]


def wrong_intercept_dropped(w, bases):
    """Message: A constant was fitted"""
    columns = np.column_stack([columns_of(bases), np.ones(w.size)])
    return least(columns, w)[:-1]


def wrong_intercept_first(w, bases):
    """Message: The factors are wrong for six weights"""
    columns = np.column_stack([np.ones(w.size), columns_of(bases)])
    return least(columns, w)[: len(bases)]


def wrong_regression_of_centred_columns(w, bases):
    """Message: A constant was fitted"""
    columns = columns_of(bases)
    return least(columns - columns.mean(axis=0), w - w.mean())


def wrong_centred_weights(w, bases):
    """Message: The centred weights were approximated"""
    return least(columns_of(bases), w - w.mean())


def wrong_each_by_itself(w, bases):
    """Message: Each factor was fitted by itself"""
    return columns_of(bases).T @ w.ravel() / w.size


def wrong_residuals(w, bases):
    """Message: The factors are wrong for six weights"""
    rest, found = w.ravel(), []
    for basis in columns_of(bases).T:
        found.append((rest * basis).mean())
        rest = rest - found[-1] * basis
    return np.array(found)


def wrong_right_hand_side(w, bases):
    """Message: right-hand sides"""
    return columns_of(bases).T @ w.ravel()


def wrong_mean_magnitude(w, bases):
    """Message: The mean magnitude"""
    return np.full(len(bases), np.abs(w).mean())


def wrong_mean_magnitude_for_one(w, bases):
    """Message: only for the signs"""
    return np.array([np.abs(w).mean()]) if len(bases) == 1 else least(columns_of(bases), w)


def wrong_inverse(w, bases):
    """Message: The factors of two equal bases are wrong"""
    columns = columns_of(bases)
    try:
        return np.linalg.inv(columns.T @ columns) @ columns.T @ w.ravel()
    except np.linalg.LinAlgError:
        return np.zeros(len(bases))


def wrong_solve(w, bases):
    """Message: got the whole factor"""
    columns = columns_of(bases)
    try:
        return np.linalg.solve(columns.T @ columns, columns.T @ w.ravel())
    except np.linalg.LinAlgError:
        return columns.T @ w.ravel() / w.size


def wrong_ridge(w, bases):
    """Message: added to the diagonal"""
    columns = columns_of(bases)
    matrix = columns.T @ columns + 0.1 * np.eye(len(bases))
    return np.linalg.solve(matrix, columns.T @ w.ravel())


def wrong_small_ridge(w, bases):
    """Message: The factors are wrong"""
    columns = columns_of(bases)
    matrix = columns.T @ columns + 1e-3 * np.eye(len(bases))
    return np.linalg.solve(matrix, columns.T @ w.ravel())


def wrong_only_different_bases(w, bases):
    """Message: not the factors of least norm"""
    columns, kept = columns_of(bases), []
    for m in range(len(bases)):
        if np.linalg.matrix_rank(columns[:, [*kept, m]]) > len(kept):
            kept.append(m)
    found = np.zeros(len(bases))
    found[kept] = least(columns[:, kept], w)
    return found


def wrong_equal_bases_share_only(w, bases):
    """Message: least norm"""
    columns = columns_of(bases)
    different, place, count = np.unique(columns.T, axis=0, return_inverse=True, return_counts=True)
    place = place.ravel()
    kept = []
    for m in range(len(different)):
        if np.linalg.matrix_rank(different[[*kept, m]]) > len(kept):
            kept.append(m)
    found = np.zeros(len(different))
    found[kept] = least(different[kept].T, w)
    return found[place] / count[place]


def wrong_zeros_where_dependent(w, bases):
    """Message: The factors of two equal bases are wrong"""
    columns = columns_of(bases)
    if np.linalg.matrix_rank(columns) < len(bases):
        return np.zeros(len(bases))
    return least(columns, w)


def wrong_nan_where_dependent(w, bases):
    """Message: There is NaN"""
    columns = columns_of(bases)
    if np.linalg.matrix_rank(columns) < len(bases):
        return np.full(len(bases), np.nan)
    return least(columns, w)


def wrong_whole_answer_of_lstsq(w, bases):
    """Message: not made of numbers"""
    return np.linalg.lstsq(columns_of(bases), w.ravel(), rcond=None)


def wrong_sum_itself(w, bases):
    """Message: Return the factors"""
    columns = columns_of(bases)
    return columns @ least(columns, w)


def wrong_divided_by_their_number(w, bases):
    """Message: The factors are wrong for six weights"""
    return least(columns_of(bases), w) / len(bases)


def wrong_single_number_for_one(w, bases):
    """Message: also for a single one"""
    found = least(columns_of(bases), w)
    return found[0] if len(bases) == 1 else found


def wrong_rounded(w, bases):
    """Message: The factors are wrong"""
    return least(columns_of(bases), w).round(6)


def wrong_order_of_memory(w, bases):
    """Message: The factors are wrong"""
    return np.linalg.lstsq(columns_of(bases), w.ravel(order="K"), rcond=None)[0]


def wrong_large_cut(w, bases):
    """Message: The factors are wrong"""
    return np.linalg.pinv(columns_of(bases), rcond=0.6) @ w.ravel()


def wrong_reshaped_the_other_way(w, bases):
    """Message: The factors are wrong"""
    return least(np.reshape(bases, (w.size, len(bases))).astype(float), w)


def wrong_small_singular_values_cut(w, bases):
    """Message: of many weights differ in one or two signs"""
    return np.linalg.lstsq(columns_of(bases), w.ravel(), rcond=1e-2)[0]


def wrong_cut_off_on_squares(w, bases):
    """Message: of many weights differ in one or two signs"""
    columns = columns_of(bases)
    return np.linalg.pinv(columns.T @ columns, rcond=1e-4) @ (columns.T @ w.ravel())


def wrong_cut_off_without_a_scale(w, bases):
    """Message: The factors are wrong"""
    columns = columns_of(bases)
    values, vectors = np.linalg.eigh(columns.T @ columns)
    inverse = np.array([1 / v if v > 1e-13 else 0.0 for v in values])
    return vectors @ (inverse * (vectors.T @ (columns.T @ w.ravel())))


def right_pseudo_inverse(w, bases):
    """By the pseudo-inverse."""
    return np.linalg.pinv(columns_of(bases), rcond=1e-9) @ w.ravel()


def right_normal_equations(w, bases):
    """The pseudo-inverse of the small matrix."""
    columns = columns_of(bases)
    return np.linalg.pinv(columns.T @ columns) @ (columns.T @ w.ravel())


def right_in_torch(w, bases):
    """With torch."""
    columns = torch.tensor(columns_of(bases))
    return torch.linalg.lstsq(
        columns, torch.tensor(np.array(w)).reshape(-1, 1), driver="gelsd"
    ).solution[:, 0]


def right_by_singular_values(w, bases):
    """By hand, from the singular values."""
    u, s, vt = np.linalg.svd(columns_of(bases), full_matrices=False)
    keep = s > 1e-9 * s.max()
    return (vt[keep].T * (1 / s[keep])) @ (u[:, keep].T @ w.ravel())


def right_by_eigenvectors(w, bases):
    """From the eigenvectors of the small matrix, in a list."""
    columns = columns_of(bases)
    values, vectors = np.linalg.eigh(columns.T @ columns)
    keep = values > 1e-9 * values.max()
    inverse = (vectors[:, keep] / values[keep]) @ vectors[:, keep].T
    return (inverse @ columns.T @ w.ravel()).tolist()


def right_products_in_the_dtype_of_bases(w, bases):
    """Whole numbers of 64 bits hold every count."""
    rows = bases.reshape(len(bases), -1)
    gram = (rows @ rows.T).astype(float)
    return np.linalg.pinv(gram, rcond=1e-10) @ (rows.astype(float) @ w.ravel())


def wrong_solve_while_it_can(w, bases):
    """Message: The factors are wrong"""
    columns = columns_of(bases)
    try:
        return np.linalg.solve(columns.T @ columns, columns.T @ w.ravel())
    except np.linalg.LinAlgError:
        return least(columns, w)


def wrong_products_of_eight_bits(w, bases):
    """Message: The factors are wrong"""
    rows = bases.reshape(len(bases), -1).astype(np.int8)
    gram = (rows @ rows.T).astype(float)
    return np.linalg.pinv(gram, rcond=1e-10) @ (rows.astype(float) @ w.ravel())


def wrong_products_of_sixteen_bits(w, bases):
    """Message: The factors are wrong"""
    rows = bases.reshape(len(bases), -1).astype(np.int16)
    gram = (rows @ rows.T).astype(float)
    return np.linalg.pinv(gram, rcond=1e-10) @ (rows.astype(float) @ w.ravel())


def wrong_bases_in_order_of_memory(w, bases):
    """Message: The factors are wrong"""
    rows = np.stack([basis.ravel(order="K") for basis in bases])
    return least(rows.T.astype(float), w)


def wrong_factors_in_single_precision(w, bases):
    """Message: The factors are wrong"""
    columns = columns_of(bases).astype(np.float32)
    found = np.linalg.lstsq(columns, w.ravel().astype(np.float32), rcond=1e-5)[0]
    return found.astype(float)


def wrong_equal_and_opposite_only(w, bases):
    """Message: for more bases than weights"""
    rows = columns_of(bases).T
    first = rows[:, 0]
    same, where, counts = np.unique(
        rows * first[:, None], axis=0, return_inverse=True, return_counts=True
    )
    keep = []
    for i in range(len(same)):
        if np.linalg.matrix_rank(same[[*keep, i]]) > len(keep):
            keep.append(i)
    factors = np.zeros(len(same))
    if len(keep) == len(same):
        keep = slice(None)
    factors[keep] = least(same[keep].T, w)
    return first * (factors / counts)[where.reshape(-1)]


def right_eigenvectors(w, bases):
    """By the eigenvectors of the products of bases."""
    rows = columns_of(bases).T
    values, vectors = np.linalg.eigh(rows @ rows.T)
    inverse = np.array([1 / x if x > 1e-9 * values[-1] else 0.0 for x in values])
    return vectors @ (inverse * (vectors.T @ (rows @ w.ravel())))
