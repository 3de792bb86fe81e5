"""One door to all sources: list what there is, then bring one picture here."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from refcolor import image
from refcolor.params import SampleParams, SourceParams
from refcolor.sources import folder, sample
from refcolor.sources.manifest import Record

SAMPLE_PREFIX = "sample"


@dataclass(frozen=True)
class Listing:
    """What a source offers: records to keep, and how many were dropped for which reason."""

    records: list[Record]
    dropped: Counter[str]


def discover(source: SourceParams) -> Listing:
    """List the pictures of a source, at most `source.count` of them.

    Raises RefcolorError when a folder is missing or holds no picture.
    """
    if source.kind == "sample":
        return Listing(_drawn(source.sample, source.count), Counter())
    records, dropped = folder.list_folder(Path(source.folder.path), source.folder.layout)
    if source.count and len(records) > source.count:
        dropped["over_count"] = len(records) - source.count
        records = records[: source.count]
    return Listing(records, dropped)


def fetch(record: Record, source: SourceParams, *, destination: Path) -> None:
    """Bring one picture into `destination` as `<id>.<ext>`: draw it, or copy its bytes."""
    if source.kind == "sample":
        drawing = draw(record, size=source.sample.size)
        image.write(destination / f"{record.id}.png", drawing.color)
    else:
        folder.copy_raw(record, Path(source.folder.path), destination)


def draw(record: Record, *, size: int, palette_of: Record | None = None) -> sample.Drawing:
    """Draw a record of drawn characters again, in the colours of another where one is given.

    Shape and palette are independent, so this is the true recolouring.
    """
    palette = (palette_of or record).attributes
    shape = record.attributes
    return sample.render(
        sample.draw_shape(int(shape["shape_seed"]), int(shape["shape"])),
        sample.draw_palette(int(palette["palette_seed"]), int(palette["palette"])),
        size=size,
    )


def is_drawn(record: Record) -> bool:
    """Whether the true recolouring of a record is known."""
    return "palette" in record.attributes


def _drawn(params: SampleParams, count: int) -> list[Record]:
    records = []
    for index in range(count):
        shape = sample.draw_shape(params.shape_seed, index)
        records.append(
            Record(
                id=f"{SAMPLE_PREFIX}-{index:06d}",
                address=f"sample:{params.shape_seed}/{params.palette_seed}/{index}",
                licence="MIT",
                attributes={
                    "shape_seed": str(params.shape_seed),
                    "palette_seed": str(params.palette_seed),
                    "shape": str(index),
                    "palette": str(index),
                    "hair": shape.hair_style,
                    "clothes": shape.clothes,
                    "accessory": shape.accessory,
                },
            )
        )
    return records
