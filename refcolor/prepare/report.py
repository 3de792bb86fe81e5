"""The data report: contact sheet, ink, colours and funnel of a dataset in one picture."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from skimage.color import lab2rgb

from refcolor.io import image
from refcolor.io.image import Picture
from refcolor.io.shards import File, locate
from refcolor.lines.sketch import MAX_INK, MIN_INK
from refcolor.prepare.palette import BANDS, HUES, LEVELS, Palette, palette

SHOWN = 48  # pictures on the contact sheet, at most
SAMPLED = 512  # pictures whose colours are counted, at most
SAMPLED_SIDE = 64  # pixels of a side that are counted, at least

QUANTILES = {0: "lightest", 0.05: "5 %", 0.5: "median", 0.95: "95 %", 1: "darkest"}
NUMBER_FROM = 0.02  # share of the pixels from which it is written on a colour
INK_STEP = 0.005  # width of a bin; both limits of ink are bin edges

WIDTH, MARGIN, GAP = 1152, 24, 10  # pixels: width of the content, around it, between pairs
TEXT, QUIET, WELL = "#222222", "#6b6b6b", "#efefed"
KEPT, FLAGGED, LOST = "#3b6ea5", "#c27a14", "#b8503f"
EDGE = {"edgecolor": "#00000038", "linewidth": 0.5}
STYLE = {
    "figure.dpi": 100,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "figure.titlesize": 13,
    "figure.titleweight": "bold",
    "text.color": TEXT,
    "axes.titlesize": 9,
    "axes.titlecolor": QUIET,
    "axes.labelcolor": QUIET,
    "axes.edgecolor": QUIET,
    "axes.spines.bottom": False,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
}


@dataclass(frozen=True)
class Line:
    """A line of the funnel: a stage and its input, or a share of its pictures."""

    name: str
    number: int = 0
    share: float = 0.0
    color: str = "none"


def draw_report(
    ids: Sequence[str],
    *,
    color: Path,
    sketch: Path,
    inks: Mapping[str, tuple[float, str]],
    counts: Mapping[str, Any],
) -> Picture:
    """Draw a contact sheet, the shares of ink, the palette and the funnel of a dataset.

    At most `SHOWN` pictures, evenly spaced over the ids, are shown and the colours of at most
    `SAMPLED` are counted, so the time hardly depends on the size. Equal inputs give equal bytes on
    one machine.

    ids: all pictures of the dataset, in a deterministic order.
    color, sketch: folders with `<id>.png`, all squares of one size.
    inks: share of ink and flag by id; other ids are ignored.
    counts: the funnel, as in metrics/data.json.
    Returns (H, 1200, 3) uint8.
    Raises ValueError for no ids, PictureError for a picture that cannot be read.
    """
    if not ids:
        raise ValueError("a data report needs at least one picture, got none")
    shown, sampled = _spread(ids, SHOWN), _spread(ids, SAMPLED)
    sheet = _sheet(shown, color, sketch)
    colors = palette(np.concatenate([_pixels(locate(color, f"{id}.png")) for id in sampled]))
    lines = list(funnel_lines(counts))
    with matplotlib.style.context(["default", STYLE]):
        side = image.read(locate(color, f"{ids[0]}.png")).shape[0]
        head = Figure(figsize=(WIDTH / 100, 1.2))
        title = f"{len(ids):,} pictures of {side} x {side} pixels"
        head.text(0, 0.75, title, fontsize=19, weight="bold")
        head.text(0, 0.5, _summary(counts), fontsize=10, color=QUIET)
        head.text(0, 0.1, "Pictures and their sketches", fontsize=13, weight="bold")
        heights = [3.2, 1.2, 4.6, 0.9 + 0.21 * len(lines)]
        body = Figure(figsize=(WIDTH / 100, sum(heights)), layout="constrained")
        parts = body.subfigures(4, 1, squeeze=False, height_ratios=heights, hspace=0.04).flat
        _draw_ink(next(parts), {id: inks[id] for id in ids}, (color, sketch))
        _draw_row(next(parts), colors, len(sampled))
        _draw_colors(next(parts), colors)
        _draw_funnel(next(parts), lines)
        page = np.concatenate([image.from_figure(head), sheet, image.from_figure(body)])
    padding = ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))
    return np.pad(page, padding, constant_values=image.WHITE)


def funnel_lines(counts: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of the funnel, stage by stage, without stages that have no pictures.

    counts: as in metrics/data.json.
    """
    for name, stage in counts.items():
        flagged, dropped = stage.get("flagged", {}), stage.get("dropped", {})
        if name == "split":
            kept = {side: stage[side] for side in ("train", "validation")}
            dropped = {"excluded": stage["excluded"]}
            total = sum(kept.values()) + stage["excluded"]
            content = f"{stage['groups']:,} groups, {stage['pairs']:,} pairs"
        elif name == "sketch":
            total, content = stage["drawn"], f"{stage['drawn']:,} drawn"
            kept = {"unflagged": total - sum(flagged.values())}
        else:
            total, content = stage["listed"], f"{stage['listed']:,} listed"
            kept = {"kept": stage["kept"]}
        if total:
            yield Line(f"{name}: {content}")
            for reasons, color in ((kept, KEPT), (flagged, FLAGGED), (dropped, LOST)):
                for reason, number in Counter(reasons).most_common():
                    if number:
                        yield Line(reason, number, number / total, color)


