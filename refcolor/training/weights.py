"""Published weights: downloaded once into torch's cache, their checksum verified at every use."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock
from tqdm import tqdm

from refcolor.errors import RefcolorError

_TIMEOUT = 30  # seconds without data after which a connection fails
_CHUNK = 1 << 20  # bytes
_MAX_REASON = 200  # characters


@dataclass(frozen=True)
class Weights:
    """A file of weights at a URL.

    title: name of the weights in messages, in the plural.
    address: URL whose file name ends in `-<first digits of the SHA-256>.pth`, as torch names files.
    megabytes: approximate size.
    alternative: what to set so that the weights are not needed, for messages.
    """

    title: str
    address: str
    megabytes: int
    alternative: str

    @property
    def name(self) -> str:
        """The file name, at the address and in the cache."""
        return self.address.rpartition("/")[2]

    @property
    def checksum_prefix(self) -> str:
        """The first digits of the file's SHA-256."""
        return self.name.rpartition("-")[2].partition(".")[0]

    @property
    def path(self) -> Path:
        """The file in the cache, where torch and torchvision look for it too."""
        return Path(torch.hub.get_dir()) / "checkpoints" / self.name

    def unavailable(self, reason: Exception | str) -> RefcolorError:
        """Return the error that says why the weights are missing and which file to put where."""
        # A failed connection of `requests` wraps the actual reason in two layers.
        layers = reason.args if isinstance(reason, OSError) else ()
        inner = next((layer for layer in layers if hasattr(layer, "reason")), reason)
        text = " ".join(str(getattr(inner, "reason", inner)).split())[:_MAX_REASON]
        return RefcolorError(
            f"{self.title} are not available ({text}); put "
            f"{self.address} ({self.megabytes} MB, its SHA-256 begins with {self.checksum_prefix}) "
            f"at {self.path} by hand, or {self.alternative} to do without them"
        )


def fetch(weights: Weights) -> Path:
    """Return the path of the file; download it if it is missing, and verify its checksum.

    Raises RefcolorError when the download fails, and for a file with another checksum.
    """
    path = weights.path
    try:
        if not path.exists():
            _download(weights)
        checksum = _checksum(path)
    except (OSError, ImportError) as error:
        raise weights.unavailable(error) from error
    if not checksum.startswith(weights.checksum_prefix):
        raise weights.unavailable(
            f"{path} is truncated or another file: its SHA-256 begins with "
            f"{checksum[: len(weights.checksum_prefix)]}; delete it"
        )
    return path


def _download(weights: Weights) -> None:
    """Download the file as `<name>.part` and rename it after its checksum was verified.

    After a broken connection, and in the next call, the download is resumed.
    Raises OSError, the base class of the errors of `requests`, and ImportError without it.
    """
    import requests  # imported late: training itself works without it

    part = weights.path.with_name(f"{weights.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{part}.lock"):
        if weights.path.exists():
            return  # another process downloaded it meanwhile
        while True:
            start = part.stat().st_size if part.exists() else 0
            try:
                _receive(weights, part, start)
                break
            except requests.RequestException:
                if not part.exists() or part.stat().st_size == start:
                    raise
        checksum = _checksum(part)
        if not checksum.startswith(weights.checksum_prefix):
            part.unlink()
            raise OSError(f"the downloaded file has the SHA-256 {checksum[:16]}...")
        part.replace(weights.path)


def _receive(weights: Weights, part: Path, start: int) -> None:
    import requests

    headers = {"Accept-Encoding": "identity", "Range": f"bytes={start}-"}
    with requests.get(weights.address, headers=headers, stream=True, timeout=_TIMEOUT) as response:
        if response.status_code == 416:  # the part is complete
            return
        response.raise_for_status()
        start = start if response.status_code == 206 else 0
        total = start + int(response.headers.get("Content-Length", 0)) or None
        bar = tqdm(initial=start, total=total, desc=weights.name, unit="B", unit_scale=True)
        with bar, part.open("ab" if start else "wb") as file:
            for chunk in response.iter_content(_CHUNK):
                bar.update(file.write(chunk))


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
