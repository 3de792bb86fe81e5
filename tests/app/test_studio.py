"""Open pages, their files, and what was uploaded."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from refcolor.app import actions
from refcolor.app.scene import Result
from refcolor.app.studio import MAX_PAGES, Studio
from refcolor.errors import PictureError, RefcolorError

from .conftest import drawn_box, png

UPLOAD = "0123456789abcdef" * 4


def upload(folder: Path, data: bytes, name: str = "box.png") -> Path:
    """Put a file where Gradio puts what was uploaded."""
    file = folder / UPLOAD / name
    file.parent.mkdir()
    file.write_bytes(data)
    return file


def test_a_page_begins_with_the_samples(studio: Studio) -> None:
    """Drawing and reference are there before anything was uploaded."""
    scene = studio.page("a").scene
    assert scene.drawing is studio.samples.drawings[0]
    assert scene.references == studio.samples.references[:1]


def test_pages_know_nothing_of_each_other(studio: Studio) -> None:
    """What one does is not seen by another."""
    one, other = studio.page("a"), studio.page("b")
    one.scene = actions.look_at(one.scene, 3, 3)
    assert studio.page("a").scene.spot and studio.page("b").scene.spot is None
    assert one.folder != other.folder


def test_a_closed_page_leaves_nothing(studio: Studio, tmp_path: Path) -> None:
    """Its files are gone, and so is what it looked at; closing twice does no harm."""
    (studio.page("a").folder / "result.png").write_bytes(b"x")
    studio.close("a")
    studio.close("a")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RefcolorError, match="load it again"):
        studio.page("a")


@pytest.fixture
def colored(studio: Studio) -> Callable[[str], Result]:
    """Give a function that colours the drawing of a page, and puts the result on it."""

    def color(name: str) -> Result:
        page = studio.page(name)
        result = actions.color(page.scene, studio.colorizer, size=32, clean_lines=False)
        page.scene = actions.take_result(page.scene, result)
        return result

    return color


def test_a_page_that_is_closed_while_it_is_looked_up_is_still_given(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was first gets the page, whose files are gone by then."""

    class Unlucky:
        """A lock; as soon as it is let go of for the first time, the page is closed."""

        def __enter__(self) -> None:
            lock.acquire()

        def __exit__(self, *_: object) -> None:
            lock.release()
            monkeypatch.undo()
            studio.close("a")

    lock = studio._lock
    monkeypatch.setattr(studio, "_lock", Unlucky())
    assert not studio.page("a").folder.exists()


def test_nothing_is_written_for_a_closed_page(
    studio: Studio, colored: Callable[[str], Result]
) -> None:
    """A result that comes after the page was closed leaves no file."""
    page, result = studio.page("a"), colored("a")
    studio.close("a")
    assert page.save(result) is None
    assert page.save_layers() == {}


def test_the_end_waits_for_what_is_being_written(
    studio: Studio,
    colored: Callable[[str], Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file that is half there when all pages are closed goes with them; none comes after."""
    page, other = studio.page("a"), studio.page("b")
    began, goes_on = threading.Event(), threading.Event()

    def write(folder: Path, _: Result) -> Path:
        began.set()
        goes_on.wait(10)
        (folder / "late.png").write_bytes(b"x")
        return folder / "late.png"

    monkeypatch.setattr("refcolor.app.studio.write_picture", write)
    writing = threading.Thread(target=page.save, args=[colored("a")])
    writing.start()
    began.wait(10)
    closing = threading.Thread(target=studio.close_all)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()
    goes_on.set()
    writing.join()
    closing.join()
    assert list(tmp_path.iterdir()) == []
    assert not other.folder.exists()


def test_pages_are_limited(studio: Studio, tmp_path: Path) -> None:
    """The page that was opened first makes room for one too many."""
    for number in range(MAX_PAGES + 1):
        studio.page(str(number))
    assert len(list(tmp_path.iterdir())) == MAX_PAGES
    with pytest.raises(RefcolorError):
        studio.page("0")
    assert studio.page(str(MAX_PAGES)).folder.exists()


def test_an_upload_is_read_and_removed(studio: Studio, tmp_path: Path) -> None:
    """From then on the picture is in memory only."""
    file = upload(tmp_path, png(drawn_box(41, 43)))
    (sheet,) = studio.receive([str(file)])
    assert (sheet.name, sheet.height, sheet.width) == ("box.png", 41, 43)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_upload_is_removed_too(studio: Studio, tmp_path: Path) -> None:
    """What is no picture is not kept either."""
    file = upload(tmp_path, b"no picture")
    with pytest.raises(PictureError):
        studio.receive([str(file)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/etc/passwd", "{0}/../secret.png", "{0}/page-1/result.png"])
def test_only_uploads_are_read(studio: Studio, tmp_path: Path, path: str) -> None:
    """A page that names another file of this machine is refused, and the file stays."""
    (tmp_path / "page-1").mkdir()
    for file in (tmp_path.parent / "secret.png", tmp_path / "page-1/result.png"):
        file.write_bytes(png(drawn_box(41, 43)))
    with pytest.raises(RefcolorError, match="not uploaded here"):
        studio.receive([path.format(tmp_path)])
    assert (tmp_path / "page-1/result.png").exists()


def test_a_link_in_the_place_of_an_upload_is_not_followed(studio: Studio, tmp_path: Path) -> None:
    """What counts is where a path leads."""
    file = upload(tmp_path, b"")
    file.unlink()
    file.symlink_to("/etc/passwd")
    with pytest.raises(RefcolorError, match="not uploaded here"):
        studio.receive([str(file)])


def test_an_upload_of_the_same_bytes_under_another_name_stays(
    studio: Studio, tmp_path: Path
) -> None:
    """Gradio puts both into one folder, which goes with the last of them."""
    file = upload(tmp_path, png(drawn_box(41, 43)))
    copy = file.with_name("copy.png")
    copy.write_bytes(file.read_bytes())
    studio.receive([str(file)])
    (sheet,) = studio.receive([str(copy)])
    assert sheet.name == "copy.png"
    assert list(tmp_path.iterdir()) == []


def test_files_of_a_result(studio: Studio, colored: Callable[[str], Result]) -> None:
    """Picture, two layers and a PSD bear the drawing's name; the next result replaces them all."""
    page = studio.page("a")
    assert page.save_layers() == {}
    picture = page.save(colored("a"))
    files = page.save_layers()
    assert picture and picture.name == "box_colored.png"
    assert {name: path.name for name, path in files.items()} == {
        "colors": "box_colors.png",
        "lines": "box_lines.png",
        "psd": "box.psd",
    }
    again = page.save(colored("a"))
    assert again and again.exists() and not picture.exists() and again.name == picture.name
    assert [path for path in page.folder.rglob("*") if path.is_file()] == [again]


def test_a_result_that_a_newer_one_overtook_is_not_saved(
    studio: Studio, colored: Callable[[str], Result]
) -> None:
    """Picture and layers are those of the newest result, whichever is written first."""
    page = studio.page("a")
    first, second = colored("a"), colored("a")
    picture = page.save(second)
    assert picture and page.save(first) is None
    assert picture.exists()
    assert all(path.parent == picture.parent for path in page.save_layers().values())
