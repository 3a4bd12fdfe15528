"""Our numbers today, beside those of AIMET and LiteRT that were recorded (benchmarks.ptq_tools)."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import ptq_tools
from quantlib import ptq

AIMET, LITERT = (
    json.loads((ptq_tools.RESULTS / f"{name}.json").read_text()) for name in ("aimet", "litert")
)
LITERT_RUNS = [name for name in LITERT["digits CNN"] if name.startswith("LiteRT")]


@pytest.fixture(scope="module")
def graph():
    return ptq_tools.folded_cnn()


def test_versions_are_those_of_the_pinned_environment():
    path = ptq_tools.RESULTS.parents[2] / "ptq_tools.txt"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    pinned = dict(line.replace("_", "-").lower().split("==") for line in lines)
    for recorded in (AIMET["versions"], LITERT["versions"]):
        assert {name: pinned[name] for name in recorded} == {
            name: version.split("+")[0] for name, version in recorded.items()
        }


@pytest.mark.parametrize("title", ptq_tools.CASES)
def test_scales_and_zero_points_beside_those_of_aimet(graph, title):
    case, recorded = ptq_tools.CASES[title], AIMET["encodings"][title]
    tensors = ptq_tools.tensors(graph, case.of)
    assert set(tensors) == set(recorded)
    for name, batches in tensors.items():
        ours = ptq_tools.our_qparams(case, batches)
        theirs = recorded[name]["AIMET"]
        if case.scale_tolerance is not None:
            np.testing.assert_allclose(
                np.atleast_1d(ours.scale), theirs["scale"], rtol=case.scale_tolerance
            )
            apart = np.abs(np.subtract(ours.zero_point, theirs["zero_point"]))
            assert apart.max() <= case.zero_point_tolerance
            continue
        error = ptq_tools.squared_error(ours.scale, ours.zero_point, case, batches)
        for who, each in recorded[name].items():
            if who != "quantlib":
                found = ptq_tools.squared_error(each["scale"], each["zero_point"], case, batches)
                assert error <= (1 + case.error_tolerance) * found


def test_factors_of_three_layers_are_those_of_aimets_formula():
    graph, recorded = ptq_tools.drawn_net(), AIMET["equalization"]["AIMET, stem to pointwise1"]
    ours = ptq_tools.our_factors(graph, [("stem", "depthwise1"), ("depthwise1", "pointwise1")])
    for name, factors in recorded.items():
        np.testing.assert_allclose(ours[name], factors, rtol=1e-5)
    assert max(recorded["stem"]) > 3 * min(recorded["stem"])


def test_aimets_passes_over_a_network_lead_to_our_factors():
    graph, recorded = ptq_tools.drawn_net(), AIMET["equalization"]
    pairs = [tuple(pair) for pair in recorded["pairs"]]
    assert pairs == [tuple(pair) for pair in ptq.equalization.pairs(graph)][:-1]
    ours = ptq_tools.our_factors(graph, pairs)
    apart = {
        title: max(np.abs(np.divide(recorded[title][n], ours[n]) - 1).max() for n in ours)
        for title in ("AIMET, 1 pass", "AIMET, 200 passes")
    }
    assert apart["AIMET, 200 passes"] < 1e-3 < 0.1 < apart["AIMET, 1 pass"]


def test_folding_was_the_same():
    assert max(AIMET["folding"].values()) < 1e-6


def test_aimet_calibrates_with_weights_on_their_levels(graph):
    recorded = AIMET["simulated_scales"]
    alike = ptq_tools.as_aimet(graph, per_channel=True).quantizers
    plain = ptq.calibrate(graph, ptq_tools.IMAGES, ptq.MinMax())
    found = {name: alike[name].qparams.scale for name in recorded}
    assert {"conv1", "conv2", "conv3", "fc1", "fc2"} <= set(recorded)
    np.testing.assert_allclose(list(found.values()), list(recorded.values()), rtol=1e-5)
    apart = [abs(plain[name].qparams(8).scale / scale - 1) for name, scale in recorded.items()]
    assert max(apart) > 1e-4


@pytest.mark.parametrize("title", ptq_tools.WAYS)
def test_networks_answered_as_aimets_did(title):
    row, real = AIMET["accuracy"][title], AIMET["accuracy"]["float32"]
    assert all(len(each) == len(real) == len(ptq_tools.SEEDS) for each in row.values())
    if "equalized" in title:
        np.testing.assert_allclose(row["AIMET"], row["quantlib"], atol=0.005)
        np.testing.assert_allclose(row["AIMET"], real, atol=0.005)
    else:
        assert min(row["equal predictions of these two"]) > 0.995
        assert max(row["equal predictions"]) < 0.99


@pytest.mark.parametrize("run", [name for name in LITERT_RUNS if "all images" in name])
def test_codes_of_logits_beside_those_of_litert(graph, run):
    recorded = LITERT["digits CNN"][run]
    theirs = np.frombuffer(bytes.fromhex(recorded["codes"]), np.int8).reshape(-1, 10)
    network = ptq.quantize_model(graph, ptq_tools.IMAGES, 8, with_report=False).network
    ours = ptq_tools.our_logit_codes(network)
    assert theirs.shape == ours.shape
    assert np.abs(theirs.astype(int) - ours).max() <= ptq_tools.CODES_APART
    if "reference" in run:  # which rounds twice
        assert (theirs == ours).mean() < 0.95
        ours = ptq_tools.logit_codes_rounded_twice(network)
    assert (theirs == ours).mean() > 0.999
    assert ptq_tools.right(theirs.argmax(1)) == recorded["accuracy"]
    assert (theirs.argmax(1) == ours.argmax(1)).mean() > 0.99


def test_litert_computed_the_codes_of_mobile_nets():
    for network in LITERT["MobileNets"]:
        ours, runs = (
            network["quantlib"],
            {
                name: network[f"LiteRT, {name}, all images' ranges"]
                for name in ("XNNPACK", "reference")
            },
        )
        assert runs["XNNPACK"]["equal_codes"] > 0.999
        assert runs["XNNPACK"]["accuracy"] == ours["accuracy"]
        assert runs["reference"]["equal_codes_if_rounded_twice"] > 0.998
        assert runs["reference"]["equal_codes"] < 0.2


def test_litert_was_given_the_same_ranges():
    for network in (LITERT["digits CNN"], *LITERT["MobileNets"]):
        for run in LITERT_RUNS:
            (ours, theirs), zeros = (
                network[run]["scale_of_logits"],
                network[run]["zero_point_of_logits"],
            )
            if "all images" in run:
                assert ours == pytest.approx(theirs, rel=1e-5) and len(set(zeros)) == 1
            else:
                assert ours != pytest.approx(theirs, rel=1e-2)


def test_a_chain_computes_what_the_graph_does(graph):
    images = torch.as_tensor(ptq_tools.IMAGES[:5])
    made = ptq_tools.chain(graph)
    assert torch.equal(made(images), graph(images))
    made.conv1.weight.data.zero_()
    assert not torch.equal(made(images), graph(images))


def test_a_graph_that_branches_is_no_chain():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)

        def forward(self, x):
            return self.first(x) + self.second(x)

    with pytest.raises(ValueError, match="second must take what first hands on"):
        ptq_tools.chain(ptq.trace(Sum().eval()))
