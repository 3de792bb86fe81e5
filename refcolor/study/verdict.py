"""How a DVC command ended: done, with an experiment that failed, or with a machine that did."""

import re
from dataclasses import dataclass

from refcolor.errors import RefcolorError

_STAGE_ENDED = re.compile(r"failed to reproduce '(\w+)': failed to run: .*, exited with (-?\d+)")
_STOPPED = (130, 143)  # exit codes of Ctrl-C and SIGTERM
_OF_THE_MACHINE = "put it right and run the same command again"  # how errors.run ends an OSError
# The line that says what went wrong: refcolor's message, the end of a traceback, DVC's message.
_MESSAGES = (
    r"^ *refcolor: (.+)",
    r"^ *([\w.]+(?:Error|Exception|Interrupt)\b.*)",
    r"^ *(ERROR: .+)",
)


@dataclass(frozen=True)
class Failure:
    """A stage that ended with an error of its own."""

    stage: str
    message: str


def verdict(code: int, output: str) -> Failure | None:
    """Tell an experiment that failed from a machine that did.

    code, output: of the command. Returns None when all is done, and what failed when a stage ended
    with an error of its own, which is a result like any other.
    Raises KeyboardInterrupt when the stage was stopped, and RefcolorError when the reason lies
    outside the experiment: the system killed it, a file could not be written, DVC itself failed.
    """
    if code == 0:
        return None
    ended = _STAGE_ENDED.search(output)
    if ended and int(ended[2]) in _STOPPED:
        raise KeyboardInterrupt
    found = (re.findall(pattern, output.replace("\r", "\n"), re.M) for pattern in _MESSAGES)
    message = next((lines[-1].strip() for lines in found if lines), "no message")
    if ended and int(ended[2]) > 0 and _OF_THE_MACHINE not in message:
        return Failure(ended[1], message)
    raise RefcolorError(f"the study stops here, no row was written: {message}")
