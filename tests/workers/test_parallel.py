"""Per-picture work gives the same results in the same order on any number of workers."""

import math
import os
import time
from pathlib import Path

import cv2
import pytest

from refcolor.errors import PictureError
from refcolor.workers.parallel import map_pictures


def slow_first(item: int) -> int:
    """Square a number; the first item finishes last."""
    time.sleep(0.2 if item == 0 else 0)
    return item * item


def refuse(item: int) -> int:
    """Raise PictureError for 3."""
    if item == 3:
        raise PictureError("truncated", "3.png is cut")
    return item


def own_process(_item: int) -> int:
    """Return the process id."""
    return os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_item_order(workers: int) -> None:
    """The results are in the order of the items."""
    assert list(map_pictures(slow_first, range(5), workers=workers, label="x")) == [0, 1, 4, 9, 16]


def test_two_workers_are_other_processes() -> None:
    """More than one worker run in other processes."""
    assert os.getpid() not in set(map_pictures(own_process, range(4), workers=2, label="x"))


@pytest.mark.parametrize("workers", [1, 2])
def test_the_error_of_a_worker_is_raised_here(workers: int) -> None:
    """A worker's error arrives with its type and reason."""
    with pytest.raises(PictureError, match=r"3\.png is cut") as error:
        list(map_pictures(refuse, range(5), workers=workers, label="x"))
    assert error.value.reason == "truncated"


def test_without_items_there_are_no_results() -> None:
    """No items are not an error; zero workers means a process for each core."""
    assert list(map_pictures(math.sqrt, [], workers=1, label="x")) == []
    assert list(map_pictures(math.sqrt, [4, 9], workers=0, label="x")) == [2, 3]


def test_progress_carries_the_label(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The bar on stderr has the label and counts to the end."""
    list(map_pictures(str, [tmp_path], workers=1, label="clean"))
    assert "clean: 100%" in capsys.readouterr().err


def opencv_threads(_item: int) -> int:
    """Return the number of OpenCV's threads in this process."""
    return cv2.getNumThreads()


@pytest.mark.parametrize("workers", [1, 2])
def test_opencv_has_one_thread_in_a_worker(workers: int) -> None:
    """Workers for all cores with a thread for each core would be cores times cores threads."""
    before = cv2.getNumThreads()
    assert set(map_pictures(opencv_threads, range(4), workers=workers, label="x")) == {1}
    assert cv2.getNumThreads() == before
