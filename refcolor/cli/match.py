"""Show which part of a drawing took its colour from where.

Examples:
  refcolor match girl.png painting.jpg -o who-from-where.png
  refcolor match girl.png painting.jpg --at 120,80 -o spot.png

Below, the places of the reference are coloured by where they lie, and every part of the drawing has
the colour of the place it looks at most: equal colours belong together. The paler a part, the less
sure it is. With --at the reference is bright where that one spot looks. On a comic page each panel
looks by itself; a spot of the gutters is refused.
"""

import argparse
from pathlib import Path

from refcolor.cli.options import add_model, load_model, path
from refcolor.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.usage = "refcolor match SKETCH REFERENCE -o OUT.png [options]"
    parser.add_argument("sketch", metavar="SKETCH", type=path, help="a line drawing")
    parser.add_argument("reference", metavar="REFERENCE", type=path, help="a coloured picture")
    parser.add_argument(
        "-o", "--output", metavar="OUT.png", type=path, required=True, help="the picture to write"
    )
    parser.add_argument(
        "--at", metavar="X,Y", type=_spot, help="show only where this spot of the drawing looks"
    )
    parser.add_argument(
        "--clean-lines", action="store_true", help="the drawing is a photograph or scan of paper"
    )
    parser.add_argument("--size", type=int, metavar="PIXELS", help="as for refcolor colorize")
    add_model(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    output: Path = arguments.output
    if output.suffix.lower() != ".png":
        raise UsageError(f"the result is a PNG file; write -o {output.with_suffix('.png')}")
    if output.resolve() in {arguments.sketch.resolve(), arguments.reference.resolve()}:
        raise UsageError(f"{output} is one of the pictures given; name another file")

    from refcolor.colorize.correspondence import draw_correspondence
    from refcolor.colorize.reference import read_reference
    from refcolor.io import image

    colored = load_model(arguments).colorize(
        arguments.sketch,
        arguments.reference,
        size=arguments.size,
        clean_lines=arguments.clean_lines,
    )
    reference = read_reference(arguments.reference)
    image.write(output, draw_correspondence(colored, reference, at=arguments.at))
    print(output)


def _spot(text: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"a spot reads X,Y in pixels of the drawing, got {text!r}"
        ) from error
    return x, y
