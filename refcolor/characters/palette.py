"""Colours of a drawn character: a base colour for each part, and tones derived from it."""

import colorsys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from refcolor.characters.draws import stream

PARTS: Final = ("background", "skin", "hair", "eyes", "clothes", "accessory", "other")

# A pixel of the canvas is part + tone; colours are looked up at the end.
TONES_PER_PART: Final = 8
BACKGROUND, SKIN, HAIR, EYES, CLOTHES, ACCESSORY, OTHER = (
    TONES_PER_PART * label for label in range(len(PARTS))
)
BASE, SHADE, LIGHT, DEEP, INK = range(5)

Rgb = tuple[int, int, int]
Range = tuple[float, float]

# HSV hues of red, orange, yellow, green, cyan, blue, purple, pink, red: a third of HSV is green.
WHEEL: Final = (0.0, 0.07, 0.14, 0.36, 0.50, 0.61, 0.75, 0.90, 1.0)
ANY: Final = (0.0, 1.0)

# weight, hue in turns (ANY: uniform on WHEEL), saturation, value
Family = tuple[float, Range, Range, Range]

HAIR_FAMILIES: Final[tuple[Family, ...]] = (
    (1.3, (0.115, 0.145), (0.38, 0.62), (0.90, 0.99)),  # blonde
    (1.2, (0.045, 0.075), (0.50, 0.66), (0.44, 0.62)),  # brown
    (0.8, (0.60, 0.75), (0.22, 0.40), (0.34, 0.44)),  # black with a blue cast
    (1.1, (0.56, 0.64), (0.45, 0.72), (0.62, 0.92)),  # blue
    (0.8, (0.48, 0.54), (0.35, 0.62), (0.66, 0.90)),  # turquoise
    (1.1, (0.92, 0.97), (0.30, 0.52), (0.90, 0.99)),  # pink
    (0.9, (0.27, 0.43), (0.34, 0.58), (0.58, 0.82)),  # green
    (1.1, (0.71, 0.80), (0.34, 0.58), (0.60, 0.88)),  # purple
    (1.0, (0.97, 1.01), (0.62, 0.78), (0.66, 0.84)),  # red
    (0.9, (0.58, 0.68), (0.05, 0.13), (0.82, 0.93)),  # silver
    (1.0, (0.055, 0.085), (0.66, 0.80), (0.86, 0.96)),  # orange
)
SKIN_TONES: Final[tuple[Rgb, ...]] = (
    (255, 231, 216),
    (253, 222, 203),
    (250, 212, 186),
    (241, 194, 160),
    (224, 170, 132),
    (198, 140, 104),
    (160, 106, 76),
)
EYE_FAMILIES: Final[tuple[Family, ...]] = ((1.0, ANY, (0.62, 0.86), (0.66, 0.92)),)
GARMENT_FAMILIES: Final[tuple[Family, ...]] = (
    (7.0, ANY, (0.48, 0.80), (0.58, 0.94)),
    (1.2, ANY, (0.06, 0.20), (0.90, 0.98)),  # pale
    (1.2, ANY, (0.30, 0.55), (0.38, 0.48)),  # dark
)
BACKGROUND_FAMILIES: Final[tuple[Family, ...]] = (
    (2.0, ANY, (0.10, 0.30), (0.88, 0.98)),
    (1.0, ANY, (0.30, 0.60), (0.62, 0.90)),
)
WHITE: Final[Rgb] = (255, 255, 255)
INK_BLACK: Final[Rgb] = (30, 20, 28)


@dataclass(frozen=True, slots=True)
class Palette:
    """Base colours of a character, sRGB in 0..255."""

    background: Rgb
    skin: Rgb
    hair: Rgb
    eyes: Rgb
    clothes: Rgb
    accessory: Rgb
    white_background: bool


