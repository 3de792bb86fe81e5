"""Take pictures out of the data and the caches, and keep them out.

Every later run leaves them out too. The command says what else may still hold them.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "ids",
        metavar="ID",
        nargs="+",
        help="an id of data/manifest.jsonl, or the number of a post of Danbooru",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from refcolor import params
    from refcolor.publish.forget import forget

    exclude_file = Path(params.load().source.exclude_file)
    print(forget(Path(), arguments.ids, exclude_file=exclude_file).describe())
