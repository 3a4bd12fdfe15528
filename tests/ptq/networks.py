"""Networks that the tests of post-training quantization share, and images for them."""

import functools

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from quantlib import data, models, ptq


class Mixed(nn.Module):
    """A layer of each kind, with functions and modules, two heads, and odd windows."""

    def __init__(self, heads=1):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.stem_bn = nn.BatchNorm2d(8, eps=0.1)
        self.depthwise = nn.Conv2d(8, 16, 3, padding="same", groups=8, dilation=2)
        self.depthwise_bn = nn.BatchNorm2d(16, affine=False)
        self.pool = nn.AvgPool2d(3, 2, 1)
        self.uneven = nn.Conv2d(24, 12, (1, 3), stride=(2, 1), padding=(0, 1), bias=False)
        self.alone = nn.BatchNorm2d(12)
        self.grouped = nn.Conv2d(12, 12, 3, padding=1, groups=3)
        self.dropout = nn.Dropout()
        self.head = nn.Linear(12, 10)
        self.heads = heads

    def forward(self, images):
        x = torch.relu(self.stem_bn(self.stem(images)))
        y = torch.sigmoid(self.depthwise_bn(self.depthwise(x)))
        z = self.pool(torch.cat([x, y], 1))
        z = functional.silu(self.uneven(z))
        z = functional.relu6(z + self.grouped(self.alone(z)))
        logits = self.head(self.dropout(z.mean((2, 3))))
        return (logits, z) if self.heads == 2 else logits


class Views(nn.Module):
    """What networks write that is no module: in-place additions, views, pooling functions."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.shared = nn.Conv2d(4, 4, 1)
        self.fc = nn.Linear(4 * 4 * 4, 10)

    def forward(self, x):
        x = self.conv(x).relu()
        y = self.shared(self.shared(x))
        y += x
        y = functional.max_pool2d(y.clamp(0, 6), 2)
        return self.fc(y.reshape(y.shape[0], -1))


def seeded(make, seed=0):
    """Return ``make()`` in evaluation mode with weights, and normalization, drawn from a seed."""
    with models.seeded(seed):
        model = make()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.3, 2)
                if module.weight is not None:
                    module.weight.data.normal_(0, 1)  # some below 0
                    module.bias.data.normal_(0, 0.5)
    return model.eval()


NETWORKS = {
    "mixed": lambda: seeded(Mixed),
    "two heads": lambda: seeded(lambda: Mixed(2)),
    "views": lambda: seeded(Views),
    "resnet": lambda: seeded(lambda: models.ResNet(1, 10, 8)),
    "resnet, normalization first": lambda: seeded(
        lambda: models.ResNet(1, 10, 8, block_order="bn_sign_conv_pool")
    ),
    "lenet": lambda: seeded(lambda: models.LeNet5(1, 10, 8, batch_norm=True)),
    "digits": models.load_pretrained,
}


@functools.cache
def digits():
    return data.load()


def some_images(count=60):
    return torch.as_tensor(digits().train_images[:count])


@functools.cache
def simulated(name, bit_width=8, act_bit_width=8, per_channel=True, mapping="symmetric"):
    """Return a network's folded and simulated graph; they are shared, and not to be changed."""
    graph = ptq.fold(ptq.trace(NETWORKS[name]()))
    seen = ptq.calibrate(graph, some_images(), ptq.MinMax())
    weights = ptq.weight_qparams(graph, bit_width, per_channel=per_channel, mapping=mapping)
    return graph, ptq.simulate(graph, weights, ptq.activation_qparams(seen, act_bit_width))


def as_tuple(found):
    found = found if isinstance(found, tuple) else (found,)
    return [x.detach().numpy() if isinstance(x, torch.Tensor) else np.asarray(x) for x in found]
