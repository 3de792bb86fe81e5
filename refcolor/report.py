"""The data report: one picture that tells a person whether the set is sound."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from skimage.color import lab2rgb

from refcolor import image
from refcolor.image import Picture
from refcolor.palette import BANDS, HUES, LEVELS, Palette, palette
from refcolor.shards import File, locate
from refcolor.sketch import MAX_INK, MIN_INK

SHOWN = 48  # pictures on the contact sheet
SAMPLED = 512  # pictures whose colours are counted
SAMPLED_SIDE = 64  # pixels of a side that are counted, at least, of a larger picture

QUANTILES = {0: "lightest", 0.05: "5 %", 0.5: "median", 0.95: "95 %", 1: "darkest"}
NUMBER_FROM = 0.02  # share of the pixels that is written into a cell
INK_STEP = 0.005  # width of a bar; both limits of ink lie between two bars

# Pixels, all of them: the page is laid out like a poster, and no picture is resampled twice.
WIDTH, MARGIN = 1200, 24
INNER = WIDTH - 2 * MARGIN
HEAD, TITLE = 80, 84
FRAME, GAP = 1, 10  # around a picture, between two pairs
NUMBERS, PLOT_WIDTH, PLOT_HEIGHT, THUMBNAIL = 44, 506, 200, 102
STRIP, CELL_WIDTH, CELL_HEIGHT = 30, 50, 35
TABLE_HEIGHT, LIGHTNESS_WIDTH = BANDS * CELL_HEIGHT, 190
LINE, COLUMN, FUNNEL_WIDTH = 21, 550, 240

DOTS_PER_INCH = 100
TEXT, QUIET, WELL = "#222222", "#6b6b6b", "#efefed"
KEPT, FLAGGED, LOST = "#3b6ea5", "#c27a14", "#b8503f"
EDGE = {"edgecolor": "#00000038", "linewidth": 0.5}
STYLE = {"font.family": "DejaVu Sans", "font.size": 9, "axes.edgecolor": QUIET}
STYLE |= {"axes.labelcolor": QUIET, "xtick.color": QUIET, "ytick.color": QUIET}
STYLE |= {"xtick.labelsize": 9, "ytick.labelsize": 9, "axes.linewidth": 0.8}


def draw_report(
    ids: Sequence[str],
    *,
    color: Path,
    sketch: Path,
    inks: Mapping[str, tuple[float, str]],
    counts: Mapping[str, Any],
) -> Picture:
    """Draw a contact sheet, the shares of ink, the palette and the funnel of a set.

    At most `SHOWN` pictures, evenly spaced over the ids, are shown and the colours of at most
    `SAMPLED` are counted, so a large set takes little longer than a small one. Equal sets give
    equal bytes on one machine.

    ids: what the set consists of, in an order that repeats; color, sketch: the folders with
    `<id>.png`, all squares of one size; inks: share of ink and flag of each id, and maybe of
    others; counts: the funnel, as in metrics/data.json.  Returns (H, 1200, 3) uint8.
    Raises ValueError for an empty set, PictureError for a picture that cannot be read.
    """
    if not ids:
        raise ValueError("a data report needs at least one picture, got none")
    shown, sampled = _spread(ids, SHOWN), _spread(ids, SAMPLED)
    sheet = _sheet(shown, color, sketch)
    columns = _in_columns(_stages(counts))
    colors = palette(np.concatenate([_pixels(locate(color, f"{id}.png")) for id in sampled]))
    heights = [
        len(sheet),
        PLOT_HEIGHT + 30,
        STRIP + 52 + TABLE_HEIGHT + 16,
        max(map(_height, columns)),
    ]
    tops = list(accumulate([HEAD + TITLE, *(height + TITLE for height in heights)]))
    with matplotlib.style.context(["default", STYLE]):
        page = _Page(tops.pop() - TITLE + MARGIN)
        side = image.read(locate(color, f"{ids[0]}.png")).shape[0]
        page.text(MARGIN, 50, f"{len(ids):,} pictures of {side} x {side} pixels", 19, weight="bold")
        page.text(MARGIN, 78, _summary(counts), 10, color=QUIET)
        page.title(tops[0], "Pictures and their sketches", f"{len(shown)} at even steps of the ids")
        page.picture(MARGIN, tops[0], sheet)
        of_set = {id: inks[id] for id in ids}
        _draw_examples(page, tops[1], of_set, (color, sketch), _draw_ink(page, tops[1], of_set))
        _draw_palette(page, tops[2], colors, len(sampled))
        _draw_funnel(page, tops[3], columns)
        return page.draw()


@dataclass(frozen=True)
class _Stage:
    name: str
    given: str
    total: int
    bars: list[tuple[str, int, str]]


class _Page:
    """A figure whose unit is the pixel, counted from the top left."""

    def __init__(self, height: int) -> None:
        self.height = height
        size = (WIDTH / DOTS_PER_INCH, height / DOTS_PER_INCH)
        self.figure = Figure(figsize=size, dpi=DOTS_PER_INCH, facecolor="white")
        self.axes = self.plot(0, 0, WIDTH, height)
        self.axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        self.axes.axis("off")

    def text(self, x: float, y: float, text: str, size: float = 9, **style: Any) -> None:
        self.axes.text(x, y, text, fontsize=size, **({"color": TEXT} | style))

    def title(self, bottom: int, text: str, note: str, *, left: int = MARGIN) -> None:
        self.text(left, bottom - 36, text, 13, weight="bold")
        self.text(left, bottom - 15, note, color=QUIET)

    def box(
        self, x: float, y: float, width: float, height: float, color: Any, **style: Any
    ) -> None:
        self.axes.add_patch(
            Rectangle((x, y), width, height, facecolor=color, **({"linewidth": 0} | style))
        )

    def picture(self, left: int, top: int, picture: Picture) -> None:
        self.figure.figimage(picture, left, self.height - top - len(picture), origin="upper")

    def plot(self, left: int, top: int, width: int, height: int) -> Axes:
        bottom = 1 - (top + height) / self.height
        return self.figure.add_axes(
            (left / WIDTH, bottom, width / WIDTH, height / self.height), facecolor="none"
        )

    def draw(self) -> Picture:
        return image.from_figure(self.figure)


def _sheet(ids: Sequence[str], color: Path, sketch: Path) -> Picture:
    # Three columns to four rows make a sheet about as high as wide: a pair is two squares.
    columns = max(3, math.ceil(math.sqrt(len(ids) * 3 / 4)))
    side = ((INNER + GAP) // columns - GAP - 3 * FRAME) // 2
    height, width = side + 2 * FRAME, 2 * side + 3 * FRAME
    rows = -(-len(ids) // columns)
    sheet = np.full((rows * (height + GAP) - GAP, INNER, 3), image.WHITE, np.uint8)
    for place, id in enumerate(ids):
        row, column = divmod(place, columns)
        top, left = row * (height + GAP), round(column * (INNER - width) / (columns - 1))
        pair = _framed([[_shown(folder, id, side) for folder in (color, sketch)]])
        sheet[top : top + height, left : left + width] = pair
    return sheet


def _draw_ink(page: _Page, top: int, inks: Mapping[str, tuple[float, str]]) -> Axes:
    flagged = Counter(flag for _, flag in inks.values() if flag)
    said = "".join(f"; {number:,} {name}" for name, number in sorted(flagged.items()))
    page.title(top, "Ink", f"share of a sketch that is darker than middle grey{said}")
    plot = page.plot(MARGIN + NUMBERS, top, PLOT_WIDTH, PLOT_HEIGHT)
    end = max(MAX_INK + 0.1, *(ink + INK_STEP for ink, _ in inks.values()))
    edges = INK_STEP * np.arange(math.ceil(end / INK_STEP) + 1)
    groups = [[ink for ink, flag in inks.values() if bool(flag) == one] for one in (False, True)]
    plot.hist(groups, bins=edges.tolist(), stacked=True, color=[KEPT, FLAGGED])
    plot.set(xlim=(0, end), ylabel="sketches")
    plot.margins(y=0.2)
    plot.spines[["top", "right", "left"]].set_visible(False)
    plot.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    plot.grid(axis="y", color=WELL)
    plot.set_axisbelow(True)
    for limit, text in ((MIN_INK, "too light\nbelow"), (MAX_INK, "too dark\nabove")):
        plot.axvline(limit, color=FLAGGED, linewidth=1, linestyle="--")
        x, transform = limit + 0.01 * end, plot.get_xaxis_transform()
        plot.text(x, 1, f"{text} {limit:g}", color=FLAGGED, va="top", transform=transform)
    return plot


def _draw_examples(
    page: _Page,
    top: int,
    inks: Mapping[str, tuple[float, str]],
    folders: Sequence[Path],
    plot: Axes,
) -> None:
    step = THUMBNAIL + 2 * FRAME + 8
    left = WIDTH - MARGIN - len(QUANTILES) * step + 8
    page.title(top, "From the lightest to the darkest", "marked by triangles", left=left)
    by_ink = sorted(inks, key=lambda id: (inks[id], id))
    for place, name in QUANTILES.items():
        id = by_ink[round(place * (len(by_ink) - 1))]
        ink, flag = inks[id]
        pair = _framed([[_shown(folder, id, THUMBNAIL)] for folder in folders])
        page.picture(left, top, pair)
        tone = FLAGGED if flag else QUIET
        page.text(left, top + len(pair) + 16, f"{name} {ink:.3f}", color=tone)
        plot.plot(ink, 0, marker="^", color=TEXT, clip_on=False, markersize=6, zorder=5)
        left += step


def _draw_palette(page: _Page, top: int, colors: Palette, pictures: int) -> None:
    page.title(top, "Colours", f"of {pictures} pictures; the row holds all pixels that have a hue")
    shares = colors.shares[1:].ravel()
    edges = np.rint(np.cumsum(shares) / max(shares.sum(), 1e-9) * INNER).astype(int)
    row = colors.means[1:].reshape(-1, 3).repeat(np.diff(edges, prepend=0), axis=0)
    page.box(MARGIN, top, INNER, STRIP, WELL)
    if len(row):
        page.picture(MARGIN, top, row[None].repeat(STRIP, axis=0))
    top += STRIP + 52
    _draw_hues(page, MARGIN, top, colors)
    _draw_lightness(page, MARGIN + len(HUES) * CELL_WIDTH + 46, top, colors)
    left = WIDTH - MARGIN - 190
    page.text(left, top - 8, "most frequent")
    page.text(left, top + TABLE_HEIGHT + 16, "each with all that are like it", 8, color=QUIET)
    for place, (swatch, share) in enumerate(colors.frequent):
        y = top + place * CELL_HEIGHT
        page.box(left, y + 1, 56, CELL_HEIGHT - 2, swatch / image.WHITE, **EDGE)
        page.text(left + 116, y + 22, _percent(share), ha="right")
        page.text(left + 130, y + 22, f"#{bytes(swatch).hex()}", color=QUIET)


def _draw_hues(page: _Page, left: float, top: float, colors: Palette) -> None:
    full = _scale(colors.shares[1:]) or _scale(colors.shares)
    page.text(
        left,
        top + TABLE_HEIGHT + 16,
        f"a full field: {_percent(full)} of all pixels or more",
        8,
        color=QUIET,
    )
    page.box(left, top, len(HUES) * CELL_WIDTH, TABLE_HEIGHT, WELL)
    for column, name in enumerate(HUES):
        x = left + (column + 0.5) * CELL_WIDTH
        page.text(x, top - 24, name, ha="center")
        page.text(x, top - 8, _percent(colors.shares[column].sum()), 8, ha="center", color=QUIET)
        for band, share in enumerate(colors.shares[column]):
            y = top + (BANDS - band - 0.5) * CELL_HEIGHT
            scale = min(1, math.sqrt(share / full))
            width, height = scale * (CELL_WIDTH - 2), scale * (CELL_HEIGHT - 2)
            fill = colors.means[column, band] / image.WHITE
            page.box(x - width / 2, y - height / 2, width, height, fill, **EDGE)
            if share >= min(full, NUMBER_FROM):
                tone = "white" if band < BANDS * 0.6 else TEXT
                page.text(x, y, f"{100 * share:.0f}", 8, ha="center", va="center", color=tone)


def _draw_lightness(page: _Page, left: float, top: float, colors: Palette) -> None:
    full = _scale(colors.lightness)
    page.text(left, top - 8, "lightness L*")
    page.text(
        left, top + TABLE_HEIGHT + 16, f"full width: {_percent(full)} or more", 8, color=QUIET
    )
    page.box(left, top, LIGHTNESS_WIDTH, TABLE_HEIGHT, WELL)
    middles = (np.arange(LEVELS) + 0.5) * 100 / LEVELS
    tones = lab2rgb(np.stack([middles, 0 * middles, 0 * middles], axis=-1))
    height = TABLE_HEIGHT // LEVELS
    for level, share in enumerate(colors.lightness):
        width, y = min(1, share / full) * LIGHTNESS_WIDTH, top + (LEVELS - 1 - level) * height
        page.box(left, y, width, height, tones[level], **EDGE)
        if share > full:
            page.text(left + width + 4, y + 8, _percent(share), 8)
    for lightness in range(0, 101, 20):
        y = top + (1 - lightness / 100) * TABLE_HEIGHT
        page.text(left - 6, y, f"{lightness}", color=QUIET, ha="right", va="center")


def _draw_funnel(page: _Page, top: int, columns: Sequence[Sequence[_Stage]]) -> None:
    page.title(top, "What became of every picture", "bars: share of what the stage was given")
    for index, column in enumerate(columns):
        left, y = MARGIN + index * (INNER - COLUMN), top
        for stage in column:
            page.text(left, y + 14, stage.name, weight="bold")
            page.text(left + 160, y + 14, stage.given, color=QUIET)
            for place, (name, number, color) in enumerate(stage.bars):
                line = y + (place + 1) * LINE
                share = number / stage.total
                page.text(left, line + 14, name)
                page.box(left + 160, line + 3, FUNNEL_WIDTH, 15, WELL)
                page.box(left + 160, line + 3, math.ceil(FUNNEL_WIDTH * share), 15, color)
                page.text(left + 480, line + 14, f"{number:,}", ha="right")
                page.text(left + COLUMN, line + 14, _percent(share), ha="right", color=QUIET)
            y += _height([stage])


def _stages(counts: Mapping[str, Any]) -> list[_Stage]:
    stages = []
    for name, stage in counts.items():
        flagged, dropped = stage.get("flagged", {}), stage.get("dropped", {})
        if name == "split":
            kept = {side: stage[side] for side in ("train", "validation")}
            dropped = {"excluded": stage["excluded"]}
            total = sum(kept.values()) + stage["excluded"]
            given = f"{stage['groups']:,} groups, {stage['pairs']:,} pairs"
        elif name == "sketch":
            total, given = stage["drawn"], f"{stage['drawn']:,} drawn"
            kept = {"unflagged": total - sum(flagged.values())}
        else:
            total, given = stage["listed"], f"{stage['listed']:,} listed"
            kept = {"kept": stage["kept"]}
        bars = [(name, number, KEPT) for name, number in kept.items()]
        bars += [*_counted(flagged, FLAGGED), *_counted(dropped, LOST)]
        stages += [_Stage(name, given, total, bars)] if total else []
    return stages


def _counted(reasons: Mapping[str, int], color: str) -> list[tuple[str, int, str]]:
    counted = sorted(reasons.items(), key=lambda one: (-one[1], one[0]))
    return [(name, number, color) for name, number in counted if number]


def _in_columns(stages: list[_Stage]) -> tuple[list[_Stage], list[_Stage]]:
    cuts = [(stages[:cut], stages[cut:]) for cut in range(1, len(stages) + 1)]
    return min(cuts, key=lambda cut: max(map(_height, cut)))


def _height(stages: Sequence[_Stage]) -> int:
    return sum(LINE * (len(stage.bars) + 1) + 12 for stage in stages)


def _summary(counts: Mapping[str, Any]) -> str:
    said = [f"of {counts['discover']['listed']:,} that were listed"]
    if "split" in counts:
        sides = counts["split"]
        said += [f"{sides['train']:,} to train on, {sides['validation']:,} to validate on"]
    return "; ".join(said)


def _scale(shares: NDArray[np.float64]) -> float:
    # White paper and one colour behind everything would dwarf the rest.
    return float(np.sort(shares, axis=None)[-3] or shares.max())


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 or not share else "< 0.1 %"


def _framed(rows: Sequence[Sequence[Picture]]) -> Picture:
    picture = image.grid(rows, FRAME)
    return np.pad(picture, ((FRAME, FRAME), (FRAME, FRAME), (0, 0)), constant_values=image.GAP_GRAY)


def _shown(folder: Path, id: str, side: int) -> Picture:
    return image.resize(image.read(locate(folder, f"{id}.png")), side, side)


def _pixels(file: File) -> Picture:
    picture = image.read(file)
    step = max(1, picture.shape[0] // SAMPLED_SIDE)
    # Every n-th pixel instead of a smaller picture: a mixture of two colours is neither.
    return picture[step // 2 :: step, step // 2 :: step].reshape(-1, 3)


def _spread(ids: Sequence[str], count: int) -> list[str]:
    return [ids[int(place)] for place in np.linspace(0, len(ids) - 1, min(count, len(ids)))]
