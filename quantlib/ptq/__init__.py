"""Chapter 9: post-training quantization, from a trained network to one that runs in integers.

* :mod:`quantlib.ptq.observers`: which range of a tensor is quantized, from what was seen of it;
* :mod:`quantlib.ptq.by_histogram`: those that count all values: percentile, entropy, least error;
* :mod:`quantlib.ptq.histogram`: counts of the values seen, in bins that widen with the data;
* :mod:`quantlib.ptq.calibration_sets`: the images that observers are shown.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["calibration_sets"],
    submod_attrs={
        "by_histogram": ["MSE", "Entropy", "Percentile"],
        "histogram": ["Histogram"],
        "observers": [
            "MinMax",
            "MovingAverage",
            "Observer",
            "Sigmas",
            "compare_observers",
        ],
    },
)
