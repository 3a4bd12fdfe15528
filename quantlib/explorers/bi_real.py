"""The panel of chapter 6: what the sign is taken for on the way back, and where that leads."""

import numpy as np
import torch
from traitlets import Enum, Float, Int

from quantlib import bi_real, binary
from quantlib.explorers.panel import Panel, module, picture
from quantlib.figures import COLORS, new_figure

__all__ = ["EstimatorPanel", "descend", "estimator_explorer"]

#: The estimators: name, and the sign with that gradient.
ESTIMATORS = {
    "clip": binary.sign_ste,
    "identity": lambda x: binary.sign_ste(x, clip_value=None),
    "ApproxSign": bi_real.approx_sign_ste,
}
STEPS = 40


class EstimatorPanel(Panel):
    """What :func:`estimator_explorer` returns; a notebook can read and set these numbers."""

    _esm = module("bi_real.js")

    estimator = Enum(("all", "clip", "identity", "approx"), "all").tag(sync=True)
    start = Float(-0.8).tag(sync=True)
    target = Float(0.4).tag(sync=True)
    rate = Float(0.1).tag(sync=True)
    steps = Int(0, min=0, max=STEPS).tag(sync=True)


def estimator_explorer():
    r"""Panel of estimators: clip, identity and ApproxSign, and the path of one number by each.

    The number descends, step by step, the cost :math:`C = \frac12 (\mathrm{sign}(x) - t)^2` of a
    target t, with an estimator's slope e for the sign's:

    .. math:: x \leftarrow x - \eta\, (\mathrm{sign}(x) - t)\, e(x)

    >>> panel = estimator_explorer()
    >>> panel.start, panel.target, panel.rate, panel.steps
    (-0.8, 0.4, 0.1, 0)
    """
    panel = EstimatorPanel()
    panel.first_picture = _first_picture(panel.start, panel.target, panel.rate)
    return panel


def descend(sign, start, target, rate, steps):
    """Return where x is after 0, 1, 2, … steps, by torch's gradients.

    >>> [round(x, 3) for x in descend(binary.sign_ste, -0.2, 0.4, 0.1, 3)]
    [-0.2, -0.06, 0.08, 0.02]
    """
    x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    path = [x.item()]
    for _ in range(steps):
        (gradient,) = torch.autograd.grad((sign(x) - target) ** 2 / 2, x)
        x = (x - rate * gradient).detach().requires_grad_()
        path.append(x.item())
    return path


def _first_picture(start, target, rate):
    figure, (above, below) = new_figure(5.0, 4.6, rows=2)
    x = torch.linspace(-2.2, 2.2, 441, dtype=torch.float64, requires_grad=True)
    last = {}
    for (name, sign), color, style in zip(
        ESTIMATORS.items(), ("blue", "orange", "vermillion"), ("-", "--", ":"), strict=True
    ):
        (slope,) = torch.autograd.grad(sign(x).sum(), x)
        look = {"color": COLORS[color], "linestyle": style, "label": name}
        above.plot(x.detach(), slope, **look)
        path = descend(sign, start, target, rate, STEPS)
        below.plot(np.arange(STEPS + 1), path, **look)
        last[name] = path[-1]
    above.set_xlabel("x")
    above.set_ylabel("slope")
    above.legend()
    below.set_xlabel("steps")
    below.set_ylabel("x")
    ends = ", ".join(f"{round(value, 2) + 0:.2f} by {name}" for name, value in last.items())
    return picture(
        figure,
        f"Above, the slopes that clip, identity and ApproxSign lend the sign. Below, x over "
        f"{STEPS} steps of {rate} towards a sign whose mean is {target}, from {start}: it ends at "
        f"{ends}.",
    )
