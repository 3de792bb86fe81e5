"""User errors, exit codes, and the end of a process after an error or a signal."""

import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class RefcolorError(Exception):
    """A user error. Its message is one line: what, what was given, what to do."""

    exit_code = 1


class UsageError(RefcolorError):
    """Wrong use of a command, detected before any work."""

    exit_code = 2


class PictureError(RefcolorError):
    """A picture that cannot be used; `reason` is the snake_case name under which it is counted."""

    def __init__(self, reason: str, message: str) -> None:
        """Store the reason and the message."""
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type["PictureError"], tuple[str, str]]:
        """Pickle the error with its reason: worker processes raise it too."""
        return type(self), (self.reason, str(self))


def run(main: Callable[[], None]) -> None:
    """Run a program; a user error, an OSError or a signal ends it with one line and an exit code.

    Exit codes: 1 user error, 2 wrong use, 130 Ctrl-C, 143 SIGTERM. Other exceptions are bugs and
    keep their traceback. Under torchrun the line goes to its error file; torchrun prints the line
    of the rank that failed first.
    """
    signal.signal(signal.SIGTERM, _raise_terminated)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Redirected output of Windows has no code for most of the letters that names may have.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        main()
    except RefcolorError as error:
        _end(str(error), error.exit_code)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        where = f": {error.filename}" if error.filename else ""
        _end(
            f"{os.strerror(error.errno or 0)}{where}. Nothing finished is lost; "
            "put it right and run the same command again.",
            1,
        )
    except KeyboardInterrupt:
        _end("stopped. The same command goes on from here.", 130)
    except Terminated:
        _end("terminated. The same command goes on from here.", Terminated.exit_code)


class Terminated(BaseException):
    """SIGTERM as an exception, so that files are closed and temporary files removed."""

    exit_code = 143


def _raise_terminated(_signal: int, _frame: object) -> None:
    raise Terminated


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Defer Ctrl-C and SIGTERM to the end of the block.

    For libraries that are not safe against exceptions at any point. Python runs signal handlers
    only in the main thread; in other threads the block is unchanged.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _frame: received.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if received:
        signal.raise_signal(received[0])


def _end(line: str, code: int) -> None:
    # From here signals end the process, without an exception in the clean-up of a library. torchrun
    # sends each rank a second SIGINT after Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    error_file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if error_file:
        content = {"message": line, "timestamp": int(time.time())}
        Path(error_file).write_text(json.dumps(content), encoding="utf-8")
    else:
        print(f"\nrefcolor: {line}", file=sys.stderr, flush=True)
    sys.exit(code)
