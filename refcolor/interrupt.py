"""Programs import this module first: Ctrl-C during slow imports prints a line, no traceback."""

import os
import sys
from types import TracebackType


def _one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        if "TORCHELASTIC_ERROR_FILE" in os.environ:
            return  # torchrun prints the line for all ranks
        print("\nrefcolor: stopped. The same command goes on from here.", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _one_line
