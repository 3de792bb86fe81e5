"""The sessions of open pages: the scene of each, and its files."""

import re
import secrets
import shutil
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from refcolor.app.files import write_files
from refcolor.app.samples import Samples
from refcolor.app.scene import Result, Scene, Sheet
from refcolor.colorize.colorizer import Colorizer
from refcolor.errors import RefcolorError

MAX_PAGES = 32  # their pictures are in memory; beyond it the oldest page is closed

# Gradio puts an upload into a folder named after its SHA-256.
_UPLOAD = re.compile("[0-9a-f]{64}")


@dataclass
class Session:
    """An open page.

    scene_lock: held while an action reads the scene and replaces it.
    coloring: held while a result is computed.
    """

    scene: Scene
    folder: Path
    scene_lock: threading.Lock = field(default_factory=threading.Lock)
    coloring: threading.Lock = field(default_factory=threading.Lock)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def save(self, result: Result) -> dict[str, Path]:
        """Write the files of a result, which replace those of the previous one.

        Returns no paths when the page was closed meanwhile or has a newer result.
        """
        with self._writing:
            if not self.folder.exists() or self.scene.result is not result:
                return {}
            return write_files(self.folder, result)

    def close(self) -> None:
        """Remove the page's files, after a running write has ended."""
        with self._writing:
            shutil.rmtree(self.folder, ignore_errors=True)


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

    def receive(self, paths: Sequence[str]) -> list[Sheet]:
        """Read uploaded files into memory and delete them.

        Raises PictureError for a file that is not a picture, RefcolorError for a path that is not
        an upload.
        """
        files = [self._uploaded(path) for path in paths]
        try:
            return [Sheet.read(file.name, file.read_bytes()) for file in files]
        finally:
            for file in files:
                file.unlink(missing_ok=True)
                with suppress(OSError):  # not empty: another upload has the same content
                    file.parent.rmdir()

    def _uploaded(self, path: str) -> Path:
        # The path comes from the browser, which is not trusted.
        file = Path(path).resolve()
        folder = file.parent
        is_upload = folder.parent == self._folder and _UPLOAD.fullmatch(folder.name)
        if not is_upload or not file.is_file():
            raise RefcolorError("this file was not uploaded here; choose it again")
        return file
