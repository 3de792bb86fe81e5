"""`--help` teaches, and comes at once."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from refcolor.cli import main

from .conftest import Ended

HEAVY = ("torch", "numpy", "PIL", "cv2", "mlflow", "gradio", "pydantic")


def test_help_lists_every_command(refcolor: Callable[..., Ended]) -> None:
    """Each command stands there with what it does."""
    said = refcolor("--help")
    assert said.code == 0
    for command in main.COMMANDS:
        name = command.__name__.rpartition(".")[2]
        assert f"\n    {name} " in said.out


def test_help_imports_nothing_heavy() -> None:
    """`refcolor --help` answers at once: what a command needs is imported when it runs."""
    program = (
        "import sys; from refcolor.cli.main import main\n"
        "sys.argv = ['refcolor', '--help']\n"
        "try: main()\n"
        "except SystemExit: print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not set(done.stdout.split()) & set(HEAVY)


@pytest.mark.parametrize(
    "command", ["colorize", "match", "app", "sketch", "metrics", "export", "card"]
)
def test_help_of_a_command_has_examples(refcolor: Callable[..., Ended], command: str) -> None:
    """Every example begins with the command, and names only options that there are."""
    said = refcolor(command, "--help")
    options, _, examples = said.out.partition("Examples:")
    lines = [line.strip() for line in examples.splitlines() if "refcolor " in line]
    assert len(lines) >= 2
    for line in lines:
        assert line.split()[:2] == ["refcolor", command]
        for word in line.split():
            assert not word.startswith("-") or word in options


def test_without_a_command_it_is_wrong_use(refcolor: Callable[..., Ended]) -> None:
    """Nothing asked is nothing done, with exit code 2."""
    assert refcolor().code == 2
