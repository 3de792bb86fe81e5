"""`refcolor forget`."""

import argparse
from pathlib import Path


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the parser of the command."""
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


def _forget(arguments: argparse.Namespace) -> None:
    from refcolor import params
    from refcolor.forget import forget

    exclude_file = Path(params.load().source.exclude_file)
    print(forget(Path(), arguments.ids, exclude_file=exclude_file).describe())
