"""Everybody who has the page open: what each one looks at, and the files made for each."""

import re
import secrets
import shutil
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from refcolor.app.samples import Samples
from refcolor.app.scene import Scene, Sheet
from refcolor.colorize.colorizer import Colorizer
from refcolor.errors import RefcolorError

MAX_PAGES = 32  # a page holds its pictures in memory; the one that was opened first goes first

# Gradio puts an upload into a folder named after its SHA-256.
_UPLOAD = re.compile("[0-9a-f]{64}")

Written = TypeVar("Written")


@dataclass
class Page:
    """One open page. Its scene is replaced, never changed.

    picture: the file of the newest result; its layers are written beside it.
    """

    scene: Scene
    folder: Path
    picture: Path | None = None
    coloring: threading.Lock = field(default_factory=threading.Lock)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def write(self, make: Callable[[Path], Written]) -> Written | None:
        """Make files in the page's folder; None when the page was closed in between."""
        with self._writing:
            return make(self.folder) if self.folder.exists() else None

    def close(self) -> None:
        """Remove the page's files, once whatever is being written is there."""
        with self._writing:
            shutil.rmtree(self.folder, ignore_errors=True)


class Studio:
    """The colorizer, the samples, and the open pages."""

    def __init__(self, colorizer: Colorizer, samples: Samples, folder: Path) -> None:
        """folder: where Gradio keeps its files; everything in it belongs to this studio."""
        self.colorizer, self.samples = colorizer, samples
        self.model = threading.Lock()  # pages take turns: two large drawings need twice the memory
        self._folder = folder.resolve()
        self._pages: dict[str, Page] = {}
        self._closed: deque[str] = deque(maxlen=1000)
        self._lock = threading.Lock()

    def page(self, key: str | None) -> Page:
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
            if name not in self._pages:
                folder = self._folder / f"page-{secrets.token_hex(16)}"
                folder.mkdir(mode=0o700)
                self._pages[name] = Page(self.samples.first(), folder)
            too_many = list(self._pages)[:-MAX_PAGES]
        for oldest in too_many:
            self.close(oldest)
        return self._pages[name]

    def close(self, key: str | None) -> None:
        """Forget a page: its pictures, its results and its files."""
        with self._lock:
            self._closed.append(str(key))
            page = self._pages.pop(str(key), None)
        if page:
            page.close()

    def close_all(self) -> None:
        """Forget every page: what is being written is waited for, and nothing is written after."""
        for key in list(self._pages):
            self.close(key)

    def receive(self, paths: Sequence[str]) -> list[Sheet]:
        """Read uploaded files and remove them: from here on they are in memory only.

        Raises PictureError for what is no picture, RefcolorError for what was no upload.
        """
        files = [self._uploaded(path) for path in paths]
        try:
            return [Sheet.read(file.name, file.read_bytes()) for file in files]
        finally:
            for file in files:
                shutil.rmtree(file.parent, ignore_errors=True)

    def _uploaded(self, path: str) -> Path:
        # The page says where its upload lies, and a page can say anything.
        file = Path(path).resolve()
        home = file.parent
        if home.parent != self._folder or not _UPLOAD.fullmatch(home.name) or not file.is_file():
            raise RefcolorError("this file was not uploaded here; choose it again")
        return file
