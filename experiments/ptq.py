"""Trained networks quantized in many ways: what chapter 9 reports beside the digits.

    QUANTLIB_DATA=folder python -m experiments.ptq --data mnist_10k --network mobilenet

A run trains one network in floating point from one seed, then quantizes it by every recipe:
schemes, repairs, observers, sizes and choices of the calibration set, bits. Networks are taken as
they are and with ranges of channels spread over two decades, as published depthwise networks have
them (:func:`quantlib.ptq.equalization.spread_ranges`). Accuracies are those of the network in whole
numbers, on all test images; where something stays real, of the simulation. Runs are kept and gone
on with as by :mod:`experiments.accuracy`.
"""

from dataclasses import dataclass

import torch

from experiments import accuracy
from quantlib import models, ptq, training
from quantlib.ptq import calibration_sets

NETWORKS = {
    "mobilenet": lambda c, n, size, seed: models.MobileNet(
        c, n, size, activation="relu", seed=seed
    ),
    "mobilenet6": lambda c, n, size, seed: models.MobileNet(c, n, size, seed=seed),
    "resnet": lambda c, n, size, seed: models.ResNet(c, n, size, seed=seed),
    "lenet5": lambda c, n, size, seed: models.LeNet5(c, n, size, batch_norm=True, seed=seed),
}

#: Images that observers see, and decades over which ranges are spread.
CALIBRATION, DECADES = 256, (0, 2)

#: Table 1 of Chenna: weights by tensor or by channel, asymmetric or symmetric.
SCHEMES = {
    "asymmetric, per tensor": {"per_channel": False, "mapping": "asymmetric"},
    "symmetric, per tensor": {"per_channel": False},
    "symmetric, per channel": {},
    "asymmetric, per channel": {"mapping": "asymmetric"},
}

#: The way back, from per tensor on, and bias correction alone as the control.
REPAIRS = {
    "per tensor": {"per_channel": False},
    "bias correction alone": {"per_channel": False, "bias_correction": True},
    "equalization": {"per_channel": False, "equalize": True},
    "equalization and bias correction": {
        "per_channel": False, "equalize": True, "bias_correction": True,
    },
    "per channel": {},
    "per channel, equalization": {"equalize": True},
    "per channel, all": {"equalize": True, "bias_correction": True},
}  # fmt: skip

OBSERVERS = {
    "MinMax": ptq.MinMax(),
    "MovingAverage": ptq.MovingAverage(),
    "Sigmas(3)": ptq.Sigmas(3.0),
    "Percentile(99.9)": ptq.Percentile(99.9),
    "Percentile(99)": ptq.Percentile(99.0),
    "Entropy": ptq.Entropy(),
    "MSE": ptq.MSE(),
}
SIZES = 1, 3, 10, 30, 100, 300, 1000


@dataclass(frozen=True)
class FloatRun(accuracy.Run):
    """A network trained in floating point, from which quantized ones are made."""

    def model(self, dataset):
        """Return the untrained network."""
        (channels, size), classes = dataset.train_images.shape[1:3], len(dataset.class_names)
        return NETWORKS[self.network](channels, classes, size, self.seed)

    def options(self):
        """Return what the training loop is given beside the budget."""
        return {}

    def images(self, dataset):
        """Return the images that observers see."""
        return calibration_sets.random_choice(dataset.train_images, CALIBRATION, seed=self.seed)


def share_right(network, dataset):
    """Return the accuracy of a network in whole numbers on the test images."""
    return float((network.predict(dataset.test_images) == dataset.test_labels).mean())


