"""The experiments of Long et al. (2020) at a laptop's scale: Tables 2 and 4, Figures 3 and 4.

    QUANTLIB_DATA=folder python -m experiments.dst --what tables --data mnist_10k

Runs are kept and gone on with as by :mod:`experiments.accuracy`. What differs from the paper
beside data and budget: the learning rate is given, as the paper's is not, and one for states is
larger (a step much smaller than the smallest weight is mostly chance): 0.1 with Adam, and 0.3
where the only weights are 0 and +-1. Both were tried on one seed and five epochs.
"""

from dataclasses import dataclass
from functools import partial

import torch

from experiments import accuracy
from quantlib import dst, layers, models, ternary
from quantlib.binary.layers import quantizers as binary_quantizers

#: By method, what quantizes weights and activations, and the bits of a weight. States are apart.
QUANTIZERS = {
    "bnn": (partial(binary_quantizers, "bnn"), 1),
    "bwn": (partial(binary_quantizers, "bwn"), 1),
    "twn": (partial(dict, weight_quant=ternary.TernaryWeights("twn"), act_quant=None), 2),
    **{
        f"dorefa{k}": (
            partial(
                dict, weight_quant=dst.DorefaWeights(k), act_quant=dst.DorefaActivations(k)
            ),
            k,
        )
        for k in (3, 8)
    },
}  # fmt: skip


@dataclass(frozen=True)
class Run(accuracy.Run):
    """A run of DST (with ``p``), or of what it is compared with."""

    p: int | None = None
    #: First level of activations; None: they stay real.
    q2: float | None = None
    n_levels: int | None = None
    th: float = 0.5
    #: Whether the weights of the first and of the last layer are quantized, too.
    first: bool = False
    last: bool = True

    def model(self, dataset):
        """Return the untrained network."""
        (channels, size), classes = dataset.train_images.shape[1:3], len(dataset.class_names)
        weight_quant, act_quant = self._quantizers()
        model = accuracy.NETWORKS[self.network](
            channels, classes, size, block_order="bn_sign_conv_pool", batch_norm=True,
            signs=act_quant is not None, seed=self.seed,
            norm_logits=self.last and self.method != "float",
        )  # fmt: skip
        if self.method == "float":
            return model
        names = list(models.weight_layers(model))
        ends = {names[0]: self.first, names[-1]: self.last}
        skip = [n for n in names if ".shortcut." in n or not ends.get(n, True)]
        if self.method == "dst":
            generator = torch.Generator().manual_seed(self.seed)
            made = dst.to_dst(model, self.p, act_quant=act_quant, skip=skip, generator=generator)
        else:
            made = layers.convert(model, weight_quant=weight_quant, act_quant=act_quant, skip=skip)
        if self.first:  # its input are images, which stay as they are
            made.get_submodule(names[0]).act_quant = None
        return made

    def _quantizers(self):
        if self.method == "float":
            return None, None
        if self.method == "dst":
            grid = None if self.q2 is None else dst.GridActivations(self.q2, self.n_levels)
            return None, grid
        values = QUANTIZERS[self.method][0]()
        return values["weight_quant"], values["act_quant"]

    def options(self):
        """Return what the training loop is given beside the budget."""
        usual = super().options() | {"optimizer": "adam", "weight_decay": 0.0}
        if self.method != "dst":
            return usual
        return usual | {"wrap_optimizer": partial(dst.DSTOptimizer, th=self.th)}

    def found(self, model):
        """Return the bits of all weights, and the share of each layer's that are not zero."""
        bits = dst.StateSpace(self.p).bit_width if self.method == "dst" else 32
        bits = QUANTIZERS.get(self.method, (None, bits))[1]
        few, every = layers.quantized(model), models.weight_layers(model)
        return {
            "parameter_bits": sum(
                layer.weight.numel() * (bits if name in few else 32)
                for name, layer in every.items()
            ),
            "nonzero": {
                name: (layer.weight != 0).float().mean().item() for name, layer in every.items()
            },
            "weights": {name: layer.weight.numel() for name, layer in every.items()},
        }


#: [-3, 0.125] of the paper, with a highest level of 4.
USUAL = {"method": "dst", "p": -3, "q2": 0.125, "n_levels": 7}
BASELINES = "float", "bnn", "bwn", "twn", "dorefa8", "dorefa3"


def tables():
    """Table 2 (weights and activations of 3 bits; the ternary case; the baselines) and Table 4."""
    yield from ({"method": method, "last": method.startswith("dorefa")} for method in BASELINES)
    yield {"method": "dst", "p": -2, "q2": 0.5, "n_levels": 4}
    yield {"method": "dst", "p": 0, "q2": 1.0, "n_levels": 2}
    for first in (True, False):
        for last in (True, False):
            ends = {"first": first, "last": last}
            yield from ({"method": method} | ends for method in ("bwn", "bnn"))
            yield USUAL | ends


def methods():
    """A row for each method, for data that take long: those of Table 2, and Table 4's DST."""
    found = list(tables())
    yield from found[: len(BASELINES) + 2]
    yield USUAL | {"first": False, "last": True}


def combinations():
    """Figure 3: exponents of weights and first levels of activations, all up to the level 4."""
    for p in (0, -1, -2, -3):
        yield {"method": "dst", "p": p}  # real activations
        for q2, n_levels in ((1.0, 4), (0.5, 5), (0.25, 6), (0.125, 7)):
            yield {"method": "dst", "p": p, "q2": q2, "n_levels": n_levels}


def steepness():
    """Figure 4: th, at two learning rates, of which one is a third of the other."""
    for rate in (0.1, 0.03):
        for th in (0.05, 0.15, 0.5, 1.5, 5.0, 15.0):
            yield USUAL | {"th": th, "learning_rate": rate}


WHAT = {"tables": tables, "methods": methods, "combinations": combinations, "steepness": steepness}


def main(arguments=None):
    """Train what is not trained yet, then write and print the results."""
    parser = accuracy.parser(__doc__, accuracy.NETWORKS, epochs=20)
    parser.add_argument("--what", choices=tuple(WHAT), default="tables")
    options = parser.parse_args(arguments)
    runs = []
    for seed in options.seeds:
        for values in WHAT[options.what]():
            rate = {"dst": 0.3 if values.get("p") == 0 else 0.1}.get(values["method"], 3e-3)
            usual = {
                "data": options.data, "network": options.network, "seed": seed,
                "epochs": options.epochs, "learning_rate": rate, "batch_size": 64,
                "train_images": options.train_images, "width": 1,
            }  # fmt: skip
            runs.append(Run(**(usual | values)))
    runs = list(dict.fromkeys(runs))
    results = accuracy.collect(runs, f"dst_{options.what}", options)
    shown = ("method", "p", "q2", "n_levels", "th", "first", "last", "learning_rate")
    for values in dict.fromkeys(tuple(result[name] for name in shown) for result in results):
        same = [r for r in results if tuple(r[name] for name in shown) == values]
        accuracies = " ".join(f"{100 * r['test_accuracy']:.2f}" for r in same)
        print(
            *(f"{n}={v}" for n, v in zip(shown, values, strict=True) if v is not None), accuracies
        )
    return 0


if __name__ == "__main__":
    # Other processes import what they run by name, and "__main__" is another module there.
    from experiments import dst as module

    raise SystemExit(module.main())
