"""Mappings and groups against torchao's formulas, written out in NumPy."""

import pickle

import numpy as np
import pytest
import torch

from quantlib import packed, uniform

RNG = np.random.default_rng(1)
WEIGHT = (RNG.standard_normal((6, 64)) * RNG.uniform(0.1, 3, (6, 1))).astype(np.float32)
WEIGHT[0, :16], WEIGHT[1, 16:32], WEIGHT[2, :16] = 0, np.abs(WEIGHT[1, 16:32]), -1.5


def torchao_qparams(low, high, quant_min, quant_max, mapping):
    """torchao, ``quant_primitives._choose_qparams_affine``, for signed codes.

    But for a scale of 0, which torchao raises to the dtype's epsilon, and which is 1 here.
    """
    low, high = np.minimum(low, np.float32(0)), np.maximum(high, np.float32(0))
    if mapping == "asymmetric":
        scale = (high - low) / np.float32(quant_max - quant_min)
        scale = np.where(scale == 0, np.float32(1), scale)
        zero_point = np.clip(quant_min - np.rint(low / scale), quant_min, quant_max)
        return scale, zero_point.astype(int)
    scale = np.maximum(low / np.float32(quant_min), high / np.float32(quant_max))
    scale = np.where(scale == 0, np.float32(1), scale)
    return scale, np.full(scale.shape, int((quant_max + quant_min + 1) / 2))


@pytest.mark.parametrize("library", [np.asarray, torch.asarray])
@pytest.mark.parametrize("bit_width", [2, 4, 8])
@pytest.mark.parametrize("group_size", [16, 32, 64])
@pytest.mark.parametrize("mapping", ["symmetric_no_clipping_err", "asymmetric"])
def test_groups_are_torchao_s(mapping, group_size, bit_width, library):
    blocks = WEIGHT.reshape(6, -1, group_size)
    quant_min, quant_max = -(2 ** (bit_width - 1)), 2 ** (bit_width - 1) - 1
    scale, zero_point = torchao_qparams(
        blocks.min(-1), blocks.max(-1), quant_min, quant_max, mapping
    )
    qparams = uniform.choose_qparams(
        library(WEIGHT), bit_width, mapping=mapping, group_size=group_size
    )
    assert qparams.scale.shape == (6, 64 // group_size)
    np.testing.assert_allclose(qparams.scale, scale, rtol=3e-7)
    np.testing.assert_array_equal(qparams.zero_point, zero_point)
    codes = np.asarray(uniform.quantize(library(WEIGHT), qparams))
    exact = np.rint(blocks * (1 / qparams.scale.astype(np.float32))[..., None])
    expected = np.clip(exact + zero_point[..., None], quant_min, quant_max).reshape(6, 64)
    np.testing.assert_array_equal(codes, expected)
    values = np.asarray(uniform.dequantize(library(codes), qparams))
    steps = (expected.reshape(blocks.shape) - zero_point[..., None]).astype(np.float32)
    np.testing.assert_array_equal(
        values, (steps * qparams.scale.astype(np.float32)[..., None]).reshape(6, 64)
    )
    np.testing.assert_array_equal(
        np.asarray(uniform.fake_quantize(library(WEIGHT), qparams)), values
    )
    stored = packed.pack(codes, qparams)
    assert stored.nbytes == 6 * 64 * bit_width // 8
    np.testing.assert_array_equal(stored.unpack(), codes)


@pytest.mark.parametrize("mapping", ["symmetric", "symmetric_no_clipping_err", "asymmetric"])
@pytest.mark.parametrize("library", [np.asarray, torch.asarray])
def test_one_group_a_row_is_per_channel(mapping, library):
    weight = library(WEIGHT)
    rows = uniform.choose_qparams(weight, 4, mapping=mapping, axis=0)
    groups = uniform.choose_qparams(weight, 4, mapping=mapping, group_size=64)
    np.testing.assert_array_equal(groups.scale[:, 0], rows.scale)
    np.testing.assert_array_equal(groups.zero_point[:, 0], rows.zero_point)
    for step in (uniform.quantize, uniform.fake_quantize):
        np.testing.assert_array_equal(
            np.asarray(step(weight, groups)), np.asarray(step(weight, rows))
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(384,), (6, 64), (2, 3, 64)])
def test_the_gradient_of_groups_is_that_of_each_group(shape, dtype):
    x = torch.tensor(WEIGHT.reshape(shape), dtype=dtype)
    chosen = uniform.choose_qparams(x, 4, mapping="asymmetric", group_size=16)
    narrower = uniform.QParams(chosen.scale / 2, chosen.zero_point, 4, group_size=16)
    leaf = x.clone().requires_grad_(True)
    values = uniform.fake_quantize(leaf, narrower)
    values.sum().backward()
    rows = uniform.QParams(narrower.scale.ravel(), narrower.zero_point.ravel(), 4, axis=0)
    other = x.reshape(24, 16).clone().requires_grad_(True)
    expected = uniform.fake_quantize(other, rows)
    expected.sum().backward()
    assert values.shape == x.shape and values.dtype == dtype
    assert torch.equal(values.reshape(24, 16), expected)
    assert torch.equal(leaf.grad.reshape(24, 16), other.grad)
    assert 0 < leaf.grad.float().mean() < 1


