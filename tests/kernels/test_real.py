"""The kernel for the real layers of a binary network: its plain reference, torch in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from quantlib import kernels
from quantlib.kernels import reference


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 2),
    st.tuples(st.integers(3, 9), st.integers(3, 16)),
    st.integers(1, 5),
    st.sampled_from([1, 15, 16, 17, 64, 100]),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(1, 2),
)
def test_whole_numbers_are_exact(
    seed, images, size, channels, filters, window, stride, padding, threads
):
    rng = np.random.default_rng(seed)
    x = rng.integers(-8, 9, (images, channels, *size)).astype(np.float32)
    w = rng.integers(-8, 9, (filters, channels, *window)).astype(np.float32)
    found = kernels.real_conv2d(x, w, stride, padding, num_threads=threads)
    wanted = torch.nn.functional.conv2d(
        torch.from_numpy(x).double(), torch.from_numpy(w).double(), stride=stride, padding=padding
    )
    np.testing.assert_array_equal(found, wanted.numpy())
    np.testing.assert_array_equal(found, reference.real_conv2d(x, w, stride, padding))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("dilation", "groups"), [(1, 3), (2, 1), ((1, 3), 1), ((2, 1), 3)])
def test_pairs_dilation_and_groups(dilation, groups, threads):
    rng = np.random.default_rng(1)
    x = rng.integers(-8, 9, (2, 6, 9, 11)).astype(np.float32)
    w = rng.integers(-8, 9, (18, 6 // groups, 2, 3)).astype(np.float32)
    found = kernels.real_conv2d(
        x, w, (2, 1), (0, 3), dilation=dilation, groups=groups, num_threads=threads
    )
    wanted = torch.nn.functional.conv2d(
        torch.from_numpy(x).double(),
        torch.from_numpy(w).double(),
        stride=(2, 1),
        padding=(0, 3),
        dilation=dilation,
        groups=groups,
    )
    np.testing.assert_array_equal(found, wanted.numpy())
    plain = reference.real_conv2d(x, w, (2, 1), (0, 3), dilation, groups)
    np.testing.assert_array_equal(found, plain)


@pytest.mark.parametrize("groups", [1, 2])
def test_channels_last_are_the_same_in_another_order(groups):
    rng = np.random.default_rng(2)
    x = rng.integers(-8, 9, (2, 4, 5, 13)).astype(np.float32)
    w = rng.integers(-8, 9, (36, 4 // groups, 3, 2)).astype(np.float32)
    wanted = kernels.real_conv2d(x, w, 1, 1, groups=groups)
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    found = kernels.real_conv2d(last, w, 1, 1, groups=groups, layout="NHWC")
    np.testing.assert_array_equal(found, wanted.transpose(0, 2, 3, 1))
    assert found.flags.c_contiguous and wanted.flags.c_contiguous


def test_real_numbers_of_another_dtype():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((1, 3, 7, 7)), rng.standard_normal((8, 3, 3, 3))
    found = kernels.real_conv2d(x, w, num_threads=1)
    windows = np.lib.stride_tricks.sliding_window_view(x[0], (3, 3), axis=(1, 2))
    np.testing.assert_allclose(found[0], np.einsum("cijkl,ockl->oij", windows, w), rtol=1e-4)
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("x", "w", "options", "error", "words"),
    [
        ((1, 4, 4), (1, 1, 1, 1), {}, ValueError, "x must have 4 axes"),
        ((1, 2, 4, 4), (1, 1, 3, 3), {}, ValueError, "same channels, got 2 and 1"),
        ((1, 2, 4, 4), (1, 2, 5, 5), {}, ValueError, "w must not be larger"),
        ((1, 2, 4, 4), (1, 2, 3, 3), {"stride": 0}, ValueError, "stride must be from 1"),
        ((1, 2, 4, 4), (1, 2, 3, 3), {"padding": 0.5}, TypeError, "padding must be a whole"),
        ((1, 2, 4, 4), (1, 2, 3, 3), {"layout": "CHWN"}, ValueError, "layout must be one of"),
    ],
)
def test_bad_input(x, w, options, error, words):
    with pytest.raises(error, match=words):
        kernels.real_conv2d(np.ones(x), np.ones(w), **options)
