"""Clean a picture: measure it, decide whether to drop it, and make its square."""

import csv
import dataclasses
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from refcolor.errors import PictureError, RefcolorError
from refcolor.io.image import Picture, foreground_mask, read, scaled_size, square, to_unit
from refcolor.io.shards import File, siblings
from refcolor.io.tables import write_csv
from refcolor.params import CleanParams
from refcolor.prepare.duplicates import dhash
from refcolor.prepare.letterbox import crop_bars

Layout = Literal["pictures", "pairs", "side_by_side", "line_art"]

MEASURED_SIDE = 128  # pixels of the longer side, at most; the thresholds hold for this size
ASPECT_TOLERANCE = 0.02  # relative difference between the halves of a pair, which must align


@dataclass(frozen=True)
class Measurement:
    """Measurements of one picture, kept or dropped.

    width, height: pixels of the original, 0 if unreadable.
    colorfulness, hue_spread, foreground: see the functions of these names; 0 if unreadable.
    dhash: see `refcolor.prepare.duplicates.dhash`; empty if unreadable.
    reason: for dropping it; empty if it was kept.
    flag: a warning about a picture that was kept: `bars_not_uniform`, or empty.
    """

    id: str
    width: int = 0
    height: int = 0
    colorfulness: float = 0.0
    hue_spread: float = 0.0
    foreground: float = 0.0
    dhash: str = ""
    reason: str = ""
    flag: str = ""


