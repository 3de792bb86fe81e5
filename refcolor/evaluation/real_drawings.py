"""Measure coloured drawings, a model's or anybody's, against their true colours."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.look import Look
from refcolor.colorize.placement import Placement, place
from refcolor.colorize.reference import read_reference
from refcolor.errors import PictureError, RefcolorError, UsageError
from refcolor.evaluation.measurements import Measured
from refcolor.evaluation.metrics.baselines import grey, mean_color
from refcolor.evaluation.metrics.color import chroma_error, delta_e, difference, lab, white_kept
from refcolor.evaluation.metrics.sheets import sheet, spread
from refcolor.evaluation.metrics.structure import WINDOW, ssim
from refcolor.evaluation.metrics.transfer import VISIBLE_FROM, mean_of_known
from refcolor.evaluation.metrics.truth import LINE_FROM, Truth, reduce_labels, reduced
from refcolor.io import image
from refcolor.io.image import GAP_GRAY, WHITE, Picture
from refcolor.io.names import named_file
from refcolor.io.tables import read_csv
from refcolor.lines.drawing import read_drawing

TABLE = "pairs.csv"
SOFT = Look(flat=False)  # the colours as the model gives them

_SHEET_SIDE = 256  # pixels
_ASPECT_TOLERANCE = 0.02  # largest relative difference of two aspect ratios


@dataclasses.dataclass(frozen=True)
class _Row:
    sketch: str
    reference: str
    truth: str | None  # None: the row ends before this column
    labels: str | None = None
    reference_labels: str | None = None


@dataclasses.dataclass(frozen=True)
class Pair:
    """The files of a row; None for a file that the row does not name.

    row: the table and the number of the row, for messages.
    """

    row: str
    sketch: Path
    reference: Path
    truth: Path | None
    labels: Path | None
    reference_labels: Path | None


@dataclasses.dataclass(frozen=True)
class Page:
    """A drawing and its truth, all of the drawing's size H x W.

    sketch: the file, or the drawing as a (H, W) uint8 picture where it was changed.
    ink: (H, W) uint8, the lines that are drawn. line: (H, W) uint8, the lines of the truth; what
    they cover is not scored. truth: (H, W, 3) uint8. labels: (H, W) uint8, 0 is background.
    """

    sketch: Path | Picture
    ink: Picture
    line: Picture
    truth: Picture | None
    labels: Picture | None


Change = Callable[[Page, Page], Page]
# Of a drawing and its reference: the colours to compare, without lines if they can be had, and the
# picture to show, (h, w, 3) uint8 each.
Answer = Callable[[Pair, Page, Picture], tuple[Picture, Picture]]


def read_real_pairs(folder: Path) -> list[Pair]:
    """Read pairs.csv: the columns sketch, reference, truth, labels and reference_labels.

    Cells are paths relative to the table. The two columns of labels may be missing; truth and
    labels may be empty. Returns [] for a folder without files.
    Raises RefcolorError for a folder without a table, for a table without rows or a column, and for
    a file that does not exist.
    """
    table = folder / TABLE
    if not table.exists():
        if any(not file.name.startswith(".") for file in folder.glob("*")):
            raise RefcolorError(
                f"{table} does not exist; write it with the columns sketch, reference and truth, "
                f"or empty {folder}"
            )
        return []
    rows = read_csv(table, _Row, advice="write the columns sketch, reference and truth")
    pairs = [_files(row, table, number) for number, row in enumerate(rows, start=1)]
    if not pairs:
        raise RefcolorError(f"{table} has no rows; write a row for each drawing, or empty {folder}")
    return pairs


def real_drawings(
    colorizer: Colorizer,
    pairs: Sequence[Pair],
    *,
    size: int | None = None,
    look: Look = SOFT,
    change: Change | None = None,
) -> Measured:
    """Colour each drawing after its reference and compare it with its truth, as `judge` does.

    The colours, without the drawing's lines, are compared at the model's working size.
    size: working size in pixels; by default that of the training pictures.
    """
    size = colorizer.check_size(size)

    def answer(_pair: Pair, page: Page, reference: Picture) -> tuple[Picture, Picture]:
        colored = colorizer.colorize(page.sketch, reference, size=size, look=look)
        return colored.colors, colored.picture

    return judge(answer, pairs, size=size, change=change)


def judge(
    answer: Answer,
    pairs: Sequence[Pair],
    *,
    size: int,
    change: Change | None = None,
    baselines: bool = True,
) -> Measured:
    """Compare coloured drawings with their truths, where these are known.

    With baselines each number but real_white_kept has grey_, mean_color_, figure_color_, copy_ and
    paper_.
    size: longer side in pixels at which colours are compared.
    change: applied to each page before it is coloured. Its second argument is the next pair's page.
    Raises RefcolorError, which names the row, for pictures that cannot be used or differ in shape.
    """
    scores: list[dict[str, float]] = []
    kept, rows = [np.empty(0, np.bool_)], []
    shown = spread(len(pairs))
    for index, pair in enumerate(tqdm(pairs, desc="real drawings", unit="pair")):
        page = _read_page(pair)
        if change:
            page = change(page, _read_page(pairs[(index + 1) % len(pairs)]))
        with _named(pair):
            reference = read_reference(pair.reference)
            colors, picture = answer(pair, page, reference)
        if page.truth is not None:
            case = _reduce(page, page.truth, size)
            visible = _visible_labels(pair, reference, size)
            result = _averaged(colors, *case.line.shape)
            answers = {"": result}
            if baselines:
                answers |= _baselines(case.color, reference, size)
            scores.append(
                {
                    f"{prefix}real_{name}": number
                    for prefix, colors in answers.items()
                    for name, number in _score(colors, case, visible).items()
                }
            )
            kept.append(white_kept(result, case.color, line=case.line))
        if index in shown:
            rows.append(_sheet_row(page, reference, picture))
    numbers = {"real_pairs": float(len(pairs)), "real_truths": float(len(scores))}
    for name in scores[0] if scores else ():
        numbers[name] = mean_of_known(np.array([row[name] for row in scores]))
    numbers["real_white_kept"] = mean_of_known(np.concatenate(kept).astype(np.float64))
    columns = [np.stack(column) for column in zip(*rows, strict=True)]
    return Measured(numbers, {"real": sheet(columns if scores else columns[:3], range(len(rows)))})


def _files(row: _Row, table: Path, number: int) -> Pair:
    where = f"{table} row {number}"
    files: dict[str, Path | None] = {}
    for column, cell in dataclasses.asdict(row).items():
        try:
            files[column] = path = named_file(cell, folder=table.parent) if cell else None
        except UsageError as error:
            raise RefcolorError(f"{where}: {error}") from error
        if path is None and column in ("sketch", "reference"):
            raise RefcolorError(f"{where}: {column} is empty; name a picture")
        if path is not None and not path.is_file():
            raise RefcolorError(
                f"{where}: {column} {cell} does not exist in {table.parent}; correct the path"
            )
    return Pair(where, **files)  # type: ignore[arg-type]


@contextmanager
def _named(pair: Pair) -> Iterator[None]:
    try:
        yield
    except PictureError as error:
        raise RefcolorError(f"{pair.row}: {error}; or remove the row") from error


def _read_page(pair: Pair) -> Page:
    with _named(pair):
        ink = read_drawing(pair.sketch).ink
        truth = image.read(pair.truth) if pair.truth else None
        labels = image.read_gray(pair.labels) if pair.labels else None
    if truth is not None:
        check_aspect(pair, truth=truth, sketch=ink)
        truth = image.resize(truth, *ink.shape)
    if labels is not None:
        check_aspect(pair, labels=labels, sketch=ink)
        nearest = Image.fromarray(labels).resize(ink.shape[::-1], Image.Resampling.NEAREST)
        labels = np.asarray(nearest)
    return Page(pair.sketch, ink, ink, truth, labels)


def check_aspect(pair: Pair, **pictures: Picture) -> None:
    """Refuse two pictures, by their columns, that are not one shape at two sizes."""
    (height, width), (other_height, other_width) = (p.shape[:2] for p in pictures.values())
    if abs(height * other_width / (width * other_height) - 1) > _ASPECT_TOLERANCE:
        first, second = pictures
        raise RefcolorError(
            f"{pair.row}: {first} is {width} x {height} pixels and {second} {other_width} x "
            f"{other_height}, which is another shape; crop them alike"
        )


def _reduce(page: Page, truth: Picture, size: int) -> Truth:
    """Return the truth at the working size, with the labels as parts."""
    height, width = image.scaled_size(truth.shape, size)
    labels = np.zeros(page.line.shape, np.uint8) if page.labels is None else page.labels
    return Truth(
        color=_averaged(truth, height, width),
        line=reduced(image.to_unit(page.line), height, width) >= LINE_FROM,
        parts=reduce_labels(labels, page.line < image.MIDDLE, height, width),
    )


def _visible_labels(pair: Pair, reference: Picture, size: int) -> NDArray[np.bool_]:
    """Return which labels the reference shows at the working size: (256,) bool."""
    if pair.reference_labels is None:
        return np.ones(256, np.bool_)
    with _named(pair):
        labels = image.read_gray(pair.reference_labels)
    check_aspect(pair, reference_labels=labels, reference=reference)
    shape = image.scaled_size(labels.shape, size)
    small = reduce_labels(labels, np.ones(labels.shape, np.bool_), *shape)
    visible: NDArray[np.bool_] = np.bincount(small.ravel(), minlength=256) >= VISIBLE_FROM
    return visible


def _baselines(truth: Picture, reference: Picture, size: int) -> dict[str, Picture]:
    """Return answers that need no model, each of the shape of the truth."""
    placement, ground = _place(reference, size), image.border_color(reference)
    inner = _averaged(reference, placement.inner_height, placement.inner_width)
    square, placement = placement.pad(inner, ground), _place(truth, size)
    return {
        "paper_": np.full_like(truth, WHITE),
        "grey_": grey(truth),
        "mean_color_": placement.crop(mean_color(square)),
        "figure_color_": placement.crop(mean_color(square, image.foreground_mask(square))),
        "copy_": placement.crop(square),
    }


def _place(picture: Picture, size: int) -> Placement:
    return place(*picture.shape[:2], size=size, stride=1, square=True)


def _averaged(picture: Picture, height: int, width: int) -> Picture:
    """Reduce a picture by averages over areas, which leave no rings beside the lines."""
    reduced_image = Image.fromarray(picture).resize((width, height), Image.Resampling.BOX)
    return np.asarray(reduced_image)


def _score(answer: Picture, case: Truth, visible: NDArray[np.bool_]) -> dict[str, float]:
    """Compare an answer with the truth; visible: (256,) bool, labels that the reference shows."""
    return {
        "delta_e": delta_e(answer, case.color, line=case.line),
        "parts_delta_e": _parts_delta_e(answer, case, visible),
        "chroma_error": chroma_error(answer, case.color, line=case.line),
        "ssim": ssim(answer, case.color) if min(case.line.shape) >= WINDOW else math.nan,
    }


def _parts_delta_e(answer: Picture, case: Truth, visible: NDArray[np.bool_]) -> float:
    """Return the mean over the visible labels of the mean CIEDE2000 off the lines, white included.

    NaN where no label but 0 has 4 pixels.
    """
    mask = ~case.line & (case.parts > 0) & visible[case.parts]
    labels = case.parts[mask]
    differences = difference(lab(answer)[mask], lab(case.color)[mask])
    counts, sums = np.bincount(labels), np.bincount(labels, weights=differences)
    judged = counts >= VISIBLE_FROM
    return mean_of_known(sums[judged] / counts[judged])


def _sheet_row(page: Page, reference: Picture, result: Picture) -> list[Picture]:
    missing = np.full((1, 1, 3), GAP_GRAY, np.uint8)
    truth = missing if page.truth is None else page.truth
    pictures = (WHITE - page.ink, reference, result, truth)
    return [image.square(picture, _SHEET_SIDE) for picture in pictures]
