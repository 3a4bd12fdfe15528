"""Time every kernel beside its peers; print a table and write it as JSON with the machine."""

import argparse
import datetime
import json
import os
import statistics
from pathlib import Path

import numpy as np
import torch

from benchmarks import cases, ceilings, int8, machine, timing
from benchmarks.lenet import Networks

PEER = cases.PEER


def on_threads(call, threads):
    """Return ``call`` with torch and the kernel set to a number of threads, and that number."""

    def run():
        torch.set_num_threads(threads)
        return call(threads)

    return run, threads


def measure(operations, group, threads, effort):
    """Time the cases of a group; return their speeds and their ratios to torch float32.

    The ratio is taken round by round, with the same number of threads, then summed up.
    """
    calls, share = {}, {}
    for name, case in group.items():
        if isinstance(case, tuple):
            calls[name, 1], share[name] = on_threads(lambda _, call=case[0]: call(), 1), case[1]
            continue
        share[name] = 1
        calls.update({(name, n): on_threads(case, n) for n in threads})
    times = timing.compare(calls, **effort)
    results = {}
    for (name, n), seconds in times.items():
        done = operations * share[name]
        peer = times[PEER, n]
        results.setdefault(name, {})[str(n)] = {
            "seconds": timing.summary(seconds)["median"],
            "operations_per_second": timing.summary([done / s for s in seconds]),
            "times_torch_float32": timing.summary(
                [share[name] * p / s for p, s in zip(peer, seconds, strict=True)]
            ),
        }
        if n != 1:
            one = times[name, 1]
            results[name][str(n)]["times_one_thread"] = timing.summary(
                [s / t for s, t in zip(one, seconds, strict=True)]
            )
    return {"operations": operations, "cases": results}


def with_ceilings(operations, group, threads, effort):
    """Do what :func:`measure` does, with the machine's ceilings among the cases."""
    group = dict(group)
    for name, (loop, per_turn) in ceilings.LOOPS.items():
        turns = 100_000
        share = turns * per_turn / operations
        group[f"ceiling: {name}"] = (lambda loop=loop, turns=turns: loop(turns, 3), share)
    return measure(operations, group, threads, effort)


def lenet(n_frames, threads, effort):
    """Time the LeNet in all four forms, per frame."""
    networks = Networks(n_frames)
    for other in (networks.scalar_shift, networks.scalar_integer):
        np.testing.assert_array_equal(other(), networks.tuned_shift(1))
    np.testing.assert_allclose(networks.scalar_float(), networks.tuned_float(), atol=1e-4)
    calls = {
        "float32, scalar": on_threads(lambda _: networks.scalar_float(), 1),
        "integer products, scalar": on_threads(lambda _: networks.scalar_integer(), 1),
        "bit shifts, scalar": on_threads(lambda _: networks.scalar_shift(), 1),
    }
    for n in threads:
        calls[f"float32, tuned, threads: {n}"] = on_threads(lambda _: networks.tuned_float(), n)
        calls[f"bit shifts, tuned, threads: {n}"] = on_threads(networks.tuned_shift, n)
    times = timing.compare(calls, **effort)
    gains = {}
    for name in calls:
        if not name.startswith("float32"):
            peer = "float32," + name.split(",", 1)[1]
            gains[name] = timing.summary(
                [1 - s / f for s, f in zip(times[name], times[peer], strict=True)]
            )
    return {
        "frames": n_frames * effort["rounds"],
        "seconds_per_frame": {
            name: timing.summary([s / n_frames for s in seconds]) for name, seconds in times.items()
        },
        "latency_saved": gains,
    }


def show(title, result):
    """Print a group as a table."""
    print(f"\n{title}: {result['operations'] / 1e6:,.0f} million operations")
    print(
        f"  {'':52}{'threads':>7}{'ms':>10}{'Gop/s':>10}{'x torch float32':>24}{'x 1 thread':>12}"
    )
    for name, by_threads in result["cases"].items():
        for n, values in by_threads.items():
            ratio = values["times_torch_float32"]
            spread = f"{ratio['median']:.2f} ({ratio['low']:.2f}-{ratio['high']:.2f})"
            more = values.get("times_one_thread")
            print(
                f"  {name:52}{n:>7}{values['seconds'] * 1e3:10.3f}"
                f"{values['operations_per_second']['median'] / 1e9:10.1f}{spread:>24}"
                + (f"{more['median']:12.2f}" if more else "")
            )


def main():
    """Run all groups."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument(
        "--output",
        type=Path,
        default=machine.results_path("kernels"),
        help="the JSON file to write",
    )
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, help="how many, besides one"
    )
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    threads = sorted({1, options.threads})
    effort = {"rounds": 3, "seconds": 0.002} if options.quick else {"rounds": 21, "seconds": 0.02}
    size, layers = (128, cases.CONVOLUTIONS[3:]) if options.quick else (1024, cases.CONVOLUTIONS)
    groups = {}
    for length in (size, 4 * size):
        operations, group = cases.matrix_product(size, length, everything=length == size, rng=rng)
        title = f"gemm {size} x {length} x {size}"
        groups[title] = with_ceilings(operations, group, threads, effort)
        show(title, groups[title])
    for height, channels in layers:
        title = f"conv 3 x 3, {height} x {height}, {channels} channels"
        groups[title] = measure(*cases.convolution(height, channels, rng), threads, effort)
        show(title, groups[title])
    for n_rows in (1, 2 * size):
        title = f"ternary x int8, {n_rows} x {2 * size} x {2 * size}"
        groups[title] = measure(*cases.ternary_times_bytes(n_rows, 2 * size, rng), threads, effort)
        show(title, groups[title])
    few = 2 if options.quick else None
    for name, sizes in list(int8.MATRICES.items())[:few]:
        title = f"int8, {name}"
        operations, group = int8.matrix(sizes, rng)
        groups[title] = with_ceilings(operations, group, threads, effort)
        show(title, groups[title])
    for name, layer in list(int8.LAYERS.items())[:few]:
        title = f"int8, conv {name}"
        groups[title] = measure(*int8.layer(layer, rng), threads, effort)
        show(title, groups[title])
    print()
    calls = {
        (name, n): on_threads(call, n)
        for name, call in cases.smallest_calls(rng).items()
        for n in threads
    }
    smallest = {}
    for (name, n), seconds in timing.compare(calls, **effort).items():
        smallest.setdefault(name, {})[str(n)] = timing.summary(seconds)
        print(f"smallest call, {name}, threads: {n}: {1e6 * statistics.median(seconds):.1f} us")
    frames, rounds = (20, 3) if options.quick else (500, 20)
    network = lenet(frames, threads, {"rounds": rounds, "seconds": 0})
    print(f"\nLeNet, {network['frames']:,} frames")
    for name, seconds in network["seconds_per_frame"].items():
        saved = network["latency_saved"].get(name)
        print(
            f"  {name:52}{seconds['median'] * 1e6:10.1f} microseconds a frame"
            + (f", {100 * saved['median']:.0f} % less than float32" if saved else "")
        )
    read, n_bytes = ceilings.read_bandwidth()
    bandwidth = timing.compare({"read": (read, 1)}, **effort)["read"]
    document = {
        "date": datetime.date.today().isoformat(),
        "machine": machine.describe(),
        "threads": threads,
        "quick": options.quick,
        **effort,
        "groups": groups,
        "smallest_calls": smallest,
        "lenet": network,
        "bytes_per_second": timing.summary([n_bytes / s for s in bandwidth]),
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
