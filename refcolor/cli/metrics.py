"""Measure the pictures of one folder against those of another.

Pictures of the same name are compared (SSIM, MS-SSIM, PSNR, CIEDE2000), and the two folders as
wholes (FID, KID).

Examples:
  coloured drawings against the pictures that they should be, by name:
    refcolor metrics colored/ truth/
  the same as JSON, each pair included:
    refcolor metrics colored/ truth/ --json > numbers.json
  folders of pictures of many sizes, with FID as clean-fid has it:
    refcolor metrics colored/ pictures/ --size 256 --features inception

delta_e is CIEDE2000 over what is neither line nor white in B, as in metrics/eval.json (lines are
the XDoG of B); delta_e_everywhere leaves nothing out. Nothing is resized without --size: a pair of
two sizes is reported. Names in one folder only are reported too, and still count for FID and KID.
Exit code: 0 all is well, 1 something could not be measured, 2 the command does not make sense.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refcolor.cli.compare import Comparison
    from refcolor.evaluation.metrics.distance import Features

_MAX_NAMES = 5  # names that are listed; the others are counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("one", metavar="A", type=Path, help="what was made: a folder, or a picture")
    parser.add_argument("other", metavar="B", type=Path, help="what it should be")
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
        help="fit every picture into a square of this side first; default: nothing is resized",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, each pair included")
    parser.add_argument(
        "--workers", metavar="N", type=int, default=0, help="processes; default: all cores"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from refcolor.cli.compare import compare
    from refcolor.errors import RefcolorError

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


def _alone(arguments: argparse.Namespace, result: "Comparison") -> list[str]:
    lines = []
    for folder, names in zip((arguments.one, arguments.other), result.alone, strict=True):
        if names:
            more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
            lines.append(f"only in {folder}: {', '.join(names[:_MAX_NAMES])}{more}")
    return lines


def _features(name: str) -> "Features":
    if name == "random":
        from refcolor.evaluation.features.random_convolutions import RandomConvolutions

        return RandomConvolutions()
    from dataclasses import replace

    from refcolor.evaluation.features.inception import WEIGHTS, Inception
    from refcolor.training.device import choose_device
    from refcolor.training.weights import fetch

    # Fetched here, so that the error names the option and not the parameter.
    fetch(replace(WEIGHTS, title="the Inception weights", alternative="give --features random"))
    return Inception(device=choose_device("auto"))
