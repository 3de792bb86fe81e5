"""The preset danbooru-256, from discover to evaluate, against a Danbooru on loopback."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipeline import download
from refcolor.io import image
from refcolor.io.shards import files, pack
from refcolor.sources.manifest import read_manifest
from tests.sources.danbooru_server import DanbooruServer, Fault

from .conftest import STAGES, Project, copy_project, make_project

pytestmark = pytest.mark.slow

COUNT, DRAWINGS, SIZE = 40, 12, 64  # posts that pass the filter, line art by hand, pixels
SMALL: dict[str, Any] = {
    "source.danbooru.rate": 0,
    "source.danbooru.contact": "tests@example.org",
    "source.count": COUNT,
    "filter.line_art.count": DRAWINGS,
    "clean.size": SIZE,
    "model.width": 2,
    "model.blocks": 1,
    "model.discriminator_width": 2,
    "train.epochs": 1,
    "train.batch_size": 4,
    "loss.perceptual": 0,
    "loss.style": 0,
    "evaluate.features": "random",
    "runtime.tracker": "none",
}
ALONE = {"NO_PROXY": "*"} | {
    f"DANBOORU_{name}": "" for name in ("CONTACT", "USER_ID", "LOGIN", "API_KEY")
}


@pytest.fixture(scope="module")
def server() -> Iterator[DanbooruServer]:
    """A site of 2,000 posts and 64 drawings with several faults; all but one picture arrive."""
    with DanbooruServer(size=300, distinct=64) as server:
        # As where the database has its three seconds.
        server.times_out = lambda tags, limit: "parent:none" in tags or limit > 100
        server.short_pages = True
        server.faults = {
            server.path_of(server.good[3]): Fault("cut", times=2),
            server.path_of(server.good[5]): Fault("503", times=1, retry_after="0"),
            server.path_of(server.good[8]): Fault("html", times=1),
            server.path_of(server.good[9]): Fault("404"),
        }
        yield server


@pytest.fixture(scope="module")
def project(server: DanbooruServer, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose pipeline ran on the site."""
    root = tmp_path_factory.mktemp("danbooru") / "project"
    values = SMALL | {"source.danbooru.url": server.url}
    project = make_project(root, values, preset="presets/danbooru-256.yaml", **ALONE)
    assert project.repro() == list(STAGES)
    project.commit("baseline")
    return project


def test_the_filtered_set_is_trained_and_evaluated(
    server: DanbooruServer, project: Project
) -> None:
    """The configured number passes, one picture cannot be fetched, each other post has a reason."""
    records = read_manifest(project.root / "data/manifest.jsonl")
    assert {record.id for record in records} == {f"danbooru-{id}" for id in server.good[:COUNT]}
    failures = (project.root / "data/download.jsonl").read_text().splitlines()
    gone = {"id": f"danbooru-{server.good[9]}", "list": "manifest", "reason": "not_found"}
    assert [json.loads(line) for line in failures] == [gone]
    counts = project.numbers("data.json")
    assert counts["download"]["kept"] == counts["clean"]["kept"] == COUNT - 1
    assert counts["split"]["train"] + counts["split"]["validation"] == COUNT - 1
    assert project.numbers("eval.json")["pairs"] > 0


def test_every_file_has_the_bytes_of_the_site(server: DanbooruServer, project: Project) -> None:
    """After cuts, refusals and wrong types each picture ends with the site's bytes."""
    wanted = server.files(id for id in server.good[:COUNT] if id != server.good[9])
    raw = project.root / "data/raw"
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == wanted


def test_nothing_is_requested_twice_without_need(server: DanbooruServer, project: Project) -> None:
    """Each picture is requested once, and once more for each fault; each page once."""
    for number, id in enumerate(server.good[:COUNT]):
        extra = {3: 2, 5: 1, 8: 1}.get(number, 0)
        assert len(server.requests_of(server.path_of(id))) == 1 + extra
    pages = [request.path for request in server.requests_of("/posts.json") if request.status == 200]
    assert len(set(pages)) == len(pages)


def test_hand_drawn_line_art_is_coloured_and_counted_apart(project: Project) -> None:
    """All drawings are in data/lineart, none in the set, and the evaluation shows them."""
    drawings = list((project.root / "data/lineart").iterdir())
    assert len(drawings) == project.numbers("data.json")["line_art"]["kept"] == DRAWINGS
    assert all(image.read_gray(path).shape == (SIZE, SIZE) for path in drawings)
    assert not {path.stem for path in drawings} & {
        path.stem for path in (project.root / "data/color").iterdir()
    }
    assert (project.root / "metrics/images/lineart.png").exists()


def test_another_filter_sends_no_request(server: DanbooruServer, project: Project) -> None:
    """A stricter filter reads the listed pages from the cache."""
    before = len(server.log)
    project.change(source__count=30)
    assert project.repro("discover", "download") == ["discover", "download"]
    assert len(read_manifest(project.root / "data/manifest.jsonl")) == 30
    assert len([one for one in server.log[before:] if one.status == 200]) == 0
    project.run("git", "checkout", "-q", ".")
    project.run("dvc", "checkout")


def test_downloads_are_packed_and_kept(
    server: DanbooruServer, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards have the site's bytes; downloaded files stay, and none is requested again."""
    copied = copy_project(project, tmp_path)
    kept = {path: path.read_bytes() for path in copied.root.glob(".refcolor/downloads/*/*")}
    before = len(server.log)
    monkeypatch.chdir(copied.root)
    monkeypatch.setattr(download, "pack", partial(pack, above=5))
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)
    download.main()
    raw = copied.root / "data/raw"
    assert {path.suffix for path in raw.iterdir()} == {".tar"}
    wanted = server.files(id for id in server.good[:COUNT] if id != server.good[9])
    assert {file.name: file.read_bytes() for file in files(raw)} == wanted
    assert {path: path.read_bytes() for path in kept} == kept
    assert [one for one in server.log[before:] if one.status == 200] == []


def test_a_forgotten_picture_is_gone_after_the_next_run(
    server: DanbooruServer, project: Project
) -> None:
    """`refcolor forget` and `dvc repro` remove it from every folder; the others stay the same."""
    name = f"danbooru-{server.good[0]}"
    assert list(project.root.rglob(f"{name}.*"))
    before = {record.id for record in read_manifest(project.root / "data/manifest.jsonl")}
    said = project.run("refcolor", "forget", name)
    assert "dvc gc" in said
    assert f"id {server.good[0]}" in (project.root / "data/exclude.txt").read_text()
    project.repro("split")
    left = {record.id for record in read_manifest(project.root / "data/manifest.jsonl")}
    assert left == before - {name}
    assert not [path for path in project.root.rglob(f"*{name}*") if ".dvc" not in path.parts]
    assert project.numbers("data.json")["discover"]["dropped"]["excluded"] == 1


def test_without_a_contact_no_request_is_sent(
    server: DanbooruServer, project: Project, tmp_path: Path
) -> None:
    """The stage refuses to start and says what to set."""
    before = len(server.log)
    project.change(source__danbooru__contact="", source__danbooru__max_id=5000)
    said = project.run("python", "-m", "pipeline.discover", check=False)
    assert "DANBOORU_CONTACT" in said and "Traceback" not in said
    assert len(server.log) == before
    project.run("git", "checkout", "-q", "params.yaml")
