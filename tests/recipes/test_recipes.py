"""The recipes write pairs in groups that share their colours, with exact ink and their authors."""

import csv
from pathlib import Path

import numpy as np
import pytest

from recipes import characters, pictures, portrait_kit, squares
from recipes import kit as kit_parts
from refcolor.errors import UsageError
from refcolor.io import image
from refcolor.io.image import Picture
from refcolor.sources.listing.folder import list_folder
from refcolor.sources.manifest import Record

ALONE = ["--workers", "1"]


def records(folder: Path) -> list[Record]:
    """List the folder as `source.folder` does with layout pairs and groups."""
    found, dropped = list_folder(folder, "pairs", groups=True)
    assert not dropped
    return found


def read(folder: Path, record: Record) -> tuple[Picture, Picture, Picture]:
    """Read color, sketch and labels of a picture."""
    address = record.address.removeprefix("color/")
    color, sketch = (
        image.read(folder / record.address),
        image.read_gray(folder / "sketch" / address),
    )
    return color, sketch, image.read_gray(folder / "labels" / address)


def files(folder: Path) -> dict[str, bytes]:
    """Read every file of a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def portraits(kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compose six characters in three palettes."""
    folder = tmp_path_factory.mktemp("portraits")
    portrait_kit.main([str(kit), str(folder), "--count", "6", "--share", "2", *ALONE])
    return folder


def test_characters_of_a_group_share_their_colors(portraits: Path) -> None:
    """Hair has one colour in a group and another in the next one; ids name the group."""
    found = records(portraits)
    assert [record.group for record in found] == [f"kit/000{index // 2}" for index in range(6)]
    hair = []
    for record in found:
        color, _, labels = read(portraits, record)
        hair.append(np.median(color[labels == kit_parts.HAIR], axis=0).astype(int).tolist())
    assert hair[0] == hair[1] != hair[2] == hair[3] != hair[4] == hair[5]


def test_ink_is_exact(portraits: Path) -> None:
    """The sketch is grey at the edges of lines alone; where it is black, so is the picture."""
    for record in records(portraits):
        color, sketch, labels = read(portraits, record)
        assert color.shape == (512, 512, 3) and sketch.shape == labels.shape == (512, 512)
        assert (color[sketch == 0] == 0).all()
        assert (sketch[(labels == kit_parts.LINE)] < 255).mean() > 0.99
        assert 0.01 < (sketch < 128).mean() < 0.2
        assert set(np.unique(labels)) <= set(range(8))


def test_authors_of_the_parts_are_named(portraits: Path) -> None:
    """Everything is by the kit's author; pictures with a part of another one name both."""
    assert {(record.artist, record.licence) for record in records(portraits)} == {
        (("Joseph Hewitt", "Lord Erin"), "CC-BY-4.0")  # each has trousers of the second one
    }


def test_a_seed_makes_the_same_bytes(portraits: Path, kit: Path, tmp_path: Path) -> None:
    """The same seed gives the same files, in a count of its own; another seed gives others."""
    one = [str(kit), str(tmp_path), "--count", "2", "--share", "2", *ALONE]
    portrait_kit.main(one)
    again = files(tmp_path)
    assert again.pop("attribution.csv")
    assert again == {name: files(portraits)[name] for name in again}
    with pytest.raises(UsageError, match="is not empty; name another folder, or make it anew with"):
        portrait_kit.main([*one, "--seed", "5"])
    portrait_kit.main([*one, "--seed", "5", "--force"])
    assert not set(files(tmp_path).values()) & set(again.values())


