"""The downloads of a page: the picture, its layers, and documents for a paint program."""

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
    "ora": "ORA",
}


def write_files(folder: Path, result: Result) -> dict[str, Path]:
    """Write a result as picture, layers and documents, and remove the files of the previous result.

    folder: for the results of the open page.  Returns a path for each of DOWNLOADS.
    """
    shutil.rmtree(folder, ignore_errors=True)  # Windows keeps a file that a browser still reads
    folder.mkdir(exist_ok=True)
    # A new folder for each result, because browsers cache files by their address.
    target = Path(tempfile.mkdtemp(dir=folder))
    stem = re.sub(r"[^\w.-]+", "_", PurePath(result.drawing.name).stem).strip("._")[:60]
    stem = stem or "drawing"
    picture, psd, ora = (target / f"{stem}{end}" for end in ("_colored.png", ".psd", ".ora"))
    result.colored.save(picture)
    result.colored.save_layers(target, stem)
    result.colored.save_psd(psd)
    result.colored.save_ora(ora)
    colors, lines = layer_files(target, stem)
    return {"picture": picture, "colors": colors, "lines": lines, "psd": psd, "ora": ora}
