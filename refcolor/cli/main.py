"""The command line: `refcolor --help`."""

import argparse
import os
import sys
from collections.abc import Sequence
from glob import glob

import refcolor.interrupt  # noqa: F401
from refcolor import errors
from refcolor.cli import (
    app,
    benchmark,
    card,
    colorize,
    export,
    forget,
    gc,
    match,
    metrics,
    runs,
    sketch,
    study,
)

# In the order of `refcolor --help`.
COMMANDS = (colorize, match, app, sketch, metrics, benchmark, export, card, runs, forget, gc, study)
# Extra dependencies in pyproject.toml, of the commands that need some.
EXTRAS = {app: "app", export: "export"} | dict.fromkeys(
    (metrics, benchmark, card, runs, forget, gc, study), "pipeline"
)


def main() -> None:
    """Run a command; errors become a line and an exit code."""
    parser = argparse.ArgumentParser(
        prog="refcolor", description="Colour line drawings after a reference picture."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        text = module.__doc__ or ""
        summary = text.partition(".\n")[0].strip(".")
        description, begin, examples = text.partition("Examples:\n")
        command = commands.add_parser(
            module.__name__.rpartition(".")[2],
            help=summary[:1].lower() + summary[1:],
            description=description,
            epilog=begin + examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        # The verbs of a command without `run` set their own functions.
        command.set_defaults(command=getattr(module, "run", None), extra=EXTRAS.get(module))
    given = sys.argv[1:]
    arguments = parser.parse_args(expand_patterns(given) if os.name == "nt" else given)
    errors.run(lambda: _run(arguments))


def expand_patterns(arguments: Sequence[str]) -> list[str]:
    """Replace `*.png` by the files that it matches, as the shells of Linux and macOS do.

    An argument that names a file or matches none stays as it is.
    """
    return [
        path
        for argument in arguments
        for path in (not os.path.exists(argument) and sorted(glob(argument))) or [argument]
    ]


def _run(arguments: argparse.Namespace) -> None:
    try:
        arguments.command(arguments)
    except ModuleNotFoundError as error:
        package = (error.name or "refcolor").partition(".")[0]
        if package == "refcolor":
            raise
        name = f"'refcolor[{arguments.extra}]'" if arguments.extra else "refcolor"
        raise errors.RefcolorError(
            f"this command needs {package}, not installed here; run: pip install {name}"
        ) from error
