"""Stage `download`: bring every picture of the manifest into data/raw."""

import json
from functools import partial
from pathlib import Path

import refcolor.interrupt  # noqa: F401
from refcolor import errors, params
from refcolor.errors import PictureError
from refcolor.files import write_lines
from refcolor.parallel import map_pictures
from refcolor.params import SourceParams
from refcolor.sources import catalog
from refcolor.sources.manifest import Record, read_manifest

RAW = Path("data/raw")


def fetch(record: Record, source: SourceParams) -> dict[str, str] | None:
    """Fetch one picture; return what failed for good."""
    try:
        catalog.fetch(record, source, destination=RAW)
    except PictureError as error:
        return {"id": record.id, "reason": error.reason}
    return None


def main() -> None:
    """Write data/raw and data/download.jsonl, one line a picture that cannot be had."""
    settings = params.load()
    records = read_manifest(Path("data/manifest.jsonl"))
    RAW.mkdir(parents=True, exist_ok=True)
    one = partial(fetch, source=settings.source)
    failures = map_pictures(one, records, workers=settings.runtime.workers, label="download")
    lines = [json.dumps(failure, sort_keys=True) for failure in failures if failure]
    write_lines(Path("data/download.jsonl"), lines)


if __name__ == "__main__":
    errors.run(main)
