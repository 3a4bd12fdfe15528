"""Functions as layers: what ``forward`` calls by name gets the form of a module."""

import math
import operator

import torch
from torch import fx, nn
from torch.nn import functional

from quantlib.ptq._layers import Add, Cat, Function, Rows

__all__ = [
    "AUGMENTED",
    "NotAFunction",
    "in_place",
    "is_view",
    "layer_of",
    "value_of",
]


class NotAFunction(Exception):
    """What is called cannot be a layer: what to say after its name."""


def _with(kind, *names, **fixed):
    """Return a maker of layers: the arguments behind the first have these names."""

    def make(args, kwargs):
        given = dict(zip(names, args[1:], strict=False)) | kwargs
        given = {n: v for n, v in given.items() if n in names and n not in ("inplace", "training")}
        return kind(**given | fixed), args[:1]

    return make


def _clamped(args, kwargs):
    given = dict(zip(("min", "max"), args[1:], strict=False)) | kwargs
    low, high = given.get("min", given.get("min_val")), given.get("max", given.get("max_val"))
    low, high = -math.inf if low is None else low, math.inf if high is None else high
    if not all(isinstance(bound, int | float) for bound in (low, high)):
        return None, args[:1]
    if low == 0 and high in (6, math.inf):
        return nn.ReLU6() if high == 6 else nn.ReLU(), args[:1]
    return nn.Hardtanh(low, high) if low < high else None, args[:1]


def _clamped_above(args, kwargs):
    return _clamped((*args[:1], None, *args[1:]), kwargs)


def _cast(args, kwargs):
    """Another precision, or device: a graph computes in float32 where it is."""
    x, *others = args
    given = [*others, *(kwargs[name] for name in ("dtype", "device", "other") if name in kwargs)]
    real = all(
        g.is_floating_point if isinstance(g, torch.dtype)
        # of what is real the dtype is so too
        else not isinstance(g, fx.Node) or (_asks_for_kind(g) and _is_real(g.args[0]))
        for g in given
    )  # fmt: skip
    return nn.Identity() if real and _is_real(x) else None, args[:1]


def _asks_for_kind(node):
    return node.target is getattr and node.args[1] in ("dtype", "device")


def _is_real(node):
    """Return whether what a node gives is surely real: what layers give, and functions of it."""
    if node.op in ("placeholder", "call_module"):
        return True
    return node.target in _MAKERS and all(_is_real(x) for x in node.all_input_nodes[:1])


def _added(args, kwargs):
    both = all(isinstance(x, fx.Node) for x in args[:2]) and len(args) == 2
    return (Add(), args) if both and kwargs.get("alpha", 1) == 1 else (None, args)


def _side_by_side(args, kwargs):
    dim = kwargs.get("dim", kwargs.get("axis", args[1] if len(args) > 1 else 0))
    parts = args[0] if args else kwargs["tensors"]
    return (Cat(dim), tuple(parts)) if isinstance(parts, tuple | list) else (None, ())


def _dropped(args, kwargs):
    given = dict(zip(("p", "training"), args[1:], strict=False)) | kwargs
    if given.get("training", True):
        raise NotAFunction("drops numbers in evaluation mode, too: give it training=self.training")
    return nn.Identity(), args[:1]


def _flattened(args, kwargs):
    given = dict(zip(("start_dim", "end_dim"), args[1:], strict=False)) | kwargs
    return nn.Flatten(given.get("start_dim", 0), given.get("end_dim", -1)), args[:1]


def _reshaped(args, kwargs):
    """``x.view(x.size(0), -1)`` flattens each image; so does ``x.view(-1, K)`` of K numbers."""
    sizes = args[1] if len(args) == 2 and isinstance(args[1], tuple | list) else args[1:]
    first, *rest = sizes
    images = isinstance(first, fx.Node) and _is_length(first, args[0])
    if len(rest) == 1 and (images or first == -1):
        if rest == [-1]:
            return nn.Flatten(1), args[:1]
        if type(rest[0]) is int:
            return Rows(rest[0]), args[:1]
    raise NotAFunction("reshapes to other than x.flatten(1)")