def test_parameters_of_groups_are_compared_and_pickled():
    qparams = uniform.choose_qparams(WEIGHT, 4, group_size=16)
    assert pickle.loads(pickle.dumps(qparams)) == qparams
    assert hash(pickle.loads(pickle.dumps(qparams))) == hash(qparams)
    assert qparams != uniform.choose_qparams(WEIGHT, 4, group_size=32)
    assert qparams.group_size == 16


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: uniform.choose_qparams(WEIGHT, 4, group_size=48),
            ValueError,
            "group_size must divide the last axis of x, 64, got 48",
        ),
        (
            lambda: uniform.choose_qparams(WEIGHT, 4, group_size=0),
            ValueError,
            "group_size must be from 1 to",
        ),
        (
            lambda: uniform.choose_qparams(WEIGHT, 4, group_size=16.0),
            TypeError,
            "group_size must be a whole number, got 16.0",
        ),
        (
            lambda: uniform.choose_qparams(WEIGHT, 4, group_size=16, axis=0),
            ValueError,
            "axis must be None beside group_size=16, got 0",
        ),
        (
            lambda: uniform.choose_qparams(2.0, 4, group_size=1),
            ValueError,
            "group_size must divide the last axis of x",
        ),
        (
            lambda: uniform.QParams(0.5, 0, 4, group_size=16),
            ValueError,
            "scale and zero_point must have the same shape, with an entry a group",
        ),
        (
            lambda: uniform.quantize(WEIGHT[:3], uniform.choose_qparams(WEIGHT, 4, group_size=16)),
            ValueError,
            r"x must have groups of shape \(6, 4\), one for each scale, got \(3, 4\)",
        ),
        (
            lambda: uniform.dequantize(
                np.zeros((3, 64), int), uniform.choose_qparams(WEIGHT, 4, group_size=16)
            ),
            ValueError,
            r"codes must have groups of shape \(6, 4\), one for each scale, got \(3, 4\)",
        ),
        (
            lambda: uniform.dequantize(
                np.zeros((3, 64), int), uniform.choose_qparams(WEIGHT, 4, axis=0)
            ),
            ValueError,
            "codes must have 6 entries along axis 0, as qparams have, got shape",
        ),
        (
            lambda: uniform.choose_qparams(WEIGHT, 4, mapping="symmetrical"),
            ValueError,
            "mapping must be one of 'symmetric', 'symmetric_no_clipping_err', 'asymmetric', got",
        ),
        (
            lambda: uniform.choose_qparams(WEIGHT, 1, mapping="symmetric_no_clipping_err"),
            ValueError,
            "bit_width must be from 2 to 16, got 1",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("options", "low", "high", "scale", "zero_point", "codes"),
    [
        ({}, -3.5, 7.0, 1.0, 0, (-4, 7)),
        ({"narrow_range": False}, -7.0, 1.0, 1.0, 0, (-7, 1)),
        ({"signed": False}, 0.0, 7.5, 0.5, 0, (0, 15)),
        ({"mapping": "symmetric_no_clipping_err"}, -8.0, 3.0, 1.0, 0, (-8, 3)),
        ({"mapping": "symmetric_no_clipping_err"}, -8.0, 14.0, 2.0, 0, (-4, 7)),
        ({"mapping": "symmetric_no_clipping_err", "narrow_range": True}, -7, 1, 1.0, 0, (-7, 1)),
        ({"mapping": "symmetric_no_clipping_err", "signed": False}, -8, 3, 1.0, 8, (0, 11)),
        ({"mapping": "symmetric_no_clipping_err", "signed": False}, -1, 14, 2.0, 8, (8, 15)),
        (
            {"mapping": "symmetric_no_clipping_err", "signed": False, "narrow_range": True},
            *(-7, 3, 1.0, 8, (1, 11)),
        ),
        ({"mapping": "asymmetric"}, -5.0, 10.0, 1.0, -3, (-8, 7)),
        ({"mapping": "asymmetric", "signed": False}, -5.0, 10.0, 1.0, 5, (0, 15)),
    ],
)
def test_each_mapping_by_hand(options, low, high, scale, zero_point, codes):
    qparams = uniform.qparams_from_range(low, high, 4, **options)
    assert (qparams.scale, qparams.zero_point) == (scale, zero_point)
    assert tuple(uniform.quantize([low, high], qparams).tolist()) == codes
