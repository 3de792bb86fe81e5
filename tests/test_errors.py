"""How a program ends: an exit code and one line for users, a traceback for bugs."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from refcolor import errors
from refcolor.errors import PictureError, RefcolorError, UsageError


def raiser(error: BaseException) -> Callable[[], None]:
    """Make a program that ends with an error."""

    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (RefcolorError("loss.x is wrong"), 1, "refcolor: loss.x is wrong"),
        (PictureError("truncated", "a.png is cut"), 1, "refcolor: a.png is cut"),
        (UsageError("one of the two"), 2, "refcolor: one of the two"),
        (
            OSError(28, "in the words of a library", "models/x"),
            1,
            "refcolor: No space left on device: models/x. Nothing finished is lost; "
            "put it right and run the same command again.",
        ),
        (OSError(28, "again"), 1, "refcolor: No space left on device. Nothing finished is lost; "),
        (KeyboardInterrupt(), 130, "refcolor: stopped. The same command goes on from here."),
    ],
)
def test_user_errors_end_with_one_line_and_a_code(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, line: str
) -> None:
    """A user error, a full disk and Ctrl-C print one line to stderr and set the exit code."""
    with pytest.raises(SystemExit) as end:
        errors.run(raiser(error))
    said = capsys.readouterr()
    assert end.value.code == code
    assert said.out == ""
    lines = said.err.split()
    assert " ".join(lines).startswith(line.strip())
    assert len(said.err.strip().splitlines()) == 1


@pytest.mark.parametrize("bug", [ValueError("caller"), ZeroDivisionError(), OSError("no number")])
def test_a_bug_keeps_its_traceback(bug: Exception) -> None:
    """Bugs keep their exception."""
    with pytest.raises(type(bug)) as seen:
        errors.run(raiser(bug))
    assert seen.value is bug


def test_a_program_that_ends_well_is_left_alone() -> None:
    """A program without an error runs once and does not exit."""
    calls = []
    errors.run(lambda: calls.append(1))
    assert calls == [1]


def test_sigterm_closes_files_and_ends_with_143() -> None:
    """SIGTERM runs `finally` blocks, prints one line and exits 143."""
    program = (
        "import time\n"
        "from refcolor import errors\n"
        "def main():\n"
        "    try:\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(60)\n"
        "    finally:\n"
        "        print('closed', flush=True)\n"
        "errors.run(main)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert out == "closed\n"
    assert err.strip() == "refcolor: terminated. The same command goes on from here."


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_program_ends_prints_nothing(number: signal.Signals) -> None:
    """After the message, a signal during the clean-up of libraries ends the process silently."""
    program = (
        "import atexit, os\n"
        "from refcolor import errors\n"
        "def main():\n"
        f"    atexit.register(lambda: os.kill(os.getpid(), {number.value}))\n"
        "    raise errors.RefcolorError('loss.x is wrong')\n"
        "errors.run(main)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30)
    assert done.returncode == -number
    assert done.stderr.strip() == "refcolor: loss.x is wrong"


def test_one_of_several_processes_hands_its_line_to_torchrun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under torchrun the line goes to its error file and is not printed."""
    file = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(file))
    with pytest.raises(SystemExit) as end:
        errors.run(raiser(RefcolorError("loss.x is wrong")))
    assert end.value.code == 1
    assert capsys.readouterr().err == ""
    failure = ProcessFailure(local_rank=0, pid=1, exitcode=1, error_file=str(file))
    assert failure.message == "loss.x is wrong"
    assert abs(failure.timestamp - time.time()) < 60


@pytest.mark.parametrize(
    ("told", "line"),
    [("", "refcolor: stopped. The same command goes on from here."), ("error.json", "")],
)
def test_ctrl_c_while_libraries_load_is_one_line(told: str, line: str) -> None:
    """Ctrl-C during imports prints the line; ranks of torchrun print nothing."""
    environment = os.environ | ({"TORCHELASTIC_ERROR_FILE": told} if told else {})
    done = subprocess.run(
        [sys.executable, "-c", "import refcolor.interrupt; raise KeyboardInterrupt"],
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.strip() == line


def test_a_picture_error_crosses_a_process_border() -> None:
    """Pickling keeps the reason, the text and the type."""
    back = pickle.loads(pickle.dumps(PictureError("animated", "a.gif has frames")))
    assert type(back) is PictureError
    assert (back.reason, str(back)) == ("animated", "a.gif has frames")
