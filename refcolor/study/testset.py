"""The test set: characters of other seeds and styles, on which a chosen model is reported once."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from itertools import cycle, product
from pathlib import Path

import torch

from refcolor.characters import UNSEEN_CLOTHES, UNSEEN_HAIR_STYLES
from refcolor.errors import RefcolorError
from refcolor.evaluation.evaluate import evaluate
from refcolor.io import image
from refcolor.io.files import write_lines
from refcolor.lines.sketch import draw_settings, sketch_picture
from refcolor.params import Params, SampleParams
from refcolor.sources import drawn
from refcolor.sources.manifest import Record, write_manifest
from refcolor.study.cost import cost
from refcolor.study.plan import TestSet, digest, load_plan
from refcolor.study.repository import code_commit, refuse_uncommitted
from refcolor.study.rows import TEST, Row, read_rows, write_rows
from refcolor.tracking.stages import locked_key, read_lock, stage_key
from refcolor.training.device import choose_device


def unseen_characters(test: TestSet) -> list[Record]:
    """List the characters, each with unseen hair, unseen clothes or both, in turn."""
    seeds = SampleParams(shape_seed=test.shape_seed, palette_seed=test.palette_seed, size=256)
    _usual, *unseen = product(("", *UNSEEN_HAIR_STYLES), ("", *UNSEEN_CLOTHES))
    records: list[Record] = []
    for record, (hair, clothes) in zip(
        drawn.list_drawn(seeds, test.count), cycle(unseen), strict=False
    ):
        facts = record.attributes
        changed = {"hair": hair or facts["hair"], "clothes": clothes or facts["clothes"]}
        name = f"test-{len(records):06d}"
        records.append(replace(record, id=name, attributes=facts | changed))
    return records


def draw_test_set(folder: Path, test: TestSet, params: Params) -> None:
    """Draw the test set as the stages of the pipeline would have made it.

    folder: made anew; gets manifest.jsonl, color/, sketch/ and split/. Half of the characters are
    coloured, each after the next one of that half; of the others one half is the real side of FID
    and KID, the other its floor.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    records = unseen_characters(test)
    write_manifest(folder / "manifest.jsonl", records)
    for record in records:
        picture = drawn.draw(record, size=params.source.sample.size).color
        square = image.square(picture, params.clean.size, fit=params.clean.fit)
        image.write(folder / "color" / f"{record.id}.png", square)
        lines = sketch_picture(square, draw_settings(params.sketch, record.id))
        image.write(folder / "sketch" / f"{record.id}.png", lines)
    ids = [record.id for record in records]
    members, real, floor = ids[::2], ids[1::4], ids[3::4]
    pairs = zip(members, [*members[1:], members[0]], strict=True)
    write_lines(folder / "split" / "val.txt", sorted(members + real))
    write_lines(folder / "split" / "train.txt", floor)
    write_lines(folder / "split" / "pairs.csv", ["sketch,reference", *map(",".join, pairs)])


def judge(folder: Path, models: Path, params: Params) -> dict[str, float]:
    """Measure a model on a test set that was drawn into a folder, as the stage evaluate does."""
    device = choose_device(params.runtime.device)
    report = evaluate(params, models=models, data=folder, device=device)
    report.write(
        results=folder / "results",
        images=folder / "images",
        confusion=folder / "confusion",
    )
    return report.numbers


def refuse_another_look(rows: Iterable[Row], train_key: str, *, again: bool) -> None:
    """Refuse a test set that was looked at before.

    rows: of earlier looks. again: whether the user insists; the tables count the looks.
    Raises RefcolorError for any earlier look, and for one at the same model whatever the user says.
    """
    for row in rows:
        if row.train_key == train_key:
            raise RefcolorError(f"this model is in {TEST} already; read its numbers there")
        if not again:
            raise RefcolorError(
                f"the test set was looked at before, on {row.experiment}; choose by the validation."
                " If there is a reason to look again, say --again: it will be counted"
            )


def report_test(root: Path, plan_file: Path, params: Params, *, again: bool = False) -> Row:
    """Judge the model of the repository on the test set of a plan, and write that down.

    The row goes to test.csv beside the plan. params: of the model, as in params.yaml.
    again: allow another look, which is counted. Raises RefcolorError when code, plan or
    parameters are not committed, when the model is not that of the parameters, and when the test
    set was looked at before: whoever chooses after looking has made it a validation set.
    """
    test = load_plan(plan_file).test
    if test is None:
        raise RefcolorError(f"{plan_file} plans no test set; add a section `test`")
    refuse_uncommitted(root, [plan_file, root / "params.yaml", root / "dvc.lock"])
    train_key = locked_key("train", read_lock(root))
    if train_key != stage_key("train", root=root):
        raise RefcolorError(
            "models/ is not what params.yaml and the code would train; run `dvc repro` and commit"
        )
    rows = read_rows(plan_file.parent / TEST).values()
    refuse_another_look(rows, train_key, again=again)
    folder = root / ".refcolor" / "study" / "test"
    draw_test_set(folder, test, params)
    numbers = judge(folder, root / "models", params)
    parameters, operations = cost(params.model, size=params.clean.size)
    row = Row(
        arm="test",
        seed=params.seed,
        status="finished",
        changes="",
        experiment=f"test-{train_key[:6]}",
        commit=code_commit(root),
        plan=digest(plan_file),
        torch=torch.__version__,
        key=train_key,
        train_key=train_key,
        parameters=parameters,
        operations=operations,
        metrics=numbers,
    )
    write_rows(plan_file.parent / TEST, [*rows, row])
    return row
