"""What ``forward`` does, written down by torch.fx."""

import inspect
import operator

from torch import fx, nn

from quantlib.layers.modules import QuantLayer
from quantlib.ptq._functions import AUGMENTED, is_view

__all__ = ["check_changed", "has_own_forward", "traced_graph_of"]

_LEAVES = nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d


class _Proxy(fx.Proxy):
    """Stands for a tensor while ``forward`` is traced, and tells ``x += y`` from ``x = x + y``."""

    __module__ = fx.Proxy.__module__  # by which others know one


def _augmented(name):
    function = getattr(operator, name)

    def method(self, other):
        return self.tracer.create_proxy("call_function", function, (self, other), {})

    return method


for _name in AUGMENTED:
    setattr(_Proxy, f"__{_name}__", _augmented(_name))


class _Tracer(fx.Tracer):
    """Steps into modules that are not torch's, and into sequences."""

    def proxy(self, node):
        return _Proxy(node, self)

    def is_leaf_module(self, module, name):
        # A convolution of another class is kept whole; ours with quantizers are refused later.
        if isinstance(module, _LEAVES):
            return True
        return super().is_leaf_module(module, name)

    def create_args_for_root(self, root_fn, is_module, concrete_args=None):
        """Trace ``forward(images)``: its options, which have values of their own, keep these."""
        _, *others = list(inspect.signature(root_fn).parameters.values())[1:] or [None]
        if any(p.default is p.empty for p in others):  # variable ones among them
            return super().create_args_for_root(root_fn, is_module, concrete_args)

        def with_images(model, images):
            return root_fn(model, images)

        return super().create_args_for_root(with_images, is_module, concrete_args)


def traced_graph_of(model):
    """Return the graph of torch.fx of what ``forward`` does, or refuse the model in words."""
    try:
        return _Tracer().trace(model)
    except Exception as error:
        raise ValueError(
            f"model cannot be traced, as its forward decides by what it computes or takes more "
            f"than images ({type(error).__name__}: {error}): write that part without if, loops "
            f"and numbers that depend on the images"
        ) from error


def has_own_forward(layer):
    """Return whether a layer's class computes otherwise than torch's that it comes from."""
    kind = next((k for k in _LEAVES if isinstance(layer, k)), None)
    methods = () if kind is None or isinstance(layer, QuantLayer) else ("forward", "_conv_forward")
    return any(getattr(type(layer), m, None) is not getattr(kind, m, None) for m in methods)


def check_changed(node, changed, constants):
    """Raise if ``node`` changes, in place, what something else reads by another name."""
    if changed in constants:
        raise ValueError(f"model cannot be quantized: {node.name} changes a buffer or parameter")
    if changed is None:
        return
    order = {n: i for i, n in enumerate(node.graph.nodes)}
    while is_view(changed):
        changed = changed.all_input_nodes[0]
        if any(order[user] > order[node] for user in changed.users):
            raise ValueError(
                f"model cannot be quantized: {node.name} changes in place a view of "
                f"{changed.name}, which is read later: write it without a change in place"
            )
