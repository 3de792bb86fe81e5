"""`discover` lists every source, and `download` fetches its pictures."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.params import Params, SourceParams
from refcolor.sources.drawn import draw, list_drawn
from refcolor.sources.fetching.download import check_success, download
from refcolor.sources.fetching.transfer import Failure
from refcolor.sources.listing import Listing
from refcolor.sources.listing.discover import discover
from refcolor.sources.manifest import Record, write_manifest


class Setting:
    """A folder, and parameters of a source with changes and a take-down list."""

    def __init__(self, make_params: Callable[..., Params], folder: Path) -> None:
        self.make_params, self.folder = make_params, folder

    def source(self, *, takedown: str = "", **changes: Any) -> SourceParams:
        """Make parameters with changes."""
        (self.folder / "exclude.txt").write_text(takedown)
        changes = {"exclude_file": str(self.folder / "exclude.txt")} | changes
        return self.make_params({f"source.{name}": value for name, value in changes.items()}).source

    def discover(self, **changes: Any) -> Listing:
        """List a source."""
        return discover(self.source(**changes), self.make_params().filter, state=self.folder)

    def download(
        self, records: list[Record] | Path, source: SourceParams
    ) -> tuple[Path, list[Failure]]:
        """Fetch records, or those of a manifest, into the folder `raw`."""
        manifest, raw = self.folder / "manifest.jsonl", self.folder / "raw"
        if isinstance(records, Path):
            manifest = records
        else:
            write_manifest(manifest, records)
        state = self.folder / "state"
        failures = download(
            manifest, source, destination=raw, state=state, workers=1, max_megapixels=50
        )
        return raw, failures


@pytest.fixture
def setting(make_params: Callable[..., Params], tmp_path: Path) -> Setting:
    """Give parameters and a folder."""
    return Setting(make_params, tmp_path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of five pictures and a text."""
    folder = tmp_path / "in"
    for index in range(5):
        image.write(folder / f"{index}.png", np.full((5, 7, 3), 20 * index, np.uint8))
    (folder / "readme.txt").write_text("x")
    return folder


@pytest.mark.parametrize(("count", "kept"), [(3, 3), (0, 5), (5, 5), (9, 5)])
def test_a_folder_is_limited_to_the_count(
    count: int, kept: int, pictures: Path, setting: Setting
) -> None:
    """Of five pictures and a text, a count of 3 keeps 3; 0 keeps all, as a large count does."""
    folder = {"path": str(pictures), "layout": "pictures"}
    listing = setting.discover(kind="folder", count=count, folder=folder)
    assert len(listing.records) == kept
    over_count = {"over_count": 5 - kept} if kept < 5 else {}
    assert listing.dropped == over_count | {"not_a_picture_name": 1}
    assert listing.line_art == []


def test_a_taken_down_picture_is_counted_and_not_replaced(setting: Setting) -> None:
    """Of eleven characters the listed one is dropped; the others are unchanged."""
    everything = setting.discover().records
    listing = setting.discover(takedown="id sample-000004\n")
    assert listing.dropped == {"excluded": 1}
    assert listing.records == [record for record in everything if record.id != "sample-000004"]


def test_drawn_characters_are_drawn(setting: Setting) -> None:
    """A drawn character arrives as the drawing of its record, at the size of the parameters."""
    source = setting.source()
    record = list_drawn(source.sample, 11)[3]
    raw, failures = setting.download([record], source)
    assert failures == []
    assert [path.name for path in raw.iterdir()] == ["sample-000003.png"]
    assert np.array_equal(image.read(raw / "sample-000003.png"), draw(record, size=48).color)


