"""Measure the pictures of one folder against those of another, or a model on real drawings.

Pictures of the same name are compared (SSIM, MS-SSIM, PSNR, CIEDE2000), and the two folders as
wholes (FID, KID). With --pairs a model colours drawings, and its colours are compared with the true
ones; docs/metrics.md describes the table and the numbers, which are those of `evaluate.pairs`.

Examples:
  coloured drawings against the pictures that they should be, by name:
    refcolor metrics colored/ truth/
  the same as JSON, each pair included:
    refcolor metrics colored/ truth/ --json > numbers.json
  folders of pictures of many sizes, with FID as clean-fid has it:
    refcolor metrics colored/ pictures/ --size 256 --features inception
  a model on drawings with references and true colours, listed in drawings/pairs.csv:
    refcolor metrics --pairs drawings/ --model models -o sheet.png
  and how much worse it gets under a frame, a margin, other lines, a second figure, other sizes:
    refcolor metrics --pairs drawings/ --rises

delta_e is CIEDE2000 over what is neither line nor white in B, as in metrics/eval.json (lines are
the XDoG of B); delta_e_everywhere leaves nothing out. Nothing is resized without --size: a pair of
two sizes is reported. Names in one folder only are reported too, and still count for FID and KID.
Exit code: 0 all is well, 1 something could not be measured, 2 the command does not make sense.
"""

import argparse
import json
import math
import sys
from functools import partial
from typing import TYPE_CHECKING

from refcolor.cli.options import add_model, load_model, path
from refcolor.errors import RefcolorError, UsageError

if TYPE_CHECKING:
    from refcolor.cli.compare import Comparison
    from refcolor.evaluation.metrics.distance import Features

_MAX_NAMES = 5  # names that are listed; the others are counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.usage = (
        "refcolor metrics A B [options]\n       refcolor metrics --pairs FOLDER [options]"
    )
    parser.add_argument(
        "one", metavar="A", type=path, nargs="?", help="what was made: a folder, or a picture"
    )
    parser.add_argument("other", metavar="B", type=path, nargs="?", help="what it should be")
    parser.add_argument(
        "--pairs", metavar="FOLDER", type=path, help="colour the drawings of its pairs.csv instead"
    )
    parser.add_argument("--rises", action="store_true", help="with --pairs: change the drawings")
    parser.add_argument(
        "--flat", action="store_true", help="with --pairs: flat colours, not the model's own"
    )
    parser.add_argument(
        "-o", "--output", metavar="OUT.png", type=path, help="with --pairs: write a sheet of them"
    )
    add_model(parser)
    parser.add_argument(
        "--features",
        choices=("random", "inception"),
        default="random",
        help="random: small, offline, not FID and named so; inception: FID as clean-fid has it",
    )
    parser.add_argument(
        "--size",
        metavar="PIXELS",
        type=int,
        help="fit every picture into a square of this side first; default: nothing is resized. "
        "With --pairs: as for refcolor colorize",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, each pair included")
    parser.add_argument(
        "--workers", metavar="N", type=int, default=0, help="processes; default: all cores"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    if arguments.pairs is not None:
        if arguments.one is not None:
            raise UsageError(f"--pairs takes no other folder, got {arguments.one}; leave it out")
        return _run_pairs(arguments)
    if arguments.other is None:
        raise UsageError("there must be two folders, A and B, or --pairs FOLDER; see --help")
    for name in ("rises", "flat", "output"):
        if getattr(arguments, name):
            raise UsageError(f"--{name} needs --pairs FOLDER; leave it out to compare two folders")
    from refcolor.cli.compare import compare

    result = compare(
        arguments.one,
        arguments.other,
        features=_features(arguments.features),
        size=arguments.size,
        workers=arguments.workers,
    )
    for line in (*_alone(arguments, result), *result.notes, *result.failed):
        print(line, file=sys.stderr)
    if arguments.json:
        print(json.dumps(result.as_json(), indent=2))
    else:
        counts = {"pairs": len(result.pairs), "images A": result.images[0]}
        for name, number in {**counts, "images B": result.images[1], **result.means}.items():
            print(f"{name:<20}{number:.6g}")
    if result.failed:
        raise RefcolorError(f"{len(result.failed)} could not be measured; they are listed above")


def _run_pairs(arguments: argparse.Namespace) -> None:
    """Print the numbers of a model on real drawings."""
    from refcolor.cli.rises import rises
    from refcolor.colorize.look import Look
    from refcolor.evaluation.real_drawings import TABLE, read_real_pairs, real_drawings
    from refcolor.io import image

    pairs = read_real_pairs(arguments.pairs)
    if not pairs:
        raise UsageError(f"{arguments.pairs / TABLE} does not exist; docs/metrics.md describes it")
    if arguments.rises and not any(pair.truth for pair in pairs):
        raise UsageError("--rises needs drawings with a truth, got none; name the true colours")
    colorizer = load_model(arguments)
    size = colorizer.check_size(arguments.size)
    measure = partial(real_drawings, colorizer, pairs, look=Look(flat=arguments.flat))
    measured = measure(size=size)
    if arguments.output:
        image.write(arguments.output, measured.pictures["real"])
    numbers = measured.numbers | (rises(measure, size) if arguments.rises else {})
    known = {name: number for name, number in numbers.items() if math.isfinite(number)}
    if arguments.json:
        print(json.dumps(known, indent=2))
    else:
        for name, number in known.items():
            print(f"{name:<32}{number:.6g}")


def _alone(arguments: argparse.Namespace, result: "Comparison") -> list[str]:
    from refcolor.colorize.jobs import listed

    lines = []
    for folder, names in zip((arguments.one, arguments.other), result.alone, strict=True):
        if names:
            lines.append(f"only in {folder}: {listed(names, _MAX_NAMES)}")
    return lines


def _features(name: str) -> "Features":
    if name == "random":
        from refcolor.evaluation.features.random_convolutions import RandomConvolutions

        return RandomConvolutions()
    from dataclasses import replace

    from refcolor.evaluation.features.inception import WEIGHTS, Inception
    from refcolor.training.device import choose_device, set_numerics
    from refcolor.training.weights import fetch

    # Fetched here, so that the error names the option and not the parameter.
    fetch(replace(WEIGHTS, title="the Inception weights", alternative="give --features random"))
    device = choose_device("auto")
    set_numerics(device)
    return Inception(device=device)
