"""Bringing files here: everything that can be had, checked before it counts, resumed after a stop.

A file is asked for in a `.part`, gone on with where the server can, and checked for type, length,
checksum and that it decodes to its end. Only then it gets its name in the cache, and a second name
in the folder of the stage. So a kill at any moment costs at most the bytes under way.
"""

import hashlib
import re
import threading
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from requests import Response
from tqdm import tqdm

from refcolor import image
from refcolor.errors import PictureError, RefcolorError
from refcolor.params import TransferParams
from refcolor.sources.manifest import Record
from refcolor.sources.network.client import Client
from refcolor.sources.network.file_cache import FileCache, Part, place
from refcolor.sources.network.refusal import Refused
from refcolor.sources.network.threads import in_threads

# So many failures in a row that speak of the network, not of a file, mean that it is down.
HOPELESS = 50
_NETWORK = frozenset({"unreachable", "timeout", "server_error", "rate_limited"})
# What servers say of files about which they know nothing; the first bytes decide anyway.
_UNKNOWN_TYPES = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_KINDS = {
    "png": rb"\x89PNG\r\n\x1a\n",
    "jpg": rb"\xff\xd8\xff",
    "webp": rb"RIFF....WEBP",
    "gif": rb"GIF8[79]a",
    "bmp": rb"BM",
    "tif": rb"II[*+]\0|MM\0[*+]",
}


@dataclass(frozen=True, order=True)
class Failure:
    """A picture that could not be had, and why.

    reason: not_found, gone, taken_down, forbidden, refused, rate_limited, server_error, timeout,
    unreachable, cut_short, wrong_type, wrong_checksum, too_large, other_host, private_address,
    too_many_redirects, bad_address, not_http, or a reason of `refcolor.image.read`.
    """

    id: str
    reason: str


def fetch_all(
    records: Iterable[Record],
    *,
    client: Client,
    cache: Path,
    destination: Path,
    params: TransferParams,
    total: int,
    label: str,
    max_megapixels: float = 50.0,
) -> list[Failure]:
    """Bring the file of every record into `destination` as `<id>.<extension>`.

    The extension is what the file is, whatever it was called. A file that is in the cache costs no
    request, an address that several records share is asked for once. Neither the order in which
    files come nor a stop in between changes the result.

    records: with http addresses; taken one by one, so a manifest of any length costs no memory.
    client: knows rate, hosts, time-out and tries; `params` gives threads and largest size.
    cache: outlives a stop; one process at a time works on it, another waits.
    destination: made if missing; other files there are left alone.
    total: number of records, for the progress bar called `label`.
    max_megapixels: as in `refcolor.image.read`.

    Returns what could not be had, sorted by id.
    Raises Blocked when the source turns us away as a whole, RefcolorError when 50 files in a row
    fail for the network's sake, and OSError for a full disk. What was finished stays in the cache.
    """
    destination.mkdir(parents=True, exist_ok=True)
    fetcher = _Fetcher(client, FileCache(cache), destination, params, max_megapixels)
    failures: list[Failure] = []
    in_a_row = 0
    with FileCache(cache).alone():
        results = in_threads(fetcher.fetch, records, threads=params.threads, stop=fetcher.stop)
        with closing(results), tqdm(total=total, desc=label, unit="picture") as bar:
            for id, reason in results:
                bar.update()
                if reason:
                    failures.append(Failure(id, reason))
                in_a_row = in_a_row + 1 if reason in _NETWORK else 0
                if in_a_row == HOPELESS and not client.hosts.any_public:
                    raise RefcolorError(
                        f"the last {HOPELESS} pictures failed, the last one with {reason}: the "
                        "network or the source is down. Nothing finished is lost; run the same "
                        "command again later"
                    )
    return sorted(failures)


