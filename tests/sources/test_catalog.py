"""One door to all sources: listing them, fetching a picture, drawing one again."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from refcolor import image
from refcolor.params import SourceParams
from refcolor.sources import catalog
from refcolor.sources.manifest import Record
from refcolor.sources.sample import ACCESSORIES, CLOTHES, HAIR_STYLES


@pytest.fixture
def sample(make_params: Callable[..., object]) -> SourceParams:
    """Eleven drawn characters."""
    return make_params().source  # type: ignore[attr-defined]


def folder_of(path: Path, *, count: int, make_params: Callable[..., object]) -> SourceParams:
    """Describe a folder as source."""
    folder = {"path": str(path), "layout": "pictures"}
    changes = {"source.kind": "folder", "source.count": count, "source.folder": folder}
    return make_params(changes).source  # type: ignore[attr-defined]


def test_drawn_characters_are_listed_with_their_facts(sample: SourceParams) -> None:
    """As many records as asked for, all different, with the seeds and styles that made them."""
    listing = catalog.discover(sample)
    assert len(listing.records) == 11
    assert listing.dropped == {}
    assert len({record.id for record in listing.records}) == 11
    for index, record in enumerate(listing.records):
        facts = record.attributes
        assert catalog.is_drawn(record)
        assert (facts["shape_seed"], facts["palette_seed"]) == ("1", "2")
        assert facts["shape"] == facts["palette"] == str(index)
        assert facts["hair"] in HAIR_STYLES
        assert facts["clothes"] in CLOTHES
        assert facts["accessory"] in ACCESSORIES


def test_more_characters_keep_those_before_them(make_params: Callable[..., object]) -> None:
    """A larger count adds records and changes none, so a longer run extends a shorter one."""
    few, many = (
        catalog.discover(make_params({"source.count": count}).source).records  # type: ignore[attr-defined]
        for count in (8, 13)
    )
    assert many[:8] == few


def test_fetching_draws_the_record(sample: SourceParams, tmp_path: Path) -> None:
    """A fetched character is the drawing of its record, at the size asked for."""
    record = catalog.discover(sample).records[3]
    catalog.fetch(record, sample, destination=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["sample-000003.png"]
    fetched = image.read(tmp_path / "sample-000003.png")
    assert fetched.shape == (48, 48, 3)
    assert np.array_equal(fetched, catalog.draw(record, size=48).color)


def test_another_palette_keeps_every_part_in_place(sample: SourceParams) -> None:
    """The true recolouring has the parts and lines of the one and the colours of the other."""
    one, other = catalog.discover(sample).records[3:5]
    own, recolored = catalog.draw(one, size=64), catalog.draw(one, size=64, palette_of=other)
    assert np.array_equal(own.parts, recolored.parts)
    assert np.array_equal(own.ink, recolored.ink)
    assert (own.color != recolored.color).any(axis=-1).mean() > 0.1
    assert not np.array_equal(own.parts, catalog.draw(other, size=64).parts)


def test_a_folder_is_cut_at_the_count_and_says_so(
    tmp_path: Path, make_params: Callable[..., object]
) -> None:
    """Of five pictures and a text, a count of 3 keeps 3 and counts every other file by reason."""
    for index in range(5):
        image.write(tmp_path / f"{index}.png", np.full((5, 7, 3), 20 * index, np.uint8))
    (tmp_path / "readme.txt").write_text("x")
    listing = catalog.discover(folder_of(tmp_path, count=3, make_params=make_params))
    assert len(listing.records) == 3
    assert listing.dropped == {"over_count": 2, "not_a_picture_name": 1}
    assert not any(catalog.is_drawn(record) for record in listing.records)


@pytest.mark.parametrize("count", [0, 5, 9])
def test_a_count_of_zero_or_enough_takes_the_whole_folder(
    tmp_path: Path, count: int, make_params: Callable[..., object]
) -> None:
    """Zero means all that the folder holds."""
    for index in range(5):
        image.write(tmp_path / f"{index}.png", np.full((5, 7, 3), 20 * index, np.uint8))
    listing = catalog.discover(folder_of(tmp_path, count=count, make_params=make_params))
    assert len(listing.records) == 5
    assert listing.dropped == {}


def test_fetching_from_a_folder_copies_the_bytes(
    tmp_path: Path, make_params: Callable[..., object]
) -> None:
    """A file of a folder arrives under its id, byte for byte."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.JPG").write_bytes(b"whatever")
    source = folder_of(tmp_path / "in", count=0, make_params=make_params)
    record: Record = catalog.discover(source).records[0]
    catalog.fetch(record, source, destination=tmp_path / "raw")
    assert (tmp_path / "raw" / f"{record.id}.jpg").read_bytes() == b"whatever"
