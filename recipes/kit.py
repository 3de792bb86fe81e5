"""Parts of the portrait kit of GearHead Caramel, composed to characters that a palette paints.

The kit: `por_*.png`, the parts, and `portrait_*.json`, whose entries say which part fits where. The
colours of a part are channels. A pixel is transparent where it is blue (0, 0, 255) and ink where it
is nearly black. Else it lies on the ramp of the channels that are not 0 (red clothing, yellow skin,
green hair, cyan detail, magenta second clothing), or, with all three, has a fixed colour. So a
table of colours paints a character anew.
"""

import functools
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from refcolor.errors import UsageError
from refcolor.io.image import cut

PAGE = "https://github.com/jwvhewitt/gearhead-caramel"
HEIGHT, WIDTH = 600, 400  # of the kit's canvas in pixels

# A pixel of the canvas is 256 * label + value; the value is the brightness on a ramp.
BACKGROUND, CLOTHING, SKIN, HAIR, DETAIL, CLOTHING_2, FIXED, LINE = range(8)
TONES = 256
INK = 24  # brightness below which a pixel is ink: thin lines are not quite black
# Labels by which of the channels red, green and blue a ramp has.
RAMPS = {
    (True, False, False): CLOTHING,
    (True, True, False): SKIN,
    (False, True, False): HAIR,
    (False, True, True): DETAIL,
    (True, False, True): CLOTHING_2,
}

Bit = dict[str, Any]  # an entry of portrait_*.json
Canvas = npt.NDArray[np.uint16]  # (H, W)


@functools.cache
def read_kit(kit: Path) -> list[Bit]:
    """Read the entries of a kit. Raises UsageError for a folder without portrait_*.json."""
    bits = [
        bit for file in sorted(kit.glob("portrait_*.json")) for bit in json.loads(file.read_bytes())
    ]
    if not bits:
        raise UsageError(
            f"KIT must be a folder with portrait_*.json, got {kit}; it is image/ of {PAGE}"
        )
    return bits


def held_out(bits: Sequence[Bit]) -> frozenset[str]:
    """Name the parts that no training picture has: they are for the evaluation's triples.

    A fifth of the hair styles, of the heads, and of the tops and trousers of each body, drawn from
    a fixed seed. Not turbans, which cover the hair, and not the two halves of a suit.
    """
    generator = np.random.default_rng(11)
    bodies = sorted(tag for bit in bits if bit["btype"] == "Base" for tag in bit["form_tags"])
    kinds = [("Hair", None), ("Head", None)]
    kinds += [(kind, body) for kind in ("Clothing", "Pants") for body in bodies]
    held: set[str] = set()
    for kind, body in kinds:
        names = sorted(
            bit["name"]
            for bit in bits
            if bit["btype"] == kind
            and (body is None or body in bit.get("requires", ()))
            and not any(word in bit["name"] for word in ("Turban", "Pilot"))
        )
        held.update(generator.choice(names, -(-len(names) // 5), replace=False).tolist())
    return frozenset(held)


def choose(
    bits: Sequence[Bit], held: frozenset[str], generator: np.random.Generator, *, unseen: bool
) -> list[Bit]:
    """Choose parts that fit together: a body, and for each part those that it asks for.

    All tops are equally frequent; with all bodies equally frequent, half the characters would wear
    the one suit that every body has.

    unseen: whether to choose held-out parts wherever there are any; False chooses none.
    """
    allowed = [bit for bit in bits if unseen or bit["name"] not in held]
    tops = [bit for bit in allowed if bit["btype"] == "Clothing"]
    if unseen:
        tops = [bit for bit in tops if bit["name"] in held]
    fits = set(tops[generator.integers(len(tops))]["requires"])
    body = next(bit for bit in bits if bit["btype"] == "Base" and fits & set(bit["form_tags"]))
    gender = ("Feminine", "Masculine")[generator.integers(2)]
    tags = {*body["form_tags"], *(body.get("requires") or [gender])}
    chosen, kinds = [body], list(body["children"])
    while kinds:
        kind = kinds.pop(0)
        fitting = [
            bit
            for bit in allowed
            if bit["btype"] == kind
            and tags.issuperset(bit.get("requires", ()))
            and tags.isdisjoint(bit.get("rejects", ()))
            and ("Masculine" in tags or kind != "FacialFeature" or not bit.get("layers"))
        ]
        if unseen:
            fitting = [bit for bit in fitting if bit["name"] in held] or fitting
        if fitting:
            chosen.append(fitting[generator.integers(len(fitting))])
            tags.update(chosen[-1].get("form_tags", ()))
            kinds += chosen[-1].get("children", ())
    return chosen


@functools.cache
def read_part(file: Path) -> tuple[Canvas, npt.NDArray[np.bool_]]:
    """Read a part: 256 * label + value of each pixel, and whether it is opaque."""
    pixels = np.array(Image.open(file).convert("RGBA"), np.uint16)
    channels, brightness = pixels[..., :3], pixels[..., :3].max(axis=2)
    red, green, blue = np.moveaxis(channels, 2, 0)
    canvas = TONES * FIXED + (red >> 5 << 5 | green >> 5 << 2 | blue >> 6)
    for ramp, label in RAMPS.items():
        lies_on = ((channels > 0) == ramp).all(axis=2)
        canvas[lies_on] = TONES * label + brightness[lies_on]
    canvas[brightness < INK] = TONES * LINE
    transparent = (pixels[..., 3] < 128) | (channels == (0, 0, 255)).all(axis=2)
    return canvas, ~transparent


def draw(kit: Path, chosen: Sequence[Bit]) -> Canvas:
    """Put the parts on the kit's canvas: (HEIGHT, WIDTH) of 256 * label + value, 0 background."""
    middle = (WIDTH // 2, HEIGHT // 2)
    anchors = {"center": middle, "midbottom": (WIDTH // 2, HEIGHT), "topleft": (0, 0)}
    layers: list[Bit] = []
    for bit in chosen:
        x, y = middle if bit["btype"] == "Base" else anchors.get("head", middle)
        anchors |= {name: (x + dx, y + dy) for name, (dx, dy) in bit.get("anchors", {}).items()}
        layers += bit.get("layers", ())
    canvas = np.zeros((HEIGHT, WIDTH), np.uint16)
    for layer in sorted(layers, key=lambda layer: layer["depth"]):
        pixels, opaque = read_part(kit / layer["fname"])
        frame = _frame(layer, pixels.shape)
        height, width = pixels[frame].shape
        x, y = anchors.get(layer["anchor"], middle)
        left = x + layer.get("x_offset", 0) - width // 2
        top = y + layer.get("y_offset", 0)
        top -= height if layer["anchor"] == "midbottom" else height // 2
        whole = partial(cut, top=-top, left=-left, shape=canvas.shape)
        canvas = np.where(whole(opaque[frame], fill=False), whole(pixels[frame], fill=0), canvas)
    return canvas


def _frame(layer: Bit, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return rows and columns of the frame of a file with several."""
    number = layer.get("frame", 0)
    if "custom_frames" in layer:
        x, y, width, height = layer["custom_frames"][number]
    else:
        width = layer.get("frame_width") or shape[1]
        height = layer.get("frame_height") or shape[0]
        row, column = divmod(number, max(1, shape[1] // width))
        x, y = column * width, row * height
    return slice(y, y + height), slice(x, x + width)
