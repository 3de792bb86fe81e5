"""Everybody who has the page open: what each one looks at, and the files made for each."""

import re
import secrets
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from refcolor.app.samples import Samples
from refcolor.app.scene import Scene, Sheet
from refcolor.colorize.colorizer import Colorizer
from refcolor.errors import RefcolorError

MAX_PAGES = 32  # a page holds its pictures in memory; the one that was opened first goes first

# Gradio puts an upload into a folder named after its SHA-256.
_UPLOAD = re.compile("[0-9a-f]{64}")


@dataclass
class Page:
    """One open page. Its scene is replaced, never changed.

    picture: the file of the newest result; its layers are written beside it.
    """

    scene: Scene
    folder: Path
    picture: Path | None = None
    coloring: threading.Lock = field(default_factory=threading.Lock)


class Studio:
    """The colorizer, the samples, and the open pages."""

    def __init__(self, colorizer: Colorizer, samples: Samples, folder: Path) -> None:
        """folder: where Gradio keeps its files; everything in it belongs to this studio."""
        self.colorizer, self.samples = colorizer, samples
        self._folder = folder.resolve()
        self._pages: dict[str, Page] = {}

    def open(self, key: str | None) -> Page:
        """Begin a page with the samples; key: the name that Gradio gave to it."""
        while len(self._pages) >= MAX_PAGES:
            self.close(next(iter(self._pages)))
        folder = self._folder / f"page-{secrets.token_hex(16)}"
        folder.mkdir(mode=0o700)
        page = self._pages[str(key)] = Page(self.samples.first(), folder)
        return page

    def page(self, key: str | None) -> Page:
        """Find an open page. Raises RefcolorError when it was closed in between."""
        try:
            return self._pages[str(key)]
        except KeyError:
            raise RefcolorError(
                "the page was closed in between, and its pictures are gone; load it again"
            ) from None

    def close(self, key: str | None) -> None:
        """Forget a page: its pictures, its results and its files."""
        page = self._pages.pop(str(key), None)
        if page:
            shutil.rmtree(page.folder, ignore_errors=True)

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
