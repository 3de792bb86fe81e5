"""The times of commands that have nothing to do are those of commands that did run."""

from pathlib import Path

import pytest

from benchmarks.startup import row, seconds
from refcolor.errors import RefcolorError


def test_seconds_are_those_of_the_process(tmp_path: Path) -> None:
    """A process that sleeps for 0.3 s takes at least that, and not ten times that."""
    program = "import time; time.sleep(0.3); print('done')"
    assert 0.3 < seconds(["-c", program], folder=tmp_path, says="done", rounds=1) < 3


def test_a_command_that_does_something_else_is_not_timed(tmp_path: Path) -> None:
    """What fails early is fast, and must not pass for a good time."""
    with pytest.raises(RefcolorError, match=r"-m pipeline\.none does not say 'usage', so its time"):
        seconds(["-m", "pipeline.none"], folder=tmp_path, says="usage", rounds=1)


def test_a_missed_target_is_reported() -> None:
    """The line ends with it."""
    assert row("refcolor --help", 0.061, 0.5).split() == "refcolor --help 0.06 s 0.5 s".split()
    assert row("refcolor --help", 0.51, 0.5).endswith("  MISSED")
