"""Zeros, counted; filters of zeros, and networks without them that compute the same."""

import numpy as np
import pytest
import torch
from torch import nn

from quantlib import dst, models
from quantlib.lowering import to_packed
from tests.dst.test_packed import conv, seeded, shake


def lenet(block_order="bn_sign_conv_pool", *, batch_norm=True, grid=None):
    model = models.LeNet5(
        1, 10, 28, batch_norm=batch_norm, block_order=block_order, signs=grid is not None
    )
    return dst.to_dst(model, -2, act_quant=grid, skip=[], generator=seeded())


def with_zeros(model):
    """Return the model with every third filter of each layer but the last emptied, and images."""
    layers = list(models.weight_layers(model).values())
    with torch.no_grad():
        for layer in layers[:-1]:
            layer.weight[::3] = 0
    images = torch.randn(6, *getattr(model, "image_shape", (2, 12, 12)), generator=seeded(1))
    return shake(model, images), images


def sizes(model):
    return {name: tuple(layer.weight.shape) for name, layer in models.weight_layers(model).items()}


def test_zeros_are_counted_by_layer():
    model = lenet()
    found = dst.sparsity(model)
    assert list(found) == ["conv1", "conv2", "fc1", "fc2", "output"]
    for name, layer in models.weight_layers(model).items():
        states = layer.weight.numpy()
        assert found[name] == (np.count_nonzero(states == 0), states.size)
        share = np.count_nonzero(states == 0) / states.size
        assert found[name].share == pytest.approx(share) and 0 < share < 1
    assert dst.sparsity(models.LeNet5())["fc1"].share == 0  # of real weights hardly any is 0


def test_filters_with_few_weights_lose_them():
    model = lenet()
    with torch.no_grad():
        model.conv2.weight.zero_()
        model.conv2.weight[1].flatten()[:30] = 4
        model.conv2.weight[2].flatten()[:31] = -2
        model.output.weight.zero_()
        model.output.weight[0, 0] = 1
    share = 30 / model.conv2.weight[0].numel()
    pruned = dst.prune_filters(model, share)
    used = pruned.conv2.weight.flatten(1).count_nonzero(dim=1)
    assert used.tolist() == [0, 0, 31] + [0] * 13
    assert pruned.output.weight[0, 0] == 1  # classes stay
    assert model.conv2.weight[1].count_nonzero() == 30  # the given one stays as it is
    assert torch.equal(dst.prune_filters(model).conv2.weight, model.conv2.weight)
    assert pruned.conv1.weight.dtype == torch.int8


@pytest.mark.parametrize("order", ["bn_sign_conv_pool", "usual"])
@pytest.mark.parametrize("grid", [None, dst.GridActivations(0.25, 4)])
def test_without_its_empty_filters_a_network_computes_the_same(order, grid):
    """At 28 x 28 pixels LeNet-5 pads its first layer only, so all of them can go."""
    model, images = with_zeros(lenet(order, grid=grid))
    before = sizes(model)
    smaller, gone, kept = dst.remove_filters(model)
    assert gone == {"conv1": 2, "conv2": 6, "fc1": 40, "fc2": 28} and kept == {}
    assert sizes(model) == before
    assert sizes(smaller) == {
        "conv1": (4, 1, 5, 5), "conv2": (10, 4, 5, 5), "fc1": (80, 250), "fc2": (56, 80),
        "output": (10, 56),
    }  # fmt: skip
    with torch.no_grad():
        found, wanted = smaller.eval()(images), model(images)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    if grid is not None:
        # What was 0 everywhere is not 0 behind batch normalization, and went into biases.
        assert smaller.fc1.bias is not None and model.fc1.bias is None
        hidden = (
            nn.Sequential(*list(model.children())[:-1]),
            nn.Sequential(*list(smaller.children())[:-1]),
        )
        with torch.no_grad():
            stays = model.fc2.weight.count_nonzero(dim=1) > 0
            assert torch.equal(hidden[0](images)[:, stays], hidden[1](images))
        packed = [to_packed(m) for m in (model, smaller)]
        assert packed[1].nbytes < 0.7 * packed[0].nbytes
        np.testing.assert_array_equal(packed[1](images.numpy()), found.numpy())


