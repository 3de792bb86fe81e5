"""Decompose a drawing into lines and paper, or reject it with advice."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from refcolor.errors import PictureError
from refcolor.io.image import (
    MAX_MEGAPIXELS,
    WHITE,
    Picture,
    fit,
    from_unit,
    read_rgba,
    resize,
    to_unit,
)
from refcolor.lines.paper import flatten_page, paper_color, paper_noise, sampled, strips
from refcolor.lines.sketch import PRESETS, xdog
from refcolor.lines.tone import BARE, FULL, is_dotted, is_even, separate_tone

MEASURED_SIDE: Final = 512  # pixels of the longer side, at most; the thresholds hold for this size
MIN_INK: Final = 5e-5  # mean coverage of a line of 5 pixels at 512
# Share of bare paper. Drawings by artists have 0.95, inked pages 0.8, pictures of 64 pixels 0.6.
MIN_BARE: Final = 0.5
MIN_BARE_TONED: Final = 0.2  # beside even tone, which no photograph has
MAX_SOLID: Final = 0.45  # share of the picture in black areas that are too thick for lines
MAX_SHADED: Final = 0.06  # in grey areas
MAX_COLORED: Final = 0.025  # in coloured areas

_CHROMA = 20  # levels between the channels from which a pixel is coloured
_TONED = 0.005  # share of toned areas from which tone is looked for
_THICK = 9  # pixels at MEASURED_SIDE; an area that contains such a square is not a line
_OPAQUE = 128
_NEARLY_OPAQUE = 250  # paint programs round the opacity of layers that they merge
_LEVELS = np.arange(WHITE + 1, dtype=np.float32)

Level = TypeVar("Level", np.uint8, np.float32)

# The caller may be Python or a server, so the advice names commands only as examples.
_SKETCH_FIRST = "draw its lines first, as `refcolor sketch` does"
_CLEAN_FIRST = (
    "if it is a page of lines, flatten it first, as `refcolor colorize --clean-lines` does; else "
    + _SKETCH_FIRST
)
_CROP_FIRST = "crop it to the page, or " + _SKETCH_FIRST


@dataclass(frozen=True)
class Drawing:
    """A decomposed drawing: pixel = ink * line + (1 - ink) * (1 - tone) * paper, in sRGB values.

    ink: (H, W) uint8, coverage of a pixel by the line; 255 is full coverage.
    line: the colour of the lines, (H, W, 3) uint8, or (3,) if all lines have the same colour.
    paper: (3,) uint8.
    kind: description for messages and reports.
    opacity: (H, W) uint8 of a drawing with its paper that is transparent around it; there the paper
        is white. None for an opaque drawing, and for lines without paper, whose opacity is the ink.
    resolution: of its file, in pixels per inch, horizontal and vertical.
    tone: (H, W) uint8, grey areas and screentone, which are shadow on the colours; 255 is black.
        None without.
    """

    ink: Picture
    line: Picture
    paper: Picture
    kind: str
    opacity: Picture | None = None
    resolution: tuple[float, float] | None = None
    tone: Picture | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.ink.shape
        return height, width


def read_drawing(
    source: Path | bytes | Picture,
    *,
    clean_lines: bool = False,
    max_megapixels: float = MAX_MEGAPIXELS,
) -> Drawing:
    """Decompose a drawing into lines and paper.

    The drawing may have dark lines on light paper, light lines on dark paper, coloured lines, or
    lines on a transparent ground; lines keep their colour. Transparency around an opaque drawing
    becomes white paper. Grey areas and screentone between dark lines become tone; other grey is
    partial ink.

    source: a file, its bytes, or an array: (H, W), (H, W, 3) or (H, W, 4) uint8, the last
    with opacity.
    clean_lines: flatten a photographed or scanned page first; see `flatten_page`.
    max_megapixels: larger pictures are rejected before decoding.
    Raises PictureError with the reasons of `refcolor.io.image.read`, and with color_picture,
    too_much_ink or nothing_drawn for pictures that are not line drawings. The message is one line
    with advice. Raises ValueError for an array of another shape or dtype.
    """
    name = str(source) if isinstance(source, Path) else "the drawing"
    pixels = _pixels(source, name, max_megapixels)
    if _is_transparent(pixels[..., 3]):
        drawing = _decompose_transparent(pixels)
    else:
        page = _on_white(pixels)
        if clean_lines:
            page = flatten_page(page)
        paper = paper_color(page)
        _check_colors(page, paper, name)
        drawing = _decompose_opaque(page, paper)
        if (pixels[..., 3] < _NEARLY_OPAQUE).any():
            drawing = replace(drawing, opacity=np.ascontiguousarray(pixels[..., 3]))
        if drawing.line.tolist() == [0, 0, 0] and _toned(drawing.ink) > _TONED:
            lines, tone = separate_tone(drawing.ink)
            if tone.any():
                drawing = replace(drawing, ink=lines, tone=tone)
        if paper.mean() < _OPAQUE and is_dotted(drawing.ink):  # the paper between its dots
            raise PictureError(
                "too_much_ink",
                f"{name} lies under a dark screentone whose dots touch, which hides its lines; "
                "hide that layer, or " + _SKETCH_FIRST,
            )
    _check_ink(drawing, name, clean_lines)
    return drawing


def working_sketch(ink: Picture, height: int, width: int) -> Picture:
    """Reduce the lines of a drawing to the size of the model, as the sketches of the training.

    Area reduction keeps the amount of ink; then the ink is scaled so that the median line is full
    ink, which keeps fine lines, also next to solid black, and faint pencil. XDoG then gives lines
    of even width, as in training.

    ink: (H, W) uint8, see `Drawing`.  Returns (height, width) uint8, dark lines on white.
    """
    if height > ink.shape[0] or width > ink.shape[1]:
        small = to_unit(resize(ink, height, width))
    else:
        reduced = cv2.resize(to_unit(ink), (width, height), interpolation=cv2.INTER_AREA)
        small = np.asarray(reduced, np.float32)
    # The median of the inked pixels is a line even if a third of the ink is solid black.
    drawn = small[small > 0.02 * small.max()]
    strength = float(np.median(drawn)) if drawn.size else 1.0
    gray = (1 - np.clip(small / strength, 0, 1)).astype(np.float32)
    return from_unit(xdog(gray, **asdict(PRESETS["default"])))


def _pixels(source: Path | bytes | Picture, name: str, max_megapixels: float) -> Picture:
    if isinstance(source, Path | bytes):
        try:
            return read_rgba(source, max_megapixels=max_megapixels)
        except PictureError as error:
            if error.reason == "too_many_pixels":  # the advice of `read_rgba` is for the pipeline
                raise PictureError(
                    error.reason,
                    f"{name} has more than {max_megapixels:g} megapixels; reduce it first",
                ) from error
            raise
    if source.dtype != np.uint8:
        raise ValueError(f"a drawing must be uint8, got {source.dtype}")
    channels = source.shape[2] if source.ndim == 3 else 0
    if source.ndim not in (2, 3) or channels not in (0, 3, 4) or not source.size:
        raise ValueError(
            f"a drawing must be (H, W), (H, W, 3) or (H, W, 4), got shape {source.shape}"
        )
    if channels == 4:
        return source
    pixels = np.full((*source.shape[:2], 4), WHITE, np.uint8)
    pixels[..., :3] = source if channels else source[..., None]
    return pixels


def _is_transparent(alpha: Picture) -> bool:
    """Return True if the opaque part is lines, False if it is a drawing with its paper."""
    if np.mean(alpha < _OPAQUE) < MIN_BARE:
        return False
    opaque = _measured(alpha) >= _OPAQUE // 2
    return _solid(opaque) <= float(opaque.mean()) / 2


def _decompose_transparent(pixels: Picture) -> Drawing:
    ink = np.ascontiguousarray(pixels[..., 3])
    drawn = pixels[ink > _OPAQUE][:, :3]
    color = np.median(drawn, axis=0) if len(drawn) else np.zeros(3)
    light = bool(color.mean() > _OPAQUE)
    uniform = len(drawn) == 0 or np.quantile(np.abs(drawn - color).max(axis=1), 0.999) <= 10
    return Drawing(
        ink=ink,
        line=color.astype(np.uint8) if uniform else np.ascontiguousarray(pixels[..., :3]),
        paper=np.full(3, 0 if light else WHITE, np.uint8),
        kind=f"{'light' if light else 'dark'} lines on a transparent ground",
    )


def _on_white(pixels: Picture) -> Picture:
    if (pixels[..., 3] == WHITE).all():
        return np.ascontiguousarray(pixels[..., :3])
    page = np.empty((*pixels.shape[:2], 3), np.uint8)
    for rows in strips(len(pixels)):
        alpha = pixels[rows, :, 3:].astype(np.uint16)
        color = alpha * pixels[rows, :, :3] + (WHITE - alpha) * np.uint16(WHITE)
        page[rows] = (color + WHITE // 2) // WHITE
    return page


def _decompose_opaque(page: Picture, paper: Picture) -> Drawing:
    sample = sampled(page)
    # Paper may be neither black nor white: lines are light if the mean is lighter than the paper.
    light = bool(sample.mean() > paper.mean())
    noise = paper_noise(sample, paper)
    ink = np.empty(page.shape[:2], np.uint8)
    for rows in strips(len(page)):
        ink[rows] = _coverage(_inverted_if(page[rows], light), _inverted_if(paper, light), noise)
    colored = _has_colored_lines(
        _inverted_if(sample, light), sampled(ink), _inverted_if(paper, light)
    )
    line = np.full(3, WHITE if light else 0, np.uint8)
    if colored:
        line = np.empty_like(page)
        for rows in strips(len(page)):
            line[rows] = _line_color(page[rows], ink[rows], paper)
    tone = "coloured" if colored else "light" if light else "dark"
    return Drawing(ink, line, paper, f"{tone} lines on {'dark' if light else 'light'} paper")


def _inverted_if(colors: Picture, light: bool) -> Picture:
    """Invert the colours of light lines on dark paper, so that lines are dark on light paper."""
    return WHITE - colors if light else colors


def _coverage(page: Picture, paper: Picture, noise: npt.NDArray[np.float32]) -> Picture:
    """Compute the ink of each pixel: the largest relative darkening of a channel above noise."""
    darkening = from_unit(1 - _LEVELS / np.maximum(paper - noise, 1)[:, None])
    coverage: Picture = _look_up(darkening, page).max(axis=0)
    return coverage


def _look_up(tables: npt.NDArray[Level], picture: Picture) -> npt.NDArray[Level]:
    """Look up each pixel in a table of 256 levels for each channel.

    Tables replace arithmetic on pixels, and the maximum over three planes is ten times as fast as
    over interleaved channels.

    tables: (3, 256).  picture: (H, W, 3) uint8.  Returns (3, H, W).
    """
    channels = cv2.split(picture)
    return np.stack([table[channel] for table, channel in zip(tables, channels, strict=True)])


def _line_color(page: Picture, ink: Picture, paper: Picture) -> Picture:
    share = to_unit(ink)[..., None]
    color = (page - (1 - share) * paper) / np.maximum(share, 1 / WHITE)
    rounded: Picture = np.where(share > 0, np.rint(color.clip(0, WHITE)), 0).astype(np.uint8)
    return rounded


def _has_colored_lines(page: Picture, ink: Picture, paper: Picture) -> bool:
    """Return True if more than 0.1 % of the ink is coloured relative to the paper."""
    drawn = ink >= BARE
    rest = page[drawn] - (1 - to_unit(ink[drawn])[:, None]) * paper
    return bool(drawn.any()) and float(np.mean(rest.max(axis=1) > 2 * _CHROMA)) > 1e-3


def _check_colors(page: Picture, paper: Picture, name: str) -> None:
    # Relative to the paper, so that yellow paper is not coloured.
    relative = np.minimum(_LEVELS / np.maximum(paper, 1).astype(np.float32)[:, None] * WHITE, WHITE)
    share = _solid(np.ptp(_look_up(relative, _measured(page)), axis=0) > _CHROMA)
    if share > MAX_COLORED:
        raise PictureError(
            "color_picture",
            f"{name} is not a line drawing: {share:.0%} of it is filled with colour; "
            + _SKETCH_FIRST,
        )


def _check_ink(drawing: Drawing, name: str, cleaned: bool) -> None:
    ink = drawing.ink
    mean, bare = float(ink.mean()) / WHITE, ink < BARE
    if mean < MIN_INK:
        raise PictureError(
            "nothing_drawn", f"{name} has no visible lines; draw darker or thicker strokes"
        )
    least = MIN_BARE
    if drawing.tone is not None:
        bare &= drawing.tone < BARE
        if is_even(drawing.tone):
            least = MIN_BARE_TONED
    share, shaded = float(np.mean(bare)), _shaded(ink)
    if share < least or shaded > MAX_SHADED or _solid(_measured(ink) >= BARE) > MAX_SOLID:
        raise PictureError(
            "too_much_ink",
            f"{name} is not a clean line drawing but shaded, filled or photographed ({share:.0%} "
            f"of it bare paper, {shaded:.0%} grey areas); "
            + (_CROP_FIRST if cleaned else _CLEAN_FIRST),
        )


def _shaded(ink: Picture) -> float:
    """Compute the share of grey areas that are too thick for lines."""
    small = _measured(ink)
    return _solid((small >= BARE) & (small < FULL))


def _toned(ink: Picture) -> float:
    """Compute the share of grey areas, screentone and hatching that are too thick for lines."""
    small = np.asarray(cv2.blur(_measured(ink), (5, 5)), np.uint8)
    return _solid((small >= BARE) & (small < FULL))


def _solid(marked: npt.NDArray[np.bool_]) -> float:
    """Compute the share of a picture inside thick marked areas: the mask after an erosion."""
    side = max(5, round(_THICK * max(marked.shape) / MEASURED_SIDE))
    deep = cv2.erode(marked.astype(np.uint8), np.ones((side, side), np.uint8))
    return float(np.mean(deep))


def _measured(picture: Picture) -> Picture:
    return fit(picture, MEASURED_SIDE, enlarge=False)
