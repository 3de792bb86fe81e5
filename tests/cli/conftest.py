"""The command line, called in this process."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from refcolor.cli import main


@dataclass(frozen=True)
class CommandResult:
    """Exit code and output of a command."""

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
) -> Callable[..., CommandResult]:
    """Run `refcolor ...` and return exit code and output."""

    def run(*arguments: object) -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["refcolor", *map(str, arguments)])
        capsys.readouterr()
        try:
            main.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        output = capsys.readouterr()
        return CommandResult(code, output.out, output.err)

    return run
