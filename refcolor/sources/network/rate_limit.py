"""The rate limit of requests."""

import sys
import threading
import time
from collections.abc import Callable

from tqdm import tqdm


class RateLimiter:
    """Allows one request every 1 / rate seconds for all threads together."""

    def __init__(
        self,
        rate: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """rate: requests a second; 0 means no limit."""
        self._interval = 1 / rate if rate else 0.0
        self._clock, self.sleep = clock, sleep
        self._next = clock()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Block until a request may be sent."""
        while (delay := self._reserve()) > 0:
            self.sleep(delay)

    def pause(self, seconds: float) -> None:
        """Block all requests for a time, those of waiting threads included."""
        with self._lock:
            until = self._clock() + seconds
            added, self._next = until - self._next, max(self._next, until)
        if added > 10:
            tqdm.write(f"the server requests a pause of {seconds:.0f} s", file=sys.stderr)

    def _reserve(self) -> float:
        with self._lock:
            now = self._clock()
            if now < self._next:
                return self._next - now
            self._next = now + self._interval
            return 0.0
