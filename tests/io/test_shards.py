"""Shards contain the files, and their bytes depend only on the files."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from refcolor.errors import PictureError, RefcolorError
from refcolor.io import image, shards
from refcolor.io.shards import Member, files, locate, pack, remove, shard_of, siblings
from refcolor.params import CleanParams
from refcolor.prepare.clean import clean_picture

NAMES = sorted(f"p{number}.png" for number in range(120))


def content(name: str) -> bytes:
    """Return the content for a file name: different bytes for each."""
    return hashlib.sha256(name.encode()).digest() * (int(name[1:-4]) % 19) + name.encode()


def fill(folder: Path, names: list[str] = NAMES) -> Path:
    """Write files as a stage does."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(content(name))
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    """Read all files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """120 files in shards."""
    folder = fill(tmp_path / "packed")
    pack(folder, above=119)
    return folder


def test_few_files_stay_as_they_are(tmp_path: Path) -> None:
    """Files above the limit are packed, files at the limit are not; a missing folder is created."""
    folder = fill(tmp_path / "few", NAMES[:5])
    before = tree(folder)
    pack(folder, tmp_path / "none", above=5)
    assert tree(folder) == before
    assert tree(tmp_path / "none") == {}
    pack(folder, above=4)
    assert {path.suffix for path in folder.iterdir()} == {".tar"}


def test_every_file_is_found_in_its_shard(packed: Path) -> None:
    """Files are listed by name, each with its bytes, and only shards are left."""
    assert {path.suffix for path in packed.iterdir()} == {".tar"}
    assert 60 < len(list(packed.iterdir())) <= 120
    listed = files(packed)
    assert [file.name for file in listed] == NAMES
    for file in listed:
        assert file == locate(packed, file.name) and isinstance(file, Member)
        assert file.read_bytes() == content(file.name)
        assert file.stem == file.name[:-4] and file.exists()
        assert str(file) == f"{packed}/{shard_of(file.name)}/{file.name}"


def test_a_missing_file_has_its_path_in_the_folder(packed: Path) -> None:
    """A missing file or shard gives a path that does not exist."""
    for name in ("q0.png", "q1.png", "q2.png", "q3.png"):
        assert locate(packed, name) == packed / name
        assert not locate(packed, name).exists()
    assert files(packed / "nowhere") == []


def test_the_shard_is_two_digits_of_a_hash() -> None:
    """SHA-256 of "a" begins with ca, of "abc" with ba; line art is in the shard of its picture."""
    assert shard_of("a.png") == shard_of("a.jpg") == "ca.tar"
    assert shard_of("abc.jpg") == shard_of("abc.sketch.png") == "ba.tar"


def test_shards_are_plain_tar_files(packed: Path) -> None:
    """Every header is USTAR's: members sorted, mode 644, no time, owner or group."""
    for shard in packed.iterdir():
        raw = shard.read_bytes()
        with tarfile.open(shard) as tar:
            members = tar.getmembers()
        assert [entry.name for entry in members] == sorted(entry.name for entry in members)
        for entry in members:
            header = raw[entry.offset_data - 512 : entry.offset_data]
            assert header[100:124] == b"0000644\x000000000\x000000000\x00"
            assert header[136:148] == b"00000000000\x00"
            assert header[257:265] == b"ustar\x0000"
            assert header[265:329] == bytes(64)


def test_bytes_depend_on_names_and_contents_only(packed: Path, tmp_path: Path) -> None:
    """The order on disk and modification times do not change shards."""
    shuffled = random.Random(0).sample(NAMES, len(NAMES))
    second = fill(tmp_path / "other", shuffled)
    for number, name in enumerate(shuffled):
        os.utime(second / name, (number, number))
    pack(second, above=0)
    assert tree(second) == tree(packed)


def test_one_picture_more_changes_one_shard(packed: Path, tmp_path: Path) -> None:
    """All other shards keep their bytes, so that DVC stores and uploads only one shard."""
    second = fill(tmp_path / "other", [*NAMES, "p120.png"])
    pack(second, above=0)
    before, after = tree(packed), tree(second)
    assert {name for name in after if after[name] != before.get(name)} == {shard_of("p120.png")}


def test_packing_again_replaces_shards(packed: Path) -> None:
    """Shards of an earlier run are removed; a folder with only shards is unchanged."""
    before = tree(packed)
    pack(packed, above=0)
    assert tree(packed) == before
    fill(packed, NAMES[:50])
    pack(packed, above=0)
    assert [file.name for file in files(packed)] == NAMES[:50]
    fill(packed, NAMES[:3])
    pack(packed, above=3)
    assert sorted(tree(packed)) == NAMES[:3]


