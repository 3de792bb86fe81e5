"""A checkout of the committed code in which a study runs, so that the user's tree stays as it is.

It is a clone that shares DVC's cache, MLflow's store and the checkpoints with the user's
repository. Experiments that finish there are handed over to the user's.
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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ruamel.yaml import YAML

from refcolor.errors import RefcolorError
from refcolor.io.files import replacing, write_json
from refcolor.study.plan import put
from refcolor.study.repository import CODE, git, output_of
from refcolor.study.verdict import Failure, verdict
from refcolor.tracking.session import STUDY_VARIABLE
from refcolor.tracking.stages import PARAMETER_FILE, read_lock

PATIENCE = 60.0  # seconds that a stopped stage has to save its state
TAIL = 20_000  # bytes of a command's output that are kept
DVC = (sys.executable, "-m", "dvc")


class Workspace:
    """The checkout. Only `opened` makes one, because it holds the lock."""

    def __init__(self, root: Path, study: str, lock: IO[str]) -> None:
        """root, study: as for `opened`. lock: an open file that is locked."""
        self.root, self.study, self._lock, self.commit = root, study, lock, ""
        self.tree = _home(root) / "workspace"
        self._attempt = _home(root) / "attempt.json"

    def check_out(self, commit: str) -> None:
        """Bring the tree to a commit; data that it has made stay where they are."""
        self.commit = commit
        if not self.tree.exists():
            self._clone()
        edited = self._git("status", "--porcelain", "--", *CODE)
        if edited or self._git("rev-parse", "HEAD") != commit:
            self._attempt.unlink(missing_ok=True)
            self._git("fetch", "--quiet", str(self.root), "HEAD")
            self._git("checkout", "--quiet", "--force", "--detach", commit)
            self._git("clean", "--quiet", "--force", "-d")
        # Each time, in case that the repository was moved.
        (self.tree / ".dvc" / "config.local").unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            shutil.copy(self.root / ".dvc" / "config.local", self.tree / ".dvc" / "config.local")
        cache = output_of([*DVC, "cache", "dir"], self.root).splitlines()[-1]
        output_of([*DVC, "config", "--local", "cache.dir", cache], self.tree)
        # A killed DVC leaves its own note of who reads and writes; the lock says that it is gone.
        (self.tree / ".dvc" / "tmp" / "rwlock").unlink(missing_ok=True)

    def write_parameters(self, file: Path, values: Mapping[str, object]) -> dict[str, Any]:
        """Write params.yaml: a parameter file, its comments included, with some values changed.

        Returns its content.
        """
        yaml = YAML()
        content: dict[str, Any] = yaml.load(file)
        put(content, values)
        with replacing(self.tree / PARAMETER_FILE) as temporary:
            yaml.dump(content, temporary)
        return content

    @property
    def attempt(self) -> dict[str, Any]:
        """The last sitting's run: its `key`, and seconds of wall time by stage.

        Empty before the first one, and after another commit.
        """
        return json.loads(self._attempt.read_bytes()) if self._attempt.exists() else {}

    def begin(self, key: str) -> None:
        """Begin a run, or go on with the one of the last sitting.

        A new run forgets what dvc.lock knows of train and evaluate, which is not a result of it.
        """
        if self.attempt.get("key") == key:
            return
        lock = read_lock(self.tree)
        for stage in ("train", "evaluate"):
            lock.get("stages", {}).pop(stage, None)
        with replacing(self.tree / "dvc.lock") as temporary:
            YAML().dump(lock, temporary)
        write_json(self._attempt, {"key": key})

    def repro(self, stage: str, *options: str, experiment: str) -> Failure | None:
        """Run `dvc repro` of a stage; returns how a stage failed, None when all is done.

        Raises KeyboardInterrupt when the stage was stopped, and RefcolorError when DVC failed or
        the stage ended for a reason outside the experiment: the system killed it, or a file could
        not be written.
        """
        start = time.monotonic()
        try:
            return self._dvc("repro", *options, stage, experiment=experiment)
        finally:
            if attempt := self.attempt:
                spent = attempt.get(stage, 0.0) + time.monotonic() - start
                write_json(self._attempt, attempt | {stage: spent})

    def save(self, experiment: str) -> None:
        """Make a DVC experiment of what is there, and hand it to the user's repository."""
        for reference in self._references(experiment):
            self._git("update-ref", "-d", reference)
        failed = self._dvc("exp", "run", "--name", experiment, experiment=experiment)
        if failed:
            raise RefcolorError(f"{experiment} could not be saved: {failed.message}")
        for reference in self._references(experiment):
            git(self.root, "fetch", "--quiet", str(self.tree), f"+{reference}:{reference}")

    def _clone(self) -> None:
        part = self.tree.with_name("workspace.part")
        shutil.rmtree(part, ignore_errors=True)
        git(self.root, "clone", "--quiet", "--no-checkout", str(self.root), str(part))
        git(part, "config", "user.name", "refcolor")
        git(part, "config", "user.email", "refcolor@localhost")
        git(part, "checkout", "--quiet", "--detach", "HEAD")
        os.replace(part, self.tree)

    def _git(self, *command: str) -> str:
        # Named outright: without its own .git git would take the user's repository around it.
        return git(self.tree, f"--git-dir={self.tree / '.git'}", "--work-tree=.", *command)

    def _references(self, experiment: str) -> list[str]:
        pattern = f"refs/exps/*/*/{experiment}"
        return self._git("for-each-ref", "--format=%(refname)", pattern).splitlines()

    def _dvc(self, *arguments: str, experiment: str) -> Failure | None:
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "DVC_ROOT": str(self.root),
            "DVC_EXP_NAME": experiment,
            "DVC_EXP_BASELINE_REV": self.commit,
            STUDY_VARIABLE: self.study,
        }
        # A session of its own: Ctrl-C and SIGTERM come by way of us, one after the other. The lock
        # goes along: a command that outlives a killed runner keeps the next one waiting.
        process = subprocess.Popen(
            [*DVC, *arguments],
            cwd=self.tree,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(self._lock.fileno(),),
        )
        assert process.stdout is not None
        output = b""
        try:
            while chunk := os.read(process.stdout.fileno(), 4096):
                sys.stdout.buffer.write(chunk)
                sys.stdout.flush()
                output = (output + chunk)[-TAIL:]
            code = process.wait()
        except BaseException:
            _stop(process)
            raise
        return verdict(code, output.decode(errors="replace"))


@contextmanager
def opened(root: Path, study: str) -> Iterator[Workspace]:
    """Open the workspace of a repository; one study at a time, another one waits.

    root: the folder of the user's repository. study: its name.
    """
    home = _home(root)
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("a study runs here already, or finishes a stage; waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield Workspace(root, study, lock)


def _home(root: Path) -> Path:
    return root / ".refcolor" / "study"


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
