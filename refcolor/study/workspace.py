"""The checkout of the committed code in which a study runs, apart from the user's working tree.

It is a clone that shares DVC's cache, MLflow's store and the checkpoints with the user's
repository. Finished experiments are fetched into the user's repository.
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
        """Check out a commit; outputs of earlier runs stay in the tree."""
        self.commit = commit
        if not self.tree.exists():
            self._clone()
        edited = self._git("status", "--porcelain", "--", *CODE)
        if edited or self._git("rev-parse", "HEAD") != commit:
            self._attempt.unlink(missing_ok=True)
            self._git("fetch", "--quiet", str(self.root), "HEAD")
            self._git("checkout", "--quiet", "--force", "--detach", commit)
            self._git("clean", "--quiet", "--force", "-d")
        # Each time, because the repository may have been moved.
        (self.tree / ".dvc" / "config.local").unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            shutil.copy(self.root / ".dvc" / "config.local", self.tree / ".dvc" / "config.local")
        cache = output_of([*DVC, "cache", "dir"], self.root).splitlines()[-1]
        output_of([*DVC, "config", "--local", "cache.dir", cache], self.tree)
        # A killed DVC leaves its rwlock; the workspace's lock guarantees that no DVC runs here.
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
        """Begin a run, or continue that of the last session.

        A new run removes train and evaluate from dvc.lock, which are of another run.
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
        """Save the outputs as a DVC experiment, and fetch it into the user's repository."""
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
        # Explicit, because without its own .git git would use the user's repository around it.
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
        # A new process session, so that only this process passes on Ctrl-C and SIGTERM. The command
        # inherits the lock, so that it blocks the next runner even if this process is killed.
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
    """Open the workspace of a repository; wait while another study uses it.

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
    """Stop a command and its stage with SIGINT, and after PATIENCE seconds with SIGKILL."""
    for sent, patience in ((signal.SIGINT, PATIENCE), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, sent)
            process.wait(patience)
            return
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return
