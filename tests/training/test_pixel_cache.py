"""The cache of pixels, cleared while another process fills an entry."""

import time
from pathlib import Path
from threading import Thread

from filelock import FileLock

from refcolor.training.pixel_cache import clear_pixel_cache


def test_dropping_waits_for_an_entry_being_written(tmp_path: Path) -> None:
    """An entry that is finished while another process waits to drop all is dropped too."""
    making, made = tmp_path / "a.part", tmp_path / "a"
    making.mkdir()
    (making / "color.npy").write_bytes(b"pixels")
    dropped: list[Path] = []
    with FileLock(tmp_path / "lock"):
        thread = Thread(target=lambda: dropped.extend(clear_pixel_cache(tmp_path)))
        thread.start()
        time.sleep(0.3)
        making.rename(made)
    thread.join()
    assert dropped == [made / "color.npy"]
    assert not made.exists()


def test_dropping_an_empty_cache_is_allowed(tmp_path: Path) -> None:
    """A cache without a folder is not an error."""
    assert clear_pixel_cache(tmp_path / "pictures") == []