class _Fetcher:
    def __init__(
        self,
        client: Client,
        cache: FileCache,
        destination: Path,
        params: TransferParams,
        max_megapixels: float,
    ) -> None:
        self._client, self._cache, self._destination = client, cache, destination
        self._largest = params.max_megabytes * 1e6
        self._max_megapixels = max_megapixels
        # One address at a time in one thread; that two others share a lock costs a short wait.
        self._locks = [threading.Lock() for _ in range(1024)]
        self._failed: dict[tuple[str, str], str] = {}
        self.stop = threading.Event()

    def fetch(self, record: Record) -> tuple[str, str]:
        """Bring one file here; return the id and the reason why not."""
        known = record.address, record.checksum
        with self._locks[hash(record.address) % len(self._locks)]:
            if known not in self._failed:
                try:
                    file = self._cached(record) or self._client.patiently(
                        partial(self._attempt, record)
                    )
                    place(file, self._destination / f"{record.id}{file.suffix}")
                except Refused as error:
                    self._failed[known] = error.reason
            return record.id, self._failed.get(known, "")

    def _cached(self, record: Record) -> Path | None:
        file = self._cache.finished(record.address)
        return file if file and _matches(file, record) else None

    def _attempt(self, record: Record) -> Path:
        self._go_on()
        part = self._cache.part(record.address)
        headers = {}
        # Without a version or a checksum nobody would notice that two files were glued together.
        if part and part.size and (part.version or record.checksum):
            headers["Range"] = f"bytes={part.size}-"
            if part.version:
                headers["If-Range"] = part.version
        with self._client.open(
            record.address, headers=headers, expected=(200, 206, 416) if headers else (200,)
        ) as response:
            if response.status_code == 200 or part is None:
                _check_type(response)
                part = self._cache.new_part(record.address, _version(response))
                offset, total = 0, _number(response.headers.get("Content-Length", ""))
            else:
                offset, total = _resumed(response, part)
            if response.status_code != 416:
                self._receive(response, part, offset, total)
            whole = total is not None or response.raw.chunked
        return self._accept(part, record, whole=whole)

    def _receive(self, response: Response, part: Part, size: int, total: int | None) -> None:
        self._check_size(part, total or 0)
        with part.path.open("ab") as file:
            for chunk in self._client.chunks(response):
                self._go_on()
                size += len(chunk)
                self._check_size(part, size)
                file.write(chunk)
        if total is not None and size != total:
            raise _defect("cut_short", f"{response.url}: {size} of {total} bytes")

    def _accept(self, part: Part, record: Record, *, whole: bool) -> Path:
        try:
            if not _matches(part.path, record):
                raise _defect("wrong_checksum", f"{record.address} is not {record.checksum}")
            self._decode(part.path, whole)
        except Refused:
            part.path.unlink()
            raise
        return self._cache.finish(part, record.address, _extension(part.path))

    def _decode(self, file: Path, whole: bool) -> None:
        try:
            image.read(file, max_megapixels=self._max_megapixels)
        except PictureError as error:
            if error.reason == "not_a_picture":
                raise _defect("wrong_type", str(error)) from error
            # It came as it is on the server, unless nobody knows where it ends.
            raise Refused(200, str(error), reason=error.reason, passing=not whole) from error

    def _check_size(self, part: Part, size: int) -> None:
        if size > self._largest:
            part.path.unlink(missing_ok=True)
            raise Refused(200, f"{part.path} would be too large", reason="too_large")

    def _go_on(self) -> None:
        if self.stop.is_set():
            raise _Stopped


class _Stopped(Exception):  # noqa: N818 - nobody sees it
    """The others have stopped; nobody waits for this file any more."""


def _resumed(response: Response, part: Part) -> tuple[int, int]:
    """Return where the answer to a range begins and how long the whole file is."""
    given = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+)", given.strip())
    offset = int(match[1] or match[2]) if match else -1
    if not match or offset != part.size:
        part.path.unlink()
        raise _defect("cut_short", f"{response.url} cannot be gone on with ({given!r})")
    return offset, int(match[2])


def _check_type(response: Response) -> None:
    given = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not given.startswith("image/") and given not in _UNKNOWN_TYPES:
        raise _defect("wrong_type", f"{response.url} is {given}, no picture")


def _version(response: Response) -> str:
    tag = response.headers.get("ETag", "")
    # A weak tag may name two files that differ in their bytes.
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _number(given: str) -> int | None:
    return int(given) if given.isascii() and given.isdigit() else None


def _matches(file: Path, record: Record) -> bool:
    if not record.checksum:
        return True
    with file.open("rb") as opened:
        md5 = hashlib.file_digest(opened, partial(hashlib.md5, usedforsecurity=False))
    return md5.hexdigest() == record.checksum.lower()


def _extension(file: Path) -> str:
    with file.open("rb") as opened:
        start = opened.read(16)
    return next(name for name, magic in _KINDS.items() if re.match(magic, start, re.DOTALL))


def _defect(reason: str, message: str) -> Refused:
    return Refused(200, message, reason=reason, passing=True)
