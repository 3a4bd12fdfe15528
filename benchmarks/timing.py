"""Fair timings on a machine whose speed drifts: all cases in turn, round after round."""

import statistics
import time

__all__ = ["compare", "summary"]


def compare(cases, *, rounds, seconds):
    """Time functions in turn, and return the seconds of one call of each in each round.

    In every round each case runs for about ``seconds``, so that a drift of the machine's speed
    hits all alike, and every case finds its own data in the cache.

    Parameters
    ----------
    cases : dict
        Name to (function without arguments, number of threads). Each is called twice before:
        compilation, and a guess of its duration. For one thread the time is that which the
        processor spent on it, so that other programs do not count; for more it is the time on
        the wall.
    rounds : int
        How often each is timed.
    seconds : float
        How long a case runs in a round, at least one call.

    Returns
    -------
    dict
        Name to list of seconds a call, one number for each round.
    """
    repeats = {}
    for name, (call, threads) in cases.items():
        call()
        repeats[name] = max(1, round(seconds / max(_seconds(call, threads, 1), 1e-6)))
    times = {name: [] for name in cases}
    for _ in range(rounds):
        for name, (call, threads) in cases.items():
            times[name].append(_seconds(call, threads, repeats[name]))
    return times


def _seconds(call, threads, repeats):
    clock = time.thread_time if threads == 1 else time.perf_counter
    start = clock()
    for _ in range(repeats):
        call()
    return (clock() - start) / repeats


def summary(values):
    """Return median and quartiles of numbers as a dict."""
    if len(values) < 3:
        middle = statistics.median(values)
        return {"median": middle, "low": min(values), "high": max(values)}
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": middle, "low": low, "high": high}
