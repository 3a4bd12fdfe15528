"""AIMET's side of :mod:`benchmarks.ptq_tools`: encodings, folding, equalization, accuracy."""

import copy
import importlib.util
from importlib.resources import files

import torch
from aimet_torch.batch_norm_fold import fold_all_batch_norms
from aimet_torch.cross_layer_equalization import CrossLayerScaling, equalize_model
from aimet_torch.quantization.affine import QuantizeDequantize
from aimet_torch.quantization.encoding_analyzer import (
    MinMaxEncodingAnalyzer,
    PercentileEncodingAnalyzer,
    SqnrEncodingAnalyzer,
)
from aimet_torch.quantsim import QuantizationSimModel

from benchmarks import ptq_tools
from benchmarks.ptq_tools import DIGITS, IMAGES, as_lists, right
from quantlib import models, ptq

PACKAGES = ("aimet-torch", "torchvision")
PASSES = 200
DUMMY = torch.as_tensor(IMAGES[:1])


def analyzer(case, shape, two_sided, *, as_ours=False):
    """Return what AIMET chooses a range by; ``as_ours`` has its search weigh and try as ours."""
    if isinstance(case.observer, ptq.Percentile):
        # Ours leaves out a share in all, AIMET that share at each end.
        outside = (100 - case.observer.p) / (2 if two_sided else 1)
        return PercentileEncodingAnalyzer(shape, percentile=100 - outside)
    if isinstance(case.observer, ptq.MSE):
        options = {}
        if as_ours:
            options = {
                "gamma": 1.0, "asymmetric_delta_candidates": 1001, "offset_candidates": 3,
                "symmetric_delta_candidates": 1001, "max_parallelism": 8,
            }  # fmt: skip
        return SqnrEncodingAnalyzer(shape, **options)
    return MinMaxEncodingAnalyzer(shape)


def qparams(case, batches, **options):
    """Return AIMET's scale and zero point of one tensor."""
    low, high = {
        ("results", "asymmetric"): (0, 255), ("weights", "symmetric"): (-127, 127),
    }.get((case.of, case.mapping), (-128, 127))  # fmt: skip
    shape = (1,)
    if case.observer.axis is not None:
        shape = (len(batches[0]), *[1] * (batches[0].ndim - 1))
    two_sided = min(float(b.min()) for b in batches) < 0
    quantizer = QuantizeDequantize(
        shape, low, high, symmetric=case.mapping != "asymmetric",
        encoding_analyzer=analyzer(case, shape, two_sided, **options),
    )  # fmt: skip
    with quantizer.compute_encodings():
        for batch in batches:
            quantizer(batch)
    scale, offset = quantizer.get_scale().detach(), quantizer.get_offset().detach()
    return scale.flatten().double().numpy(), -offset.flatten().double().numpy()


def encodings():
    """Return scales and zero points of both for each case, by tensor."""
    graph, found = ptq_tools.folded_cnn(), {}
    for title, case in ptq_tools.CASES.items():
        found[title] = {}
        for name, batches in ptq_tools.tensors(graph, case.of).items():
            ours = ptq_tools.our_qparams(case, batches)
            row = {
                "quantlib": as_lists(ours.scale, ours.zero_point),
                "AIMET": as_lists(*qparams(case, batches)),
            }
            if case.scale_tolerance is None:
                row["AIMET, gamma 1, 1001 scales"] = as_lists(*qparams(case, batches, as_ours=True))
                for each in row.values():
                    each["squared_error"] = ptq_tools.squared_error(
                        each["scale"], each["zero_point"], case, batches
                    )
            found[title][name] = row
    return found


def folding():
    """Return how far weights and biases lie apart after folding, as a share of the largest."""
    found = {}
    for title, model in {
        "digits CNN": models.load_pretrained(),
        "digits MobileNet": ptq_tools.mobile_net()[0],
    }.items():
        ours, theirs = ptq.fold(ptq.trace(model)), copy.deepcopy(model)
        fold_all_batch_norms(theirs, None, dummy_input=DUMMY)
        theirs = dict(theirs.named_modules())
        found[title] = max(
            float((a - b).abs().max() / a.abs().max())
            for name, layer in ours.named_layers(torch.nn.Conv2d, torch.nn.Linear).items()
            for a, b in zip(
                (layer.weight, layer.bias), (theirs[name].weight, theirs[name].bias), strict=True
            )
        )
    return found


