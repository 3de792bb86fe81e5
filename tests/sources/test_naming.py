"""File names fit the limit, differ for all pictures, and are unchanged where they can be."""

import re
from pathlib import Path

import pytest

from refcolor.sources.naming import LONGEST_NAME, file_name, forms_in_result, result_name


def test_names_that_fit_stay_as_they_are() -> None:
    """Up to 255 bytes nothing is cut."""
    assert file_name("a", "_colors.png") == "a_colors.png"
    assert file_name("x" * 251, ".png") == "x" * 251 + ".png"
    assert result_name("sample-000001", "b__c") == "sample-000001__b__c.png"
    assert result_name("a" * 200, "b" * 49) == "a" * 200 + "__" + "b" * 49 + ".png"


@pytest.mark.parametrize("letter", ["x", "ü", "漢", "😀"])
def test_a_name_that_is_too_long_is_cut(letter: str, tmp_path: Path) -> None:
    """It keeps its beginning and gets digits of a hash, in whole letters, in at most 255 bytes."""
    stem = letter * (253 // len(letter.encode()))
    name = file_name(stem, "_colors.png")
    assert re.fullmatch(f"{letter}+-[0-9a-f]{{16}}_colors.png", name)
    assert LONGEST_NAME - len(letter.encode()) < len(name.encode()) <= LONGEST_NAME
    (tmp_path / name).touch()
    assert name != file_name(stem[:-1] + "y", "_colors.png")


def test_the_result_of_a_long_pair_has_a_part_of_each_id(tmp_path: Path) -> None:
    """Both ids are cut to the same length, so that a pair, its reverse and others differ."""
    a, b, c = ("x" * 199 + last for last in "abc")
    names = {result_name(*pair) for pair in ((a, b), (b, a), (a, c), (a, "d" * 80))}
    assert len(names) == 4
    for name in names:
        assert len(name) <= LONGEST_NAME
        (tmp_path / name).touch()
    assert result_name(a, "d" * 80).endswith("__" + "d" * 80 + ".png")


@pytest.mark.parametrize("sketch", ["a", "a__b", "x" * 200])
@pytest.mark.parametrize("reference", ["c", "y" * 200])
def test_a_result_is_found_by_both_of_its_ids(sketch: str, reference: str) -> None:
    """Its name contains both ids, whole or cut."""
    stem = result_name(sketch, reference).removesuffix(".png")
    assert stem in {
        f"{first}__{second}"
        for first in forms_in_result(sketch)
        for second in forms_in_result(reference)
    }
