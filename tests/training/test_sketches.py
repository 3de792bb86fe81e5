"""Sketches of a batch are stored, drawn again by XDoG, or inked as `colorize` prepares them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from refcolor.io.image import resize
from refcolor.lines.drawing import working_sketch
from refcolor.lines.sketch import XDoGSettings, sketch_picture
from refcolor.training.data import Pictures
from refcolor.training.sketches import (
    InkSettings,
    batch_sketches,
    draw_ink,
    draw_xdog,
    vary_ink,
)
from refcolor.training.windows import whole

XDOG = XDoGSettings(sigma=0.5, k=4.5, sharpness=19.0, epsilon=0.01, phi=1e9)
SAME = InkSettings(thickness=0, blur=0, strength=1)


def seeded(seed: int = 0) -> torch.Generator:
    """Make a generator in a known state."""
    return torch.Generator().manual_seed(seed)


def test_sketches_are_stored_drawn_again_or_inked(make_pictures: Callable[..., Pictures]) -> None:
    """Without settings the sketch is the stored one; ink wins over XDoG, which uses the colours."""
    pictures, index = make_pictures(7), torch.tensor([4, 1, 6])
    sketches = batch_sketches(
        pictures,
        index,
        whole(3, 32),
        pictures.color[index],
        ink=[None, None, SAME],
        xdog=[None, XDOG, XDOG],
    )
    large = resize(pictures.sketch[6], 128, 128)
    assert np.array_equal(sketches[0], pictures.sketch[4])
    assert np.array_equal(sketches[1], sketch_picture(pictures.color[1], XDOG))
    assert np.array_equal(sketches[2], working_sketch(255 - large, 32, 32))


def test_xdog_settings_are_drawn_for_a_share_and_where_required() -> None:
    """Three tenths of the pictures get settings, each its own; required ones always do."""
    required = torch.arange(998) < 499
    drawn = draw_xdog(required, share=0.3, generator=seeded())
    varied = [settings for settings in drawn[499:] if settings is not None]
    assert None not in drawn[:499]
    assert len(varied) / 499 == pytest.approx(0.3, abs=0.07)
    assert len(set(varied)) == len(varied)
    assert {settings.sigma < 0.4 for settings in varied} == {True, False}
    assert drawn == draw_xdog(required, share=0.3, generator=seeded())
    assert drawn != draw_xdog(required, share=0.3, generator=seeded(1))


def test_ink_settings_have_the_shares_that_are_documented() -> None:
    """A quarter grows, a quarter shrinks, a third is blurred and half is paler."""
    drawn = draw_ink(4000, share=0.5, generator=seeded())
    inked = [settings for settings in drawn if settings is not None]
    assert len(inked) / 4000 == pytest.approx(0.5, abs=0.03)
    for expected, marked in (
        (1 / 4, [settings.thickness > 0 for settings in inked]),
        (1 / 4, [settings.thickness < 0 for settings in inked]),
        (1 / 3, [settings.blur > 0 for settings in inked]),
        (1 / 2, [settings.strength < 1 for settings in inked]),
    ):
        assert np.mean(marked) == pytest.approx(expected, abs=0.04)
    assert {settings.thickness for settings in inked} == {-2, -1, 0, 1, 2, 3, 4}
    assert 0.4 <= min(settings.strength for settings in inked) < 0.45


@pytest.mark.parametrize(("thickness", "width"), [(-1, 4), (0, 5), (2, 7)])
def test_lines_grow_and_shrink_by_pixels(thickness: int, width: int) -> None:
    """A line of 5 px becomes 4 or 7 px wide; half of the strength is half of the ink."""
    ink = np.zeros((20, 20), np.uint8)
    ink[:, 8:13] = 255
    varied = vary_ink(ink, InkSettings(thickness, blur=0, strength=0.5))
    assert (varied[10] == 127).sum() == width


def test_a_line_that_would_vanish_keeps_a_third_of_its_ink() -> None:
    """A line of 1 px cannot shrink by 2 px."""
    ink = np.zeros((20, 20), np.uint8)
    ink[:, 8] = 255
    assert vary_ink(ink, InkSettings(-2, blur=0, strength=1)).max() == 85
