"""Keys of stages: worked by hand, then compared with DVC itself."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from refcolor.errors import RefcolorError
from refcolor.tracking.stages import locked_key, parse_lock, read_lock, stage_key

DVC_YAML = """
stages:
  make:
    cmd: python make.py
    deps: [make.py]
    params: [source.count]
    outs: [drawn, "drawn.csv"]
  use:
    cmd: python use.py --fast ${runtime.fast}
    deps: [drawn, drawn.csv, use.py, "${source.folder.path}"]
    params: [loss, train.epochs, train.rate]
    outs: [result.txt]
"""
PARAMS_YAML = """
source: {count: 3, folder: {path: inbox/}}
loss: {triplet: 0, margin: 12.0}
train: {epochs: 2, rate: 1e-4, names: [a, b]}
runtime: {fast: true}
"""
LOCK = """
schema: '2.0'
stages:
  make:
    cmd: python make.py
    outs:
    - {path: drawn, hash: md5, md5: aa.dir}
    - {path: drawn.csv, hash: md5, md5: bb}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A pipeline whose first stage has run."""
    for name, text in {
        "dvc.yaml": DVC_YAML,
        "params.yaml": PARAMS_YAML,
        "dvc.lock": LOCK,
        "use.py": "print()",
        "inbox/a.txt": "1",
        "inbox/sub/b.txt": "2",
        "inbox/__pycache__/c.pyc": "x",
        ".dvcignore": "__pycache__\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def md5(text: str) -> str:
    """The md5 of a text."""
    return hashlib.md5(text.encode()).hexdigest()


def test_stage_key_worked_by_hand(root: Path) -> None:
    """The key is the sha256 of command, contents and parameters as canonical JSON."""
    inbox = json.dumps(
        [
            {"md5": md5("1"), "relpath": "a.txt"},
            {"md5": md5("2"), "relpath": "sub/b.txt"},
        ]
    )
    deps = {
        "drawn": "aa.dir",
        "drawn.csv": "bb",
        "inbox": md5(inbox) + ".dir",
        "use.py": md5("print()"),
    }
    params = {"loss.margin": 12, "loss.triplet": 0, "train.epochs": 2, "train.rate": 1e-4}
    text = json.dumps(
        ["python use.py --fast true", deps, params], separators=(",", ":"), sort_keys=True
    )
    assert stage_key("use", root=root) == hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("params.yaml", "margin: 12.0", "margin: 12", False),
        ("params.yaml", "margin: 12.0", "margin: 13", True),
        ("params.yaml", "count: 3", "count: 4", False),
        ("params.yaml", "fast: true", "fast: false", True),
        ("params.yaml", "rate: 1e-4", "rate: 0.0001", False),
        ("use.py", "print()", "print( )", True),
        ("inbox/sub/b.txt", "2", "3", True),
        ("inbox/__pycache__/c.pyc", "x", "y", False),
        ("dvc.lock", "aa.dir", "cc.dir", True),
        ("dvc.yaml", "params: [loss, ", "params: [loss.triplet, loss.margin, ", False),
    ],
)
def test_what_changes_a_key(root: Path, file: str, old: str, new: str, changes: bool) -> None:
    """A key changes with what the stage reads, and with nothing else."""
    before = stage_key("use", root=root)
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new))
    assert (stage_key("use", root=root) != before) is changes


@pytest.mark.parametrize("without", ["train.epochs", "train"])
def test_parameters_left_out(root: Path, without: str) -> None:
    """A parameter that is excluded by name or by section does not change the key."""
    before = stage_key("use", root=root), stage_key("use", root=root, without=[without])
    assert before[0] != before[1]
    text = (root / "params.yaml").read_text()
    (root / "params.yaml").write_text(text.replace("epochs: 2", "epochs: 3"))
    after = stage_key("use", root=root), stage_key("use", root=root, without=[without])
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_outs_of_a_stage_left_out(root: Path) -> None:
    """A key without the outs of a stage exists before it ran, and does not depend on them."""
    before = stage_key("use", root=root, without_outs_of=["make"])
    (root / "dvc.lock").write_text(LOCK.replace("aa.dir", "cc.dir"))
    assert stage_key("use", root=root, without_outs_of=["make"]) == before
    (root / "dvc.lock").unlink()
    assert stage_key("use", root=root, without_outs_of=["make"]) == before
    (root / "use.py").write_text("print(1)")
    assert stage_key("use", root=root, without_outs_of=["make"]) != before


def test_locked_key_worked_by_hand() -> None:
    """The key is the same whether dvc.lock names parameters by section or one by one."""
    lock = parse_lock(
        "stages: {s: {cmd: x, deps: [{path: a/, md5: m}], params: "
        "{params.yaml: {loss: {margin: 12.0}, train.epochs: 2, a: [1.0, b]}}}}"
    )
    params = {"a": [1, "b"], "loss.margin": 12, "train.epochs": 2}
    text = json.dumps(["x", {"a": "m"}, params], separators=(",", ":"))
    assert locked_key("s", lock) == hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("dvc.yaml", "  use:", "  used:", "dvc.yaml has no stage 'use', only: make, used"),
        ("dvc.yaml", "train.epochs", "train.epoch", "params.yaml has no 'train.epoch'"),
        ("dvc.yaml", "runtime.fast", "runtime.slow", r"dvc.yaml reads \${runtime.slow}"),
        ("dvc.yaml", "use.py, ", "gone.py, ", "gone.py cannot be read"),
        ("dvc.yaml", "stages:", "stages: [", "dvc.yaml is not YAML"),
    ],
)
def test_missing_stages_files_and_parameters_are_refused(
    root: Path, file: str, old: str, new: str, message: str
) -> None:
    """The message names everything that is missing."""
    (root / file).write_text((root / file).read_text().replace(old, new))
    with pytest.raises(RefcolorError, match=message):
        stage_key("use", root=root)


def test_before_the_first_run(tmp_path: Path) -> None:
    """Without dvc.lock there is no locked key, and without dvc.yaml no key at all."""
    assert read_lock(tmp_path) == {}
    with pytest.raises(RefcolorError, match=r"dvc.lock has no stage 'train', only: none"):
        locked_key("train", {})
    with pytest.raises(RefcolorError, match=r"dvc.yaml cannot be read"):
        stage_key("train", root=tmp_path)


RECORD = """
import os, pathlib
from refcolor.tracking.stages import stage_key
keys = pathlib.Path(os.environ["DVC_ROOT"], "keys.txt")
keys.open("a").write(stage_key("use") + "\\n")
pathlib.Path("result.txt").write_text("done")
"""
MAKE = """
import pathlib
from ruamel.yaml import YAML
count = YAML(typ="safe").load(pathlib.Path("params.yaml"))["source"]["count"]
pathlib.Path("drawn/sub").mkdir(parents=True)
pathlib.Path("drawn/sub/a").write_text("a" * count)
pathlib.Path("drawn.csv").write_text("b" * count)
"""


@pytest.mark.slow
def test_the_key_is_that_of_dvc_lock(root: Path) -> None:
    """The key computed inside a stage is the one of dvc.lock after it, in every kind of run."""
    (root / "dvc.lock").unlink()
    (root / "make.py").write_text(MAKE)
    (root / "use.py").write_text(RECORD)
    environment = (
        os.environ
        | {
            "DVC_SITE_CACHE_DIR": str(root / ".site"),
            "DVC_NO_ANALYTICS": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        | {
            f"GIT_{role}_{field}": "test@example.org"
            for role in ("AUTHOR", "COMMITTER")
            for field in ("NAME", "EMAIL")
        }
    )

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=root, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout

    (root / ".gitignore").write_text("keys.txt\n.site\n")
    run("git", "init", "-q")
    run("dvc", "init", "-q")
    (root / ".dvcignore").write_text("__pycache__\n")
    run("dvc", "repro", "-q")
    keys = (root / "keys.txt").read_text().split()
    assert keys == [locked_key("use", read_lock(root))]
    assert stage_key("use", root=root) == keys[0]

    run("git", "add", "-A")
    run("git", "commit", "-q", "-m", "made")
    run(
        "dvc",
        "exp",
        "run",
        "-q",
        "--temp",
        "-n",
        "other",
        "-S",
        "source.count=5",
        "-S",
        "loss.triplet=2e-5",
        "-S",
        "train.epochs=7",
    )
    keys = (root / "keys.txt").read_text().split()
    assert len(set(keys)) == 2
    other = run("git", "for-each-ref", "--format=%(refname)", "refs/exps/**/other").strip()
    assert keys[1] == locked_key("use", parse_lock(run("git", "show", f"{other}:dvc.lock")))
