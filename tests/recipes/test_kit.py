"""Parts of the kit become characters with known labels, and some parts are never trained on."""

from pathlib import Path

import numpy as np
import pytest

from recipes.kit import (
    CLOTHING,
    FIXED,
    HAIR,
    LINE,
    SKIN,
    TONES,
    choose,
    draw,
    held_out,
    read_kit,
    read_part,
)
from refcolor.errors import UsageError
from refcolor.io import image

from .conftest import GREEN, RED

REAL = Path(__file__).resolve().parents[2].parent / "shared/data/art/gearhead_kit"


def test_channels_are_labels(tmp_path: Path) -> None:
    """Worked by hand: ramps by the channels that are not 0, ink, a fixed colour, transparent."""
    row = [(200, 0, 0), (90, 80, 0), (0, 77, 0), (23, 0, 9), (224, 96, 64), (0, 0, 255)]
    image.write(tmp_path / "part.png", np.array([row], np.uint8))
    canvas, opaque = read_part(tmp_path / "part.png")
    fixed = 0b111_011_01  # three bits of red, three of green, two of blue
    expected = [TONES * CLOTHING + 200, TONES * SKIN + 90, TONES * HAIR + 77]
    assert canvas[0, :5].tolist() == [*expected, TONES * LINE, TONES * FIXED + fixed]
    assert opaque[0].tolist() == [True] * 5 + [False]


def test_parts_lie_at_their_anchors(kit: Path) -> None:
    """The body stands at the middle of the bottom, the top over it, the hair over the head."""
    bits = {bit["name"]: bit for bit in read_kit(kit)}
    canvas = draw(kit, [bits[name] for name in ("body", "head0", "hair0", "top0")])
    assert canvas.shape == (600, 400)
    rows, columns = np.nonzero(canvas)
    # Head: 100 high around row 300 - 150. Top: 130 wide around column 200.
    assert (rows.min(), rows.max()) == (100, 599)
    assert (columns.min(), columns.max()) == (135, 264)
    assert canvas[150, 200] == TONES * HAIR + GREEN[1]
    assert canvas[300, 200] == TONES * CLOTHING + RED[0]
    assert canvas[100, 200] == canvas[225, 135] == TONES * LINE


@pytest.mark.parametrize("real", [False, True])
def test_held_out_parts_are_never_trained_on(kit: Path, real: bool) -> None:
    """Training characters have none of them; others have all that fit. Each has top and head."""
    if real and not REAL.is_dir():
        pytest.skip(f"needs {REAL}")
    folder = REAL if real else kit
    bits = read_kit(folder)
    held, generator = held_out(bits), np.random.default_rng(0)
    assert len(held) == (25 if real else 4)
    for _ in range(40):
        seen, unseen = (choose(bits, held, generator, unseen=unseen) for unseen in (False, True))
        assert held.isdisjoint(bit["name"] for bit in seen)
        assert any(bit["name"] in held and bit["btype"] == "Head" for bit in unseen)
        for chosen in (seen, unseen):
            assert {"Base", "Head", "Clothing"} <= {bit["btype"] for bit in chosen}
    labels = draw(folder, seen) // TONES
    assert {LINE, SKIN} <= set(np.unique(labels).tolist())


def test_another_folder_is_refused(tmp_path: Path) -> None:
    """A folder without portrait_*.json is named."""
    with pytest.raises(UsageError, match=r"KIT must be a folder with portrait_\*\.json, got"):
        read_kit(tmp_path)
