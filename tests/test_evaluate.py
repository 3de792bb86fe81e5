"""Evaluation with generators whose score is known beforehand."""

import csv
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from refcolor import image
from refcolor.augment import Match
from refcolor.data import Pictures
from refcolor.errors import RefcolorError
from refcolor.evaluate import evaluate
from refcolor.features.random_convolutions import RandomConvolutions
from refcolor.features.tagger import Tagger
from refcolor.metrics.attention import cell_parts
from refcolor.metrics.baselines import grey, mean_color, moved
from refcolor.metrics.distance import fid, kid
from refcolor.metrics.summary import match_numbers, part_numbers
from refcolor.metrics.truth import recolored
from refcolor.model.generator import Output
from refcolor.params import Params, load
from refcolor.questions import choose, own_truths, read_pairs, second_references, warp_all
from refcolor.sketch import PRESETS, sketch_picture
from refcolor.sources.manifest import Record, write_manifest
from refcolor.sources.naming import result_name
from refcolor.sources.sample import PARTS, render

Picture = NDArray[np.uint8]

ROOT = Path(__file__).parents[1]
SIZE, STRIDE = 32, 4
VALIDATION, TRAINING, PAIRED = range(14), range(14, 24), 6


_redraw = functools.partial(recolored, drawn_at=128, size=SIZE, fit="pad")
_render = functools.cache(render)
_features = functools.cache(RandomConvolutions)


@dataclass(frozen=True)
class World:
    """A small project on disk: 14 validation pictures, 6 of them in 12 pairs, 10 to train on."""

    root: Path
    params: Params
    records: list[Record]
    colors: list[Picture]
    sketches: list[Picture]
    pairs: list[tuple[int, int]]

    def evaluate(self, generator: object, out: Path, **changed: object) -> dict[str, float]:
        """Run the evaluation with a generator in the place of the trained one."""
        evaluate_params = self.params.evaluate.model_copy(update=changed)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("refcolor.evaluate.load_generator", lambda folder, device: generator)
            patch.setattr("refcolor.evaluate.RandomConvolutions", lambda device: _features())
            patch.setattr("refcolor.sources.sample.render", _render)
            return evaluate(
                self.params.model_copy(update={"evaluate": evaluate_params}),
                models=self.root / "models",
                manifest=self.root / "manifest.jsonl",
                split=self.root,
                color=self.root / "color",
                sketch=self.root / "sketch",
                lineart=self.root / "lineart",
                results=out / "results",
                images=out / "images",
                confusion=out / "confusion.csv",
            )


def _record(number: int) -> Record:
    drawn_by = {"shape": number, "palette": number, "shape_seed": 1, "palette_seed": 2}
    return Record(
        f"s{number:02d}",
        f"sample:1/2/{number}",
        attributes={k: str(v) for k, v in drawn_by.items()},
    )


