"""What the recipes share: squares of 512 px in one folder of pairs, and who made them."""

import argparse
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from refcolor.characters.palette import ANY, Family
from refcolor.errors import UsageError
from refcolor.io import image
from refcolor.io.image import Picture
from refcolor.io.tables import write_csv
from refcolor.sources.listing.attribution import ATTRIBUTION, Attribution, read_attributions

SIDE = 512  # pixels
KINDS = ("color", "sketch", "labels")  # `labels` is for evaluations; the layout `pairs` ignores it

# weight, hue, saturation, value: colours that drawn characters do not have and people's art does
SPECIAL_FAMILIES: tuple[Family, ...] = (
    (1.0, ANY, (0.00, 0.03), (0.96, 1.00)),  # white
    (1.0, ANY, (0.00, 0.25), (0.08, 0.22)),  # black
    (0.8, ANY, (0.00, 0.10), (0.35, 0.85)),  # near-grey
    (1.2, ANY, (0.12, 0.35), (0.90, 1.00)),  # pastel
    (1.0, ANY, (0.35, 0.80), (0.22, 0.42)),  # dark
)


def parser(description: str | None) -> argparse.ArgumentParser:
    """Make a parser with the options of every recipe; FOLDER has to be added to it."""
    options = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    options.add_argument("--seed", type=int, default=11, help="of everything random (11)")
    options.add_argument("--workers", type=int, default=0, help="processes; 0 means all cores (0)")
    options.add_argument("--force", action="store_true", help="make what is there already anew")
    return options


def make_room(folder: Path, name: str, *, force: bool, kinds: Sequence[str] = KINDS) -> None:
    """Remove the sub-folders `<kind>/<name>` that a recipe fills.

    Raises UsageError for one that has files, unless `force`.
    """
    for target in (folder / kind / name for kind in kinds):
        if target.is_dir() and any(target.iterdir()) and not force:
            raise UsageError(
                f"{target} is not empty; name another folder, or make it anew with --force"
            )
        shutil.rmtree(target, ignore_errors=True)


def scaled(square: Picture) -> Picture:
    """Scale a square to SIDE without colours that it does not have: area, or bilinear."""
    shrinks = len(square) >= SIDE
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (SIDE, SIDE), interpolation=method), np.uint8)


def save(folder: Path, name: str, **pictures: Picture) -> list[str]:
    """Write `folder/<keyword>/<name>.png` for each picture; return the paths inside `folder`."""
    paths = [f"{kind}/{name}.png" for kind in pictures]
    for path, picture in zip(paths, pictures.values(), strict=True):
        image.write(folder / path, picture)
    return paths


def credit(folder: Path, name: str, rows: Iterable[Attribution]) -> None:
    """Replace the rows of attribution.csv about `color/<name>` with `rows`."""
    old = read_attributions(folder).values()
    kept = [row for row in old if not Path(row.path).is_relative_to(f"color/{name}")]
    every = sorted([*kept, *rows], key=lambda row: row.path)
    write_csv(folder / ATTRIBUTION, Attribution, every)
