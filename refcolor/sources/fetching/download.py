"""Fetch the pictures of a manifest from any source."""

import shutil
from errno import EDQUOT, ENOSPC
from functools import partial
from pathlib import Path, PurePosixPath

from refcolor.errors import PictureError, RefcolorError
from refcolor.io import image
from refcolor.io.files import replacing
from refcolor.params import SourceParams
from refcolor.sources import drawn
from refcolor.sources.fetching.transfer import Failure, fetch_all
from refcolor.sources.manifest import ONLINE, Record
from refcolor.sources.network.settings import client_for
from refcolor.sources.takedown import read_takedown
from refcolor.workers.parallel import map_pictures


def download(
    listed: Path,
    source: SourceParams,
    *,
    destination: Path,
    state: Path,
    workers: int,
    max_megapixels: float,
) -> list[Failure]:
    """Fetch every picture of a manifest into `destination` as `<id>.<ext>`.

    The address of a record selects the way: http addresses are downloaded, drawn characters are
    drawn, all other files are copied from the folder of the source.

    state: folder of the download cache; a stopped download resumes from it.
    max_megapixels: a larger download is not decoded and counts as a failure.
    Returns the failures, sorted.
    """
    destination.mkdir(parents=True, exist_ok=True)
    takedown = read_takedown(Path(source.exclude_file))
    failures, local, online = [], list[Record](), list[Record]()
    for record in drawn.iterate_drawable(listed):
        if takedown.names(record):
            failures.append(Failure(record.id, "excluded"))
        elif record.address.startswith(ONLINE):
            online.append(record)
        else:
            local.append(record)
    label = f"download {destination.name}"
    if local:
        fetch = partial(_fetch_local, source=source, destination=destination)
        reasons = map_pictures(fetch, local, workers=workers, label=label)
        failures += [
            Failure(record.id, reason)
            for record, reason in zip(local, reasons, strict=True)
            if reason
        ]
    if online:
        failures += fetch_all(
            online,
            client=client_for(source),
            cache=state / "downloads",
            destination=destination,
            params=source.transfer,
            label=label,
            max_megapixels=max_megapixels,
        )
    return sorted(failures)


def check_success(failures: int, of: int, source: SourceParams) -> None:
    """Raise RefcolorError when too few pictures arrived: below `source.transfer.min_success`."""
    if of - failures < source.transfer.min_success * of:
        raise RefcolorError(
            f"{of - failures} of {of} pictures could be fetched, less than "
            f"source.transfer.min_success {source.transfer.min_success:g}; data/download.jsonl has "
            "the reasons. Fetched files are kept: run again for the rest, or lower the parameter"
        )


def copy_raw(record: Record, root: Path, destination: Path) -> None:
    """Copy the files of a record unchanged to `<id>.<extension>` in a flat folder.

    The line art of a pair becomes `<id>.sketch.<extension>`. The copies are atomic.

    root: the folder that was listed.
    Raises PictureError with the reason unreadable_file when a file cannot be read.
    """
    addresses = {record.id: record.address}
    if "sketch" in record.attributes:
        addresses[f"{record.id}.sketch"] = record.attributes["sketch"]
    for stem, address in addresses.items():
        file = destination / f"{stem}{PurePosixPath(address).suffix.lower()}"
        try:
            with replacing(file) as temporary:
                shutil.copyfile(root / address, temporary)
        except OSError as error:
            if error.errno in (ENOSPC, EDQUOT):
                raise
            raise PictureError(
                "unreadable_file", f"{root / address} cannot be copied: {error}"
            ) from error


def _fetch_local(record: Record, *, source: SourceParams, destination: Path) -> str:
    try:
        if drawn.is_drawn(record):
            drawing = drawn.draw(record, size=source.sample.size)
            image.write(destination / f"{record.id}.png", drawing.color)
        else:
            root = source.archive.pictures if source.kind == "archive" else source.folder.path
            copy_raw(record, Path(root), destination)
    except PictureError as error:
        return error.reason
    return ""
