"""The command line: `refcolor --help`."""

import argparse
from pathlib import Path

import refcolor.interrupt  # noqa: F401
from refcolor import errors


def main() -> None:
    """Run one command; errors become one line and an exit code."""
    parser = argparse.ArgumentParser(
        prog="refcolor", description="Colour line drawings after a reference picture."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
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
    forget = commands.add_parser(
        "forget",
        help="take pictures out of the data and the caches, and keep them out",
        description="Take pictures out of the data and the caches, and keep them out of every "
        "later run; says what else may still hold them.",
    )
    forget.add_argument(
        "ids",
        metavar="ID",
        nargs="+",
        help="an id of data/manifest.jsonl, or the number of a post of Danbooru",
    )
    forget.set_defaults(command=_forget)
    arguments = parser.parse_args()
    errors.run(lambda: arguments.command(arguments))


def _runs(arguments: argparse.Namespace) -> None:
    from refcolor.runs import find

    print(find(Path.cwd(), arguments.what))


def _forget(arguments: argparse.Namespace) -> None:
    from refcolor import params
    from refcolor.forget import forget

    exclude_file = Path(params.load().source.exclude_file)
    print(forget(Path(), arguments.ids, exclude_file=exclude_file).describe())
