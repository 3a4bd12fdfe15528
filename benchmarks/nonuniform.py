"""Time the optimal 1-D k-means and KNQ's codes beside other libraries, in one run.

    python -m benchmarks.nonuniform          # prints, and writes results/nonuniform.json
    python -m benchmarks.nonuniform --quick  # a small run, to see that it works

Repeats are interleaved: each round runs every contestant once, so that a slow moment of the machine
meets all of them. The least time of each is reported, and all times are kept.
``kmeans1d`` and ``ckwrap`` take part where they are installed (``pip install kmeans1d ckwrap``).
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.cluster import KMeans

from quantlib import nonuniform
from quantlib.nonuniform import knq
from quantlib.nonuniform.kmeans import kmeans_1d

RESULTS = Path(__file__).parent / "results" / "nonuniform.json"


def machine():
    """Describe processor, system, threads and versions."""
    name = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    packages = ["numpy", "numba", "torch", "scikit-learn", "kmeans1d", "ckwrap"]
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def activations(n):
    """Return n float32 numbers as a ReLU gives them: half zeros, half a normal distribution."""
    rng = np.random.default_rng(0)
    return np.maximum(rng.standard_normal(n), 0).astype(np.float32)


def rounds(contestants, repeats, once=()):
    """Return the times of each contestant in seconds, and what each gave in the last round.

    Those named in ``once`` take minutes and run in the first round only.
    """
    times = {name: [] for name in contestants}
    given = {}
    for number in range(repeats):
        for name, run in contestants.items():
            if number and name in once:
                continue
            start = time.perf_counter()
            given[name] = run()
            times[name].append(time.perf_counter() - start)
    return times, given


def objective(x, centroids):
    """Return the sum of squared distances to the nearest centroid, in extended precision."""
    centroids = np.sort(np.asarray(centroids, np.float64).ravel())
    places = np.searchsorted((centroids[1:] + centroids[:-1]) / 2, x)
    difference = x.astype(np.longdouble) - centroids[places]
    return float((difference**2).sum())


def measure_kmeans(n, k, repeats):
    """Compare objective and time of 1-D k-means."""
    x = activations(n)
    contestants = {"quantlib": lambda: kmeans_1d(x, k).centroids}
    if importlib.util.find_spec("ckwrap"):
        import ckwrap

        contestants["ckwrap"] = lambda: ckwrap.ckmeans(x, k).centers
    if importlib.util.find_spec("kmeans1d"):
        import kmeans1d

        contestants["kmeans1d"] = lambda: kmeans1d.cluster(x, k).centroids
    column = x[:, None]
    contestants["scikit-learn, n_init=10"] = lambda: (
        KMeans(k, n_init=10, random_state=0).fit(column).cluster_centers_
    )
    kmeans_1d(x[:20_000], k)  # compiled before the clock starts
    times, given = rounds(contestants, repeats, once=["scikit-learn, n_init=10"])
    return {
        "n": n,
        "k": k,
        "results": {
            name: {"seconds": times[name], "objective": objective(x, given[name])}
            for name in contestants
        },
    }


def measure_codes(n, k, repeats):
    """Compare the time of codes from numbers, numbers from codes, and both."""
    x = activations(n)
    bit_width = max(1, (k - 1).bit_length())
    levels = kmeans_1d(x[:100_000], k).centroids
    qparams = knq.KnqQParams(levels, bit_width)
    thresholds = qparams.thresholds.astype(np.float32)
    thresholds = np.where(  # the next float32 up: no comparison changes, and codes must agree
        thresholds < qparams.thresholds, np.nextafter(thresholds, np.float32(np.inf)), thresholds
    )
    bounds, table = torch.from_numpy(thresholds), levels.astype(np.float32)
    torch_x, torch_table = torch.from_numpy(x), torch.from_numpy(table)
    codes = nonuniform.quantize(x, qparams)
    torch_codes = torch.from_numpy(codes)

    def numpy_codes():
        return np.searchsorted(thresholds, x, side="right")

    def torch_bucketize():
        return torch.bucketize(torch_x, bounds, right=True, out_int32=True)

    encode, given = rounds(
        {
            "quantlib": lambda: nonuniform.quantize(x, qparams),
            "np.searchsorted": numpy_codes,
            "torch.bucketize": torch_bucketize,
        },
        repeats,
    )
    differ = {name: int((np.asarray(c) != given["quantlib"]).sum()) for name, c in given.items()}
    decode, given = rounds(
        {
            "quantlib": lambda: nonuniform.dequantize(codes, qparams),
            "np.take": lambda: np.take(table, codes),
            "numpy index": lambda: table[codes],
            "torch index_select": lambda: torch.index_select(torch_table, 0, torch_codes),
        },
        repeats,
    )
    same = all(np.array_equal(np.asarray(values), given["quantlib"]) for values in given.values())
    both, _ = rounds(
        {
            "quantlib": lambda: nonuniform.dequantize(nonuniform.quantize(x, qparams), qparams),
            "np.searchsorted, index": lambda: table[numpy_codes()],
            "torch.bucketize, index_select": lambda: torch.index_select(
                torch_table, 0, torch_bucketize()
            ),
        },
        repeats,
    )
    return {
        "n": n,
        "k": k,
        "codes_that_differ": differ,
        "decoded_values_agree": same,
        "encode": encode,
        "decode": decode,
        "both": both,
    }


def main():
    """Run everything, print the least times, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--kmeans-repeats", type=int, default=2)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    n_kmeans, n_codes = (20_000, 100_000) if options.quick else (10**6, 10**7)
    result = {
        "machine": machine(),
        "kmeans_1d": measure_kmeans(n_kmeans, 32, options.kmeans_repeats),
        "codes": [measure_codes(n_codes, k, options.repeats) for k in (4, 8, 16, 32)],
    }
    for name, row in result["kmeans_1d"]["results"].items():
        print(f"k-means  {name:32} {min(row['seconds']):9.3f} s  objective {row['objective']:.9g}")
    for row in result["codes"]:
        for kind in ("encode", "decode", "both"):
            for name, seconds in row[kind].items():
                print(f"k = {row['k']:2} {kind:7} {name:32} {1000 * min(seconds):9.1f} ms")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
