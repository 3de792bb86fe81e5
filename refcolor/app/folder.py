"""A folder of drawings: where its uploads are kept, and the zip file of their results."""

import errno
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from zipfile import ZipFile

from refcolor.app.actions import Step, with_matches
from refcolor.app.messages import refusal_text
from refcolor.app.scene import Entry, Scene
from refcolor.app.sessions import Session, Sessions, remove_uploads
from refcolor.colorize.batch import Report
from refcolor.colorize.jobs import Failure
from refcolor.colorize.look import Look
from refcolor.errors import RefcolorError
from refcolor.sources.naming import file_name

MAX_DRAWINGS = 500
ZIP = "colored.zip"
_NOTES = "not-coloured.txt"


def keep_uploads(session: Session, uploads: Sequence[tuple[Path, str]]) -> list[Entry]:
    """Take uploaded drawings into the folder of a page, where they replace earlier ones.

    uploads: each file, and its path in the folder that was chosen, from the browser.
    Returns entries in the order of their names; no two of their results have one name.
    """
    shutil.rmtree(session.drawings, ignore_errors=True)
    names: set[str] = set()
    entries = []
    for relative, file in sorted((_relative(text), file) for file, text in uploads):
        while str(relative.with_suffix("")).casefold() in names:
            relative = relative.with_stem(f"{relative.stem}_2")
        names.add(str(relative.with_suffix("")).casefold())
        target = session.drawings / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)  # the same bytes and name in two folders are one upload
        entries.append(Entry(target))
    remove_uploads(file for file, _ in uploads)
    return entries


def color_folder(
    sessions: Sessions,
    session: Session,
    scene: Scene,
    *,
    size: int,
    clean_lines: bool,
    flat: bool,
    psd: bool,
) -> Iterator[Step | Report]:
    """Colour all drawings of a scene's folder, each with its matches, into a zip file.

    Yields a step before each drawing, and then a report. A drawing that cannot be used is a line
    of the report, and of a text file in the zip, and stops no other. `session.stop` ends it early,
    with what is coloured so far.
    """
    colorizer, report = sessions.colorizer, Report()
    references = [
        colorizer.place_reference(reference.data, size=size) for reference in scene.references
    ]
    entries = with_matches(scene)
    with session.writing() as is_open:
        if not is_open:
            return
        target = session.folder / ZIP
        archive = ZipFile(target, "w")
    with archive:
        for number, entry in enumerate(entries):
            if session.stop.is_set():
                break
            name = entry.path.relative_to(session.drawings)
            yield Step(f"Colouring {number + 1} of {len(entries)} …", number / len(entries))
            try:
                with sessions.model:
                    prepared = colorizer.prepare(
                        entry.path.read_bytes(),
                        references,
                        size=size,
                        matches=entry.matches,
                        clean_lines=clean_lines,
                        look=Look(flat=flat),
                    )
                    (prediction,) = colorizer.run([prepared], with_weights=False)
                    colored = colorizer.finish(prepared, prediction)
                with session.writing() as is_open:
                    if not is_open:
                        return
                    with tempfile.TemporaryDirectory(dir=session.folder) as temporary:
                        files = {name.with_suffix(".png"): colored.save}
                        if psd:
                            files[name.with_suffix(".psd")] = colored.save_psd
                        for inside, save in files.items():
                            save(Path(temporary, inside.name))
                            archive.write(Path(temporary, inside.name), inside)
            except RefcolorError as error:
                report.failures.append(Failure(name.as_posix(), refusal_text(error)))
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    raise RefcolorError(
                        "the disk is full; make room, and colour fewer drawings at once"
                    ) from error
                report.failures.append(Failure(name.as_posix(), str(error.strerror)))
            else:
                report.done += 1
        if not session.folder.exists():
            return
        if report.failures:
            archive.writestr(_NOTES, "\n".join(report.lines(max_names=len(entries))) + "\n")
    yield report


def describe(report: Report, count: int) -> str:
    """Return the outcome as lines: how many of `count` drawings are coloured, and what failed."""
    stopped = count - report.done - len(report.failures)
    first = f"Coloured {report.done} of {count}; save them as a zip file."
    if stopped:
        first += f" You stopped before the other {stopped}."
    return "\n".join([first, *report.lines()])


def _relative(text: str) -> Path:
    parts = [part for part in re.split(r"[\\/]", text) if part.strip(". ")] or ["drawing"]
    *folders, name = (re.sub(r'[<>:"|?*\x00-\x1f]', "_", part) for part in parts)
    suffix = Path(name).suffix[:16]
    stem = file_name(name.removesuffix(suffix), suffix + "_2_2_2")[: -len("_2_2_2")]
    return Path(*(file_name(folder, "") for folder in folders), stem)
