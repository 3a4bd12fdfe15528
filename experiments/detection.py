"""A detector with few bits in its backbone, its class head or its box head: chapter 9.

    python -m experiments.detection

The three detectors that come with the library are quantized after training, part by part, and run
in whole numbers. Of a part that has fewer bits than 8 it is the weights, or what its layers hand
on, or both; all else has 8 bits. The mAP on 500 canvases of test digits is kept for each IoU that
MS COCO takes, as JSON that the page reads.
"""

import argparse
from pathlib import Path

import torch
from tqdm.auto import tqdm

from benchmarks import machine
from experiments import accuracy
from quantlib import data, detection, models, ptq

#: Layers by part. The pixels of the canvas have 8 bits throughout.
PARTS = {
    "backbone": ("conv1", "conv2", "conv3", "conv4"),
    "class head": ("class_hidden", "class_out"),
    "box head": ("box_hidden", "box_out"),
}
PARTS["all"] = tuple(name for names in PARTS.values() for name in names)
PARTS["class output"], PARTS["box output"] = ("class_out",), ("box_out",)

BITS = 8, 7, 6, 5, 4, 3, 2

#: What has few bits, and how weights are scaled. Nayak et al. quantize weights alone, and the
#: "Uniform ASYMM" of their Table 4 has one scale and zero point for a tensor.
WHAT = {
    "weights": {"weights": True, "results": False},
    "weights, asymmetric per tensor": {
        "weights": True, "results": False, "per_channel": False, "mapping": "asymmetric",
    },
    "results": {"weights": False, "results": True},
    "results, ranges of least error": {
        "weights": False, "results": True, "observer": ptq.MSE(),
    },
    "weights and results": {"weights": True, "results": True},
}  # fmt: skip

CALIBRATION, CANVASES = 200, 500


def canvases():
    """Return the canvases to calibrate on and those to test on."""
    digits = data.load("digits")
    train = digits.train_images, digits.train_labels
    return (
        data.make_canvases(*train, CALIBRATION, seed=0),
        data.make_canvases(digits.test_images, digits.test_labels, CANVASES, seed=1),
    )


def quantized(graph, images, part, bit_width, *, weights, results, **options):
    """Return the detector in whole numbers with ``bit_width`` bits in a part, and 8 elsewhere."""
    few = {"": 8, **dict.fromkeys(PARTS[part], bit_width)}
    made = ptq.quantize_model(
        graph, images, few if weights else 8, act_bit_width=few if results else 8,
        with_report=False, **options,
    )  # fmt: skip
    return made.network


def measured(seed, parts=tuple(PARTS), what=tuple(WHAT), bits=BITS):
    """Return what one detector reaches: in floating point, and by what, part and bits."""
    calibration, test = canvases()
    model = models.load_pretrained("detector", seed)
    graph = ptq.fold(ptq.trace(model))
    found = {"seed": seed, "float": detection.evaluate(model, test).tolist(), "map": {}}
    for kind, part, b in tqdm(
        [(k, p, b) for k in what for p in parts for b in bits], f"seed {seed}"
    ):
        network = quantized(graph, calibration.images, part, b, **WHAT[kind])
        scores = detection.evaluate(network, test).round(6).tolist()
        found["map"].setdefault(kind, {}).setdefault(part, {})[str(b)] = scores
    return found


def main(arguments=None):
    """Measure the detectors of some seeds, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--parts", nargs="+", choices=tuple(PARTS), default=tuple(PARTS))
    parser.add_argument("--bits", nargs="+", type=int, choices=BITS, default=BITS)
    parser.add_argument("--output", type=Path, default=accuracy.RESULTS / "detection_digits.json")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    runs = [measured(seed, options.parts, bits=options.bits) for seed in options.seeds]
    content = {
        "machine": machine.describe(),
        "data": {"name": "canvases of digits", "calibration": CALIBRATION, "test": CANVASES},
        "iou_thresholds": detection.COCO_THRESHOLDS,
        "runs": runs,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    accuracy.write(options.output, content)
    for run in runs:
        print(f"seed {run['seed']}: mAP at IoU 0.5 {run['float'][0]:.3f} in floating point")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