def _params() -> Params:
    content = load(ROOT / "params.yaml").model_dump()
    content["source"]["sample"]["size"] = 128
    content["clean"]["size"] = SIZE
    content["evaluate"] |= {"warp": 0.2, "features": "random", "batch_size": 5, "seed": 3}
    return Params.model_validate(content)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Draw the project once; no test changes it."""
    root, params = tmp_path_factory.mktemp("world"), _params()
    records = [_record(number) for number in (*VALIDATION, *TRAINING)]
    colors = [_redraw(record, record).color for record in records]
    sketches = [sketch_picture(color, PRESETS["default"]) for color in colors]
    for record, color, sketch in zip(records, colors, sketches, strict=True):
        image.write(root / "color" / f"{record.id}.png", color)
        image.write(root / "sketch" / f"{record.id}.png", sketch)
    write_manifest(root / "manifest.jsonl", records)
    pairs = [(i, (i + step) % PAIRED) for i in range(PAIRED) for step in (1, 2)]
    for name, numbers in (("val", VALIDATION), ("train", TRAINING)):
        (root / f"{name}.txt").write_text("".join(f"{records[n].id}\n" for n in numbers))
    rows = [(records[i].id, records[j].id) for i, j in pairs]
    _write_pairs(root, rows)
    return World(root, params, records, colors, sketches, pairs)


def _write_pairs(root: Path, rows: list[tuple[str, str]]) -> None:
    with (root / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("sketch", "reference"), *rows])


class Fake:
    """A generator that answers from uint8 sketch and reference; its attention never moves."""

    stride = STRIDE

    def __init__(self, answer: Callable[[Picture, Picture], Picture]) -> None:
        self.answer = answer
        self.batches: list[int] = []

    def to(self, *, memory_format: torch.memory_format) -> "Fake":
        return self

    def __call__(self, *, sketch: Tensor, reference: Tensor) -> Output:
        self.batches.append(len(sketch))
        pairs = zip(image.to_uint8(sketch)[..., 0], image.to_uint8(reference), strict=True)
        pictures = np.stack([self.answer(*pair) for pair in pairs])
        cells = SIZE // STRIDE
        logits = torch.eye(cells**2).expand(len(sketch), -1, -1)
        return Output(picture=image.to_tensor(pictures), logits=logits, cells=(cells, cells))


class Unattended(Fake):
    """The same without attention."""

    def __call__(self, *, sketch: Tensor, reference: Tensor) -> Output:
        output = super().__call__(sketch=sketch, reference=reference)
        return Output(picture=output.picture, logits=None, cells=output.cells)


def _oracle(world: World) -> Callable[[Picture, Picture], Picture]:
    """Know every answer: an unknown reference is the sketch's own picture, warped."""
    by_sketch = {p.tobytes(): n for n, p in enumerate(world.sketches)}
    by_reference = {p.tobytes(): n for n, p in enumerate(world.colors)}
    by_reference |= {moved(p).tobytes(): n for n, p in enumerate(world.colors)}

    def answer(sketch: Picture, reference: Picture) -> Picture:
        shape = by_sketch[sketch.tobytes()]
        palette = by_reference.get(reference.tobytes(), shape)
        return _redraw(world.records[shape], world.records[palette]).color

    return answer


def _copying(_sketch: Picture, reference: Picture) -> Picture:
    return reference


