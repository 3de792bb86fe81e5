"""What one open page holds: pictures, the spot looked at, matches, and the last result."""

import base64
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import PurePath

from PIL import Image

from refcolor.colorize.colorizer import Colored
from refcolor.colorize.hints import PointMatch
from refcolor.io import image
from refcolor.io.image import Picture

MAX_MEGAPIXELS = 50.0
VIEW_SIDE = 1024  # pixels; what a page shows is smaller still, and two such fit any screen
THUMB_SIDE = 128


@dataclass(frozen=True, eq=False)
class Sheet:
    """A picture as it was handed in, and as the page shows it."""

    name: str
    data: bytes = field(repr=False)
    width: int
    height: int
    view: str = field(repr=False)  # data: address, at most VIEW_SIDE wide and high
    thumb: str = field(repr=False)

    @classmethod
    def read(cls, name: str, data: bytes) -> "Sheet":
        """Decode a picture once, so that what cannot be used is refused when it arrives.

        name: the file's name; any folders before it are dropped.  data: the bytes of the file.
        Raises PictureError as `image.read` does.
        """
        picture = image.read(data, max_megapixels=MAX_MEGAPIXELS)
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
        """The pixels, (H, W, 3) uint8: reduced to the size of the view, they cost 3 MB at most."""
        encoded = self.view.partition(",")[2]
        return image.read(base64.b64decode(encoded))

    def color_at(self, x: float, y: float) -> str:
        """Name the colour at a place, given in pixels of the original, as #rrggbb."""
        height, width = self.picture.shape[:2]
        column = min(width - 1, max(0, int(x * width / self.width)))
        row = min(height - 1, max(0, int(y * height / self.height)))
        return "#" + bytes(self.picture[row, column]).hex()


@dataclass(frozen=True, eq=False)
class Result:
    """A coloured drawing, with what it was made from."""

    drawing: Sheet
    references: tuple[Sheet, ...]
    matches: tuple[PointMatch, ...]
    colored: Colored
    view: str = field(repr=False)


@dataclass(frozen=True)
class Scene:
    """What a page shows. Never changed: an action gives another scene."""

    drawing: Sheet | None = None
    references: tuple[Sheet, ...] = ()
    chosen: int = 0  # the reference in view, counted from 0
    spot: tuple[float, float] | None = None  # the place looked at, in pixels of the drawing
    matches: tuple[PointMatch, ...] = ()
    result: Result | None = None

    @property
    def reference(self) -> Sheet | None:
        """The reference in view."""
        return self.references[self.chosen] if self.references else None

    @property
    def explained(self) -> Result | None:
        """The result, while the pictures that it was made from are still the ones in view."""
        result = self.result
        same = result and result.drawing is self.drawing and result.references == self.references
        return result if same else None


def address_of(picture: Picture, side: int) -> str:
    """Write a picture into a data: address, no wider and no higher than `side`.

    picture: (H, W, 3) uint8.
    """
    small = image.fit(picture, side, enlarge=False)
    file = BytesIO()
    Image.fromarray(small).save(file, format="WEBP", quality=92, method=2)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
