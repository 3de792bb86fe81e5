"""The command line: `refcolor --help`."""

import argparse

import refcolor.interrupt  # noqa: F401
from refcolor import errors
from refcolor.commands import app, colorize, forget, match, runs, study

COMMANDS = (colorize, match, app, runs, forget, study)  # in the order of `refcolor --help`


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
