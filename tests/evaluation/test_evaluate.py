"""Evaluation of generators whose scores are known beforehand."""

import functools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from refcolor.characters import PARTS
from refcolor.colorize.colorizer import Colorizer
from refcolor.errors import RefcolorError
from refcolor.evaluation.evaluate import Report, evaluate, load_features, measure
from refcolor.evaluation.evaluation_set import (
    EvaluationSet,
    choose,
    load_evaluation_set,
    pair_others,
    read_pairs,
    second_references,
)
from refcolor.evaluation.features.random_convolutions import RandomConvolutions
from refcolor.evaluation.features.tagger import Tagger
from refcolor.evaluation.measurements import (
    attention,
    confusion,
    distance_of_sets,
    other_reference,
    reference_dependence,
    tag_transfer,
)
from refcolor.evaluation.metrics.attention import same_place
from refcolor.evaluation.metrics.baselines import grey, mean_color, moved
from refcolor.evaluation.metrics.color import delta_e
from refcolor.evaluation.metrics.distance import fid, kid
from refcolor.evaluation.metrics.truth import recolored
from refcolor.evaluation.predictions import Prediction, Predictions
from refcolor.evaluation.real_drawings import read_real_pairs, real_drawings
from refcolor.io import image
from refcolor.lines.sketch import PRESETS, sketch_picture
from refcolor.model.generator import Output
from refcolor.params import Params, SampleParams, load
from refcolor.sources.drawn import list_drawn
from refcolor.sources.manifest import Record, write_manifest
from refcolor.sources.naming import result_name
from refcolor.training.augment import Match
from refcolor.training.data import Pictures

from ..colorize.material import blocks, line_art, save_tiny

Picture = NDArray[np.uint8]

ROOT = Path(__file__).parents[2]
SIZE, STRIDE = 32, 4
VALIDATION, TRAINING, PAIRED = range(14), range(14, 24), 6
CHARACTERS = list_drawn(SampleParams(shape_seed=1, palette_seed=2, size=128), 40)
OTHER = ("other_delta_e", "other_ssim", "other_chroma_error")
NONE = np.empty((0, 2), np.int64)
PAIRS = [(i, (i + step) % PAIRED) for i in range(PAIRED) for step in (1, 2)]


@functools.cache
def _drawn(shape: int, palette: int) -> Picture:
    pair = CHARACTERS[shape], CHARACTERS[palette]
    return recolored(*pair, drawn_at=128, size=SIZE, fit="pad").color


@functools.cache
def _sketch(number: int) -> Picture:
    return sketch_picture(_drawn(number, number), PRESETS["default"])


_features = functools.cache(RandomConvolutions)


def _params(**changes: object) -> Params:
    content = load(ROOT / "params.yaml").model_dump()
    content["source"]["sample"]["size"] = 128
    content["clean"]["size"] = SIZE
    content["model"] |= {"levels": 3, "widths": (16, 32, 64)}
    content["evaluate"] |= {"warp": 0.2, "features": "random", "batch_size": 5, "seed": 3}
    content["evaluate"] |= changes
    return Params.model_validate(content)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """14 validation pictures in 5 groups, 6 of them in 12 pairs, and 10 training pictures."""
    root = tmp_path_factory.mktemp("data")
    numbers = range(TRAINING.stop)
    records = [replace(CHARACTERS[number], group=f"g{number % 5}") for number in numbers]
    for number, record in enumerate(records):
        image.write(root / "color" / f"{record.id}.png", _drawn(number, number))
        image.write(root / "sketch" / f"{record.id}.png", _sketch(number))
    write_manifest(root / "manifest.jsonl", records)
    split = root / "split"
    split.mkdir()
    for name, numbers in (("val", VALIDATION), ("train", TRAINING)):
        (split / f"{name}.txt").write_text("".join(f"{records[n].id}\n" for n in numbers))
    rows = [f"{records[i].id},{records[j].id}\n" for i, j in PAIRS]
    (split / "pairs.csv").write_text("sketch,reference\n" + "".join(rows))
    return root


