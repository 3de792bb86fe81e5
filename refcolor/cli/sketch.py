"""Draw pictures as line art.

XDoG: the extended difference of Gaussians.

Examples:
  line art of a folder, as lines/NAME.png:
    refcolor sketch pictures/ -o lines/
  the same pictures in all three manners, 512 pixels long, to compare them:
    refcolor sketch pictures/ -o lines/ --preset all --size 512
  a single picture, drawn again though it exists:
    refcolor sketch girl.jpg -o lines/ --force

A preset has fixed settings here, so a picture keeps its drawing under any name. (The pipeline draws
sigma and k anew for each picture, around these.) Lines are about a pixel wide: --size decides how
coarse a drawing is. What exists is skipped; a picture that cannot be read stops no other.
Exit code: 0 all is well, 1 something failed, 2 the command does not make sense.
"""

import argparse
import sys

from refcolor.cli.options import path

ALL = "all"
PRESETS = (
    "default",
    "tag2pix",
    "xdog_python",
)  # those of refcolor.lines.sketch, which imports OpenCV


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "pictures", metavar="PICTURE|FOLDER", nargs="+", type=path, help="sub-folders are included"
    )
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", type=path, required=True, help="gets NAME.png each"
    )
    parser.add_argument(
        "--preset",
        choices=(*PRESETS, ALL),
        default="default",
        help="default: clear lines; tag2pix: thinner ones; xdog_python: fills dark regions; all: "
        "each of them, in a sub-folder of its name",
    )
    parser.add_argument(
        "--size",
        metavar="PIXELS",
        type=int,
        help="longer side to which pictures are scaled first: lines are about a pixel wide, so "
        "this sets how coarse the drawing is; default: the picture's own",
    )
    parser.add_argument("--force", action="store_true", help="draw again what exists")
    parser.add_argument(
        "--workers", metavar="N", type=int, default=0, help="processes; default: all cores"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from refcolor.cli.line_art import draw_line_art
    from refcolor.errors import RefcolorError

    result = draw_line_art(
        arguments.pictures,
        arguments.output,
        presets=PRESETS if arguments.preset == ALL else (arguments.preset,),
        size=arguments.size,
        force=arguments.force,
        workers=arguments.workers,
    )
    for line in (*result.flagged, *result.failed):
        print(line, file=sys.stderr)
    skipped = f", {result.skipped} were there already (--force draws them again)"
    print(f"{result.drawn} drawn into {arguments.output}{skipped if result.skipped else ''}")
    if result.failed:
        raise RefcolorError(f"{len(result.failed)} could not be drawn; they are listed above")
