"""Detection: several objects in an image, a class and a box for each.

* :mod:`quantlib.detection.boxes`: how far boxes agree, and what a detector's numbers mean;
* :mod:`quantlib.detection.precision`: average precision;
* :mod:`quantlib.detection.train`: learning from canvases, and the mAP of a network.

The network is :class:`quantlib.models.detector.Detector`, and
:func:`quantlib.data.canvases.make_canvases` makes images for it.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "boxes": ["DEFAULT_SIZE", "Detections", "decode", "encode", "iou", "suppress"],
        "precision": [
            "COCO_THRESHOLDS",
            "average_precision",
            "matches",
            "mean_average_precision",
        ],
        "train": ["detect", "evaluate", "fit", "targets"],
    },
)
