"""A clock for tests, so that waiting costs nothing."""

import threading


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
