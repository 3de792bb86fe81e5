"""The state of an open page: pictures, the selected spot, matches, and the last result."""

import base64
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path, PurePath

import numpy as np
from PIL import Image

from refcolor.colorize.colored import Colored
from refcolor.colorize.documents import read_page
from refcolor.colorize.hints import Hint, Match
from refcolor.colorize.reference import in_color
from refcolor.io import image
from refcolor.io.image import Picture
from refcolor.prepare.palette import palette

VIEW_SIDE = 1600  # pixels; the page shows pictures at most at this size, enlarged up to 4 times
THUMB_SIDE = 128
PALETTE = 12  # colours of a reference, at most


@dataclass(frozen=True, eq=False)
class Sheet:
    """An uploaded picture, and the reduced copies that the page shows."""

    name: str
    data: bytes = field(repr=False)
    width: int
    height: int
    view: str = field(repr=False)  # data: address, at most VIEW_SIDE wide and high
    thumb: str = field(repr=False)

    @classmethod
    def read(cls, name: str, data: bytes) -> "Sheet":
        """Decode a picture, or the merged picture of a PSD or OpenRaster file, when it is uploaded.

        name: of the file; folders are removed.  data: the bytes of the file.
        Raises PictureError as `image.read` and `read_page` do.
        """
        page, _ = read_page(data)
        if isinstance(page, np.ndarray):
            picture = in_color(page)
        else:
            picture = image.read(data)
        height, width = picture.shape[:2]
        return cls(
            name=PurePath(name).name or "picture",
            data=data,
            width=width,
            height=height,
            view=address_of(picture, VIEW_SIDE),
            thumb=address_of(picture, THUMB_SIDE),
        )

    @cached_property
    def picture(self) -> Picture:
        """The pixels of the view, (H, W, 3) uint8, at most 8 MB."""
        encoded = self.view.partition(",")[2]
        return image.read(base64.b64decode(encoded))

    def color_at(self, x: float, y: float) -> str:
        """Return the colour at a point, in pixels of the original, as #rrggbb."""
        height, width = self.picture.shape[:2]
        column = min(width - 1, max(0, int(x * width / self.width)))
        row = min(height - 1, max(0, int(y * height / self.height)))
        return "#" + bytes(self.picture[row, column]).hex()

    @cached_property
    def palette(self) -> list[str]:
        """The most frequent colours, as #rrggbb, at most PALETTE of them."""
        pixels = image.fit(self.picture, THUMB_SIDE, enlarge=False).reshape(-1, 3)
        frequent = palette(pixels, swatches=PALETTE).frequent
        return ["#" + bytes(color).hex() for color, _ in frequent]


@dataclass(frozen=True, eq=False)
class Result:
    """A coloured drawing with its inputs.

    options: working size in pixels, whether the page was flattened, whether colours are flat.
    """

    drawing: Sheet
    references: tuple[Sheet, ...]
    matches: tuple[Hint | Match, ...]
    options: tuple[int, bool, bool]
    colored: Colored
    view: str = field(repr=False)


@dataclass(frozen=True)
class Entry:
    """A drawing of a folder: its uploaded file, and the matches that it had when it was left."""

    path: Path
    matches: tuple[Hint | Match, ...] = ()


@dataclass(frozen=True)
class Scene:
    """The immutable state of a page; an action returns a new scene.

    earlier: the matches before each change, which undo brings back.
    folder: of the drawings when several were uploaded. at: index of the one that the page shows.
    """

    drawing: Sheet | None = None
    references: tuple[Sheet, ...] = ()
    chosen: int = 0  # index of the reference that the page shows
    spot: tuple[float, float] | None = None  # the selected point, in pixels of the drawing
    matches: tuple[Hint | Match, ...] = ()
    earlier: tuple[tuple[Hint | Match, ...], ...] = ()
    folder: tuple[Entry, ...] = ()
    at: int = 0
    result: Result | None = None

    def is_colored(self, options: tuple[int, bool, bool]) -> bool:
        """Whether the result was made from the scene's pictures and matches with these options."""
        result = self.result
        return (
            result is not None
            and result.drawing is self.drawing
            and (result.references, result.matches) == (self.references, self.matches)
            and result.options == options
        )

    @property
    def reference(self) -> Sheet | None:
        """The chosen reference."""
        return self.references[self.chosen] if self.references else None

    @property
    def current_result(self) -> Result | None:
        """The result, if it was computed from the drawing and the references of this scene."""
        result = self.result
        same = result and result.drawing is self.drawing and result.references == self.references
        return result if same else None


def address_of(picture: Picture, side: int) -> str:
    """Encode a picture as a data: address, with a longer side of at most `side` pixels.

    picture: (H, W, 3) uint8.
    """
    small = image.fit(picture, side, enlarge=False)
    file = BytesIO()
    Image.fromarray(small).save(file, format="WEBP", quality=92, method=2)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
