"""Colour line drawings after reference pictures.

Hair is coloured like the hair there, clothes like the clothes there. A trained model comes with
refcolor.

Examples:
  one drawing in the colours of one picture:
    refcolor colorize girl.png --reference painting.jpg -o girl-colored.png
  a folder of drawings, all after one picture; results are colored/NAME.png:
    refcolor colorize drawings/ --reference painting.jpg -o colored/
  each drawing after the picture of the same name (drawings/a.png after paintings/a.jpg):
    refcolor colorize drawings/ --reference paintings/ -o colored/
  after several pictures at once, each part after the one that suits it best:
    refcolor colorize girl.png --reference hair.png dress.png --together -o colored/
  many drawings of one character after its sheet, each part with the same colour in all of them:
    refcolor colorize drawings/ --sheet mika/ -o colored/
  who goes with whom from a table (columns sketch,reference; more columns reference2, ... and
  output if you like; names are relative to the table):
    refcolor colorize --pairs pairs.csv -o colored/
  a photograph of a drawing on paper, with colours and lines as layers for a paint program:
    refcolor colorize photo.jpg --reference painting.jpg --clean-lines --psd -o colored/
  the layer "inks" of each PSD of a folder, for Krita; results keep the subfolders:
    refcolor colorize pages/ --reference painting.jpg --layer inks --ora -o colored/
  the spot 120,80 of the drawing in the colour of the spot 300,45 of the picture:
    refcolor colorize girl.png --reference painting.jpg --match 120,80=300,45 -o colored/
  two characters on a page: a panel in the colours of the first picture, one of the second:
    refcolor colorize page.png -r ann.png bo.png --together --match 90,30=1 --match 70,300=2 -o out/
  soft colours, as the model has them, instead of one for each region:
    refcolor colorize girl.png --reference painting.jpg --soft -o colored/
  the region at 120,80 in a colour of your own, and the one at 20,30 left as paper:
    refcolor colorize girl.png -r painting.jpg --match 120,80=#3a7bd5 --keep 20,30 -o colored/
  with a model as an ONNX file (see export) and without torch:
    refcolor colorize girl.png --reference painting.jpg --onnx generator.onnx -o colored/

The drawing's own lines stay as they are, at the drawing's own size. A comic page is coloured panel
by panel; frames, gutters and speech bubbles stay paper, grey and screentone become shadow. What
exists already is skipped; a drawing that cannot be used is reported at the end and stops no other.
Exit code: 0 all is well, 1 something failed, 2 the command does not make sense.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from refcolor.cli.options import add_model, load_model, path
from refcolor.errors import RefcolorError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from refcolor.colorize.hints import PointColor
    from refcolor.colorize.jobs import Plan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.usage = (
        "refcolor colorize SKETCH... --reference REF... -o OUT [options]\n"
        "       refcolor colorize SKETCH... --sheet REF... -o OUT [options]\n"
        "       refcolor colorize --pairs CSV -o OUT [options]"
    )
    parser.add_argument(
        "sketches",
        metavar="SKETCH",
        nargs="*",
        type=path,
        help="a line drawing, or a folder of them and of its "
        "subfolders (PNG, JPEG, WebP, AVIF, BMP, GIF, TIFF, PSD, OpenRaster)",
    )
    parser.add_argument(
        "-r",
        "--reference",
        dest="references",
        metavar="REF",
        nargs="+",
        action="extend",
        type=path,
        default=[],
        help="a coloured picture, several, or a folder: one is for every drawing, several are for "
        "the drawings of the same names",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        type=path,
        required=True,
        help="a folder, or a name that ends in .png for a single drawing",
    )
    parser.add_argument(
        "--together", action="store_true", help="colour every drawing after all references at once"
    )
    parser.add_argument(
        "--sheet",
        metavar="REF",
        nargs="+",
        type=path,
        default=[],
        help="pictures of one character, or a folder of them, instead of --reference: as "
        "--together, and each part has the same flat colour in all drawings",
    )
    parser.add_argument(
        "--pairs", metavar="CSV", type=path, help="a table instead of SKETCH and --reference"
    )
    parser.add_argument(
        "--match",
        dest="matches",
        metavar="X,Y=COLOUR",
        action="append",
        default=[],
        help="X,Y=U,V gives the spot X,Y of the drawing the colour of the spot U,V of the "
        "reference, in pixels from the upper left (X,Y=N:U,V: of the N-th of several references); "
        "X,Y=#rrggbb gives the whole region at X,Y that colour; X,Y=N gives the whole panel at X,Y "
        "the colours of the N-th reference; may be repeated",
    )
    parser.add_argument(
        "--keep",
        metavar="X,Y|MASK",
        action="append",
        default=[],
        help="leave paper: the region at X,Y, or what is white (or, in a picture with "
        "transparency, opaque) in the picture MASK, which has the size of the drawing; may be "
        "repeated",
    )
    parser.add_argument(
        "--color-bubbles",
        action="store_true",
        help="colour speech bubbles, closed shapes with lettering, which stay paper otherwise",
    )
    looks = parser.add_mutually_exclusive_group()
    looks.add_argument(
        "--flat",
        action="store_true",
        default=True,
        help="one colour for each region that the lines enclose, with small gaps in them closed "
        "(the default)",
    )
    looks.add_argument(
        "--soft",
        action="store_false",
        dest="flat",
        help="colours vary inside a region, as the model has them",
    )
    parser.add_argument(
        "--flat-tolerance",
        type=float,
        metavar="DIFFERENCE",
        default=12.0,
        help="colours that differ less become one flat colour, in CIELAB units: 2 is the smallest "
        "difference that people see, 20 unites shades of brown; less gives more colours "
        "(default: %(default)g)",
    )
    parser.add_argument(
        "--clean-lines",
        action="store_true",
        help="the drawing is a photograph or scan of paper: flatten light, shadow and grain first",
    )
    parser.add_argument(
        "--layers",
        action="store_true",
        help="write NAME_colors.png and NAME_lines.png as well, with transparency, and "
        "NAME_shadow.png of a drawing with grey areas or screentone",
    )
    parser.add_argument(
        "--psd",
        action="store_true",
        help="write NAME.psd with these layers as well; of flat colours each is a layer of its own",
    )
    parser.add_argument(
        "--ora",
        action="store_true",
        help="write the same layers as NAME.ora (OpenRaster), for Krita, MyPaint and GIMP",
    )
    parser.add_argument(
        "--layer",
        metavar="NAME",
        help="of drawings that are PSD or OpenRaster files, the layer or group with the lines "
        "(default: the picture as it looks)",
    )
    parser.add_argument(
        "--size",
        type=int,
        metavar="PIXELS",
        help="longer side at which the model works (default: as it was trained): up to 240 for a "
        "model with query_stride 2 and key_stride 4, as sample-64 makes, 360 for the paper's with "
        "3 levels, 720 with 4, 1024 with 5; less with several references at once. The result has "
        "the drawing's own size in any case",
    )
    add_model(parser)
    parser.add_argument("--force", action="store_true", help="make again what exists already")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from refcolor.colorize.batch import Options, color_all
    from refcolor.colorize.hints import parse_match
    from refcolor.colorize.jobs import refuse_overwriting
    from refcolor.colorize.look import Look

    kept_spots, mask = _keep(arguments.keep)
    matches = (*map(parse_match, arguments.matches), *kept_spots)
    look = Look(
        flat=arguments.flat,
        tolerance=arguments.flat_tolerance,
        keep=mask,
        color_bubbles=arguments.color_bubbles,
    )
    plan = _plan(arguments)
    if matches and len(plan.jobs) != 1:
        raise UsageError(
            f"--match and --keep X,Y point at spots of one drawing, but there are "
            f"{len(plan.jobs)}; colour that drawing alone"
        )
    options = Options(
        size=arguments.size,
        matches=matches,
        clean_lines=arguments.clean_lines,
        look=look,
        layers=arguments.layers,
        psd=arguments.psd,
        ora=arguments.ora,
        sheet=bool(arguments.sheet),
        layer=arguments.layer,
        force=arguments.force,
    )
    refuse_overwriting(plan.jobs, layers=options.layers, psd=options.psd, ora=options.ora)
    report = color_all(load_model(arguments), plan.jobs, options)
    report.failures[:0] = plan.failures
    skipped = f", {report.skipped} were there already (--force makes them again)"
    print(f"coloured: {report.done}{skipped if report.skipped else ''}")
    for line in report.lines():
        print(f"failed: {line}", file=sys.stderr)
    if report.failures:
        raise RefcolorError(f"{len(report.failures)} failed, as listed above; all else is done")


def _plan(arguments: argparse.Namespace) -> "Plan":
    from refcolor.colorize.jobs import plan, plan_pairs

    if arguments.sheet and (arguments.references or arguments.together or arguments.pairs):
        raise UsageError(
            "--sheet names the references of all drawings; leave --reference, --together and "
            "--pairs out"
        )
    if arguments.sheet and not arguments.flat:
        raise UsageError(
            "--sheet keeps flat colours the same; leave --soft out, or write --together "
            "--reference instead of --sheet"
        )
    if arguments.pairs is None:
        sketches, references = arguments.sketches, arguments.references
        if not sketches and len(references) == 2 and not arguments.together:
            references, sketches = references[:1], references[1:]  # -r REF SKETCH
        return plan(
            sketches,
            arguments.sheet or references,
            output=arguments.output,
            together=arguments.together or bool(arguments.sheet),
            layer=arguments.layer,
        )
    if arguments.sketches or arguments.references or arguments.together:
        raise UsageError(
            "--pairs lists drawings and references; leave SKETCH, --reference and --together out"
        )
    return plan_pairs(arguments.pairs, output=arguments.output)


def _keep(texts: Sequence[str]) -> "tuple[list[PointColor], npt.NDArray[np.bool_] | None]":
    """Return the spots of --keep, and what its masks mark together."""
    import numpy as np

    from refcolor.colorize.hints import parse_keep
    from refcolor.colorize.look import read_mask
    from refcolor.io.names import named_file

    spots, masks = [], []
    for text in texts:
        spot = parse_keep(text)
        if spot:
            spots.append(spot)
        elif os.path.isfile(file := named_file(text)):
            masks.append(read_mask(file))
        else:
            raise UsageError(f"--keep takes a spot X,Y or the picture of a mask, got {text!r}")
    if len({mask.shape for mask in masks}) > 1:
        raise UsageError("the masks of --keep differ in size; save them at that of the drawing")
    return spots, np.any(masks, axis=0) if masks else None
