"""Listing the pictures of a source; `discover` imports this package, `download` does not."""

from collections import Counter
from dataclasses import dataclass, field

from refcolor.sources.manifest import Record


@dataclass(frozen=True)
class Listing:
    """The result of `discover`.

    records: pictures of the dataset.
    line_art: real line art, which becomes foreign sketches.
    dropped: number of pictures left out by reason; line_art is one of the reasons.
    """

    records: list[Record]
    line_art: list[Record] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
