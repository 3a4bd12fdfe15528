"""The weights of a network, by name: which there are, and how to quantize them."""

import copy
import itertools
from typing import NamedTuple

import numpy as np
import torch
from torch import fx, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from quantlib._validation import check_choice, check_finite, shown

__all__ = ["check_model", "quantize_weights", "weight_layers", "weight_tensors"]

# In each of these the first axis of the weight is the output channel.
_WEIGHT_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)

# These have several matrices, or rows that are no output channels.
_WEIGHT_ROWS = (nn.Bilinear, nn.Embedding, nn.EmbeddingBag, nn.MultiheadAttention, nn.RNNBase)
_WEIGHT_ROWS += (nn.RNNCellBase,)

# These have groups of input channels first, and the output channels of a group second.
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)

# Hooks that compute a weight anew at each call; parametrizations do the same.
_REPARAMETRIZING = (WeightNorm, SpectralNorm, BasePruningMethod)

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def weight_layers(model):
    """Return the convolutions and linear layers of ``model``, by name, in the model's order.

    >>> from quantlib import models
    >>> models.weight_layers(models.LeNet5())["fc3"]
    Linear(in_features=84, out_features=10, bias=True)
    """
    check_model(model)
    return {name: m for name, m in model.named_modules() if isinstance(m, _WEIGHT_LAYERS)}


def weight_tensors(model):
    """Return the weight tensors of the convolutions and linear layers, by the layers' names.

    A weight has the output channel first: (out, in, height, width) for a 2-D convolution,
    (out, in) for a linear layer. The tensors are detached but not copied: to change one
    changes the model.

    >>> from quantlib import models
    >>> {name: tuple(w.shape) for name, w in models.weight_tensors(models.DigitsCNN()).items()}
    ... # doctest: +NORMALIZE_WHITESPACE
    {'conv1': (16, 1, 3, 3), 'conv2': (32, 16, 3, 3), 'conv3': (64, 32, 3, 3),
     'fc1': (128, 256), 'fc2': (10, 128)}
    """
    return {name: layer.weight.detach() for name, layer in weight_layers(model).items()}


class Weight(NamedTuple):
    """Where a weight stands: a parameter of two axes or more, ``key`` of ``module``."""

    module: nn.Module
    key: str

    @property
    def parameter(self):
        """The parameter itself."""
        return self.module.get_parameter(self.key)

    def turned(self, weight):
        """Return ``weight`` with the output channels first; of that, the weight as it is stored.

        A transposed convolution has them second, within each of its groups.
        """
        if not isinstance(self.module, _TRANSPOSED):
            return weight
        groups = weight.unflatten(0, (self.module.groups, -1))
        return groups.transpose(1, 2).flatten(0, 1)


def all_weights(model):
    """Return every `Weight` of ``model`` by name, and the names of matrices that no rule knows.

    A layer's only weight has the layer's name, others have their own: ``"lstm.weight_ih_l0"``.

    >>> from quantlib.models.weights import all_weights
    >>> found, unknown = all_weights(nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.GRU(2, 3)}))
    >>> list(found), unknown
    (['a', 'b.weight_ih_l0', 'b.weight_hh_l0'], [])
    """
    check_model(model)
    check_numbers(model)
    found, unknown = {}, []
    for name, module in model.named_modules():
        if reparametrized(module):
            raise ValueError(
                f"model has parametrizations at {name or 'model'}: remove them first, "
                f"so that its weight is a parameter"
            )
        known = isinstance(module, (*_WEIGHT_LAYERS, *_WEIGHT_ROWS, *_TRANSPOSED))
        for key, parameter in module.named_parameters(recurse=False):
            if parameter.ndim < 2 or key.startswith("bias"):
                continue
            full = name if key == "weight" and name else f"{name}.{key}".strip(".")
            if known:
                found[full] = Weight(module, key)
            else:
                unknown.append(full)
    return found, unknown


