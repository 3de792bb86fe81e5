"""Many drawings in one call: the pictures of single calls, and a failure stops no other drawing."""

import errno
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refcolor.colorize import batch, colored
from refcolor.colorize.batch import Options, Report, color_all
from refcolor.colorize.colored import Colored
from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.hints import PointMatch
from refcolor.colorize.jobs import Failure, Job
from refcolor.colorize.lab import to_lab
from refcolor.colorize.prepared import Prediction, Prepared
from refcolor.errors import RefcolorError
from refcolor.io import image

from .material import blocks, line_art


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    """Seven drawings of two shapes with two references."""
    planned = []
    for index in range(7):
        sketch, reference = tmp_path / f"s{index}.png", tmp_path / f"r{index % 2}.png"
        image.write(sketch, line_art(64, 64 if index < 5 else 40))
        image.write(reference, blocks(48, 48, seed=index % 2))
        planned.append(Job(sketch, (reference,), tmp_path / "out" / f"s{index}.png"))
    return planned


def test_a_batch_gives_the_pictures_of_single_calls(colorizer: Colorizer, jobs: list[Job]) -> None:
    """Every result exists, and equals the picture of `colorize` to within rounding."""
    report = color_all(colorizer, jobs, Options())
    assert (report.done, report.skipped, report.failures) == (7, 0, [])
    for job in jobs:
        expected = colorizer.colorize(job.sketch, job.references).picture
        assert np.abs(image.read(job.output).astype(int) - expected).max() <= 1


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record how many drawings went through the model in each forward pass."""
    passes: list[int] = []
    run = Colorizer.run

    def counted(
        self: Colorizer, prepared: Sequence[Prepared], *, with_weights: bool = True
    ) -> list[Prediction]:
        passes.append(len(prepared))
        return run(self, prepared, with_weights=with_weights)

    monkeypatch.setattr(Colorizer, "run", counted)
    return passes


def test_drawings_of_one_shape_share_a_forward_pass(
    colorizer: Colorizer, jobs: list[Job], passes: list[int]
) -> None:
    """Neighbours of one working shape share a pass; another shape starts the next."""
    color_all(colorizer, jobs, Options())
    assert passes == [5, 2]


@pytest.mark.parametrize(("limit", "each"), [("_BATCH_PIXELS", 32 * 32), ("_BATCH_PAIRS", 64 * 64)])
def test_the_size_of_a_pass_is_limited(
    colorizer: Colorizer,
    jobs: list[Job],
    passes: list[int],
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    each: int,
) -> None:
    """Where two drawings fill a pass, five of them are three passes."""
    monkeypatch.setattr(batch, limit, 2 * each)
    color_all(colorizer, jobs, Options())
    assert passes == [2, 2, 1, 2]


def test_few_large_drawings_are_in_memory(
    colorizer: Colorizer, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one fills the limit, one is read ahead, one is in the model, two are being written."""
    alive, most = 0, 0
    prepare, finish = Colorizer.prepare, Colorizer.finish

    def counted_prepare(self: Colorizer, *given: Any, **named: Any) -> Prepared:
        nonlocal alive, most
        alive += 1
        most = max(most, alive)
        return prepare(self, *given, **named)

    def counted_finish(self: Colorizer, prepared: Prepared, prediction: Prediction) -> Colored:
        nonlocal alive
        time.sleep(0.05)  # the slowest part of a large drawing
        alive -= 1
        return finish(self, prepared, prediction)

    monkeypatch.setattr(Colorizer, "prepare", counted_prepare)
    monkeypatch.setattr(Colorizer, "finish", counted_finish)
    monkeypatch.setattr(batch, "_QUEUE_PIXELS", 64 * 64)
    assert color_all(colorizer, jobs, Options()).done == 7
    assert 2 <= most <= 4


