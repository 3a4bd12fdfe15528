"""The networks of other libraries that ours stand beside."""

import numpy as np
import pytest
import torch

from benchmarks import ptq_peers
from quantlib import data, models, ptq, training

pytestmark = pytest.mark.slow

DIGITS = data.load()
CALIBRATION = DIGITS.train_images[:200]


@pytest.fixture(scope="module")
def model():
    return models.load_pretrained()


def right(peer):
    return np.mean(peer.run(DIGITS.test_images).argmax(1) == DIGITS.test_labels)


def weights(model):
    return sum(p.numel() for p in model.parameters() if p.ndim > 1)


def test_onnx_runtime_computes_the_real_network(model):
    peer = ptq_peers.onnxruntime_real(model, CALIBRATION)
    found, wanted = peer.run(DIGITS.test_images), training.logits(model, DIGITS.test_images)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    assert peer.nbytes > 4 * weights(model)


MAKERS = {
    "ONNX Runtime": lambda model: ptq_peers.onnxruntime_int8(model, CALIBRATION),
    "ONNX Runtime, per tensor": lambda model: ptq_peers.onnxruntime_int8(
        model, CALIBRATION, per_channel=False
    ),
    "torch, onednn": lambda model: ptq_peers.torch_int8(model, CALIBRATION, engine="onednn"),
    "torch, x86": lambda model: ptq_peers.torch_int8(model, CALIBRATION, engine="x86"),
}


@pytest.mark.parametrize("name", MAKERS)
def test_peers_store_bytes_and_stay_accurate(model, name):
    before = torch.backends.quantized.engine, torch.get_num_threads()
    peer = MAKERS[name](model)
    assert weights(model) < peer.nbytes < 2 * weights(model)
    assert right(peer) > training.evaluate(model, DIGITS) - 0.01
    logits, real = peer.run(DIGITS.test_images), training.logits(model, DIGITS.test_images)
    assert logits.shape == real.shape and logits.dtype == np.float32
    assert 0 < np.sqrt(np.mean((logits - real) ** 2)) < 0.02 * np.abs(real).max()
    assert (torch.backends.quantized.engine, torch.get_num_threads()) == before


def test_our_own_file_is_a_peer(model):
    graph = ptq.fold(ptq.trace(model))
    seen = ptq.calibrate(graph, CALIBRATION, ptq.MinMax())
    graph = ptq.simulate(graph, ptq.weight_qparams(graph, 8), ptq.activation_qparams(seen, 8))
    peer, network = ptq_peers.exported(graph), ptq.to_integer(graph)
    assert (peer.run(DIGITS.test_images).argmax(1) == network.predict(DIGITS.test_images)).all()
    assert weights(model) < peer.nbytes < 2 * weights(model)
