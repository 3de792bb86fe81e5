"""The command line, called as a person calls it, in this process."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from refcolor.cli import main


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line on stderr."""
        return self.err.strip().splitlines()[-1]


@pytest.fixture
def refcolor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Run `refcolor ...` and give exit code and output."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["refcolor", *map(str, arguments)])
        capsys.readouterr()
        try:
            main.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    return run
