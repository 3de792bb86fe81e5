"""What speed is compared with gives the same pictures, so that a ratio compares like with like."""

import cv2
import numpy as np
import pytest
import torch

from benchmarks.plain import warp_alone, xdog_by_pixels
from refcolor import characters
from refcolor.io.image import to_unit
from refcolor.lines.sketch import PRESETS, xdog
from refcolor.training.augment import CONTROL_POINTS, Warps, draw_warps, warp


@pytest.mark.parametrize("preset", ["default", "tag2pix"])
def test_pixel_by_pixel_gives_the_same_lines(preset: str) -> None:
    """All but one pixel in a thousand are equal: the sums differ in their last digits only."""
    settings = PRESETS[preset]
    drawn = characters.render(
        characters.draw_shape(1, 3), characters.draw_palette(2, 3), size=97
    ).color
    gray = np.asarray(cv2.cvtColor(to_unit(drawn), cv2.COLOR_RGB2GRAY), np.float32)
    values = {
        name: getattr(settings, name) for name in ("sigma", "k", "sharpness", "epsilon", "phi")
    }
    ours, plain = xdog(gray, **values), xdog_by_pixels(gray, settings)
    assert 0.02 < np.mean(ours < 0.5) < 0.4
    assert np.mean(np.abs(ours - plain) > 1e-6) < 1e-3


def test_a_soft_threshold_is_the_same() -> None:
    """With phi 3 nearly every tone is between ink and paper, and agrees to 1e-4."""
    settings = PRESETS["xdog_python"]
    gray = np.random.default_rng(0).random((23, 31), np.float32)
    gray = cv2.GaussianBlur(gray, (5, 5), 1.0)
    values = {"sigma": settings.sigma, "k": 5.0, "sharpness": 2.0, "epsilon": 0.6, "phi": 3.0}
    plain = xdog_by_pixels(gray, type(settings)(**values))
    assert 0.2 < np.mean((plain > 0.05) & (plain < 0.95))
    np.testing.assert_allclose(xdog(gray, **values), plain, atol=1e-4)


def test_picture_by_picture_bends_the_same() -> None:
    """A smooth picture, bent and mirrored, agrees within the 1/32 pixel that OpenCV rounds to."""
    height, width = 37, 53
    y, x = np.mgrid[:height, :width].astype(np.float32)
    waves = [np.sin(x / 9), np.cos(y / 7), np.sin((x + y) / 11)]
    picture = np.stack(waves, axis=-1).astype(np.float32)
    warps = draw_warps(2, strength=0.12, mirror=0.5, generator=torch.Generator().manual_seed(1))
    warps = Warps(warps.displacement, torch.tensor([False, True]))
    assert warps.displacement.shape == (2, CONTROL_POINTS**2, 2)
    batch = torch.from_numpy(picture).permute(2, 0, 1).expand(2, -1, -1, -1)
    ours = warp(batch, warps).picture.permute(0, 2, 3, 1).numpy()
    for k in range(2):
        displacement = warps.displacement[k].double().numpy()
        plain = warp_alone(picture, displacement, mirrored=bool(warps.mirrored[k]))
        assert np.abs(plain - picture).max() > 0.3
        np.testing.assert_allclose(ours[k], plain, atol=0.005)
