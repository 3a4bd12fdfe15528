"""A network quantized in one call, after it was trained."""

from typing import NamedTuple

from quantlib._validation import check_flag
from quantlib.evaluation import check_dataset
from quantlib.ptq import equalization
from quantlib.ptq.analysis import Report, report
from quantlib.ptq.bias_correction import correct_bias
from quantlib.ptq.calibration import calibrate
from quantlib.ptq.folding import fold
from quantlib.ptq.graph import Graph, trace
from quantlib.ptq.integer import IntegerNetwork
from quantlib.ptq.lowering import to_integer
from quantlib.ptq.observers import MinMax
from quantlib.ptq.simulation import activation_qparams, bits_by_name, simulate, weight_qparams
from quantlib.ptq.support import check_float_layers

__all__ = ["Quantized", "quantize_model"]


class Quantized(NamedTuple):
    """A quantized network, what became of its layers, and the two graphs on the way."""

    #: IntegerNetwork: computes in whole numbers.
    network: IntegerNetwork
    #: Report: layer by layer, what quantization did; None if none was asked for.
    report: Report | None
    #: Graph: the folded (and equalized) network in floating point.
    folded: Graph
    #: Graph: the same on the levels of codes, still in floating point.
    simulated: Graph


def quantize_model(
    model,
    calibration_images,
    bit_width,
    *,
    act_bit_width=8,
    per_channel=True,
    mapping="symmetric",
    observer=None,
    weight_observer=None,
    equalize=False,
    bias_correction=False,
    float_layers=(),
    dataset=None,
    with_report=True,
    batch_size=64,
):
    """Quantize a trained network, and report what it did to each layer.

    The parts, which can be called one by one: :func:`~quantlib.ptq.graph.trace`,
    :func:`~quantlib.ptq.folding.fold`, :func:`~quantlib.ptq.equalization.equalize`,
    :func:`~quantlib.ptq.calibration.calibrate`, :func:`~quantlib.ptq.simulation.simulate`,
    :func:`~quantlib.ptq.bias_correction.correct_bias`,
    :func:`~quantlib.ptq.lowering.to_integer`, :func:`~quantlib.ptq.analysis.report`.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode; it stays as it is. Layers: Conv2d (groups and dilation too), Linear,
        BatchNorm, ReLU, ReLU6, sigmoid and other functions of single numbers, pooling, addition,
        concatenation along the channels, flatten.
    calibration_images : numpy.ndarray or torch.Tensor
        N x C x H x W, as the network takes them. A hundred to a thousand are usual (Chenna, section
        5.2). They need no labels, and must not be the test images.
    bit_width : int or dict of str to int
        Of the weights, 2 to 8; a dict gives it by layer, and under ``""`` for all others.
    act_bit_width : int or dict of str to int
        Of what layers hand on, and of the images (``"input"``), 2 to 8.
    per_channel : bool
        Whether each output channel's weights have a scale of their own.
    mapping : {"symmetric", "asymmetric"}
        Of the weights.
    observer : observer or dict of str to observer, optional
        How ranges are chosen (:mod:`quantlib.ptq.observers`); ``MinMax()`` if not given.
    weight_observer : observer, optional
        The same for weights.
    equalize, bias_correction : bool
        Whether channels are equalized before, and biases corrected after.
    float_layers : list of str
        Layers that stay in floating point, by the names of the folded graph.
    dataset : Dataset, optional
        Its test images give the report's accuracies.
    with_report : bool
        Whether to make the report, which computes the network once more for each layer.

    Returns
    -------
    Quantized
        ``network``, ``report``, ``folded`` and ``simulated``.

    Raises
    ------
    ValueError
        If the model is in training mode or cannot be traced; if it has a layer that cannot run in
        whole numbers and is not named in ``float_layers``; if there are no calibration images, or
        NaN or infinity in one of them or in what a layer makes of it.

    Examples
    --------
    >>> from quantlib import data, models
    >>> digits = data.load()
    >>> found = quantize_model(
    ...     models.load_pretrained(), digits.train_images[:100], bit_width=8, dataset=digits)
    >>> found.report.nbytes_before, found.network.nbytes
    (231296, 61232)
    >>> bool(found.report.accuracy > found.report.accuracy_before - 0.01)
    True
    """
    if dataset is not None:
        check_dataset(dataset)
    flags = {
        "per_channel": per_channel, "equalize": equalize, "bias_correction": bias_correction,
        "with_report": with_report,
    }  # fmt: skip
    for name, flag in flags.items():
        check_flag(flag, name)
    folded = fold(trace(model))
    float_layers = check_float_layers(folded, float_layers)
    if equalize:
        folded = equalization.equalize(folded)
    observer = MinMax() if observer is None else observer
    seen = calibrate(folded, calibration_images, observer, batch_size=batch_size)
    weights = weight_qparams(
        folded, bit_width, per_channel=per_channel, mapping=mapping, observer=weight_observer
    )
    activations = activation_qparams(seen, bits_by_name(act_bit_width, list(seen), "act_bit_width"))
    simulated = simulate(folded, weights, activations, float_layers=float_layers)
    if bias_correction:
        simulated = correct_bias(folded, simulated, calibration_images, batch_size=batch_size)
    network = to_integer(simulated)
    told = None
    if with_report:
        told = report(folded, simulated, network, calibration_images, dataset=dataset, model=model)
    return Quantized(network, told, folded, simulated)
