from collections.abc import Callable
from pathlib import Path

import pytest

from refcolor.errors import RefcolorError
from refcolor.study.repository import code_commit, git, refuse_uncommitted
from refcolor.study.verdict import verdict

FAILED = """
Running stage 'train':
> python -m pipeline.train
train:  10%|#         | 1/10
refcolor: the reconstruction loss became nan at step 3; the last good state is kept. Lower it
ERROR: failed to reproduce 'train': failed to run: python -m pipeline.train, exited with {code}
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """A repository with one commit of code; runs git in it."""

    def run(*command: str) -> str:
        author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        return git(tmp_path, *author, *command)

    (tmp_path / "refcolor").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "refcolor" / "model.py").write_text("code\n")
    (tmp_path / "params.yaml").write_text("seed: 0\n")
    (tmp_path / "docs" / "plan.yaml").write_text("plan\n")
    run("init", "-q")
    run("add", "-A")
    run("commit", "-qm", "code")
    return run


@pytest.mark.parametrize("name", ["refcolor", "IndexError"])
def test_a_failed_stage_is_a_result(name: str) -> None:
    """The last line of refcolor or of a traceback is recorded, so that the other arms can run."""
    failure = verdict(255, FAILED.format(code=1).replace("refcolor:", f"{name}:"))
    assert failure is not None and failure.stage == "train"
    message = failure.message.removeprefix("IndexError: ")
    assert message.startswith("the reconstruction loss became nan at step 3; the last good state")
    assert verdict(0, "") is None


@pytest.mark.parametrize("code", [130, 143])
def test_a_stopped_stage_stops_the_study(code: int) -> None:
    """Ctrl-C and SIGTERM do not count as a result of the arm."""
    with pytest.raises(KeyboardInterrupt):
        verdict(255, FAILED.format(code=code))


@pytest.mark.parametrize(
    "output",
    [
        FAILED.format(code=-9),
        FAILED.format(code=1).replace("Lower it", "put it right and run the same command again."),
        "ERROR: Unable to acquire lock. Most likely another DVC process is running",
    ],
)
def test_a_fault_of_the_machine_is_not_a_result(output: str) -> None:
    """A killed process, a full disk and a busy DVC stop the study without a row."""
    with pytest.raises(RefcolorError, match="no row was written"):
        verdict(255, output)


def test_only_committed_code_runs(run: Callable[..., str], tmp_path: Path) -> None:
    """Changed or new code is refused by name; changed parameters and rows are allowed."""
    plan = tmp_path / "docs" / "plan.yaml"
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    (tmp_path / "docs" / "runs.csv").write_text("rows\n")
    refuse_uncommitted(tmp_path, [plan])
    (tmp_path / "refcolor" / "model.py").write_text("other code\n")
    with pytest.raises(RefcolorError, match=r"refcolor/model\.py"):
        refuse_uncommitted(tmp_path, [plan])
    run("checkout", "-q", "refcolor")
    (tmp_path / "refcolor" / "new.py").write_text("more\n")
    with pytest.raises(RefcolorError, match=r"refcolor/new\.py"):
        refuse_uncommitted(tmp_path, [plan])


def test_the_plan_must_be_committed(run: Callable[..., str], tmp_path: Path) -> None:
    """A plan that was changed or never committed is refused."""
    plan = tmp_path / "docs" / "plan.yaml"
    plan.write_text("another hypothesis\n")
    with pytest.raises(RefcolorError, match=r"docs/plan\.yaml"):
        refuse_uncommitted(tmp_path, [plan])
    other_plan = tmp_path / "docs" / "other.yaml"
    other_plan.write_text("plan\n")
    with pytest.raises(RefcolorError, match=r"docs/other\.yaml"):
        refuse_uncommitted(tmp_path, [other_plan])


def test_commits_of_rows_do_not_change_the_commit_of_the_code(
    run: Callable[..., str], tmp_path: Path
) -> None:
    """The commit of the code stays the same while commits change only documentation."""
    code = run("rev-parse", "HEAD")
    (tmp_path / "docs" / "runs.csv").write_text("rows\n")
    run("add", "-A")
    run("commit", "-qm", "rows")
    assert run("rev-parse", "HEAD") != code
    assert code_commit(tmp_path) == code
    (tmp_path / "refcolor" / "model.py").write_text("other code\n")
    run("commit", "-qam", "code")
    assert code_commit(tmp_path) == run("rev-parse", "HEAD")
