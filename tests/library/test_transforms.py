"""What torch's transformations and exporters make of the layers: the same network."""

import copy
import io
import pickle
import warnings

import pytest
import torch
from torch import nn

from quantlib import abc_net, binary, models
from quantlib.binary import sign_ste
from quantlib.layers import QuantConv2d, Quantizer, QuantLinear

# torch's exporters of old say so at each call.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")

METHODS = ("binaryconnect", "bwn", "bnn", "xnor", "abc")
X = torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(0))


class Thirds(Quantizer):
    """A method that no chapter has: -1/3, 0 or 1/3 of the largest weight, straight through."""

    def forward(self, w):
        step = w.detach().abs().max() / 3
        return w + (step * torch.clamp(torch.round(w / step), -1, 1) - w).detach()


def network(method, **options):
    """Return two layers of a method of ours, or of one that a user defines."""
    with models.seeded(0):
        if method == "own":
            first = QuantConv2d(2, 4, 3, padding=1, weight_quant=Thirds(), act_quant=Thirds())
            last = QuantLinear(64, 3, weight_quant=Thirds())
        elif method == "abc":
            options = {"axis": 0, "trainable_shifts": True, **options}
            first = abc_net.ApproxConv2d(2, 4, 3, padding=1, **options)
            last = abc_net.ApproxLinear(64, 3, **options)
        else:
            first = binary.BinaryConv2d(2, 4, 3, padding=1, method=method, **options)
            last = binary.BinaryLinear(64, 3, method=method, **options)
        return nn.Sequential(first, nn.BatchNorm2d(4), nn.Flatten(), last).eval()


def gradients(model, function):
    """Return the results of ``function`` for X, and the gradients of X and of the parameters."""
    x = X.clone().requires_grad_()
    y = function(x)
    y.square().sum().backward()
    found = [y.detach(), x.grad, *[p.grad.clone() for p in model.parameters()]]
    model.zero_grad()
    return found


@pytest.mark.parametrize("method", [*METHODS, "own"])
def test_fx_traces_the_layers_with_their_gradients(method):
    model = network(method)
    traced = torch.fx.symbolic_trace(model)
    for ours, theirs in zip(gradients(model, model), gradients(traced, traced), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("gradient", ["paper", "exact"])
def test_fx_keeps_what_a_gradient_leaves_out(gradient):
    model = network("xnor", gradient=gradient)
    traced = torch.fx.symbolic_trace(model)
    for ours, theirs in zip(gradients(model, model), gradients(traced, traced), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("build", [binary.BinaryLeNet5, binary.BinaryVGG, binary.BinaryResNet])
def test_fx_traces_whole_networks(build):
    small = {"width": 32} if build is binary.BinaryVGG else {}
    model = build(1, 10, 8, method="xnor", **small).eval()
    x = torch.zeros(2, 1, 8, 8)
    assert torch.equal(torch.fx.symbolic_trace(model)(x), model(x))


@pytest.mark.parametrize("method", [*METHODS, "own"])
def test_functional_calls_gradients_and_maps_over_a_batch(method):
    model = network(method)
    parameters = dict(model.named_parameters())

    def loss(parameters, x):
        return torch.func.functional_call(model, parameters, (x,)).square().sum()

    wanted = gradients(model, model)[1:]
    found = torch.func.grad(loss, argnums=(1, 0))(parameters, X)
    for ours, theirs in zip(wanted, [found[0], *found[1].values()], strict=True):
        torch.testing.assert_close(theirs, ours)
    if method != "own":  # its step is one number for all that it is given
        single = torch.func.vmap(lambda x: torch.func.functional_call(model, parameters, x[None]))
        torch.testing.assert_close(single(X)[:, 0], model(X))
        each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, X[:, None])
        for name, parameter in parameters.items():
            together = torch.func.grad(loss)(parameters, X)[name]
            largest = together.abs().max().item()  # a sum that cancels rounds by a share of it
            torch.testing.assert_close(each[name].sum(0), together, rtol=1e-5, atol=1e-6 * largest)
            assert each[name].shape == (2, *parameter.shape)


def test_a_forward_derivative_is_the_straight_through_one():
    x = torch.tensor([-1.5, -1.0, 0.0, 0.4])
    values, slope = torch.func.jvp(sign_ste, (x,), (torch.full((4,), 3.0),))
    assert values.tolist() == [-1.0, -1.0, 1.0, 1.0] and slope.tolist() == [0.0, 3.0, 3.0, 3.0]


@pytest.mark.parametrize("clip_value", [1.0, None])
def test_signs_of_what_is_not_finite_keep_their_gradients(clip_value):
    x = torch.tensor([torch.inf, -torch.inf, torch.nan, 0.5], requires_grad=True)
    y = sign_ste(x, clip_value)
    y.sum().backward()
    assert y[[0, 1, 3]].tolist() == [1.0, -1.0, 1.0] and y[2].isnan()
    assert x.grad[[0, 1, 3]].tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("method", [*METHODS, "own"])
def test_traced_layers_compute_the_same_without_a_warning(method):
    model = network(method)
    with warnings.catch_warnings():
        warnings.simplefilter("error", torch.jit.TracerWarning)
        traced = torch.jit.trace(model, X)
    assert torch.equal(traced(X), model(X))


@pytest.mark.parametrize("method", [*METHODS, "own"])
@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_onnx_exporters_take_the_layers(method, dynamo):
    file = io.BytesIO()
    torch.onnx.export(network(method), (X,), file, dynamo=dynamo, verbose=False)
    assert file.getvalue()


@pytest.mark.parametrize("method", [*METHODS, "own"])
def test_an_exported_layer_takes_any_number_of_images(method):
    model = network(method)
    shapes = ({0: torch.export.Dim("n")},)
    exported = torch.export.export(model, (X,), dynamic_shapes=shapes).module()
    more = torch.cat([X, X, -X])
    assert torch.equal(exported(more), model(more))


@pytest.mark.parametrize(
    "make", [lambda: network("bnn"), lambda: network("own"), binary.SignWeights]
)
def test_torch_script_is_refused_in_a_sentence(make):
    with pytest.raises(TypeError, match=r"^torch\.jit\.script takes no \w+, since a method"):
        torch.jit.script(make())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_precisions(method, dtype):
    model = network(method)
    wanted = model(X)
    same = copy.deepcopy(model).to(dtype)
    found = same(X.to(dtype))
    assert found.dtype == dtype
    if dtype == torch.float64:
        torch.testing.assert_close(found.float(), wanted)
    found.square().sum().backward()
    assert all(p.grad.dtype == dtype and p.grad.isfinite().all() for p in same.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_weights_too_small_for_the_inverse_of_their_scale(method):
    model = network(method).to(torch.float16)
    with torch.no_grad():
        model[0].weight.mul_(1e-4)
    assert model(X.half()).isfinite().all()


@pytest.mark.parametrize("method", METHODS)
def test_autocast_meta_copies_and_files(method):
    model = network(method)
    with torch.autocast("cpu", torch.bfloat16):
        low = model(X)
    assert low.isfinite().all() and low.shape == (2, 3)
    assert copy.deepcopy(model).to("meta")(X.to("meta")).shape == (2, 3)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(X), model(X))
