"""Drawn characters as records: facts enough to draw them again, in any colours."""

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
    """List `count` characters; a larger count adds to a smaller one and changes nothing."""
    records = []
    for index in range(count):
        shape = characters.draw_shape(params.shape_seed, index)
        records.append(
            Record(
                id=f"sample-{index:06d}",
                address=f"{DRAWN}{params.shape_seed}/{params.palette_seed}/{index}",
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


def is_drawn(record: Record | None) -> TypeGuard[Record]:
    """Say whether shape and palette of a picture are known."""
    return record is not None and record.address.startswith(DRAWN)


def iterate_drawable(path: Path) -> Iterator[Record]:
    """Read a manifest, and check that its drawn characters have hair and clothes we can draw.

    Raises RefcolorError naming the line, as `iterate_manifest` does.
    """
    for number, record in enumerate(iterate_manifest(path), start=1):
        for part, known in _PARTS.items() if is_drawn(record) else ():
            given = record.attributes.get(part, known[0])
            if given not in known:
                raise RefcolorError(
                    f"{path} line {number}: attributes.{part} must be one of {', '.join(known)}, "
                    f"got {given[:80]!r}; {ADVICE}"
                )
        yield record


def draw(record: Record, *, size: int, palette_of: Record | None = None) -> characters.Drawing:
    """Draw a character again, in the colours of another where one is given.

    Shape and palette are independent, so this is the true recolouring. Hair and clothes are those
    that the record names, which need not be the ones that its seed draws. size: side in pixels.
    """
    facts, palette = record.attributes, (palette_of or record).attributes
    shape = characters.draw_shape(int(facts["shape_seed"]), int(facts["shape"]))
    shape = dataclasses.replace(
        shape,
        hair_style=facts.get("hair", shape.hair_style),
        clothes=facts.get("clothes", shape.clothes),
    )
    return characters.render(
        shape,
        characters.draw_palette(int(palette["palette_seed"]), int(palette["palette"])),
        size=size,
    )