def test_triples_are_in_the_palette_of_the_reference(kit: Path, tmp_path: Path) -> None:
    """The truth is the sketch's character, and its hair has the colour of the reference's."""
    portrait_kit.main([str(kit), str(tmp_path), "--pairs", "--count", "2", *ALONE])
    with (tmp_path / "pairs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["sketch", "reference", "truth", "labels", "reference_labels"]
    for row in rows:
        assert row["truth"] == row["sketch"].replace("sketch", "truth")
        truth, reference = (image.read(tmp_path / row[name]) for name in ("truth", "reference"))
        labels, others = (
            image.read_gray(tmp_path / row[name]) for name in ("labels", "reference_labels")
        )
        for label in (kit_parts.SKIN, kit_parts.HAIR):
            colors = (
                np.median(truth[labels == label], 0),
                np.median(reference[others == label], 0),
            )
            assert np.array_equal(*colors)
        assert (truth[image.read_gray(tmp_path / row["sketch"]) == 0] == 0).all()
    assert not np.array_equal(labels, others)


def test_pictures_become_groups_of_squares(tmp_path: Path) -> None:
    """A picture is a group: all of it on its border's colour, and parts; others are left out."""
    generator = np.random.default_rng(0)
    for name in ("a.png", "b.jpg.png", "judged.png"):
        color = np.full((300, 180, 3), (250, 240, 200), np.uint8)
        color[60:240, 40:140] = generator.integers(0, 255, 3)
        color[100:160, 70:110] = generator.integers(0, 255, 3)
        image.write(tmp_path / "in" / name, color)
    (tmp_path / "judged.txt").write_text("judged.png\n")
    folder = tmp_path / "out"
    given = [str(tmp_path / "in"), str(folder), "--count", "4", *ALONE]
    credit = ["--artist", "Ann", "--licence", "CC0-1.0", "--page", "https://a.example"]
    pictures.main([*given, "--exclude", str(tmp_path / "judged.txt"), *credit])
    found = records(folder)
    assert [record.group for record in found] == ["pictures/a"] * 4 + ["pictures/b.jpg"] * 4
    assert {(*record.artist, record.licence, record.page) for record in found} == {
        ("Ann", "CC0-1.0", "https://a.example")
    }
    whole = image.read(folder / "color/pictures/a/00.png")
    assert (whole[:, :100] == (250, 240, 200)).all()  # 180 of 300 pixels: a fifth on each side
    inside = slice(round(512 * 60 / 300) + 3, round(512 * 240 / 300) - 3)
    assert (whole[inside, 230:280].reshape(-1, 3) != (250, 240, 200)).any(axis=1).all()
    for record in found:
        sketch = image.read_gray(folder / record.attributes["sketch"])
        assert sketch.shape == (512, 512) and 0.002 < (sketch < 128).mean() < 0.1
    with pytest.raises(UsageError, match=r"names judged\.png, which .* lacks; correct the line"):
        (tmp_path / "in/judged.png").unlink()
        pictures.main([*given, "--force", "--exclude", str(tmp_path / "judged.txt")])
    with pytest.raises(UsageError, match="PICTURES must be a folder with pictures, got"):
        pictures.main([str(tmp_path / "none"), *given[1:]])


def test_a_strip_fills_no_square_and_is_cut_all_the_same(tmp_path: Path) -> None:
    """A picture ten times as high as wide, drawn on all over, gives its squares."""
    strip = np.random.default_rng(0).integers(0, 255, (200, 20, 3), np.uint8)
    strip[[0, -1]] = strip[:, [0, -1]] = 255
    image.write(tmp_path / "in/strip.png", strip)
    pictures.main([str(tmp_path / "in"), str(tmp_path / "out"), "--count", "3", *ALONE])
    assert len(records(tmp_path / "out")) == 3


def test_drawn_characters_leave_out_what_is_held_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hair and clothes that the default holds out do not appear; groups share palettes."""
    drawn = []
    render = characters.characters.render

    def spy(shape: object, palette: object, *, size: int) -> object:
        drawn.append((shape, palette))
        return render(shape, palette, size=size)  # type: ignore[arg-type]

    monkeypatch.setattr(characters.characters, "render", spy)
    characters.main([str(tmp_path), "--count", "6", "--share", "3", *ALONE])
    styles = {style for shape, _ in drawn for style in (shape.hair_style, shape.clothes)}
    assert not styles & {"buns", "wavy_long", "kimono"}
    palettes = [palette for _, palette in drawn]
    assert palettes[0] == palettes[1] == palettes[2] != palettes[3] == palettes[5]
    (first, *_) = found = records(tmp_path)
    assert [record.group[-1] for record in found] == list("000111")
    color, sketch = (
        image.read(tmp_path / path) for path in (first.address, first.attributes["sketch"])
    )
    assert color.shape == sketch.shape == (512, 512, 3)
    assert color[sketch == 0].mean() < 60 and color[sketch == 255].mean() > 100


def test_each_recipe_keeps_the_rows_of_the_others(tmp_path: Path) -> None:
    """A row about a folder whose name only begins alike stays; rows of its own are replaced."""
    for name, artist in (("kit", "Ann"), ("kit2", "Bo"), ("kit", "Cy")):
        squares.credit(tmp_path, name, [squares.Attribution(f"color/{name}", artist)])
    assert (tmp_path / "attribution.csv").read_text() == (
        "path,artist,licence,page\ncolor/kit,Cy,,\ncolor/kit2,Bo,,\n"
    )


def test_windows_beyond_the_picture_are_filled() -> None:
    """Worked by hand: a corner, a window around everything, and one beside the picture."""
    picture = np.arange(1, 7, dtype=np.uint8).reshape(2, 3)
    corner = image.cut(picture, top=-1, left=1, shape=(3, 2), fill=0)
    assert corner.tolist() == [[0, 0], [2, 3], [5, 6]]
    around = image.cut(picture, top=-1, left=0, shape=(4, 4), fill=9)
    assert around.tolist() == [[9] * 4, [1, 2, 3, 9], [4, 5, 6, 9], [9] * 4]
    for top, left in ((5, 0), (-5, 0), (0, 4), (0, -4)):
        assert (image.cut(picture, top=top, left=left, shape=(2, 2), fill=7) == 7).all()
