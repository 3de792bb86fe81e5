"""Weights that somebody else trained: fetched once, checked every time, kept in torch's cache."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import requests
import torch
from tqdm import tqdm

from refcolor.errors import RefcolorError
from refcolor.files import replacing

_SILENCE = 30  # seconds after which a connection is given up
_CHUNK = 1 << 20  # bytes
_LONGEST_REASON = 200  # characters


@dataclass(frozen=True)
class Weights:
    """A file of weights on the network.

    title: what they are, for messages.
    address: its name ends in `-<first digits of its SHA-256>.pth`, as torch's own files do.
    megabytes: about how large it is.
    without: what to set, so that they are not needed.
    """

    title: str
    address: str
    megabytes: int
    without: str

    @property
    def name(self) -> str:
        """The file's name, at its address and in the cache."""
        return self.address.rpartition("/")[2]

    @property
    def digits(self) -> str:
        """How the file's SHA-256 begins."""
        return self.name.rpartition("-")[2].partition(".")[0]

    @property
    def place(self) -> Path:
        """Where the file lies once it is there: where torch and torchvision look for it too."""
        return Path(torch.hub.get_dir()) / "checkpoints" / self.name

    def refused(self, reason: Exception | str) -> RefcolorError:
        """Say in one line why they cannot be had, and what to put where instead."""
        # A failed connection wraps the one thing worth knowing in two layers.
        inner: object = reason
        if isinstance(reason, requests.ConnectionError) and reason.args:
            inner = reason.args[0]
        said = " ".join(str(getattr(inner, "reason", inner)).split())[:_LONGEST_REASON]
        return RefcolorError(
            f"{self.title} cannot be had ({said}); put "
            f"{self.address} ({self.megabytes} MB, its SHA-256 begins with {self.digits}) at "
            f"{self.place} by hand, or {self.without}, which does without"
        )


def fetch(weights: Weights) -> Path:
    """Give the place of the file, after fetching it if it is missing, and checking it.

    Raises RefcolorError when it cannot be fetched, and for a file that is another one.
    """
    place = weights.place
    try:
        if not place.exists():
            _download(weights)
        found = _checksum(place)
    except OSError as error:
        raise weights.refused(error) from error
    if not found.startswith(weights.digits):
        raise weights.refused(
            f"{place} is cut short or another file: its SHA-256 begins with "
            f"{found[: len(weights.digits)]}; delete it"
        )
    return place


def _download(weights: Weights) -> None:
    """Write the file under a temporary name and rename it once its checksum is right.

    Raises OSError; what `requests` raises is one.
    """
    with replacing(weights.place) as part:
        with (
            requests.get(weights.address, stream=True, timeout=_SILENCE) as response,
            part.open("wb") as file,
        ):
            response.raise_for_status()
            size = int(response.headers.get("Content-Length", 0)) or None
            with tqdm(total=size, desc=weights.name, unit="B", unit_scale=True) as bar:
                for chunk in response.iter_content(_CHUNK):
                    bar.update(file.write(chunk))
        found = _checksum(part)
        if not found.startswith(weights.digits):
            raise OSError(f"what came has the SHA-256 {found[:16]}...")


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
