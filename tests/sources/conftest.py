"""A Danbooru on loopback, a clock that costs nothing, and a download from one to the other."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from refcolor.params import TransferParams
from refcolor.sources.manifest import Record
from refcolor.sources.network import Client, Hosts, Limiter
from refcolor.sources.transfer import Failure, fetch_all
from tests.sources.clock import Time
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
        limiter = Limiter(0, clock=now.clock, sleep=now.sleep)
        hosts = hosts or Hosts.of(server.url)
        agent = "refcolor-tests (+tests@example.org)"
        return fetch_all(
            records,
            client=Client(
                user_agent=agent, limiter=limiter, hosts=hosts, timeout=timeout, tries=tries
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
            total=1,
            label="raw",
        )

    return run