PACK = """
import os, signal, sys
from pathlib import Path
from refcolor.io.shards import pack
left, replace = int(sys.argv[2]), os.replace
def dying(*paths):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*paths)
os.replace = dying
pack(Path(sys.argv[1]), above=0)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("after", [0, 1, 40])
def test_a_kill_loses_nothing(packed: Path, tmp_path: Path, after: int) -> None:
    """After a kill every file is found; a rerun gives the same shards as without it."""
    second = fill(tmp_path / "other")
    killed = subprocess.run([sys.executable, "-c", PACK, str(second), str(after)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(second.glob("*.tar"))) == after
    assert [file.name for file in files(second)] == NAMES
    assert all(locate(second, name).read_bytes() == content(name) for name in NAMES)
    fill(second)
    pack(second, above=0)
    assert tree(second) == tree(packed)


def test_removing_touches_no_other_shard(packed: Path) -> None:
    """The bytes of a removed file are gone; an empty shard is deleted."""
    before = tree(packed)
    shard = Path(shard_of("p7.png")).name
    removed = [file for file in files(packed) if file.name == "p7.png"]
    remove(removed)
    after = tree(packed)
    assert {name for name in before if after.get(name) != before[name]} == {shard}
    assert b"p7.png" not in after.get(shard, b"")
    assert [file.name for file in files(packed)] == [name for name in NAMES if name != "p7.png"]
    remove(
        [file for file in files(packed) if isinstance(file, Member) and file.shard.name == shard]
    )
    assert not (packed / shard).exists()


def test_long_names_have_room(tmp_path: Path) -> None:
    """A name of more than 100 characters, the limit of USTAR, is found."""
    folder = tmp_path / "long"
    folder.mkdir()
    name = f"{'x' * 180}.png"
    (folder / name).write_bytes(b"pixels")
    pack(folder, above=0)
    assert locate(folder, name).read_bytes() == b"pixels"


def test_a_shard_that_is_cut_short_is_named(packed: Path) -> None:
    """A damaged tar file is an error with advice."""
    shard = packed / shard_of("p7.png")
    shard.write_bytes(shard.read_bytes()[:700])
    with pytest.raises(RefcolorError, match=r"\.tar is not a complete tar file .*run `dvc repro`"):
        files(packed)


def test_pictures_are_read_out_of_shards(tmp_path: Path) -> None:
    """A picture in a shard has the same pixels; the message names a damaged one."""
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    image.write(tmp_path / "a.png", picture)
    image.write(tmp_path / "b.png", picture[..., 0])
    (tmp_path / "c.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    pack(tmp_path, above=0)
    assert np.array_equal(image.read(locate(tmp_path, "a.png")), picture)
    assert np.array_equal(image.read_gray(locate(tmp_path, "b.png")), picture[..., 0])
    with pytest.raises(PictureError, match=r"2e\.tar/c\.png is truncated"):
        image.read(locate(tmp_path, "c.png"))


def test_line_art_is_found_beside_its_picture(tmp_path: Path) -> None:
    """Pairs in shards are cleaned as pairs in files, with the same reasons."""
    params = CleanParams(
        size=32,
        fit="pad",
        max_megapixels=1,
        min_side=4,
        min_colorfulness=0,
        min_hue_spread=0,
        min_foreground=0,
    )
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    for folder in ("files", "shards"):
        image.write(tmp_path / folder / "a.png", picture)
        image.write(tmp_path / folder / "a.sketch.png", picture[..., 0])
        image.write(tmp_path / folder / "b.png", picture)
    pack(tmp_path / "shards", above=0)
    for id, reason in (("a", ""), ("b", "no_partner")):
        single, member = (
            clean_picture(locate(tmp_path / folder, f"{id}.png"), id, params, layout="pairs")
            for folder in ("files", "shards")
        )
        assert single[2] == member[2] and single[2].reason == reason
        for from_file, from_shard in zip(single[:2], member[:2], strict=True):
            assert (
                np.array_equal(from_file, from_shard)
                if reason == ""
                else from_file is from_shard is None
            )
    file = locate(tmp_path / "shards", "a.png")
    assert [file.name for file in siblings(file, "a.sketch.")] == ["a.sketch.png"]


def test_the_limit_is_ten_thousand_files() -> None:
    """docs/scale.md has the limit."""
    assert shards.SHARD_ABOVE == 10_000
