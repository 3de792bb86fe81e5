"""Archives of every shape, compression and size become records, each line counted once."""

import gzip
import json
import lzma
import os
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from refcolor.errors import RefcolorError
from refcolor.params import ArchiveParams, FilterParams, LineArtParams, SourceParams
from refcolor.sources.listing import Listing
from refcolor.sources.listing.archive import list_archive, parse_buckets

FILTER = FilterParams(
    subjects=("1girl", "1boy"),
    hair=("blonde", "red"),
    eyes=("blue", "red"),
    aliases={},
    required=("simple_background",),
    forbidden=("comic",),
    ratings=("g",),
    children=False,
    extensions=("jpg", "png"),
    max_aspect=4 / 3,
    min_longer_side=512,
    line_art=LineArtParams(count=2, any_of=("sketch",), required=("white_background",)),
)
GOOD = "1girl blonde_hair blue_eyes simple_background"
SKETCH = "1girl sketch white_background"


def objects(id: int | str | None, tags: str = GOOD, **changes: Any) -> dict[str, Any]:
    """Give a post as the dumps of 2017 to 2020 write it."""
    names = [{"id": "1", "name": name, "category": "0"} for name in tags.split()]
    artist = {"id": "2", "name": "some_artist", "category": "1"}
    return {**_post(id), "tags": [*names, artist], **changes}


def strings(id: int | str | None, tags: str = GOOD, **changes: Any) -> dict[str, Any]:
    """Give a post as the dump of 2021 writes it."""
    both = {"tag_string": f"{tags} some_artist", "tag_string_artist": "some_artist"}
    return {**_post(id), **both, **changes}


def _post(id: int | str | None) -> dict[str, Any]:
    return {
        "id": None if id is None else str(id),
        "md5": "d34e4cf0a437a5d65f8e82b7bcd02606",
        "rating": "s",
        "file_ext": "png",
        "image_width": "1200",
        "image_height": "1000",
        "parent_id": "0",
        "source": "https://example.org/art/7",
        "is_deleted": False,
        "is_banned": False,
    }


def lines(*posts: dict[str, Any]) -> bytes:
    """Write posts as JSON lines."""
    return "".join(json.dumps(post) + "\n" for post in posts).encode()


def archive(
    metadata: Path, pictures: str = "https://a.example/d", buckets: str = "", count: int = 0
) -> SourceParams:
    """Give the parameters that name an archive; those of other sources are left out."""
    section = ArchiveParams(metadata=str(metadata), pictures=pictures, buckets=buckets)
    return SourceParams.model_construct(  # type: ignore[call-arg]
        kind="archive", count=count, archive=section
    )


def listed(tmp_path: Path, content: bytes, **changes: Any) -> Listing:
    """List a metadata file of this content."""
    path = tmp_path / "posts.json"
    path.write_bytes(content)
    return list_archive(archive(path, **changes), FILTER)


def ids(listing: Listing) -> list[str]:
    """Give the ids of the pictures kept, in order."""
    return [record.id for record in listing.records]


