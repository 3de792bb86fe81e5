"""A clock that costs nothing, and a client that lives by it."""

import threading
from typing import Any

from refcolor.sources.network.client import Client
from refcolor.sources.network.hosts import Hosts
from refcolor.sources.network.rate_limit import RateLimiter
from tests.sources.danbooru_server import DanbooruServer

AGENT = "refcolor-tests (+tests@example.org)"


class Time:
    """A clock that runs only while somebody sleeps."""

    def __init__(self) -> None:
        """Start at zero."""
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


def client_of(server: DanbooruServer, now: Time, rate: float = 0, **given: Any) -> Client:
    """Make a client of this server whose waits cost nothing."""
    options: dict[str, Any] = {"hosts": Hosts.of(server.url), "timeout": 2.0, **given}
    limiter = RateLimiter(rate, clock=now.clock, sleep=now.sleep)
    return Client(user_agent=AGENT, limiter=limiter, **options)
