"""Draw line art of pictures, for `refcolor sketch`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from refcolor.colorize.folders import find_pictures
from refcolor.errors import PictureError, UsageError
from refcolor.io import image
from refcolor.lines.sketch import PRESETS, flag, ink_share, sketch_picture
from refcolor.sources.naming import file_name
from refcolor.workers.parallel import map_pictures

MAX_SIZE = 8192  # pixels of the longer side


@dataclass(frozen=True)
class Drawn:
    """The outcome of `draw_line_art`.

    drawn, skipped: numbers of files written, and of files that existed.
    failed: a line for each picture that could not be drawn. flagged: a line for each drawing with
    too little or too much ink, which is written too.
    """

    drawn: int
    skipped: int
    failed: tuple[str, ...]
    flagged: tuple[str, ...]


@dataclass(frozen=True)
class _Job:
    source: Path
    target: Path
    preset: str


def draw_line_art(
    sources: Sequence[Path],
    out: Path,
    *,
    presets: Sequence[str],
    size: int | None = None,
    force: bool = False,
    workers: int = 0,
) -> Drawn:
    """Draw pictures as line art (XDoG), in parallel; a picture that fails does not stop the others.

    sources: files and folders. out: folder of the drawings `<name>.png`, with a subfolder for each
    preset if there are several. Existing files are skipped, unless `force`.
    presets: names of `sketch.PRESETS`, with their fixed settings, so that a drawing does not depend
    on the name of its picture. (The pipeline draws sigma and k at random around these.)
    size: longer side in pixels to which a picture is scaled first; None keeps its size. sigma is in
    pixels, so that lines are relatively fine in a large picture and coarse in a small one.
    Raises UsageError for sources or a size that cannot be used.
    """
    if size is not None and not 1 <= size <= MAX_SIZE:
        raise UsageError(f"--size must be 1 to {MAX_SIZE} pixels, got {size}")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; name a folder for the drawings with -o")
    pictures = find_pictures(sources, exclude=out)
    jobs = [
        _Job(file, _target(out / preset if len(presets) > 1 else out, name), preset)
        for preset in presets
        for name, file in pictures.items()
    ]
    todo = [job for job in jobs if force or not job.target.exists()]
    for job in todo:
        if job.target.resolve() == job.source.resolve():
            raise UsageError(f"{job.source} would be drawn over; name another folder with -o")
    failed, flagged = [], []
    results = map_pictures(partial(_draw, size=size), todo, workers=workers, label="line art")
    for job, (error, warning) in zip(todo, results, strict=True):
        if error:
            failed.append(error)
        elif warning:
            flagged.append(f"{job.target} {warning}")
    return Drawn(len(todo) - len(failed), len(jobs) - len(todo), tuple(failed), tuple(flagged))


def _target(folder: Path, name: str) -> Path:
    path = folder / name
    return path.with_name(file_name(path.name, ".png"))


def _draw(job: _Job, *, size: int | None) -> tuple[str, str]:
    """Draw a picture; return an error and a warning, empty if there is none."""
    try:
        picture = image.read(job.source)
    except PictureError as error:
        return str(error), ""
    scaled = picture if size is None else image.fit(picture, size)
    drawn = sketch_picture(scaled, PRESETS[job.preset])
    image.write(job.target, drawn)
    ink = ink_share(drawn)
    match flag(ink):
        case "":
            return "", ""
        case "too_dark":
            return "", f"is {ink:.0%} ink, more than a line drawing has"
        case "too_light":
            return "", f"has hardly any lines ({ink:.1%} ink)"
