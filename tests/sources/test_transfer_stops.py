"""A download that is killed, stopped or runs twice continues as if it had never been stopped."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from refcolor.sources.manifest import write_manifest
from tests.sources.conftest import Network
from tests.sources.danbooru_server import Fault

pytestmark = pytest.mark.slow
Child = Callable[..., "subprocess.Popen[str]"]

# Downloads into a folder; kills itself at a given event, or hangs on a stalled file.
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


@pytest.fixture
def child(network: Network) -> Iterator[Child]:
    """Start a process that downloads the manifest of the folder: `child(kill_at, into)`."""
    folder, url = str(network.folder), network.server.url
    with ExitStack() as started:

        def start(kill_at: int, into: str = "raw") -> "subprocess.Popen[str]":
            command = [sys.executable, "-c", CHILD, folder, url, str(kill_at), into]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
            process = subprocess.Popen(command, text=True, **pipes)
            started.enter_context(process)
            started.callback(process.kill)
            return process

        yield start


def test_kills_give_the_same_folder(child: Child, network: Network) -> None:
    """SIGKILL between any two steps: no half file appears, and in the end nothing is missing."""
    server, ids = network.server, network.server.good[:12]
    for id in ids[:3]:
        server.faults[server.path_of(id)] = Fault("cut", times=3)
    write_manifest(network.folder / "manifest.jsonl", server.records(ids))
    draw, kills = random.Random(5), 0
    while (process := child(draw.randrange(2, 40))).wait(60) == -signal.SIGKILL:
        process.communicate()
        kills += 1
        assert network.files().items() <= server.files(ids).items()
    assert process.communicate()[0].endswith("[]\n") and process.returncode == 0
    assert kills >= 3
    assert network.files() == server.files(ids)
    assert not list(network.folder.rglob("*.part"))
    assert server.statuses.count(200) <= len(ids) + 3 * kills


def test_two_processes_share_a_cache(child: Child, network: Network) -> None:
    """The second process prints that it waits, then uses the cache and sends no request."""
    server, ids = network.server, network.server.good[:40]
    server.faults[server.path_of(ids[0])] = Fault("slow", times=1)
    write_manifest(network.folder / "manifest.jsonl", server.records(ids))
    processes = [child(0, "one")]
    while not server.log:
        time.sleep(0.02)
    processes.append(child(0, "two"))
    message = "".join(process.communicate(timeout=60)[0] for process in processes)
    assert network.files("one") == network.files("two") == server.files(ids)
    assert len(server.log) == len(ids)
    assert "is running; waiting" in message and message.count("[]\n") == 2


def test_ctrl_c_stops_promptly(child: Child, network: Network) -> None:
    """A thread that waits for a silent server does not keep the process running."""
    server, ids = network.server, network.server.good[:6]
    server.faults[server.path_of(ids[0])] = Fault("stall")
    write_manifest(network.folder / "manifest.jsonl", server.records(ids))
    process = child(0)
    while len(server.log) < 6:
        time.sleep(0.02)
    time.sleep(0.3)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    message, _ = process.communicate(timeout=60)
    assert time.monotonic() - start < 4
    assert process.returncode == 130 and "goes on from here" in message
    assert network.files() == server.files(ids[1:])
