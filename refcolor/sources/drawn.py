"""Drawn characters as records: seeds and styles from which `draw` renders them in any colours."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

from refcolor import characters
from refcolor.errors import RefcolorError
from refcolor.params import SampleParams
from refcolor.sources.manifest import ADVICE, DRAWN, Record, iterate_manifest

_PARTS = {
    "hair": (*characters.HAIR_STYLES, *characters.UNSEEN_HAIR_STYLES),
    "clothes": (*characters.CLOTHES, *characters.UNSEEN_CLOTHES),
}


def list_drawn(params: SampleParams, count: int) -> list[Record]:
    """List the first `count` characters; a larger count only appends records.

    If `palettes` is above 0, the characters share so many palettes in turn; those with the same
    palette are a group.
    """
    records = []
    for index in range(count):
        palette = index % params.palettes if params.palettes else index
        shape = characters.draw_shape(params.shape_seed, index)
        records.append(
            Record(
                id=f"sample-{index:06d}",
                address=f"{DRAWN}{params.shape_seed}/{params.palette_seed}/{index}",
                licence="MIT",
                group=f"palette:{params.palette_seed}/{palette}" if params.palettes else "",
                attributes={
                    "shape_seed": str(params.shape_seed),
                    "palette_seed": str(params.palette_seed),
                    "shape": str(index),
                    "palette": str(palette),
                    "hair": shape.hair_style,
                    "clothes": shape.clothes,
                    "accessory": shape.accessory,
                },
            )
        )
    return records


def is_drawn(record: Record | None) -> TypeGuard[Record]:
    """Return True for a drawn character: its shape and palette are known."""
    return record is not None and record.address.startswith(DRAWN)


def iterate_drawable(path: Path) -> Iterator[Record]:
    """Read a manifest and check that `draw` knows the hair and clothes of its drawn characters.

    Raises RefcolorError naming the line, as `iterate_manifest` does.
    """
    for number, record in enumerate(iterate_manifest(path), start=1):
        for part, styles in _PARTS.items() if is_drawn(record) else ():
            style = record.attributes.get(part, styles[0])
            if style not in styles:
                raise RefcolorError(
                    f"{path} line {number}: attributes.{part} must be one of {', '.join(styles)}, "
                    f"got {style[:80]!r}; {ADVICE}"
                )
        yield record


def draw(record: Record, *, size: int, palette_of: Record | None = None) -> characters.Drawing:
    """Render a character in its own palette, or in that of another character.

    Shape and palette are independent, so the second is the true recolouring. The record's hair and
    clothes replace those that its seed draws.

    palette_of: the character whose palette is used; None means `record`.  size: side in pixels.
    """
    attributes, palette = record.attributes, (palette_of or record).attributes
    shape = characters.draw_shape(int(attributes["shape_seed"]), int(attributes["shape"]))
    shape = dataclasses.replace(
        shape,
        hair_style=attributes.get("hair", shape.hair_style),
        clothes=attributes.get("clothes", shape.clothes),
    )
    return characters.render(
        shape,
        characters.draw_palette(int(palette["palette_seed"]), int(palette["palette"])),
        size=size,
    )
