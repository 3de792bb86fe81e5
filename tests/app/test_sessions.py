"""Open pages, their files, and their uploads."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from refcolor.app import actions
from refcolor.app.scene import Result
from refcolor.app.sessions import MAX_PAGES, Sessions
from refcolor.colorize.documents import read_page
from refcolor.colorize.ora import write_ora
from refcolor.errors import PictureError, RefcolorError

from ..colorize.material import line_art
from .conftest import color_scene, png

UPLOAD = "0123456789abcdef" * 4


def upload(folder: Path, data: bytes, name: str = "box.png") -> Path:
    """Put a file where Gradio puts uploads."""
    file = folder / UPLOAD / name
    file.parent.mkdir()
    file.write_bytes(data)
    return file


def test_a_page_begins_with_the_samples(sessions: Sessions) -> None:
    """A new page has a drawing and a reference before any upload."""
    scene = sessions.get("a").scene
    assert scene.drawing is sessions.samples.drawings[0]
    assert scene.references == sessions.samples.references[:1]


def test_pages_are_independent(sessions: Sessions) -> None:
    """A change of one page is not visible in another."""
    first, second = sessions.get("a"), sessions.get("b")
    first.scene = actions.select_spot(first.scene, 3, 3)
    assert sessions.get("a").scene.spot and sessions.get("b").scene.spot is None
    assert first.folder != second.folder


def test_closing_a_page_removes_its_files_and_scene(sessions: Sessions, tmp_path: Path) -> None:
    """Its files and its scene are removed; closing twice does no harm."""
    (sessions.get("a").folder / "result.png").write_bytes(b"x")
    sessions.close("a")
    sessions.close("a")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RefcolorError, match="load it again"):
        sessions.get("a")


@pytest.fixture
def colored(sessions: Sessions) -> Callable[[str], Result]:
    """Give a function that colours the drawing of a page, and puts the result on it."""

    def color(name: str) -> Result:
        session = sessions.get(name)
        result = color_scene(session.scene, sessions.colorizer, size=32, clean_lines=False)
        session.scene = actions.take_result(session.scene, result)
        return result

    return color


def test_a_page_closed_during_its_lookup_is_still_returned(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller gets the page, whose files are already removed."""

    class ClosingLock:
        """A lock that closes the page as soon as it is released for the first time."""

        def __enter__(self) -> None:
            lock.acquire()

        def __exit__(self, *_: object) -> None:
            lock.release()
            monkeypatch.undo()
            sessions.close("a")

    lock = sessions._lock
    monkeypatch.setattr(sessions, "_lock", ClosingLock())
    assert not sessions.get("a").folder.exists()


def test_nothing_is_written_for_a_closed_page(
    sessions: Sessions, colored: Callable[[str], Result]
) -> None:
    """A result that arrives after the page was closed writes no file."""
    session, result = sessions.get("a"), colored("a")
    sessions.close("a")
    assert session.save(result) == {}


