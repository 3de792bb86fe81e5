from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from refcolor.characters import CLOTHES, HAIR_STYLES, UNSEEN_CLOTHES, UNSEEN_HAIR_STYLES
from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.model.discriminator import Discriminator
from refcolor.model.generator import build_generator
from refcolor.params import Params, SampleParams
from refcolor.prepare.clean import clean_picture
from refcolor.sources import drawn
from refcolor.sources.manifest import read_manifest
from refcolor.study.plan import TestSet, load_plan, runs
from refcolor.study.rows import Row
from refcolor.study.testset import draw_test_set, judge, refuse_another_look, unseen_characters
from refcolor.training.checkpoint import save_model

TEST = TestSet(shape_seed=5, palette_seed=6, count=20)


def test_every_character_has_an_unseen_style() -> None:
    """Each wears hair or clothes that no other drawn character has; every such style occurs."""
    records = unseen_characters(TEST)
    worn = {(record.attributes["hair"], record.attributes["clothes"]) for record in records}
    for hair, clothes in worn:
        assert hair in UNSEEN_HAIR_STYLES or clothes in UNSEEN_CLOTHES
    assert {hair for hair, _ in worn} > set(UNSEEN_HAIR_STYLES)
    assert {clothes for _, clothes in worn} > set(UNSEEN_CLOTHES)
    assert not set(UNSEEN_HAIR_STYLES) & set(HAIR_STYLES)
    assert not set(UNSEEN_CLOTHES) & set(CLOTHES)


def test_a_record_determines_its_drawing() -> None:
    """The unseen style that a record names is drawn, and again with another palette."""
    record = unseen_characters(TEST)[0]
    usual = drawn.list_drawn(SampleParams(shape_seed=5, palette_seed=6, size=64), 1)[0]
    assert usual.attributes["hair"] != record.attributes["hair"] in UNSEEN_HAIR_STYLES or (
        usual.attributes["clothes"] != record.attributes["clothes"] in UNSEEN_CLOTHES
    )
    assert (drawn.draw(record, size=64).ink != drawn.draw(usual, size=64).ink).any()


def test_the_test_set_is_made_as_by_the_stages(
    tmp_path: Path, make_params: Callable[..., Params]
) -> None:
    """A picture equals that of the stage clean; pairs, real side and floor share no character."""
    params = make_params()
    folder = tmp_path / "test"
    draw_test_set(folder, TEST, params)
    records = {record.id: record for record in read_manifest(folder / "manifest.jsonl")}
    name = "test-000003"
    raw = tmp_path / "raw.png"
    image.write(raw, drawn.draw(records[name], size=params.source.sample.size).color)
    squares = clean_picture(raw, name, params.clean, layout="pictures")
    np.testing.assert_array_equal(squares[0], image.read(folder / "color" / f"{name}.png"))
    lines = (folder / "split" / "pairs.csv").read_text().splitlines()[1:]
    sketches, references = zip(*(line.split(",") for line in lines), strict=True)
    assert sorted(sketches) == sorted(references) and len(set(sketches)) == 10
    assert all(a != b for a, b in zip(sketches, references, strict=True))
    real = set((folder / "split" / "val.txt").read_text().split()) - set(sketches)
    floor = set((folder / "split" / "train.txt").read_text().split())
    assert len(real) == len(floor) == 5 and not real & floor
    assert real | floor | set(sketches) == set(records)


def test_a_model_is_judged_by_the_true_recolouring(
    tmp_path: Path, make_params: Callable[..., Params]
) -> None:
    """An untrained model gets the numbers of the stage evaluate, true recolouring included."""
    params = make_params()
    draw_test_set(tmp_path / "test", TEST, params)
    save_model(
        tmp_path / "models",
        generator=build_generator(params.model),
        discriminator=Discriminator(params.model),
        params=params.model,
        size=32,
    )
    numbers = judge(tmp_path / "test", tmp_path / "models", params)
    assert numbers["pairs"] == 10
    assert numbers["transfer_delta_e"] > 0
    # Without its colours the truth keeps its lightness, whoever is drawn.
    assert numbers["grey_transfer_delta_e"] < numbers["mean_color_transfer_delta_e"]


def test_a_model_is_tested_once(
    make_row: Callable[..., Row], write_plan: Callable[..., Path]
) -> None:
    """A second model needs --again; the same model is never tested twice."""
    plan = write_plan()
    row = make_row(plan, next(runs(load_plan(plan))))
    refuse_another_look([], "a" * 16, again=False)
    with pytest.raises(RefcolorError, match="--again"):
        refuse_another_look([row], "a" * 16, again=False)
    refuse_another_look([row], "a" * 16, again=True)
    with pytest.raises(RefcolorError, match="already"):
        refuse_another_look([row], row.train_key, again=True)