def test_existing_results_are_skipped(colorizer: Colorizer, jobs: list[Job]) -> None:
    """A second call makes what is missing and nothing else; force makes all of it."""
    color_all(colorizer, jobs, Options())
    jobs[2].output.unlink()
    before = {job.output: job.output.stat().st_mtime_ns for job in jobs if job is not jobs[2]}
    report = color_all(colorizer, jobs, Options())
    assert (report.done, report.skipped) == (1, 6)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    report = color_all(colorizer, jobs, Options(force=True))
    assert (report.done, report.skipped) == (7, 0)


def test_a_result_without_its_layers_is_not_complete(colorizer: Colorizer, jobs: list[Job]) -> None:
    """When layers are requested after a run without them, the drawings are coloured again."""
    color_all(colorizer, jobs[:1], Options())
    report = color_all(colorizer, jobs[:1], Options(layers=True, psd=True, ora=True))
    assert report.done == 1
    assert sorted(os.listdir(jobs[0].output.parent)) == [
        "s0.ora",
        "s0.png",
        "s0.psd",
        "s0_colors.png",
        "s0_lines.png",
    ]


def test_a_drawing_with_the_longest_possible_name(colorizer: Colorizer, jobs: list[Job]) -> None:
    """Its picture, layers and PSD are written under the names of the job."""
    job = replace(jobs[0], output=jobs[0].output.with_name("x" * 251 + ".png"))
    report = color_all(colorizer, [job], Options(layers=True, psd=True))
    assert (report.done, report.failures) == (1, [])
    assert sorted(job.output.parent.iterdir()) == sorted(job.files(layers=True, psd=True))


def test_a_failed_drawing_does_not_stop_the_others(colorizer: Colorizer, jobs: list[Job]) -> None:
    """Not a picture, a cut file, a reference of lines: each is reported, four are coloured."""
    jobs[0].sketch.write_text("hello, I am a text")
    jobs[3].sketch.write_bytes(jobs[3].sketch.read_bytes()[:100])
    image.write(jobs[1].references[0].with_name("lines.png"), line_art(50, 50))
    jobs[1] = Job(jobs[1].sketch, (jobs[1].references[0].with_name("lines.png"),), jobs[1].output)
    report = color_all(colorizer, jobs, Options())
    assert report.done == 4
    assert [failure.name for failure in report.failures] == [
        str(jobs[index].sketch) for index in (0, 1, 3)
    ]
    lines = list(report.lines())
    assert [line.count("\n") for line in lines] == [0, 0, 0]
    assert "s0.png is not a picture" in lines[0]
    assert lines[1].startswith(f"{jobs[1].sketch}: ")
    assert "lines.png is a line drawing" in lines[1]
    assert "s3.png is truncated" in lines[2]


def test_a_sheet_gives_the_same_colors_in_all_drawings(
    colorizer: Colorizer, jobs: list[Job]
) -> None:
    """Every colour is of one palette, also where only one drawing is made again."""
    jobs = [replace(job, references=jobs[0].references + jobs[1].references) for job in jobs]
    options = Options(sheet=True, layers=True)
    assert color_all(colorizer, jobs, options).done == 7
    before = [image.read(job.files(layers=True)[1]) for job in jobs]
    colors = {bytes(color) for layer in before for color in np.unique(layer.reshape(-1, 3), axis=0)}
    lab = to_lab(np.array([list(color) for color in colors], np.uint8)[None])[0]
    apart = np.linalg.norm(lab[:, None] - lab, axis=2) + 99 * np.eye(len(lab))
    assert apart.min() > 1
    jobs[3].output.unlink()
    report = color_all(colorizer, jobs, options)
    assert (report.done, report.skipped) == (1, 6)
    assert np.array_equal(image.read(jobs[3].files(layers=True)[1]), before[3])


