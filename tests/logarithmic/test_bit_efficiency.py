"""Levels, range and density per bit, and compressed sizes, against hand-made values and SciPy."""

import gzip
import lzma
import math

import numpy as np
import pytest
import torch

from quantlib import logarithmic
from quantlib.logarithmic import LogQParams


def test_average_bit_levels_by_hand():
    assert logarithmic.average_bit_levels(np.array([0.0, 1.0, 2.0, 2.0, 4.0])) == 2.0
    weights = {"a": np.arange(8.0), "b": torch.tensor([0.0, -0.0, 1.0]), "c": [5.0, 5.0]}
    assert logarithmic.average_bit_levels(weights) == pytest.approx((3 + 1 + 0) / 3)
    half = {"h": torch.tensor([1.0, 2.0], dtype=torch.bfloat16, requires_grad=True)}
    assert logarithmic.average_bit_levels(half) == 1.0


def test_range_per_bit_by_hand():
    assert logarithmic.range_per_bit([0.0, 0.25, -4.0], 2) == 2.0
    assert logarithmic.range_per_bit(torch.tensor([3.0, -3.0, 0.0]), 4) == 0.0
    assert logarithmic.range_per_bit([5e-324, 2.0**1023], 1) == 1023 + 1074
    # all levels of b bits: 2**(b-1) - 2 octaves for powers of two, log2(2**(b-1) - 1) for uniform
    for bit_width in range(3, 9):
        levels = LogQParams(-(2 ** (bit_width - 1)) + 2, 0, bit_width).levels
        assert (
            logarithmic.range_per_bit(levels, bit_width) == (2 ** (bit_width - 1) - 2) / bit_width
        )
        codes = np.arange(-(2 ** (bit_width - 1)) + 1, 2 ** (bit_width - 1))
        expected = math.log2(2 ** (bit_width - 1) - 1) / bit_width
        assert logarithmic.range_per_bit(codes, bit_width) == pytest.approx(expected)


def test_density_per_bit_against_scipy_and_by_hand():
    from scipy.stats import entropy

    assert logarithmic.density_per_bit(np.arange(16), 4) == 1.0
    assert logarithmic.density_per_bit([7.0, 7.0], 3) == 0.0
    assert logarithmic.density_per_bit([0.0, -0.0, 1.0, 1.0], 1) == 1.0
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 50)).round()
    _, counts = np.unique(x, return_counts=True)
    expected = entropy(counts, base=2) / 4
    assert logarithmic.density_per_bit(x, 4) == pytest.approx(expected, rel=1e-12)
    assert logarithmic.density_per_bit(torch.from_numpy(x), 4) == pytest.approx(expected, rel=1e-12)


# --- Compressed size ----------------------------------------------------------------------------


@pytest.fixture
def ternary():
    """Two tensors of few values: three in the one, five in the other."""
    rng = np.random.default_rng(2)
    return {
        "a": rng.integers(-1, 2, size=(50, 40)).astype(np.float32) / 4,
        "b": rng.integers(-2, 3, size=333).astype(np.float32) / 8,
    }


def pack_by_strings(values, table):
    """Pack the indexes of ``values`` bit by bit, lowest bit first, with Python strings."""
    n_bits = math.ceil(math.log2(len(table)))
    bits = "".join(format(table.index(v), f"0{n_bits}b")[::-1] for v in values)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))


def test_compressed_size_is_that_of_the_modules(ternary):
    raw = b"".join(x.tobytes() for x in ternary.values())
    parts = []
    for x in ternary.values():
        table = sorted(set(x.ravel().tolist()))
        parts += [np.array(table, "<f4").tobytes(), pack_by_strings(x.ravel().tolist(), table)]
    small = b"".join(parts)
    assert len(small) == 4 * 3 + 2000 * 2 // 8 + 4 * 5 + math.ceil(333 * 3 / 8)
    for stored_as, stream in (("float32", raw), ("packed", small)):
        for method, size in (
            ("none", len(stream)),
            ("gzip", len(gzip.compress(stream, 9, mtime=0))),
            ("lzma", len(lzma.compress(stream, preset=9))),
        ):
            assert logarithmic.compressed_size(ternary, method=method, stored_as=stored_as) == size
            tensors = {name: torch.from_numpy(x) for name, x in ternary.items()}
            assert logarithmic.compressed_size(tensors, method=method, stored_as=stored_as) == size


def test_compressed_size_counts_bits_of_the_index():
    for n_levels, n_bits in ((1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (16, 4), (17, 5), (256, 8)):
        x = np.arange(1600) % n_levels
        size = logarithmic.compressed_size(x, method="none", stored_as="packed")
        assert size == 4 * n_levels + 200 * n_bits


def test_packed_storage_of_a_power_of_two_network_is_smaller_than_its_floats(ternary):
    for method in ("none", "gzip", "lzma"):
        packed_size = logarithmic.compressed_size(ternary, method=method, stored_as="packed")
        assert packed_size < logarithmic.compressed_size(
            ternary, method=method, stored_as="float32"
        )


def test_compressed_size_is_the_same_later(ternary, monkeypatch):
    now = logarithmic.compressed_size(ternary, method="gzip")
    monkeypatch.setattr("time.time", lambda: 4e9)
    assert logarithmic.compressed_size(ternary, method="gzip") == now


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: logarithmic.average_bit_levels({}), ValueError, "weights must hold at least one"),
        (
            lambda: logarithmic.average_bit_levels({"fc": [np.nan]}),
            ValueError,
            r"weights\['fc'\] must be finite",
        ),
        (lambda: logarithmic.range_per_bit([0.0], 4), ValueError, "got only zeros"),
        (lambda: logarithmic.range_per_bit([1.0], 0), ValueError, "bit_width must be from 1 to 64"),
        (
            lambda: logarithmic.density_per_bit([1, 2, 3], 1),
            ValueError,
            "at most 2 distinct.*got 3",
        ),
        (
            lambda: logarithmic.compressed_size([1.0], method="zip"),
            ValueError,
            "method must be one of",
        ),
        (
            lambda: logarithmic.compressed_size([1.0], method="gzip", stored_as="int8"),
            ValueError,
            "stored_as must be one of",
        ),
        (
            lambda: logarithmic.compressed_size(np.arange(257), method="gzip", stored_as="packed"),
            ValueError,
            "at most 256 distinct values.*got 257",
        ),
        (lambda: logarithmic.compressed_size({}), ValueError, "weights must hold at least one"),
        (
            lambda: logarithmic.compressed_size([1e300, 2.0]),
            ValueError,
            "weights must fit into float32, got 1e.300",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
