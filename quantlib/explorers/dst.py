"""The panels of chapter 8: one step of a weight over its states, and the grid of activations."""

import numbers

import numpy as np
from traitlets import Enum, Float, Int, List

from quantlib import dst
from quantlib._validation import check_integer, shown
from quantlib.explorers.panel import Panel, module, picture
from quantlib.figures import COLORS, new_figure

__all__ = ["GridPanel", "StepPanel", "grid_explorer", "step_explorer"]

#: What the panels' handles and sliders can reach.
SMALLEST_P = -3
TH = (0.05, 3.0)
Q2 = (2.0**-6, 2.0)
N_LEVELS = (2, 8)


class StepPanel(Panel):
    """What :func:`step_explorer` returns; a notebook can read and set these numbers."""

    _esm = module("dst_step.js")

    p = Int(-2, min=SMALLEST_P, max=0).tag(sync=True)
    change = Float().tag(sync=True)
    th = Float(0.5, min=TH[0], max=TH[1]).tag(sync=True)
    #: Whether the change stays what it is, or turns its sign round after every step.
    push = Enum(("same", "alternating"), "same").tag(sync=True)
    #: The states that the weight was in, the present one last, and where a real weight was.
    path = List(Int(), minlen=1).tag(sync=True)
    real = List(Float(), minlen=1).tag(sync=True)
    #: How many walks were begun before: each has random numbers of its own.
    walk = Int(0, min=0).tag(sync=True)


def step_explorer(p=-2, state=2, change=0.3, th=0.5):
    r"""Panel of one step of DST: the chances of every next state, and a walk that can be stepped.

    The chances are those of :func:`~quantlib.dst.states.step_distribution`, computed in the
    page, where a number between two states becomes either with equal odds. The random numbers of
    the walk are the same whenever the page is opened.

    Parameters
    ----------
    p : int
        The smallest exponent of a weight, -3 to 0.
    state : int
        Where the weight begins, one of the states of ``StateSpace(p)``.
    change : float
        :math:`\Delta w`, -1 to 1.
    th : float
        The steepness of the gate's chance, 0.05 to 3.

    Examples
    --------
    >>> panel = step_explorer(p=-1, state=-2)
    >>> panel.path, panel.real
    ([-2], [-1.0])
    """
    space = dst.StateSpace(check_integer(p, "p", SMALLEST_P, 0))
    if check_integer(state, "state", -space.largest, space.largest) not in space.states:
        raise ValueError(f"state must be one of {space.states}, got {state}")
    change, th = _within(change, "change", -1, 1), _within(th, "th", *TH)
    state = int(state)
    panel = StepPanel(p=space.p, change=change, th=th, path=[state], real=[state * space.unit])
    panel.first_picture = _first_step(space, state, change, th)
    return panel


class GridPanel(Panel):
    """What :func:`grid_explorer` returns; a notebook can read and set these numbers."""

    _esm = module("dst_grid.js")

    q2 = Float(0.25, min=Q2[0], max=Q2[1]).tag(sync=True)
    n_levels = Int(5, min=N_LEVELS[0], max=N_LEVELS[1]).tag(sync=True)


def grid_explorer(q2=0.25, n_levels=5):
    r"""Panel of the activations' grid: its first level and the number of levels, and the error.

    The error is :func:`~quantlib.dst.grid.expected_error` for the normal density, and the best
    first level that of :func:`~quantlib.dst.grid.optimal_q2`, both computed in the page.

    Parameters
    ----------
    q2 : float
        The first level above 0, 1/64 to 2.
    n_levels : int
        Levels from 0 on, 2 to 8.

    Examples
    --------
    >>> panel = grid_explorer()
    >>> panel.q2, panel.n_levels
    (0.25, 5)
    """
    q2, n_levels = _within(q2, "q2", *Q2), check_integer(n_levels, "n_levels", *N_LEVELS)
    panel = GridPanel(q2=q2, n_levels=n_levels)
    panel.first_picture = _first_grid(q2, n_levels)
    return panel


def _within(value, name, low, high):
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {shown(value)}")
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low:g} to {high:g}, got {value}")
    return float(value)


def _first_step(space, state, change, th):
    weights = np.array(space.states) * space.unit
    chances = dst.step_distribution(state, change, space, th=th)
    here, wanted = state * space.unit, state * space.unit + change
    figure, axes = new_figure(5.0, 3.0)
    axes.bar(weights, chances, width=0.4 * space.unit, color=COLORS["sky"])
    axes.axvline(here, color=COLORS["black"])
    axes.axvline(wanted, color=COLORS["vermillion"], linestyle="--")
    axes.set_ylim(0, 1)
    axes.set_xlabel("weight")
    axes.set_ylabel("chance of the next state")
    ends = ", ".join(
        f"{weight:g} with {100 * chance:.1f} %"
        for weight, chance in zip(weights, chances, strict=True)
        if chance
    )
    return picture(
        figure,
        f"The chance of every next state of a weight at {here:g} (solid line) that should change "
        f"by {change:g} (dashed line), where th is {th:g} and weights are 0 or powers of two from "
        f"{space.unit:g} to 1: {ends}.",
    )


def _first_grid(q2, n_levels):
    levels, thresholds = dst.grid_levels(q2, n_levels), dst.grid_thresholds(q2, n_levels)
    figure, axes = new_figure(5.0, 3.0)
    x = np.linspace(0, 4, 401)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    places = np.searchsorted(thresholds, x)
    for i, shade in zip(range(n_levels), ["sky", "orange"] * 4, strict=False):
        axes.fill_between(x, density, where=places == i, color=COLORS[shade], linewidth=0)
    axes.vlines(levels[levels <= 4], 0, 0.42, color=COLORS["black"])
    axes.vlines(
        thresholds[thresholds <= 4], 0, 0.42, color=COLORS["black"], linestyle=":", linewidth=1
    )
    axes.set_ylim(0, 0.42)
    axes.set_xlim(-0.02, 4)
    axes.set_xlabel("activation x")
    axes.set_ylabel("normal density")
    error, best = dst.expected_error(q2, n_levels), dst.optimal_q2(n_levels)
    return picture(
        figure,
        f"The normal density above 0 with {n_levels} levels, 0 and powers of two times {q2:g} "
        f"(solid), and the thresholds half-way between them (dotted): the expected squared error "
        f"is {error:.4f}. The least for as many levels is {best.error:.4f}, where the first is "
        f"{best.q2:.3g}.",
    )