def test_a_picture_of_a_sheet_that_cannot_be_read_is_left_out(
    colorizer: Colorizer, jobs: list[Job]
) -> None:
    """It is reported once; without any other picture, or with a match, it is an error."""
    broken = jobs[0].sketch.with_name("broken.png")
    broken.write_text("hello, I am a text")
    jobs = [replace(job, references=(broken, *jobs[0].references)) for job in jobs]
    report = color_all(colorizer, jobs, Options(sheet=True))
    assert report.done == 7
    assert [failure.name for failure in report.failures] == [str(broken)]
    with pytest.raises(RefcolorError, match=r"broken\.png is not a picture"):
        color_all(
            colorizer, jobs, Options(sheet=True, force=True, matches=(PointMatch(1, 1, 1, 1),))
        )
    alone = replace(jobs[0], references=(broken,))
    with pytest.raises(RefcolorError, match=r"broken\.png is not a picture"):
        color_all(colorizer, [alone], Options(sheet=True, force=True))


def test_a_broken_drawing_beside_a_sheet_is_reported_once(
    colorizer: Colorizer, jobs: list[Job]
) -> None:
    """Although the drawings are read twice."""
    jobs[0].sketch.write_text("hello, I am a text")
    jobs = [replace(job, references=jobs[0].references) for job in jobs]
    report = color_all(colorizer, jobs, Options(sheet=True))
    assert (report.done, [failure.name for failure in report.failures]) == (
        6,
        [str(jobs[0].sketch)],
    )


def test_an_unwritable_result_is_reported(colorizer: Colorizer, jobs: list[Job]) -> None:
    """A folder where a result should be is one failure; no partial file is left."""
    (jobs[4].output / "x").mkdir(parents=True)
    report = color_all(colorizer, jobs, Options(force=True))
    assert report.done == 6
    assert [failure.name for failure in report.failures] == [str(jobs[4].sketch)]
    assert not [name for name in os.listdir(jobs[0].output.parent) if name.endswith(".part")]


def test_a_full_disk_stops_the_call(
    colorizer: Colorizer, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other drawings would fail too; the error names the folder without space."""

    def full(path: Path, *_given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(colored, "write_picture", full)
    with pytest.raises(OSError, match="No space left"):
        color_all(colorizer, jobs, Options())


def test_ctrl_c_starts_no_further_drawing(
    colorizer: Colorizer, jobs: list[Job], passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawings not yet read are not read, so that it ends at once; no partial file is left."""
    begun = 0
    prepare, run = Colorizer.prepare, Colorizer.run

    def slow(self: Colorizer, *given: Any, **named: Any) -> Prepared:
        nonlocal begun
        begun += 1
        time.sleep(0.05)
        return prepare(self, *given, **named)

    def stopped(self: Colorizer, *given: Any, **named: Any) -> list[Prediction]:
        if passes:
            raise KeyboardInterrupt
        return run(self, *given, **named)

    monkeypatch.setattr(Colorizer, "prepare", slow)
    monkeypatch.setattr(Colorizer, "run", stopped)
    monkeypatch.setattr(batch, "_BATCH_PIXELS", 0)
    with pytest.raises(KeyboardInterrupt):
        color_all(colorizer, jobs, Options())
    assert begun < len(jobs)
    assert list(jobs[0].output.parent.glob("*")) in ([], [jobs[0].output])


def test_a_wrong_size_is_reported_once(colorizer: Colorizer, jobs: list[Job]) -> None:
    """It is an error of the call and not of each drawing."""
    with pytest.raises(RefcolorError, match="size must be from 16"):
        color_all(colorizer, jobs, Options(size=3))


def test_one_reason_for_many_drawings_is_one_line() -> None:
    """An unusable reference is reported once, not for each drawing."""
    failures = [Failure(f"s{index}.png", "r.png is not a picture") for index in range(100)]
    report = Report(failures=[*failures, Failure("t.png", "t.png is empty\nfetch it")])
    assert list(report.lines()) == [
        "s0.png, s1.png, s2.png and 97 more: r.png is not a picture",
        "t.png is empty fetch it",
    ]


def test_an_empty_list_of_jobs_is_allowed(colorizer: Colorizer) -> None:
    """The report is empty."""
    assert color_all(colorizer, [], Options()).done == 0
