"""`refcolor runs`: from a revision to its run, and from a run to its revision."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from refcolor.errors import RefcolorError
from refcolor.tracking.runs import find
from refcolor.tracking.session import Training, open_evaluation, open_training
from refcolor.tracking.stages import locked_key, parse_lock
from refcolor.tracking.store import Store

LOCK = """
schema: '2.0'
stages:
  train: {{cmd: python -m pipeline.train, params: {{params.yaml: {{seed: '{seed}'}}}}}}
  evaluate: {{cmd: python -m pipeline.evaluate, params: {{params.yaml: {{seed: '{seed}'}}}}}}
"""
Git = Callable[..., str]


@pytest.fixture
def git(store: Store, root: Path) -> Git:
    """Run git in the folder of the shared store; the repository is made once."""

    def run(*command: str) -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        done = subprocess.run(
            ["git", *identity, *command], cwd=root, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    run("init", "-q", "-b", "main")
    (root / ".gitignore").write_text("*\n!dvc.lock\n")
    return run


def commit(git: Git, root: Path, seed: str) -> tuple[str, str]:
    """Commit a dvc.lock and return the keys of its stages."""
    text = LOCK.format(seed=seed)
    (root / "dvc.lock").write_text(text)
    git("add", "dvc.lock")
    git("commit", "-q", "-m", f"lock {seed}")
    lock = parse_lock(text)
    return locked_key("train", lock), locked_key("evaluate", lock)


def evaluate(root: Path, keys: tuple[str, str], curves: Path) -> str:
    """Make an evaluated run and return its id."""
    with open_training(kind="mlflow", root=root, key=keys[0], params={}):
        pass
    with open_evaluation(
        kind="mlflow", root=root, key=keys[1], params={}, training=Training(keys[0], curves)
    ) as tracker:
        tracker.metrics({"delta_e": 10.123456, "images": 3})
    assert tracker.run_id
    return tracker.run_id


def test_from_a_revision_to_its_run_and_back(git: Git, root: Path, key: str, curves: Path) -> None:
    """Revision and run each name the other, by hash, branch, id and name, from any folder."""
    keys = commit(git, root, key)
    run_id = evaluate(root, keys, curves)
    head = git("rev-parse", "HEAD")
    for revision in ("main", "HEAD", head, head[:8]):
        lines = find(root, revision).splitlines()
        assert lines[0] == f"revision {revision} ({head[:10]})"
        assert lines[1:] == [f"  {run_id}  repro-{keys[0][:6]}  FINISHED  delta_e 10.12"]
    (root / "sub").mkdir(exist_ok=True)
    for name in (run_id, f"repro-{keys[0][:6]}"):
        text = find(root / "sub", name)
        assert f"started from commit {head[:10]}" in text
        assert f"its result is in {head[:10]} lock {key}" in text


def test_a_dvc_experiment_has_a_run(
    git: Git, root: Path, key: str, curves: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A DVC experiment is found by its name, and its run names it."""
    commit(git, root, key)
    baseline = git("rev-parse", "HEAD")
    keys = commit(git, root, f"{key}-experiment")
    name = f"exp-{key}"
    git("update-ref", f"refs/exps/{baseline[:2]}/{baseline[2:]}/{name}", "HEAD")
    git("reset", "-q", "--hard", "HEAD~1")
    monkeypatch.setenv("DVC_EXP_NAME", name)
    run_id = evaluate(root, keys, curves)
    assert f"  {run_id}  {name}  FINISHED" in find(root, name)
    assert f"DVC experiment {name}\n" in find(root, run_id)
    git("update-ref", "-d", f"refs/exps/{baseline[:2]}/{baseline[2:]}/{name}")
    assert "no longer in this repository" in find(root, run_id)


def test_a_run_without_its_evaluation_is_reported(
    git: Git, root: Path, key: str, curves: Path
) -> None:
    """Where only the run of the training exists, the message says so."""
    keys = commit(git, root, key)
    run_id = evaluate(root, (keys[0], "0" * 16), curves)
    text = find(root, "HEAD")
    assert "evaluated otherwise" in text
    assert run_id in text


def test_each_failed_search_says_what_to_do(git: Git, root: Path, key: str) -> None:
    """The message of each way of finding nothing says what would help."""
    commit(git, root, key)
    with pytest.raises(RefcolorError, match=r"no MLflow run has the train key .* of revision HEAD"):
        find(root, "HEAD")
    with pytest.raises(RefcolorError, match="'nonsense' is neither a revision, a DVC experiment"):
        find(root, "nonsense")
    (root / "dvc.lock").write_text("schema: '2.0'\n")
    git("commit", "-q", "-am", "nothing ran")
    with pytest.raises(RefcolorError, match="revision HEAD does not have a trained model"):
        find(root, "HEAD")
    git("rm", "-q", "dvc.lock")
    git("commit", "-q", "-m", "no lock file")
    with pytest.raises(RefcolorError, match="revision HEAD does not have a trained model"):
        find(root, "HEAD")
