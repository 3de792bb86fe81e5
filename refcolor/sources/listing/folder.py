"""Local pictures: records from a tree of folders."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal

from refcolor.errors import RefcolorError
from refcolor.io.image import EXTENSIONS
from refcolor.io.names import composed
from refcolor.sources.listing.attribution import attribute, read_attributions
from refcolor.sources.manifest import Record
from refcolor.sources.naming import readable_id

Layout = Literal["pictures", "pairs", "side_by_side"]


def list_folder(
    path: Path, layout: Layout, *, groups: bool = False
) -> tuple[list[Record], Counter[str]]:
    """List the pictures of a folder and its sub-folders by name; no file is opened.

    Hidden files and folders are ignored, links to folders are not followed. Order and ids do not
    depend on the file system: composed (Linux) and decomposed (macOS) accents give the same id.
    Artists, licences and pages come from attribution.csv in the folder, if there is one.

    layout: `pictures`; `side_by_side`, where the left half of a file is the colour and the right
        half the line art; `pairs`, where `color/` and `sketch/` have files of equal names up to the
        extension, and attributes["sketch"] is the address of the line art.
    groups: whether the pictures of a sub-folder are a group, named by its path (of `color/` with
        `pairs`). Pictures in the top folder have no group.

    Returns the records sorted by id, with addresses relative to `path`, and the number of files
    left out by reason: not_a_picture_name, bad_name (not UTF-8), linked_folder, broken_link,
    same_name (names that differ only in the form of accents), no_partner, ambiguous_partner (two
    files with the same stem).
    Raises RefcolorError when the folder is missing, cannot be read or has no picture, and for a bad
    attribution.csv.
    """
    reasons: Counter[str] = Counter()
    if layout == "pairs":
        records = _pairs(path, reasons)
    else:
        records = [_record(address) for address in _addresses(path, path, reasons)]
    if groups:
        root = "color" if layout == "pairs" else ""
        records = [replace(record, group=_group(record.address, root)) for record in records]
    rows = read_attributions(path)
    unique = {record.id: attribute(record, rows) for record in reversed(records)}
    reasons["same_name"] += len(records) - len(unique)
    if not unique:
        raise RefcolorError(
            f"source.folder.path has no {'pairs' if layout == 'pairs' else 'pictures'}: {path}"
            f"{_format_reasons(+reasons)}; put files named {' '.join(sorted(EXTENSIONS))} there"
        )
    return sorted(unique.values(), key=lambda record: record.id), +reasons


def _pairs(path: Path, reasons: Counter[str]) -> list[Record]:
    by_stem: dict[str, dict[str, list[str]]] = {"color": {}, "sketch": {}}
    for side, stems in by_stem.items():
        for address in _addresses(path / side, path, reasons):
            stem = PurePosixPath(address).relative_to(side).with_suffix("")
            stems.setdefault(composed(stem.as_posix()), []).append(address)
    records = []
    for name in sorted(by_stem["color"].keys() | by_stem["sketch"].keys()):
        colors = by_stem["color"].get(name, [])
        sketches = by_stem["sketch"].get(name, [])
        if len(colors) == len(sketches) == 1:
            records.append(_record(colors[0], sketch=sketches[0]))
        else:
            unpaired = not colors or not sketches
            reasons["no_partner" if unpaired else "ambiguous_partner"] += len(colors + sketches)
    return records


def _addresses(folder: Path, root: Path, reasons: Counter[str]) -> list[str]:
    if not folder.is_dir():
        raise RefcolorError(
            f"source.folder.path must be a folder, got {folder}; create it and put pictures there, "
            "or choose another source.kind (layout pairs needs color/ and sketch/ inside)"
        )
    try:
        entries = list(_walk(folder))
    except OSError as error:
        raise RefcolorError(f"source.folder.path cannot be read: {error}") from error
    addresses = []
    for entry in entries:
        address = Path(entry.path).relative_to(root).as_posix()
        reason = _reason(entry, address)
        if reason:
            reasons[reason] += 1
        else:
            addresses.append(address)
    return sorted(addresses, key=lambda address: (composed(address), address))


def _walk(folder: Path | str) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in visible:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)
        else:
            yield entry


def _reason(entry: "os.DirEntry[str]", address: str) -> str:
    if entry.is_symlink() and os.path.isdir(entry.path):
        return "linked_folder"
    try:
        address.encode()
    except UnicodeEncodeError:
        return "bad_name"
    if PurePosixPath(address).suffix.lower() not in EXTENSIONS:
        return "not_a_picture_name"
    return "" if os.path.isfile(entry.path) else "broken_link"


def _record(address: str, *, sketch: str = "") -> Record:
    stem = str(PurePosixPath(address).with_suffix(""))
    attributes = {"sketch": sketch} if sketch else {}
    return Record(readable_id(stem, unique=composed(address)), address, attributes=attributes)


def _group(address: str, root: str) -> str:
    folder = PurePosixPath(address).relative_to(root).parent
    return composed(folder.as_posix()) if folder.parts else ""


def _format_reasons(reasons: Counter[str]) -> str:
    if not reasons:
        return ""
    return f" (left out: {', '.join(f'{n} {reason}' for reason, n in sorted(reasons.items()))})"
