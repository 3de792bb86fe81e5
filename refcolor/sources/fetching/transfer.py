"""Parallel downloads, checked and resumable.

A file is received as `.part`, resumed if the server supports ranges, and checked: type, length,
checksum, and that it decodes completely. Then it is renamed in the cache and hard-linked into the
folder of the stage. A kill loses at most the bytes in flight.
"""

import hashlib
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path

from requests import Response
from tqdm import tqdm

from refcolor.errors import PictureError, RefcolorError
from refcolor.io import image
from refcolor.params import TransferParams
from refcolor.sources.fetching.file_cache import FileCache, Part, link_or_copy
from refcolor.sources.manifest import Record
from refcolor.sources.network.client import Client
from refcolor.sources.network.errors import UNBLOCK, RequestError

# Consecutive failures of a server after which no more of its files are requested.
MAX_REFUSALS, MAX_NETWORK_FAILURES = 5, 50
_NETWORK = frozenset({"unreachable", "timeout", "server_error"})
# Servers send these for unknown files; the first bytes are checked in any case.
_UNKNOWN_TYPES = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_JOIN_TIMEOUT = 1.0  # seconds that threads have to end after a stop


@dataclass(frozen=True, order=True)
class Failure:
    """A picture that could not be fetched, and the reason.

    reason: not_found, gone, taken_down, forbidden, refused, rate_limited, server_error, timeout,
    unreachable, cut_short, wrong_type, wrong_checksum, too_large, other_host, private_address,
    too_many_redirects, bad_address, not_http, or a reason of `refcolor.io.image.read`.
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
    label: str,
    max_megapixels: float = 50.0,
) -> list[Failure]:
    """Download the file of every record into `destination` as `<id>.<extension>`.

    The content determines the extension. A cached file sends no request, and an address that
    several records share is requested once. The result depends neither on the order of arrival nor
    on interruptions.

    records: with http addresses.
    client: has the rate limit, hosts, timeout and tries; `params` has threads and largest size.
    cache: folder that is kept between runs; a second process waits for its lock.
    destination: created if missing; other files there are kept.
    label: of the progress bar.  max_megapixels: as in `refcolor.io.image.read`.

    Returns the failures, sorted by id.
    Raises SourceBlockedError when the source blocks this client, RefcolorError after MAX_REFUSALS
    consecutive refusals or MAX_NETWORK_FAILURES consecutive network failures, and OSError for a
    full disk. Where all public hosts are allowed, the other files of that server fail instead,
    without a request. Complete files stay in the cache.
    """
    destination.mkdir(parents=True, exist_ok=True)
    by_address: dict[str, list[Record]] = {}
    for record in records:
        by_address.setdefault(record.address, []).append(record)
    fetcher = _Fetcher(client, FileCache(cache), destination, params, max_megapixels)
    failures: list[Failure] = []
    with (
        FileCache(cache).locked(),
        _threads(params.threads, fetcher.stop) as pool,
        tqdm(total=sum(map(len, by_address.values())), desc=label, unit="picture") as bar,
    ):
        for results in pool.imap_unordered(fetcher.fetch, by_address.values()):
            bar.update(len(results))
            failures += [Failure(id, reason) for id, reason in results if reason]
    return sorted(failures)


@contextmanager
def _threads(number: int, stop: threading.Event) -> Iterator[ThreadPool]:
    """Yield a pool of daemon threads: a read that hangs does not keep the process alive."""
    workers: list[threading.Thread] = []
    pool = ThreadPool(number, initializer=lambda: workers.append(threading.current_thread()))
    try:
        yield pool
    finally:
        stop.set()
        pool.terminate()
        deadline = time.monotonic() + _JOIN_TIMEOUT
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))


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
        self._lock = threading.Lock()
        self._streaks: dict[str, tuple[str, int]] = {}  # last failures of a server: kind, number
        self._given_up: dict[str, str] = {}  # from a server to the reason of its last failure
        self.stop = threading.Event()

    def fetch(self, records: Sequence[Record]) -> list[tuple[str, str]]:
        """Fetch the records of one address; return (id, reason), the reason empty on success."""
        reasons: dict[str, str] = {}  # of failures, by checksum
        try:
            for record in records:
                if record.checksum not in reasons:
                    try:
                        self._fetch(record)
                    except RequestError as error:
                        reasons[record.checksum] = error.reason
        except BaseException:
            self.stop.set()
            raise
        return [(record.id, reasons.get(record.checksum, "")) for record in records]

    def _fetch(self, record: Record) -> None:
        file = self._cache.complete(record.address)
        if not file or not _matches(file, record):
            file = self._request(record)
        link_or_copy(file, self._destination / f"{record.id}{file.suffix}")

    def _request(self, record: Record) -> Path:
        server = "/".join(record.address.split("/", 3)[:3])
        if server in self._given_up:
            raise RequestError(f"{server} was given up", reason=self._given_up[server])
        try:
            file = self._client.retry(partial(self._attempt, record))
        except RequestError as error:
            self._count_failure(server, error)
            raise
        self._streaks.pop(server, None)
        return file

    def _count_failure(self, server: str, error: RequestError) -> None:
        """Give a server up after too many consecutive failures of one kind."""
        kind = "refusal" if error.refused else "network" if error.reason in _NETWORK else ""
        with self._lock:
            last_kind, count = self._streaks.get(server, ("", 0))
            count = count + 1 if kind == last_kind else 1
            self._streaks[server] = kind, count
        if kind == "refusal" and count == MAX_REFUSALS:
            cause = (
                "it refuses this program or network, or the login page of a network answers in "
                f"its place. Finished files are kept; open the address in a browser; {UNBLOCK}"
            )
        elif kind == "network" and count == MAX_NETWORK_FAILURES:
            cause = (
                "the network or the source is down. Finished files are kept; run the same command "
                "again later"
            )
        else:
            return
        message = (
            f"the last {count} pictures of {server} failed, the last one with {error.reason} "
            f"({error}): {cause}"
        )
        if not self._client.hosts.any_public:
            raise RefcolorError(message)
        self._given_up[server] = error.reason
        tqdm.write(f"no more pictures of {server} are requested: {message}", file=sys.stderr)

    def _attempt(self, record: Record) -> Path:
        self._check_stop()
        part = self._cache.part(record.address)
        headers = {}
        # A version or checksum detects that the file has changed since its first part.
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
            complete = total is not None or response.raw.chunked
        return self._accept(part, record, complete=complete)

    def _receive(self, response: Response, part: Part, size: int, total: int | None) -> None:
        self._check_size(part, total or 0)
        with part.path.open("ab") as file:
            for chunk in self._client.chunks(response):
                self._check_stop()
                size += len(chunk)
                self._check_size(part, size)
                file.write(chunk)
        if total is not None and size != total:
            raise RequestError(f"{response.url}: {size} of {total} bytes", reason="cut_short")

    def _accept(self, part: Part, record: Record, *, complete: bool) -> Path:
        try:
            if not _matches(part.path, record):
                raise RequestError(
                    f"{record.address} does not have the checksum {record.checksum}",
                    # A page in place of a picture may be a refusal.
                    reason="wrong_checksum" if _extension(part.path) else "wrong_type",
                )
            image.read(part.path, max_megapixels=self._max_megapixels)
        except RequestError:
            part.path.unlink()
            raise
        except PictureError as error:
            part.path.unlink()
            if error.reason in ("not_a_picture", "foreign_format"):
                raise RequestError(str(error), reason="wrong_type") from error
            # A retry helps only where the length was unknown, so that bytes may be missing.
            raise RequestError(str(error), reason=error.reason, retryable=not complete) from error
        return self._cache.finish(part, record.address, _extension(part.path))

    def _check_size(self, part: Part, size: int) -> None:
        if size > self._largest:
            part.path.unlink(missing_ok=True)
            raise RequestError(f"{part.path} would be too large", reason="too_large")

    def _check_stop(self) -> None:
        if self.stop.is_set():
            raise RequestError("the download has stopped", reason="stopped")


def _resumed(response: Response, part: Part) -> tuple[int, int]:
    """Return the offset of a range response and the size of the whole file."""
    header = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+)", header.strip())
    offset = int(match[1] or match[2]) if match else -1
    if not match or offset != part.size:
        part.path.unlink()
        raise RequestError(f"{response.url} cannot be resumed ({header!r})", reason="cut_short")
    return offset, int(match[2])


def _check_type(response: Response) -> None:
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    pixels = media_type.startswith("image/") and media_type != "image/svg+xml"
    if not pixels and media_type not in _UNKNOWN_TYPES:
        raise RequestError(
            f"{response.url} is {media_type}, not a picture",
            reason="wrong_type",
            refused=media_type == "text/html",  # a video is only the wrong file
        )


def _version(response: Response) -> str:
    tag = response.headers.get("ETag", "")
    # A weak ETag may be equal for files with different bytes.
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _matches(file: Path, record: Record) -> bool:
    if not record.checksum:
        return True
    with file.open("rb") as opened:
        md5 = hashlib.file_digest(opened, partial(hashlib.md5, usedforsecurity=False))
    return md5.hexdigest() == record.checksum.lower()


def _extension(file: Path) -> str:
    with file.open("rb") as opened:
        return image.extension(opened.read(16))
