"""Every source is listed by `discover`, and its pictures are fetched by `download`."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refcolor import image
from refcolor.errors import RefcolorError
from refcolor.params import Params, SourceParams
from refcolor.sources.drawn import draw, list_drawn
from refcolor.sources.fetching.download import check_success, download
from refcolor.sources.fetching.transfer import Failure
from refcolor.sources.listing import Listing
from refcolor.sources.listing import discover as lister
from refcolor.sources.manifest import Record, write_manifest

Make = Callable[..., Params]


@pytest.fixture
def make_source(make_params: Make, tmp_path: Path) -> Callable[..., SourceParams]:
    """Give source parameters with changes, and a take-down list of given lines."""

    def make(*, takedown: str = "", **changes: Any) -> SourceParams:
        (tmp_path / "exclude.txt").write_text(takedown)
        changes = {"exclude_file": str(tmp_path / "exclude.txt")} | changes
        source = make_params({f"source.{name}": value for name, value in changes.items()}).source
        return source

    return make


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of five pictures and a text."""
    folder = tmp_path / "in"
    for index in range(5):
        image.write(folder / f"{index}.png", np.full((5, 7, 3), 20 * index, np.uint8))
    (folder / "readme.txt").write_text("x")
    return folder


def discover(source: SourceParams, make_params: Make, state: Path) -> Listing:
    """List a source with the filter of the tests."""
    return lister.discover(source, make_params().filter, state=state)


def fetch(records: list[Record], source: SourceParams, root: Path) -> tuple[Path, list[Any]]:
    """Fetch records into `root/raw`."""
    write_manifest(root / "manifest.jsonl", records)
    failures = download(
        root / "manifest.jsonl",
        source,
        destination=root / "raw",
        state=root / "state",
        workers=1,
        max_megapixels=50,
    )
    return root / "raw", failures


def test_a_folder_is_cut_at_the_count_and_says_so(
    pictures: Path, make_source: Callable[..., SourceParams], make_params: Make, tmp_path: Path
) -> None:
    """Of five pictures and a text, a count of 3 keeps 3 and counts every other file by reason."""
    folder = {"path": str(pictures), "layout": "pictures"}
    listing = discover(make_source(kind="folder", count=3, folder=folder), make_params, tmp_path)
    assert len(listing.records) == 3
    assert listing.dropped == {"over_count": 2, "not_a_picture_name": 1}
    assert listing.line_art == []


@pytest.mark.parametrize("count", [0, 5, 9])
def test_a_count_of_zero_or_enough_takes_the_whole_folder(
    count: int,
    pictures: Path,
    make_source: Callable[..., SourceParams],
    make_params: Make,
    tmp_path: Path,
) -> None:
    """Zero means all that the folder holds."""
    folder = {"path": str(pictures), "layout": "pictures"}
    source = make_source(kind="folder", count=count, folder=folder)
    listing = discover(source, make_params, tmp_path)
    assert len(listing.records) == 5
    assert listing.dropped == {"not_a_picture_name": 1}


def test_a_taken_down_picture_is_counted_and_not_replaced(
    make_source: Callable[..., SourceParams], make_params: Make, tmp_path: Path
) -> None:
    """Of eleven characters the one that is named goes; the others stay the same."""
    all_of_them = discover(make_source(), make_params, tmp_path).records
    listing = discover(make_source(takedown="id sample-000004\n"), make_params, tmp_path)
    assert listing.dropped == {"excluded": 1}
    assert listing.records == [one for one in all_of_them if one.id != "sample-000004"]


def test_drawn_characters_are_drawn(
    make_source: Callable[..., SourceParams], tmp_path: Path
) -> None:
    """A drawn character arrives as the drawing of its record, at the size asked for."""
    source = make_source()
    record = list_drawn(source.sample, 11)[3]
    raw, failures = fetch([record], source, tmp_path)
    assert failures == []
    assert [path.name for path in raw.iterdir()] == ["sample-000003.png"]
    fetched = image.read(raw / "sample-000003.png")
    assert np.array_equal(fetched, draw(record, size=48).color)


