"""Chapter 9: post-training quantization, from a trained network to one that runs in integers.

A network goes through these in their order; :mod:`quantlib.ptq.quantize` is the whole in one call.

* :mod:`quantlib.ptq.graph`: what stands before and behind each layer;
* :mod:`quantlib.ptq.folding`: batch normalization and activations go into the layers before them;
* :mod:`quantlib.ptq.equalization`: channels of one layer get like ranges;
* :mod:`quantlib.ptq.calibration_sets`: the images that observers are shown;
* :mod:`quantlib.ptq.observers`: which range of a tensor is quantized, from what was seen of it;
* :mod:`quantlib.ptq.by_histogram`: those that count all values: percentile, entropy, least error;
* :mod:`quantlib.ptq.histogram`: counts of the values seen, in bins that widen with the data;
* :mod:`quantlib.ptq.calibration`: the images are shown, and an observer looks at each result;
* :mod:`quantlib.ptq.simulation`: the network on the levels of codes, still in floating point;
* :mod:`quantlib.ptq.bias_correction`: each channel gets its mean back;
* :mod:`quantlib.ptq.lowering`, :mod:`quantlib.ptq.steps` and :mod:`quantlib.ptq.integer`: the
  network in whole numbers, by multipliers and shifts (:mod:`quantlib.ptq.requantization`);
* :mod:`quantlib.ptq.onnx`: the network as a file for other runtimes;
* :mod:`quantlib.ptq.analysis`: where the error comes from;
* :mod:`quantlib.ptq.mixed_precision`: which layers can do with fewer bits.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["calibration_sets"],
    submod_attrs={
        "analysis": ["Report", "layer_errors", "one_at_a_time", "partly", "report", "up_to"],
        "bias_correction": [
            "clipped_normal_mean",
            "correct_bias",
            "correct_bias_from_statistics",
        ],
        "by_histogram": ["MSE", "Entropy", "Percentile"],
        "calibration": ["calibrate"],
        "equalization": ["equalization_scales", "equalize", "equalize_pair", "spread_ranges"],
        "folding": ["fold", "fold_batch_norm"],
        "graph": ["Graph", "trace"],
        "histogram": ["Histogram"],
        "integer": ["IntegerNetwork"],
        "lowering": ["to_integer"],
        "mixed_precision": ["frontier", "sensitivity", "within_budget"],
        "onnx": ["export_onnx"],
        "observers": [
            "MinMax",
            "MovingAverage",
            "Observer",
            "Sigmas",
            "compare_observers",
        ],
        "quantize": ["Quantized", "quantize_model"],
        "quantizers": ["UniformQuantizer"],
        "requantization": ["fixed_point", "requantize"],
        "simulation": ["activation_qparams", "simulate", "weight_qparams"],
        "support": ["own_range", "unsupported"],
    },
)
