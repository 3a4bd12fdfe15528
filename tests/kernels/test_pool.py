"""The maxima of windows: torch, the plain reference, and NaN."""

import numpy as np
import pytest
import torch

from quantlib import kernels
from quantlib.kernels import reference


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int8])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 1)]
)
def test_agrees_with_torch_and_the_reference(dtype, threads, size, stride, padding):
    x = np.random.default_rng(0).integers(-9, 0, (2, 5, 7, 8)).astype(dtype)
    found = kernels.max_pool2d(x, size, stride, padding, num_threads=threads)
    wanted = torch.nn.functional.max_pool2d(torch.from_numpy(x).double(), size, stride, padding)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, wanted.numpy())
    np.testing.assert_array_equal(found, reference.max_pool2d(x, size, stride, padding))
    last = kernels.max_pool2d(x.transpose(0, 2, 3, 1), size, stride, padding, layout="NHWC")
    np.testing.assert_array_equal(last, wanted.numpy().transpose(0, 2, 3, 1))


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_nan_stays(place):
    x = np.zeros((1, 1, 2, 2), np.float32)
    x.reshape(-1)[place] = np.nan
    assert np.isnan(kernels.max_pool2d(x, 2)).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"size": 5}, "size must not be larger"),
        ({"size": 2, "padding": 2}, "padding must be from 0 to 1, got 2"),
        ({"size": 2, "stride": 0}, "stride must be from 1"),
        ({"size": 2, "layout": "NCWH"}, "layout must be one of"),
    ],
)
def test_bad_input(arguments, words):
    with pytest.raises(ValueError, match=words):
        kernels.max_pool2d(np.zeros((1, 1, 4, 4)), **arguments)
