"""From a trained network of binary layers to packed words."""

import copy

import torch
from torch import nn

from quantlib.binary.layers import BinaryConv2d, BinaryLinear
from quantlib.binary.lowering import NOTHING, Lowering, layers_of
from quantlib.binary.resnet import Residual
from quantlib.binary.thresholds import NORMALIZATIONS
from quantlib.models import check_model
from quantlib.packed.network import PackedNetwork

__all__ = ["to_packed"]


def to_packed(model):
    r"""Return a trained network as one that runs on packed words.

    Weights become bits. Where whole sums meet batch normalization and a sign, both become one
    comparison of integers for each channel:

    .. math::
        \mathrm{sign}\left(\gamma \frac{s - \mu}{\sqrt{v + \varepsilon}} + \beta\right) = +1
        \iff \begin{cases} s \ge t & \gamma > 0 \\ s \le t & \gamma < 0 \end{cases}
        \qquad t = \mu - \frac{\beta \sqrt{v + \varepsilon}}{\gamma}

    with t rounded to a whole number; for :math:`\gamma = 0` the sign is that of beta. It is
    found by asking the layer itself (:func:`~quantlib.binary.thresholds.sign_thresholds`), so that
    not even its rounding makes a difference: the sums and signs are those of the layers in
    evaluation mode, bit for bit, as long as the real numbers before them are. Real layers compute
    in float32 and round in another order than torch.

    Parameters
    ----------
    model : torch.nn.Module
        A :class:`torch.nn.Sequential` (or network of :mod:`quantlib.binary.networks`) of
        ``BinaryConv2d``, ``BinaryLinear``, ``Residual``, ``Conv2d``, ``Linear``,
        ``BatchNorm1d/2d``, ``ReLU``, ``MaxPool2d``, ``AdaptiveAvgPool2d(1)``, ``Flatten``,
        ``Dropout``, ``Identity`` and further sequences of them. Its input are images, so linear
        layers come after a ``Flatten``. It stays as it is.

    Returns
    -------
    PackedNetwork

    Raises
    ------
    TypeError
        If ``model`` is not a ``torch.nn.Module``.
    ValueError
        If some layers cannot be taken, or some numbers are NaN or infinite; all of them are
        listed by name.

    Notes
    -----
    Layers of binaryconnect and bwn have real input: their weights are kept as bits and unpacked
    for the product, which saves memory and no time.
    Source: Bei Yu, Mo04, "BNN" and "Advantages of BNN".

    Examples
    --------
    >>> layers = BinaryLinear(200, 100), nn.BatchNorm1d(100), BinaryLinear(100, 5)
    >>> to_packed(nn.Sequential(nn.Flatten(), *layers))
    <PackedNetwork of 4,340 bytes: Flatten - Sign - BinaryDense - Threshold - BinaryDense>
    >>> to_packed(nn.Sequential(nn.Sigmoid(), nn.Softmax(1)))
    Traceback (most recent call last):
        ...
    ValueError: model has layers that cannot be packed: 0 (Sigmoid), 1 (Softmax)
    """
    check_model(model)
    refused, _ = _refused(model, "", rows=False)
    if refused:
        raise ValueError(f"model has layers that cannot be packed: {', '.join(refused)}")
    model = copy.deepcopy(model).to("cpu", torch.float32).eval()
    spoilt = [name for name, x in model.state_dict().items() if not torch.isfinite(x).all()]
    if spoilt:
        raise ValueError(f"model must be finite, got NaN or infinity in {', '.join(spoilt)}")
    lowering = Lowering()
    with torch.no_grad():
        lowering.take(model)
        lowering.flush()
    shape = getattr(model, "image_shape", (lowering.in_channels, None, None))
    return PackedNetwork(lowering.steps, shape)


def _refused(module, name, rows):
    """Return the layers that cannot be packed, and whether numbers lie in rows behind ``module``.

    Each layer is listed with its name and type. ``rows`` says the same of its input.
    """
    inside = f"{name}." if name else ""
    if type(module) is Residual:
        ways = [_refused(way, inside + key, rows) for key, way in module.named_children()]
        return [entry for entries, _ in ways for entry in entries], ways[0][1]
    children = layers_of(module)
    if children is None:
        why = _why_not(module, rows)
        entries = [] if why is None else [f"{name or 'model'} ({type(module).__name__}{why})"]
        return entries, rows or isinstance(module, nn.Flatten)
    found = []
    for key, child in children:
        entries, rows = _refused(child, inside + key, rows)
        found += entries
    return found, rows


def _why_not(module, rows):
    """Return None if a layer can be taken, else what to say after its type's name."""
    kind = type(module)
    taken = (BinaryConv2d, BinaryLinear, nn.Linear, nn.ReLU, *NOTHING)
    rules = {
        nn.Conv2d: lambda m: (
            m.groups == 1
            and m.dilation == (1, 1)
            and m.padding_mode == "zeros"
            and not isinstance(m.padding, str)
            and m.padding[0] == m.padding[1]
            and m.stride[0] == m.stride[1]
        ),
        nn.MaxPool2d: lambda m: (
            all(isinstance(x, int) for x in (m.kernel_size, m.stride, m.padding))
            and m.dilation == 1
            and not m.ceil_mode
            and not m.return_indices
        ),
        nn.AdaptiveAvgPool2d: lambda m: m.output_size in (1, (1, 1)),
        nn.Flatten: lambda m: m.start_dim == 1 and m.end_dim == -1,
        **{norm: lambda m: m.running_mean is not None for norm in NORMALIZATIONS},
    }
    if kind in (nn.Linear, BinaryLinear, nn.BatchNorm1d) and not rows:
        return " without a Flatten before it"
    if kind in taken:
        return None
    if kind not in rules:
        return ""
    return None if rules[kind](module) else f" with {module.extra_repr()}"
