"""Pictures and sketches are paired by name, and reach a network in [-1, 1]."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.io.files import write_json
from refcolor.io.shards import pack
from refcolor.training.data import Pictures, load_pictures, read_groups, read_ids

CPU = torch.device("cpu")
Folders = tuple[Path, Path]


def load(folders: Folders, ids: str, **options: Any) -> Pictures:
    """Load pictures of one-letter names."""
    return load_pictures(list(ids), color=folders[0], sketch=folders[1], **options)


def parts(pictures: Pictures) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Take pictures apart, so that nothing is left of what is known of them."""
    return pictures.ids, np.array(pictures.color), np.array(pictures.sketch)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Pictures of grey levels 20, 40 and 60, sketches of twice that, and a stray."""
    color, sketch = tmp_path / "color", tmp_path / "sketch"
    for name, level in (("b", 40), ("a", 20), ("c", 60), ("stray", 99)):
        image.write(color / f"{name}.png", np.full((5, 7, 3), level, np.uint8))
        image.write(sketch / f"{name}.png", np.full((5, 7), 2 * level, np.uint8))
    return color, sketch


def test_pictures_are_paired_by_name_in_the_given_order(folders: tuple[Path, Path]) -> None:
    """The order is that of the list, and each sketch belongs to its picture."""
    color, sketch = folders
    pictures = load_pictures(["c", "a", "b"], color=color, sketch=sketch)
    assert pictures.ids == ("c", "a", "b")
    assert len(pictures) == 3
    assert pictures.color.shape == (3, 5, 7, 3)
    assert pictures.sketch.shape == (3, 5, 7)
    assert pictures.color[:, 0, 0, 0].tolist() == [60, 20, 40]
    assert pictures.sketch[:, 0, 0].tolist() == [120, 40, 80]


def test_warnings_are_errors_after_loading_as_before(tmp_path: Path) -> None:
    """Two hundred pictures decoded by threads leave the warnings of the program alone."""
    ids = [f"{number:03d}" for number in range(100)]
    for id in ids:
        image.write(tmp_path / f"color/{id}.png", np.zeros((5, 7, 3), np.uint8))
        image.write(tmp_path / f"sketch/{id}.png", np.zeros((5, 7), np.uint8))
    before = list(warnings.filters)
    load_pictures(ids, color=tmp_path / "color", sketch=tmp_path / "sketch", silent=True)
    assert list(warnings.filters) == before
    with pytest.raises(UserWarning, match="still an error"):
        warnings.warn("still an error", stacklevel=1)


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
    """White is 1, black is -1, pictures are picked by index, axes are B, C, H, W."""
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


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A place for decoded pictures that does not exist yet."""
    return tmp_path / "repository" / "pictures"


def test_a_large_set_is_mapped_with_the_same_bytes(folders: Folders, kept: Path) -> None:
    """Decoded to the disk or into memory: arrays, batches and digest are the same."""
    small = load(folders, "cab")
    large = load(folders, "cab", cache=kept, cache_from=0)
    assert isinstance(large.color, np.memmap) and isinstance(large.sketch, np.memmap)
    assert not isinstance(small.color, np.memmap)
    assert np.array_equal(large.color, small.color) and np.array_equal(large.sketch, small.sketch)
    assert large.digest() == small.digest() == Pictures(*parts(small)).digest()
    assert torch.equal(large.colors([2, 0], device=CPU), small.colors([2, 0], device=CPU))
    with pytest.raises(ValueError, match="read-only"):
        large.color[0] = 0


def test_what_is_kept_begins_at_a_size(folders: Folders, kept: Path) -> None:
    """420 bytes of pixels (3 pictures of 5 x 7, four bytes a pixel) are kept from 420 on."""
    assert not isinstance(load(folders, "abc", cache=kept, cache_from=421).color, np.memmap)
    assert not kept.exists()
    assert isinstance(load(folders, "abc", cache=kept, cache_from=420).color, np.memmap)


