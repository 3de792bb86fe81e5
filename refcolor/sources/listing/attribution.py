"""Who made the pictures of a folder, and under which licence: attribution.csv."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from refcolor.io.names import composed
from refcolor.io.tables import read_csv
from refcolor.sources.manifest import Record

ATTRIBUTION = "attribution.csv"


@dataclass(frozen=True)
class Attribution:
    """A row of attribution.csv.

    path: a sub-folder or file of the folder; empty for the whole folder.
    artist: several are separated by `;`.
    licence: its SPDX name, as CC-BY-4.0.  page: where the pictures were published.
    """

    path: str
    artist: str = ""
    licence: str = ""
    page: str = ""


def read_attributions(folder: Path) -> dict[PurePosixPath, Attribution]:
    """Read the rows of a folder by path; none without attribution.csv.

    Raises RefcolorError naming the line of a bad row.
    """
    file = folder / ATTRIBUTION
    advice = "its columns are path, artist, licence and page"
    rows = read_csv(file, Attribution, advice=advice) if file.exists() else ()
    return {PurePosixPath(composed(row.path.replace("\\", "/"))): row for row in rows}


def attribute(record: Record, rows: Mapping[PurePosixPath, Attribution]) -> Record:
    """Return the record with artist, licence and page of the row with the longest matching path."""
    path = PurePosixPath(composed(record.address))
    row = next((rows[part] for part in (path, *path.parents) if part in rows), None)
    if not row:
        return record
    artists = tuple(filter(None, map(str.strip, row.artist.split(";"))))
    return replace(record, artist=artists, licence=row.licence, page=row.page)
