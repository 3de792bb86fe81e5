"""Write the page of a model, as model hubs show it.

What it is, its data, parameters, numbers, limits and licence, as Markdown with the head that model
hubs read.

Examples:
  look at the page of this repository's model:
    refcolor card --model models
  publish a model with its page (never inside models/, which belongs to DVC):
    cp -r models my-model
    refcolor card --model my-model -o my-model/README.md

Only what dvc.lock ties to these very weights is told: numbers of other weights, or files that have
changed since, are left out, and the page says so.
"""

import argparse
from pathlib import Path

from refcolor.cli.options import path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--model", metavar="FOLDER", type=path, default=Path("models"), help="default: models"
    )
    parser.add_argument(
        "--repository",
        metavar="FOLDER",
        type=path,
        help="where the model was trained; default: the repository around the model, else here",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="CARD.md",
        type=path,
        help="default: print it. Not inside models/, which belongs to DVC",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from refcolor.io.files import write_lines
    from refcolor.publish.card import refuse_stage_output, write_card

    output: Path | None = arguments.output
    if output is not None:
        refuse_stage_output(output)
    page = write_card(arguments.model, root=arguments.repository)
    if output is None:
        print(page, end="")
    else:
        write_lines(output, page.splitlines())