def test_files_of_a_folder_are_copied(setting: Setting, tmp_path: Path) -> None:
    """A file of a folder arrives under its id, byte for byte; a missing file is a failure."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.JPG").write_bytes(b"whatever")
    changes = {
        "kind": "folder",
        "count": 0,
        "folder": {"path": str(tmp_path / "in"), "layout": "pictures"},
    }
    (record,) = setting.discover(**changes).records
    missing = replace(record, id="gone", address="b.jpg")
    raw, failures = setting.download([record, missing], setting.source(**changes))
    assert (raw / f"{record.id}.jpg").read_bytes() == b"whatever"
    assert failures == [Failure("gone", "unreadable_file")]


def test_a_picture_taken_down_after_listing_is_not_fetched(setting: Setting) -> None:
    """A manifest may be older than the take-down: nothing is drawn, copied or requested."""
    source = setting.source(takedown="id sample-000001\nmd5 " + "ab" * 16 + "\n")
    records = list_drawn(source.sample, 3)
    records[2] = replace(records[2], address="http://127.0.0.1:1/x.png", md5="ab" * 16)
    raw, failures = setting.download(records, source)
    assert [path.stem for path in raw.iterdir()] == ["sample-000000"]
    assert failures == [Failure(f"sample-00000{n}", "excluded") for n in (1, 2)]


def test_a_published_manifest_is_a_source(setting: Setting, tmp_path: Path) -> None:
    """Another project's manifest gives the same records."""
    records = list_drawn(setting.source().sample, 9)
    write_manifest(tmp_path / "theirs.jsonl", records)
    manifest = {"path": str(tmp_path / "theirs.jsonl")}
    listing = setting.discover(kind="manifest", count=7, manifest=manifest)
    assert listing.records == records[:7]
    assert listing.dropped == {"over_count": 2}


def test_a_manifest_of_local_files_is_refused(setting: Setting, tmp_path: Path) -> None:
    """A manifest as a source must not contain local paths."""
    theirs = tmp_path / "theirs.jsonl"
    theirs.write_text(json.dumps({"id": "a", "address": "a/b.png"}) + "\n")
    for path, message in (
        (theirs, r"address of a must be .*, got the local path 'a/b.png'"),
        (tmp_path, r"source.manifest.path must be a manifest, got"),
    ):
        with pytest.raises(RefcolorError, match=message):
            setting.discover(kind="manifest", manifest={"path": str(path)})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"address": "sample:1/2/3", "attributes": {}}, "a drawn character has an address like"),
        ({"address": 5}, "address should be a valid string, got 5"),
        ({"hair": "x"}, "attributes.hair must be one of .*, got 'x'"),
    ],
)
def test_a_bad_record_is_named_before_any_work(
    changed: dict[str, Any], message: str, setting: Setting, tmp_path: Path
) -> None:
    """Both discover and download reject a bad record with its line number and write nothing."""
    path = tmp_path / "theirs.jsonl"
    write_manifest(path, list_drawn(setting.source().sample, 3))
    first, *others = path.read_text().splitlines()
    record = json.loads(first)
    if "hair" in changed:
        changed = {"attributes": record["attributes"] | changed}
    path.write_text("\n".join([*others, json.dumps(record | changed)]))
    source = {"kind": "manifest", "manifest": {"path": str(path)}}
    with pytest.raises(RefcolorError, match=rf"theirs\.jsonl line 3: {message}"):
        setting.discover(**source)
    with pytest.raises(RefcolorError, match=rf"theirs\.jsonl line 3: {message}"):
        setting.download(path, setting.source(**source))
    assert not list((tmp_path / "raw").iterdir())


@pytest.mark.parametrize(("failures", "of"), [(0, 0), (0, 10), (1, 10), (2, 10)])
def test_enough_pictures_must_be_fetched(failures: int, of: int, setting: Setting) -> None:
    """With min_success 0.9 one of ten may fail; with two failures the message says what to do."""
    if failures < 2:
        check_success(failures, of, setting.source())
    else:
        with pytest.raises(RefcolorError, match=r"8 of 10 pictures could be .*, less than .* 0.9;"):
            check_success(failures, of, setting.source())
