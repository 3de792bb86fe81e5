"""A forgotten picture is removed from data and caches and stays out; nothing else changes."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from refcolor.errors import RefcolorError
from refcolor.io.shards import files, pack, shard_of
from refcolor.params import load
from refcolor.publish.forget import PICTURES, Forgotten, forget
from refcolor.sources.fetching.file_cache import FileCache
from refcolor.sources.listing.danbooru import list_danbooru
from refcolor.sources.manifest import write_manifest
from refcolor.sources.naming import result_name
from refcolor.sources.takedown import read_takedown

EXCLUDE = Path("data/exclude.txt")
URL = "https://posts.example"
NUMBERS = (11, 12, 112, 120, 121)
FILES = {
    "data/raw": ["{0}.jpg", "{0}.sketch.png"],
    "data/raw_lineart": ["{0}.png"],
    "data/color": ["{0}.png"],
    "data/own_sketch": ["{0}.png"],
    "data/lineart": ["{0}.png"],
    "data/sketch": ["{0}.png"],
    "results": ["{0}__other.png", "other__{0}.png"],
}


def post(number: int) -> dict[str, Any]:
    """Give a post that the filter keeps; 121 is line art."""
    tags = "1girl solo simple_background"
    more = "sketch white_background" if number == 121 else "brown_hair blue_eyes"
    return {
        "id": number,
        "md5": f"{number:032x}",
        "rating": "g",
        "file_ext": "jpg",
        "image_width": 800,
        "image_height": 800,
        "parent_id": None,
        "source": f"https://art.example/{number}",
        "is_banned": False,
        "is_deleted": False,
        "tag_string_general": f"{tags} {more}",
        "tag_string_artist": f"artist_{number}",
        "file_url": f"{URL}/{number}.jpg",
    }


def respond(address: str, params: Mapping[str, str]) -> Any:
    """Respond as the site does."""
    if address.endswith("counts/posts.json"):
        return {"counts": {"posts": len(NUMBERS)}}
    return [] if "page" in params else [post(number) for number in reversed(NUMBERS)]


def tree(root: Path) -> dict[Path, bytes]:
    """Read all files, links too."""
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def repository(tmp_path: Path, content: dict[str, Any]) -> Path:
    """Give a repository after `dvc repro`, every file of a picture holding its address."""
    place = tmp_path / "repository"
    (place / "data").mkdir(parents=True)
    (place / EXCLUDE).write_text("# by hand\nid 7\n")
    content["source"] |= {"kind": "danbooru", "count": 0}
    content["source"]["danbooru"]["max_id"] = 500
    YAML().dump(content, place / "params.yaml")
    settings = load(place / "params.yaml")
    pages, cache = place / ".refcolor/pages", FileCache(place / ".refcolor/downloads")
    listing = list_danbooru(settings.source, settings.filter, get=respond, pages=pages)
    write_manifest(place / "data/manifest.jsonl", listing.records)
    write_manifest(place / "data/lineart.jsonl", listing.line_art)
    for record in listing.records + listing.line_art:
        part = cache.new_part(record.address, "")
        part.path.write_text(record.address)
        if record.id != "danbooru-120":  # the one that is still on its way
            cache.finish(part, record.address, "jpg")
        for folder, names in FILES.items():
            (place / folder).mkdir(parents=True, exist_ok=True)
            for name in names:
                (place / folder / name.format(record.id)).write_text(record.address)
    return place


def forget_pictures(repository: Path, *names: str) -> Forgotten:
    """Call forget with the usual take-down list."""
    return forget(repository, names, exclude_file=EXCLUDE)


@pytest.mark.parametrize(
    ("name", "number"), [("danbooru-12", 12), ("12", 12), ("012", 12), ("120", 120), ("121", 121)]
)
def test_a_picture_is_removed_everywhere(name: str, number: int, repository: Path) -> None:
    """All its files, its download and its post are removed; every other file keeps its bytes."""
    before = tree(repository)
    result = forget_pictures(repository, name)
    after = tree(repository)
    deleted = {path.relative_to(repository) for path in before.keys() - after.keys()}
    assert deleted == set(result.files)
    assert len(deleted) == 10  # 9 of the data and the download
    assert after.keys() <= before.keys()
    changed = {path.name for path in after if after[path] != before[path]}
    assert changed == {"exclude.txt", "before-501.json"}
    address = f"{URL}/{number}.jpg".encode()
    holding = {path.name for path, content in after.items() if address in content}
    assert holding == {"lineart.jsonl" if number == 121 else "manifest.jsonl"}
    assert (repository / EXCLUDE).read_text() == f"# by hand\nid 7\nid {number}\n"
    assert (result.pictures, result.posts, result.listed) == (1, 1, (f"id {number}",))


def test_a_picture_is_removed_from_shards(repository: Path) -> None:
    """Its shards are rewritten without it; all other pictures are unchanged."""
    folders = [repository / folder for folder in FILES if folder != "results"]
    before = {
        (folder, file.name): file.read_bytes() for folder in folders for file in files(folder)
    }
    pack(*folders, above=0)
    result = forget_pictures(repository, "12")
    assert len(result.files) == 10
    assert Path("data/raw", shard_of("danbooru-12.jpg"), "danbooru-12.sketch.png") in result.files
    after = {(folder, file.name): file.read_bytes() for folder in folders for file in files(folder)}
    removed = before.keys() - after.keys()
    assert len(removed) == 7 and all("danbooru-12." in name for _, name in removed)
    assert after == {key: before[key] for key in after}
    address = f"{URL}/12.jpg".encode()
    assert not any(address in path.read_bytes() for path in repository.rglob("*.tar"))
    assert forget_pictures(repository, "12").files == ()


def test_the_pixel_cache_is_removed_as_a_whole(repository: Path) -> None:
    """The pixel cache is deleted, with partial files of a killed training; nothing else is."""
    before = forget_pictures(repository, "12").files
    cache = repository / ".refcolor/pictures"
    for name in ("0123456789abcdef", "fedcba9876543210.part"):
        (cache / name).mkdir(parents=True)
        (cache / name / "color.npy").write_bytes(b"pixels")
    result = forget_pictures(repository, "12")
    assert before and [file.parent.name for file in result.files] == [
        "0123456789abcdef",
        "fedcba9876543210.part",
    ]
    assert [path.name for path in cache.iterdir()] == ["lock"]
    assert forget_pictures(repository, "12").files == ()


def test_every_data_folder_is_searched() -> None:
    """The files of this test cover every folder that the code names."""
    assert {Path(folder) for folder in FILES} == set(PICTURES)


def test_forgetting_is_idempotent(repository: Path) -> None:
    """A repeated call, also with another form of the id, changes nothing and says so."""
    result = forget_pictures(repository, "11", "danbooru-112", "danbooru-11")
    assert (result.pictures, len(result.files), result.posts) == (2, 20, 2)
    assert result.listed == ("id 11", "id 112")
    after = tree(repository)
    repeated = forget_pictures(repository, "danbooru-112", "11")
    assert tree(repository) == after
    assert (repeated.files, repeated.posts, repeated.listed) == ((), 0, ())
    assert "added to data/exclude.txt: nothing new\n" in repeated.describe()


def test_a_stopped_call_is_finished_by_the_next(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it stops, the list has the ids first, and the same call does the rest."""
    real = Path.unlink
    left = 0

    def unlink(path: Path, missing_ok: bool = False) -> None:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        real(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    for stop in (0, 1, 6):
        left = stop
        with pytest.raises(KeyboardInterrupt):
            forget_pictures(repository, "12")
        assert "12" in read_takedown(repository / EXCLUDE).ids
    monkeypatch.undo()
    assert len(forget_pictures(repository, "12").files) == 3
    holding = [path for path, content in tree(repository).items() if b"/12.jpg" in content]
    assert holding == [repository / "data/manifest.jsonl"]


def test_unlisted_posts_can_be_excluded(repository: Path) -> None:
    """A number that no list has is added to the take-down list; nothing else changes."""
    before = tree(repository)
    result = forget_pictures(repository, "danbooru-999999")
    assert (result.files, result.posts, result.listed) == ((), 0, ("id 999999",))
    after = tree(repository)
    assert {path.name for path in after if after[path] != before[path]} == {"exclude.txt"}


@pytest.mark.parametrize(
    "unknown", ["danbooru-x", "sample-000001", "../manifest", "", "other__", "\u0661\u0662", "1 2"]
)
def test_unknown_ids_are_refused(unknown: str, repository: Path) -> None:
    """A misspelt id beside a known one changes nothing at all."""
    before = tree(repository)
    with pytest.raises(RefcolorError, match=r"nothing was forgotten: no picture is called '"):
        forget_pictures(repository, "12", unknown)
    assert tree(repository) == before


def test_pictures_of_other_sources_are_forgotten_by_id(repository: Path) -> None:
    """An id with files, or on the list, is known also after the manifest has lost it."""
    (repository / "data/manifest.jsonl").write_text("")
    (repository / "data/color/a-b__c-1.png").write_text("x")
    (repository / "results/z__a-b__c-1.png").write_text("x")
    result = forget_pictures(repository, "a-b__c-1")
    assert [str(file) for file in result.files] == [
        "data/color/a-b__c-1.png",
        "results/z__a-b__c-1.png",
    ]
    assert result.listed == ("id a-b__c-1",)
    assert forget_pictures(repository, "a-b__c-1").listed == ()


def test_results_whose_long_ids_were_cut_are_found(repository: Path) -> None:
    """Results with it as sketch or reference are removed; that of two other pictures stays."""
    ids = ["x" * 199 + last for last in "abc"]
    names = [result_name(*pair) for pair in zip(ids, [*ids[1:], ids[0]], strict=True)]
    for name in names:
        (repository / "results" / name).write_text("x")
    (repository / f"data/color/{ids[0]}.png").write_text("x")
    result = forget_pictures(repository, ids[0])
    assert {file.name for file in result.files} == {f"{ids[0]}.png", names[0], names[2]}
    assert result.listed == (f"id {ids[0]}",)


def test_a_new_clone_can_exclude(tmp_path: Path) -> None:
    """Without data and caches only the take-down list changes."""
    (tmp_path / "data").mkdir()
    (tmp_path / EXCLUDE).touch()
    assert forget_pictures(tmp_path, "5").listed == ("id 5",)
    assert list(tree(tmp_path)) == [tmp_path / EXCLUDE]


def test_folders_outside_the_repository_are_not_touched(repository: Path, tmp_path: Path) -> None:
    """Folders that are links to the outside are kept and named; links inside are followed."""
    outside = ("data/raw", "results", ".refcolor/downloads", ".refcolor/pages")
    for name in outside:
        target = tmp_path / "elsewhere" / name
        shutil.move(repository / name, target)
        (repository / name).symlink_to(target)
    shutil.move(repository / "data/color", repository / "big")
    (repository / "data/color").symlink_to("../big")
    before = tree(tmp_path / "elsewhere")
    result = forget_pictures(repository, "12")
    assert tree(tmp_path / "elsewhere") == before
    assert not (repository / "big/danbooru-12.png").exists()
    assert {str(folder) for folder in result.outside} == set(outside)
    assert "lead out of the repository: data/raw, results, .refcolor/downloads" in result.describe()


def test_linked_pictures_lose_their_link_only(repository: Path, tmp_path: Path) -> None:
    """Where files are links, as into DVC's cache, the link is removed and its target stays."""
    (tmp_path / "cached").write_text("pixels")
    (repository / "data/color/danbooru-12.png").unlink()
    (repository / "data/color/danbooru-12.png").symlink_to(tmp_path / "cached")
    forget_pictures(repository, "12")
    assert not (repository / "data/color/danbooru-12.png").is_symlink()
    assert (tmp_path / "cached").read_text() == "pixels"


@pytest.mark.parametrize("path", ["", "data", "data/none.txt", "../elsewhere.txt"])
def test_a_list_that_cannot_be_written_is_refused(path: str, repository: Path) -> None:
    """No file, a folder, or a file outside of the repository: nothing is done."""
    (repository.parent / "elsewhere.txt").write_text("id 1\n")
    before = tree(repository.parent)
    with pytest.raises(RefcolorError, match=r"source\.exclude_file must .*set it to data/exclude"):
        forget(repository, ["12"], exclude_file=Path(path))
    assert tree(repository.parent) == before


def run(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a repository."""
    command = [sys.executable, "-c", "from refcolor.cli.main import main; main()", *arguments]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)


def test_the_command_prints_the_remaining_steps(repository: Path) -> None:
    """`refcolor forget` reads the list's name from params.yaml and prints how to clean the rest."""
    result = run(repository, "forget", "12", "danbooru-999")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(
        "forgotten: 2; files deleted: 10; posts emptied in kept listings: 1; "
        "added to data/exclude.txt: id 12, id 999\n`dvc repro` finishes it"
    )
    for step in ("dvc gc --workspace", "--cloud --remote", "mlflow gc", ".refcolor/checkpoints",
                 "models/", "git:", "metrics/"):  # fmt: skip
        assert step in result.stdout
    assert "id 12\nid 999\n" in (repository / EXCLUDE).read_text()


def test_the_command_refuses_in_one_line(repository: Path, tmp_path: Path) -> None:
    """An unknown id, no id and a folder without repository are one line and an exit code."""
    result = run(repository, "forget", "nobody")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.strip().startswith("refcolor: nothing was forgotten")
    assert result.stderr.strip().count("\n") == 0
    assert run(repository, "forget").returncode == 2
    assert "run in the folder of the repository" in run(tmp_path, "forget", "12").stderr


def test_a_forgotten_picture_stays_out(repository: Path) -> None:
    """Listed again, the post has no address and counts as excluded."""
    forget_pictures(repository, "12", "121")
    settings = load(repository / "params.yaml")
    pages = repository / ".refcolor/pages"

    def get(address: str, params: Mapping[str, str]) -> Any:
        raise AssertionError(f"{address} was asked")

    listing = list_danbooru(settings.source, settings.filter, get=get, pages=pages)
    assert [record.id for record in listing.records] == [f"danbooru-{n}" for n in (120, 112, 11)]
    assert listing.line_art == []
    assert listing.dropped == {"excluded": 1, "line_art": 1}
    assert json.loads(next(pages.rglob("before-501.json")).read_bytes())[0] == {
        name: value
        for name, value in post(121).items()
        if name not in ("md5", "source", "tag_string_artist", "file_url")
    } | {"forgotten": True}
