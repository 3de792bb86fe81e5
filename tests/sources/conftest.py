"""A Danbooru on loopback, a clock that costs nothing, and clients and downloads of both."""

import threading
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from refcolor.params import TransferParams
from refcolor.sources.fetching.transfer import Failure, fetch_all
from refcolor.sources.manifest import Record
from refcolor.sources.network.client import Client
from refcolor.sources.network.hosts import Hosts
from refcolor.sources.network.rate_limit import RateLimiter
from tests.sources.danbooru_server import DanbooruServer

AGENT = "refcolor-tests (+tests@example.org)"


class Time:
    """A clock that runs only during sleep."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def clock(self) -> float:
        """Tell the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        with self._lock:
            self.now += seconds
            self.slept.append(seconds)


class Network:
    """A server, and what the tests send to it; waits cost nothing."""

    def __init__(self, server: DanbooruServer, folder: Path) -> None:
        self.server, self.folder, self.time = server, folder, Time()

    def client(self, *, rate: float = 0, agent: str = AGENT, **options: Any) -> Client:
        """Make a client of the server."""
        options = {"hosts": Hosts.of(self.server.url), "timeout": 20.0} | options
        limiter = RateLimiter(rate, clock=self.time.clock, sleep=self.time.sleep)
        return Client(user_agent=agent, limiter=limiter, **options)

    @cached_property
    def _client(self) -> Client:
        return self.client()

    def get_json(self, path: str, **params: str) -> Any:
        """Request JSON: `get_json("/posts.json", limit="3")`, always with the same client."""
        return self._client.get_json(self.server.url + path, params)

    def download(
        self, records: Iterable[Record], *, threads: int = 4, into: str = "raw", **options: Any
    ) -> list[Failure]:
        """Download records into a folder as the stage does."""
        params = TransferParams(
            threads=threads, tries=5, timeout=5.0, max_megabytes=0.5, min_success=1.0, hosts=()
        )
        return fetch_all(
            records,
            client=self.client(**{"timeout": 20.0} | options),
            cache=self.folder / "cache",
            destination=self.folder / into,
            params=params,
            label="raw",
        )

    def files(self, into: str = "raw") -> dict[str, bytes]:
        """Read what was downloaded."""
        return {file.name: file.read_bytes() for file in sorted((self.folder / into).iterdir())}

    @property
    def original(self) -> int:
        """A post whose file is the original, of which the checksum is known."""
        return next(id for id in self.server.good if id % 2)

    @property
    def reduced(self) -> int:
        """A post whose file is a reduced copy, without a known checksum."""
        return next(id for id in self.server.good if not id % 2)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[DanbooruServer]:
    """Give a Danbooru of 2,000 posts; without proxies and logins of the environment."""
    monkeypatch.setenv("NO_PROXY", "*")
    for name in ("CONTACT", "USER_ID", "LOGIN", "API_KEY"):
        monkeypatch.delenv(f"DANBOORU_{name}", raising=False)
    with DanbooruServer() as server:
        yield server


@pytest.fixture
def network(server: DanbooruServer, tmp_path: Path) -> Network:
    """Give the server with clients and downloads."""
    return Network(server, tmp_path)