def test_shifts_leave_zeros_out_where_they_stand():
    full, pruned = lenet(grid=dst.GridActivations()), lenet(grid=dst.GridActivations())
    pruned, _ = with_zeros(pruned)
    additions = [
        sum(step.additions for step in to_packed(m.eval()).steps if hasattr(step, "additions"))
        for m in (full, pruned)
    ]
    weights = [sum(z.weights - z.zeros for z in dst.sparsity(m).values()) for m in (full, pruned)]
    assert additions == weights and additions[1] < 0.75 * additions[0]


def test_at_a_border_of_zeros_only_filters_that_give_zeros_can_go():
    model = nn.Sequential(
        conv(2, 6, 3), nn.BatchNorm2d(6), conv(6, 6, 3, padding=1), nn.BatchNorm2d(6), conv(6, 4, 1)
    )
    model, images = with_zeros(model)
    with torch.no_grad():
        model[1].bias[0], model[1].bias[3] = 0.0, 5.0  # filters 0 and 3 are empty
        model[1].running_mean[0] = model[0].bias[0]
    smaller, gone, kept = dst.remove_filters(model)
    assert gone == {"0": 1, "2": 2} and kept == {"0": 1}
    assert smaller[2].weight.shape == (4, 5, 3, 3)
    with torch.no_grad():
        torch.testing.assert_close(smaller(images), model(images), rtol=0, atol=1e-5)


def test_ways_of_residual_networks_shrink_inside():
    model = models.ResNet(2, 3, 8, widths=(6, 9), blocks=(1, 1), signs=True)
    model = dst.to_dst(model, act_quant=dst.GridActivations(0.25, 4), generator=seeded())
    model, images = with_zeros(model)
    with torch.no_grad():
        for norm in model.modules():
            if isinstance(norm, nn.BatchNorm2d):  # an empty filter gives 0 before and behind
                norm.running_mean.zero_()
                norm.bias.zero_()
    smaller, gone, kept = dst.remove_filters(model)
    assert set(gone) == {"stage1_1.body.0", "stage2_1.body.0"}  # the second is added to the input
    assert {"stem", "stage1_1.body.2", "stage2_1.body.2", "stage2_1.shortcut.0"} == set(kept)
    with torch.no_grad():
        torch.testing.assert_close(smaller(images), model(images), rtol=0, atol=1e-5)


def test_what_cannot_go_stays_and_is_told():
    alike = conv(4, 4, 1)
    cases = {
        "groups": nn.Sequential(conv(2, 4, 1), conv(4, 4, 1, groups=2)),
        "two places": nn.Sequential(conv(2, 4, 1), alike, alike),
        "mean": nn.Sequential(conv(2, 4, 1), nn.AvgPool2d(2), conv(4, 4, 1)),
        "last": nn.Sequential(conv(2, 4, 1)),
        "features": nn.Sequential(
            conv(2, 4, 1), nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 2)
        ),
    }
    for name, model in cases.items():
        with torch.no_grad():
            model[0].weight[1] = 0
        smaller, gone, kept = dst.remove_filters(model)
        assert gone == {} and kept["0"] == 1, name
        assert smaller[0].weight.shape == model[0].weight.shape


def test_one_filter_stays():
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        model[1].weight.zero_()
    smaller, gone, kept = dst.remove_filters(model)
    assert gone == {"1": 2} and kept == {"1": 1} and smaller[1].weight.shape == (1, 2)
    x = torch.randn(4, 2, generator=seeded())
    with torch.no_grad():
        torch.testing.assert_close(smaller(x), model(x))


@pytest.mark.parametrize("most", [-0.1, 1.1, "half", None])
def test_a_share_is_from_0_to_1(most):
    with pytest.raises(ValueError, match="most must be a share from 0 to 1"):
        dst.prune_filters(lenet(), most)