@pytest.fixture(scope="module")
def copied(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """The numbers of a generator that returns the reference."""
    return world.evaluate(Fake(_copying), tmp_path_factory.mktemp("copied"))


def test_the_oracle_is_perfect(world: World, tmp_path: Path) -> None:
    """True answers have no difference, full similarity, and the capped PSNR, also when moved."""
    numbers = world.evaluate(Fake(_oracle(world)), tmp_path)
    for key in ("delta_e", "transfer_delta_e", "transfer_delta_e_hair", "transfer_delta_e_moved"):
        assert numbers[key] == pytest.approx(0, abs=1e-4)
    assert numbers["cycle_delta_e"] == pytest.approx(0, abs=1e-4)
    assert numbers["histogram_distance"] == numbers["true_histogram_distance"]
    assert numbers["color_part_accuracy"] == 1
    assert numbers["ssim"] == numbers["ms_ssim"] == 1
    assert numbers["psnr"] == numbers["transfer_psnr"] == 100


def test_copying_scores_exactly_its_baseline(copied: dict[str, float]) -> None:
    """A generator that returns the reference has the numbers of copy_*, and bad ones."""
    keys = [key.removeprefix("copy_") for key in copied if key.startswith("copy_")]
    assert set(keys) == {
        "delta_e",
        "ssim",
        "transfer_delta_e",
        "transfer_psnr",
        "fid_random",
        "kid_random",
        "histogram_distance",
        "entanglement",
        "color_part_accuracy",
    }
    for key in keys:
        assert copied[key] == copied[f"copy_{key}"]
    assert copied["cycle_delta_e"] == 0  # copying passes it, as its description says
    assert copied["entanglement"] > 2 * copied["true_entanglement"]
    assert copied["histogram_distance"] < copied["true_histogram_distance"]
    assert copied["transfer_delta_e"] > 15
    assert copied["transfer_delta_e_moved"] > 15
    assert copied["transfer_delta_e_moved"] != copied["transfer_delta_e"]


def test_attention_that_never_moves_scores_identity(copied: dict[str, float]) -> None:
    """Own-place attention is exactly the identity beside it, which is neither 0 nor 1."""
    assert copied["attention_accuracy"] == copied["attention_identity"]
    assert copied["attention_part_accuracy"] == copied["attention_part_identity"]
    assert 0.1 < copied["attention_identity"] < 0.9
    assert 0.1 < copied["attention_part_identity"] < 0.9


@pytest.mark.parametrize("prefix, spoil", [("grey_", grey), ("mean_color_", mean_color)])
def test_spoilt_answers_score_exactly_their_baseline(
    world: World,
    tmp_path: Path,
    copied: dict[str, float],
    prefix: str,
    spoil: Callable[[Picture], Picture],
) -> None:
    """The grey truth and the reference's mean colour are the baselines that bear their names."""
    oracle = _oracle(world)

    def answer(sketch: Picture, reference: Picture) -> Picture:
        return spoil(oracle(sketch, reference) if spoil is grey else reference)

    numbers = world.evaluate(Fake(answer), tmp_path)
    keys = [key.removeprefix(prefix) for key in copied if key.startswith(prefix)]
    keys = [key for key in keys if "id_random" not in key]
    if spoil is grey:  # of the sketch's own picture: the true recolouring is not always known
        keys.remove("histogram_distance")
    assert {"delta_e", "ssim", "transfer_delta_e", "transfer_psnr"} <= set(keys)
    for key in keys:
        assert numbers[key] == copied[f"{prefix}{key}"]
    assert numbers["transfer_delta_e"] > 5


def test_the_keys_are_the_promised_ones(copied: dict[str, float]) -> None:
    """metrics/eval.json of drawn characters has these keys and no others, all finite numbers."""
    parts = [f"transfer_delta_e_{part}" for part in PARTS if part != "other"]
    transfer = ["transfer_delta_e", *parts, "transfer_psnr"]
    baselines = ("delta_e", "ssim", "transfer_delta_e", "transfer_psnr")
    assert set(copied) == {
        "images",
        "pairs",
        "real_images",
        "ssim",
        "ms_ssim",
        "psnr",
        "delta_e",
        "attention_accuracy",
        "attention_identity",
        "attention_part_accuracy",
        "attention_part_identity",
        "fid_random",
        "kid_random",
        "fid_floor",
        "copy_fid_random",
        "copy_kid_random",
        "grey_fid_random",
        "grey_kid_random",
        *transfer,
        "transfer_delta_e_moved",
        "histogram_distance",
        *(f"{prefix}_histogram_distance" for prefix in ("grey", "mean_color", "copy", "true")),
        "entanglement",
        "copy_entanglement",
        "true_entanglement",
        "cycle_delta_e",
        "color_part_accuracy",
        "grey_color_part_accuracy",
        "copy_color_part_accuracy",
        *(f"{prefix}{key}" for prefix in ("grey_", "mean_color_", "copy_") for key in baselines),
        *(f"grey_{part}" for part in parts),
    }
    assert (copied["images"], copied["pairs"], copied["real_images"]) == (14, 12, 8)
    assert json.loads(json.dumps(copied, allow_nan=False)) == copied
    assert all(float(f"{value:.6g}") == value for value in copied.values())


def test_every_key_is_explained(copied: dict[str, float]) -> None:
    """docs/metrics.md names each number, and the prefixes of its baselines."""
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    prefixes = ("grey_", "mean_color_", "copy_", "true_")
    assert all(f"`{prefix}`" in text for prefix in prefixes)
    for key in copied:
        prefix = next((prefix for prefix in prefixes if key.startswith(prefix)), "")
        name = key.removeprefix(prefix)
        part = name.removeprefix("transfer_delta_e_")
        assert f"`{name}`" in text or (part in PARTS and "`transfer_delta_e_<part>`" in text), key


def test_sets_are_compared_with_pictures_in_no_pair(world: World, tmp_path: Path) -> None:
    """Results and training pictures are measured against the 8 that no pair contains."""
    changed = _changed(world, tmp_path)
    ids = [record.id for record in world.records[14:22]]
    (changed.root / "train.txt").write_text("\n".join(ids))
    numbers = changed.evaluate(Fake(_copying), tmp_path / "out")
    colors = np.stack(world.colors)
    real = _features()(colors[6:14])
    copied = _features()(colors[[j for _, j in world.pairs]])
    greyed = _features()(np.stack([grey(world.colors[i]) for i, _ in world.pairs]))
    assert numbers["fid_floor"] == pytest.approx(fid(_features()(colors[14:22]), real), rel=1e-4)
    assert numbers["fid_random"] == pytest.approx(fid(copied, real), rel=1e-4)
    assert numbers["kid_random"] == pytest.approx(kid(copied, real), rel=1e-4)
    assert numbers["grey_fid_random"] == pytest.approx(fid(greyed, real), rel=1e-4)


def test_training_pictures_are_drawn_from_a_seed() -> None:
    """As many as asked, in order, none twice, others for another seed; all if there are fewer."""
    ids = [f"{number:02d}" for number in range(30)]
    chosen = choose(ids, 12, seed=1)
    assert chosen == sorted(set(chosen)) == choose(ids, 12, seed=1)
    assert len(chosen) == 12
    assert chosen != choose(ids, 12, seed=2)
    assert choose(ids, 99, seed=1) == ids


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must list pairs of validation pictures, got none"),
        ("sketch,reference\na,c\n", "must list pairs .*, got c, which is no validation picture"),
        ("a,b\nb,a\n", "line 2: sketch is missing"),
        ("sketch,reference\na\n", "line 2: reference should be a valid string, got None"),
    ],
)
def test_pairs_that_cannot_be_judged_are_refused(text: str, said: str, tmp_path: Path) -> None:
    """No pair, an unknown picture, no header and half a row: which line, and what to run."""
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(RefcolorError, match=rf"pairs\.csv {said}.*; run `dvc repro split`"):
        read_pairs(path, ["a", "b"])


