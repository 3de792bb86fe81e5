"""How to behave on a network: who we are, and how often we ask."""

import os
import sys
import threading
import time
from collections.abc import Callable

from tqdm import tqdm

from refcolor import __version__
from refcolor.errors import RefcolorError
from refcolor.sources.network.hosts import is_private_host

FASTEST = 10.0  # requests a second, Danbooru's hard limit


class Limiter:
    """Lets one request pass every 1 / rate seconds, whichever thread asks."""

    def __init__(
        self,
        rate: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """rate: requests a second; 0 lets everything pass."""
        self._interval = 1 / rate if rate else 0.0
        self._clock, self.sleep = clock, sleep
        self._free = clock()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when a request may be made."""
        while (delay := self._take()) > 0:
            self.sleep(delay)

    def pause(self, seconds: float) -> None:
        """Hold everybody from now on, those who wait already too."""
        with self._lock:
            until = self._clock() + seconds
            news, self._free = until - self._free, max(self._free, until)
        if news > 10:
            line = f"the server asks for a pause of {seconds:.0f} s"
            tqdm.write(line, file=sys.stderr)

    def _take(self) -> float:
        with self._lock:
            now = self._clock()
            if now < self._free:
                return self._free - now
            self._free = now + self._interval
            return 0.0


def user_agent(contact: str) -> str:
    """Say honestly who asks, and whom to write to.

    contact: an e-mail address or a page; empty means $DANBOORU_CONTACT.
    Raises RefcolorError when there is none, or one that is no single line of ASCII.
    """
    given = (contact or os.environ.get("DANBOORU_CONTACT", "")).strip()
    if not given:
        raise RefcolorError(
            "a source on a network must know whom to write to, got no contact; set "
            "DANBOORU_CONTACT to an e-mail address or page, or source.danbooru.contact"
        )
    if not (given.isascii() and given.isprintable() and len(given) <= 200):
        raise RefcolorError(
            f"a contact must be one line of ASCII, got {given!r}; take an e-mail address or a page"
        )
    return f"refcolor/{__version__} (+{given})"


def login() -> tuple[str, str] | None:
    """Return name and API key from the environment, None to ask anonymously.

    Raises RefcolorError when only one of them is set.
    """
    name, key = (os.environ.get(f"DANBOORU_{part}", "") for part in ("LOGIN", "API_KEY"))
    if bool(name) != bool(key):
        raise RefcolorError(
            "DANBOORU_LOGIN and DANBOORU_API_KEY belong together, got only one of them; set both "
            "or neither"
        )
    return (name, key) if name else None


def check_rate(rate: float, url: str) -> None:
    """Refuse to be rude.

    rate: requests a second; 0 means no limit, which only a private address puts up with.
    Raises RefcolorError.
    """
    if rate > FASTEST:
        raise RefcolorError(
            f"source.danbooru.rate must be at most {FASTEST:g} requests a second, got {rate:g}; "
            "sites ask for about 1"
        )
    if rate == 0 and not is_private_host(url):
        raise RefcolorError(
            "source.danbooru.rate 0 (no limit) is for servers of your own on a private address, "
            f"got {url or 'addresses anywhere'}; set it to 1"
        )
