"""Drawn characters as records: facts enough to draw them again, in any colours."""

import dataclasses

from refcolor.params import SampleParams
from refcolor.sources import sample
from refcolor.sources.manifest import DRAWN, Record

_PARTS = {
    "hair": (*sample.HAIR_STYLES, *sample.UNSEEN_HAIR_STYLES),
    "clothes": (*sample.CLOTHES, *sample.UNSEEN_CLOTHES),
}


def list_drawn(params: SampleParams, count: int) -> list[Record]:
    """List `count` characters; a larger count adds to a smaller one and changes nothing."""
    records = []
    for index in range(count):
        shape = sample.draw_shape(params.shape_seed, index)
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


def is_drawn(record: Record | None) -> bool:
    """Say whether shape and palette of a picture are known."""
    return record is not None and record.address.startswith(DRAWN)


def refuse_unknown_parts(record: Record) -> None:
    """Raise ValueError for a drawn character with hair or clothes that nobody can draw."""
    for part, known in _PARTS.items():
        given = record.attributes.get(part, known[0])
        if given not in known:
            raise ValueError(
                f"attributes.{part} must be one of {', '.join(known)}, got {given[:80]!r}"
            )


def draw(record: Record, *, size: int, palette_of: Record | None = None) -> sample.Drawing:
    """Draw a character again, in the colours of another where one is given.

    Shape and palette are independent, so this is the true recolouring. Hair and clothes are those
    that the record names, which need not be the ones that its seed draws. size: side in pixels.
    """
    facts, palette = record.attributes, (palette_of or record).attributes
    shape = sample.draw_shape(int(facts["shape_seed"]), int(facts["shape"]))
    shape = dataclasses.replace(
        shape,
        hair_style=facts.get("hair", shape.hair_style),
        clothes=facts.get("clothes", shape.clothes),
    )
    return sample.render(
        shape,
        sample.draw_palette(int(palette["palette_seed"]), int(palette["palette"])),
        size=size,
    )