class Run(FloatRun):
    """A network, and all that is made of it without training on."""

    def found(self, model):
        """Return the accuracy of every recipe."""
        self.__dict__["dataset"] = dataset = accuracy.make_dataset(self)
        folded, found = ptq.fold(ptq.trace(model)), {"spread": {}}
        generator = torch.Generator().manual_seed(self.seed)
        for decades in DECADES:
            graph = ptq.spread_ranges(folded, decades, generator=generator) if decades else folded
            found["spread"][str(decades)] = {
                "float": training.evaluate(graph, dataset),
                "schemes": {
                    str(bits): {
                        name: self._accuracy(graph, bits, **o) for name, o in SCHEMES.items()
                    }
                    for bits in (8, 6, 4)
                },
                "activations only": self._activations_only(graph),
                "repairs": {
                    str(bits): {
                        name: self._accuracy(graph, bits, **o) for name, o in REPAIRS.items()
                    }
                    for bits in (8, 4)
                },
            }
        found["observers"] = {
            str(bits): {
                name: self._accuracy(folded, 8, act_bit_width=bits, observer=observer)
                for name, observer in OBSERVERS.items()
            }
            for bits in (8, 6, 4)
        }
        found["calibration"] = self._calibration(model, folded)
        found["bits"] = self._bits(folded)
        found["mixed"] = self._mixed(folded)
        return found

    def _accuracy(self, graph, bits, images=None, **options):
        images = self.images(self.dataset) if images is None else images
        made = ptq.quantize_model(graph, images, bits, with_report=False, **options)
        return share_right(made.network, self.dataset)

    def _activations_only(self, graph):
        """Return the accuracy with real weights and activations of 8 bits, Table 1's control."""
        seen = ptq.calibrate(graph, self.images(self.dataset), ptq.MinMax())
        simulated = ptq.simulate(graph, {}, ptq.activation_qparams(seen, 8))
        return training.evaluate(simulated, self.dataset)

    def _calibration(self, model, folded):
        """Return accuracies at 8 and 4 bits of activations by size of the set and its choice."""
        images, seed = self.dataset.train_images, self.seed
        shape = images.shape[1:]
        found = {"random": {}, "by statistics": {}, "from batch normalization": {}}
        for size in SIZES:
            sets = {"random": calibration_sets.random_choice(images, size, seed=seed)}
            if size <= 100:
                sets["by statistics"] = calibration_sets.by_statistics(
                    model, images[:2000], size, seed=seed
                )
                sets["from batch normalization"] = calibration_sets.from_batch_norm(
                    model, size, image_shape=shape, seed=seed
                )
            for name, chosen in sets.items():
                found[name][str(size)] = {
                    str(b): self._accuracy(folded, 8, chosen, act_bit_width=b) for b in (8, 4)
                }
        return found

    def _bits(self, folded):
        """Return the accuracy by bits of weights, with activations of 8 bits and of as many."""
        return {
            str(bits): {
                "activations of 8": self._accuracy(folded, bits),
                "activations too": self._accuracy(folded, bits, act_bit_width=bits),
            }
            for bits in range(2, 9)
        }

    def _mixed(self, folded):
        """Return bytes and accuracy along the frontier, and of equal bits for all layers."""
        noise = ptq.sensitivity(folded, self.images(self.dataset), (2, 3, 4, 6, 8))
        points = ptq.frontier(folded, noise)
        chosen = points[:: max(1, len(points) // 12)]
        rows = [
            {
                "nbytes": p.nbytes,
                "bit_width": p.bit_width,
                "accuracy": self._accuracy(folded, p.bit_width),
            }
            for p in chosen
        ]
        return {
            "sensitivity": {n: {str(b): x for b, x in r.items()} for n, r in noise.items()},
            "frontier": rows,
        }


def main(arguments=None):
    """Train and quantize what is not there yet, then write and print the results."""
    parser = accuracy.parser(__doc__, NETWORKS, epochs=30)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    options = parser.parse_args(arguments)
    runs = [
        Run(
            options.data, options.network, "ptq", seed, options.epochs, options.learning_rate, 64,
            options.train_images, 1,
        )
        for seed in options.seeds
    ]  # fmt: skip
    for result in accuracy.collect(runs, "ptq", options):
        print(f"seed {result['seed']}: float {result['test_accuracy']:.2%}")
        for decades, found in result["spread"].items():
            told = ", ".join(f"{name} {a:.2%}" for name, a in found["repairs"]["8"].items())
            print(f"  spread {decades}: {told}")
    return 0


if __name__ == "__main__":
    # Other processes import what they run by name, and "__main__" is another module there.
    from experiments import ptq as module

    raise SystemExit(module.main())
