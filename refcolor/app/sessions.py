"""The sessions of open pages: the scene of each, and its files."""

import re
import secrets
import shutil
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from refcolor.app.files import write_files
from refcolor.app.messages import refusal_text
from refcolor.app.samples import Samples
from refcolor.app.scene import Result, Scene, Sheet
from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.jobs import Failure
from refcolor.errors import PictureError, RefcolorError

MAX_PAGES = 32  # their pictures are in memory; beyond it the oldest page is closed

# Gradio puts an upload into a folder named after its SHA-256.
_UPLOAD = re.compile("[0-9a-f]{64}")


@dataclass
class Session:
    """An open page.

    scene_lock: held while an action reads the scene and replaces it.
    coloring: held while a result, or those of a folder, are computed.
    in_folder: whether they are those of a folder.  stop: ends that.
    """

    scene: Scene
    folder: Path
    scene_lock: threading.Lock = field(default_factory=threading.Lock)
    coloring: threading.Lock = field(default_factory=threading.Lock)
    in_folder: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def drawings(self) -> Path:
        """Where the uploads of a folder are."""
        return self.folder / "drawings"

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """Keep the page from closing while files are written; yield whether it is still open."""
        with self._writing:
            yield self.folder.exists()

    def save(self, result: Result) -> dict[str, Path]:
        """Write the files of a result, which replace those of the previous one.

        Returns no paths when the page was closed meanwhile or has a newer result.
        """
        with self.writing() as is_open:
            if not is_open or self.scene.result is not result:
                return {}
            return write_files(self.folder / "result", result)

    def close(self) -> None:
        """Remove the page's files, after a running write has ended."""
        self.stop.set()
        with self._writing:
            shutil.rmtree(self.folder, ignore_errors=True)


def remove_uploads(files: Iterable[Path]) -> None:
    """Delete uploaded files, and their folders."""
    for file in files:
        file.unlink(missing_ok=True)
        with suppress(OSError):  # not empty: another upload has the same content
            file.parent.rmdir()


class Sessions:
    """The colorizer, the samples, and the open pages."""

    def __init__(self, colorizer: Colorizer, samples: Samples, folder: Path) -> None:
        """folder: Gradio's folder for files; everything in it belongs to these pages."""
        self.colorizer, self.samples = colorizer, samples
        self.model = threading.Lock()  # one drawing at a time, to limit the memory
        self._folder = folder.resolve()
        self._open: dict[str, Session] = {}
        self._closed: deque[str] = deque(maxlen=1000)
        self._lock = threading.Lock()

    def get(self, key: str | None) -> Session:
        """Return the session of a page; a new one shows the samples.

        key: Gradio's hash of the session.
        Raises RefcolorError for a page that was closed and has lost its pictures.
        """
        name = str(key)
        with self._lock:
            if name in self._closed:
                raise RefcolorError(
                    "the page was closed in between, and its pictures are gone; load it again"
                )
            if name not in self._open:
                folder = self._folder / f"page-{secrets.token_hex(16)}"
                folder.mkdir(mode=0o700)
                self._open[name] = Session(self.samples.first(), folder)
            session = self._open[name]
            too_many = list(self._open)[:-MAX_PAGES]
        for oldest in too_many:
            self.close(oldest)
        return session

    def close(self, key: str | None) -> None:
        """Delete a session with its pictures, results and files."""
        with self._lock:
            self._closed.append(str(key))
            session = self._open.pop(str(key), None)
        if session:
            session.close()

    def close_all(self) -> None:
        """Close all sessions, after running writes have ended; nothing is written afterwards."""
        with self._lock:
            keys = list(self._open)
        for key in keys:
            self.close(key)

    def receive(self, paths: Sequence[str]) -> tuple[list[Sheet], list[Failure]]:
        """Read uploaded files into memory and delete them.

        Returns the pictures, and which files are not pictures.
        Raises PictureError when none is a picture, RefcolorError for a path that is not an upload.
        """
        files = [self.uploaded(path) for path in paths]
        sheets: list[Sheet] = []
        failures: list[Failure] = []
        try:
            for file in files:
                try:
                    sheets.append(Sheet.read(file.name, file.read_bytes()))
                except PictureError as error:
                    if len(failures) + 1 == len(files):
                        raise
                    failures.append(Failure(file.name, refusal_text(error)))
            return sheets, failures
        finally:
            remove_uploads(files)

    def uploaded(self, path: str) -> Path:
        """Return the file of an upload; raise RefcolorError for another path."""
        # The path comes from the browser, which is not trusted.
        file = Path(path).resolve()
        folder = file.parent
        is_upload = folder.parent == self._folder and _UPLOAD.fullmatch(folder.name)
        if not is_upload or not file.is_file():
            raise RefcolorError("this file was not uploaded here; choose it again")
        return file
