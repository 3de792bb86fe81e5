"""List the pictures of a source of any kind."""

from collections import Counter
from pathlib import Path

from refcolor.errors import RefcolorError
from refcolor.params import FilterParams, SourceParams
from refcolor.sources import drawn
from refcolor.sources.listing import Listing
from refcolor.sources.listing.archive import list_archive
from refcolor.sources.listing.danbooru import list_danbooru
from refcolor.sources.listing.folder import list_folder
from refcolor.sources.listing.url_list import list_urls
from refcolor.sources.manifest import DRAWN, ONLINE, Record
from refcolor.sources.network.settings import client_for
from refcolor.sources.takedown import read_takedown


def discover(source: SourceParams, filter: FilterParams, *, state: Path) -> Listing:
    """List the pictures of a source, at most `source.count` of them.

    state: folder of the cached pages of a site.
    A picture that `source.exclude_file` names is dropped as `excluded` and not replaced.
    Raises RefcolorError when a source is missing, rejects the request, or has no picture.
    """
    listing = _list(source, filter, state)
    takedown = read_takedown(Path(source.exclude_file))
    kept, line_art = (
        [record for record in records if not takedown.names(record)]
        for records in (listing.records, listing.line_art)
    )
    excluded = Counter(excluded=len(listing.records) - len(kept))
    return Listing(kept, line_art, listing.dropped + excluded)


def _list(source: SourceParams, filter: FilterParams, state: Path) -> Listing:
    match source.kind:
        case "sample":
            return Listing(drawn.list_drawn(source.sample, source.count))
        case "folder":
            folder = source.folder
            records, dropped = list_folder(Path(folder.path), folder.layout, groups=folder.groups)
        case "url_list":
            records, dropped = list_urls(Path(source.url_list.path))
        case "manifest":
            records, dropped = _list_manifest(Path(source.manifest.path)), Counter()
        case "archive":
            return list_archive(source, filter)
        case "danbooru":
            get = client_for(source).get_json
            return list_danbooru(source, filter, get=get, pages=state / "pages")
    if source.count and len(records) > source.count:
        dropped["over_count"] = len(records) - source.count
        records = records[: source.count]
    return Listing(records, dropped=dropped)


def _list_manifest(path: Path) -> list[Record]:
    if not path.is_file():
        raise RefcolorError(
            f"source.manifest.path must be a manifest, got {path}; set it to a published "
            "data/manifest.jsonl"
        )
    records = list(drawn.iterate_drawable(path))
    for record in records:
        if not record.address.startswith((*ONLINE, DRAWN)):
            raise RefcolorError(
                f"{path}: the address of {record.id} must be an http address or a drawn character, "
                f"got the local path {record.address!r}; get the pictures and set source.kind to "
                "folder or archive"
            )
    return records
