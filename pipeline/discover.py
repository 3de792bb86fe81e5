"""Stage `discover`: list the pictures of the source into the manifest."""

from pathlib import Path

import refcolor.interrupt  # noqa: F401
from refcolor import errors, params
from refcolor.io.files import write_json
from refcolor.sources.listing.discover import discover
from refcolor.sources.manifest import write_manifest
from refcolor.tracking import inputs
from refcolor.tracking.stages import repository


def main() -> None:
    """Write data/manifest.jsonl, data/lineart.jsonl and the counts of data/discover.json."""
    settings = params.load()
    inputs.check(settings)
    state = repository() / ".refcolor"
    listing = discover(settings.source, settings.filter, state=state)
    write_manifest(Path("data/manifest.jsonl"), listing.records)
    write_manifest(Path("data/lineart.jsonl"), listing.line_art)
    kept, dropped = len(listing.records), dict(sorted(listing.dropped.items()))
    counts = {"listed": kept + sum(dropped.values()), "kept": kept, "dropped": dropped}
    write_json(Path("data/discover.json"), counts)


if __name__ == "__main__":
    errors.run(main)
