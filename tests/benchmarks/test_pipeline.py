"""What the table of costs says, on numbers worked by hand."""

import os
from pathlib import Path

from benchmarks.pipeline import Cost, megabytes_on_disk, table


def test_growth_is_the_exponent_between_two_counts() -> None:
    """Ten times the pictures: ten times the time is 1, a hundred times is 2 and pointed at."""
    few = {"clean": Cost(2, 3, 80, 5), "split": Cost(1, 1, 90, 6)}
    many = {"clean": Cost(16, 30, 81, 50), "split": Cost(99, 100, 900, 1060)}
    rows = table([600, 6000], [few, many])
    assert rows[2:] == [
        "| clean | 600 | 2.0 | 3.0 | 5.00 |  | 80 | 5 |",
        "| clean | 6,000 | 16.0 | 30.0 | 5.00 | 1.00 | 81 | 50 |",
        "| split | 600 | 1.0 | 1.0 | 1.67 |  | 90 | 6 |",
        "| split | 6,000 | 99.0 | 100.0 | 16.67 | 2.00 **faster** | 900 | 1,060 |",
    ]


def test_a_hard_link_takes_its_room_once(tmp_path: Path) -> None:
    """A megabyte under two names is a megabyte; a copy is another one."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a").write_bytes(os.urandom(2**20))
    alone = megabytes_on_disk(tmp_path)
    assert 1 <= alone < 1.2
    os.link(tmp_path / "raw" / "a", tmp_path / "b")
    assert megabytes_on_disk(tmp_path) == alone
    (tmp_path / "c").write_bytes((tmp_path / "b").read_bytes())
    assert megabytes_on_disk(tmp_path) == 2 * alone
