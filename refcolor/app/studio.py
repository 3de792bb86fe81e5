"""Everybody who has the page open: what each one looks at, and the files made for each."""

import re
import secrets
import shutil
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from refcolor.app.files import write_layers, write_picture
from refcolor.app.samples import Samples
from refcolor.app.scene import Result, Scene, Sheet
from refcolor.colorize.colorizer import Colorizer
from refcolor.errors import RefcolorError

MAX_PAGES = 32  # a page holds its pictures in memory; the one that was opened first goes first

# Gradio puts an upload into a folder named after its SHA-256.
_UPLOAD = re.compile("[0-9a-f]{64}")


@dataclass
class Page:
    """One open page. Its scene is replaced, never changed.

    turn: held while a scene is read and the next one takes its place.
    coloring: held while a result is made.
    """

    scene: Scene
    folder: Path
    turn: threading.Lock = field(default_factory=threading.Lock)
    coloring: threading.Lock = field(default_factory=threading.Lock)
    _writing: threading.Lock = field(default_factory=threading.Lock)
    _saved: tuple[Path, Result] | None = None

    def save(self, result: Result) -> Path | None:
        """Write a result's picture in the place of the one before.

        None when the page was closed in between, or has a newer result.
        """
        with self._writing:
            if not self.folder.exists() or self.scene.result is not result:
                return None
            picture = write_picture(self.folder, result)
            self._saved = picture, result
            return picture

    def save_layers(self) -> dict[str, Path]:
        """Write the layers of the result that was saved, beside its picture.

        Empty when the page was closed in between, or nothing was saved.
        """
        with self._writing:
            if not self.folder.exists() or not self._saved:
                return {}
            return write_layers(*self._saved)

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
            page = self._pages[name]
            too_many = list(self._pages)[:-MAX_PAGES]
        for oldest in too_many:
            self.close(oldest)
        return page

    def close(self, key: str | None) -> None:
        """Forget a page: its pictures, its results and its files."""
        with self._lock:
            self._closed.append(str(key))
            page = self._pages.pop(str(key), None)
        if page:
            page.close()

    def close_all(self) -> None:
        """Forget every page: what is being written is waited for, and nothing is written after."""
        with self._lock:
            keys = list(self._pages)
        for key in keys:
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
