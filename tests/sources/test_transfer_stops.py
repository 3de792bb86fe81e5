"""A download that is stopped, by a person, a server or a full disk, goes on as if it never was."""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from refcolor.errors import RefcolorError
from refcolor.sources.fetching import transfer
from refcolor.sources.fetching.file_cache import FileCache
from refcolor.sources.fetching.transfer import HOPELESS, Failure
from refcolor.sources.manifest import write_manifest
from refcolor.sources.network.client import Client
from refcolor.sources.network.errors import SourceBlockedError
from refcolor.sources.network.rate_limit import RateLimiter
from tests.sources.danbooru_server import DanbooruServer, Fault

Download = Callable[..., list[Failure]]


def files_of(folder: Path) -> dict[str, bytes]:
    """Read a folder."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


# Downloads into a folder; dies by its own hand at a given event, or hangs on a stalled file.
CHILD = """
import os, signal, sys
from pathlib import Path
from refcolor import errors
from refcolor.params import TransferParams
from refcolor.sources.fetching import transfer
from refcolor.sources.manifest import read_manifest
from refcolor.sources.network.client import Client
from refcolor.sources.network.hosts import Hosts
from refcolor.sources.network.rate_limit import RateLimiter

folder, url, events = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def count(function):
    def work(*arguments, **options):
        global events
        events -= 1
        if events == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return work

real = Client.chunks

def chunks(client, response, **options):
    for chunk in real(client, response, **options):
        for start in range(0, len(chunk), 700):
            yield count(lambda part: part)(chunk[start : start + 700])

Client.chunks = chunks
os.link, os.replace = count(os.link), count(os.replace)
RateLimiter.wait = count(RateLimiter.wait)
errors.run(lambda: print(transfer.fetch_all(
    read_manifest(folder / "manifest.jsonl"),
    client=Client(
        user_agent="refcolor-tests (+tests@example.org)", hosts=Hosts.of(url),
        limiter=RateLimiter(0, sleep=lambda s: None),
    ),
    cache=folder / "cache", destination=folder / sys.argv[4], label="raw",
    params=TransferParams(
        threads=3, tries=5, timeout=5.0, max_megabytes=1.0, min_success=1.0, hosts=()
    ),
)))
"""


def test_a_blocked_source_stops_at_once(
    download: Download, server: DanbooruServer, tmp_path: Path
) -> None:
    """Cloudflare's challenge ends the stage with advice; what is here stays here."""
    ids = server.good[:30]
    download(server.records(ids[:5]))
    server.faults["*"] = Fault("cloudflare")
    with pytest.raises(SourceBlockedError, match="Cloudflare"):
        download(server.records(ids), threads=2)
    assert len(server.log) <= 5 + 4
    server.faults.clear()
    assert download(server.records(ids)) == []
    assert files_of(tmp_path / "raw") == server.files(ids)


def test_a_dead_network_stops_the_stage(download: Download, server: DanbooruServer) -> None:
    """Fifty failures of the network in a row are not fifty bad files."""
    server.faults["*"] = Fault("503")
    with pytest.raises(RefcolorError, match=r"last 50 pictures failed, .* server_error: the netw"):
        download(server.records(server.good), tries=1)
    assert HOPELESS <= len(server.log) <= HOPELESS + 8


