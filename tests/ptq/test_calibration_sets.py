"""Calibration sets: chosen by chance, by statistics, and made from batch normalization."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from quantlib import data, models
from quantlib.ptq import calibration_sets

DIGITS = data.load("digits")
IMAGES = DIGITS.train_images[:300]
MODEL = models.load_pretrained()


def rows(images):
    return {np.asarray(image).tobytes() for image in images}


CHOICES = {
    "random_choice": calibration_sets.random_choice,
    "by_statistics": lambda images, n, *, seed: calibration_sets.by_statistics(
        MODEL, images, n, seed=seed
    ),
}
each_choice = pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)


@each_choice
@pytest.mark.parametrize("n", [1, 10, 64])
def test_a_set_is_a_subset_without_repeats(choice, n):
    chosen = choice(IMAGES, n, seed=0)
    assert chosen.shape == (n, 1, 8, 8) and chosen.dtype == IMAGES.dtype
    assert len(rows(IMAGES)) == len(IMAGES)  # or else nothing follows from the next two
    assert len(rows(chosen)) == n and rows(chosen) <= rows(IMAGES)


@each_choice
def test_all_images_are_a_set_too(choice):
    np.testing.assert_array_equal(choice(IMAGES[:40], 40, seed=3), IMAGES[:40])


@each_choice
def test_a_seed_gives_the_same_and_another_another(choice):
    first, again, other = (choice(IMAGES, 16, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert rows(first) != rows(other)


@each_choice
def test_images_equal_to_each_other_are_chosen_as_often_as_they_must_be(choice):
    copies = np.concatenate([np.repeat(IMAGES[:1], 6, axis=0), IMAGES[1:3]])
    chosen = choice(copies, 5, seed=0)
    assert chosen.shape == (5, 1, 8, 8) and rows(chosen) <= rows(copies)


@each_choice
def test_tensors_stay_tensors_and_sets_are_copies(choice):
    images = torch.tensor(IMAGES)
    chosen = choice(images, 8, seed=1)
    assert isinstance(chosen, torch.Tensor)
    np.testing.assert_array_equal(chosen.numpy(), choice(IMAGES, 8, seed=1))
    chosen.zero_()
    np.testing.assert_array_equal(images.numpy(), IMAGES)


@each_choice
@pytest.mark.parametrize(
    "images, n, error, match",
    [
        (IMAGES, 301, ValueError, "n must be from 1 to 300, got 301"),
        (IMAGES, 0, ValueError, "n must be from 1 to 300, got 0"),
        (IMAGES, 2.5, TypeError, "n must be a whole number"),
        (IMAGES[:0], 1, ValueError, "images must not be empty"),
        (IMAGES[0], 1, ValueError, "images must be N x C x H x W, got shape"),
        (IMAGES * np.nan, 1, ValueError, "images must be finite"),
    ],
    ids=["more than there are", "none", "a fraction", "no images", "one image", "NaN"],
)
def test_what_is_no_set_is_refused(choice, images, n, error, match):
    with pytest.raises(error, match=match):
        choice(images, n, seed=0)


def test_random_choice_is_fair():
    counts = np.zeros(6)
    images = np.arange(6.0).reshape(6, 1, 1, 1)
    for seed in range(600):
        counts[calibration_sets.random_choice(images, 2, seed=seed).ravel().astype(int)] += 1
    assert counts.sum() == 1200 and (np.abs(counts - 200) < 60).all()  # 5 standard deviations


def test_by_statistics_finds_the_kinds_of_images_that_there_are():
    """Of four kinds, very unlike in number, each is chosen once; by chance the rare are not."""
    rng = np.random.default_rng(0)
    kinds = [DIGITS.train_images[i] * gain for i, gain in ((0, 0.1), (1, 1.0), (2, 3.0), (3, 9.0))]
    numbers = (190, 6, 2, 2)
    images = np.repeat(np.stack(kinds), numbers, axis=0)
    images = (images + rng.uniform(0, 1e-3, images.shape)).astype(np.float32)
    kind_of = dict(zip([im.tobytes() for im in images], np.repeat(range(4), numbers), strict=True))
    chosen = calibration_sets.by_statistics(MODEL, images, 4, seed=0)
    assert sorted(kind_of[image.tobytes()] for image in chosen) == [0, 1, 2, 3]
    by_chance = calibration_sets.random_choice(images, 4, seed=0)
    assert len({kind_of[image.tobytes()] for image in by_chance}) < 4


def test_by_statistics_does_not_depend_on_the_unit_of_a_layer():
    """Behind a ReLU a layer can be made 1024 times as large, and the next one as much smaller."""
    with models.seeded(0):
        layers = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.ReLU()]
    model = nn.Sequential(*layers)
    scaled = copy.deepcopy(model)
    with torch.no_grad():
        scaled[0].weight *= 1024
        scaled[0].bias *= 1024
        scaled[2].weight /= 1024
    sets = [calibration_sets.by_statistics(m, IMAGES[:100], 10, seed=0) for m in (model, scaled)]
    np.testing.assert_array_equal(*sets)


def test_by_statistics_does_not_depend_on_the_batch_size():
    sets = [
        calibration_sets.by_statistics(MODEL, IMAGES, 12, seed=0, batch_size=size)
        for size in (64, 256)
    ]
    np.testing.assert_array_equal(*sets)


# From batch normalization -------------------------------------------------------------------------


def conv_and_norm(mean, var):
    layer = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1, eps=0.0))
    with torch.no_grad():
        layer[0].weight.fill_(2.0)
        layer[1].running_mean.fill_(mean)
        layer[1].running_var.fill_(var)
    return layer


def test_the_distance_is_its_formula():
    x = np.random.default_rng(0).uniform(size=(5, 1, 3, 3)).astype(np.float32)
    mean, std = (2 * x).mean(), (2 * x).std()
    wanted = ((mean - 0.5) / 2.0) ** 2 + ((std - 2.0) / 2.0) ** 2
    found = calibration_sets.batch_norm_distance(conv_and_norm(0.5, 4.0), x)
    assert found == pytest.approx(wanted, rel=1e-5)
    same = conv_and_norm(float(mean), float(std) ** 2)
    assert calibration_sets.batch_norm_distance(same, x) < 1e-10


def test_training_images_are_nearer_than_noise():
    noise = np.random.default_rng(0).uniform(size=IMAGES.shape).astype(np.float32)
    real = calibration_sets.batch_norm_distance(MODEL, DIGITS.train_images)
    assert real < 0.01 * calibration_sets.batch_norm_distance(MODEL, noise)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_distance_falls_a_hundredfold(seed):
    model = models.load_pretrained(seed=seed)
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand((16, 1, 8, 8), generator=generator)
    made = calibration_sets.from_batch_norm(model, 16, image_shape=(1, 8, 8), seed=0, steps=100)
    before, after = (calibration_sets.batch_norm_distance(model, x) for x in (noise, made))
    assert after < before / 100
    assert made.shape == (16, 1, 8, 8) and made.dtype == np.float32
    assert made.min() >= 0.0 and made.max() <= 1.0
    assert len(rows(made)) == 16


def test_one_layer_comes_out_as_it_remembers():
    model = conv_and_norm(-0.5, 0.25)
    made = calibration_sets.from_batch_norm(
        model, 8, image_shape=(1, 4, 4), seed=0, value_range=(-2.0, 2.0)
    )
    sums = 2 * made.astype(np.float64)
    assert sums.mean() == pytest.approx(-0.5, abs=0.01)
    assert sums.std() == pytest.approx(0.5, abs=0.01)
    assert made.min() >= -2.0 and made.max() <= 2.0


def test_made_images_have_a_seed():
    first, again, other = (
        calibration_sets.from_batch_norm(MODEL, 3, image_shape=(1, 8, 8), seed=seed, steps=3)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("mode", [True, False])
def test_the_network_stays_as_it_was(mode):
    model = models.load_pretrained().train(mode)
    model.bn2.eval()
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    state = torch.random.get_rng_state()
    calibration_sets.from_batch_norm(model, 2, image_shape=(1, 8, 8), seed=0, steps=3)
    calibration_sets.by_statistics(model, IMAGES[:20], 3, seed=0)
    calibration_sets.batch_norm_distance(model, IMAGES[:20])
    for name, values in model.state_dict().items():
        assert torch.equal(values, before[name]), name
    assert [m.training for m in model.modules()] == modes
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()),
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False)),
    ],
    ids=["none", "without statistics"],
)
def test_a_network_that_remembers_nothing_is_refused(model):
    with pytest.raises(ValueError, match="model must have batch normalization that remembers"):
        calibration_sets.from_batch_norm(model, 2, image_shape=(1, 8, 8), seed=0)


@pytest.mark.parametrize(
    "options, match",
    [
        ({"n": 0}, "n must be from 1"),
        ({"steps": 0}, "steps must be from 1"),
        ({"image_shape": (1, 0, 8)}, "image_shape must be from 1"),
        ({"value_range": (1.0, 0.0)}, "value_range must have its lower end first"),
        ({"value_range": 1.0}, "value_range must be a pair"),
        ({"learning_rate": 0}, "learning_rate must be positive"),
        ({"seed": -1}, "seed must be from 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_options_are_refused_by_name(options, match):
    options = {"n": 2, "image_shape": (1, 8, 8), "seed": 0} | options
    with pytest.raises(ValueError, match=match):
        calibration_sets.from_batch_norm(MODEL, options.pop("n"), **options)