def test_pictures_are_decoded_once(
    folders: Folders, kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """A second run decodes one picture of each side, for its shape, and says where the rest is."""
    read, calls = image.read, []
    kept.parent.mkdir()
    monkeypatch.chdir(kept.parent)
    monkeypatch.setattr(image, "read", lambda path: calls.append(path) or read(path))
    first = load(folders, "abc", cache=kept, cache_from=0)
    assert len(calls) == 3 + 1
    calls.clear()
    again = load(folders, "abc", cache=kept, cache_from=0)
    assert len(calls) == 1
    assert np.array_equal(first.color, again.color) and first.digest() == again.digest()
    (folder,) = (path for path in kept.iterdir() if path.is_dir())
    said = capsys.readouterr().out
    assert said.count(f"3 pictures, 0.0 GB of pixels in pictures/{folder.name}: ") == 2


@pytest.mark.parametrize("side", [0, 1])
def test_a_changed_file_is_never_answered_by_old_pixels(
    folders: Folders, kept: Path, side: int
) -> None:
    """Same names, same size, same time of change: other bytes are decoded again."""
    before = load(folders, "abc", cache=kept, cache_from=0)
    file = folders[side] / "b.png"
    times = file.stat().st_mtime_ns, file.stat().st_mtime_ns
    image.write(file, np.full((5, 7, 3)[: 3 - side], 41, np.uint8))
    os.utime(file, ns=times)
    after = load(folders, "abc", cache=kept, cache_from=0)
    assert (after.color, after.sketch)[side][1].max() == 41
    assert after.digest() != before.digest()
    assert load(folders, "ac", cache=kept, cache_from=0).ids == ("a", "c")


def test_a_missing_partner_is_named_for_a_large_set_too(folders: Folders, kept: Path) -> None:
    """Nothing half-made is left, and the next run makes it."""
    (folders[1] / "b.png").unlink()
    with pytest.raises(RefcolorError, match=r"b\.png .*the split lists b; run `dvc repro`"):
        load(folders, "abc", cache=kept, cache_from=0)
    assert [path.name for path in kept.iterdir()] == ["lock"]


def test_pictures_of_two_sizes_are_refused(folders: Folders) -> None:
    """A stray of another size is named, with what was expected of it."""
    image.write(folders[0] / "c.png", np.zeros((1, 7, 3), np.uint8))
    with pytest.raises(RefcolorError, match=r"c\.png must have the shape \(5, 7, 3\) .*\(1, 7, 3"):
        load(folders, "abc")


def test_a_full_disk_is_an_error_and_leaves_nothing(
    folders: Folders, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room is reserved before anything is decoded: no crash half-way, nothing left behind."""

    def full(*_arguments: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)  # macOS has none
    with pytest.raises(OSError, match="No space left"):
        load(folders, "abc", cache=kept, cache_from=0)
    assert [path.name for path in kept.iterdir()] == ["lock"]


def test_others_are_of_the_group_and_never_the_picture_itself(
    make_pictures: Callable[..., Pictures],
) -> None:
    """Each other member is chosen by an equal share of the chances; who is alone is its own."""
    pictures = dataclasses.replace(make_pictures(7), groups=("a", "b", "a", "", "a", "c", ""))
    assert pictures.members == {place: [0, 2, 4] for place in (0, 2, 4)}
    chances = torch.arange(10) / 10
    chosen = {
        place: pictures.others(torch.full((10,), place), chances).tolist() for place in range(7)
    }
    assert chosen[0] == [2] * 5 + [4] * 5
    assert chosen[2] == [4] * 5 + [0] * 5
    assert chosen[4] == [0] * 5 + [2] * 5
    assert all(chosen[place] == [place] * 10 for place in (1, 3, 5, 6))
    assert pictures.others(torch.tensor([4, 3]), torch.tensor([0.9999999, 0.0])).tolist() == [2, 3]


def test_without_groups_nobody_has_another(make_pictures: Callable[..., Pictures]) -> None:
    """Pictures that were made without groups are each their own reference."""
    pictures = dataclasses.replace(make_pictures(3), groups=())
    assert pictures.others(torch.tensor([2, 0]), torch.zeros(2)).tolist() == [2, 0]


def test_groups_arrive_with_their_pictures(folders: Folders, kept: Path, tmp_path: Path) -> None:
    """In memory and mapped, by id; a picture that the list lacks has none; pixels alone count."""
    path = tmp_path / "groups.json"
    write_json(path, {"c": "Éva, 1", "a": "x", "z": "x"})
    for options in ({}, {"cache": kept, "cache_from": 0}):
        loaded = load(folders, "cab", groups=read_groups(path), **options)
        assert loaded.groups == ("Éva, 1", "x", "")
        assert loaded.digest() == load(folders, "cab").digest()
    assert load(folders, "cab").groups == ()


BUILD = """
import os, signal, sys
from pathlib import Path
from refcolor.io import image
from refcolor.training.data import load_pictures
color, sketch, cache, dies = map(Path, sys.argv[1:])
read = image.read
def last_words(path):
    if path.name == "c.png" and dies.name == "yes":
        os.kill(os.getpid(), signal.SIGKILL)
    return read(path)
image.read = last_words
loaded = load_pictures(["a", "b", "c"], color=color, sketch=sketch, cache=cache, cache_from=0)
print(loaded.digest())
"""


def test_shards_give_the_same_pictures(folders: Folders, kept: Path) -> None:
    """In memory and mapped: pictures out of shards are those of files, under the same hash."""
    single = load(folders, "cab")
    load(folders, "cab", cache=kept, cache_from=0)
    pack(*folders, above=0)
    assert {file.suffix for folder in folders for file in folder.iterdir()} == {".tar"}
    for options in ({}, {"cache": kept, "cache_from": 0}):
        packed = load(folders, "cab", **options)
        assert packed.ids == single.ids
        assert np.array_equal(packed.color, single.color)
        assert np.array_equal(packed.sketch, single.sketch)
        assert packed.digest() == single.digest()
    assert len([path for path in kept.iterdir() if path.is_dir()]) == 1


def test_a_picture_that_no_shard_has_is_named(folders: Folders) -> None:
    """The message is that for a file."""
    pack(*folders, above=0)
    with pytest.raises(RefcolorError, match=r"q\.png .*the split lists q; run `dvc repro`"):
        load(folders, "aq")


@pytest.mark.slow
def test_processes_may_decode_at_once_and_die(folders: Folders, kept: Path) -> None:
    """After a kill the next one begins anew; of three at once all get the same pictures."""

    def start(dies: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", BUILD, *map(str, folders), str(kept), dies],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    with start("yes") as killed:
        assert killed.wait(60) == -signal.SIGKILL
    assert len(list(kept.glob("*.part"))) == 1
    processes = [start("no") for _ in range(3)]
    digests = {process.communicate(timeout=60)[0].splitlines()[-1] for process in processes}
    assert digests == {load(folders, "abc").digest()}
    assert len([path for path in kept.iterdir() if path.is_dir()]) == 1
