"""Answers to `observe` of exercise 10."""


def follow(batches, moves, start, momentum, hand_out=lambda low, high: (min(low, 0), max(high, 0))):
    """Ranges, where the batches that move the averages are known."""
    (low, high), rows = start, []
    for batch, move in zip(batches, moves, strict=True):
        if move:
            low += momentum * (batch.min() - low)
            high += momentum * (batch.max() - high)
        rows.append(hand_out(low, high))
    return np.array(rows)


def may_move(batches, training, frozen_from):
    """Which batches move the averages."""
    return [t and i < frozen_from and batches[i].size > 0 for i, t in enumerate(training)]


class Watcher:
    """An observer as a module has it."""

    def __init__(self, start, momentum):
        self.ends, self.momentum, self.frozen = np.array(start, float), momentum, False

    def __call__(self, x, training):
        if training and not self.frozen and np.size(x):
            seen = np.array([np.min(x), np.max(x)])
            self.ends = (1 - self.momentum) * self.ends + self.momentum * seen
        return [min(0.0, self.ends[0]), max(0.0, self.ends[1])]


def wrong_moves_in_evaluation(batches, training, frozen_from, start, momentum):
    """Message: In evaluation the range stays as it is. It moved"""
    moves = may_move(batches, [True] * len(batches), frozen_from)
    return follow(batches, moves, start, momentum)


def wrong_never_frozen(batches, training, frozen_from, start, momentum):
    """Message: A frozen observer stays as it is. It moved"""
    return follow(batches, may_move(batches, training, len(batches)), start, momentum)


def wrong_always_moves(batches, training, frozen_from, start, momentum):
    """Message: In evaluation, and when it is frozen, the range stays as it is"""
    return follow(batches, [batch.size for batch in batches], start, momentum)


def wrong_frozen_one_too_late(batches, training, frozen_from, start, momentum):
    """Message: is the first for which the observer is frozen"""
    return follow(batches, may_move(batches, training, frozen_from + 1), start, momentum)


def wrong_frozen_one_too_early(batches, training, frozen_from, start, momentum):
    """Message: The observer froze one batch too early"""
    return follow(batches, may_move(batches, training, frozen_from - 1), start, momentum)


def wrong_momentum_exchanged(batches, training, frozen_from, start, momentum):
    """Message: It was taken for the share of what is old"""
    return follow(batches, may_move(batches, training, frozen_from), start, 1 - momentum)


def wrong_zero_not_in_range(batches, training, frozen_from, start, momentum):
    """Message: must contain 0"""
    moves = may_move(batches, training, frozen_from)
    return follow(batches, moves, start, momentum, lambda low, high: (low, high))


def wrong_averages_moved_to_zero(batches, training, frozen_from, start, momentum):
    """Message: Here they were moved to 0 together with the range"""
    (low, high), rows = start, []
    for batch, move in zip(batches, may_move(batches, training, frozen_from), strict=True):
        if move:
            low = min((1 - momentum) * low + momentum * batch.min(), 0)
            high = max((1 - momentum) * high + momentum * batch.max(), 0)
        rows.append((min(low, 0), max(high, 0)))
    return rows


def wrong_batches_moved_to_zero(batches, training, frozen_from, start, momentum):
    """Message: are averaged as they are, not moved to 0 first"""
    wide = [np.append(batch, 0.0) for batch in batches]
    return follow(wide, may_move(batches, training, frozen_from), start, momentum)


def wrong_empty_batch_not_expected(batches, training, frozen_from, start, momentum):
    """Message: ValueError"""
    moves = [t and i < frozen_from for i, t in enumerate(training)]
    return follow(batches, moves, start, momentum)


def wrong_empty_batch_as_zeros(batches, training, frozen_from, start, momentum):
    """Message: The ranges are wrong for seven batches"""
    filled = [batch if batch.size else np.zeros(1) for batch in batches]
    moves = [t and i < frozen_from for i, t in enumerate(training)]
    return follow(filled, moves, start, momentum)


def wrong_range_before_the_batch(batches, training, frozen_from, start, momentum):
    """Message: Here it was handed out before"""
    rows = follow(batches, may_move(batches, training, frozen_from), start, momentum)
    return np.vstack([[min(start[0], 0), max(start[1], 0)], rows[:-1]])


def wrong_least_and_largest_so_far(batches, training, frozen_from, start, momentum):
    """Message: These are the least and the largest number so far"""
    (low, high), rows = start, []
    for batch, move in zip(batches, may_move(batches, training, frozen_from), strict=True):
        if move:
            low, high = min(low, batch.min()), max(high, batch.max())
        rows.append((min(low, 0), max(high, 0)))
    return rows


