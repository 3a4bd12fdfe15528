"""The number of values, against blocks that are asked with every input."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from quantlib import bi_real


def block_and_every_input(channels, size, normal):
    """Return a block in float64, and windows with all signs, and all values of one pixel.

    The pixel is the one that the shortcut of channel 0 carries: n + 1 sums of an earlier block.
    """
    n, middle = channels * size**2, size // 2
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        block = bi_real.one_bit_block(channels, channels).double().eval()
        # Of other sizes than 3 x 3 too: the windows are given whole, without a border.
        conv = block.body[0]
        conv.weight = nn.Parameter(torch.randn(channels, channels, size, size).double())
    conv.kernel_size, conv.padding = (size, size), (0, 0)
    conv._reversed_padding_repeated_twice = [0] * 4
    conv.weight_quant = bi_real.quantizers(magnitude_aware=False)["weight_quant"]
    sums = np.arange(-n, n + 1, 2, dtype=np.float64)
    real = 0.618033988749895 * sums + 0.1 if normal else sums
    others = np.array(list(itertools.product((-1.0, 1.0), repeat=n - 1)))
    inputs = np.empty((len(real), len(others), n))
    place = middle * size + middle  # of channel 0
    inputs[..., np.arange(n) != place] = others
    inputs[..., place] = real[:, None]
    if normal:
        block.body[1].weight.data.fill_(0.7310585786300049)
        block.body[1].bias.data.fill_(0.2)
    else:
        block.body[1] = nn.Identity()
    return block, torch.from_numpy(inputs.reshape(-1, channels, size, size)), middle


def distinct(values):
    return len(np.unique(np.round(values.detach().numpy().ravel(), 9)))


@pytest.mark.parametrize(("channels", "size"), [(1, 1), (2, 1), (3, 1), (8, 1), (1, 3), (2, 2)])
def test_every_input_of_a_small_block(channels, size):
    counts = bi_real.representable_values(channels, kernel_size=size)
    block, x, middle = block_and_every_input(channels, size, normal=True)
    with torch.no_grad():
        plain = block.body(x)[:, :1]
        assert distinct(plain) == counts.plain
        assert distinct(plain + x[:, :1, middle : middle + 1, middle : middle + 1]) == (
            counts.shortcut
        )
    block, x, middle = block_and_every_input(channels, size, normal=False)
    with torch.no_grad():
        whole = block.body(x)[:, :1] + x[:, :1, middle : middle + 1, middle : middle + 1]
    # With a weight of -1 in that place the ends are out of reach, for a single product the 0 is.
    weight = block.body[0].weight[0, 0, middle, middle]
    reachable = counts.whole - (0 if weight >= 0 else 2)
    assert distinct(whole) == (2 if counts.whole == 3 else reachable)


def test_the_papers_numbers():
    counts = bi_real.representable_values(32)
    assert counts.plain == 289 and counts.paper == 289**2
    assert counts.shortcut == counts.paper - 289  # one value of the second for each of the first


def test_bad_input_is_refused_by_name():
    with pytest.raises(ValueError, match="in_channels must be from 1"):
        bi_real.representable_values(0)
    with pytest.raises(TypeError, match="kernel_size must be a whole number"):
        bi_real.representable_values(3, kernel_size=1.5)
