"""Pictures and sketches are paired by name, and reach a network in [-1, 1]."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from refcolor import image
from refcolor.data import Pictures, load_pictures, read_ids
from refcolor.errors import RefcolorError

CPU = torch.device("cpu")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Pictures of grey levels 20, 40 and 60, sketches of twice that, and a stray."""
    color, sketch = tmp_path / "color", tmp_path / "sketch"
    for name, level in (("b", 40), ("a", 20), ("c", 60), ("stray", 99)):
        image.write(color / f"{name}.png", np.full((5, 7, 3), level, np.uint8))
        image.write(sketch / f"{name}.png", np.full((5, 7), 2 * level, np.uint8))
    return color, sketch


def test_pictures_are_paired_by_name_in_the_order_asked(folders: tuple[Path, Path]) -> None:
    """The order is that of the list, and each sketch belongs to its picture."""
    color, sketch = folders
    pictures = load_pictures(["c", "a", "b"], color=color, sketch=sketch)
    assert pictures.ids == ("c", "a", "b")
    assert len(pictures) == 3
    assert pictures.color.shape == (3, 5, 7, 3)
    assert pictures.sketch.shape == (3, 5, 7)
    assert pictures.color[:, 0, 0, 0].tolist() == [60, 20, 40]
    assert pictures.sketch[:, 0, 0].tolist() == [120, 40, 80]


@pytest.mark.parametrize("side", [0, 1])
def test_a_missing_partner_is_an_error(folders: tuple[Path, Path], side: int) -> None:
    """A listed picture without its file, or without its sketch, is named with what to do."""
    (folders[side] / "b.png").unlink()
    with pytest.raises(RefcolorError, match=r"b\.png .*the split lists b; run `dvc repro`"):
        load_pictures(["a", "b"], color=folders[0], sketch=folders[1])


def test_an_empty_list_is_an_error(folders: tuple[Path, Path]) -> None:
    """A split without pictures points to where the reasons are."""
    with pytest.raises(RefcolorError, match=r"lists no picture; look at metrics/data\.json"):
        load_pictures([], color=folders[0], sketch=folders[1])


def test_lists_hold_one_id_a_line(tmp_path: Path) -> None:
    """Ids come back in the order of the file."""
    (tmp_path / "train.txt").write_text("b-2\na.1\nc_3\n")
    assert read_ids(tmp_path / "train.txt") == ["b-2", "a.1", "c_3"]


def test_batches_are_tensors_in_minus_one_to_one() -> None:
    """White is 1, black is -1, places are picked in the order asked, axes are B, C, H, W."""
    color = np.zeros((2, 3, 5, 3), np.uint8)
    color[1, 2, 4] = (255, 0, 51)
    sketch = np.full((2, 3, 5), 255, np.uint8)
    sketch[0, 1, 3] = 0
    pictures = Pictures(("a", "b"), color, sketch)
    colors = pictures.colors([1, 0, 1], device=CPU)
    assert colors.shape == (3, 3, 3, 5)
    assert colors.dtype == torch.float32
    assert torch.allclose(colors[0, :, 2, 4], torch.tensor([1.0, -1.0, -0.6]))
    assert (colors[1] == -1).all()
    sketches = pictures.sketches(torch.tensor([0, 1]), device=CPU)
    assert sketches.shape == (2, 1, 3, 5)
    assert sketches[0, 0, 1, 3] == -1
    assert sketches.sum() == 30 - 2


def test_the_digest_knows_every_pixel_and_name(make_pictures: Callable[..., Pictures]) -> None:
    """Equal pictures have one digest; a name, an order, a pixel or a sketch changes it."""
    pictures = make_pictures(3)
    color, sketch = pictures.color.copy(), pictures.sketch.copy()
    color[1, 2, 3, 0] ^= 1
    sketch[2, 5, 7] ^= 1
    others = [
        dataclasses.replace(pictures, ids=("p00", "p01", "p03")),
        dataclasses.replace(pictures, color=color),
        dataclasses.replace(pictures, sketch=sketch),
        Pictures(pictures.ids[::-1], pictures.color[::-1].copy(), pictures.sketch[::-1].copy()),
    ]
    assert pictures.digest() == make_pictures(3).digest()
    assert len({pictures.digest(), *(other.digest() for other in others)}) == 5
