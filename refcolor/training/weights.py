"""Weights trained by others: downloaded once into torch's cache, checked at every use."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import requests
import torch
from filelock import FileLock
from tqdm import tqdm

from refcolor.errors import RefcolorError

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
        """Where the file belongs: torch and torchvision look for it there too."""
        return Path(torch.hub.get_dir()) / "checkpoints" / self.name

    def unavailable(self, reason: Exception | str) -> RefcolorError:
        """Make the error that says why they are missing, and what to put where instead."""
        # A failed connection wraps the actual reason in two layers.
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
    """Return the place of the file; download it if it is missing, and check it.

    Raises RefcolorError when the download fails, and for a file with another checksum.
    """
    place = weights.place
    try:
        if not place.exists():
            _download(weights)
        checksum = _checksum(place)
    except OSError as error:
        raise weights.unavailable(error) from error
    if not checksum.startswith(weights.digits):
        raise weights.unavailable(
            f"{place} is cut short or another file: its SHA-256 begins with "
            f"{checksum[: len(weights.digits)]}; delete it"
        )
    return place


def _download(weights: Weights) -> None:
    """Receive the file as `<name>.part` and rename it once its checksum is right.

    After a broken connection, and in the next call, the download goes on where it ended.
    Raises OSError; what `requests` raises is one.
    """
    part = weights.place.with_name(f"{weights.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{part}.lock"):
        if weights.place.exists():
            return  # another process fetched it meanwhile
        while True:
            begin = part.stat().st_size if part.exists() else 0
            try:
                _receive(weights, part, begin)
                break
            except requests.RequestException:
                if not part.exists() or part.stat().st_size == begin:
                    raise
        checksum = _checksum(part)
        if not checksum.startswith(weights.digits):
            part.unlink()
            raise OSError(f"what came has the SHA-256 {checksum[:16]}...")
        part.replace(weights.place)


def _receive(weights: Weights, part: Path, begin: int) -> None:
    headers = {"Accept-Encoding": "identity", "Range": f"bytes={begin}-"}
    with requests.get(weights.address, headers=headers, stream=True, timeout=_SILENCE) as response:
        if response.status_code == 416:  # the part is complete
            return
        response.raise_for_status()
        begin = begin if response.status_code == 206 else 0
        total = begin + int(response.headers.get("Content-Length", 0)) or None
        bar = tqdm(initial=begin, total=total, desc=weights.name, unit="B", unit_scale=True)
        with bar, part.open("ab" if begin else "wb") as file:
            for chunk in response.iter_content(_CHUNK):
                bar.update(file.write(chunk))


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
