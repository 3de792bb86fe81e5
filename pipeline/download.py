"""Stage `download`: fetch every picture of the manifest into data/raw, line art beside it."""

import json
from pathlib import Path

import refcolor.interrupt  # noqa: F401
from refcolor import errors, params
from refcolor.io.files import write_lines
from refcolor.io.shards import pack
from refcolor.sources.fetching.download import check_success, download
from refcolor.sources.manifest import iterate_manifest
from refcolor.tracking import inputs
from refcolor.tracking.stages import repository

DATA = Path("data")
MANIFEST = DATA / "manifest.jsonl"
LISTS = {MANIFEST: DATA / "raw", DATA / "lineart.jsonl": DATA / "raw_lineart"}


def main() -> None:
    """Write data/raw, data/raw_lineart and data/download.jsonl, a line for each final failure."""
    settings, state = params.load(), repository() / ".refcolor"
    inputs.check(settings)
    failed = {
        listed: download(
            listed,
            settings.source,
            destination=destination,
            state=state,
            workers=settings.runtime.workers,
            max_megapixels=settings.clean.max_megapixels,
        )
        for listed, destination in LISTS.items()
    }
    pack(*LISTS.values())
    lines = [
        {"id": failure.id, "list": listed.stem, "reason": failure.reason}
        for listed, failures in failed.items()
        for failure in failures
    ]
    write_lines(DATA / "download.jsonl", [json.dumps(line) for line in lines])
    count = sum(1 for _ in iterate_manifest(MANIFEST))
    check_success(len(failed[MANIFEST]), count, settings.source)


if __name__ == "__main__":
    errors.run(main)
