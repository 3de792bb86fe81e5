"""One door to all sources: list what there is, then bring the pictures here."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from refcolor import image
from refcolor.errors import PictureError, RefcolorError
from refcolor.parallel import map_pictures
from refcolor.params import FilterParams, SourceParams
from refcolor.sources import drawn, folder
from refcolor.sources.archive import list_archive
from refcolor.sources.danbooru import list_danbooru
from refcolor.sources.listing import Listing
from refcolor.sources.manifest import ADVICE, DRAWN, ONLINE, Record, iterate_manifest
from refcolor.sources.network.client import client_for
from refcolor.sources.network.transfer import Failure, fetch_all
from refcolor.sources.takedown import read_takedown
from refcolor.sources.url_list import list_urls


def discover(source: SourceParams, filter: FilterParams, *, state: Path) -> Listing:
    """List the pictures of a source, at most `source.count` of them.

    state: a folder that outlives the stage; what a network said is kept there.
    A picture named by `source.exclude_file` is dropped as `excluded` and nothing takes its place.
    Raises RefcolorError when a source is missing, refuses, or holds no picture.
    """
    listing = _list(source, filter, state)
    takedown = read_takedown(Path(source.exclude_file))
    kept, aside = (
        [record for record in records if not takedown.names(record)]
        for records in (listing.records, listing.line_art)
    )
    dropped = Counter(listing.dropped)
    dropped["excluded"] += len(listing.records) - len(kept)
    return Listing(kept, aside, +dropped)


def bring(
    listed: Path,
    source: SourceParams,
    *,
    destination: Path,
    state: Path,
    workers: int,
    max_megapixels: float,
) -> list[Failure]:
    """Bring every picture of a manifest into `destination` as `<id>.<ext>`.

    The address of a record decides: an http address is fetched, a drawn character is drawn,
    anything else is copied from the folder of the source.
    state: as in `discover`; a stopped download goes on from there.
    max_megapixels: a larger picture from a network is not decoded, and fails.
    Returns what could not be had, sorted.
    """
    destination.mkdir(parents=True, exist_ok=True)
    takedown = read_takedown(Path(source.exclude_file))
    failures, here, online = [], [], 0
    for record in _records(listed):
        if takedown.names(record):
            failures.append(Failure(record.id, "excluded"))
        elif record.address.startswith(ONLINE):
            online += 1
        else:
            here.append(record)
    if here:
        one = partial(_fetch, source=source, destination=destination)
        label = f"download {destination.name}"
        reasons = map_pictures(one, here, workers=workers, label=label)
        failures += [
            Failure(record.id, reason)
            for record, reason in zip(here, reasons, strict=True)
            if reason
        ]
    if online:
        wanted = (
            record
            for record in iterate_manifest(listed)
            if record.address.startswith(ONLINE) and not takedown.names(record)
        )
        failures += fetch_all(
            wanted,
            client=client_for(source),
            cache=state / "downloads",
            destination=destination,
            params=source.transfer,
            total=online,
            label=f"download {destination.name}",
            max_megapixels=max_megapixels,
        )
    return sorted(failures)


def refuse_too_few(failures: int, of: int, source: SourceParams) -> None:
    """Raise RefcolorError when less than `source.transfer.min_success` of a manifest is here."""
    if of - failures < source.transfer.min_success * of:
        raise RefcolorError(
            f"{of - failures} of {of} pictures could be had, less than "
            f"source.transfer.min_success {source.transfer.min_success:g}; data/download.jsonl has "
            "the reasons. What is here is kept: run again for the rest, or lower the parameter"
        )


def _list(source: SourceParams, filter: FilterParams, state: Path) -> Listing:
    match source.kind:
        case "sample":
            return Listing(drawn.list_drawn(source.sample, source.count))
        case "folder":
            listed = folder.list_folder(Path(source.folder.path), source.folder.layout)
        case "url_list":
            listed = list_urls(Path(source.url_list.path))
        case "manifest":
            listed = _published(Path(source.manifest.path))
        case "archive":
            return list_archive(source, filter)
        case "danbooru":
            get = client_for(source).get_json
            return list_danbooru(source, filter, get=get, pages=state / "pages")
    records, dropped = listed
    if source.count and len(records) > source.count:
        dropped["over_count"] = len(records) - source.count
        records = records[: source.count]
    return Listing(records, dropped=dropped)


def _published(path: Path) -> tuple[list[Record], Counter[str]]:
    if not path.is_file():
        raise RefcolorError(
            f"source.manifest.path must be a manifest, got {path}; fetch somebody's "
            "data/manifest.jsonl and name it there"
        )
    records = list(_records(path))
    for record in records:
        if not record.address.startswith((*ONLINE, DRAWN)):
            raise RefcolorError(
                f"{path} names {record.id} at {record.address!r}, a place on somebody's disk; "
                "get the pictures themselves and take source.kind folder or archive"
            )
    return records, Counter()


def _records(path: Path) -> Iterator[Record]:
    """Read a manifest; a character that cannot be drawn is named by its line too."""
    for number, record in enumerate(iterate_manifest(path), start=1):
        try:
            if drawn.is_drawn(record):
                drawn.refuse_unknown_parts(record)
        except ValueError as error:
            raise RefcolorError(f"{path} line {number}: {error}; {ADVICE}") from error
        yield record


def _fetch(record: Record, *, source: SourceParams, destination: Path) -> str:
    try:
        if drawn.is_drawn(record):
            drawing = drawn.draw(record, size=source.sample.size)
            image.write(destination / f"{record.id}.png", drawing.color)
        else:
            root = source.archive.pictures if source.kind == "archive" else source.folder.path
            folder.copy_raw(record, Path(root), destination)
    except PictureError as error:
        return error.reason
    return ""
