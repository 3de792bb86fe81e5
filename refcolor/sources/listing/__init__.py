"""Listing the pictures of a source: what `discover` imports, and `download` does not."""

from collections import Counter
from dataclasses import dataclass, field

from refcolor.sources.manifest import Record


@dataclass(frozen=True)
class Listing:
    """What `discover` found.

    records: pictures to keep.
    line_art: real line art, kept apart as foreign sketches.
    dropped: how many were left out for which reason; line art that was found is one.
    """

    records: list[Record]
    line_art: list[Record] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
