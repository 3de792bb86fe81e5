"""A folder of drawings: what it is called, and what its zip file holds."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from refcolor.app.actions import Step
from refcolor.app.folder import ZIP, color_folder, describe, keep_uploads
from refcolor.app.scene import Entry
from refcolor.app.sessions import Session, Sessions
from refcolor.colorize.batch import Report
from refcolor.colorize.hints import PointColor
from refcolor.colorize.jobs import Failure

from ..colorize.material import line_art
from .conftest import png

DRAWINGS = {
    "book/1/04.png": png(line_art(70, 50)),
    "book/1/04.jpg": png(line_art(50, 70)),
    "book/../../etc/x:y.png": b"not a picture",
    "book/2/04.png": png(line_art(70, 50)),  # as book/1/04.png, one upload for the server
}


@pytest.fixture
def session(sessions: Sessions, tmp_path: Path) -> Session:
    """Give a page with a folder of four drawings, of which one is broken."""
    uploads = []
    for name, data in DRAWINGS.items():
        file = tmp_path / sha256(data).hexdigest() / "04.png"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
        uploads.append((file, name))
    session = sessions.get("a")
    session.scene = replace(session.scene, folder=tuple(keep_uploads(session, uploads)))
    return session


def color_all(sessions: Sessions, session: Session) -> Iterator[Step | Report]:
    """Colour the folder of a page in flat colours, with PSD files."""
    return color_folder(
        sessions, session, session.scene, size=32, clean_lines=False, flat=True, psd=True
    )


def test_uploads_keep_their_places_and_leave_no_folder(session: Session, tmp_path: Path) -> None:
    """Folders stay, names that would lead outside do not, and no two results have one name."""
    names = [entry.path.relative_to(session.drawings).as_posix() for entry in session.scene.folder]
    assert names == ["book/1/04.jpg", "book/1/04_2.png", "book/2/04.png", "book/etc/x_y.png"]
    assert list(tmp_path.iterdir()) == [session.folder]
    (tmp_path / "a").mkdir()
    (tmp_path / "a/next").write_bytes(b"")
    (entry,) = keep_uploads(session, [(tmp_path / "a/next", "../" * 3 + "x" * 400)])
    assert entry.path.parent == session.drawings
    assert [file for file in session.drawings.rglob("*") if file.is_file()] == [entry.path]


def test_the_zip_holds_every_drawing_and_names_those_that_failed(
    sessions: Sessions, session: Session
) -> None:
    """Pictures and PSD files in their folders, with the matches of each; a line for the broken."""
    first, *others = session.scene.folder
    spot = PointColor(25, 35, "#3a7bd5")
    session.scene = replace(session.scene, folder=(first, *others), matches=(spot,))
    *steps, report = color_all(sessions, session)
    assert [step.text for step in steps if isinstance(step, Step)] == [
        f"Colouring {number} of 4 …" for number in (1, 2, 3, 4)
    ]
    assert isinstance(report, Report) and report.done == 3
    lines = describe(report, 4).splitlines()
    assert lines[0] == "Coloured 3 of 4; save them as a zip file."
    assert lines[1].startswith("book/etc/x_y.png: This is not a picture")
    with ZipFile(session.folder / ZIP) as archive:
        stems = ("book/1/04", "book/1/04_2", "book/2/04")
        assert set(archive.namelist()) == {
            "not-coloured.txt",
            *(f"{stem}{end}" for stem in stems for end in (".png", ".psd")),
        }
        assert archive.read("not-coloured.txt").decode() == lines[1] + "\n"
        with archive.open("book/1/04.png") as file:
            shown = np.array(Image.open(file))
    reference = sessions.samples.references[0].data
    expected = sessions.colorizer.colorize(
        DRAWINGS["book/1/04.jpg"], reference, size=32, matches=[spot]
    )
    assert np.array_equal(shown, expected.picture)


def test_a_folder_can_be_stopped(sessions: Sessions, session: Session) -> None:
    """What was coloured until then is in the zip."""
    running = color_all(sessions, session)
    next(running)
    session.stop.set()
    (report,) = running
    assert isinstance(report, Report)
    assert describe(report, 4) == (
        "Coloured 1 of 4; save them as a zip file. You stopped before the other 3."
    )
    assert ZipFile(session.folder / ZIP).namelist() == ["book/1/04.png", "book/1/04.psd"]


def test_a_closed_page_colours_no_further(sessions: Sessions, session: Session) -> None:
    """Nothing is written after its files were removed."""
    running = color_all(sessions, session)
    next(running)
    sessions.close("a")
    assert not any(isinstance(item, Report) for item in running)
    assert not session.folder.exists()


def test_300_failures_are_one_line_for_each_reason() -> None:
    """The first names are given, and how many more there are."""
    report = Report(done=7, failures=[Failure(f"{k}.png", "It is empty.") for k in range(300)])
    assert describe(report, 307).splitlines() == [
        "Coloured 7 of 307; save them as a zip file.",
        "0.png, 1.png, 2.png and 297 more: It is empty.",
    ]


def test_a_drawing_that_is_gone_is_reported(sessions: Sessions, session: Session) -> None:
    """A file that another folder replaced meanwhile stops no other."""
    gone = Entry(session.drawings / "gone.png")
    session.scene = replace(session.scene, folder=(gone, *session.scene.folder))
    *_, report = color_all(sessions, session)
    assert isinstance(report, Report) and report.done == 3
    assert report.failures[0] == Failure("gone.png", "No such file or directory")
