"""The networks of the course, their trained weights, and how to quantize those weights.

Both networks are small enough to train on a laptop. Their layers have names (``conv1``, …,
``fc2``), and every function here that speaks of a layer uses its name.
"""

import copy
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from quantlib._validation import check_choice, check_finite, check_integer

CHECKPOINTS = Path(__file__).parent / "checkpoints"

# In each of these the first axis of the weight is the output channel. A transposed convolution
# has it second, so it is left out.
_WEIGHT_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


@contextmanager
def seeded(seed, device="cpu"):
    """Let torch draw its random numbers from ``seed`` inside a ``with`` block.

    Afterwards the global generators of the CPU and of ``device`` are as they were before.

    Parameters
    ----------
    seed : int
        From 0 to 2^64 - 1.
    device : str or torch.device
        A GPU whose generator is to be seeded too.

    Raises
    ------
    TypeError, ValueError
        If ``seed`` is not a whole number in range.

    Examples
    --------
    >>> import torch
    >>> from quantlib import models
    >>> with models.seeded(0):
    ...     first = torch.rand(3)
    >>> with models.seeded(0):
    ...     print(torch.equal(first, torch.rand(3)))
    True
    """
    seed = check_integer(seed, "seed", 0, 2**64 - 1)
    device = torch.device(device)
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        # torch.manual_seed would seed every GPU, and only those named here are put back.
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(seed)
        yield