def colorfulness(picture: Picture) -> float:
    """Measure the colourfulness of a picture: 0 is grey, about 5 slightly coloured, 60 very bright.

    picture: (H, W, 3) uint8 sRGB.
    Reference: Hasler and Suesstrunk, Human Vision and Electronic Imaging VIII (2003), M3, whose
    scale is that of 8-bit values.
    """
    red, green, blue = np.moveaxis(picture.astype(np.float64), -1, 0)
    red_green = red - green
    yellow_blue = (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    offset = np.hypot(red_green.mean(), yellow_blue.mean())
    return float(spread + 0.3 * offset)


def hue_spread(picture: Picture) -> float:
    """Measure the spread of hues: small for a picture tinted in one hue.

    It is the standard deviation of the Lab colours (a, b) along their minor principal axis: 0 for
    grey, for sepia and for all mixtures of two opposite hues.

    picture: (H, W, 3) uint8 sRGB.
    """
    lab = cv2.cvtColor(to_unit(picture), cv2.COLOR_RGB2Lab)
    covariance = np.cov(lab[..., 1:].reshape(-1, 2).T.astype(np.float64), ddof=0)
    return float(np.sqrt(max(0.0, np.linalg.eigvalsh(covariance)[0])))


def foreground(picture: Picture) -> float:
    """Measure the share of pixels that differ from the background, the median border colour.

    picture: (H, W, 3) uint8 sRGB.  Returns a number in [0, 1].
    """
    return float(np.mean(foreground_mask(picture)))


def clean_picture(
    source: File,
    id: str,
    params: CleanParams,
    *,
    layout: Layout = "pictures",
    letterboxed: tuple[int, int] | tuple[()] = (),
) -> tuple[Picture | None, Picture | None, Measurement]:
    """Read a picture, measure it, and make its square.

    layout: with `pairs` the line art is the file `<id>.sketch.<extension>` next to `source`; with
        `side_by_side` the left half is the colour and the right half the line art (an odd middle
        column belongs to neither). Only the colour is measured. `line_art` has no colour.
    letterboxed: (width, height) of the original where the file is a square copy with bars, which
        are cut off; see `refcolor.prepare.letterbox.crop_bars`.

    Returns the colour square (size, size, 3) uint8, the line art (size, size) uint8, each None if
    the layout does not have it, and the measurement. Both pictures are None when the measurement
    has a reason: one of `refcolor.io.image.read`, the same with the prefix `sketch_` for line art,
    `no_partner`, `pair_mismatch`, or, in this order, `too_small`, `empty`, `grey`, `one_hue`. The
    order matters: an empty picture is also grey, and a grey one has no second hue.
    """
    try:
        picture = read(source, max_megapixels=params.max_megapixels)
        picture, uniform = crop_bars(picture, letterboxed) if letterboxed else (picture, True)
        color, line_art = _parts(picture, source, id, params, layout)
    except PictureError as error:
        return None, None, Measurement(id, reason=error.reason)
    measurement = _measure(picture if color is None else color, id)
    measurement = dataclasses.replace(measurement, flag="" if uniform else "bars_not_uniform")
    reason = _reason(measurement, params, colored=color is not None)
    if not reason and color is not None and line_art is not None:
        reason = "pair_mismatch" if _aspects_differ(color, line_art) else ""
    if reason:
        return None, None, dataclasses.replace(measurement, reason=reason)
    color_square, sketch_square = (
        None if part is None else square(part, params.size, fit=params.fit)
        for part in (color, line_art)
    )
    return color_square, sketch_square, measurement


def check_any_kept(measurements: Iterable[Measurement]) -> None:
    """Raise RefcolorError with the counted reasons when every picture was dropped."""
    reasons = Counter(measurement.reason for measurement in measurements)
    if not reasons[""]:
        counts = ", ".join(
            f"{count} {reason}" for reason, count in sorted(reasons.items()) if count
        )
        raise RefcolorError(
            f"every picture was dropped ({counts or 'there was none'}); data/clean.csv has the "
            "measurements, `clean` in params.yaml has the thresholds"
        )


def write_measurements(path: Path, measurements: Iterable[Measurement]) -> None:
    """Write measurements as CSV with a header, sorted by id; the write is atomic."""
    write_csv(path, Measurement, sorted(measurements, key=lambda measurement: measurement.id))


def read_measurements(path: Path) -> list[Measurement]:
    """Read what `write_measurements` wrote.

    Raises RefcolorError with the number of an invalid line.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if not rows or tuple(rows[0]) != _COLUMNS:
        raise RefcolorError(
            f"{path} must begin with the line {','.join(_COLUMNS)}; rerun `dvc repro clean`"
        )
    return [_measurement(row, f"{path} line {number}") for number, row in enumerate(rows[1:], 2)]


_COLUMNS = tuple(field.name for field in dataclasses.fields(Measurement))


def _parts(
    picture: Picture, source: File, id: str, params: CleanParams, layout: Layout
) -> tuple[Picture | None, Picture | None]:
    if layout == "line_art":
        return None, _luma(picture)
    if layout == "pairs":
        return picture, _luma(_partner(source, id, params))
    if layout == "side_by_side":
        half = picture.shape[1] // 2
        if half == 0:
            raise PictureError("pair_mismatch", f"{source} is one pixel wide and has no halves")
        return picture[:, :half], _luma(picture[:, -half:])
    return picture, None


def _partner(source: File, id: str, params: CleanParams) -> Picture:
    partners = siblings(source, f"{id}.sketch.")
    if not partners:
        raise PictureError("no_partner", f"{source} has no line art {id}.sketch.* next to it")
    try:
        return read(partners[0], max_megapixels=params.max_megapixels)
    except PictureError as error:
        raise PictureError(f"sketch_{error.reason}", str(error)) from error


def _luma(picture: Picture) -> Picture:
    gray: npt.NDArray[np.uint8] = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    return gray


def _measure(picture: Picture, id: str) -> Measurement:
    height, width = picture.shape[:2]
    size = scaled_size(picture.shape, MEASURED_SIDE, enlarge=False)
    # Area averaging: sharper filters overshoot at edges into colours that are not in the picture.
    small = np.asarray(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    # Four digits are enough, and are exact after writing and reading the file.
    return Measurement(
        id,
        width,
        height,
        round(colorfulness(small), 4),
        round(hue_spread(small), 4),
        round(foreground(small), 4),
        dhash(picture),
    )


def _reason(measurement: Measurement, params: CleanParams, *, colored: bool) -> str:
    if min(measurement.width, measurement.height) < params.min_side:
        return "too_small"
    if measurement.foreground < params.min_foreground:
        return "empty"
    if not colored:
        return ""
    if measurement.colorfulness < params.min_colorfulness:
        return "grey"
    return "one_hue" if measurement.hue_spread < params.min_hue_spread else ""


def _aspects_differ(color: Picture, line_art: Picture) -> bool:
    ratio = (color.shape[1] * line_art.shape[0]) / (color.shape[0] * line_art.shape[1])
    return bool(abs(ratio - 1) > ASPECT_TOLERANCE)


def _measurement(row: list[str], where: str) -> Measurement:
    try:
        id, width, height, colors, hues, share, hash, reason, flag = row
        sizes, shares = (int(width), int(height)), (float(colors), float(hues), float(share))
        return Measurement(id, *sizes, *shares, hash, reason, flag)
    except ValueError as error:
        raise RefcolorError(f"{where} is damaged ({error}); rerun `dvc repro clean`") from error
