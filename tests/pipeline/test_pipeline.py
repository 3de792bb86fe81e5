"""The real pipeline in a small repository: what reruns, what does not, and the same bytes."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from typing import Any

import pytest

from refcolor.io import image

from .conftest import Project

pytestmark = pytest.mark.slow

LONG = 60  # epochs that take some seconds


def test_an_unchanged_tree_runs_nothing(finished: Project) -> None:
    """`dvc repro` on an unchanged tree runs no stage."""
    assert finished.repro() == []


def test_everything_listed_is_kept_or_dropped(finished: Project) -> None:
    """Kept + dropped = listed at every stage, and the split shares out what was kept."""
    counts = finished.numbers("data.json")
    for stage in ("discover", "download", "clean"):
        one = counts[stage]
        assert one["kept"] + sum(one["dropped"].values()) == one["listed"]
    assert counts["split"]["train"] + counts["split"]["validation"] == counts["clean"]["kept"]


def test_the_plots_page_shows_which_part_took_which_colour(finished: Project) -> None:
    """`dvc plots show` finds the confusion of parts once, drawn by our own template."""
    pages = json.loads(finished.run("dvc", "plots", "show", "--json"))["data"]
    found = [plots for name, plots in pages.items() if name.endswith("confusion.csv")]
    assert len(found) == 1
    content = found[0][0]["content"]
    assert content["facet"]["row"]["field"] == "measure"
    took = {(row["part"], row["took"]) for row in content["data"]["values"]}
    assert ("hair", "hair") in took


@pytest.mark.parametrize(
    ("name", "value", "stages"),
    [
        ("seed", 5, ["train"]),
        ("source.count", 25, ["discover"]),
        ("source.sample.palette_seed", 9, ["discover"]),
        ("source.folder.layout", "pairs", ["clean", "discover"]),
        ("source.danbooru.max_id", 7, ["discover"]),
        ("source.danbooru.contact", "me@example.org", []),
        ("source.danbooru.rate", 2, []),
        ("source.transfer.threads", 9, []),
        ("source.transfer.min_success", 0.5, ["download"]),
        ("filter.max_aspect", 2, ["discover"]),
        ("clean.min_colorfulness", 6, ["clean"]),
        ("source.sample.size", 96, ["download", "evaluate"]),
        ("clean.fit", "crop", ["clean", "evaluate"]),
        ("sketch.preset", "xdog_python", ["sketch"]),
        ("split.seed", 3, ["split"]),
        ("augment.warp", 0.1, ["train"]),
        ("model.blocks", 2, ["train"]),
        ("loss.triplet", 1, ["train"]),
        ("train.epochs", 3, ["train"]),
        ("train.threads", 2, ["evaluate", "train"]),
        ("train.processes", 2, ["train"]),
        ("evaluate.seed", 4, ["evaluate"]),
        ("evaluate.fid", "pytorch", ["evaluate"]),
        ("runtime.workers", 2, []),
        ("runtime.engine", "dask", []),
        ("runtime.tracker", "none", []),
    ],
)
def test_a_parameter_touches_only_the_stages_that_read_it(
    project: Project, name: str, value: Any, stages: list[str]
) -> None:
    """DVC finds a changed parameter in exactly the stages that depend on it."""
    project.set({name: value})
    status = json.loads(project.run("dvc", "status", "--json"))
    changed = sorted(
        stage
        for stage, reasons in status.items()
        if any(
            "changed deps" in reason and "params.yaml" in reason["changed deps"]
            for reason in reasons
        )
    )
    assert changed == sorted(stages)


def test_a_loss_weight_reruns_training_and_going_back_comes_from_the_cache(
    project: Project,
) -> None:
    """0 -> 1 -> 0 trains once, returns to the same bytes, and every result has one MLflow run."""
    before = project.lock()
    project.change(loss__triplet=1)
    assert project.repro() == ["train", "evaluate"]
    assert project.lock() != before
    project.change(loss__triplet=0)
    assert project.repro() == []
    assert project.lock() == before
    runs = (
        sqlite3.connect(project.root / "mlflow.db")
        .execute(
            "select r.run_uuid, r.status, count(m.key) from runs r left join latest_metrics m "
            "on r.run_uuid = m.run_uuid group by r.run_uuid"
        )
        .fetchall()
    )
    assert [status for _, status, _ in runs] == ["FINISHED", "FINISHED"]
    assert all(metrics > 20 for _, _, metrics in runs)


def test_forcing_every_stage_gives_the_same_bytes(project: Project) -> None:
    """`dvc repro -f` leaves dvc.lock as it was: every byte of every stage repeats."""
    before = project.lock()
    assert len(project.repro("--force")) == 7
    assert project.lock() == before


def test_an_experiment_keeps_its_name_in_both_worlds(project: Project) -> None:
    """`dvc exp run -S` makes a DVC experiment and an MLflow run of one name, found both ways."""
    project.run("dvc", "exp", "run", "--name", "triplet-on", "-S", "loss.triplet=1")
    assert "triplet-on" in project.run("dvc", "exp", "list")
    found = project.run("refcolor", "runs", "triplet-on")
    assert "triplet-on" in found
    assert "transfer_delta_e" in project.run("dvc", "metrics", "diff")
    assert "loss.triplet" in project.run("dvc", "params", "diff")


def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(project: Project) -> None:
    """After SIGKILL the same command resumes and ends with the lock of an unbroken run."""
    # Twenty seconds between two states are a long time for a test.
    checkpoint = project.root / "refcolor" / "checkpoint.py"
    code = checkpoint.read_text(encoding="utf-8")
    assert code.count("20.0") == 2
    checkpoint.write_text(code.replace("20.0", "0.2"), encoding="utf-8")
    project.change(train__epochs=LONG)
    straight = project.repro()
    assert straight == ["train", "evaluate"]
    expected = project.lock()
    # As if that training had never been: no state, no cached run.
    project.run("git", "checkout", "-q", "dvc.lock")
    project.run("rm", "-rf", ".refcolor/checkpoints", ".dvc/cache/runs")

    process = subprocess.Popen(
        ["dvc", "repro"],
        cwd=project.root,
        env=project.environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    folder = project.root / ".refcolor" / "checkpoints"
    limit = time.monotonic() + 120
    while not list(folder.glob("*/*/state.pt")):
        assert process.poll() is None and time.monotonic() < limit, "no state was saved"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    said = project.run("dvc", "repro")
    assert "resumed at step" in said
    assert project.lock() == expected


def test_a_temporary_run_keeps_its_state_in_the_repository(project: Project) -> None:
    """`dvc exp run --temp` tracks into the repository's own store, not into its clone."""
    before = len(list((project.root / ".refcolor" / "checkpoints").iterdir()))
    project.run("dvc", "exp", "run", "--temp", "-S", "loss.match=1")
    assert len(list((project.root / ".refcolor" / "checkpoints").iterdir())) == before + 1


def test_another_size_is_never_answered_from_the_cache(project: Project) -> None:
    """A changed `clean.size` makes new squares instead of taking old ones out of the run cache."""
    project.change(clean__size=48)
    assert project.repro()[0] == "clean"
    assert image.read(next((project.root / "data/color").iterdir())).shape == (48, 48, 3)
