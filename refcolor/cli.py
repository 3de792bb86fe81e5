"""The command line: `refcolor --help`."""

import argparse

import refcolor.interrupt  # noqa: F401
from refcolor import errors
from refcolor.commands import (
    app,
    card,
    colorize,
    export,
    forget,
    match,
    metrics,
    runs,
    sketch,
    study,
)

# In the order of `refcolor --help`.
COMMANDS = (colorize, match, app, sketch, metrics, export, card, runs, forget, study)


def main() -> None:
    """Run one command; errors become one line and an exit code."""
    parser = argparse.ArgumentParser(
        prog="refcolor", description="Colour line drawings after a reference picture."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    arguments = parser.parse_args()
    errors.run(lambda: arguments.command(arguments))
