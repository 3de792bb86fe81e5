"""A short training on drawn pictures."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmarks import short_training
from benchmarks.material import changed
from refcolor.params import Params
from refcolor.training.vgg import VGGFeatures


def test_a_short_training_leaves_curves_and_previews(
    settings: Params,
    vgg: Callable[[], VGGFeatures],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two epochs of two steps with a report each; the model stays in the scratch folder."""
    monkeypatch.setattr(short_training, "any_vgg", lambda *, seed: vgg())
    monkeypatch.setattr(short_training, "VALIDATION", 3)
    settings = changed(settings, train={"report_every": 2})
    short_training.short_training(
        settings,
        pictures=12,
        out=tmp_path / "out",
        scratch=tmp_path / "scratch",
        device=torch.device("cpu"),
    )
    written = {str(path.relative_to(tmp_path)) for path in (tmp_path / "out").rglob("*.*")}
    assert written == {
        "out/curves/loss.csv",
        "out/previews/step-0000002.png",
        "out/previews/step-0000004.png",
    }
    assert (tmp_path / "scratch" / "models" / "generator.safetensors").exists()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["steps", "4"] in lines
    assert ["pictures", "seen", "24"] in lines
    assert [line[0] for line in lines[-3:]] == ["step", "2", "4"]
    assert all(0 < float(value) < 1e3 for value in lines[-1][1:])