def test_every_pair_is_kept_and_every_sheet_written(world: World, tmp_path: Path) -> None:
    """results/ holds one picture for each pair, as the generator made it; images/ the sheets."""
    generator = Fake(_copying)
    world.evaluate(generator, tmp_path)
    names = {f"{world.records[i].id}__{world.records[j].id}.png": j for i, j in world.pairs}
    assert {path.name for path in (tmp_path / "results").iterdir()} == set(names)
    for name, j in names.items():
        result = image.read(tmp_path / "results" / name)
        np.testing.assert_array_equal(result, world.colors[j])
    sheets = {path.name for path in (tmp_path / "images").iterdir()}
    assert sheets == {"self.png", "foreign.png", "worst.png", "following.png", "confusion.png"}
    assert image.read(tmp_path / "images" / "foreign.png").shape[1] > 8 * 128
    assert generator.batches == [5, 5, 4, *(4 * [5, 5, 2])]


def test_ids_may_be_as_long_as_any(world: World, tmp_path: Path, copied: dict[str, float]) -> None:
    """Two ids of 200 letters are more than a file name holds: results have cut names, all kept."""
    records = [replace(record, id=f"{'x' * 197}{record.id}") for record in world.records]
    for record, known in zip(records, world.records, strict=True):
        for folder in ("color", "sketch"):
            target = tmp_path / folder / f"{record.id}.png"
            target.parent.mkdir(exist_ok=True)
            target.hardlink_to(world.root / folder / f"{known.id}.png")
    for name, numbers in (("val", VALIDATION), ("train", TRAINING)):
        (tmp_path / f"{name}.txt").write_text("".join(f"{records[n].id}\n" for n in numbers))
    write_manifest(tmp_path / "manifest.jsonl", records)
    pairs = [(records[i].id, records[j].id) for i, j in world.pairs]
    _write_pairs(tmp_path, pairs)
    renamed = replace(world, root=tmp_path, records=records)
    assert renamed.evaluate(Fake(_copying), tmp_path) == copied
    for (_, j), pair in zip(world.pairs, pairs, strict=True):
        result = image.read(tmp_path / "results" / result_name(*pair))
        np.testing.assert_array_equal(result, world.colors[j])


def test_numbers_and_pictures_repeat(
    world: World, tmp_path: Path, copied: dict[str, float]
) -> None:
    """A second run, in other batches, gives the same numbers; another seed other warps."""
    assert world.evaluate(Fake(_copying), tmp_path, batch_size=32) == copied
    other = world.evaluate(Fake(_copying), tmp_path, seed=4)
    assert other["attention_identity"] != copied["attention_identity"]
    assert other["transfer_delta_e"] == copied["transfer_delta_e"]


def test_pictures_from_elsewhere_have_no_transfer_numbers(world: World, tmp_path: Path) -> None:
    """Without known shapes and palettes only what the pictures themselves tell is measured."""
    root = _changed(world, tmp_path)
    write_manifest(root.root / "manifest.jsonl", [Record(r.id, "x") for r in world.records])
    numbers = root.evaluate(Fake(_copying), tmp_path / "out")
    assert {key for key in numbers if "transfer" in key or "part" in key or "true" in key} == set()
    assert {"delta_e", "attention_accuracy", "fid_random", "copy_ssim"} <= set(numbers)
    assert {"histogram_distance", "entanglement", "cycle_delta_e"} <= set(numbers)
    sheets = {path.name for path in (tmp_path / "out" / "images").iterdir()}
    assert sheets == {"self.png", "foreign.png", "following.png"}
    assert (tmp_path / "out" / "confusion.csv").read_text() == "measure,part,took,share\n"


