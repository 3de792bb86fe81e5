"""The open pages: what each of them shows, and the files written for each."""

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

MAX_PAGES = 32  # a page holds its pictures in memory; the one that was opened first goes first

# Gradio puts an upload into a folder named after its SHA-256.
_UPLOAD = re.compile("[0-9a-f]{64}")


@dataclass
class Session:
    """One open page. Its scene is replaced, never changed.

    turn: held while a scene is read and the next one takes its place.
    coloring: held while a result is made.
    """

    scene: Scene
    folder: Path
    turn: threading.Lock = field(default_factory=threading.Lock)
    coloring: threading.Lock = field(default_factory=threading.Lock)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def save(self, result: Result) -> dict[str, Path]:
        """Write the files of a result in the place of those of the one before.

        Empty when the page was closed in between, or has a newer result.
        """
        with self._writing:
            if not self.folder.exists() or self.scene.result is not result:
                return {}
            return write_files(self.folder, result)

    def close(self) -> None:
        """Remove the page's files, once whatever is being written is there."""
        with self._writing:
            shutil.rmtree(self.folder, ignore_errors=True)


class Sessions:
    """The colorizer, the samples, and the open pages."""

    def __init__(self, colorizer: Colorizer, samples: Samples, folder: Path) -> None:
        """folder: where Gradio keeps its files; everything in it belongs to these pages."""
        self.colorizer, self.samples = colorizer, samples
        self.model = threading.Lock()  # pages take turns: two large drawings need twice the memory
        self._folder = folder.resolve()
        self._open: dict[str, Session] = {}
        self._closed: deque[str] = deque(maxlen=1000)
        self._lock = threading.Lock()

    def get(self, key: str | None) -> Session:
        """Find an open page, or begin one with the samples.

        key: the name that Gradio gave to it.
        Raises RefcolorError for a page that was closed: its pictures are gone.
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
        """Forget a page: its pictures, its results and its files."""
        with self._lock:
            self._closed.append(str(key))
            session = self._open.pop(str(key), None)
        if session:
            session.close()

    def close_all(self) -> None:
        """Forget every page: what is being written is waited for, and nothing is written after."""
        with self._lock:
            keys = list(self._open)
        for key in keys:
            self.close(key)

    def receive(self, paths: Sequence[str]) -> list[Sheet]:
        """Read uploaded files and remove them: from here on they are in memory only.

        Raises PictureError for what is not a picture, RefcolorError for what was not uploaded.
        """
        files = [self._uploaded(path) for path in paths]
        try:
            return [Sheet.read(file.name, file.read_bytes()) for file in files]
        finally:
            for file in files:
                file.unlink(missing_ok=True)
                with suppress(OSError):  # the same picture under another name is there too
                    file.parent.rmdir()

    def _uploaded(self, path: str) -> Path:
        # The page says where its upload lies, and a page can say anything.
        file = Path(path).resolve()
        home = file.parent
        if home.parent != self._folder or not _UPLOAD.fullmatch(home.name) or not file.is_file():
            raise RefcolorError("this file was not uploaded here; choose it again")
        return file
