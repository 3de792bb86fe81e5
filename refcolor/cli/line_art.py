"""Line art for whatever pictures one has: `refcolor sketch`."""

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

LARGEST = 8192  # pixels of the longer side


@dataclass(frozen=True)
class Drawn:
    """What became of a folder of pictures.

    drawn, kept: counts of files written, and of files that were there before.
    failed: what could not be drawn, a line each. flagged: drawings with hardly any ink or with too
    much of it, a line each; they are written all the same.
    """

    drawn: int
    kept: int
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
    again: bool = False,
    workers: int = 0,
) -> Drawn:
    """Draw pictures as line art (XDoG), in all processes, and go on after a picture that fails.

    sources: files and folders. out: gets `<name>.png`, in a sub-folder for each preset when there
    are several. Files that exist are kept, unless `again`.
    presets: names of `sketch.PRESETS`, with their fixed settings: a picture that is renamed keeps
    its drawing. (The pipeline draws sigma and k anew for each picture, around these.)
    size: pixels of the longer side that a picture is scaled to first, by default its own. sigma is
    in pixels, so a large picture gets fine lines and a small one coarse ones.
    Raises UsageError for sources or a size that cannot be used.
    """
    if size is not None and not 1 <= size <= LARGEST:
        raise UsageError(f"--size must be 1 to {LARGEST} pixels, got {size}")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; name a folder for the drawings with -o")
    pictures = find_pictures(sources, exclude=out)
    jobs = [
        _Job(file, _target(out / preset if len(presets) > 1 else out, name), preset)
        for preset in presets
        for name, file in pictures.items()
    ]
    todo = [job for job in jobs if again or not job.target.exists()]
    for job in todo:
        if job.target.resolve() == job.source.resolve():
            raise UsageError(f"{job.source} would be drawn over; name another folder with -o")
    failed, flagged = [], []
    one = partial(_draw, size=size)
    for job, (error, warning) in zip(
        todo, map_pictures(one, todo, workers=workers, label="line art"), strict=True
    ):
        if error:
            failed.append(error)
        elif warning:
            flagged.append(f"{job.target} {warning}")
    return Drawn(len(todo) - len(failed), len(jobs) - len(todo), tuple(failed), tuple(flagged))


def _target(folder: Path, name: str) -> Path:
    path = folder / name
    return path.with_name(file_name(path.name, ".png"))


def _draw(job: _Job, *, size: int | None) -> tuple[str, str]:
    """Draw one picture; returns what went wrong and what is odd, both empty if nothing is."""
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