def _sheet(ids: Sequence[str], color: Path, sketch: Path) -> Picture:
    # Three columns to four rows: a pair is two squares wide, so the sheet is nearly square.
    columns = max(3, math.ceil(math.sqrt(len(ids) * 3 / 4)))
    side = ((WIDTH + GAP) // columns - GAP - 3) // 2
    pairs = [_framed([[_shown(folder, id, side) for folder in (color, sketch)]]) for id in ids]
    rows = [pairs[start : start + columns] for start in range(0, len(ids), columns)]
    sheet = image.grid(rows, GAP, background=image.WHITE)
    padding = ((0, MARGIN), (0, WIDTH - sheet.shape[1]), (0, 0))
    return np.pad(sheet, padding, constant_values=image.WHITE)


def _draw_ink(
    part: SubFigure, inks: Mapping[str, tuple[float, str]], folders: Sequence[Path]
) -> None:
    flagged = Counter(flag for _, flag in inks.values() if flag)
    notes = "".join(f"; {number:,} {name}" for name, number in sorted(flagged.items()))
    part.suptitle("Ink", x=0, ha="left")
    plot, *examples = part.subplots(1, 1 + len(QUANTILES), width_ratios=[5, 1, 1, 1, 1, 1])
    end = max(MAX_INK + 0.1, *(ink + INK_STEP for ink, _ in inks.values()))
    edges = INK_STEP * np.arange(math.ceil(end / INK_STEP) + 1)
    groups = [
        [ink for ink, flag in inks.values() if bool(flag) == flagged_only]
        for flagged_only in (False, True)
    ]
    plot.hist(groups, bins=edges.tolist(), stacked=True, color=[KEPT, FLAGGED])
    plot.set(xlim=(0, end), ylabel="sketches")
    plot.set_title(f"share of a sketch that is darker than middle grey{notes}", loc="left")
    plot.spines.bottom.set_visible(True)
    plot.margins(y=0.2)
    plot.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    plot.grid(axis="y", color=WELL)
    plot.set_axisbelow(True)
    for limit, text in ((MIN_INK, "too light\nbelow"), (MAX_INK, "too dark\nabove")):
        plot.axvline(limit, color=FLAGGED, linewidth=1, linestyle="--")
        x, transform = limit + 0.01 * end, plot.get_xaxis_transform()
        plot.text(x, 1, f"{text} {limit:g}", color=FLAGGED, va="top", transform=transform)
    by_ink = sorted(inks, key=lambda id: (inks[id], id))
    for axes, (quantile, name) in zip(examples, QUANTILES.items(), strict=True):
        id = by_ink[round(quantile * (len(by_ink) - 1))]
        ink, flag = inks[id]
        axes.imshow(_framed([[_shown(folder, id, 200)] for folder in folders]))
        axes.set_title(f"{name}\n{ink:.3f}", color=FLAGGED if flag else QUIET)
        axes.axis("off")
        plot.plot(ink, 0, marker="^", color=TEXT, clip_on=False, markersize=6, zorder=5)


def _draw_row(part: SubFigure, colors: Palette, pictures: int) -> None:
    part.suptitle("Colours", x=0, ha="left")
    row = part.subplots()
    row.set_title(f"of {pictures} pictures; the row holds all pixels that have a hue", loc="left")
    shares = colors.shares[1:].ravel() / max(colors.shares[1:].sum(), 1e-9)
    hues = colors.means[1:].reshape(-1, 3) / image.WHITE
    row.barh(0, shares, left=np.cumsum(shares) - shares, color=hues)
    row.set(xlim=(0, 1), ylim=(-0.4, 0.4), facecolor=WELL, xticks=[], yticks=[])


def _draw_colors(part: SubFigure, colors: Palette) -> None:
    table, lightness, frequent = part.subplots(1, 3, width_ratios=[6.5, 2, 1.5])
    full = _scale(colors.shares[1:]) or _scale(colors.shares)
    hues, bands = np.indices(colors.shares.shape)
    sizes = 600 * np.minimum(1, colors.shares / full).ravel()
    fills = colors.means.reshape(-1, 3) / image.WHITE
    table.scatter(hues, bands, sizes, fills, marker="s", **EDGE)
    for (hue, band), share in np.ndenumerate(colors.shares):
        if share >= min(full, NUMBER_FROM):
            tone = "white" if band < BANDS * 0.6 else TEXT
            text = f"{100 * share:.0f}"
            table.text(hue, band, text, ha="center", va="center", color=tone, fontsize=8)
    names = [
        f"{name}\n{_percent(share)}"
        for name, share in zip(HUES, colors.shares.sum(axis=1), strict=True)
    ]
    table.set(xlim=(-0.6, len(HUES) - 0.4), ylim=(-0.6, BANDS - 0.4), facecolor=WELL, yticks=[])
    table.set_xticks(range(len(HUES)), names)
    table.tick_params(
        top=True, labeltop=True, bottom=False, labelbottom=False, length=0, labelsize=8
    )
    table.set_xlabel(f"a full field: {_percent(full)} of all pixels or more", loc="left")

    full = _scale(colors.lightness)
    middles = (np.arange(LEVELS) + 0.5) * 100 / LEVELS
    tones = lab2rgb(np.stack([middles, 0 * middles, 0 * middles], axis=-1))
    shares = np.minimum(colors.lightness, full)
    lightness.barh(middles, shares, 100 / LEVELS, color=tones, **EDGE)
    for middle, share in zip(middles, colors.lightness, strict=True):
        if share > full:
            lightness.text(full, middle, f" {_percent(share)}", va="center", fontsize=8)
    lightness.set_title("lightness L*", loc="left")
    lightness.set(xlim=(0, full), ylim=(0, 100), facecolor=WELL, xticks=[])
    lightness.set_xlabel(f"full width: {_percent(full)} or more", loc="left")

    swatches = [swatch / image.WHITE for swatch, _ in colors.frequent]
    names = [f"{_percent(share)}  #{bytes(swatch).hex()}" for swatch, share in colors.frequent]
    frequent.barh(range(len(swatches)), 1, color=swatches, **EDGE)
    frequent.set_title("most frequent", loc="left")
    frequent.set(xlim=(0, 1), ylim=(9.5, -0.5), xticks=[])
    frequent.set_yticks(range(len(names)), names)
    frequent.tick_params(right=True, labelright=True, left=False, labelleft=False, length=0)
    frequent.set_xlabel("each with all that are like it", loc="left")


def _draw_funnel(part: SubFigure, lines: Sequence[Line]) -> None:
    part.suptitle("What became of every picture", x=0, ha="left")
    axes = part.subplots()
    axes.set_title("bars: share of what the stage was given", loc="left")
    rows = range(len(lines))
    colors = [line.color for line in lines]
    axes.barh(rows, [line.number > 0 for line in lines], color=WELL)
    # The edge makes a single picture of a million visible.
    axes.barh(rows, [line.share for line in lines], color=colors, edgecolor=colors)
    for row, line in enumerate(lines):
        if line.number:
            axes.text(1.1, row, f"{line.number:,}", ha="right", va="center")
            axes.text(1.18, row, _percent(line.share), ha="right", va="center", color=QUIET)
    axes.set(xlim=(0, 1.18), ylim=(len(lines) - 0.4, -0.6), xticks=[])
    axes.set_yticks(rows, [line.name for line in lines], color=TEXT)
    for label, line in zip(axes.get_yticklabels(), lines, strict=True):
        label.set_fontweight("normal" if line.number else "bold")
    axes.tick_params(length=0)


def _summary(counts: Mapping[str, Any]) -> str:
    summary = f"of {counts['discover']['listed']:,} that were listed"
    if "split" in counts:
        sides = counts["split"]
        summary += f"; {sides['train']:,} to train on, {sides['validation']:,} to validate on"
    return summary


def _scale(shares: np.ndarray) -> float:
    # The third largest share: white paper and one background colour would dwarf the rest.
    return float(np.sort(shares, axis=None)[-3] or shares.max())


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 or not share else "< 0.1 %"


def _framed(rows: Sequence[Sequence[Picture]]) -> Picture:
    padding = ((1, 1), (1, 1), (0, 0))
    return np.pad(image.grid(rows, 1), padding, constant_values=image.GAP_GRAY)


def _shown(folder: Path, id: str, side: int) -> Picture:
    return image.resize(image.read(locate(folder, f"{id}.png")), side, side)


def _pixels(file: File) -> Picture:
    picture = image.read(file)
    step = max(1, picture.shape[0] // SAMPLED_SIDE)
    # Every n-th pixel instead of a reduced picture: averaging would create new colours.
    return picture[step // 2 :: step, step // 2 :: step].reshape(-1, 3)


def _spread(ids: Sequence[str], count: int) -> list[str]:
    return [ids[int(index)] for index in np.linspace(0, len(ids) - 1, min(count, len(ids)))]
