"""The files that a page hands out: the picture, its layers, and a Photoshop document."""

import re
import shutil
import tempfile
from pathlib import Path, PurePath

from refcolor.app.scene import Result
from refcolor.colorize.layers import layer_files

DOWNLOADS = {
    "picture": "Picture",
    "colors": "Colours",
    "lines": "Lines",
    "psd": "PSD",
}


def write_files(folder: Path, result: Result) -> dict[str, Path]:
    """Write a result as picture, layers and PSD; the files of the result before are removed.

    folder: that of one open page.  Returns a path for each of DOWNLOADS.
    """
    for old in folder.iterdir():
        shutil.rmtree(old)
    # A folder of its own, so that no browser takes a new result for the last one.
    home = Path(tempfile.mkdtemp(dir=folder))
    stem = re.sub(r"[^\w.-]+", "_", PurePath(result.drawing.name).stem).strip("._")[:60]
    stem = stem or "drawing"
    picture, psd = home / f"{stem}_colored.png", home / f"{stem}.psd"
    result.colored.save(picture)
    result.colored.save_layers(home, stem)
    result.colored.save_psd(psd)
    colors, lines = layer_files(home, stem)
    return {"picture": picture, "colors": colors, "lines": lines, "psd": psd}
