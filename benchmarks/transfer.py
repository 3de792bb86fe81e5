"""Overhead of a download, every check included: `python -m benchmarks.transfer`.

Files a second over loopback without a limit, in eight threads, from a server in a process of its
own that needs a core for itself; then the same again from the cache. The memory of the process is
taken after the last file.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from refcolor.params import TransferParams
from refcolor.sources.fetching.transfer import fetch_all
from refcolor.sources.manifest import Record
from refcolor.sources.network.client import Client
from refcolor.sources.network.hosts import Hosts
from refcolor.sources.network.rate_limit import RateLimiter

THREADS, SIDE = 8, 256
COUNTS = (1_000, 50_000)


def main() -> None:
    """Print a table of speed and memory, a fresh process for each row."""
    if len(sys.argv) > 1:
        _row(sys.argv[1], int(sys.argv[2]))
        return
    command = [sys.executable, "-m", "tests.sources.danbooru_server", "--size", str(SIDE)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    url = server.stdout.readline().strip()
    names = ("files", "files/s", "CPU ms each", "cached/s", "MB at end")
    print("".join(f"{name:>13}" for name in names), flush=True)
    try:
        for count in COUNTS:
            row = [sys.executable, "-m", "benchmarks.transfer", url, str(count)]
            subprocess.run(row, check=True)
    finally:
        server.terminate()


def _row(url: str, count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        used = time.process_time()
        first = _download(url, count, Path(name))
        used = time.process_time() - used
        held = _memory()
        again = _download(url, count, Path(name))
    print(f"{count:>13}{first:>13.0f}{1e3 * used / count:>13.2f}{again:>13.0f}", end="")
    print(f"{held:>13.0f}", flush=True)


def _download(url: str, count: int, folder: Path) -> float:
    params = TransferParams(
        threads=THREADS, tries=5, timeout=30.0, max_megabytes=50.0, min_success=1.0, hosts=()
    )
    client = Client(
        user_agent="refcolor-benchmark (+https://example.org)",
        limiter=RateLimiter(0),
        hosts=Hosts.of(url),
        connections=THREADS,
    )
    start = time.perf_counter()
    failures = fetch_all(
        _records(url, count),
        client=client,
        cache=folder / "cache",
        destination=folder / "raw",
        params=params,
        label="raw",
    )
    assert not failures, failures[:3]
    return count / (time.perf_counter() - start)


def _records(url: str, count: int) -> Iterator[Record]:
    for number in range(count):
        id = 1001 + 3 * number
        yield Record(f"danbooru-{id}", f"{url}/sample/sample-{id}.jpg")


def _memory() -> float:
    """Return what this process holds now, in MB; the largest it ever held would say less."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
