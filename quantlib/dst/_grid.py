"""The grid of activations and its derivative on float32 tensors, in few passes over memory.

What they give is what :func:`~quantlib.dst.grid.to_grid` and
:func:`~quantlib.dst.grid.to_grid_derivative` give, bit for bit but for the sign of a zero.
"""

import numpy as np
import torch
from torch.nn.functional import hardshrink

from quantlib.dst.grid import to_grid, to_grid_derivative

__all__ = ["OnGrid"]

#: Numbers that a processor works on at a time: they stay in its cache.
PIECE = 2**17

#: Of a float32 number's bits: the largest fraction, and the exponent.
FRACTION, EXPONENT = 0x007FFFFF, 0x7F800000


class OnGrid(torch.autograd.Function):
    """``OnGrid.apply(x, q2, n_levels, signed)``: the levels of x, with the paper's derivative."""

    @staticmethod
    def forward(x, *grid):
        """Return the levels."""
        if _in_place(x):
            return _in_pieces(_write_levels, x, *grid)
        return to_grid(x, *grid[:2], signed=grid[2])

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Keep what the derivative needs."""
        x, *ctx.grid = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, gradient):
        """Return the gradient times the derivative."""
        (x,), grid = ctx.saved_tensors, ctx.grid
        if _in_place(x):
            passed = _in_pieces(_write_slopes, x, *grid, gradient)
        else:
            passed = to_grid_derivative(x, *grid[:2], signed=grid[2]) * gradient
        return passed, None, None, None


def _in_place(x):
    """Whether ``x`` is worked on by its bits, and not while torch.func records what is done."""
    return x.dtype == torch.float32 and not torch.is_grad_enabled()


def _in_pieces(write, x, q2, n_levels, signed, *others):
    out = torch.empty_like(x)
    arrays = x, out, *others
    if x.device.type == "cpu" and all(a.is_contiguous() for a in arrays):
        arrays = (a.view(-1).split(PIECE) for a in arrays)
    else:
        arrays = ([a] for a in arrays)
    for piece, *rest in zip(*arrays, strict=True):
        write(piece if signed else piece.clamp(min=0), *rest, q2, n_levels)
    return out


def _write_levels(x, out, q2, n_levels):
    """Write the levels of ``x`` to ``out``.

    In units of the threshold above the first level the numbers up to 1 become 1, those up to 2
    become 2, and so on: the next power of two from each on, which is a matter of its bits. Division
    keeps the order: of all numbers above a threshold even the next one is above it afterwards.
    """
    torch.abs(x, out=out).div_(float(np.float32(1.5 * q2))).clamp_(1, 2.0 ** (n_levels - 2))
    out.view(torch.int32).add_(FRACTION).bitwise_and_(EXPONENT)
    out.mul_(q2).mul_(hardshrink(x, q2 / 2).sign_())
    out.add_(x.clamp(0, 0))  # a NaN stays one


def _write_slopes(x, out, gradient, q2, n_levels):
    """Write the derivatives at ``x``, times the gradient, to ``out``."""
    last = q2 / 2 if n_levels == 2 else 1.5 * q2 * 2.0 ** (n_levels - 3)
    torch.abs(x, out=out).sub_(last).clamp_(min=0).add_(1).reciprocal_()
    out.mul_(hardshrink(x, q2 / 2).sign_().abs_()).mul_(gradient)
