"""A checkout of the committed code in which a study runs, so that the user's tree stays as it is.

It is a clone that borrows the objects of the user's repository and shares DVC's cache, MLflow's
store and the checkpoints with it. Experiments that finish there are handed over to the user's.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from ruamel.yaml import YAML

from refcolor.errors import RefcolorError
from refcolor.files import replacing
from refcolor.stages import PARAMETER_FILE, read_lock
from refcolor.study.plan import put
from refcolor.study.repository import CODE, git, output_of
from refcolor.study.verdict import Failure, verdict
from refcolor.tracking import STUDY_VARIABLE

PATIENCE = 60.0  # seconds that a stopped stage has to save its state
TAIL = 20_000  # bytes of a command's output that are kept


@dataclass(frozen=True)
class Attempt:
    """What is being run, so that the next sitting knows that it goes on and does not begin.

    seconds: of wall time so far, by stage.
    """

    key: str
    seconds: Mapping[str, float]


class Workspace:
    """The checkout. Only `opened` makes one, because it holds the lock."""

    def __init__(self, root: Path, lock: IO[str]) -> None:
        """root: the folder of the user's repository. lock: an open file that is locked."""
        self.root, self._lock, self.commit = root, lock, ""
        self.tree = _home(root) / "workspace"
        self._attempt = _home(root) / "attempt.json"

    def check_out(self, commit: str) -> None:
        """Bring the tree to a commit; data that it has made stay where they are."""
        self.commit = commit
        if not self._borrows_from_root():
            self._attempt.unlink(missing_ok=True)
            self._clone()
        edited = self._git("status", "--porcelain", "--", *CODE)
        if edited or self._git("rev-parse", "HEAD") != commit:
            self._attempt.unlink(missing_ok=True)
            self._git("checkout", "--quiet", "--force", "--detach", commit)
            self._git("clean", "--quiet", "--force", "-d")
        # A killed DVC leaves its own note of who reads and writes; the lock says that it is gone.
        (self.tree / ".dvc" / "tmp" / "rwlock").unlink(missing_ok=True)

    def write_parameters(self, file: Path, changes: Mapping[str, object]) -> None:
        """Write params.yaml: a parameter file, its comments included, with some values changed."""
        yaml = YAML()
        content = yaml.load(file)
        for name, value in changes.items():
            put(content, name, value)
        with replacing(self.tree / PARAMETER_FILE) as temporary:
            yaml.dump(content, temporary)

    @property
    def attempt(self) -> Attempt | None:
        """What the last sitting was at; None before the first, and after another commit."""
        if not self._attempt.exists():
            return None
        content = json.loads(self._attempt.read_text(encoding="utf-8"))
        return Attempt(content["key"], content["seconds"])

    def begin(self, key: str) -> None:
        """Begin a run: what dvc.lock knows of train and evaluate is no result of it."""
        lock = read_lock(self.tree)
        for stage in ("train", "evaluate"):
            lock.get("stages", {}).pop(stage, None)
        with replacing(self.tree / "dvc.lock") as temporary:
            YAML().dump(lock, temporary)
        self._note(Attempt(key, {}))

    def repro(
        self, *arguments: str, study: str, experiment: str, stage: str = ""
    ) -> Failure | None:
        """Run `dvc repro`; returns how a stage failed, None when all is done.

        stage: whose time this is. Raises KeyboardInterrupt when the stage was stopped, and
        RefcolorError when DVC failed or the stage ended for a reason outside the experiment: the
        system killed it, or a file could not be written.
        """
        start = time.monotonic()
        try:
            return self._dvc("repro", *arguments, study=study, experiment=experiment)
        finally:
            if stage and (at := self.attempt):
                spent = at.seconds.get(stage, 0.0) + time.monotonic() - start
                self._note(replace(at, seconds={**at.seconds, stage: spent}))

    def save(self, *, study: str, experiment: str) -> None:
        """Make a DVC experiment of what is there, and hand it to the user's repository."""
        for reference in self._references(experiment):
            self._git("update-ref", "-d", reference)
        failed = self._dvc("exp", "run", "--name", experiment, study=study, experiment=experiment)
        if failed:
            raise RefcolorError(f"{experiment} could not be saved: {failed.message}")
        for reference in self._references(experiment):
            git(self.root, "fetch", "--quiet", str(self.tree), f"+{reference}:{reference}")

    def _git(self, *command: str) -> str:
        # Named outright: without its own .git git would take the user's repository around it.
        return git(self.tree, f"--git-dir={self.tree / '.git'}", "--work-tree=.", *command)

    def _borrows_from_root(self) -> bool:
        alternates = self.tree / ".git" / "objects" / "info" / "alternates"
        objects = Path(git(self.root, "rev-parse", "--git-common-dir")) / "objects"
        return (
            alternates.exists()
            and Path(alternates.read_text().strip()).resolve() == (self.root / objects).resolve()
        )

    def _clone(self) -> None:
        shutil.rmtree(self.tree, ignore_errors=True)
        part = self.tree.with_name("workspace.part")
        shutil.rmtree(part, ignore_errors=True)
        git(self.root, "clone", "--quiet", "--shared", "--no-checkout", str(self.root), str(part))
        git(part, "config", "user.name", "refcolor")
        git(part, "config", "user.email", "refcolor@localhost")
        git(part, "checkout", "--quiet", "--detach", "HEAD")
        if (self.root / ".dvc" / "config.local").exists():
            shutil.copy(self.root / ".dvc" / "config.local", part / ".dvc" / "config.local")
        cache = output_of([*_dvc_command(), "cache", "dir"], self.root).splitlines()[-1]
        output_of([*_dvc_command(), "config", "--local", "cache.dir", cache], part)
        os.replace(part, self.tree)

    def _note(self, attempt: Attempt) -> None:
        with replacing(self._attempt) as temporary:
            temporary.write_text(json.dumps({"key": attempt.key, "seconds": dict(attempt.seconds)}))

    def _references(self, experiment: str) -> list[str]:
        pattern = f"refs/exps/*/*/{experiment}"
        return self._git("for-each-ref", "--format=%(refname)", pattern).splitlines()

    def _dvc(self, *arguments: str, study: str, experiment: str) -> Failure | None:
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "DVC_ROOT": str(self.root),
            "DVC_EXP_NAME": experiment,
            "DVC_EXP_BASELINE_REV": self.commit,
            STUDY_VARIABLE: study,
        }
        # A session of its own: Ctrl-C and SIGTERM come by way of us, one after the other. The lock
        # goes along: a command that outlives a killed runner keeps the next one waiting.
        process = subprocess.Popen(
            [*_dvc_command(), *arguments],
            cwd=self.tree,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(self._lock.fileno(),),
        )
        assert process.stdout is not None
        said = b""
        try:
            while chunk := os.read(process.stdout.fileno(), 4096):
                sys.stdout.buffer.write(chunk)
                sys.stdout.flush()
                said = (said + chunk)[-TAIL:]
            code = process.wait()
        except BaseException:
            _stop(process)
            raise
        return verdict(code, said.decode(errors="replace"))


@contextmanager
def opened(root: Path) -> Iterator[Workspace]:
    """Open the workspace of a repository; one study at a time, another one waits.

    root: the folder of the user's repository.
    """
    home = _home(root)
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("a study runs here already, or finishes a stage; waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield Workspace(root, lock)


def _home(root: Path) -> Path:
    return root / ".refcolor" / "study"


def _dvc_command() -> list[str]:
    return [sys.executable, "-m", "dvc"]


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End a command and its stage as Ctrl-C would, and after a while as a kill would."""
    for sent, patience in ((signal.SIGINT, PATIENCE), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, sent)
            process.wait(patience)
            return
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return
