"""A training run that an older version was stopped in goes on where it was."""

import shutil
from pathlib import Path

import pytest
from torch import nn

from quantlib import binary, data, training

STOPPED = Path(__file__).with_name("stopped_run.pt")


def test_a_run_of_an_older_version_goes_on(tmp_path):
    path = tmp_path / "run"
    shutil.copyfile(STOPPED, path)
    model = nn.Sequential(nn.Flatten(), binary.BinaryLinear(64, 10, method="bwn"))
    options = {"epochs": 3, "batch_size": 512, "learning_rate": 0.02, "seed": 3}
    options |= {"progress": False, "after_step": binary.clip_latent_, "checkpoint_path": path}
    history = training.fit(model, data.load(), **options)
    # One epoch was done: what it gave is in the file, the other two follow.
    assert history.train_loss[0] == pytest.approx(2.4044281217623604, rel=1e-12)
    assert len(history.test_accuracy) == 3
    assert history.test_accuracy[0] == 0.168
    assert history.test_accuracy[2] > history.test_accuracy[0]
    with pytest.raises(ValueError, match="is of another run: its seed is 3, and 4"):
        training.fit(model, data.load(), **{**options, "seed": 4})
