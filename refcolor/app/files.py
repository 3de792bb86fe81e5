"""The files that a page hands out: the picture, its layers, and a Photoshop document."""

import re
import shutil
import tempfile
from pathlib import Path, PurePath

from refcolor.app.scene import Result
from refcolor.colorize.layers import write_layers as write_png_layers
from refcolor.colorize.layers import write_psd

DOWNLOADS = {
    "picture": "Picture",
    "colors": "Colours",
    "lines": "Lines",
    "psd": "PSD",
}


def write_picture(folder: Path, result: Result) -> Path:
    """Write the coloured drawing as PNG; the files of the result before are removed.

    folder: the home of one open page.
    """
    for old in folder.iterdir():
        shutil.rmtree(old)
    # A folder of its own, so that no browser takes a new result for the last one.
    home = Path(tempfile.mkdtemp(dir=folder))
    path = home / f"{_stem(result)}_colored.png"
    result.colored.save(path)
    return path


def write_layers(picture: Path, result: Result) -> dict[str, Path]:
    """Write colours, lines, and both in a PSD, beside the picture."""
    home, stem = picture.parent, _stem(result)
    drawing, colors = result.colored.drawing, result.colored.colors
    color_layer, line_layer = write_png_layers(home, stem, colors, drawing)
    psd = home / f"{stem}.psd"
    write_psd(psd, colors, drawing)
    return {"colors": color_layer, "lines": line_layer, "psd": psd}


def _stem(result: Result) -> str:
    stem = re.sub(r"[^\w.-]+", "_", PurePath(result.drawing.name).stem)
    return stem.strip("._")[:60] or "drawing"