@pytest.mark.parametrize("shape", [objects, strings])
def test_a_line_becomes_a_record(shape: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """Both shapes give the same record: page, artist, MD5, no checksum, the bars to cut."""
    (record,) = listed(tmp_path, lines(shape(1234080))).records
    assert record.id == "danbooru-1234080"
    assert record.address == "https://a.example/d/512px/0080/1234080.jpg"
    assert record.page == "https://danbooru.donmai.us/posts/1234080"
    assert record.artist == ("some_artist",)
    assert (record.rating, record.licence) == ("g", "unknown; see page")
    assert record.md5 == "d34e4cf0a437a5d65f8e82b7bcd02606"
    assert record.checksum == ""
    assert record.letterboxed == (1200, 1000)
    assert record.attributes == {"hair": "blonde", "eyes": "blue", "subject": "1girl"}


@pytest.mark.parametrize(
    ("pictures", "address"),
    [
        ("http://a.example", "http://a.example/"),
        ("http://a.example/", "http://a.example/"),
        (".", ""),
    ],
)
def test_addresses_lie_below_the_pictures(pictures: str, address: str, tmp_path: Path) -> None:
    """With and without a slash the same address comes out; in a folder it is a relative path."""
    (record,) = listed(tmp_path, lines(objects(7)), pictures=pictures).records
    assert record.address == f"{address}512px/0007/7.jpg"


def test_every_line_is_counted_once(tmp_path: Path) -> None:
    """Kept, dropped and line art add up to the non-empty lines."""
    content = lines(
        objects(1),
        strings(2),
        objects(3, is_deleted=True),
        strings(None),
        objects(4, rating="e"),
        objects(5, parent_id="1"),
        objects(6, SKETCH),
        strings(7, SKETCH),
        objects(8, SKETCH),
        objects(1),
        objects(6, SKETCH),
        objects(1006),
    )
    content += b'{"id": "9", "tags"\n\n \r\n[]\nnull\n\xff\xfe\n{"id":"1","name":"1girl"}\n'
    content += b"[" * 100_000 + b"\n" + b'{"id": "10"}'
    listing = listed(tmp_path, content, buckets="0000-0099")
    assert ids(listing) == ["danbooru-1", "danbooru-2", "danbooru-1006"]
    assert [record.id for record in listing.line_art] == ["danbooru-6", "danbooru-7"]
    assert listing.dropped == {
        "deleted": 1,
        "no_id": 1,
        "wrong_rating": 1,
        "has_parent": 1,
        "line_art": 4,
        "same_id": 1,
        "bad_record": 7,
    }


def test_buckets_choose_by_the_last_three_digits(tmp_path: Path) -> None:
    """Only posts whose id modulo 1000 is in a bucket are read; null ids have no bucket."""
    posts = [objects(id) for id in (80, 81, 1080, 5_000_000, 999)] + [strings(None)]
    listing = listed(tmp_path, lines(*posts), buckets="0000-0080,0999")
    assert ids(listing) == ["danbooru-80", "danbooru-1080", "danbooru-5000000", "danbooru-999"]
    assert listing.dropped == {"other_bucket": 1, "no_id": 1}


@pytest.mark.parametrize(
    ("text", "buckets"),
    [
        ("", set(range(1000))),
        ("0000-0080", set(range(81))),
        ("3", {3}),
        ("0000-0003,0999", {0, 1, 2, 3, 999}),
        ("5,5,4-5", {4, 5}),
    ],
)
def test_buckets_are_read(text: str, buckets: set[int]) -> None:
    """Single buckets and ranges with both ends, in any order; nothing means all."""
    assert parse_buckets(text) == buckets


@pytest.mark.parametrize("text", ["1000", "0000-1000", "0080-0000"])
def test_impossible_buckets_are_errors(text: str) -> None:
    """Buckets above 0999 and descending ranges are errors."""
    with pytest.raises(RefcolorError, match=f"end at 0999, got '{text}'; for example 0000-0080"):
        parse_buckets(text)


@pytest.mark.parametrize("name", ["posts.json", "posts.gz", "no_ending"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress])
def test_compression_is_seen_in_the_bytes(
    compress: Callable[[bytes], bytes], name: str, tmp_path: Path
) -> None:
    """Plain, .gz and .xz give the same listing under any name, in one part or several."""
    path = tmp_path / name
    parts = [lines(objects(1), strings(2)), lines(objects(3)).rstrip()]
    path.write_bytes(b"".join(compress(part) for part in parts))
    assert ids(list_archive(archive(path), FILTER)) == ["danbooru-1", "danbooru-2", "danbooru-3"]


def test_a_folder_is_read_by_name(tmp_path: Path) -> None:
    """Files of a folder follow each other by name; hidden files and folders are left alone."""
    for name, id in (("b.json", 3), ("k.json", 13), ("d.json", 5), ("f.json", 7)):
        (tmp_path / name).write_bytes(lines(objects(id)))
    (tmp_path / "a2.jsonl.gz").write_bytes(gzip.compress(lines(objects(2))))
    (tmp_path / "a1").write_bytes(lines(objects(9)).rstrip())
    (tmp_path / ".hidden").write_bytes(lines(objects(4)))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "d.json").write_bytes(lines(objects(15)))
    (tmp_path / "empty.gz").touch()
    listing = list_archive(archive(tmp_path), FILTER)
    assert ids(listing) == [f"danbooru-{id}" for id in (9, 2, 3, 5, 7, 13)]
    assert not listing.dropped