class DigitsCNN(nn.Module):
    """A small convolutional network with batch normalization, made for 8 x 8 digits.

    Three 3 x 3 convolutions (16, 32 and 64 channels, padding 1), each followed by batch
    normalization and ReLU, with a 2 x 2 max-pooling after the second and the third; then two
    linear layers (128 hidden units). 57,594 parameters for the digits.

    Parameters
    ----------
    in_channels : int
        Channels of an image: 1 for grey, 3 for colour.
    num_classes : int
        Number of classes, at least 2.
    image_size : int
        Height and width of an image in pixels: a multiple of 4.
    seed : int
        Of the first weights. The same seed gives the same weights, and the global random
        generator is left as it was.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a whole number or is out of range.

    Examples
    --------
    >>> import torch
    >>> from quantlib import models
    >>> model = models.DigitsCNN()
    >>> model(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 10])
    >>> sum(parameter.numel() for parameter in model.parameters())
    57594
    >>> list(models.weight_layers(model))
    ['conv1', 'conv2', 'conv3', 'fc1', 'fc2']
    """

    def __init__(self, in_channels=1, num_classes=10, *, image_size=8, seed=0):
        super().__init__()
        _set_image_shape(self, in_channels, image_size)
        num_classes = check_integer(num_classes, "num_classes", 2, 2**16)
        if image_size % 4 or image_size < 4:
            raise ValueError(f"image_size must be a multiple of 4, got {image_size}")
        with seeded(seed):
            # Batch normalization subtracts the mean, so a bias before it would have no effect.
            self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(16)
            self.conv2 = nn.Conv2d(16, 32, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(32)
            self.conv3 = nn.Conv2d(32, 64, 3, padding=1, bias=False)
            self.bn3 = nn.BatchNorm2d(64)
            self.fc1 = nn.Linear(64 * (image_size // 4) ** 2, 128)
            self.fc2 = nn.Linear(128, num_classes)

    def forward(self, images):
        """Return the logits (N x classes) of ``images`` (N x C x H x W, values 0 to 1)."""
        _check_images(images, self.image_shape)
        x = functional.relu(self.bn1(self.conv1(images)))
        x = functional.max_pool2d(functional.relu(self.bn2(self.conv2(x))), 2)
        x = functional.max_pool2d(functional.relu(self.bn3(self.conv3(x))), 2)
        return self.fc2(functional.relu(self.fc1(x.flatten(1))))


class LeNet5(nn.Module):
    """LeNet-5 with ReLU and max-pooling.

    The layer sizes are those of LeCun et al. (1998), section II.B: C1 is ``conv1``, C3 ``conv2``,
    C5 ``fc1`` and F6 ``fc2``. It departs from the paper as most later versions do: ReLU in
    place of the scaled tanh, max-pooling in place of subsampling with trained weights, every
    channel of C3 sees every channel before it (in the paper a table picks some), and the output
    is a linear layer in place of radial basis functions. 61,706 parameters for grey images.

    Parameters
    ----------
    in_channels : int
        Channels of an image: 1 for grey, 3 for colour.
    num_classes : int
        Number of classes, at least 2.
    image_size : int
        Height and width of an image in pixels, 28 or 32. The paper's images are 32 x 32; those
        of 28 x 28 are padded with two rows and columns of zeros on each side.
    seed : int
        Of the first weights. The same seed gives the same weights, and the global random
        generator is left as it was.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a whole number or is out of range.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document
    recognition. Proceedings of the IEEE 86 (11), 1998.

    Examples
    --------
    >>> import torch
    >>> from quantlib import models
    >>> model = models.LeNet5(image_size=28)
    >>> model(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    >>> sum(parameter.numel() for parameter in model.parameters())
    61706
    """

    def __init__(self, in_channels=1, num_classes=10, image_size=28, *, seed=0):
        super().__init__()
        _set_image_shape(self, in_channels, image_size)
        num_classes = check_integer(num_classes, "num_classes", 2, 2**16)
        check_choice(image_size, "image_size", (28, 32))
        with seeded(seed):
            self.conv1 = nn.Conv2d(in_channels, 6, 5, padding=2 if image_size == 28 else 0)
            self.conv2 = nn.Conv2d(6, 16, 5)
            self.fc1 = nn.Linear(16 * 5 * 5, 120)
            self.fc2 = nn.Linear(120, 84)
            self.fc3 = nn.Linear(84, num_classes)

    def forward(self, images):
        """Return the logits (N x classes) of ``images`` (N x C x H x W, values 0 to 1)."""
        _check_images(images, self.image_shape)
        x = functional.max_pool2d(functional.relu(self.conv1(images)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = functional.relu(self.fc1(x.flatten(1)))
        return self.fc3(functional.relu(self.fc2(x)))


_PRETRAINED = {"digits_cnn": DigitsCNN}


def load_pretrained(name="digits_cnn", seed=0):
    """Return a trained network in evaluation mode, its weights read from the library's own files.

    ``"digits_cnn"`` is a :class:`DigitsCNN` trained on ``data.load("digits")``, from the first
    weights and in the order of images that ``seed`` gives. All were trained on the same images,
    so the test images of ``data.load("digits")`` are new to each of them, and those of another
    split are not. ``quantlib/checkpoints`` holds the weights and, beside each, a JSON file with
    the command that made it and what it reached.

    Parameters
    ----------
    name : str
        ``"digits_cnn"``.
    seed : int
        0, 1 or 2.

    Returns
    -------
    torch.nn.Module
        On the CPU, float32.

    Raises
    ------
    TypeError, ValueError
        If there is no such network or no such seed.

    Examples
    --------
    >>> from quantlib import data, models, training
    >>> model = models.load_pretrained("digits_cnn")
    >>> training.evaluate(model, data.load("digits")) > 0.98
    True
    """
    check_choice(name, "name", tuple(_PRETRAINED))
    check_integer(seed, "seed", 0, 2**32 - 1)
    path = CHECKPOINTS / f"{name}_seed{seed}.safetensors"
    if not path.exists():
        there = sorted(p.stem.rpartition("seed")[2] for p in CHECKPOINTS.glob(f"{name}_seed*.json"))
        raise ValueError(f"seed must be one of {', '.join(there)} for {name!r}, got {seed}")
    model = _PRETRAINED[name]()
    model.load_state_dict(load_file(path))
    return model.eval()


def linear_network(weights, biases=None):
    """Return a network of linear layers with the given weights, and ReLU between them.

    Small enough to follow by hand; the exercises' checks use it.

    Parameters
    ----------
    weights : list of array_like
        Weight of each layer, shape (out, in).
    biases : list of array_like or None, optional
        Bias of each layer, shape (out,); None where a layer has none. By default no layer has.

    Raises
    ------
    ValueError
        If there is no weight, shapes don't fit together, or a value is not finite.

    Examples
    --------
    >>> import torch
    >>> from quantlib import models
    >>> network = models.linear_network([[[1.0, -1.0], [0.5, 2.0]], [[1.0, 1.0]]])
    >>> network(torch.tensor([[1.0, 2.0]])).tolist()
    [[4.5]]
    """
    biases = [None] * len(weights) if biases is None else list(biases)
    if not len(weights) or len(biases) != len(weights):
        raise ValueError(
            f"weights and biases must be one for each layer, got {len(weights)} and {len(biases)}"
        )
    layers, width = [], None
    for weight, bias in zip(weights, biases, strict=True):
        weight = torch.tensor(np.asarray(weight), dtype=torch.float32)
        if weight.ndim != 2 or width not in (None, weight.shape[1]):
            wanted = "two axes" if width is None else f"the shape (out, {width})"
            raise ValueError(f"weights must have {wanted} here, got {tuple(weight.shape)}")
        check_finite(weight, "weights")
        width = weight.shape[0]
        layer = nn.Linear(weight.shape[1], width, bias=bias is not None)
        with torch.no_grad():
            layer.weight.copy_(weight)
            if bias is not None:
                bias = torch.tensor(np.asarray(bias), dtype=torch.float32)
                if bias.shape != (width,):
                    raise ValueError(
                        f"biases must have the shape ({width},), got {tuple(bias.shape)}"
                    )
                layer.bias.copy_(bias)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).eval()


def weight_layers(model):
    """Return the convolutions and linear layers of ``model``, by name, in the model's order.

    Raises
    ------
    TypeError
        If ``model`` is not a ``torch.nn.Module``.

    Examples
    --------
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

    Raises
    ------
    TypeError
        If ``model`` is not a ``torch.nn.Module``.

    Examples
    --------
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
    model : torch.nn.Module
    fn : callable
        Takes a weight tensor and returns a tensor or NumPy array of the same shape.
    layers : iterable of str, optional
        Names of the layers to change. By default all that :func:`weight_layers` gives.

    Raises
    ------
    TypeError
        If ``model`` is not a ``torch.nn.Module`` or ``layers`` is a single string.
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


def check_model(model):
    """Raise TypeError unless ``model`` is a ``torch.nn.Module``."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")


def _set_image_shape(model, in_channels, image_size):
    in_channels = check_integer(in_channels, "in_channels", 1, 2**16)
    image_size = check_integer(image_size, "image_size", 1, 2**16)
    model.image_shape = (in_channels, image_size, image_size)


def _check_images(images, image_shape):
    if not isinstance(images, torch.Tensor):
        raise TypeError(f"images must be a torch tensor, got {type(images).__name__}")
    if images.ndim != 4 or tuple(images.shape[1:]) != image_shape:
        expected = " x ".join(map(str, image_shape))
        raise ValueError(
            f"images must be N x C x H x W = N x {expected}, got shape {tuple(images.shape)}"
        )