@pytest.fixture(scope="module")
def data(folder: Path) -> EvaluationSet:
    """The evaluation set of these, with 8 of the training pictures."""
    return load_evaluation_set(folder, _params())


class Fake:
    """A generator computed from uint8 sketch and reference; its attention is the identity."""

    query_stride = key_stride = STRIDE

    def __init__(self, answer: Callable[[Picture, Picture], Picture]) -> None:
        self.answer = answer
        self.batches: list[int] = []

    def __call__(self, *, sketch: Tensor, reference: Tensor) -> Output:
        self.batches.append(len(sketch))
        pairs = zip(image.to_uint8(sketch)[..., 0], image.to_uint8(reference), strict=True)
        pictures = np.stack([self.answer(*pair) for pair in pairs])
        queries, keys = ((SIZE // size,) * 2 for size in (self.query_stride, self.key_stride))
        logits = torch.eye(math.prod(keys))[same_place(queries, keys)].expand(len(sketch), -1, -1)
        return Output(image.to_tensor(pictures), logits, queries, (keys,))


class Fine(Fake):
    """The same with queries finer than keys."""

    query_stride, key_stride = 2, 8


class Unattended(Fake):
    """The same without attention."""

    def __call__(self, *, sketch: Tensor, reference: Tensor) -> Output:
        output = super().__call__(sketch=sketch, reference=reference)
        return replace(output, logits=None)


def _oracle() -> Callable[[Picture, Picture], Picture]:
    """Give the right result: for an unknown reference, the target of the sketch, warped."""
    by_sketch = {_sketch(number).tobytes(): number for number in VALIDATION}
    by_reference = {_drawn(number, number).tobytes(): number for number in VALIDATION}
    by_reference |= {moved(_drawn(number, number)).tobytes(): number for number in VALIDATION}

    def answer(sketch: Picture, reference: Picture) -> Picture:
        shape = by_sketch[sketch.tobytes()]
        return _drawn(shape, by_reference.get(reference.tobytes(), shape))

    return answer


def _copying(_sketch: Picture, reference: Picture) -> Picture:
    return reference


def _predictions(
    data: EvaluationSet, generator: Fake | None = None, **changes: object
) -> Predictions:
    return Predictions(data, generator or Fake(_copying), _params(**changes).evaluate)


def _numbers(predictions: Predictions) -> dict[str, float]:
    return measure(predictions, features=_features(), tagger=None).numbers


@pytest.fixture(scope="module")
def copying(data: EvaluationSet) -> Report:
    """What a generator gets that returns the reference."""
    return measure(_predictions(data), features=_features(), tagger=None)


@pytest.fixture(scope="module")
def copied(copying: Report) -> dict[str, float]:
    """Its numbers."""
    return copying.numbers


@pytest.fixture(scope="module")
def posts(data: EvaluationSet) -> EvaluationSet:
    """The same pictures, whose shapes and palettes nobody knows; two hair colours are named."""
    records = []
    for number, record in enumerate(data.records):
        color = _drawn(number, number)
        hair = "red" if color[..., 0].mean() > color[..., 2].mean() else "blue"
        records.append(Record(record.id, "x", attributes={"hair": hair}))
    return replace(data, records=records)


def test_the_oracle_is_perfect(data: EvaluationSet) -> None:
    """Right results have a difference of 0, an SSIM of 1 and the capped PSNR, also when moved."""
    numbers = _numbers(_predictions(data, Fake(_oracle())))
    for key in ("delta_e", "transfer_delta_e", "transfer_delta_e_hair", "transfer_delta_e_moved"):
        assert numbers[key] == pytest.approx(0, abs=1e-4)
    assert numbers["cycle_delta_e"] == pytest.approx(0, abs=1e-4)
    assert numbers["histogram_distance"] == numbers["true_histogram_distance"]
    assert numbers["color_part_accuracy"] == 1
    assert numbers["ssim"] == numbers["ms_ssim"] == 1
    assert numbers["psnr"] == numbers["transfer_psnr"] == 100


def test_copying_scores_exactly_its_baseline(copied: dict[str, float]) -> None:
    """A generator that returns the reference has the numbers of copy_*, and bad ones."""
    for key in (key for key in copied if key.startswith("copy_")):
        assert copied[key.removeprefix("copy_")] == copied[key]
    assert copied["cycle_delta_e"] == 0  # copying passes it, as its description says
    assert copied["entanglement"] > 2 * copied["true_entanglement"]
    assert copied["histogram_distance"] < copied["true_histogram_distance"]
    assert copied["transfer_delta_e"] > 15
    assert copied["transfer_delta_e_moved"] > 15
    assert copied["transfer_delta_e_moved"] != copied["transfer_delta_e"]


def test_identity_attention_scores_its_baseline(copied: dict[str, float]) -> None:
    """Its accuracies are exactly the identity_* beside them, which are neither 0 nor 1."""
    assert copied["attention_accuracy"] == copied["attention_identity"]
    assert copied["attention_part_accuracy"] == copied["attention_part_identity"]
    assert 0.1 < copied["attention_identity"] < 0.9
    assert 0.1 < copied["attention_part_identity"] < 0.9


def test_fine_queries_are_judged_on_the_grid_of_the_keys(data: EvaluationSet) -> None:
    """Identity attention scores its baseline on unequal grids too."""
    numbers = _numbers(_predictions(data, Fine(_copying)))
    assert numbers["attention_accuracy"] == numbers["attention_identity"]
    assert numbers["attention_part_accuracy"] == numbers["attention_part_identity"]
    assert 0.1 < numbers["attention_part_identity"] < 0.9


@pytest.mark.parametrize("prefix, spoil", [("grey_", grey), ("mean_color_", mean_color)])
def test_grey_and_mean_colour_score_exactly_their_baselines(
    data: EvaluationSet,
    copied: dict[str, float],
    prefix: str,
    spoil: Callable[[Picture], Picture],
) -> None:
    """The grey target and the reference's mean colour are the baselines of those names."""
    oracle = _oracle()

    def answer(sketch: Picture, reference: Picture) -> Picture:
        return spoil(oracle(sketch, reference) if spoil is grey else reference)

    numbers = _numbers(_predictions(data, Fake(answer)))
    keys = [key.removeprefix(prefix) for key in copied if key.startswith(prefix)]
    keys = [key for key in keys if "id_random" not in key]
    if spoil is grey:  # of the sketch's own picture: the true recolouring is not always known
        for key in ("histogram_distance", *OTHER):
            keys.remove(key)
    assert {"delta_e", "ssim", "transfer_delta_e", "transfer_psnr"} <= set(keys)
    assert spoil is grey or set(OTHER) <= set(keys)
    for key in keys:
        assert numbers[key] == copied[f"{prefix}{key}"]
    assert numbers["transfer_delta_e"] > 5


def test_the_keys_of_eval_json(copied: dict[str, float]) -> None:
    """metrics/eval.json of drawn characters has these keys and no others, all finite numbers."""
    parts = [f"transfer_delta_e_{part}" for part in PARTS if part != "other"]
    baselines = ("delta_e", "ssim", "transfer_delta_e", "transfer_psnr", "histogram_distance")
    baselines += ("chroma_error", *OTHER)
    assert set(copied) == {
        *("images", "pairs", "other_pairs", "real_images", "ms_ssim", "psnr"),
        *(
            f"{prefix}{key}"
            for prefix in ("", "grey_", "mean_color_", "copy_")
            for key in baselines
        ),
        *(f"paper_{key}" for key in ("delta_e", "ssim", "chroma_error", *OTHER)),
        *("attention_accuracy", "attention_identity"),
        *("attention_part_accuracy", "attention_part_identity"),
        "fid_floor",
        *(f"{prefix}{key}_random" for prefix in ("", "copy_", "grey_") for key in ("fid", "kid")),
        *(f"{prefix}{part}" for prefix in ("", "grey_") for part in parts),
        *("transfer_delta_e_moved", "white_kept"),
        "true_histogram_distance",
        *("entanglement", "copy_entanglement", "true_entanglement"),
        "cycle_delta_e",
        *(f"{prefix}color_part_accuracy" for prefix in ("", "grey_", "copy_")),
    }
    assert (copied["images"], copied["pairs"], copied["real_images"]) == (14, 12, 8)
    assert copied["other_pairs"] == 14
    assert json.loads(json.dumps(copied, allow_nan=False)) == copied
    assert all(float(f"{value:.6g}") == value for value in copied.values())


def test_every_key_is_documented(copied: dict[str, float]) -> None:
    """docs/metrics.md names each number, and the prefixes of its baselines."""
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    prefixes = ("grey_", "mean_color_", "copy_", "paper_", "true_")
    assert all(f"`{prefix}`" in text for prefix in prefixes)
    for key in copied:
        prefix = next((prefix for prefix in prefixes if key.startswith(prefix)), "")
        name = key.removeprefix(prefix)
        part = name.removeprefix("transfer_delta_e_")
        assert f"`{name}`" in text or (part in PARTS and "`transfer_delta_e_<part>`" in text), key


def test_every_pair_and_every_sheet_is_written(
    data: EvaluationSet, copying: Report, tmp_path: Path
) -> None:
    """results/ holds one picture for each pair, as the generator made it; images/ the sheets."""
    images, table = tmp_path / "images", tmp_path / "confusion.csv"
    copying.write(results=tmp_path / "results", images=images, confusion=table)
    names = {f"sample-{i:06d}__sample-{j:06d}.png": j for i, j in PAIRS}
    assert {path.name for path in (tmp_path / "results").iterdir()} == set(names)
    for name, j in names.items():
        np.testing.assert_array_equal(image.read(tmp_path / "results" / name), _drawn(j, j))
    sheets = {path.name for path in images.iterdir()}
    shown = ("self", "other", "foreign", "worst", "following", "confusion")
    assert sheets == {f"{name}.png" for name in shown}
    assert image.read(images / "foreign.png").shape[1] > 8 * 128
    assert "attention,hair,hair," in table.read_text()
    assert "colour,hair,hair," in table.read_text()


def test_every_set_is_coloured_once(data: EvaluationSet) -> None:
    """Measurements share the pictures; each set is coloured in batches of the given size."""
    generator = Fake(_copying)
    _numbers(_predictions(data, generator))
    assert sorted(generator.batches) == sorted([*(2 * [5, 5, 4]), *(4 * [5, 5, 2])])


def test_results_of_long_ids_have_shortened_names(data: EvaluationSet, tmp_path: Path) -> None:
    """Two ids of 200 letters do not fit a file name: results have shortened names, all distinct."""
    ids = tuple(f"{name:x>200}" for name in data.pictures.ids)
    renamed = replace(data, pictures=replace(data.pictures, ids=ids))
    report = measure(_predictions(renamed), features=_features(), tagger=None)
    folder = tmp_path / "results"
    report.write(results=folder, images=tmp_path / "images", confusion=tmp_path / "confusion.csv")
    for i, j in PAIRS:
        result = image.read(folder / result_name(ids[i], ids[j]))
        np.testing.assert_array_equal(result, _drawn(j, j))


def test_numbers_depend_on_the_seed_only(data: EvaluationSet, copied: dict[str, float]) -> None:
    """Another batch size gives the same numbers; another seed gives other warps."""
    assert _numbers(_predictions(data, batch_size=32)) == copied
    other_seed = attention(_predictions(data, seed=4)).numbers
    assert other_seed["attention_identity"] != pytest.approx(copied["attention_identity"], rel=1e-5)


def test_sets_are_compared_with_pictures_in_no_pair(
    data: EvaluationSet, copied: dict[str, float]
) -> None:
    """FID is of 8 results or training pictures and the 8 pictures that no pair contains.

    KID, whose estimate has no bias, is of all 12 results.
    """
    real = _features()(data.pictures.color[6:14])
    copies = _features()(np.stack([_drawn(j, j) for _, j in PAIRS]))
    greyed = _features()(np.stack([grey(_drawn(i, i)) for i, _ in PAIRS]))
    floor = fid(_features()(data.training), real)
    assert len(data.training) == 8
    assert copied["fid_floor"] == pytest.approx(floor, rel=1e-4)
    assert (len(copies), len(real)) == (12, 8)
    eight = [0, 1, 3, 4, 6, 7, 9, 11]  # evenly spaced
    assert copied["fid_random"] == pytest.approx(fid(copies[eight], real), rel=1e-4)
    assert copied["kid_random"] == pytest.approx(kid(copies, real), rel=1e-4)
    assert copied["grey_fid_random"] == pytest.approx(fid(greyed[eight], real), rel=1e-4)


def test_training_pictures_are_drawn_from_a_seed() -> None:
    """The given number, sorted, distinct, others for another seed; all if there are fewer."""
    ids = [f"{number:02d}" for number in range(30)]
    chosen = choose(ids, 12, seed=1)
    assert chosen == sorted(set(chosen)) == choose(ids, 12, seed=1)
    assert len(chosen) == 12
    assert chosen != choose(ids, 12, seed=2)
    assert choose(ids, 99, seed=1) == ids


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must list pairs of validation pictures, got none"),
        ("sketch,reference\na,c\n", "must list pairs .*, got c, which is not a validation picture"),
        ("a,b\nb,a\n", "line 2: sketch is missing"),
        ("sketch,reference\na\n", "line 2: reference should be a valid string, got None"),
    ],
)
def test_damaged_lists_of_pairs_are_refused(text: str, message: str, tmp_path: Path) -> None:
    """An empty list, an unknown picture, a missing header and half a row are refused."""
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(RefcolorError, match=rf"pairs\.csv {message}.*; run `dvc repro split`"):
        read_pairs(path, ["a", "b"])


