"""A network as a list of layers, each of which says where its input comes from.

Post-training quantization has to know what stands before and behind a layer, which a module does
not tell. :func:`trace` writes down what ``forward`` does, and gives functions the form of layers.
"""

import copy
from dataclasses import dataclass, replace

import torch
from torch import fx, nn

from quantlib.models import check_model
from quantlib.models.weights import altered, check_numbers, traced
from quantlib.ptq._bias import bias_rounding
from quantlib.ptq._functions import NotAFunction, in_place, layer_of, value_of
from quantlib.ptq._layers import SAME_CODES, OwnForward
from quantlib.ptq._tracing import check_changed, has_own_forward, traced_graph_of

__all__ = ["INPUT", "Graph", "Node", "trace"]

#: The name of the images that come in.
INPUT = "input"

_WITHOUT_EFFECT = nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout


@dataclass(frozen=True)
class Node:
    """A layer in its place: its name, and the names of those whose results it takes."""

    name: str
    inputs: tuple[str, ...]


class Graph(nn.Module):
    """Layers in the order of computing. Make one with :func:`trace`.

    It computes what the network computed. Three tables hold modules by the names of nodes:
    ``layers``, one each; ``activations``, which were fused into a layer; and ``quantizers``, which
    round what a layer and its activation hand on (and the images, as ``"input"``). Between the
    two, a layer whose weights and input are quantized has its bias rounded to a code
    (:func:`~quantlib.ptq.requantization.bias_codes`).
    """

    def __init__(self, nodes, outputs, image_shape=None):
        super().__init__()
        self.nodes, self.outputs = dict(nodes), outputs
        #: C, H and W, once images were seen.
        self.image_shape = image_shape
        #: By name: mean and standard deviation of each channel before the activation, as batch
        #: normalization remembered them.
        self.statistics = {}
        #: Names of the nodes that were asked to stay in floating point.
        self.float_layers = ()
        self.layers, self.activations, self.quantizers = Table(), Table(), Table()

    def forward(self, images):
        """Return what the network says of images (N x C x H x W), a tensor or a tuple of them."""
        return self.run(images)

    def run(self, images, visit=None):
        """Do the same, and call ``visit(name, value)`` with what each node hands on.

        If ``visit`` returns a tensor, that goes on in place of the value.
        """
        if visit is None:
            visit = _look_at_nothing
        values, left = {}, dict.fromkeys(self.nodes, 0)
        for name in (*(n for node in self.nodes.values() for n in node.inputs), *self.ends):
            left[name] = left.get(name, 0) + 1
        self._hand_on(INPUT, images, values, visit)
        for node in self.nodes.values():
            layer = self.layers[node.name]
            x = layer(*(values[name] for name in node.inputs))
            given = self.quantizers.get(self.coded_by(node.inputs[0])) if node.inputs else None
            if (rounding := bias_rounding(layer, given)) is not None:
                x = x + rounding
            if node.name in self.activations:
                x = self.activations[node.name](x)
            self._hand_on(node.name, x, values, visit)
            for name in node.inputs:
                left[name] -= 1
                if not left[name]:
                    values.pop(name, None)
        found = tuple(values[name] for name in self.ends)
        return found if isinstance(self.outputs, tuple) else found[0]

    def _hand_on(self, name, x, values, visit):
        if name in self.quantizers:
            x = self.quantizers[name](x)
        changed = visit(name, x)
        values[name] = x if changed is None else changed

    @property
    def ends(self):
        """The names of the nodes whose results are the network's, a tuple."""
        return self.outputs if isinstance(self.outputs, tuple) else (self.outputs,)

    def readers(self, name):
        """Return the nodes that take the result of ``name``, once for each time they do."""
        return [node for node in self.nodes.values() for n in node.inputs if n == name]

    def coded_by(self, name):
        """Return whose quantizer a result has its codes of: maxima keep those before them."""
        while name in self.nodes and isinstance(self.layers[name], SAME_CODES):
            name = self.nodes[name].inputs[0]
        return name

    def only_reader(self, name):
        """Return the node that alone takes the result of ``name``, or None."""
        readers = self.readers(name)
        return readers[0] if len(readers) == 1 and name not in self.ends else None

    def copy(self):
        """Return a graph with layers of its own."""
        return copy.deepcopy(self)

    def remove(self, name):
        """Take a node out; those that took its result take that of its first input instead."""
        before = self.nodes.pop(name).inputs[0]
        for node in self.nodes.values():
            inputs = tuple(before if n == name else n for n in node.inputs)
            self.nodes[node.name] = replace(node, inputs=inputs)
        ends = tuple(before if n == name else n for n in self.ends)
        self.outputs = ends if isinstance(self.outputs, tuple) else ends[0]
        for table in (self.layers, self.activations, self.quantizers):
            table.pop(name)

    def named_layers(self, *kinds):
        """Return the layers of some types by the names of their nodes, in order.

        >>> list(trace(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()).eval()).named_layers(nn.ReLU))
        ['1']
        """
        return {n: self.layers[n] for n in self.nodes if isinstance(self.layers[n], kinds)}

    def extra_repr(self):
        """Return a line for each node."""
        return "\n".join(f"{node.name} <- {', '.join(node.inputs)}" for node in self.nodes.values())


