"""Measure any program that colours drawings after references, on pairs with a known answer.

The pairs are drawn characters: a sketch, a reference in another shape, and the true recolouring of
the sketch in the colours of the reference, with the parts of both.

Examples:
  write the pairs as PNG files, with a table (pairs.csv) and a licence (MIT):
    refcolor benchmark make pairs/
  measure pictures that some program made of them, named as the sketches (results/000.png, ...):
    refcolor benchmark score pairs/ results/
  call a program for each pair first, with its seconds; what exists already is not made again:
    refcolor benchmark score pairs/ results/ --command 'color {sketch} {reference} -o {output}'
  several programs beside each other, with a sheet of their pictures:
    refcolor benchmark score pairs/ one/ two/ -o sheet.png

The numbers are those of `evaluate.pairs` (docs/metrics.md), at the size of the sketches, beside
answers that need no program: paper, the truth without its colour (grey), the reference's mean
colour, that of its figure, the reference as it is (copy).
Exit code: 0 all is well, 1 something could not be measured, 2 the command does not make sense.
"""

import argparse
import csv
import json
import math
import os
import shlex
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from refcolor.errors import RefcolorError, UsageError

if TYPE_CHECKING:
    from refcolor.evaluation.measurements import Measured
    from refcolor.evaluation.real_drawings import Page, Pair
    from refcolor.io.image import Picture

SHAPE_SEED: Final = 201  # of no training, validation or test set
PALETTE_SEED: Final = 202
SIDE: Final = 256  # pixels
TRIVIAL: Final = ("paper", "grey", "mean_color", "figure_color", "copy")

