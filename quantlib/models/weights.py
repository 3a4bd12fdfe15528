"""The layers of a network that have weights, by name, and how to quantize these weights."""

import copy

import numpy as np
import torch
from torch import fx, nn

from quantlib._validation import check_choice, check_finite

__all__ = ["check_model", "quantize_weights", "weight_layers", "weight_tensors"]

# In each of these the first axis of the weight is the output channel. A transposed convolution
# has it second, so it is left out.
_WEIGHT_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


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


def quantize_weights(model, fn, *, layers=None):
    """Return a copy of ``model`` whose convolutions and linear layers have the weights ``fn(w)``.

    Biases and batch normalization stay as they are, and so does ``model``. What ``fn`` returns
    is stored in the weight's own dtype: the copy computes in floating point with weights that
    take few values.

    Parameters
    ----------
    fn : callable
        Takes a weight tensor and returns a tensor or NumPy array of the same shape.
    layers : iterable of str, optional
        Names of the layers to change; all that :func:`weight_layers` gives if not given.

    Raises
    ------
    ValueError
        If ``layers`` names a layer that is not there, or ``fn`` returns another shape, NaN or
        infinity.

    Examples
    --------
    >>> import torch
    >>> from quantlib import models
    >>> signs = models.quantize_weights(models.DigitsCNN(), torch.sign, layers=["fc1"])
    >>> signs.fc1.weight.unique().tolist()
    [-1.0, 1.0]
    """
    sources = weight_layers(model)
    if isinstance(layers, str):
        raise TypeError(f"layers must be a list of names, got the string {layers!r}")
    names = list(sources) if layers is None else list(layers)
    for name in names:
        check_choice(name, "layers", tuple(sources))
    result = copy.deepcopy(model)
    # Each new weight comes from the original: a weight that two layers share is quantized once.
    for name in names:
        weight = sources[name].weight.detach()
        new = fn(weight.clone())
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
            result.get_submodule(name).weight.copy_(new)
    return result


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


def check_model(model):
    """Raise TypeError unless ``model`` is a ``torch.nn.Module``."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