def _look_at_nothing(name, value):
    return None


class Table(nn.Module):
    """Modules by names of nodes, in which a dot is no step downwards (``"stage1.conv"``)."""

    def __getitem__(self, name):
        return self._modules[_key(name)]

    def __setitem__(self, name, module):
        self._modules.pop(_key(name), None)
        self.add_module(_key(name), module)

    def __contains__(self, name):
        return _key(name) in self._modules

    def get(self, name, default=None):
        """Return the module of that name, or ``default``."""
        return self._modules.get(_key(name), default)

    @property
    def names(self):
        """The names of nodes that have a module here, in the order in which they came."""
        return [key.rstrip("/").replace("/", ".") for key in self._modules]

    def pop(self, name):
        """Return the module of that name and take it out; None if there is none."""
        return self._modules.pop(_key(name), None)


def _key(name):
    # A node may have the name of a method, such as "to"; a module's key may not.
    key = name.replace(".", "/")
    return f"{key}/" if hasattr(Table, key) else key


def trace(model):
    """Return a network as a :class:`Graph`, with layers of its own. ``model`` stays as it is.

    Functions become layers (``torch.relu`` becomes ``nn.ReLU``), dropout is left out, and a layer
    that is called twice becomes two. A layer is called as the model calls it; what the course's
    quantization does not know is kept, as it can stay in floating point.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode, with one input, images N x C x H x W; options of its ``forward`` keep
        their defaults. It may not decide by the values or the sizes of what it computes. The graph
        computes in float32, also what ``model`` computes in float16 or float64. Of a Graph a copy
        is returned.

    Raises
    ------
    ValueError
        If the model is in training mode, cannot be traced, has hooks or parametrizations, takes
        more than images, or gives something else than a tensor or a tuple of tensors.

    Examples
    --------
    >>> from quantlib import models
    >>> graph = trace(models.load_pretrained())
    >>> [node.name for node in graph.nodes.values()][:4]
    ['conv1', 'bn1', 'relu', 'conv2']
    """
    if isinstance(model, Graph):
        return model.copy()
    check_model(model)
    check_numbers(model)
    for name, module in model.named_modules():
        if module.training:
            raise ValueError(
                f"model must be in evaluation mode, got {name or 'model'} in training mode: "
                f"call model.eval() first"
            )
        if isinstance(module, torch.jit.ScriptModule) or hasattr(module, "_orig_mod"):
            raise ValueError(
                f"model must be one of Python's modules, got {name or 'model'} compiled or "
                f"scripted: give the one that torch.compile or torch.jit was given"
            )
        if what := altered(module):
            raise ValueError(f"model has {what} at {name or 'model'}: remove them first")
    model = copy.copy(model)  # fx hangs the tensors that forward makes on it
    return _as_graph(model, traced_graph_of(model))