def _is_length(node, of):
    """Return whether ``node`` is the number of images: ``x.size(0)`` or ``x.shape[0]``."""
    if node.target == "size":
        return node.args[1:] == (0,)
    return node.target is operator.getitem and node.args[1] == 0


def _meant(args, kwargs):
    given = dict(zip(("dim", "keepdim"), args[1:], strict=False)) | kwargs
    dims = given.get("dim")
    if isinstance(dims, tuple | list) and sorted(d % 4 for d in dims) == [2, 3]:
        pooled = nn.AdaptiveAvgPool2d(1)
        flat = nn.Sequential(pooled, nn.Flatten(1))
        return (pooled if given.get("keepdim") else flat), args[:1]
    return None, args[:1]


def _mean_of_axis(node):
    """Return axis and ``keepdim`` of a mean over a single axis, or None."""
    given = dict(zip(("dim", "keepdim"), node.args[1:], strict=False)) | node.kwargs
    dim = given.get("dim")
    dim = dim[0] if isinstance(dim, tuple | list) and len(dim) == 1 else dim
    known = node.target in (torch.mean, "mean") and type(dim) is int
    return (dim, bool(given.get("keepdim"))) if known else None


def _ends_mean(node):
    """Return whether a mean over one axis, of a mean over one, completes that of all places."""
    first = node.all_input_nodes[0]
    pair = _mean_of_axis(first), _mean_of_axis(node)
    if None in pair or len(first.users) > 1 or _ends_mean(first):
        return False
    (i, keeps), (j, also) = pair
    both = {i % 4, j % 4} == {2, 3} if keeps else i % 4 in (2, 3) and j % 3 == 2
    return keeps == also and both


def _chained_mean(node):
    """Return the layer of a mean that is one of two over places, and its input; or None."""
    if _mean_of_axis(node) is None:
        return None
    if _ends_mean(node):
        keeps = _mean_of_axis(node)[1]
        return _meant((node.all_input_nodes[0], (2, 3), keeps), {})
    ends = any(_mean_of_axis(user) and _ends_mean(user) for user in node.users)
    return (nn.Identity(), node.all_input_nodes[:1]) if ends else None


_POOL = "kernel_size", "stride", "padding"
_MAKERS = {
    (functional.relu, functional.relu_, torch.relu, torch.relu_, "relu", "relu_"): _with(nn.ReLU),
    (functional.relu6,): _with(nn.ReLU6),
    (functional.sigmoid, torch.sigmoid, "sigmoid"): _with(nn.Sigmoid),
    (functional.tanh, torch.tanh, "tanh"): _with(nn.Tanh),
    (functional.silu,): _with(nn.SiLU),
    (functional.hardswish,): _with(nn.Hardswish),
    (functional.hardsigmoid,): _with(nn.Hardsigmoid),
    (functional.gelu,): _with(nn.GELU, "approximate"),
    (functional.elu,): _with(nn.ELU, "alpha"),
    (functional.leaky_relu,): _with(nn.LeakyReLU, "negative_slope"),
    (functional.dropout, functional.dropout2d): _dropped,
    (functional.hardtanh, torch.clamp, torch.clip, "clamp", "clamp_", "clip", "clip_"): _clamped,
    (torch.clamp_min, "clamp_min", "clamp_min_"): _clamped,
    (torch.clamp_max, "clamp_max", "clamp_max_"): _clamped_above,
    (functional.max_pool2d, torch.max_pool2d): _with(nn.MaxPool2d, *_POOL, "dilation", "ceil_mode"),
    (functional.avg_pool2d,): _with(
        nn.AvgPool2d, *_POOL, "ceil_mode", "count_include_pad", "divisor_override"
    ),
    (functional.adaptive_avg_pool2d,): _with(nn.AdaptiveAvgPool2d, "output_size"),
    (operator.add, operator.iadd, torch.add, "add", "add_"): _added,
    (torch.cat, torch.concat, torch.concatenate): _side_by_side,
    (torch.flatten, "flatten"): _flattened,
    ("view", "reshape", torch.reshape): _reshaped,
    (torch.mean, "mean"): _meant,
    ("contiguous", "detach", "clone"): _with(nn.Identity),
    ("to", "float", "double", "half", "bfloat16", "cpu", "cuda"): _cast,
}
_MAKERS = {function: make for functions, make in _MAKERS.items() for function in functions}
_SIZES = "size", getattr, operator.getitem