def test_pictures_without_recolouring_have_no_transfer_numbers(
    posts: EvaluationSet, tmp_path: Path
) -> None:
    """Without known shapes and palettes only the metrics of pictures themselves are measured."""
    report = measure(_predictions(posts), features=_features(), tagger=None)
    numbers = report.numbers
    assert not [key for key in numbers if "transfer" in key or "part" in key or "true" in key]
    assert {"delta_e", "attention_accuracy", "fid_random", "copy_ssim"} <= set(numbers)
    assert {"histogram_distance", "entanglement", "cycle_delta_e"} <= set(numbers)
    assert set(report.pictures) == {"self", "other", "foreign", "following"}
    report.write(results=tmp_path, images=tmp_path, confusion=tmp_path / "confusion.csv")
    assert (tmp_path / "confusion.csv").read_text() == "measure,part,took,share\n"


def test_hand_drawn_line_art_is_shown(data: EvaluationSet) -> None:
    """Each drawing is coloured after a validation picture, and only the sheet shows it."""
    with_line_art = replace(data, line_art=[_sketch(20), _sketch(21)])
    report = measure(_predictions(with_line_art), features=_features(), tagger=None)
    assert "lineart" in report.pictures
    assert len(report.results) == len(PAIRS)


def test_real_drawings_are_measured_and_shown(folder: Path, tmp_path: Path) -> None:
    """Their numbers and their sheet join those of the evaluation set."""
    image.write(tmp_path / "line.png", line_art(64, 48))
    image.write(tmp_path / "color.png", blocks(64, 48))
    (tmp_path / "pairs.csv").write_text("sketch,reference,truth\nline.png,color.png,color.png\n")
    models = save_tiny(tmp_path / "models", size=SIZE)
    report = evaluate(_params(pairs=str(tmp_path)), models=models, data=folder)
    pairs = read_real_pairs(tmp_path)
    alone = real_drawings(Colorizer.load(models, device="cpu"), pairs).numbers
    assert report.numbers["real_delta_e"] == pytest.approx(alone["real_delta_e"], rel=1e-5)
    assert {"delta_e", "copy_real_delta_e"} <= set(report.numbers)
    assert "real_parts_delta_e" not in report.numbers  # without labels
    assert {"self", "real"} <= set(report.pictures)


