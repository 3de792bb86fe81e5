import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from refcolor.errors import RefcolorError
from refcolor.study.repository import code_commit, refuse_uncommitted
from refcolor.study.verdict import Failure, verdict

FAILED = """
Running stage 'train':
> python -m pipeline.train
train:  10%|#         | 1/10
refcolor: the reconstruction loss became nan at step 3; the last good state is kept. Lower it
ERROR: failed to reproduce 'train': failed to run: python -m pipeline.train, exited with {code}
"""


@pytest.fixture
def git(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """A repository with one commit of code, and git in it."""

    def run(*command: str) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    (tmp_path / "refcolor").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "refcolor" / "model.py").write_text("code\n")
    (tmp_path / "params.yaml").write_text("seed: 0\n")
    (tmp_path / "docs" / "plan.yaml").write_text("plan\n")
    run("init", "-q")
    run("add", "-A")
    run("commit", "-qm", "code")
    yield run


def test_a_stage_that_fails_by_itself_is_a_result() -> None:
    """An error of the training is told with the stage's own words."""
    assert verdict(255, FAILED.format(code=1)) == Failure(
        "train",
        "the reconstruction loss became nan at step 3; the last good state is kept. Lower it",
    )
    assert verdict(0, "") is None


def test_a_traceback_is_a_result_too() -> None:
    """A bug that only one arm has must not end the study of the others."""
    said = FAILED.format(code=1).replace(
        "refcolor: the", "Traceback (most recent call last):\nIndexError: the"
    )
    found = verdict(255, said)
    assert found is not None and found.message.startswith("IndexError: the reconstruction loss")


@pytest.mark.parametrize("code", [130, 143])
def test_a_stopped_stage_stops_the_study(code: int) -> None:
    """Ctrl-C and SIGTERM say nothing of an arm."""
    with pytest.raises(KeyboardInterrupt):
        verdict(255, FAILED.format(code=code))


@pytest.mark.parametrize(
    "said",
    [
        FAILED.format(code=-9),
        FAILED.format(code=1).replace(
            "refcolor: the",
            "refcolor: No space left on device. Nothing finished is lost; put it right and run "
            "the same command again. the",
        ),
        "ERROR: Unable to acquire lock. Most likely another DVC process is running",
    ],
)
def test_trouble_of_the_machine_is_no_result(said: str) -> None:
    """A killed process, a full disk and a busy DVC end the sitting without a row."""
    with pytest.raises(RefcolorError, match="no row was written"):
        verdict(255, said)


def test_only_committed_code_runs(git: Callable[..., str], tmp_path: Path) -> None:
    """Edited or new code is refused by name; parameters and rows that changed do no harm."""
    plan = tmp_path / "docs" / "plan.yaml"
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    (tmp_path / "docs" / "runs.csv").write_text("rows\n")
    refuse_uncommitted(tmp_path, [plan])
    (tmp_path / "refcolor" / "model.py").write_text("other code\n")
    with pytest.raises(RefcolorError, match=r"refcolor/model\.py"):
        refuse_uncommitted(tmp_path, [plan])
    git("checkout", "-q", "refcolor")
    (tmp_path / "refcolor" / "new.py").write_text("more\n")
    with pytest.raises(RefcolorError, match=r"refcolor/new\.py"):
        refuse_uncommitted(tmp_path, [plan])


def test_the_plan_comes_before_the_first_run(git: Callable[..., str], tmp_path: Path) -> None:
    """A plan that was changed or never committed is refused."""
    plan = tmp_path / "docs" / "plan.yaml"
    plan.write_text("another hypothesis\n")
    with pytest.raises(RefcolorError, match=r"docs/plan\.yaml"):
        refuse_uncommitted(tmp_path, [plan])
    other = tmp_path / "docs" / "other.yaml"
    other.write_text("plan\n")
    with pytest.raises(RefcolorError, match=r"docs/other\.yaml"):
        refuse_uncommitted(tmp_path, [other])


def test_rows_that_are_committed_leave_the_commit_of_the_code(
    git: Callable[..., str], tmp_path: Path
) -> None:
    """Several sittings have one commit as long as only documentation changes between them."""
    code = git("rev-parse", "HEAD")
    (tmp_path / "docs" / "runs.csv").write_text("rows\n")
    git("add", "-A")
    git("commit", "-qm", "rows")
    assert git("rev-parse", "HEAD") != code
    assert code_commit(tmp_path) == code
    (tmp_path / "refcolor" / "model.py").write_text("other code\n")
    git("commit", "-qam", "code")
    assert code_commit(tmp_path) == git("rev-parse", "HEAD")
