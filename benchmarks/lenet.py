"""A 5-layer LeNet in float32 and in integers with bit shifts, as in Nayak et al. 2019, IV.d.

Both are written twice: one product at a time, with the compiler's vectorization off, as a plain C
program would be; and tuned, float32 by torch, integers by the kernels. The integer network
multiplies nowhere: weights are powers of two, activations 8 bits, and the way back to 8 bits after
each layer is a shift to the right. A third scalar form, integers with products, tells what the
shifts do from what the integers do.
"""

import numba
import numpy as np
import torch
from numba import njit

from quantlib import kernels, logarithmic, models

__all__ = ["Networks"]

LAYERS = ("conv1", "conv2", "fc1", "fc2", "fc3")
POOLED = {"conv1", "conv2"}


def _scalar(function):
    """Compile at once for every type of argument, without the vectorizer."""
    return njit(error_model="numpy", nogil=True)(function)


@_scalar
def _convolve_product(x, w, bias, out):
    for o in range(w.shape[0]):
        for y in range(out.shape[1]):
            for z in range(out.shape[2]):
                total = bias[o]
                for c in range(w.shape[1]):
                    for i in range(w.shape[2]):
                        for j in range(w.shape[3]):
                            total += x[c, y + i, z + j] * w[o, c, i, j]
                out[o, y, z] = total


@_scalar
def _convolve_shift(x, w, bias, out):
    """The same with shifts. A code is 0, or the sign times (exponent + 1).

    Written so that the compiler selects instead of branching: a branch on the sign of a weight
    cannot be foreseen.
    """
    for o in range(w.shape[0]):
        for y in range(out.shape[1]):
            for z in range(out.shape[2]):
                total = bias[o]
                for c in range(w.shape[1]):
                    for i in range(w.shape[2]):
                        for j in range(w.shape[3]):
                            code = w[o, c, i, j]
                            value = x[c, y + i, z + j] << (abs(code) - np.int32(1))
                            total += value if code > 0 else (-value if code < 0 else np.int32(0))
                out[o, y, z] = total


@njit(nogil=True)
def _largest(x, c, y, z, pooled):
    """Return the largest value of a window of 2 x 2, or the one value without pooling."""
    if not pooled:
        return x[c, y, z]
    upper = max(x[c, 2 * y, 2 * z], x[c, 2 * y, 2 * z + 1])
    return max(upper, max(x[c, 2 * y + 1, 2 * z], x[c, 2 * y + 1, 2 * z + 1]))


@_scalar
def _activate_float(x, pooled, out):
    for c in range(out.shape[0]):
        for y in range(out.shape[1]):
            for z in range(out.shape[2]):
                out[c, y, z] = max(_largest(x, c, y, z, pooled), np.float32(0))


@_scalar
def _activate_shift(x, pooled, by, out):
    for c in range(out.shape[0]):
        for y in range(out.shape[1]):
            for z in range(out.shape[2]):
                value = _largest(x, c, y, z, pooled)
                out[c, y, z] = min(max(value >> by, np.int32(0)), np.int32(255))


@njit(nogil=True)
def _activate_batch(x, pooled, by, out):
    for n in range(len(x)):
        image = x[n]
        for c in range(out.shape[1]):
            for y in range(out.shape[2]):
                for z in range(out.shape[3]):
                    value = _largest(image, c, y, z, pooled)
                    out[n, c, y, z] = min(max(value >> by, 0), 255)


