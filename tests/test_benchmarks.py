"""The benchmark command: what it prints and writes, and how it takes the time."""

import json
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import grading_many, timing
from quantlib.kernels._int8_tile import FOUR_BYTES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
PEER = "torch float32"
BINARY = {PEER, "torch int8", "xnor_gemm", "xnor_gemm, packing", "xnor_gemm, reference"}
FEW_BITS = {"ternary_gemm", "bitplane_gemm 3 x 3"}
SUMS = {f"xnor_sum_gemm {n} x {n}, packing" for n in (1, 2, 3)}
SHIFTS = {"shift_gemm, dense", "shift_gemm, zeros left out", "shift_gemm, 77 % zeros"}
CEILINGS = {"popcount", "add int16", "add int32", "multiply-add float32"}
CEILINGS |= {"products of bytes"} if FOUR_BYTES else set()
REFERENCES = {f"{name}, reference" for name in (*FEW_BITS, "shift_gemm")}
STEPS = ("", ", packing and alpha", ", packing, alpha and K")
LAYOUTS = ("last", "first")
CONVOLUTION = {f"xnor_conv2d, channels {where}{step}" for where in LAYOUTS for step in STEPS}
CONVOLUTION |= {"xnor_sum_conv2d 3 x 3, packing", "ternary_conv2d, packing and alpha"}
BYTES = {PEER, "torch int8", "ternary_int8_gemm", "ternary_int8_gemm, reference"}
INT8 = {PEER, "ONNX Runtime int8"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What ``python -m benchmarks --quick`` prints, and what it writes."""
    path = tmp_path_factory.mktemp("benchmarks") / "results.json"
    command = ["-m", "benchmarks", "--quick", "--threads", "1", "--output", str(path)]
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(path.read_text())


def all_cases(document):
    for group in document["groups"].values():
        for name, by_threads in group["cases"].items():
            for values in by_threads.values():
                yield group["operations"], name, values


def test_every_kernel_stands_beside_its_peers(run):
    groups = run[1]["groups"]
    ceilings = {f"ceiling: {name}" for name in CEILINGS}
    expected = {
        "gemm 128 x 128 x 128": BINARY | FEW_BITS | SUMS | SHIFTS | REFERENCES | ceilings,
        "gemm 128 x 512 x 128": BINARY | ceilings,
        "conv 3 x 3, 7 x 7, 512 channels": {PEER, *CONVOLUTION, "xnor_conv2d, reference"},
        "ternary x int8, 1 x 256 x 256": BYTES,
        "ternary x int8, 256 x 256 x 256": BYTES,
        "int8, 1 x 512 x 1000": INT8 | {"torch int8", "int8_gemm"} | ceilings,
        "int8, 64 x 512 x 1000": INT8 | {"torch int8", "int8_gemm"} | ceilings,
        "int8, conv 3 x 3, 32 to 64 channels, 28 x 28, 1 images": INT8 | {"int8_conv2d"},
        "int8, conv 3 x 3, 32 to 64 channels, 14 x 14, 1 images": INT8 | {"int8_conv2d"},
    }
    assert {title: set(group["cases"]) for title, group in groups.items()} == expected
    assert {title: group["operations"] for title, group in groups.items()} == {
        "gemm 128 x 128 x 128": 2 * 128**3,
        "gemm 128 x 512 x 128": 2 * 128 * 512 * 128,
        "conv 3 x 3, 7 x 7, 512 channels": 2 * 49 * 9 * 512 * 512,
        "ternary x int8, 1 x 256 x 256": 2 * 256**2,
        "ternary x int8, 256 x 256 x 256": 2 * 256**3,
        "int8, 1 x 512 x 1000": 2 * 512 * 1000,
        "int8, 64 x 512 x 1000": 2 * 64 * 512 * 1000,
        "int8, conv 3 x 3, 32 to 64 channels, 28 x 28, 1 images": 2 * 28**2 * 9 * 32 * 64,
        "int8, conv 3 x 3, 32 to 64 channels, 14 x 14, 1 images": 2 * 14**2 * 9 * 32 * 64,
    }


def test_numbers_are_positive_and_agree(run):
    document = run[1]
    assert document["quick"] and document["threads"] == [1] and document["rounds"] % 2 == 1
    for operations, name, values in all_cases(document):
        speed, ratio = values["operations_per_second"], values["times_torch_float32"]
        for spread in (speed, ratio):
            assert 0 < spread["low"] <= spread["median"] <= spread["high"] < np.inf
        done = speed["median"] * values["seconds"]  # medians of an odd number of rounds
        if "reference" in name or "ceiling" in name:
            assert done > 0
        else:
            assert done == pytest.approx(operations)
        if name == PEER:
            assert ratio == {"median": 1, "low": 1, "high": 1}
    assert document["bytes_per_second"]["median"] > 1e8
    for by_threads in document["smallest_calls"].values():
        assert set(by_threads) == {"1"} and 0 < by_threads["1"]["median"] < 1


def test_table_shows_what_is_written(run):
    printed, document = run
    for title, group in document["groups"].items():
        table = printed.split(f"\n{title}: ")[1].split("\n\n")[0].splitlines()
        assert len(table) == 2 + len(group["cases"])
        for line, (name, by_threads) in zip(table[2:], group["cases"].items(), strict=True):
            values = by_threads["1"]
            numbers = line[54:].split()
            assert line[:54].strip() == name
            assert numbers[:4] == [
                "1",
                f"{values['seconds'] * 1e3:.3f}",
                f"{values['operations_per_second']['median'] / 1e9:.1f}",
                f"{values['times_torch_float32']['median']:.2f}",
            ]


def test_lenet_is_timed_in_every_form(run):
    lenet = run[1]["lenet"]
    forms = {"float32, scalar", "integer products, scalar", "bit shifts, scalar"}
    tuned = {"float32, tuned, threads: 1", "bit shifts, tuned, threads: 1"}
    assert set(lenet["seconds_per_frame"]) == forms | tuned
    assert all(value["median"] > 0 for value in lenet["seconds_per_frame"].values())
    assert set(lenet["latency_saved"]) == {
        name for name in forms | tuned if not name.startswith("float32")
    }
    assert lenet["frames"] == 20 * run[1]["rounds"]


def test_the_machine_is_described_without_names_or_paths(run):
    document = run[1]
    machine = document["machine"]
    assert machine["architecture"] == platform.machine() and machine["processor"]
    assert set(machine["versions"]) == {"numba", "llvmlite", "numpy", "torch"}
    text = json.dumps(document)
    assert not re.search(r"(^|[\s\"'=])(/|~/|[A-Za-z]:\\)\w", text)
    assert platform.node() not in re.findall(r"[\w.-]+", text)


def test_cases_are_timed_in_turn():
    calls = []
    cases = {name: (lambda name=name: calls.append(name), 1) for name in "ab"}
    times = timing.compare(cases, rounds=4, seconds=0)
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 4, "b": 4}
    assert calls == ["a", "a", "b", "b"] + ["a", "b"] * 4


def test_summary_is_median_and_quartiles():
    values = [5.0, 1.0, 4.0, 2.0, 9.0, 7.0]
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    assert timing.summary(values) == pytest.approx({"median": median, "low": low, "high": high})
    assert timing.summary([3.0, 1.0]) == {"median": 2.0, "low": 1.0, "high": 3.0}


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """What ``python -m benchmarks.dst --quick`` prints, and what it writes."""
    path = tmp_path_factory.mktemp("benchmarks") / "dst.json"
    command = ["-m", "benchmarks.dst", "--quick", "--output", str(path)]
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(path.read_text())


def test_states_are_timed_beside_float_and_int8(states):
    document = states[1]
    (training,) = document["training"].values()
    assert set(training["times_as_long_as_float"]) == {
        "float32, Adam", "DST, real activations", "DST, grid",
    }  # fmt: skip
    assert training["times_as_long_as_float"]["float32, Adam"] == 1
    wanted = {
        "LeNet-5, 1 x 8 x 8": {"shifts, trained"},
        "LeNet-5, 1 x 28 x 28": {"shifts", "shifts, the paper's zeros", "ternary"},
    }
    assert set(document["inference"]) == set(wanted)
    for title, (row,) in document["inference"].items():
        assert wanted[title] | {PEER} <= set(row["least_seconds_per_image"])
        assert set(row["share_of_logits_that_agree"]) == wanted[title]
        assert min(row["share_of_logits_that_agree"].values()) > 0.9
        assert min(row["times_as_long_as_fastest_float"].values()) > 0


def test_bytes_and_operations_of_states_add_up(states):
    printed, document = states
    for name, row in document["memory"].items():
        assert row["int8 states"] * 4 == row["float32"] and name.split(": ")[1] in printed
        bits = 2 if "ternary" in name else 3
        assert row["packed"] == pytest.approx(row["float32"] * bits / 32, abs=4)
        assert row["packed"] < row["whole network"] < row["whole network, float32"]
    # LeNet-5's products: pixels of the result x weights of a filter x filters.
    products = 28**2 * 25 * 6 + 10**2 * 150 * 16 + 400 * 120 + 120 * 84 + 84 * 10
    name = "LeNet-5, 1 x 28 x 28: shifts, the paper's zeros"
    counts = document["operations"][name]
    assert counts["multiplications in float32"] == products
    assert counts["multiplications that stay"] == 28**2 * 25 * 6
    left = 1 - document["zeros"][name]["all states"]
    assert 0.15 < left < 0.25
    assert counts["shifts and additions"] == pytest.approx(
        left * (products - 28**2 * 25 * 6), rel=0.1
    )


def test_whole_numbers_are_timed_beside_onnx_runtime_and_torch(tmp_path):
    path = tmp_path / "ptq.json"
    command = ["-m", "benchmarks.ptq", "--quick", "--output", str(path)]
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    document = json.loads(path.read_text())
    others = {
        "ONNX Runtime int8", "ONNX Runtime float32", "quantlib's file in ONNX Runtime", "quantlib",
    }  # fmt: skip
    for row in document["accuracy"].values():
        assert others | {PEER} <= set(row)
        assert min(each["accuracy"] for each in row.values()) > row[PEER]["accuracy"] - 0.02
        assert row["quantlib"]["nbytes"] < 0.4 * row[PEER]["nbytes"]
    (rows,) = document["inference"].values()
    for row in rows:
        assert others | {PEER} <= set(row["least_seconds_per_image"])
        apart = row["distance_of_logits"]
        assert apart[PEER] < 1e-6 and apart["ONNX Runtime float32"] < 1e-5
        assert 1e-4 < apart["quantlib"] < 0.1
        assert 1e-4 < apart["ONNX Runtime int8"] < 0.1
    assert "times as long as ONNX Runtime int8" in done.stdout


@pytest.mark.parametrize(("extra", "growth"), [(0.0, 0), (0.25, 250)])
def test_growth_of_memory_is_a_slope(extra, growth):
    """Kilobytes for each submission that is done; what the start takes doesn't count."""
    memory = object.__new__(grading_many.Memory)
    memory.curve = [(0, 20.0 * n, 0.0) for n in range(5)]
    memory.curve += [(done, 100 + extra * done, 300.0) for done in range(1, 101)]
    assert memory.growth_kb(1) == pytest.approx(growth)
    assert memory.summary()["most_mb"] == [100 + 100 * extra, 300]
    memory.curve = memory.curve[:6]
    assert memory.growth_kb(1) is None
