"""Drawn characters as records."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refcolor.characters import (
    ACCESSORIES,
    CLOTHES,
    HAIR_STYLES,
    UNSEEN_CLOTHES,
    UNSEEN_HAIR_STYLES,
)
from refcolor.errors import RefcolorError
from refcolor.params import SampleParams
from refcolor.sources.drawn import draw, is_drawn, iterate_drawable, list_drawn
from refcolor.sources.manifest import Record, write_manifest

PARAMS = SampleParams(shape_seed=1, palette_seed=2, size=48)
SHARED = PARAMS.model_copy(update={"palettes": 4})
FACTS = {"shape": "0", "palette": "0", "shape_seed": "1", "palette_seed": "2"}
UNSEEN = {"hair": UNSEEN_HAIR_STYLES, "clothes": UNSEEN_CLOTHES}


def test_drawn_characters_are_listed_with_their_attributes() -> None:
    """There are `count` different records with the seeds and styles that made them."""
    records = list_drawn(PARAMS, 11)
    assert len({record.id for record in records}) == 11
    for index, record in enumerate(records):
        facts = record.attributes
        assert is_drawn(record)
        assert record.address == f"sample:1/2/{index}"
        assert (facts["shape_seed"], facts["palette_seed"]) == ("1", "2")
        assert facts["shape"] == facts["palette"] == str(index)
        assert facts["hair"] in HAIR_STYLES
        assert facts["clothes"] in CLOTHES
        assert facts["accessory"] in ACCESSORIES


def test_more_characters_keep_those_before_them() -> None:
    """A larger count adds records and changes none, so a longer run extends a shorter one."""
    assert list_drawn(PARAMS, 13)[:8] == list_drawn(PARAMS, 8)


def test_characters_of_one_palette_are_a_group() -> None:
    """Every fourth has the same palette and group; shapes and ids are those without groups."""
    ungrouped, shared = list_drawn(PARAMS, 9), list_drawn(SHARED, 9)
    assert {record.group for record in ungrouped} == {""}
    assert [record.attributes["palette"] for record in shared] == list("012301230")
    assert [record.group for record in shared] == [f"palette:2/{i % 4}" for i in range(9)]
    for single, shared_record in zip(ungrouped, shared, strict=True):
        assert (single.id, single.address) == (shared_record.id, shared_record.address)
        assert single.attributes | {"palette": ""} == shared_record.attributes | {"palette": ""}
    assert ungrouped[:4] == [replace(record, group="") for record in shared[:4]]
    assert list_drawn(SHARED, 13)[:9] == shared


def test_shape_and_shared_palette_are_independent() -> None:
    """Each style of hair and of clothes is as frequent with every palette, within 4 deviations."""
    records = list_drawn(SHARED, 3000)
    for part, styles in (("hair", HAIR_STYLES), ("clothes", CLOTHES)):
        counts = Counter((record.attributes[part], record.group) for record in records)
        expected = 3000 / len(styles) / 4
        assert len(counts) == 4 * len(styles)
        assert all(abs(count - expected) < 4 * expected**0.5 for count in counts.values())


def test_another_palette_keeps_every_part_in_place() -> None:
    """The true recolouring has the parts and lines of the first and the colours of the second."""
    first, second = list_drawn(PARAMS, 5)[3:5]
    original, recolored = draw(first, size=64), draw(first, size=64, palette_of=second)
    assert np.array_equal(original.parts, recolored.parts)
    assert np.array_equal(original.ink, recolored.ink)
    assert (original.color != recolored.color).any(axis=-1).mean() > 0.1
    assert not np.array_equal(original.parts, draw(second, size=64).parts)


def test_the_address_identifies_drawn_characters() -> None:
    """A picture of another source is not drawn, with any attributes."""
    record = list_drawn(PARAMS, 1)[0]
    assert is_drawn(record)
    assert not is_drawn(None)
    assert not is_drawn(Record(id="a", address="a.png"))
    assert not is_drawn(replace(record, address="http://a.example/a.png"))


@pytest.mark.parametrize("part", ["hair", "clothes"])
def test_unknown_parts_are_errors(part: str, tmp_path: Path) -> None:
    """The message names the line, the part, the value and the known styles."""
    record, path = list_drawn(PARAMS, 1)[0], tmp_path / "manifest.jsonl"
    for known in ({}, record.attributes, {part: UNSEEN[part][0]}):
        write_manifest(path, [replace(record, attributes=FACTS | known)])
        assert len(list(iterate_drawable(path))) == 1
    write_manifest(path, [replace(record, attributes=record.attributes | {part: "x"})])
    with pytest.raises(
        RefcolorError, match=rf"line 1: attributes.{part} must be .*{UNSEEN[part][0]}.*'x'"
    ):
        list(iterate_drawable(path))