def test_closing_all_pages_waits_for_a_file_being_written(
    sessions: Sessions,
    colored: Callable[[str], Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A half-written file is removed when all pages close, and none is written afterwards."""
    session, other = sessions.get("a"), sessions.get("b")
    began, goes_on = threading.Event(), threading.Event()

    def write(folder: Path, _: Result) -> dict[str, Path]:
        began.set()
        goes_on.wait(10)
        folder.mkdir()
        (folder / "late.png").write_bytes(b"x")
        return {"picture": folder / "late.png"}

    monkeypatch.setattr("refcolor.app.sessions.write_files", write)
    writing = threading.Thread(target=session.save, args=[colored("a")])
    writing.start()
    began.wait(10)
    closing = threading.Thread(target=sessions.close_all)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()
    goes_on.set()
    writing.join()
    closing.join()
    assert list(tmp_path.iterdir()) == []
    assert not other.folder.exists()


def test_pages_are_limited(sessions: Sessions, tmp_path: Path) -> None:
    """When the limit is exceeded, the oldest page is closed."""
    for number in range(MAX_PAGES + 1):
        sessions.get(str(number))
    assert len(list(tmp_path.iterdir())) == MAX_PAGES
    with pytest.raises(RefcolorError):
        sessions.get("0")
    assert sessions.get(str(MAX_PAGES)).folder.exists()


def test_an_upload_is_read_and_removed(sessions: Sessions, tmp_path: Path) -> None:
    """After the upload the picture is in memory only."""
    file = upload(tmp_path, png(line_art(41, 43)))
    ((sheet,), _) = sessions.receive([str(file)])
    assert (sheet.name, sheet.height, sheet.width) == ("box.png", 41, 43)
    assert list(tmp_path.iterdir()) == []


def test_an_uploaded_document_is_its_merged_picture(sessions: Sessions, tmp_path: Path) -> None:
    """The page shows it, and the model reads the file itself, which has the resolution."""
    merged = line_art(41, 43)
    write_ora(tmp_path / "a.ora", [], merged, (300.0, 300.0))
    file = upload(tmp_path, (tmp_path / "a.ora").read_bytes(), "box.ora")
    ((sheet,), _) = sessions.receive([str(file)])
    assert (sheet.name, sheet.height, sheet.width) == ("box.ora", 41, 43)
    assert np.abs(sheet.picture.astype(int) - merged).mean() < 5  # the view is lossy
    assert read_page(sheet.data)[1] == (300, 300)


def test_a_refused_upload_is_removed_too(sessions: Sessions, tmp_path: Path) -> None:
    """A file that is not a picture is removed as well."""
    file = upload(tmp_path, b"no picture")
    with pytest.raises(PictureError):
        sessions.receive([str(file)])
    assert list(tmp_path.iterdir()) == []


def test_a_refused_upload_does_not_stop_the_others(sessions: Sessions, tmp_path: Path) -> None:
    """Of three files one is not a picture: it is reported, and the two are taken."""
    file = upload(tmp_path, png(line_art(41, 43)))
    broken, other = file.with_name("broken.png"), file.with_name("other.png")
    broken.write_bytes(b"no picture")
    other.write_bytes(file.read_bytes())
    sheets, failures = sessions.receive([str(file), str(broken), str(other)])
    assert [sheet.name for sheet in sheets] == ["box.png", "other.png"]
    ((name, message),) = [(failure.name, failure.message) for failure in failures]
    assert name == "broken.png" and message.startswith("This is not a picture")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/etc/passwd", "{0}/../secret.png", "{0}/page-1/result.png"])
def test_only_uploads_are_read(sessions: Sessions, tmp_path: Path, path: str) -> None:
    """A page that names another file of this machine is refused, and the file stays."""
    (tmp_path / "page-1").mkdir()
    for file in (tmp_path.parent / "secret.png", tmp_path / "page-1/result.png"):
        file.write_bytes(png(line_art(41, 43)))
    with pytest.raises(RefcolorError, match="not uploaded here"):
        sessions.receive([path.format(tmp_path)])
    assert (tmp_path / "page-1/result.png").exists()


def test_a_link_instead_of_an_upload_is_not_followed(sessions: Sessions, tmp_path: Path) -> None:
    """The path is resolved before it is checked."""
    file = upload(tmp_path, b"")
    file.unlink()
    file.symlink_to("/etc/passwd")
    with pytest.raises(RefcolorError, match="not uploaded here"):
        sessions.receive([str(file)])


def test_an_upload_of_the_same_bytes_under_another_name_stays(
    sessions: Sessions, tmp_path: Path
) -> None:
    """Gradio puts both into one folder, which is removed with the last of them."""
    file = upload(tmp_path, png(line_art(41, 43)))
    copy = file.with_name("copy.png")
    copy.write_bytes(file.read_bytes())
    sessions.receive([str(file)])
    ((sheet,), _) = sessions.receive([str(copy)])
    assert sheet.name == "copy.png"
    assert list(tmp_path.iterdir()) == []


def test_a_new_result_replaces_all_files_of_the_old_one(
    sessions: Sessions, colored: Callable[[str], Result]
) -> None:
    """Picture, layers, PSD and ORA bear the drawing's name; the next result replaces them all."""
    session = sessions.get("a")
    files = session.save(colored("a"))
    assert {name: path.name for name, path in files.items()} == {
        "picture": "box_colored.png",
        "colors": "box_colors.png",
        "lines": "box_lines.png",
        "psd": "box.psd",
        "ora": "box.ora",
    }
    replacements = session.save(colored("a"))
    assert not any(path.exists() for path in files.values())
    existing = {path for path in session.folder.rglob("*") if path.is_file()}
    assert existing == set(replacements.values())


def test_the_files_are_those_of_the_newest_result(
    sessions: Sessions, colored: Callable[[str], Result]
) -> None:
    """The order in which two results are written does not matter."""
    session = sessions.get("a")
    first, second = colored("a"), colored("a")
    files = session.save(second)
    assert session.save(first) == {}
    assert all(path.exists() for path in files.values())