def test_without_attention_its_numbers_are_left_out(world: World, tmp_path: Path) -> None:
    """A generator without logits has no attention keys and all others."""
    numbers = world.evaluate(Unattended(_copying), tmp_path)
    assert not [key for key in numbers if "attention" in key]
    assert "transfer_delta_e" in numbers
    table = (tmp_path / "confusion.csv").read_text()
    assert "colour,hair,hair," in table
    assert "attention" not in table


def test_too_few_pictures_leave_fid_out_and_say_so(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With one picture outside the pairs there is no real side; the rest is measured."""
    small = _changed(world, tmp_path)
    ids = [record.id for record in world.records[: PAIRED + 1]]
    (small.root / "val.txt").write_text("\n".join(ids))
    numbers = small.evaluate(Fake(_copying), tmp_path / "out")
    assert not [key for key in numbers if "fid" in key or "kid" in key]
    assert numbers["real_images"] == 1
    assert "FID and KID are left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    "rows, given", [([], "got none"), ([("s00", "s99")], "got s99, which is no validation picture")]
)
def test_pairs_must_be_of_validation_pictures(
    world: World, tmp_path: Path, rows: list[tuple[str, str]], given: str
) -> None:
    """An empty list of pairs and an unknown name are refused, naming file and name."""
    broken = _changed(world, tmp_path)
    _write_pairs(broken.root, rows)
    with pytest.raises(RefcolorError, match=given):
        broken.evaluate(Fake(_copying), tmp_path / "out")


def _refuse(_address: str, **_options: object) -> None:
    raise OSError("no network")


def test_missing_inception_weights_stop_before_any_work(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error about the weights comes first; not one picture has been coloured."""
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("refcolor.features.weights.requests.get", _refuse)
    generator = Fake(_copying)
    with pytest.raises(RefcolorError, match=r"evaluate\.features: random"):
        world.evaluate(generator, tmp_path, features="inception")
    assert not generator.batches


def test_inception_features_give_the_keys_their_known_names(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only with Inception features is a distance called fid or kid; `fid` says how they resize."""
    asked = []

    class FakeInception:
        name = "inception"

        def __call__(self, pictures: Picture) -> NDArray[np.float64]:
            return pictures.mean(axis=(1, 2), dtype=np.float64)

    def make(resize: str, device: str) -> FakeInception:
        asked.append((resize, device))
        return FakeInception()

    monkeypatch.setattr("refcolor.evaluate.Inception", make)
    numbers = world.evaluate(Fake(_copying), tmp_path, features="inception", fid="pytorch")
    assert asked == [("pytorch", "cpu")]
    assert {key for key in numbers if "id" in key.split("_")[-1] and key != "attention"} >= {
        "fid",
        "kid",
        "copy_fid",
        "copy_kid",
        "grey_fid",
        "grey_kid",
    }
    assert not [key for key in numbers if key.endswith("random")]


def test_a_tagger_is_asked_about_posts_with_named_colours(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Posts have exactly one hair colour; the reference itself is recognised, grey is not.

    The tagger calls everything red hair that has a red pixel on average, everything else blue.
    """

    def network(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        redness = batch[..., 2].mean(axis=(1, 2)) - batch[..., 0].mean(axis=(1, 2))
        return np.stack([redness, -redness], axis=1)

    root = _changed(world, tmp_path)
    is_red = [color[..., 0].mean() > color[..., 2].mean() for color in world.colors]
    write_manifest(
        root.root / "manifest.jsonl",
        [
            Record(r.id, "x", attributes={"hair": "red" if red else "blue"})
            for r, red in zip(world.records, is_red, strict=True)
        ],
    )
    tagger = Tagger(network, ("red_hair", "blue_hair"), side=16)
    monkeypatch.setattr("refcolor.evaluate.load_tagger", lambda folder: tagger)
    numbers = root.evaluate(Fake(_copying), tmp_path / "out", tagger="somewhere")
    assert numbers["tag_transfer"] == numbers["copy_tag_transfer"] == 1
    assert numbers["tag_transfer_hair"] == 1
    assert "tag_transfer_eyes" not in numbers
    assert numbers["grey_tag_transfer"] < 1


def test_a_tagger_is_not_asked_about_drawn_characters(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their hair is a style, no colour: no tag transfer, even where a tag reads the same."""
    tagger = Tagger(lambda batch: np.zeros((len(batch), 1), np.float32), ("bob_hair",), side=16)
    monkeypatch.setattr("refcolor.evaluate.load_tagger", lambda folder: tagger)
    numbers = world.evaluate(Fake(_copying), tmp_path, tagger="somewhere")
    assert not [key for key in numbers if "tag" in key.split("_")]


def test_a_tagger_that_is_none_stops_before_any_work(world: World, tmp_path: Path) -> None:
    """A list without its network is refused, and not one picture has been coloured."""
    (tmp_path / "selected_tags.csv").write_text("name\nred_hair\n")
    generator = Fake(_copying)
    with pytest.raises(RefcolorError, match=r"evaluate\.tagger must be a folder with one"):
        world.evaluate(generator, tmp_path / "out", tagger=str(tmp_path))
    assert not generator.batches


def test_a_second_reference_is_another_picture() -> None:
    """The next reference that is neither of the two pictures; the pair itself where none is."""
    pairs = np.array([(0, 1), (0, 2), (1, 2), (2, 0)])
    assert second_references(pairs).tolist() == [1, 0, 3, 0]
    assert second_references(np.array([(0, 1), (1, 0)])).tolist() == [0, 1]


def test_without_a_second_reference_there_is_no_entanglement(world: World, tmp_path: Path) -> None:
    """Two pictures that colour each other have a cycle and no second reference."""
    two = _changed(world, tmp_path)
    _write_pairs(two.root, [("s00", "s01"), ("s01", "s00")])
    numbers = two.evaluate(Fake(_copying), tmp_path / "out")
    assert "cycle_delta_e" in numbers
    assert not [key for key in numbers if key.endswith("entanglement") and key[:4] != "true"]


def test_the_default_evaluation_warp_is_strong() -> None:
    """At 64 px and 16 x 16 cells the own place is right for at most half of the queries."""
    params = load(ROOT / "params.yaml")
    records = [_record(number) for number in range(40)]
    redraw = functools.partial(recolored, drawn_at=256, size=64, fit="pad")
    colors = np.stack([redraw(record, record).color for record in records])
    pictures = Pictures(tuple(r.id for r in records), colors, colors[..., 0])
    truths = own_truths(pictures, {record.id: record for record in records}, redraw=redraw)
    _, match = warp_all(colors, params.evaluate, cells=(16, 16))
    parts = cell_parts(
        torch.from_numpy(np.stack([truth.parts for truth in truths])),
        cells=(16, 16),
        labels=len(PARTS),
    )
    numbers = match_numbers(match.key, match, parts=parts, cells=(16, 16))
    assert numbers["attention_accuracy"] == 1
    assert numbers["attention_identity"] <= 0.5
    assert match.known.float().mean() > 0.4


def test_match_numbers_ask_only_for_known_foreground() -> None:
    """Of four right or wrong queries one lies on background and one has no known match."""
    background, hair = PARTS.index("background"), PARTS.index("hair")
    match = Match(key=torch.tensor([[0, 8, 8, 8]]), known=torch.tensor([[True, True, True, False]]))
    numbers = match_numbers(
        torch.tensor([[0, 0, 8, 0]]),
        match,
        parts=torch.tensor([[hair, background, hair, hair]]),
        cells=(3, 3),
    )
    assert numbers == {"attention_accuracy": 1, "attention_identity": 0.5}


def test_part_numbers_ask_only_for_parts_that_the_reference_shows() -> None:
    """Of hair, skin and background queries only hair has a cell in the reference and a score."""
    hair, skin, background = (PARTS.index(part) for part in ("hair", "skin", "background"))
    numbers = part_numbers(
        torch.tensor([[1, 0, 0, 1]]),
        sketch_parts=torch.tensor([[hair, hair, skin, background]]),
        reference_parts=torch.tensor([[background, hair, hair, background]]),
    )
    assert numbers == {"attention_part_accuracy": 0.5, "attention_part_identity": 0.5}


def _changed(world: World, folder: Path) -> World:
    """Copy the lists of a world, not its pictures, so that a test may change them."""
    root = folder / "changed"
    root.mkdir()
    for name in ("manifest.jsonl", "val.txt", "train.txt", "pairs.csv"):
        (root / name).write_bytes((world.root / name).read_bytes())
    for name in ("color", "sketch"):
        (root / name).symlink_to(world.root / name)
    return World(root, world.params, world.records, world.colors, world.sketches, world.pairs)