def draw_palette(seed: int, index: int) -> Palette:
    """Draw random colours of a character; all parts are independent.

    Half of the backgrounds are pure white.
    Raises ValueError for a negative seed or index.
    """
    generator = stream(seed, index, name="palette")
    white = bool(generator.random() < 0.5)
    color = draw_color(generator, BACKGROUND_FAMILIES)
    return Palette(
        background=WHITE if white else color,
        skin=draw_skin(generator),
        hair=draw_color(generator, HAIR_FAMILIES),
        eyes=draw_color(generator, EYE_FAMILIES),
        clothes=draw_color(generator, GARMENT_FAMILIES),
        accessory=draw_color(generator, GARMENT_FAMILIES),
        white_background=white,
    )


def draw_color(generator: np.random.Generator, families: tuple[Family, ...]) -> Rgb:
    """Draw a family by its weight, and a colour of it."""
    weights = np.array([family[0] for family in families])
    _, hue, saturation, value = families[generator.choice(len(families), p=weights / weights.sum())]
    turn = generator.uniform(*hue)
    if hue == ANY:
        turn = float(np.interp(turn, np.linspace(0, 1, len(WHEEL)), WHEEL))
    return _from_hsv(turn, generator.uniform(*saturation), generator.uniform(*value))


def draw_skin(generator: np.random.Generator) -> Rgb:
    """Draw a skin tone between two neighbours of SKIN_TONES; light ones are more frequent."""
    position = generator.random() ** 1.4 * (len(SKIN_TONES) - 1.001)
    low = int(position)
    return _mix(SKIN_TONES[low], SKIN_TONES[low + 1], position - low)


def tone_table(palette: Palette) -> npt.NDArray[np.uint8]:
    """Return the colour of each tone: (256, 3) uint8 sRGB, indexed by part + tone."""
    table = np.zeros((256, 3), np.uint8)
    for part, base, tones in (
        (BACKGROUND, palette.background, {}),
        (SKIN, palette.skin, _SKIN_TONES),
        (HAIR, palette.hair, _HAIR_TONES),
        (EYES, palette.eyes, _EYE_TONES),
        (CLOTHES, palette.clothes, _CLOTH_TONES),
        (ACCESSORY, palette.accessory, _CLOTH_TONES),
        (OTHER, WHITE, _OTHER_TONES),
    ):
        table[part + BASE] = base
        table[part + INK] = _mix(INK_BLACK, base, 0.08)
        for tone, derive in tones.items():
            table[part + tone] = derive(base)
    return table


Derivation = Callable[[Rgb], Rgb]


def _from_hsv(hue: float, saturation: float, value: float) -> Rgb:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def _mix(first: Rgb, second: Rgb, share: float) -> Rgb:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _shade(value: float, *, toward: Rgb = (70, 50, 130), tint: float = 0.16) -> Derivation:
    def derive(base: Rgb) -> Rgb:
        red, green, blue = _mix(base, toward, tint)
        return round(red * value), round(green * value), round(blue * value)

    return derive


def _blend(color: Rgb, share: float) -> Derivation:
    return lambda base: _mix(base, color, share)


def _constant(color: Rgb) -> Derivation:
    return lambda base: color


_SKIN_TONES: Final = {
    SHADE: _shade(0.90, toward=(190, 70, 90), tint=0.20),
    LIGHT: _blend((243, 96, 104), 0.34),  # blush
    DEEP: _shade(0.72, toward=(150, 40, 60), tint=0.35),
}
_HAIR_TONES: Final = {
    SHADE: _shade(0.86),
    LIGHT: _blend(WHITE, 0.50),
    DEEP: _shade(0.62, tint=0.22),
}
_EYE_TONES: Final = {
    SHADE: _shade(0.62),
    LIGHT: _blend((255, 255, 235), 0.45),
    DEEP: _shade(0.30, tint=0.2),
}
_CLOTH_TONES: Final = {
    SHADE: _shade(0.85),
    LIGHT: _blend(WHITE, 0.62),
    DEEP: _shade(0.68, tint=0.20),
}
_OTHER_TONES: Final = {
    SHADE: _constant((216, 218, 234)),
    LIGHT: _constant((238, 126, 128)),  # tongue
    DEEP: _constant((142, 44, 56)),  # inside of the mouth
}
