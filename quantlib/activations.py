"""The activations of a network: read them, quantize them on their way, count their bits.

An activation here is what an activation function hands on, such as a ReLU. It has the name of the
convolution or linear layer before it, whatever stands between the two (batch normalization, an
addition).
"""

import copy
import math
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from quantlib._validation import check_bit_width, check_choice, check_finite, check_integer
from quantlib.evaluation import evaluating, logits
from quantlib.models import check_model, weight_layers
from quantlib.models.weights import input_like

__all__ = ["ActivationMemory", "QuantizedActivations", "activation_memory", "record"]

#: Activation functions. A module calls one of them; ReLU6 calls hardtanh, see below.
_NAMES = (
    "celu", "elu", "gelu", "hardsigmoid", "hardswish", "leaky_relu", "mish", "prelu", "relu",
    "relu6", "rrelu", "selu", "sigmoid", "silu", "softplus", "tanh",
)  # fmt: skip
_FUNCTIONS = {
    getattr(place, name + ending)
    for place in (functional, torch, torch.Tensor)
    for name in _NAMES
    for ending in ("", "_")
    if hasattr(place, name + ending)
}
_CLAMPS = {
    getattr(place, name)
    for place in (torch, torch.Tensor)
    for name in ("clamp", "clamp_", "clamp_min", "clamp_min_", "clip", "clip_")
}
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_CONVOLUTIONS += (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def _is_activation(func, args, kwargs):
    if func in (functional.hardtanh, functional.hardtanh_) or func in _CLAMPS:
        # One that cuts at 0 below is a ReLU, with or without a ceiling.
        low = args[1] if len(args) > 1 else kwargs.get("min_val", kwargs.get("min"))
        return isinstance(low, int | float) and low == 0
    return func in _FUNCTIONS


class _AtActivation(TorchFunctionMode):
    """While in force, hand the first activation after each layer to ``visit``."""

    def __init__(self, visit):
        super().__init__()
        self.visit, self.layer = visit, None

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if _is_activation(func, args, kwargs or {}) and self.layer is not None:
            name, self.layer = self.layer, None
            self.visit(name, out)
        return out


@contextmanager
def _visiting(model, visit):
    """Call ``visit(name, activations)`` at each activation inside a ``with`` block."""
    mode = _AtActivation(visit)

    def passed(name):
        def hook(module, args, output):
            mode.layer = name

        return hook

    hooks = [m.register_forward_hook(passed(name)) for name, m in weight_layers(model).items()]
    try:
        with mode:
            yield
    finally:
        for hook in hooks:
            hook.remove()


def record(model, images, *, batch_size=256):
    """Return what each activation function hands on, by the name of the layer before it.

    They are NumPy arrays of float32, N first, in the order of computing. Where two functions
    follow a layer, the first one's are taken. A layer may run only once an image.

    Parameters
    ----------
    model : torch.nn.Module
        Any network that calls torch's activation functions (ReLU, GELU, SiLU, …), as modules or as
        functions; ``clamp`` from 0 on is one of them. It computes in evaluation mode and stays as
        it is.
    images : numpy.ndarray or torch.Tensor
        N x C x H x W.
    batch_size : int
        Images to compute at a time.

    Raises
    ------
    ValueError
        If no activation function is seen, as in a network that was traced or scripted.

    Examples
    --------
    >>> from quantlib import activations, data, models
    >>> seen = activations.record(models.load_pretrained(), data.load().test_images[:5])
    >>> {name: values.shape for name, values in seen.items()}  # doctest: +NORMALIZE_WHITESPACE
    {'conv1': (5, 16, 8, 8), 'conv2': (5, 32, 8, 8), 'conv3': (5, 64, 4, 4), 'fc1': (5, 128)}
    """
    check_model(model)
    check_finite(torch.as_tensor(images), "images")
    seen = {}

    def keep(name, out):  # a copy: the network may go on to change it in place
        seen.setdefault(name, []).append(out.to("cpu", torch.float32, copy=True))

    with _visiting(model, keep):
        logits(model, images, batch_size=batch_size)
    if not seen:
        raise ValueError(
            "model must call an activation function of torch after a layer, got one that calls "
            f"none in sight ({type(model).__name__}; traced and scripted networks hide theirs)"
        )
    n_batches = -(-len(images) // batch_size)
    for name, parts in seen.items():
        if len(parts) != n_batches:
            raise ValueError(
                f"model must run each layer once an image, but {name!r} ran "
                f"{len(parts) // n_batches} times"
            )
    return {name: torch.cat(parts).numpy() for name, parts in seen.items()}


class QuantizedActivations(nn.Module):
    """A network whose activations are quantized where they leave their function.

    It works on a copy of the model, without gradients. The result is fake quantization: the
    activations take few values and are still floating point.

    Parameters
    ----------
    model : torch.nn.Module
    quantizers : dict of str to callable
        By layer name, as :func:`record` gives them, a function from a tensor of activations to
        a tensor or NumPy array of the same shape. Layers not named stay as they are.

    Examples
    --------
    >>> import torch
    >>> from quantlib import activations, data, models, training
    >>> coarse = activations.QuantizedActivations(models.load_pretrained(), {"conv1": torch.round})
    >>> training.evaluate(coarse, data.load()) > 0.8
    True
    """

    def __init__(self, model, quantizers):
        super().__init__()
        layers = tuple(weight_layers(model))
        for name in quantizers:
            check_choice(name, "quantizers", layers)
        self.model = copy.deepcopy(model)
        self.quantizers = dict(quantizers)

    def forward(self, images):
        """Return what the network gives for ``images`` with its activations quantized."""
        idle = set(self.quantizers)

        def visit(name, out):
            idle.discard(name)
            self._quantize(name, out)

        with torch.no_grad(), _visiting(self.model, visit):
            out = self.model(images)
        if idle:
            names = ", ".join(map(repr, sorted(idle)))
            raise ValueError(
                f"quantizers must name layers that an activation follows, got none after {names}"
            )
        return out

    def _quantize(self, name, out):
        if name in self.quantizers:
            new = torch.as_tensor(self.quantizers[name](out))
            if new.shape != out.shape:
                raise ValueError(
                    f"quantizers[{name!r}] must keep the shape {tuple(out.shape)}, "
                    f"got {tuple(new.shape)}"
                )
            out.copy_(new)  # in place, so that whoever holds the output sees it


@dataclass(frozen=True)
class ActivationMemory:
    """How many activations each layer has for one image (``values``), and the bits for one.

    >>> ActivationMemory({"conv1": 1000, "conv2": 500}, {"conv1": 8, "conv2": 4}).total_bits
    10000
    """

    values: dict
    bit_width: dict

    @property
    def n_values(self):
        """All activations together."""
        return sum(self.values.values())

    @property
    def total_bits(self):
        """Bits of all layers."""
        return sum(n * self.bit_width[name] for name, n in self.values.items())

    @property
    def megabytes(self):
        """Millions of bytes of all layers."""
        return self.total_bits / 8e6


def activation_memory(model, input_shape, bit_width):
    r"""Count the activations of the convolutions and the bits that they take, for one image.

    .. math:: \sum_l n_l b_l, \qquad n_l = C_l H_l W_l

    Source: Sun, Lin, Wang 2016, Table VII ("NB"); they count convolutions only, each output once.

    Parameters
    ----------
    model : torch.nn.Module
        Any module. On torch's device "meta" nothing is computed and large networks take no room.
    input_shape : tuple of int
        Shape of one input, without the batch axis: (C, H, W) for an image.
    bit_width : int or dict of str to int
        Bits an activation, 1 to 64: for all layers, or by name.

    Examples
    --------
    >>> from quantlib import activations, models
    >>> memory = activations.activation_memory(models.DigitsCNN(), (1, 8, 8), bit_width=4)
    >>> memory.values, memory.total_bits
    ({'conv1': 1024, 'conv2': 2048, 'conv3': 1024}, 16384)
    """
    check_model(model)
    for size in input_shape:
        check_integer(size, "input_shape", 1, 2**31)
    values = {}

    def count(name):
        def hook(module, args, output):
            values[name] = values.get(name, 0) + math.prod(output.shape[1:])

        return hook

    found = {name: m for name, m in model.named_modules() if isinstance(m, _CONVOLUTIONS)}
    if not found:
        raise ValueError("model must have a convolution, got none")
    hooks = [module.register_forward_hook(count(name)) for name, module in found.items()]
    like = input_like(model)
    try:
        with evaluating(model):
            model(torch.zeros((1, *input_shape), dtype=like.dtype, device=like.device))
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(bit_width, dict):
        bit_width = dict.fromkeys(values, bit_width)
    missing = [name for name in values if name not in bit_width]
    if missing:
        raise ValueError(
            f"bit_width must have every convolution of the model, got none for {missing}"
        )
    widths = {name: check_bit_width(bit_width[name], 1, 64) for name in values}
    return ActivationMemory(values, widths)