def test_without_attention_its_numbers_are_left_out(data: EvaluationSet) -> None:
    """A generator without logits has no attention keys, and its confusion only colours."""
    predictions = _predictions(data, Unattended(_copying))
    assert not attention(predictions).numbers
    measured = confusion(predictions)
    assert set(measured.tables) == {"colour"}
    assert not [key for key in measured.numbers if "attention" in key]


def test_too_few_pictures_leave_fid_out_and_say_so(
    data: EvaluationSet, capsys: pytest.CaptureFixture[str]
) -> None:
    """With one picture outside the pairs FID is left out with a message; the rest is measured."""
    pictures = Pictures(
        *(
            side[: PAIRED + 1]
            for side in (data.pictures.ids, data.pictures.color, data.pictures.sketch)
        )
    )
    few = replace(data, pictures=pictures)
    assert distance_of_sets(_predictions(few), features=_features()).numbers == {"real_images": 1}
    assert "FID and KID are left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": "inception"}, r"evaluate\.features: random"),
        ({"tagger": "{tmp_path}"}, r"evaluate\.tagger must be a folder with one"),
        ({"pairs": "{tmp_path}"}, r"pairs\.csv does not exist; write it"),
    ],
)
def test_missing_weights_are_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], message: str
) -> None:
    """Inception weights, a tagger's network and a table are missed before pictures are read."""

    def refuse(_address: str, **_options: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("requests.get", refuse)
    (tmp_path / "selected_tags.csv").write_text("name\nred_hair\n")
    params = _params(**{key: text.format(tmp_path=tmp_path) for key, text in changes.items()})
    with pytest.raises(RefcolorError, match=message):
        evaluate(params, models=tmp_path / "nowhere", data=tmp_path / "nowhere")


def test_only_inception_features_give_fid_and_kid(
    data: EvaluationSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Distances of other features have other names; `fid` says how pictures are resized."""

    class FakeInception:
        name = "inception"

        def __init__(self, resize: str, device: str) -> None:
            assert (resize, device) == ("pytorch", "cpu")

        def __call__(self, pictures: Picture) -> NDArray[np.float64]:
            return pictures.mean(axis=(1, 2), dtype=np.float64)

    monkeypatch.setattr("refcolor.evaluation.evaluate.Inception", FakeInception)
    params = _params(features="inception", fid="pytorch").evaluate
    features = load_features(params, device="cpu")
    assert set(distance_of_sets(_predictions(data), features=features).numbers) == {
        *("real_images", "fid_floor"),
        *(f"{prefix}{key}" for prefix in ("", "copy_", "grey_") for key in ("fid", "kid")),
    }


def test_a_tagger_is_asked_about_posts_with_named_colours(posts: EvaluationSet) -> None:
    """Posts have exactly one hair colour; the reference itself is recognised, grey is not.

    The tagger calls everything red hair that has a red pixel on average, everything else blue.
    """

    def network(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        redness = batch[..., 2].mean(axis=(1, 2)) - batch[..., 0].mean(axis=(1, 2))
        return np.stack([redness, -redness], axis=1)

    tagger = Tagger(network, ("red_hair", "blue_hair"), side=16)
    numbers = measure(_predictions(posts), features=_features(), tagger=tagger).numbers
    assert numbers["tag_transfer"] == numbers["copy_tag_transfer"] == 1
    assert numbers["tag_transfer_hair"] == 1
    assert "tag_transfer_eyes" not in numbers
    assert numbers["grey_tag_transfer"] < 1


def test_drawn_characters_have_no_tag_transfer(data: EvaluationSet) -> None:
    """Their hair is a style, even where a tag has the same name."""
    tagger = Tagger(lambda batch: np.zeros((len(batch), 1), np.float32), ("bob_hair",), side=16)
    numbers = tag_transfer(_predictions(data), tagger=tagger).numbers
    assert np.isnan(list(numbers.values())).all()


def test_with_another_picture_of_its_group_the_target_is_the_picture(data: EvaluationSet) -> None:
    """Each sketch gets another picture of its group; its picture is the target."""
    assert [i for i, _ in data.other_pairs] == list(VALIDATION)
    assert all(i != j and i % 5 == j % 5 for i, j in data.other_pairs)
    by_sketch = {_sketch(number).tobytes(): number for number in VALIDATION}

    def answer(sketch: Picture, _reference: Picture) -> Picture:
        number = by_sketch[sketch.tobytes()]
        return _drawn(number, number)

    numbers = other_reference(_predictions(data, Fake(answer))).numbers
    assert numbers["other_delta_e"] == pytest.approx(0, abs=1e-4)
    assert numbers["other_ssim"] == 1
    assert numbers["grey_other_delta_e"] > 5
    apart = [
        delta_e(_drawn(j, j), data.truths[i].color, line=data.truths[i].line)
        for i, j in data.other_pairs
    ]
    assert numbers["copy_other_delta_e"] == pytest.approx(np.mean(apart))


def test_without_two_pictures_of_a_group_its_numbers_are_left_out(data: EvaluationSet) -> None:
    """Pictures that are alone in their groups make no pair, and nothing is coloured."""
    groups = ("a", "b", "", "c", "", "b", *map(str, range(8)))
    few = pair_others(replace(data.pictures, groups=groups), seed=0)
    assert few.tolist() == [[1, 5], [5, 1]]
    none = pair_others(replace(data.pictures, groups=()), seed=0)
    assert none.shape == (0, 2)
    measured = other_reference(_predictions(replace(data, other_pairs=none)))
    assert (measured.numbers, measured.pictures) == ({}, {})


def test_the_other_picture_of_a_group_depends_on_the_seed(data: EvaluationSet) -> None:
    """The same seed gives the same choice; another seed another one."""
    chosen = [pair_others(data.pictures, seed=seed).tolist() for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]


def test_a_second_reference_is_another_picture() -> None:
    """It is the next reference that is neither of the pair; the pair's where there is none."""
    pairs = np.array([(0, 1), (0, 2), (1, 2), (2, 0)])
    assert second_references(pairs).tolist() == [1, 0, 3, 0]
    assert second_references(np.array([(0, 1), (1, 0)])).tolist() == [0, 1]


def test_without_a_second_reference_there_is_no_entanglement(data: EvaluationSet) -> None:
    """Two pictures that are each other's references leave no second reference."""
    numbers = reference_dependence(
        _predictions(replace(data, pairs=np.array([(0, 1), (1, 0)])))
    ).numbers
    assert numbers["cycle_delta_e"] == 0
    assert np.isnan([numbers["entanglement"], numbers["copy_entanglement"]]).all()


def test_the_default_evaluation_warp_is_strong() -> None:
    """With the default's cells the identity is right for at most half of the queries."""
    truths = [recolored(record, record, drawn_at=256, size=64, fit="pad") for record in CHARACTERS]
    colors = np.stack([truth.color for truth in truths])
    pictures = Pictures(tuple(record.id for record in CHARACTERS), colors, colors[..., 0])
    data = EvaluationSet(pictures, CHARACTERS, truths, np.array([(0, 1)]), NONE, colors, [], None)
    params = load(ROOT / "params.yaml")
    query_stride, key_stride = params.model.cell_sizes
    generator = SimpleNamespace(query_stride=query_stride, key_stride=key_stride)
    predictions = Predictions(data, generator, params.evaluate)
    match = predictions.warped[1]
    predictions.self_reference = Prediction(colors, match.key)
    numbers = attention(predictions).numbers
    assert numbers["attention_accuracy"] == 1
    assert numbers["attention_identity"] <= 0.5
    assert match.known.float().mean() > 0.4


def test_only_known_foreground_is_judged() -> None:
    """Of four queries one lies on the background and one has no known match: two count."""
    background, hair = PARTS.index("background"), PARTS.index("hair")
    match = Match(key=torch.tensor([[0, 8, 8, 8]]), known=torch.tensor([[True, True, True, False]]))
    predictions = SimpleNamespace(
        self_reference=Prediction(None, torch.tensor([[0, 0, 8, 0]])),
        warped=(None, match),
        query_parts=torch.tensor([[hair, background, hair, hair]]),
        query_cells=(2, 2),
        key_cells=(3, 3),
    )
    numbers = {"attention_accuracy": 1, "attention_identity": 0.5}
    assert attention(predictions).numbers == numbers