def wrong_start_thrown_away(batches, training, frozen_from, start, momentum):
    """Message: Here start was thrown away"""
    first = next((b for b in batches if b.size), np.zeros(1))
    moves = may_move(batches, training, frozen_from)
    return follow(batches, moves, (first.min(), first.max()), momentum)


def wrong_rows_for_training_only(batches, training, frozen_from, start, momentum):
    """Message: Return a pair (low, high) for each of the batches"""
    moves = may_move(batches, training, frozen_from)
    return follow(batches, moves, start, momentum)[moves]


def wrong_frozen_counts_training_batches(batches, training, frozen_from, start, momentum):
    """Message: is the first for which the observer is frozen"""
    numbers = np.cumsum([0, *training])[:-1]
    moves = [
        t and n < frozen_from and b.size > 0
        for t, n, b in zip(training, numbers, batches, strict=True)
    ]
    return follow(batches, moves, start, momentum)


def right_by_an_object(batches, training, frozen_from, start, momentum):
    """An observer with a state of its own."""
    watcher, rows = Watcher(start, momentum), []
    for number, batch in enumerate(batches):
        watcher.frozen = number >= frozen_from
        rows.append(watcher(batch, training[number]))
    return rows


def right_by_lerp(batches, training, frozen_from, start, momentum):
    """In torch, with lerp."""
    ends = torch.tensor(start, dtype=torch.float64)
    found = torch.zeros(len(batches), 2, dtype=torch.float64)
    for i, batch in enumerate(batches):
        x = torch.tensor(batch)
        if training[i] and i < frozen_from and x.numel():
            ends = torch.lerp(ends, torch.stack([x.min(), x.max()]), momentum)
        found[i] = torch.stack([ends[0].clamp(max=0), ends[1].clamp(min=0)])
    return found


def right_by_weights(batches, training, frozen_from, start, momentum):
    """Each average as a sum with weights, anew for each batch."""
    moves = may_move(batches, training, frozen_from)
    rows = []
    for end in range(1, len(batches) + 1):
        seen = [b for b, move in zip(batches[:end], moves[:end], strict=True) if move]
        powers = (1 - momentum) ** np.arange(len(seen), -1, -1.0)
        shares = powers * np.where(np.arange(len(seen) + 1) > 0, momentum, 1.0)
        low = shares @ np.array([start[0], *(b.min() for b in seen)])
        high = shares @ np.array([start[1], *(b.max() for b in seen)])
        rows.append([np.minimum(low, 0), np.maximum(high, 0)])
    return np.array(rows)


def wrong_zeros_are_no_numbers(batches, training, frozen_from, start, momentum):
    """Message: where all numbers of a batch are 0"""
    moves = may_move(batches, training, frozen_from)
    moves = [move and x.any() for move, x in zip(moves, batches, strict=True)]
    return follow(batches, moves, start, momentum)


def wrong_empty_by_the_first_axis(batches, training, frozen_from, start, momentum):
    """Message: ValueError"""
    moves = [t and i < frozen_from and len(batches[i]) > 0 for i, t in enumerate(training)]
    return follow(batches, moves, start, momentum)


def wrong_no_range_without_width(batches, training, frozen_from, start, momentum):
    """Message: where there is nothing but 0 at first"""
    moves = may_move(batches, training, frozen_from)

    def hand_out(low, high):
        return min(low, 0), max(high, 0, min(low, 0) + 1e-8)

    return follow(batches, moves, start, momentum, hand_out)


def wrong_frozen_from_zero_is_never(batches, training, frozen_from, start, momentum):
    """Message: where it is frozen from the first batch on"""
    moves = may_move(batches, training, frozen_from or len(batches))
    return follow(batches, moves, start, momentum)


def wrong_repeats_the_row_before(batches, training, frozen_from, start, momentum):
    """Message: IndexError"""
    (low, high), rows = start, []
    for move, x in zip(may_move(batches, training, frozen_from), batches, strict=True):
        if not move:
            rows.append(rows[-1])
            continue
        low = (1 - momentum) * low + momentum * x.min()
        high = (1 - momentum) * high + momentum * x.max()
        rows.append((min(low, 0), max(high, 0)))
    return rows


def wrong_a_single_batch_always_moves(batches, training, frozen_from, start, momentum):
    """Message: for few batches, frozen from any of them on, or never"""
    frozen_from = frozen_from if len(batches) > 1 else 1
    return follow(batches, may_move(batches, training, frozen_from), start, momentum)
