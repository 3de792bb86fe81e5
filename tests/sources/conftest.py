"""A Danbooru on loopback, a clock that costs nothing, and a download from one to the other."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from refcolor.params import TransferParams
from refcolor.sources.fetching.transfer import Failure, fetch_all
from refcolor.sources.manifest import Record
from refcolor.sources.network.hosts import Hosts
from tests.sources.clients import Time, client_of
from tests.sources.danbooru_server import DanbooruServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[DanbooruServer]:
    """Give a Danbooru of 2,000 posts; proxies and logins of whoever runs the tests stay out."""
    monkeypatch.setenv("NO_PROXY", "*")
    for name in ("CONTACT", "LOGIN", "API_KEY"):
        monkeypatch.delenv(f"DANBOORU_{name}", raising=False)
    with DanbooruServer() as server:
        yield server


@pytest.fixture
def now() -> Time:
    """Give a clock at zero."""
    return Time()


@pytest.fixture
def ask(server: DanbooruServer, now: Time) -> Callable[..., Any]:
    """Ask the server for JSON: `ask("/posts.json", limit="3")`; the client stays the same."""
    client = client_of(server, now)
    return lambda path, **params: client.get_json(server.url + path, params)


@pytest.fixture
def download(server: DanbooruServer, now: Time, tmp_path: Path) -> Callable[..., list[Failure]]:
    """Download records into `tmp_path / "raw"` as the stage does; waits cost nothing."""

    def run(
        records: Iterable[Record],
        *,
        threads: int = 4,
        timeout: float = 5.0,
        tries: int = 5,
        hosts: Hosts | None = None,
        into: str = "raw",
    ) -> list[Failure]:
        return fetch_all(
            records,
            client=client_of(
                server, now, timeout=timeout, tries=tries, hosts=hosts or Hosts.of(server.url)
            ),
            cache=tmp_path / "cache",
            destination=tmp_path / into,
            params=TransferParams(
                threads=threads,
                tries=tries,
                timeout=timeout,
                max_megabytes=0.5,
                min_success=1.0,
                hosts=(),
            ),
            label="raw",
        )

    return run
