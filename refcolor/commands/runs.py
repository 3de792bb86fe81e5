"""`refcolor runs`."""

import argparse
from pathlib import Path


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the parser of the command."""
    runs = commands.add_parser(
        "runs",
        help="find the MLflow run of a DVC revision, or the revision of a run",
        description="Find the MLflow run of a DVC revision, or the revision of a run.",
    )
    runs.add_argument(
        "what",
        metavar="REV|RUN",
        help="a git revision, an experiment's name, or a run's id or name",
    )
    runs.set_defaults(command=_runs)


def _runs(arguments: argparse.Namespace) -> None:
    from refcolor.tracking.runs import find

    print(find(Path.cwd(), arguments.what))
