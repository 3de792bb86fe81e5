"""What the training benchmarks work on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.material import any_vgg, changed, drawn_pictures, vgg_is_cached
from refcolor.params import Params, SketchParams


def test_drawn_pictures_depend_on_their_index_alone() -> None:
    """A later range gives the same pictures under the same names."""
    sketch = SketchParams(preset="default")
    both, one = (drawn_pictures(range(a, 5), size=64, sketch=sketch) for a in (3, 4))
    assert both.ids == ("drawn-000003", "drawn-000004")
    assert both.color.shape == (2, 64, 64, 3)
    assert both.sketch.shape == (2, 64, 64)
    assert np.array_equal(both.color[1:], one.color)
    assert np.array_equal(both.sketch[1:], one.sketch)
    assert not np.array_equal(both.color[0], both.color[1])


def test_vgg_is_random_where_the_real_weights_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One seed gives one set of weights, nothing is fetched, and the real shapes are kept."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert not vgg_is_cached()
    one, same, other = (any_vgg(seed=seed) for seed in (0, 0, 1))
    weights = [next(network.parameters()) for network in (one, same, other)]
    assert weights[0].shape == (64, 3, 3, 3)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    with torch.no_grad():
        maps = one(torch.rand(1, 3, 32, 32) * 2 - 1)
    assert [x.shape[1] for x in maps] == [64, 128, 256, 512, 512]
    assert all(0.01 < x.std() < 100 for x in maps)


def test_changed_parameters_are_checked(settings: Params) -> None:
    """A change holds, everything else stays, and an unknown key is refused."""
    other = changed(settings, train={"threads": 2})
    assert other.train.threads == 2
    assert other.loss == settings.loss
    with pytest.raises(ValueError, match=r"thread\b"):
        changed(settings, train={"thread": 2})
