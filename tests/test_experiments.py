"""The training runs: their results, and that a stopped one goes on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from experiments import accuracy, detection, dst, ptq, qat
from quantlib import binary, layers, models, training

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent

SHORT = ["--data", "digits", "--epochs", "2", "--batch-size", "16", "--seeds", "0", "1"]
SHORT += ["--train-images", "512"]


def run(folder, *more):
    """Run the command and return what it wrote."""
    options = [*SHORT, "--state", str(folder / "state"), "--output", str(folder / "found.json")]
    assert accuracy.main([*options, *more]) == 0
    return json.loads((folder / "found.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    return folder, run(folder, "--methods", "float", "bnn")


def test_results_say_what_was_run(finished):
    _, found = finished
    assert found["data"] == {"name": "digits", "train_images": 512, "test_images": 500}
    assert [(r["seed"], r["method"]) for r in found["runs"]] == [
        (0, "float"), (0, "bnn"), (1, "float"), (1, "bnn"),
    ]  # fmt: skip
    for result in found["runs"]:
        assert 0.4 < result["test_accuracy"] <= 1 and result["seconds"] > 0
    by_method = {r["method"]: r["parameter_bits"] for r in found["runs"]}
    assert by_method["bnn"] < by_method["float"]
    text = json.dumps(found["machine"])
    assert found["machine"]["processor"] and "/" not in text.replace("CPU @", "")


def test_the_command_shares_runs_among_processes(tmp_path):
    path = tmp_path / "found.json"
    options = [*SHORT, "--epochs", "1", "--methods", "float", "--jobs", "2"]
    options += ["--state", str(tmp_path / "state"), "--output", str(path)]
    command = [sys.executable, "-m", "experiments.accuracy", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [r["seed"] for r in json.loads(path.read_text(encoding="utf-8"))["runs"]] == [0, 1]


def test_what_is_finished_is_not_run_again(finished, monkeypatch):
    folder, before = finished
    monkeypatch.setattr(training, "fit", lambda *_, **__: pytest.fail("it was trained again"))
    assert run(folder, "--methods", "float", "bnn")["runs"] == before["runs"]


def test_a_stopped_run_goes_on(finished, tmp_path, monkeypatch):
    """Stopped after its first epoch, it ends with the accuracy of a run that was not stopped."""
    _, before = finished
    train_epoch, done = training._train_epoch, []

    def stopped(*arguments):
        if done:
            raise KeyboardInterrupt
        done.append(train_epoch(*arguments))
        return done[0]

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "_train_epoch", stopped)
        run(tmp_path, "--methods", "bnn")
    assert len(list((tmp_path / "state").glob("*.pt"))) == 1

    epochs = []
    monkeypatch.setattr(training, "_train_epoch", lambda *a: epochs.append(1) or train_epoch(*a))
    after = run(tmp_path, "--methods", "bnn")
    assert len(epochs) == 3  # one of the first run, two of the second
    same = [r["test_accuracy"] for r in before["runs"] if r["method"] == "bnn"]
    assert [r["test_accuracy"] for r in after["runs"]] == same
    assert not list((tmp_path / "state").glob("*.pt"))


def test_what_the_file_holds_is_kept(finished, tmp_path, monkeypatch):
    """Methods are added to a file of an earlier call, whose state is gone."""
    _, before = finished
    (tmp_path / "found.json").write_text(json.dumps(before), encoding="utf-8")
    trained, fit = [], training.fit
    monkeypatch.setattr(training, "fit", lambda *a, **o: trained.append(1) or fit(*a, **o))
    after = run(tmp_path, "--methods", "float", "bnn", "ttq", "--seeds", "0")
    assert [r["method"] for r in after["runs"]] == ["float", "bnn", "ttq"]
    assert after["runs"][:2] == before["runs"][:2] and len(trained) == 1


@pytest.mark.parametrize("network", accuracy.NETWORKS)
@pytest.mark.parametrize("method", accuracy.METHODS)
def test_every_method_makes_every_network(network, method):
    """Binary ones are those of quantlib.binary; a network's layers but the ends are quantized."""
    run_ = accuracy.Run("digits", network, method, 0, 1, 0.01, 64, None, 8)
    dataset = accuracy.make_dataset(run_)
    model = accuracy.make_model(run_, dataset)
    bits, count = accuracy.parameter_bits(run_, model), len(layers.quantized(model))
    assert count == (0 if method == "float" else {"lenet5": 3, "vgg": 7, "resnet": 6}[network])
    assert torch.isfinite(model.eval()(torch.from_numpy(dataset.test_images[:2]))).all()
    if method in ("float", *accuracy.BINARY_METHODS):
        kind = {"lenet5": "BinaryLeNet5", "vgg": "BinaryVGG", "resnet": "BinaryResNet"}[network]
        options = {"width": 8} if network == "vgg" else {}
        same = getattr(binary, kind)(1, 10, 8, method=method, **options)
        assert bits == binary.parameter_bits(same)
        pairs = zip(model.state_dict().values(), same.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_bad_options(tmp_path, capsys):
    with pytest.raises(SystemExit):
        accuracy.main(["--methods", "ternary"])
    assert "--methods" in capsys.readouterr().err
    with pytest.raises(ValueError, match="train_images must be from 1 to 1297, got 5000"):
        run(tmp_path, "--train-images", "5000")


@pytest.mark.parametrize("network", ["lenet5", "resnet"])
@pytest.mark.parametrize("what", dst.WHAT)
def test_every_network_of_the_dst_experiments(network, what):
    """Ends are quantized as asked, images never are, and a highest level is 4 in the figures."""
    usual = dict(data="digits", network=network, seed=0, epochs=1, batch_size=64, width=1)
    usual |= {"train_images": None, "learning_rate": 0.1}
    for values in dst.WHAT[what]():
        run_ = dst.Run(**(usual | values))
        dataset = accuracy.make_dataset(run_)
        model = run_.model(dataset)
        few, every = layers.quantized(model), models.weight_layers(model)
        first, *_, last = every
        if run_.method == "float":
            assert not few
            continue
        assert (first in few, last in few) == (run_.first, run_.last)
        assert len(every) - len(few) - sum(".shortcut." in name for name in every) == (
            (not run_.first) + (not run_.last)
        )
        assert not run_.first or few[first].act_quant is None
        if run_.method == "dst":
            assert all(layer.weight.dtype == torch.int8 for layer in few.values())
            assert (
                run_.q2 is None
                or what in ("tables", "methods")
                or run_.q2 * 2 ** (run_.n_levels - 2) == 4
            )
        assert torch.isfinite(model.eval()(torch.from_numpy(dataset.test_images[:2]))).all()
        found = run_.found(model)
        assert found["parameter_bits"] < 32 * sum(found["weights"].values())


def test_the_dst_command_writes_what_was_run(tmp_path):
    options = ["--what", "steepness", "--epochs", "1", "--seeds", "0", "--train-images", "128"]
    options += ["--state", str(tmp_path / "state"), "--output", str(tmp_path / "found.json")]
    assert dst.main(options) == 0
    runs = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["runs"]
    assert [(r["th"], r["learning_rate"]) for r in runs] == [
        (values["th"], values["learning_rate"]) for values in dst.steepness()
    ]
    assert all(set(r["nonzero"]) == set(r["weights"]) for r in runs)


def test_networks_are_quantized_by_every_recipe(tmp_path, monkeypatch):
    path = tmp_path / "found.json"
    monkeypatch.setattr(ptq, "SIZES", (1, 10))
    monkeypatch.setattr(ptq, "CALIBRATION", 32)
    options = ["--seeds", "0", "--epochs", "3", "--network", "lenet5"]
    options += ["--train-images", "600", "--jobs", "1", "--output", str(path)]
    assert ptq.main([*options, "--state", str(tmp_path / "state")]) == 0
    (run,) = json.loads(path.read_text(encoding="utf-8"))["runs"]
    for found in run["spread"].values():
        assert found["float"] == pytest.approx(run["test_accuracy"], abs=0.005)
        assert set(found["schemes"]["8"]) == set(ptq.SCHEMES)
        assert found["repairs"]["8"]["per channel, all"] > found["float"] - 0.03
    assert set(run["observers"]["4"]) == set(ptq.OBSERVERS)
    assert set(run["calibration"]["by statistics"]) == {"1", "10"}
    assert run["bits"]["8"]["activations too"] > run["bits"]["2"]["activations too"]
    sizes = [row["nbytes"] for row in run["mixed"]["frontier"]]
    assert sizes == sorted(sizes, reverse=True)


def test_detectors_reach_what_the_results_say():
    """A detector in whole numbers gives the same on every machine, but for its last decoding."""
    kept = json.loads((ROOT / "experiments" / "results" / "detection_digits.json").read_text())
    assert [run["seed"] for run in kept["runs"]] == [0, 1, 2]
    for run in kept["runs"]:
        assert all(set(parts) == set(detection.PARTS) for parts in run["map"].values())
        assert set(run["map"]) == set(detection.WHAT)
    found = detection.measured(1, ("class head", "box head"), ("weights", "results"), (4, 2))
    for what, parts in found["map"].items():
        for part, by_bits in parts.items():
            for bits, scores in by_bits.items():
                wanted = kept["runs"][1]["map"][what][part][bits]
                assert scores == pytest.approx(wanted, abs=0.01), (what, part, bits)
    assert found["float"] == pytest.approx(kept["runs"][1]["float"], abs=0.005)


def test_the_command_writes_what_detectors_reach(tmp_path):
    path = tmp_path / "found.json"
    options = ["--seeds", "2", "--parts", "box head", "--bits", "3", "--output", str(path)]
    assert detection.main(options) == 0
    found = json.loads(path.read_text(encoding="utf-8"))
    assert len(found["iou_thresholds"]) == 10 and found["machine"]["processor"]
    (run,) = found["runs"]
    for parts in run["map"].values():
        assert list(parts) == ["box head"] and len(parts["box head"]["3"]) == 10


def test_networks_are_trained_on_in_every_way(tmp_path, monkeypatch):
    path = tmp_path / "found.json"
    monkeypatch.setattr(qat, "BITS", ((8, 8), (3, 3)))
    monkeypatch.setattr(ptq, "CALIBRATION", 32)
    options = ["--seeds", "0", "--epochs", "3", "--more-epochs", "1", "--network", "lenet5"]
    options += ["--train-images", "600", "--jobs", "1", "--output", str(path)]
    assert qat.main([*options, "--state", str(tmp_path / "state")]) == 0
    (run,) = json.loads(path.read_text(encoding="utf-8"))["runs"]
    few, many = run["quantized"]["3, 3"], run["quantized"]["8, 8"]
    assert set(few) == {"ptq", "learned", "biases forgotten"} and set(many) == {"ptq", "learned"}
    for row in (*few.values(), *many.values()):
        assert set(row) == {"simulated", "whole numbers", "fine biases"}
    for row in (few["learned"], *many.values()):
        assert row["whole numbers"] == pytest.approx(row["simulated"], abs=0.01)
    # What forgets to round biases is right about a network whose biases are hardly rounded.
    forgets = few["biases forgotten"]
    assert forgets["fine biases"] == pytest.approx(forgets["simulated"], abs=0.02)
    assert few["learned"]["whole numbers"] > few["ptq"]["whole numbers"]
    assert many["learned"]["whole numbers"] > run["test_accuracy"] - 0.05
    assert set(run["times a float step"]) == {
        "float", "fixed", "observed", "learned", "learned, folded",
    }  # fmt: skip