_COLUMNS = ("sketch", "reference", "truth", "labels", "reference_labels")
_NUMBERS = ("delta_e", "parts_delta_e", "chroma_error", "ssim", "white_kept")
_SECONDS = "seconds.csv"  # wall clock and CPU of each call, in the folder of the results
_MAX_NAMES = 5
_LICENCE = """\
The pictures in this folder were drawn by refcolor from random seeds (`refcolor benchmark make`).
They are under the MIT licence, as refcolor is: use, change and share them freely, with this notice.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    make = verbs.add_parser("make", help="write the pairs")
    make.add_argument("folder", type=Path, metavar="PAIRS", help="a new folder")
    make.add_argument(
        "--count", type=int, default=100, help="number of pairs; more only add some (default: 100)"
    )
    make.set_defaults(command=_make)
    score = verbs.add_parser("score", help="measure results")
    score.add_argument("folder", type=Path, metavar="PAIRS", help="a folder with pairs.csv")
    score.add_argument(
        "results", type=Path, nargs="+", metavar="RESULTS", help="a folder of PNG files"
    )
    score.add_argument(
        "--command",
        dest="line",
        metavar="LINE",
        help="a program to call for each missing result, with the placeholders {sketch}, "
        "{reference} and {output}; no shell reads it",
    )
    score.add_argument("-o", "--output", type=Path, metavar="OUT.png", help="write a sheet")
    score.add_argument("--json", action="store_true", help="print JSON")
    score.set_defaults(command=_score)


def _make(arguments: argparse.Namespace) -> None:
    import numpy as np

    from refcolor.evaluation.real_drawings import TABLE
    from refcolor.io import image
    from refcolor.io.files import write_lines
    from refcolor.params import SampleParams
    from refcolor.sources.drawn import draw, list_drawn

    folder, count = arguments.folder, arguments.count
    if count < 1:
        raise UsageError(f"--count must be 1 or more, got {count}")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; name a new folder")
    seeds = SampleParams(shape_seed=SHAPE_SEED, palette_seed=PALETTE_SEED, size=SIDE)
    records = list_drawn(seeds, 2 * count)
    rows = [",".join(_COLUMNS)]
    for number, (shape, colors) in enumerate(zip(records[::2], records[1::2], strict=True)):
        truth, reference = draw(shape, size=SIDE, palette_of=colors), draw(colors, size=SIDE)
        lines = np.where(truth.ink, 0, image.WHITE).astype(np.uint8)
        pictures = (lines, reference.color, truth.color, truth.parts, reference.parts)
        names = [f"{column}/{number:03}.png" for column in _COLUMNS]
        for name, picture in zip(names, pictures, strict=True):
            image.write(folder / name, picture)
        rows.append(",".join(names))
    write_lines(folder / TABLE, rows)
    (folder / "LICENSE.txt").write_text(_LICENCE, encoding="utf-8")
    print(f"{count} pairs written to {folder / TABLE}")


def _score(arguments: argparse.Namespace) -> None:
    import numpy as np

    from refcolor.evaluation.real_drawings import TABLE, read_real_pairs
    from refcolor.io import image

    pairs = read_real_pairs(arguments.folder)
    if not pairs:
        raise UsageError(f"{arguments.folder / TABLE} does not exist; `refcolor benchmark make`")
    if len({pair.sketch.stem for pair in pairs}) < len(pairs):
        raise UsageError("two sketches of the table have one name, so their results would too")
    if arguments.line:
        if len(arguments.results) > 1:
            raise UsageError("--command fills one folder of results; name the others afterwards")
        _call(arguments.line, pairs, arguments.results[0])
    measured = {
        str(results): _measure(pairs, results, baselines=number == 0)
        for number, results in enumerate(arguments.results)
    }
    if arguments.output:
        sheets = [sheet.pictures["real"] for sheet in measured.values()]
        image.write(arguments.output, np.concatenate(sheets, axis=1))
    numbers = {name: _numbers(found.numbers) for name, found in measured.items()}
    for results in arguments.results:
        numbers[str(results)] |= _seconds(results)
    trivial = next(iter(measured.values())).numbers
    table = {name: _numbers(trivial, f"{name}_") for name in TRIVIAL} | numbers
    if arguments.json:
        print(json.dumps(table, indent=2))
        return
    columns = (*_NUMBERS, "seconds", "cpu_seconds")
    print(f"{'':<24}" + "".join(f"{key:>14}" for key in columns))
    for name, row in table.items():
        cells = (f"{row[key]:14.4g}" if key in row else " " * 14 for key in columns)
        print(f"{name[-24:]:<24}" + "".join(cells))


def _call(line: str, pairs: Sequence["Pair"], results: Path) -> None:
    """Call a program for each pair without a result, and add its seconds to the folder."""
    from tqdm import tqdm

    results.mkdir(parents=True, exist_ok=True)
    for pair in tqdm(pairs, desc="benchmark", unit="pair"):
        output = _result(pair, results)
        if output.exists():
            continue
        places = {"sketch": pair.sketch, "reference": pair.reference, "output": output}
        try:
            command = [word.format(**places) for word in shlex.split(line)]
        except (KeyError, IndexError, ValueError) as error:
            raise UsageError(
                f"--command may have {{sketch}}, {{reference}} and {{output}}, got {line!r}"
            ) from error
        wall, cpu = time.monotonic(), sum(os.times()[2:4])
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
        wall, cpu = time.monotonic() - wall, sum(os.times()[2:4]) - cpu
        if done.returncode or not output.exists():
            said = (done.stderr.strip() or "no message").splitlines()[-1]
            raise RefcolorError(
                f"{pair.row}: {command[0]} ended with {done.returncode} and "
                f"{'a' if output.exists() else 'no'} result ({said}); put it right and run again"
            )
        with (results / _SECONDS).open("a", encoding="utf-8", newline="") as file:
            row = (output.name, f"{wall:.3f}", f"{cpu:.3f}")
            csv.writer(file, lineterminator="\n").writerow(row)


def _measure(pairs: Sequence["Pair"], results: Path, *, baselines: bool) -> "Measured":
    """Compare the results of a folder with the truths, at the size of the sketches."""
    from refcolor.colorize.jobs import listed
    from refcolor.evaluation.real_drawings import check_aspect, judge
    from refcolor.io import image

    missing = [path.name for pair in pairs if not (path := _result(pair, results)).exists()]
    if missing:
        raise RefcolorError(
            f"{results} lacks {listed(missing, _MAX_NAMES)}; numbers of a part of the pairs could "
            "not be compared, so make them all"
        )

    def answer(pair: "Pair", page: "Page", _reference: "Picture") -> tuple["Picture", "Picture"]:
        picture = image.read(_result(pair, results))
        check_aspect(pair, result=picture, sketch=page.ink)
        picture = image.resize(picture, *page.ink.shape)
        return picture, picture

    size = max(image.read_gray(pairs[0].sketch).shape)
    return judge(answer, pairs, size=size, baselines=baselines)


def _result(pair: "Pair", results: Path) -> Path:
    return results / f"{pair.sketch.stem}.png"


def _numbers(numbers: dict[str, float], prefix: str = "") -> dict[str, float]:
    found = {key: numbers.get(f"{prefix}real_{key}", math.nan) for key in _NUMBERS}
    return {key: number for key, number in found.items() if math.isfinite(number)}


def _seconds(results: Path) -> dict[str, float]:
    """Return the mean seconds of a call; empty for results that no call made."""
    if not (results / _SECONDS).exists():
        return {}
    with (results / _SECONDS).open(encoding="utf-8", newline="") as file:
        rows = [(float(wall), float(cpu)) for _, wall, cpu in csv.reader(file)]
    wall, cpu = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    return {"seconds": wall, "cpu_seconds": cpu}