def test_reading_ends_at_the_count(tmp_path: Path) -> None:
    """Metadata after the last kept picture is not read, even damaged metadata."""
    content = gzip.compress(lines(objects(1), objects(2, rating="q"), objects(3), objects(4)))
    path = tmp_path / "posts.gz"
    path.write_bytes(content + gzip.compress(os.urandom(1 << 22))[:-9])
    listing = list_archive(archive(path, count=2), FILTER)
    assert ids(listing) == ["danbooru-1", "danbooru-3"]
    assert listing.dropped == {"wrong_rating": 1}


def test_line_art_may_be_counted_only(tmp_path: Path) -> None:
    """With a count of 0 line art is counted and not kept."""
    none = LineArtParams(count=0, any_of=("sketch",), required=("white_background",))
    path = tmp_path / "posts.json"
    path.write_bytes(lines(objects(1, SKETCH), objects(2)))
    listing = list_archive(archive(path), FILTER.model_copy(update={"line_art": none}))
    assert listing.line_art == []
    assert listing.dropped == {"line_art": 1}


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
@pytest.mark.parametrize("harm", ["cut", "overwritten"])
def test_damaged_compression_is_an_error(
    harm: str, compress: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """A truncated or damaged archive is an error."""
    content = bytearray(compress(lines(*(objects(id) for id in range(1, 3000)))))
    middle = len(content) // 2
    content[middle:] = b"" if harm == "cut" else bytes(64) + content[middle + 64 :]
    path = tmp_path / "posts.json.gz"
    path.write_bytes(content)
    with pytest.raises(RefcolorError, match=r"posts\.json\.gz is truncated or damaged"):
        list_archive(archive(path), FILTER)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_a_tar_archive_is_explained(mode: str, tmp_path: Path) -> None:
    """The dumps were spread as tar archives; the message says to unpack them."""
    (tmp_path / "posts.json").write_bytes(lines(objects(1)))
    with tarfile.open(tmp_path / "metadata.tar", mode) as tar:  # type: ignore[call-overload]
        tar.add(tmp_path / "posts.json", "posts.json")
    with pytest.raises(RefcolorError, match=r"metadata\.tar is a tar archive; unpack it"):
        list_archive(archive(tmp_path / "metadata.tar"), FILTER)


def test_metadata_without_a_post_is_an_error(tmp_path: Path) -> None:
    """The message counts the lines that are not posts."""
    with pytest.raises(RefcolorError, match=r"must contain posts, got 2 other lines in"):
        listed(tmp_path, b"one\ntwo\n")
    with pytest.raises(RefcolorError, match=r"got 0 other lines"):
        listed(tmp_path, b"")
    assert listed(tmp_path, lines(objects(1, rating="e"))).records == []


def test_missing_metadata_and_pictures_are_explained(tmp_path: Path) -> None:
    """A path that is not there, an empty folder and missing pictures say what to name."""
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "none", tmp_path / "empty"):
        with pytest.raises(RefcolorError, match=r"archive\.metadata must be a file of JSON lines"):
            list_archive(archive(path), FILTER)
    with pytest.raises(RefcolorError, match=r"archive\.pictures must be the folder .* got 'none'"):
        listed(tmp_path, lines(objects(1)), pictures="none")


def test_a_file_without_newlines_needs_little_memory(tmp_path: Path) -> None:
    """A hundred megabytes in one line are one damaged record, and the next line is read."""
    path = tmp_path / "posts.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(100):
            file.write(b"x" * (1 << 20))
        file.write(b"\n" + lines(objects(1)))
    tracemalloc.start()
    try:
        listing = list_archive(archive(path), FILTER)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert ids(listing) == ["danbooru-1"]
    assert listing.dropped == {"bad_record": 1}
    assert peak < 16e6


def test_memory_does_not_grow_with_the_metadata(tmp_path: Path) -> None:
    """Eight times the posts take the same memory, as none of them is kept."""
    peaks = []
    for count in (1000, 8000):
        path = tmp_path / f"{count}.gz"
        path.write_bytes(gzip.compress(lines(objects(1, rating="e", fill="x" * 2000)) * count, 1))
        tracemalloc.start()
        try:
            assert list_archive(archive(path), FILTER).dropped == {"wrong_rating": count}
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2e6
