"""Open pages, their files, and what was uploaded."""

import threading
from pathlib import Path

import pytest

from refcolor.app import actions
from refcolor.app.files import write_layers, write_picture
from refcolor.app.scene import Scene
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


def test_nothing_is_written_for_a_closed_page(studio: Studio) -> None:
    """A result that comes after the page was closed leaves no file."""
    page = studio.page("a")
    assert page.write(lambda folder: folder) == page.folder
    studio.close("a")
    assert page.write(lambda folder: folder) is None


def test_the_end_waits_for_what_is_being_written(studio: Studio, tmp_path: Path) -> None:
    """A file that is half there when all pages are closed goes with them; none comes after."""
    page, other = studio.page("a"), studio.page("b")
    began, goes_on = threading.Event(), threading.Event()

    def write(folder: Path) -> None:
        began.set()
        goes_on.wait(10)
        (folder / "late.png").write_bytes(b"x")

    writing = threading.Thread(target=page.write, args=[write])
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
    assert other.write(lambda folder: folder) is None


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


def test_files_of_a_result(scene: Scene, studio: Studio) -> None:
    """Picture, two layers and a PSD bear the drawing's name; the next result replaces them all."""
    folder = studio.page("a").folder
    result = actions.color(scene, studio.colorizer, size=32, clean_lines=False)
    picture = write_picture(folder, result)
    files = write_layers(picture, result)
    assert picture.name == "box_colored.png"
    assert {name: path.name for name, path in files.items()} == {
        "colors": "box_colors.png",
        "lines": "box_lines.png",
        "psd": "box.psd",
    }
    again = write_picture(folder, result)
    assert again.exists() and not picture.exists() and again.name == picture.name
    assert [path for path in folder.rglob("*") if path.is_file()] == [again]
