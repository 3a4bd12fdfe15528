"""LiteRT's side of :mod:`benchmarks.ptq_tools`: networks in its integers, beside ours.

litert-torch writes the float network as a .tflite file, ai-edge-quantizer makes it one of int8
weights and activations, and the interpreter runs it: in XNNPACK, as it does by itself, and in its
reference kernels, which are TensorFlow Lite's definition of the arithmetic.
"""

import os
import tempfile
from pathlib import Path

import litert_torch
import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_quantizer import quantizer, recipe
from ai_edge_quantizer.calibrator import Calibrator
from ai_edge_quantizer.utils import qsv_utils

from benchmarks import ptq_tools, timing
from benchmarks.ptq_tools import DIGITS, IMAGES, right
from quantlib import ptq

PACKAGES = "ai-edge-litert", "litert-torch", "litert-converter", "ai-edge-quantizer"
RUNS = {
    "XNNPACK": {"experimental_op_resolver_type": OpResolverType.AUTO},
    "reference": {"experimental_op_resolver_type": OpResolverType.BUILTIN_REF},
}
SIGNATURE = "serving_default"


def float_file(model):
    """Return the bytes of the float network for one image."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.tflite"
        litert_torch.convert(model, (torch.as_tensor(IMAGES[:1]),)).export(str(path))
        return path.read_bytes()


def int8_file(content, *, as_ours):
    """Return the bytes of the quantized network.

    ``as_ours`` takes the least and the largest value of all images; by itself the quantizer takes
    a moving average of each image's, in which the last one has the weight 0.05.
    """
    made = quantizer.Quantizer(content, recipe.static_wi8_ai8())
    update = qsv_utils.min_max_update if as_ours else qsv_utils.moving_average_update
    seen = Calibrator(content, num_threads=1, qsv_update_func=update)
    (name,) = Interpreter(model_content=content).get_signature_list()[SIGNATURE]["inputs"]
    images = [{name: image[None]} for image in IMAGES]
    seen.calibrate({SIGNATURE: images}, made._recipe_manager)
    result = made.quantize(seen.get_model_qsvs(), enable_progress_report=False)
    return bytes(result.quantized_model)


def interpreter(content, name):
    """Return an interpreter on one thread, ready to run."""
    made = Interpreter(model_content=content, num_threads=1, **RUNS[name])
    made.allocate_tensors()
    return made


def logit_codes(made):
    """Return the codes of all test images' logits, and the logits' scale and zero point."""
    given, wanted = made.get_input_details()[0], made.get_output_details()[0]
    scale, zero_point = given["quantization"]
    found = []
    for image in DIGITS.test_images:
        if given["dtype"] == np.int8:
            image = np.clip(np.rint(image / scale) + zero_point, -128, 127).astype(np.int8)
        made.set_tensor(given["index"], image[None])
        made.invoke()
        found.append(made.get_tensor(wanted["index"])[0])
    return np.array(found), wanted["quantization"]


def runner(made):
    """Return a function from one image to its logits, in floating point as ours."""
    given, wanted = made.get_input_details()[0], made.get_output_details()[0]
    scale, zero_point = given["quantization"]
    unit, zero = wanted["quantization"]

    def run(image):
        codes = np.clip(np.rint(image / scale) + zero_point, -128, 127).astype(np.int8)
        made.set_tensor(given["index"], codes)
        made.invoke()
        return np.float32(unit) * (made.get_tensor(wanted["index"]).astype(np.float32) - zero)

    return run


def times(network, content):
    """Return the least seconds an image takes, one thread, one image at a time; None if not alone.

    This process alone makes a load of 1.
    """
    if os.getloadavg()[0] > 1.5:
        return None
    image = DIGITS.test_images[:1]
    contestants = {"quantlib": lambda: network(image, num_threads=1)}
    for name in RUNS:
        run = runner(interpreter(content, name))
        contestants[f"LiteRT, {name}"] = lambda run=run: run(image)
    found = timing.compare(
        {name: (run, 1) for name, run in contestants.items()}, rounds=20, seconds=0.1
    )
    return {name: min(seconds) for name, seconds in found.items()}


def network_beside_ours(graph, *, with_codes=False):
    """Return what LiteRT's integers and ours make of a folded network."""
    ours = ptq.quantize_model(graph, IMAGES, 8, with_report=False)
    codes, content = ptq_tools.our_logit_codes(ours.network), float_file(ptq_tools.chain(graph))
    twice, said = ptq_tools.logit_codes_rounded_twice(ours.network), codes.argmax(1)
    found = {
        "quantlib": {"accuracy": right(said), "nbytes": ours.network.nbytes},
        "nbytes_of_float_file": len(content),
    }
    logits = ours.simulated.quantizers[ours.simulated.outputs].qparams
    for ranges, as_ours in (("all images' ranges", True), ("moving average", False)):
        made = int8_file(content, as_ours=as_ours)
        for name in RUNS:
            theirs, (scale, zero_point) = logit_codes(interpreter(made, name))
            row = {
                "accuracy": right(theirs.argmax(1)),
                "nbytes": len(made),
                "equal_predictions": float((theirs.argmax(1) == said).mean()),
                "scale_of_logits": [float(logits.scale), float(scale)],
                "zero_point_of_logits": [int(logits.zero_point) - 128, int(zero_point)],
            }
            if as_ours:
                apart = np.abs(theirs.astype(int) - codes)
                row["largest_difference_in_codes"] = int(apart.max())
                row["equal_codes"] = float((apart == 0).mean())
                row["equal_codes_if_rounded_twice"] = float((theirs == twice).mean())
                if with_codes:
                    row["codes"] = theirs.tobytes().hex()
            found[f"LiteRT, {name}, {ranges}"] = row
        if as_ours:
            found["least_seconds_an_image"] = times(ours.network, made)
    return found


def compare(graphs):
    """Return everything that is compared, as JSON takes it."""
    return {
        "digits CNN": network_beside_ours(ptq_tools.folded_cnn(), with_codes=True),
        "MobileNets": [network_beside_ours(graph) for graph in graphs],
    }