class Networks:
    """The four networks on the same weights and frames.

    Parameters
    ----------
    n_frames : int
        Frames of 28 x 28 that one call of a network takes.
    seed : int
        Of the weights and the frames. A network's speed does not depend on what it has learnt.
    """

    def __init__(self, n_frames, seed=0):
        rng = np.random.default_rng(seed)
        self.frames = rng.integers(0, 256, (n_frames, 1, 28, 28)).astype(np.uint8)
        self.images = self.frames.astype(np.float32) / 255
        self.model = models.LeNet5(seed=seed).eval()
        self.tensors = torch.tensor(self.images)
        weights = {name: getattr(self.model, name).weight.detach().numpy() for name in LAYERS}
        biases = {name: getattr(self.model, name).bias.detach().numpy() for name in LAYERS}
        weights["fc1"] = weights["fc1"].reshape(120, 16, 5, 5)  # a linear layer is a convolution
        shapes = {name: w if w.ndim == 4 else w[:, :, None, None] for name, w in weights.items()}
        self.weights = {name: np.ascontiguousarray(w) for name, w in shapes.items()}
        self.biases = biases
        self.codes, self.powers, self.packed, self.low = {}, {}, {}, {}
        for name, w in self.weights.items():
            qparams = logarithmic.choose_qparams(w, bit_width=4)
            sign, exponent = qparams.signs_and_exponents(logarithmic.quantize(w, qparams))
            self.low[name] = int(exponent[sign != 0].min())
            exponent = np.where(sign == 0, 0, exponent - self.low[name])
            self.codes[name] = (sign * (exponent + 1)).astype(np.int32)
            self.powers[name] = (sign << exponent).astype(np.int32)
            flat = (len(w), -1) if name not in POOLED else w.shape
            self.packed[name] = kernels.pack_shifts(sign.reshape(flat), exponent.reshape(flat))
        self._calibrate()

    def _calibrate(self):
        """Choose each layer's shift to the right so that the largest result fits into 8 bits."""
        self.integer_biases, self.shifts, unit = {}, {}, 1 / 255
        x = self.frames[:50].astype(np.int32)
        for name in LAYERS:
            unit *= 2.0 ** self.low[name]
            self.integer_biases[name] = np.rint(self.biases[name] / unit).astype(np.int32)
            result = self._layer(name, x, num_threads=1)
            self.shifts[name] = max(0, int(result.max()).bit_length() - 8)
            unit *= 2.0 ** self.shifts[name]
            x = self._next(name, result)

    def _layer(self, name, x, num_threads):
        bias = self.integer_biases[name]
        if name in POOLED:
            padding = 2 if name == "conv1" else 0
            out = kernels.shift_conv2d(
                x, self.packed[name], padding=padding, num_threads=num_threads
            )
            out += bias[:, None, None]
        else:
            rows = x.reshape(len(x), -1)
            out = kernels.shift_gemm(rows, self.packed[name], num_threads=num_threads)
            out += bias
            out = out[:, :, None, None]
        return out

    def _next(self, name, result):
        pooled = name in POOLED
        size = (s // 2 if pooled else s for s in result.shape[2:])
        out = np.empty((*result.shape[:2], *size), np.uint8)
        _activate_batch(result, pooled, self.shifts[name], out)
        return out

    def tuned_float(self):
        """Run torch on all frames at once."""
        with torch.inference_mode():
            return self.model(self.tensors).numpy()

    def tuned_shift(self, num_threads):
        """Run the kernels on all frames at once."""
        x = self.frames
        for name in LAYERS:
            result = self._layer(name, x, num_threads)
            if name == LAYERS[-1]:
                return result[:, :, 0, 0]
            x = self._next(name, result)

    def scalar_float(self):
        """Run the frames one by one, one product at a time."""
        return self._scalar(
            self.images, self.weights, self.biases, np.float32, _convolve_product,
            _activate_float, (),
        )  # fmt: skip

    def scalar_shift(self):
        """Run the frames one by one, one shift at a time."""
        return self._scalar_integers(self.codes, _convolve_shift)

    def scalar_integer(self):
        """Run the frames one by one, one product of integers at a time."""
        return self._scalar_integers(self.powers, _convolve_product)

    def _scalar_integers(self, weights, convolve):
        shifts = [(np.int32(self.shifts[name]),) for name in LAYERS]
        return self._scalar(
            self.frames, weights, self.integer_biases, np.int32, convolve, _activate_shift, shifts
        )

    def _scalar(self, frames, weights, biases, dtype, convolve, activate, shifts):
        padded = np.pad(frames, ((0, 0), (0, 0), (2, 2), (2, 2))).astype(dtype)
        vectorize, numba.config.LOOP_VECTORIZE = numba.config.LOOP_VECTORIZE, 0
        try:
            return np.array(
                [self._scalar_frame(x, weights, biases, convolve, activate, shifts) for x in padded]
            )
        finally:
            numba.config.LOOP_VECTORIZE = vectorize

    def _scalar_frame(self, x, weights, biases, convolve, activate, shifts):
        for i, name in enumerate(LAYERS):
            w = weights[name]
            if name == "fc1":
                x = x.reshape(16, 5, 5)
            size = (x.shape[1] - w.shape[2] + 1, x.shape[2] - w.shape[3] + 1)
            result = np.empty((len(w), *size), x.dtype)
            convolve(x, w, biases[name], result)
            if name == LAYERS[-1]:
                return result.ravel()
            pooled = name in POOLED
            x = np.empty((len(w), *(s // 2 if pooled else s for s in size)), x.dtype)
            activate(result, pooled, *(shifts[i] if shifts else ()), x)
