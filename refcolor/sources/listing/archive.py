"""Danbooru archives: metadata as JSON lines, pictures in 512px/<bucket>/<id>.jpg."""

import dataclasses
import json
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

from refcolor.errors import RefcolorError
from refcolor.params import FilterParams, SourceParams
from refcolor.sources.listing import Listing
from refcolor.sources.listing.lines import iterate_lines
from refcolor.sources.listing.post import Post, from_archive
from refcolor.sources.listing.tag_filter import TagFilter
from refcolor.sources.manifest import ONLINE

BUCKETS = 1000  # folders; the bucket of a picture is its id modulo BUCKETS


def list_archive(params: SourceParams, filter: FilterParams) -> Listing:
    """List the posts of an archive that pass the filter, in the order of its metadata.

    The metadata is a file, or a folder of files read in the order of their names; `iterate_lines`
    describes the formats. The address of a picture is relative to `params.archive.pictures`, or an
    http address below it; the picture may be missing. Its file is a square copy with bars.

    Stops after `params.count` kept posts. Line art beyond `filter.line_art.count` is only counted.
    Reasons besides REASONS: bad_record (a line that is not a post), other_bucket, same_id.
    Raises RefcolorError when metadata or pictures are missing, when the metadata has no post, for
    damaged compression and for wrong buckets.
    """
    base, buckets = _base(params.archive.pictures), parse_buckets(params.archive.buckets)
    files = _files(Path(params.archive.metadata))
    listing, seen, tag_filter = Listing([]), set[str](), TagFilter(filter)
    with closing(_posts(files)) as posts:
        for post in posts:
            reason = "bad_record"
            if post and post.id and int(post.id) % BUCKETS not in buckets:
                reason = "other_bucket"
            elif post:
                reason = _add(post, tag_filter, base, listing, seen)
            listing.dropped[reason] += bool(reason)
            if params.count and len(listing.records) == params.count:
                break
    dropped = +listing.dropped
    if not seen and dropped.keys() <= {"bad_record"}:
        raise RefcolorError(
            f"source.archive.metadata must contain posts, got {dropped['bad_record']} other lines "
            f"in {params.archive.metadata}; set it to files with one JSON object a line"
        )
    return Listing(listing.records, listing.line_art, dropped)


def parse_buckets(text: str) -> frozenset[int]:
    """Parse `source.archive.buckets`, such as 0000-0003,0999; empty means all 1000.

    Raises RefcolorError for a bucket above 0999 and for a descending range.
    """
    buckets: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        start = int(first or 0)
        end = int(last or first or BUCKETS - 1)
        if not start <= end < BUCKETS:
            raise RefcolorError(
                f"source.archive.buckets must ascend and end at 0999, got {part!r}; "
                "for example 0000-0080"
            )
        buckets.update(range(start, end + 1))
    return frozenset(buckets)


def _add(post: Post, tag_filter: TagFilter, base: str, listing: Listing, seen: set[str]) -> str:
    """Add a post to the listing; return the reason why it is dropped, or an empty string."""
    bucket = int(post.id or 0) % BUCKETS
    post = dataclasses.replace(post, address=f"{base}512px/{bucket:04d}/{post.id}.jpg")
    reason = tag_filter.reason(post)
    full = len(listing.line_art) == tag_filter.params.line_art.count
    if reason and (reason != "line_art" or full):
        return reason
    if post.id in seen:
        return "same_id"
    try:
        record = tag_filter.record(post, letterboxed=(post.width, post.height))
    except ValueError:
        return "bad_record"
    seen.add(post.id)
    (listing.line_art if reason else listing.records).append(record)
    return reason


def _posts(files: Sequence[Path]) -> Generator[Post | None]:
    with closing(iterate_lines(files, label="list")) as lines:
        for line in lines:
            try:
                yield from_archive(json.loads(line))
            except (ValueError, RecursionError):
                yield None


def _files(path: Path) -> list[Path]:
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if not file.name.startswith("."))
        files = [file for file in files if file.is_file()]
    if not files or not path.exists():
        raise RefcolorError(
            "source.archive.metadata must be a file of JSON lines (plain, .gz or .xz) or a folder "
            f"of such files, got {path}; set it to the metadata of the archive"
        )
    return files


def _base(pictures: str) -> str:
    if pictures.startswith(ONLINE):
        return f"{pictures.rstrip('/')}/"
    if not Path(pictures).is_dir():
        raise RefcolorError(
            f"source.archive.pictures must be the folder with 512px/ or an http address, got "
            f"{pictures!r}; set it to the pictures of the archive"
        )
    return ""