def test_files_of_a_folder_are_copied(
    make_source: Callable[..., SourceParams], make_params: Make, tmp_path: Path
) -> None:
    """A file of a folder arrives under its id, byte for byte; one that has gone is a failure."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.JPG").write_bytes(b"whatever")
    folder = {"path": str(tmp_path / "in"), "layout": "pictures"}
    source = make_source(kind="folder", count=0, folder=folder)
    record = discover(source, make_params, tmp_path).records[0]
    gone = replace(record, id="gone", address="b.jpg")
    raw, failures = fetch([record, gone], source, tmp_path)
    assert (raw / f"{record.id}.jpg").read_bytes() == b"whatever"
    assert failures == [Failure("gone", "unreadable_file")]


def test_a_picture_taken_down_since_is_not_fetched(
    make_source: Callable[..., SourceParams], tmp_path: Path
) -> None:
    """A manifest may be older than the take-down: nothing is drawn, copied or requested."""
    source = make_source(takedown="id sample-000001\nmd5 " + "ab" * 16 + "\n")
    records = list_drawn(source.sample, 3)
    records[2] = replace(records[2], address="http://127.0.0.1:1/x.png", md5="ab" * 16)
    raw, failures = fetch(records, source, tmp_path)
    assert [path.stem for path in raw.iterdir()] == ["sample-000000"]
    assert failures == [Failure(f"sample-00000{n}", "excluded") for n in (1, 2)]


def test_a_published_manifest_is_a_source(
    make_source: Callable[..., SourceParams], make_params: Make, tmp_path: Path
) -> None:
    """Anybody else's manifest gives the same records."""
    records = list_drawn(make_source().sample, 9)
    write_manifest(tmp_path / "theirs.jsonl", records)
    source = make_source(
        kind="manifest", count=7, manifest={"path": str(tmp_path / "theirs.jsonl")}
    )
    listing = discover(source, make_params, tmp_path)
    assert listing.records == records[:7]
    assert listing.dropped == {"over_count": 2}


def test_a_manifest_of_local_files_is_refused(
    make_source: Callable[..., SourceParams], make_params: Make, tmp_path: Path
) -> None:
    """A manifest names places, and a place on somebody's disk is none."""
    (tmp_path / "theirs.jsonl").write_text(json.dumps({"id": "a", "address": "a/b.png"}) + "\n")
    source = make_source(kind="manifest", manifest={"path": str(tmp_path / "theirs.jsonl")})
    with pytest.raises(RefcolorError, match=r"names a at 'a/b.png', a place on somebody's disk"):
        discover(source, make_params, tmp_path)
    source = make_source(kind="manifest", manifest={"path": str(tmp_path)})
    with pytest.raises(RefcolorError, match=r"source.manifest.path must be a manifest, got"):
        discover(source, make_params, tmp_path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"address": "sample:1/2/3", "attributes": {}}, "a drawn character has an address like"),
        ({"address": 5}, "address should be a valid string, got 5"),
        ({"hair": "x"}, "attributes.hair must be one of .*, got 'x'"),
    ],
)
def test_a_record_that_cannot_be_had_is_named_before_any_work(
    changed: dict[str, Any],
    said: str,
    make_source: Callable[..., SourceParams],
    make_params: Make,
    tmp_path: Path,
) -> None:
    """Listed or fetched, a stranger's manifest is refused with its line, and nothing is made."""
    path = tmp_path / "theirs.jsonl"
    write_manifest(path, list_drawn(make_source().sample, 3))
    first, *others = path.read_text().splitlines()
    record = json.loads(first)
    if "hair" in changed:
        changed = {"attributes": record["attributes"] | changed}
    path.write_text("\n".join([*others, json.dumps(record | changed)]))
    source = make_source(kind="manifest", manifest={"path": str(path)})
    with pytest.raises(RefcolorError, match=rf"theirs\.jsonl line 3: {said}"):
        discover(source, make_params, tmp_path)
    with pytest.raises(RefcolorError, match=rf"theirs\.jsonl line 3: {said}"):
        download(
            path,
            source,
            destination=tmp_path / "raw",
            state=tmp_path / "state",
            workers=1,
            max_megapixels=1.0,
        )
    assert not list((tmp_path / "raw").iterdir())


@pytest.mark.parametrize(("failures", "of"), [(0, 0), (0, 10), (1, 10)])
def test_enough_pictures_pass(
    failures: int, of: int, make_source: Callable[..., SourceParams]
) -> None:
    """With min_success 0.9 one of ten may fail."""
    check_success(failures, of, make_source())


def test_too_few_pictures_are_refused(make_source: Callable[..., SourceParams]) -> None:
    """With min_success 0.9 two of ten may not fail, and the message says what to do."""
    with pytest.raises(
        RefcolorError, match=r"8 of 10 pictures could be fetched, less than .* 0.9;"
    ):
        check_success(2, 10, make_source())