def equalization():
    """Return both sides' factors, on a MobileNet with weights as they are drawn and biases of 1."""
    graph = ptq_tools.drawn_net()
    # Three layers alone: AIMET has a formula, ours goes over the two pairs until nothing moves.
    three = ptq_tools.chain(graph)[:5]
    CrossLayerScaling().scale_model(three, dummy_input=DUMMY)
    triple = factors(three)
    theirs, passes = ptq_tools.chain(graph), {}
    names = {module: name for name, module in theirs.named_modules()}
    for number in range(1, PASSES + 1):
        info = CrossLayerScaling().scale_model(theirs, dummy_input=DUMMY)
        if number in (1, PASSES):
            passes[number] = factors(theirs)
    pairs = [
        [names[pair.layer1], names[pair.layer2]]
        for each in info
        for pair in each.cls_pair_info_list
    ]
    return {
        "AIMET, stem to pointwise1": triple,
        "pairs": pairs,
        "our_pairs": [list(pair) for pair in ptq.equalization.pairs(graph)],
        "AIMET, 1 pass": passes[1],
        f"AIMET, {PASSES} passes": passes[PASSES],
    }


def factors(model):
    """Return by what each layer's output channels were divided, where biases were 1."""
    return {
        name: (1 / layer.bias.detach().double()).tolist()
        for name, layer in model.named_children()
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear))
    }


def simulation(graph, *, per_channel, equalize=False, joined=False):
    """Return AIMET's simulation of a network in 8 bits, ranges from least to largest value.

    Its configuration has a convolution and its ReLU rounded once, but not a depthwise one: that is
    rounded before its ReLU, with codes for negative values. ``joined`` rounds behind the ReLU only.
    """
    model = ptq_tools.chain(graph)
    if equalize:
        equalize_model(model, dummy_input=DUMMY)
    folder = files("aimet_torch") / "common" / "quantsim_config"
    name = f"default_config{'_per_channel' if per_channel else ''}.json"
    made = QuantizationSimModel(model, DUMMY, quant_scheme="tf", config_file=str(folder / name))
    if joined:
        for name, layer in made.model.named_children():
            if getattr(layer, "groups", 1) > 1:
                layer.output_quantizers[0] = None
                activation = getattr(made.model, f"{name}_act")
                activation.output_quantizers[0] = QuantizeDequantize((), 0, 255, symmetric=False)

    def show(model):
        for batch in torch.as_tensor(IMAGES).split(ptq_tools.BATCH):
            model(batch)

    with torch.no_grad():
        made.compute_encodings(show)
    return made.model


def simulated_scales():
    """Return the scales of the results in AIMET's simulation of the digits CNN, by layer."""
    found = {}
    model = simulation(ptq_tools.folded_cnn(), per_channel=True)
    for name, layer in model.named_children():
        for quantizer in layer.output_quantizers:
            if quantizer is not None:
                found[name.removesuffix("_act")] = float(quantizer.get_scale().item())
    return found


def accuracy(graphs):
    """Return shares of test digits classified correctly, and of equal predictions, by network."""
    images = torch.as_tensor(DIGITS.test_images)

    def said(model):
        with torch.no_grad():
            return model(images).argmax(1).numpy()

    found = {"float32": [right(said(graph)) for graph in graphs]}
    for title, options in ptq_tools.WAYS.items():
        rows = []
        for graph in graphs:
            made = ptq.quantize_model(graph, IMAGES, 8, with_report=False, **options)
            ours, theirs = (
                made.network.predict(DIGITS.test_images),
                said(simulation(graph, **options)),
            )
            row = {
                "quantlib": right(ours),
                "AIMET": right(theirs),
                "equal predictions": float((ours == theirs).mean()),
            }
            if "equalize" not in options:
                alike = said(ptq_tools.as_aimet(graph, **options))
                joined = said(simulation(graph, joined=True, **options))
                row |= {
                    "quantlib, ranges as AIMET's": right(alike),
                    "AIMET, depthwise joined": right(joined),
                    "equal predictions of these two": float((alike == joined).mean()),
                }
            rows.append(row)
        found[title] = {name: [row[name] for row in rows] for name in rows[0]}
    return found


def compare(graphs):
    """Return everything that is compared, as JSON takes it."""
    return {
        "encodings": encodings(),
        "folding": folding(),
        "equalization": equalization(),
        "has_bias_correction": importlib.util.find_spec("aimet_torch.bias_correction") is not None,
        "simulated_scales": simulated_scales(),
        "accuracy": accuracy(graphs),
    }
