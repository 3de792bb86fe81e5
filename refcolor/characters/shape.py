"""The shape of a drawn character: everything except its colours."""

from dataclasses import dataclass
from typing import Final

from refcolor.characters.draws import stream

HAIR_STYLES: Final = (
    "long_straight",
    "hime_cut",
    "wavy_long",
    "flipped",
    "bob",
    "pixie",
    "short_spiky",
    "twin_tails",
    "ponytail",
    "side_tail",
    "low_tails",
    "braids",
    "buns",
    "ringlets",
    "curly",
)
CLOTHES: Final = (
    "sailor",
    "hoodie",
    "blazer",
    "kimono",
    "turtleneck",
    "off_shoulder",
    "armour",
    "cape",
    "pinafore",
)
# Never drawn at random, only set by a record, as in the test set of a study.
UNSEEN_HAIR_STYLES: Final = ("two_side_up", "top_knot")
UNSEEN_CLOTHES: Final = ("scarf",)
ACCESSORIES: Final = (
    "bow",
    "cat_ears",
    "bunny_ears",
    "beret",
    "witch_hat",
    "cap",
    "flowers",
    "headphones",
    "crown",
    "goggles",
    "none",
)
BARE_SHARE: Final = 0.05  # of characters without an accessory
HATS: Final = frozenset({"beret", "witch_hat", "cap"})
TALL: Final = frozenset({"cat_ears", "bunny_ears", "witch_hat", "crown"})
MOUTHS: Final = ("smile", "open", "cat", "round", "pout")


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of a character, without colours.

    Lengths are in hundredths of the picture's side before scaling, angles in degrees;
    fields without a unit are in [-1, 1].
    """

    hair_style: str
    clothes: str
    accessory: str
    mouth: str
    mirrored: bool
    scale: float
    x: float
    y: float
    tilt: float
    lean: float
    turn: float
    face_width: float
    chin: float
    eye_width: float
    eye_height: float
    eye_slant: float
    eye_gap: float
    lid: float
    gaze: float
    brow_height: float
    brow_slant: float
    brow_arch: float
    mouth_width: float
    mouth_open: float
    mouth_curve: float
    hair_volume: float
    hair_length: float
    hair_wave: float
    fringe: int  # selects a fringe of the hair style, modulo their number
    fringe_length: float
    fringe_part: float
    shoulder: float
    placement: float
    jitter: tuple[float, ...]


RANGES: Final[dict[str, tuple[float, float]]] = {
    "scale": (1.03, 1.13),
    "x": (47.0, 53.0),
    "y": (45.0, 48.5),
    "tilt": (-12.0, 12.0),
    "lean": (-3.0, 3.0),
    "turn": (-1.0, 1.0),
    "face_width": (-1.0, 1.0),
    "chin": (-1.0, 1.0),
    "eye_width": (8.2, 9.8),
    "eye_height": (11.0, 13.2),
    "eye_slant": (-6.0, 8.0),
    "eye_gap": (9.9, 11.1),
    "lid": (-1.0, 1.0),
    "gaze": (-1.0, 1.0),
    "brow_height": (-1.0, 1.0),
    "brow_slant": (-14.0, 12.0),
    "brow_arch": (0.04, 0.2),
    "mouth_width": (3.0, 5.6),
    "mouth_open": (2.4, 5.4),
    "mouth_curve": (0.10, 0.26),
    "hair_volume": (-1.0, 1.0),
    "hair_length": (-1.0, 1.0),
    "hair_wave": (-1.0, 1.0),
    "fringe_length": (-1.0, 1.0),
    "fringe_part": (-1.0, 1.0),
    "shoulder": (-1.0, 1.0),
    "placement": (-1.0, 1.0),
}
JITTERS: Final = 32


def draw_shape(seed: int, index: int) -> Shape:
    """Draw a random shape; all properties are independent.

    Raises ValueError for a negative seed or index.
    """
    generator = stream(seed, index, name="shape")
    return Shape(
        hair_style=HAIR_STYLES[generator.integers(len(HAIR_STYLES))],
        clothes=CLOTHES[generator.integers(len(CLOTHES))],
        accessory=_accessory(generator.random()),
        mouth=MOUTHS[generator.integers(len(MOUTHS))],
        mirrored=bool(generator.random() < 0.5),
        fringe=int(generator.integers(1 << 16)),
        jitter=tuple(float(value) for value in generator.uniform(-1, 1, JITTERS)),
        **{name: float(generator.uniform(*limits)) for name, limits in RANGES.items()},
    )


def _accessory(chance: float) -> str:
    if chance < BARE_SHARE:
        return "none"
    count = len(ACCESSORIES) - 1
    return ACCESSORIES[int((chance - BARE_SHARE) / (1 - BARE_SHARE) * count)]
