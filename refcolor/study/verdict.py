"""How a DVC command ended: done, with an experiment that failed, or with a machine that did."""

import re
from dataclasses import dataclass

from refcolor.errors import RefcolorError

_STAGE_ENDED = re.compile(r"failed to reproduce '(\w+)': failed to run: .*, exited with (-?\d+)")
_STOPPED = (130, 143)  # exit codes of Ctrl-C and SIGTERM
_OF_THE_MACHINE = "put it right and run the same command again"  # how errors.run ends an OSError


@dataclass(frozen=True)
class Failure:
    """A stage that ended with an error of its own.

    stage: its name. message: its last word.
    """

    stage: str
    message: str


def verdict(code: int, said: str) -> Failure | None:
    """Tell an experiment that failed from a machine that did.

    code: of the command. said: its output. Returns None when all is done, and what failed when a
    stage ended with an error of its own, which is a result like any other.
    Raises KeyboardInterrupt when the stage was stopped, and RefcolorError when the reason lies
    outside the experiment: the system killed it, a file could not be written, DVC itself failed.
    """
    if code == 0:
        return None
    ended = _STAGE_ENDED.search(said)
    if ended and int(ended[2]) in _STOPPED:
        raise KeyboardInterrupt
    message = _message(said)
    if ended and int(ended[2]) > 0 and _OF_THE_MACHINE not in message:
        return Failure(ended[1], message)
    raise RefcolorError(f"the study stops here, no row was written: {message}")


def _message(said: str) -> str:
    """Pick the line that says what went wrong: refcolor's own, else the last one of a traceback."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", said) if line.strip()]
    ours = [line for line in lines if line.startswith("refcolor: ")]
    if ours:
        return ours[-1].removeprefix("refcolor: ")
    ends = [place for place, line in enumerate(lines) if line.startswith("ERROR: ")]
    before = lines[: ends[0]] if ends else lines
    errors = [line for line in before if re.match(r"[\w.]+(Error|Exception|Interrupt)\b", line)]
    return (errors or lines[ends[0] :] or lines or ["no message"])[-1 if errors else 0]
