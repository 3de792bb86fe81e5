"""`--help` explains each command, and starts fast."""

import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from refcolor.cli import main

from .conftest import CommandResult

HEAVY = ("torch", "numpy", "PIL", "cv2", "mlflow", "gradio", "pydantic")


def test_help_lists_every_command(refcolor: Callable[..., CommandResult]) -> None:
    """Each command is listed with a description."""
    result = refcolor("--help")
    assert result.code == 0
    for command in main.COMMANDS:
        name = command.__name__.rpartition(".")[2]
        assert re.search(rf"\n    {name}\s", result.out)


def test_the_package_is_the_command(refcolor: Callable[..., CommandResult]) -> None:
    """`python -m refcolor` is `refcolor`."""
    command = [sys.executable, "-m", "refcolor", "--help"]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert process.stdout.split() == refcolor("--help").out.split()


def test_help_imports_nothing_heavy() -> None:
    """`refcolor --help` imports neither torch nor other packages that take long to import."""
    program = (
        "import sys; from refcolor.cli.main import main\n"
        "sys.argv = ['refcolor', '--help']\n"
        "try: main()\n"
        "except SystemExit: print(*sys.modules)"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not set(process.stdout.split()) & set(HEAVY)


@pytest.mark.parametrize(
    "command", ["colorize", "match", "app", "sketch", "metrics", "export", "card", "gc"]
)
def test_help_of_a_command_has_examples(
    refcolor: Callable[..., CommandResult], command: str
) -> None:
    """Every example begins with the command, and names only options that exist."""
    result = refcolor(command, "--help")
    options, _, examples = result.out.partition("Examples:")
    lines = [line.strip() for line in examples.splitlines() if "refcolor " in line]
    assert len(lines) >= 2
    for line in lines:
        assert line.split()[:2] == ["refcolor", command]
        for word in line.split():
            assert not word.startswith("-") or word in options


def test_without_a_command_the_exit_code_is_2(refcolor: Callable[..., CommandResult]) -> None:
    """Calling refcolor without a command is a usage error."""
    assert refcolor().code == 2
