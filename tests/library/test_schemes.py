"""What every scheme does alike."""

import numpy as np
import pytest
import torch

from quantlib import logarithmic, packed, schemes, ternary, uniform
from quantlib.nonuniform import enq, fixed_point, knq

X = torch.rand(6, 8, generator=torch.Generator().manual_seed(0))
CHOSEN = {
    "uniform": uniform.choose_qparams(X, 4),
    "uniform axis": uniform.choose_qparams(X, 4, axis=1),
    "logarithmic": logarithmic.choose_qparams(X, 4),
    "logarithmic axis": logarithmic.choose_qparams(X, 4, axis=1),
    "fixed": fixed_point.choose_qparams(X, 5),
    "fixed unsigned": fixed_point.choose_qparams(X, 5, signed=False, axis=1),
    "enq": enq.choose_qparams(X, 3),
    "knq": knq.choose_qparams(X, 2),
    "knq axis": knq.choose_qparams(X, 2, axis=1),
    "ternary": ternary.choose_qparams(X),
    "ternary axis": ternary.choose_qparams(X, axis=1),
}
on_each_scheme = pytest.mark.parametrize("name", CHOSEN)


@on_each_scheme
@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_a_batch_of_size_0_passes(name, make):
    """As in torch: the last batch of a data set can be empty."""
    qparams, empty = CHOSEN[name], make(np.zeros((0, 8), np.float32))
    codes = schemes.quantize(empty, qparams)
    values = schemes.fake_quantize(empty, qparams)
    back = schemes.dequantize(codes, qparams)
    for x in (codes, values, back):
        assert type(x) is type(empty) and tuple(x.shape) == (0, 8)
    assert values.dtype == back.dtype == empty.dtype
    assert packed.pack(codes, qparams).nbytes == 0


def test_a_batch_of_size_0_has_a_gradient_and_no_range():
    x = torch.zeros(0, 8, requires_grad=True)
    for name in CHOSEN:
        schemes.fake_quantize(x, CHOSEN[name]).sum().backward()
    logarithmic.power_of_two(x).sum().backward()
    assert x.grad.shape == (0, 8)
    for choose in (m.choose_qparams for m in (uniform, logarithmic, fixed_point, enq, knq)):
        with pytest.raises(ValueError, match=r"x must not be empty, got shape \(0, 8\)"):
            choose(x, 4)


@on_each_scheme
def test_torch_compiles_exports_and_maps(name):
    qparams = CHOSEN[name]

    class Rounded(torch.nn.Module):
        def forward(self, x):
            return schemes.fake_quantize(x, qparams)

    right = schemes.fake_quantize(X, qparams)
    torch.compiler.reset()
    compiled = torch.compile(Rounded(), fullgraph=True, backend="eager")
    assert torch.equal(compiled(X), right)
    assert torch.equal(torch.export.export(Rounded(), (X,)).module()(X), right)
    assert torch.equal(torch.func.vmap(Rounded())(X[None])[0], right)