def _as_graph(model, traced_graph):
    modules = dict(model.named_modules(remove_duplicate=False))
    names, nodes, layers = {}, {}, {}  # what each of fx's nodes is called here
    images = [n for n in traced_graph.nodes if n.op == "placeholder"]
    if len(images) != 1:
        raise ValueError(f"model must take images alone, got {', '.join(n.name for n in images)}")
    names[images[0]] = INPUT
    constants = {n: _constant(model, n.target) for n in traced_graph.nodes if n.op == "get_attr"}
    for node in traced_graph.nodes:
        if node.op in ("placeholder", "get_attr"):
            continue
        if node.op == "output":
            outputs = _outputs(node.args[0], names)
            break
        known = node.all_input_nodes and all(x in constants for x in node.all_input_nodes)
        if known and node.op != "call_module":
            check_changed(node, in_place(node, modules), constants)
            constants[node] = value_of(node, constants)
            continue
        if node.op == "call_module":
            layer, inputs = copy.deepcopy(modules[node.target]), node.all_input_nodes
            layer = OwnForward(layer) if has_own_forward(layer) else layer
            name = _free(node.target, nodes)
        else:
            try:
                found = layer_of(node, constants)
            except NotAFunction as why:
                raise ValueError(f"model cannot be quantized: {node.name} {why}") from None
            if found is None:  # a size, which a reshape before a linear layer asked for
                continue
            (layer, inputs), name = found, _free(node.name, nodes)
        if isinstance(layer, _WITHOUT_EFFECT):
            names[node] = names[inputs[0]]
            continue
        before = tuple(names[x] for x in inputs)
        parts = layer if isinstance(layer, nn.Sequential) else [layer]
        for part in parts:
            name = _free(name, nodes)
            nodes[name], layers[name], before = Node(name, before), part, (name,)
        names[node] = name
        if (changed := in_place(node, modules)) is not None:
            check_changed(node, changed, constants)
            # Whoever reads the changed tensor from here on reads the result.
            names |= dict.fromkeys([n for n in names if names[n] == names[changed]], name)
            layer.inplace = False
    graph = Graph(nodes, outputs, getattr(model, "image_shape", None))
    for name, layer in layers.items():
        graph.layers[name] = layer
    return graph.eval().float().requires_grad_(False)


def _constant(model, target):
    value = model
    for part in target.split("."):
        value = getattr(value, part)
    real = isinstance(value, torch.Tensor) and value.is_floating_point()
    return value.detach().float() if real else value


def _free(name, taken):
    """Return ``name``, with a number behind it if it is taken."""
    tries = (name if i == 0 else f"{name}_{i}" for i in range(len(taken) + 2))
    return next(n for n in tries if n not in taken and n != INPUT)


def _outputs(found, names):
    if isinstance(found, fx.Node):
        return names[found]
    if isinstance(found, (tuple, list)) and all(isinstance(n, fx.Node) for n in found):
        return tuple(names[n] for n in found)
    kind = type(found).__name__.removeprefix("immutable_")  # fx's copies of lists and dicts
    raise ValueError(f"model must give a tensor or a tuple of tensors, got a {kind}")


def as_images(images, name="images"):
    """Return images as a float32 tensor N x C x H x W; raise unless they are some, and finite."""
    try:
        images = torch.as_tensor(images)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"{name} must be an array or tensor N x C x H x W, got {type(images).__name__}"
        ) from error
    if not images.is_floating_point():
        raise TypeError(f"{name} must be floating-point, got dtype {images.dtype}")
    if images.ndim != 4 or not len(images):
        raise ValueError(
            f"{name} must be N x C x H x W with one image or more, got shape {tuple(images.shape)}"
        )
    images = images.to("cpu", torch.float32)
    if not traced(images) and not torch.isfinite(images).all():
        spoilt = (~torch.isfinite(images).flatten(1).all(1)).nonzero().flatten().tolist()
        raise ValueError(f"{name} must be finite, got NaN or infinity in image {spoilt[0]}")
    return images


def check_graph(graph, name="graph"):
    """Return ``graph``; raise TypeError unless it is one."""
    if not isinstance(graph, Graph):
        raise TypeError(f"{name} must be what ptq.trace returns, got {type(graph).__name__}")
    return graph