def quantize_weights(model, fn, *, layers=None):
    """Return a copy of ``model`` whose layers have the weights ``fn(w)``.

    Biases and normalization stay as they are, and so does ``model``. What ``fn`` returns
    is stored in the weight's own dtype: the copy computes in floating point with weights that
    take few values. Convolutions, linear layers, embeddings, recurrent layers and attention are
    known; :func:`quantlib.networks.quantize_network` also reports what stayed real.

    Parameters
    ----------
    fn : callable
        Takes a weight tensor and returns a tensor or NumPy array of the same shape. Output
        channels come first, also those of a transposed convolution.
    layers : iterable of str, optional
        Names of the layers to change, or of single weights of theirs (``"lstm.weight_ih_l0"``);
        all if not given.

    Raises
    ------
    ValueError
        If ``layers`` names a layer that is not there, a weight is parametrized, ``fn`` returns
        another shape, NaN or infinity, or all are asked for and some matrix is of no known layer.

    Examples
    --------
    >>> import torch
    >>> from quantlib import models
    >>> signs = models.quantize_weights(models.DigitsCNN(), torch.sign, layers=["fc1"])
    >>> signs.fc1.weight.unique().tolist()
    [-1.0, 1.0]
    """
    found, unknown = all_weights(model)
    if isinstance(layers, str):
        raise TypeError(f"layers must be a list of names, got the string {shown(layers)}")
    if layers is None:
        if unknown:
            raise ValueError(
                f"model has matrices of no layer that is known, {', '.join(unknown)}: "
                f"name the layers to be quantized"
            )
        return with_weights(model, dict.fromkeys(found, fn))
    modules, names = dict(model.named_modules(remove_duplicate=False)), []
    for asked in layers:
        inside = [name for name, w in found.items() if w.module is modules.get(asked, w)]
        if not inside:
            check_choice(asked, "layers", tuple(found))
        names += inside or [asked]
    return with_weights(model, dict.fromkeys(names, fn))


def with_weights(model, functions):
    """Return a copy of ``model`` in which each weight that is named has become ``function(w)``.

    The names are those of :func:`all_weights`.
    """
    found, _ = all_weights(model)
    result = copy.deepcopy(model)
    copies, _ = all_weights(result)
    # Each new weight comes from the original: a weight that two layers share is quantized once.
    for name, function in functions.items():
        weight = found[name].turned(found[name].parameter.detach())
        new = function(weight.clone())
        if isinstance(new, np.ndarray):
            new = torch.from_numpy(new)
        if not isinstance(new, torch.Tensor) or new.shape != weight.shape:
            got = tuple(new.shape) if isinstance(new, torch.Tensor) else type(new).__name__
            raise ValueError(
                f"fn must return a tensor of its argument's shape, "
                f"got {got} for the weight {tuple(weight.shape)} of {name!r}"
            )
        check_finite(new, f"the new weight of {name!r}")
        with torch.no_grad():
            copies[name].parameter.copy_(copies[name].turned(new))
    return result


def reparametrized(module):
    """Whether a weight of ``module`` is computed anew at each call."""
    hooks = module._forward_pre_hooks.values()
    return parametrize.is_parametrized(module) or any(
        isinstance(hook, _REPARAMETRIZING) for hook in hooks
    )


def altered(module):
    """Return what makes this one object compute otherwise than its class says, or None."""
    if reparametrized(module):
        return "parametrizations"
    if any(getattr(module, hooks) for hooks in _HOOKS):
        return "hooks"
    if "forward" in vars(module) or "_conv_forward" in vars(module):
        return "a forward of its own"
    return None


def traced(x):
    """Whether ``x`` stands for a tensor whose shape is not to be asked for: a trace is recorded."""
    return isinstance(x, fx.Proxy) or torch.jit.is_tracing()


def check_tensor(x, name):
    """Raise TypeError unless ``x`` is a floating-point tensor, or stands for one in a trace."""
    if isinstance(x, fx.Proxy):
        return
    if not isinstance(x, torch.Tensor):
        raise TypeError(f"{name} must be a torch tensor, got {type(x).__name__}")
    if not x.is_floating_point():
        raise TypeError(f"{name} must be floating-point, got dtype {x.dtype}")


def check_numbers(model, *, meta=False):
    """Raise ValueError unless parameters and buffers are real numbers, or on "meta" if allowed."""
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        what = f"{tensor.dtype} in" if tensor.is_complex() else None
        if is_lazy(tensor):
            what = "no shape yet, call the model once with images, of"
        elif tensor.is_meta and not meta:
            what = 'none, as on the device "meta", in'
        if what:
            raise ValueError(f"model must hold real numbers, got {what} {name}")


def input_like(model, default=None):
    """Return a tensor of the dtype and device that ``model`` takes, or ``default``.

    It is the first real number that the model holds: weights may be whole.
    """
    held = itertools.chain(model.parameters(), model.buffers())
    return next((x for x in held if x.is_floating_point()), default)


def check_model(model):
    """Raise TypeError unless ``model`` is a ``torch.nn.Module``."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
