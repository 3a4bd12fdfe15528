"""The same network in 8 bits by others: ONNX Runtime, and torch's own quantization.

Each function takes a float network in evaluation mode and images to calibrate with, and returns a
:class:`Peer`. All run on one thread, and all see the least and the largest value of each result
unless said otherwise: what is compared is what they make of it.
"""

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from quantlib.ptq.onnx import export_onnx

__all__ = ["Peer", "exported", "onnx_session", "onnxruntime_int8", "onnxruntime_real", "torch_int8"]


class Peer(NamedTuple):
    """A network of another library."""

    #: From images (float32, N x C x H x W, a NumPy array) to logits (float32, N x classes).
    run: Callable[[np.ndarray], np.ndarray]
    #: Bytes of its file.
    nbytes: int


def onnx_session(content, *, optimized=True, optimized_path=None):
    """Return an ONNX Runtime session on one thread for a file, or for its bytes.

    ``optimized=False`` runs the nodes as they stand in the file; ``optimized_path`` is where to
    write what becomes of them. Processors that multiply bytes without VNNI add two products in 16
    bits, which overflow with 8-bit weights; the setting below has ONNX Runtime avoid that.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.x64quantprecision", "1")
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if optimized_path is not None:
        options.optimized_model_filepath = str(optimized_path)
    content = content if isinstance(content, bytes) else str(content)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _peer(path):
    """Return the network of an ONNX file, which may go afterwards."""
    content = Path(path).read_bytes()
    session = onnx_session(content)
    name = session.get_inputs()[0].name
    return Peer(lambda images: session.run(None, {name: images})[0], len(content))


def exported(graph):
    """Return a network of ours, what :func:`quantlib.ptq.simulate` returned, in ONNX Runtime."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "exported.onnx"
        export_onnx(graph, path)
        return _peer(path)


def onnxruntime_real(model, images):
    """Return the network in float32 in ONNX Runtime; torch exports it."""
    with tempfile.TemporaryDirectory() as folder:
        return _peer(_real_file(model, images, Path(folder)))


def onnxruntime_int8(model, images, *, per_channel=True):
    """Return the network as ``onnxruntime.quantization.quantize_static`` makes it, in QDQ form.

    Activations are uint8 and weights int8, as its documentation advises for this kind of processor;
    its own preprocessing folds normalizations and finds shapes first.
    """
    from onnxruntime.quantization import (
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder, _quiet():
        folder = Path(folder)
        ready, made = folder / "ready.onnx", folder / "quantized.onnx"
        quant_pre_process(str(_real_file(model, images, folder)), str(ready))
        quantize_static(
            str(ready),
            str(made),
            _Reader(images),
            quant_format=QuantFormat.QDQ,
            per_channel=per_channel,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return _peer(made)


def torch_int8(model, images, *, engine="onednn"):
    """Return the network as torch's own static quantization makes it, in FX graph mode.

    ``engine`` is one of ``torch.backends.quantized.supported_engines``. Its usual observers are
    used: a histogram for activations, and the range of each channel for weights. ``"x86"`` and
    ``"fbgemm"`` leave one bit of each activation unused, as their products of bytes would overflow
    on processors without VNNI; ``"onednn"`` does not.
    """
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    images = torch.as_tensor(images)
    with _quiet(), _engine(engine), torch.no_grad():
        prepared = prepare_fx(model, get_default_qconfig_mapping(engine), (images[:1],))
        for batch in images.split(64):
            prepared(batch)
        converted = convert_fx(prepared)
        file = io.BytesIO()
        torch.save(converted.state_dict(), file)

    def run(images):
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with _engine(engine), torch.no_grad():
                return converted(torch.as_tensor(images)).numpy()
        finally:
            torch.set_num_threads(before)

    return Peer(run, file.getbuffer().nbytes)


class _Reader:
    """Calibration images as ONNX Runtime asks for them: one batch after the other."""

    def __init__(self, images):
        self.batches = iter(np.split(images, range(64, len(images), 64)))

    def get_next(self):
        """Return the next batch by the input's name, or None."""
        batch = next(self.batches, None)
        return None if batch is None else {"input": batch}


def _real_file(model, images, folder):
    """Write a float network as torch exports it, for any number of images; return the path."""
    path = folder / "real.onnx"
    with _quiet():
        torch.onnx.export(
            model,
            (torch.as_tensor(images[:2]),),
            path,
            input_names=["input"],
            dynamic_shapes=({0: torch.export.Dim("N")},),
            external_data=False,
            verbose=False,
        )
    return path


@contextlib.contextmanager
def _engine(name):
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = name
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


@contextlib.contextmanager
def _quiet():
    """Keep back warnings and lines of progress, which say nothing of the network."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
