"""Find the MLflow run of a DVC revision, or the revision of a run."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "what",
        metavar="REV|RUN",
        help="a git revision, an experiment's name, or a run's id or name",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from refcolor.tracking.runs import find

    print(find(Path.cwd(), arguments.what))