def layer_of(node, constants):
    """Return the layer that does what a node of fx does, and the nodes that it takes.

    None stands for the size of a tensor. ``constants`` are the parameters that functions use.
    """
    if found := _chained_mean(node):
        return found
    if node.target in _MAKERS:
        # The name of a dtype, or device, that a parameter has is known.
        kinds = {n: v for n, v in constants.items() if isinstance(v, torch.dtype | torch.device)}
        node_args, kwargs = fx.map_arg((node.args, dict(node.kwargs)), lambda n: kinds.get(n, n))
        kwargs = dict(kwargs)
        args = node_args or ((kwargs.pop("input"),) if "input" in kwargs else ())
        layer, inputs = _MAKERS[node.target](args, kwargs)
        numbers = all(isinstance(x, fx.Node) and x not in constants for x in inputs)
        if layer is not None and numbers:
            return layer, tuple(inputs)
    if node.target in _SIZES and all(_reads_size(user) for user in node.users):
        return None
    if _asks_for_kind(node) and all(_MAKERS.get(user.target) is _cast for user in node.users):
        return None
    if node.target == "size" or (node.target is getattr and node.args[1] == "shape"):
        raise NotAFunction("asks for a size for more than x.flatten(1): write the numbers")
    inputs = tuple(x for x in node.all_input_nodes if x not in constants)
    return Function(_name(node), _caller(node, inputs, constants)), inputs


def value_of(node, constants):
    """Return what a node gives that takes constants only."""
    return _caller(node, (), constants)(())


def in_place(node, modules):
    """Return the node of fx whose tensor a node changes, or None."""
    if node.op == "call_module":
        changes = getattr(modules[node.target], "inplace", False)
    else:
        name = node.target if isinstance(node.target, str) else node.target.__name__
        augmented = getattr(operator, name, None) is node.target and name in AUGMENTED
        by_name = name.endswith("_") and not name.endswith("__")
        changes = node.kwargs.get("inplace", False) or augmented or by_name
    return node.all_input_nodes[0] if changes and node.all_input_nodes else None


def is_view(node):
    """Return whether the result of a node of fx may be its input's own numbers."""
    return node.op in ("call_function", "call_method") and _name(node) in _VIEWS


_VIEWS = (
    "flatten", "view", "reshape", "getitem", "transpose", "permute", "squeeze", "unsqueeze",
    "expand", "chunk", "split", "narrow", "detach", "contiguous", "unbind", "select", "t",
)  # fmt: skip

#: What ``x += y`` and its like call.
AUGMENTED = ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow")


def _reads_size(node):
    return node.target in (*_SIZES, "view", "reshape", torch.reshape)


def _name(node):
    return node.target if isinstance(node.target, str) else node.target.__name__


def _caller(node, inputs, constants):
    """Return a function of a tuple of tensors that calls what ``node`` calls."""

    changes = in_place(node, {}) is not None

    def call(tensors):
        tensors = [x.clone() if changes else x for x in tensors]
        known = constants | dict(zip(inputs, tensors, strict=True))
        args, kwargs = (fx.map_arg(x, known.__getitem__) for x in (node.args, node.kwargs))
        if node.op == "call_method":
            return getattr(args[0], node.target)(*args[1:], **kwargs)
        return node.target(*args, **kwargs)

    return call