def test_a_full_disk_stops_everything(
    download: Download, server: DanbooruServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No space left is an error of the disk and not of a file; nothing finished is lost."""
    ids, links = server.good[:30], count()
    real = os.link

    def link(*paths: Any) -> None:
        if next(links) == 9:
            raise OSError(errno.ENOSPC, "No space left on device", str(paths[1]))
        real(*paths)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(OSError, match="No space left"):
        download(server.records(ids), threads=1)
    monkeypatch.undo()
    asked = len(server.log)
    assert len(files_of(tmp_path / "raw")) == 9
    assert download(server.records(ids)) == []
    assert files_of(tmp_path / "raw") == server.files(ids)
    assert asked + 30 - 10 >= len(server.log) - asked + 9


def test_a_disk_without_links_gets_copies(
    download: Download, server: DanbooruServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where files cannot have two names they are copied, and no temporary name stays."""

    def refuse(*_paths: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    ids = server.good[:6]
    assert download(server.records(ids)) == []
    assert files_of(tmp_path / "raw") == server.files(ids)


def test_a_damaged_cache_heals(download: Download, server: DanbooruServer, tmp_path: Path) -> None:
    """An empty file after a power cut, and one that has not its checksum, are fetched again."""
    ids = [*[id for id in server.good if id % 2][:1], *[id for id in server.good if not id % 2][:1]]
    records = server.records(ids)
    download(records)
    original, reduced = (FileCache(tmp_path / "cache").files(record.address) for record in records)
    original[0].write_bytes(b"rotten")
    reduced[0].write_bytes(b"")
    shutil.rmtree(tmp_path / "raw")
    assert download(records) == []
    assert files_of(tmp_path / "raw") == server.files(ids)
    assert len(server.log) == 4


def test_warnings_stay_as_they_were(download: Download, server: DanbooruServer) -> None:
    """Reading pictures in eight threads leaves the warnings of the program alone."""
    before = list(warnings.filters)
    download(server.records(server.good[:60]), threads=8)
    assert list(warnings.filters) == before


class Killed(Exception):  # noqa: N818
    """No code of ours catches it."""


@pytest.mark.parametrize("seed", range(20))
def test_any_kills_give_the_same_folder(
    seed: int,
    download: Download,
    server: DanbooruServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However often a download is stopped and wherever, in the end it is as if it never was."""
    draw = random.Random(seed)
    ids = server.good[:12]
    kinds = ("cut", "503", "html", "no_answer")
    for id in ids[:4]:
        server.faults[server.path_of(id)] = Fault(draw.choice(kinds), times=draw.randrange(4))
    server.faults[server.path_of(ids[4])] = Fault("404")
    events: Iterator[int] = iter(())

    def deadly(function: Callable[..., Any]) -> Callable[..., Any]:
        def work(*arguments: Any, **options: Any) -> Any:
            if next(events, 1) == 0:
                raise Killed
            return function(*arguments, **options)

        return work

    def bytewise(client: Client, response: Any, **options: Any) -> Iterator[bytes]:
        for chunk in real_chunks(client, response, **options):
            for start in range(0, len(chunk), 700):
                if next(events, 1) == 0:
                    raise Killed
                yield chunk[start : start + 700]

    real_chunks = Client.chunks
    monkeypatch.setattr(Client, "chunks", bytewise)
    steps: tuple[tuple[Any, str], ...] = (
        *((os, "link"), (os, "replace"), (Path, "unlink"), (RateLimiter, "wait")),
        *((FileCache, "new_part"), (transfer, "_extension")),
    )
    for home, name in steps:
        monkeypatch.setattr(home, name, deadly(getattr(home, name)))
    kills = 0
    while True:
        events = iter(range(draw.randrange(1, 60), -1, -1))
        try:
            failures = download(server.records(ids), threads=draw.choice((1, 3)))
            break
        except Killed:
            kills += 1
            if draw.random() < 0.5:  # DVC empties the outs of a stage, a person may not
                shutil.rmtree(tmp_path / "raw")
    monkeypatch.undo()
    assert kills > 0
    assert failures == [Failure(f"danbooru-{ids[4]}", "not_found")]
    assert files_of(tmp_path / "raw") == server.files([*ids[:4], *ids[5:]])


@pytest.fixture
def child(
    server: DanbooruServer, tmp_path: Path
) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start a process that downloads the manifest of `tmp_path`: `child(kill_at, into)`."""
    with ExitStack() as started:

        def start(kill_at: int, into: str = "raw") -> "subprocess.Popen[str]":
            process = subprocess.Popen(
                [sys.executable, "-c", CHILD, str(tmp_path), server.url, str(kill_at), into],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            started.enter_context(process)
            started.callback(process.kill)
            return process

        yield start


@pytest.mark.slow
def test_real_kills_give_the_same_folder(
    child: Callable[..., "subprocess.Popen[str]"], server: DanbooruServer, tmp_path: Path
) -> None:
    """SIGKILL between any two steps: no half file appears, and in the end nothing is missing."""
    ids = server.good[:12]
    for id in ids[:3]:
        server.faults[server.path_of(id)] = Fault("cut", times=3)
    write_manifest(tmp_path / "manifest.jsonl", server.records(ids))
    draw, kills = random.Random(5), 0
    while (process := child(draw.randrange(2, 40))).wait(60) == -signal.SIGKILL:
        process.communicate()
        kills += 1
        for name, content in files_of(tmp_path / "raw").items():
            assert content == server.files(ids)[name]
    assert process.communicate()[0].endswith("[]\n") and process.returncode == 0
    assert kills >= 3
    assert files_of(tmp_path / "raw") == server.files(ids)
    assert not list(tmp_path.rglob("*.part"))
    whole = [request for request in server.log if request.status == 200]
    assert len(whole) <= len(ids) + 3 * kills


@pytest.mark.slow
def test_two_processes_share_a_cache(
    child: Callable[..., "subprocess.Popen[str]"], server: DanbooruServer, tmp_path: Path
) -> None:
    """The second one says that it waits, then finds everything there and asks nothing."""
    ids = server.good[:40]
    server.faults[server.path_of(ids[0])] = Fault("slow", times=1)
    write_manifest(tmp_path / "manifest.jsonl", server.records(ids))
    processes = [child(0, "one")]
    while not server.log:
        time.sleep(0.02)
    processes.append(child(0, "two"))
    said = "".join(process.communicate(timeout=60)[0] for process in processes)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two") == server.files(ids)
    assert len(server.log) == len(ids)
    assert "runs already; waiting" in said and said.count("[]\n") == 2


@pytest.mark.slow
def test_ctrl_c_stops_promptly(
    child: Callable[..., "subprocess.Popen[str]"], server: DanbooruServer, tmp_path: Path
) -> None:
    """A thread that waits for a silent server does not keep the process alive."""
    ids = server.good[:6]
    server.faults[server.path_of(ids[0])] = Fault("stall")
    write_manifest(tmp_path / "manifest.jsonl", server.records(ids))
    process = child(0)
    while len(server.log) < 6:
        time.sleep(0.02)
    time.sleep(0.3)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert time.monotonic() - start < 4
    assert process.returncode == 130 and "goes on from here" in said
    assert files_of(tmp_path / "raw") == server.files(ids[1:])
