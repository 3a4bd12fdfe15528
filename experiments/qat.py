"""Trained networks trained on with few bits: what chapter 10 reports beside :mod:`experiments.ptq`.

    QUANTLIB_DATA=folder python -m experiments.qat --data mnist_10k --network mobilenet

A run trains one network in floating point from one seed, as there, then trains it on: in floating
point, as the control, and with fake quantization and learned steps. What is kept is the accuracy on
the test images, simulated, in whole numbers, and in whole numbers with finer biases; and how much
of the processor's time a step takes, as a ratio to a step in floating point. With 3 bits one more
network is trained by a simulation that leaves biases real. Runs are kept and gone on with as by
:mod:`experiments.accuracy`.
"""

import copy
import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from experiments import accuracy
from experiments.ptq import NETWORKS, FloatRun, share_right
from quantlib import ptq, qat, training

#: Bits of weights and of results.
BITS = (8, 8), (4, 4), (3, 3), (2, 2), (2, 8)


def with_fine_biases(simulated):
    """Return the same network with weights of 8 bits, on the same levels, and so finer biases.

    A code of b bits times 2**(8 - b) is one of 8 bits, with a scale as many times smaller, and the
    bias is stored in units of this scale.
    """
    graph = simulated.copy()
    for layer in graph.named_layers(nn.Conv2d, nn.Linear).values():
        q = layer.weight_quant.qparams
        room = 2.0 ** (8 - q.bit_width)
        layer.weight.copy_(q.fake_quantize(layer.weight))
        layer.weight_quant = ptq.UniformQuantizer(
            replace(q, scale=np.float32(q.scale) / np.float32(room), bit_width=8)
        )
    return graph


class ForgetsBias(qat.LearnedStep):
    """A learned step of weights by which the training takes biases as if they stayed real."""

    @property
    def scale(self):
        """So small a scale that what rounding does to a bias in its units is nothing."""
        return super().scale / 2**20


def forgets_biases(graph):
    """Return a prepared graph that will be trained without the rounding of its biases."""
    for layer in graph.named_layers(nn.Conv2d, nn.Linear).values():
        layer.weight_quant = ForgetsBias(layer.weight_quant.qparams)
    return graph


@dataclass(frozen=True)
class Run(FloatRun):
    """A network trained in floating point, and all that is trained on from it."""

    more_epochs: int = 0

    def found(self, model):
        """Return the accuracy of every way to train on."""
        self.__dict__["dataset"] = accuracy.make_dataset(self)
        found = {"float, trained on": self._trained_on(copy.deepcopy(model))}
        found["quantized"] = {}
        for bits, act_bits in BITS:
            graph = self._prepared(model, bits, act_bits)
            row = found["quantized"][f"{bits}, {act_bits}"] = {"ptq": self._accuracies(graph)}
            self._trained_on(graph)
            row["learned"] = self._accuracies(graph)
            if bits == act_bits == 3:
                graph = forgets_biases(self._prepared(model, bits, act_bits))
                told = self._trained_on(graph)  # what the training believes
                row["biases forgotten"] = self._accuracies(graph) | {"simulated": told}
        found["times a float step"] = self._times(model)
        return found

    def _prepared(self, model, bits, act_bits, **options):
        options = {"batch_norm": "none"} | options
        return qat.prepare(
            model, self.images(self.dataset), bits, act_bit_width=act_bits, **options
        )

    def _trained_on(self, model):
        training.fit(
            model, self.dataset, epochs=self.more_epochs, learning_rate=self.learning_rate / 3,
            weight_decay=0.0, seed=self.seed, progress=False,
        )  # fmt: skip
        return training.evaluate(model, self.dataset)

    def _accuracies(self, graph):
        simulated = qat.to_simulated(graph)
        return {
            "simulated": training.evaluate(simulated, self.dataset),
            "whole numbers": share_right(ptq.to_integer(simulated), self.dataset),
            "fine biases": share_right(ptq.to_integer(with_fine_biases(simulated)), self.dataset),
        }

    def _times(self, model, rounds=15, steps=5):
        """Return the median over rounds of each kind's time of a step, over that of float."""
        kinds = {"float": copy.deepcopy(model)}
        kinds["fixed"] = qat.freeze_ranges(self._prepared(model, 4, 4))
        kinds["observed"] = self._prepared(model, 4, 4, ranges="observed")
        kinds["learned"] = self._prepared(model, 4, 4)
        kinds["learned, folded"] = self._prepared(model, 4, 4, batch_norm="folded")
        images = torch.from_numpy(self.dataset.train_images[: self.batch_size])
        labels = torch.from_numpy(self.dataset.train_labels[: self.batch_size])
        seconds = {name: [] for name in kinds}
        parts = {n: (m.train(), torch.optim.AdamW(m.parameters(), 1e-5)) for n, m in kinds.items()}
        for _ in range(rounds):
            for name, (net, optimizer) in parts.items():
                start = time.process_time()
                for _ in range(steps):
                    optimizer.zero_grad()
                    functional.cross_entropy(net(images), labels).backward()
                    optimizer.step()
                seconds[name].append(time.process_time() - start)
        least = {name: float(np.median(values)) for name, values in seconds.items()}
        return {name: round(value / least["float"], 2) for name, value in least.items()}


def main(arguments=None):
    """Train what is not there yet, then write and print the results."""
    parser = accuracy.parser(__doc__, NETWORKS, epochs=12)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--more-epochs", type=int, default=3)
    options = parser.parse_args(arguments)
    runs = [
        Run(
            options.data, options.network, "qat", seed, options.epochs, options.learning_rate, 64,
            options.train_images, 1, options.more_epochs,
        )
        for seed in options.seeds
    ]  # fmt: skip
    for result in accuracy.collect(runs, "qat", options):
        print(f"seed {result['seed']}: float {result['test_accuracy']:.2%}")
        for bits, row in result["quantized"].items():
            told = ", ".join(f"{name} {a['whole numbers']:.2%}" for name, a in row.items())
            print(f"  {bits} bits: {told}")
    return 0


if __name__ == "__main__":
    # Other processes import what they run by name, and "__main__" is another module there.
    from experiments import qat as module

    raise SystemExit(module.main())
