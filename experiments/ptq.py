"""Trained networks quantized in many ways: what chapters 9 and 10 report beside the digits.

    QUANTLIB_DATA=folder python -m experiments.ptq --data mnist_10k --network mobilenet

A run trains one network in floating point from one seed, then quantizes it by every recipe: after
training (schemes, repairs, observers, sizes and choices of the calibration set, bits), and by
training on. Networks are taken as they are and with ranges of channels spread over two decades, as
published depthwise networks have them (:func:`quantlib.ptq.equalization.spread_ranges`). Accuracies
are those of the network in whole numbers, on all test images; where something stays real, of the
simulation. Runs are kept and gone on with as by :mod:`experiments.accuracy`.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from experiments import accuracy
from quantlib import data, models, ptq, qat, training
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
class Run(accuracy.Run):
    """A network trained in floating point, and all that is made of it."""

    qat_epochs: int = 0

    def model(self, dataset):
        """Return the untrained network."""
        (channels, size), classes = dataset.train_images.shape[1:3], len(dataset.class_names)
        return NETWORKS[self.network](channels, classes, size, self.seed)

    def options(self):
        """Return what the training loop is given beside the budget."""
        return {}

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
        found["qat"] = self._qat(model)
        return found

    def _images(self, count=CALIBRATION):
        return calibration_sets.random_choice(self.dataset.train_images, count, seed=self.seed)

    def _accuracy(self, graph, bits, images=None, **options):
        images = self._images() if images is None else images
        made = ptq.quantize_model(graph, images, bits, with_report=False, **options)
        return self._share_right(made.network)

    def _share_right(self, network):
        right = network.predict(self.dataset.test_images) == self.dataset.test_labels
        return float(right.mean())

    def _activations_only(self, graph):
        """Return the accuracy with real weights and activations of 8 bits, Table 1's control."""
        seen = ptq.calibrate(graph, self._images(), ptq.MinMax())
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
        noise = ptq.sensitivity(folded, self._images(), (2, 3, 4, 6, 8))
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

    def _qat(self, model):
        """Return accuracies and seconds of training on with few bits, beside those before."""
        if not self.qat_epochs:
            return {}
        found = {}
        options = {
            "epochs": self.qat_epochs,
            "learning_rate": self.learning_rate / 3,
            "weight_decay": 0.0,
            "seed": self.seed,
            "progress": False,
        }
        for bits in (8, 4, 3, 2):
            after = self._accuracy(ptq.fold(ptq.trace(model)), bits, act_bit_width=bits)
            row = found[str(bits)] = {"ptq": after}
            for ranges in ("learned", "observed"):
                start = time.perf_counter()
                graph = qat.prepare(
                    model,
                    self._images(),
                    bits,
                    act_bit_width=bits,
                    ranges=ranges,
                    batch_norm="none",
                )
                training.fit(graph, self.dataset, **options)
                row[ranges] = self._share_right(qat.to_integer(graph))
                row[f"{ranges}, simulated"] = training.evaluate(graph, self.dataset)
                row[f"{ranges}, seconds"] = round(time.perf_counter() - start, 1)
        return found


def main(arguments=None):
    """Train and quantize what is not there yet, then write and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=data.NAMES, default="digits")
    parser.add_argument("--called", help="what the results call the data, if not by its name")
    parser.add_argument("--network", choices=tuple(NETWORKS), default="mobilenet")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--qat-epochs", type=int, default=5)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--train-images", type=int, help="only so many of the training images")
    parser.add_argument("--jobs", type=int, default=None, help="processes; none: what joblib says")
    parser.add_argument("--output", type=Path, help="where the results go")
    parser.add_argument("--state", type=Path, default=accuracy.STATE)
    options = parser.parse_args(arguments)
    runs = [
        Run(
            options.data, options.network, "ptq", seed, options.epochs, options.learning_rate, 64,
            options.train_images, 1, options.qat_epochs,
        )
        for seed in options.seeds
    ]  # fmt: skip
    name = f"ptq_{options.data}_{options.network}.json"
    output = options.output or accuracy.RESULTS / name
    results = accuracy.collect(runs, output, options.state, options.jobs, options.called)
    for result in results:
        print(f"seed {result['seed']}: float {result['test_accuracy']:.2%}")
        for decades, found in result["spread"].items():
            told = ", ".join(f"{name} {a:.2%}" for name, a in found["repairs"]["8"].items())
            print(f"  spread {decades}: {told}")
    return 0


if __name__ == "__main__":
    # Other processes import what they run by name, and "__main__" is another module there.
    from experiments import ptq as module

    raise SystemExit(module.main())
