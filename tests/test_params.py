"""Parameter files are read as DVC reads them, and every error says what would be valid."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic
import pytest
from ruamel.yaml import YAML

from refcolor.colorize.colorizer import DEMO
from refcolor.errors import RefcolorError
from refcolor.params import PATHS, Params, flatten, load
from refcolor.training.checkpoint import describe

Write = Callable[[dict[str, Any]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a params file."""

    def write(content: dict[str, Any]) -> Path:
        YAML(typ="safe").dump(content, tmp_path / "params.yaml")
        return tmp_path / "params.yaml"

    return write


def changed(content: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Copy the content with one value changed or added."""
    content = copy.deepcopy(content)
    *sections, key = path.split(".")
    section = content
    for name in sections:
        section = section[name]
    section[key] = value
    return content


def presets(root: Path) -> list[Path]:
    """Return every params file of the repository."""
    return [root / "params.yaml", *sorted(root.glob("presets/*.yaml"))]


def test_values_arrive_under_their_names(content: dict[str, Any], write: Write) -> None:
    """Values come back as written, and derived values follow from them."""
    params = load(write(content))
    assert params.train.batch_size == 4
    assert params.model.stride == 4
    assert params.source.layout == "pictures"
    assert not params.loss.needs_match


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("loss.triplt", 1, "loss.triplt is not a parameter; did you mean loss.triplet?"),
        ("los", {}, "los is not a parameter; did you mean loss?"),
        ("source.sample.palete_seed", 1, "did you mean source.sample.palette_seed?"),
        ("zzzz", 1, "zzzz is not a parameter; remove it"),
        ("loss.triplet", "much", "loss.triplet should be a valid number, got 'much'"),
        ("loss.triplet", "1e-4", "loss.triplet should be a valid number, got '1e-4'"),
        ("loss.triplet", True, "loss.triplet should be a valid number, got True"),
        ("loss.triplet", -1, "loss.triplet should be greater than or equal to 0, got -1"),
        ("loss.margin", float("inf"), "loss.margin should be a finite number, got inf"),
        ("loss.margin", float("nan"), "loss.margin should be a finite number, got nan"),
        ("train.epochs", "abc", "train.epochs should be a valid integer, got 'abc'"),
        ("train.epochs", 2.5, "train.epochs should be a valid integer, got 2.5"),
        ("train.epochs", 0, "train.epochs should be greater than or equal to 1, got 0"),
        ("train.processes", 0, "train.processes should be greater than or equal to 1, got 0"),
        ("train.processes", 3, "must be a multiple of train.processes 3, got 4; nearest: 3"),
        ("train.processes", 8, "must be a multiple of train.processes 8, got 4; nearest: 8"),
        ("evaluate.fid", "tensorflow", "evaluate.fid should be 'clean' or 'pytorch', got 'tensorf"),
        *(
            (
                name,
                "~/x",
                f"{name} must not begin with ~, which DVC does not expand, got '~/x'; set",
            )
            for name in PATHS
        ),
        ("evaluate.tagger", None, "evaluate.tagger should be a valid string, got None"),
        ("train.precision", "fp16", "train.precision should be 'bf16' or 'fp32', got 'fp16'"),
        ("loss", 3, "loss should be a valid dictionary"),
        (
            "runtime.device",
            "gpu",
            "device must be like auto, cpu, mps, cuda or cuda:1, got 'gpu'",
        ),
        ("runtime.engine", "spark", "runtime.engine should be 'processes' or 'dask', got 'spark'"),
        ("runtime.engine", "dask", "runtime.scheduler must be an address with runtime.engine dask"),
        ("runtime.scheduler", "10.0.0.5", "must be like tcp://10.0.0.5:8786, got '10.0.0.5'"),
        ("source.danbooru.url", "danbooru", "must be like https://example.org, got 'danbooru'"),
        ("source.archive.buckets", "all", "must be like 0000-0003,0999, got 'all'"),
        ("filter.ratings", ["general"], "filter.ratings.0 should be 'g', 's', 'q' or 'e'"),
        ("clean.size", 16, "clean.size should be greater than or equal to 32, got 16"),
        ("clean.size", 34, "clean.size must be a multiple of 4 with model.levels 3, got 34"),
        ("clean.size", 61, "nearest: 60"),
        ("clean.size", 63, "nearest: 64"),
        (
            "model.levels",
            6,
            "4 x 4 positions at the last level, got 32 with model.levels 6; use at",
        ),
        ("model.levels", 7, "clean.size must be a multiple of 64"),
        ("model.levels", 7, "nearest: 256"),
        ("train.resolution", 64, "at most clean.size 32, got 64; lower it"),
        ("train.resolution", 18, "train.resolution must be a multiple of 4 with model.levels 3"),
        ("train.half_resolution_epochs", 1, "half of the size must be at least 32"),
        ("augment.patch_shuffle", 1.5, "augment.patch_shuffle should be less than or equal to 1"),
        ("augment.drop_reference", -0.1, "augment.drop_reference should be greater than or equal"),
        ("augment.sketch_variation", 2, "augment.sketch_variation should be less than or equal"),
        ("augment.patches", 1, "augment.patches should be greater than or equal to 2, got 1"),
        ("model.attention", "sgs", "model.attention should be 'scft', 'sga' or 'none', got 'sgs'"),
        ("source.count", 7, "source.count must be at least 8 for drawn characters, got 7"),
        ("split.hold_out", ["bob"], "'attribute=value', got 'bob'; for example 'hair=bob'"),
        ("split.hold_out", "hair=bob", "split.hold_out"),
    ],
)
def test_each_error_has_the_key_and_valid_values(
    content: dict[str, Any], write: Write, path: str, value: Any, message: str
) -> None:
    """The error for a wrong value is one line with the key, the value and what would be valid."""
    with pytest.raises(RefcolorError) as error:
        load(write(changed(content, path, value)))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert "params.yaml" in str(error.value)


NO_ATTENTION = {"model.attention": "none"}
FINE = {"model.query_stride": 2, "model.key_stride": 4, "model.transport": 1}
CONVEX = {"model.transport": 1, "model.convex_upsampling": 1}
VARIATION = {"augment.sketch_variation": 0.5}
NOT_REDRAWN = "augment.sketch_variation .* source.folder.layout {}; set it to 0"
WIDTHS = r"model.levels 3 entries, the first of them model.width 2, got .*; \[\] doubles the"


@pytest.mark.parametrize(
    ("valid", "changes", "message"),
    [
        # Without attention there are no logits and no weights to carry colours.
        (NO_ATTENTION, {"loss.triplet": 1}, "got model.attention none; set both to 0 or use"),
        (NO_ATTENTION, {"loss.match": 1}, "got model.attention none; set both to 0 or use"),
        (NO_ATTENTION, {"model.transport": 1}, "attention none; set it to 0 or use"),
        # Both strides are those of a level, and keys are not finer.
        (FINE, {"model.key_stride": 0}, "must be the stride of one of model.levels 3, got 0 w"),
        (FINE, {"model.query_stride": 0}, "query_stride 0 and key_stride 4; use one of 1, 2, 4, o"),
        (
            FINE,
            {"model.query_stride": 3},
            "query_stride must be the stride of one of .* got 3 with",
        ),
        (FINE, {"model.key_stride": 8}, "key_stride must be the stride of one of .*, got 8 with"),
        (FINE, {"model.query_stride": 4, "model.key_stride": 2}, "4, got 2; set it to 4 or"),
        (FINE, {"model.attention": "sga"}, "must be scft with model.query_stride 2, got sga"),
        (FINE, {"model.context": 2}, "must be 0 with model.query_stride 2, got 2; set qu"),
        (FINE, {"model.transport": 0}, "must be 1 with model.query_stride 2, got 0; set"),
        (CONVEX, {"model.transport": 0}, "needs model.transport 1, got 0; set it to 1, or conv"),
        # An entry for each level, the first of them model.width.
        ({"model.widths": [2, 3, 5]}, {"model.widths": [2, 3]}, WIDTHS),
        ({}, {"model.widths": [2, 3, 4, 5]}, WIDTHS),
        ({}, {"model.widths": [3, 3, 4]}, WIDTHS),
        # A cell of two patches has no known match; without shuffling any number is valid.
        (
            {"augment.patches": 3},
            {"augment.patch_shuffle": 0.5},
            "8 attention cells of a reference's side .*, got 3; set it to one of 2, 4, 8 ",
        ),
        # Line art of a folder is not drawn again.
        (
            VARIATION | {"source.folder.layout": "pairs"},
            {"source.kind": "folder"},
            NOT_REDRAWN.format("pairs"),
        ),
        (
            VARIATION | {"source.folder.layout": "side_by_side"},
            {"source.kind": "folder"},
            NOT_REDRAWN.format("side_by_side"),
        ),
        # With one palette no reference has other colours than the sketch's picture.
        ({}, {"source.sample.palettes": 1}, "palettes must be 0.* or at least 2, got 1"),
        # The margin is not a weight.
        (
            {"loss.reconstruction": 0},
            {"loss.adversarial": 0},
            "a weight above 0 besides margin, got none",
        ),
    ],
)
def test_parameters_that_do_not_fit_each_other_are_refused(
    make_params: Callable[..., Params],
    valid: dict[str, Any],
    changes: dict[str, Any],
    message: str,
) -> None:
    """The message names the parameters of a combination that no network or training has."""
    make_params(valid)
    with pytest.raises(pydantic.ValidationError, match=message):
        make_params(valid | changes)


def test_each_level_has_its_width_and_stride(make_params: Callable[..., Params]) -> None:
    """Without model.widths each level doubles the width of the one before."""
    assert make_params().model.level_widths == [2, 4, 8]
    assert make_params({"model.widths": [2, 3, 5]}).model.level_widths == [2, 3, 5]
    assert make_params(FINE).model.cell_sizes == (2, 4)


@pytest.mark.parametrize("term", ["triplet", "match"])
def test_stop_gradient_attention_can_have_match_terms(
    make_params: Callable[..., Params], term: str
) -> None:
    """SGA has logits, so triplet and match are allowed."""
    assert make_params({"model.attention": "sga", f"loss.{term}": 1}).loss.needs_match


def test_plain_augmentation_is_what_every_picture_gets(make_params: Callable[..., Params]) -> None:
    """Offset, warp and mirror stay; probabilistic transforms are off."""
    shares = {"patch_shuffle": 0.5, "drop_reference": 0.2, "sketch_variation": 0.1}
    shares |= {"other_reference": 0.3}
    asked = make_params({f"augment.{name}": share for name, share in shares.items()})
    assert asked.augment != asked.augment.plain == make_params().augment


def test_a_missing_key_is_named(content: dict[str, Any], write: Write) -> None:
    """The error for a missing key has its path at any depth."""
    del content["source"]["folder"]["layout"]
    with pytest.raises(RefcolorError, match=r"source.folder.layout is missing; presets/ has"):
        load(write(content))


def test_all_problems_are_said_at_once(content: dict[str, Any], write: Write) -> None:
    """One error lists all mistakes."""
    content["train"]["epochs"], content["loss"]["triplt"] = "abc", 1
    with pytest.raises(RefcolorError, match=r"loss\.triplt is not a parameter.*; train\.epochs"):
        load(write(content))


@pytest.mark.parametrize(
    ("text", "value"), [("1e-4", 1e-4), ("1", 1.0), ("1.0e-4", 1e-4), (".5", 0.5)]
)
def test_numbers_are_read_as_yaml_1_2(
    content: dict[str, Any], write: Write, text: str, value: float
) -> None:
    """`1e-4` is a number, as DVC reads it and PyYAML does not, and `1` is a valid float."""
    path = write(changed(content, "train.learning_rate_generator", "HERE"))
    path.write_text(path.read_text().replace("HERE", text))
    rate = load(path).train.learning_rate_generator
    assert rate == value
    assert isinstance(rate, float)


@pytest.mark.parametrize("text", ["a: [1", "a: 1\na: 2", "\ta: 1", "a: \x00"])
def test_a_file_that_is_no_yaml_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    """The error for broken YAML or a repeated key has the file and the position."""
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(RefcolorError, match=r"^\S*params.yaml is not YAML: ") as error:
        load(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "- 1", "5"])
def test_a_file_that_holds_no_sections_is_refused(tmp_path: Path, text: str) -> None:
    """An empty file, a list and a number are YAML, but no parameters."""
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(RefcolorError, match="the file should be a valid dictionary"):
        load(path)


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    """The error for a missing file advises to change the folder."""
    with pytest.raises(RefcolorError, match=r"No such file .* run in the folder of the repository"):
        load(tmp_path / "params.yaml")


def test_parameters_never_change(make_params: Callable[..., Params]) -> None:
    """Parameters are frozen at every depth."""
    params = make_params()
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        params.seed = 4  # type: ignore[misc]
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        params.source.sample.size = 64  # type: ignore[misc]
    assert isinstance(params.split.hold_out, tuple)


def test_only_a_folder_has_a_layout(make_params: Callable[..., Params]) -> None:
    """The layout of a folder does not apply to drawn characters."""
    folder = {"path": "x", "layout": "pairs"}
    assert make_params({"source.folder": folder}).source.layout == "pictures"
    assert make_params({"source.folder": folder, "source.kind": "folder"}).source.layout == "pairs"


def test_a_scheduler_is_asked_only_by_the_engine_dask(make_params: Callable[..., Params]) -> None:
    """With engine processes the scheduler is ignored."""
    address = {"runtime.scheduler": "tcp://render-1:8786"}
    assert make_params(address).runtime.cluster == ""
    assert (
        make_params(address | {"runtime.engine": "dask"}).runtime.cluster == "tcp://render-1:8786"
    )


def test_flatten_names_values_by_their_path() -> None:
    """Nested sections become dotted names; a list stays a value."""
    nested = {"seed": 0, "a": {"b": {"c": [1]}, "d": 2}, "empty": {}}
    assert flatten(nested) == {"seed": 0, "a.b.c": [1], "a.d": 2}


def test_every_preset_loads_and_leaves_the_question_open(root: Path) -> None:
    """All presets are complete, and `-S loss.triplet=1` changes each of them."""
    for path in presets(root):
        assert load(path).loss.triplet == 0, path


def test_presets_have_the_same_keys_in_the_same_order(root: Path) -> None:
    """Presets differ only in values, so that they can be compared by diff."""
    first, *others = [list(flatten(YAML(typ="safe").load(path))) for path in presets(root)]
    for keys in others:
        assert keys == first


def test_folder_128_starts_from_the_included_model(root: Path) -> None:
    """It has that model's network, so that the weights fit."""
    params = load(root / "presets" / "folder-128.yaml")
    assert (root / params.train.init).samefile(DEMO)
    assert describe(DEMO) == (params.model, params.training_size)


def test_params_yaml_is_the_sample_preset(root: Path) -> None:
    """The default parameters are `presets/sample-64.yaml` to the byte."""
    preset = root / "presets" / "sample-64.yaml"
    assert preset.read_bytes() == (root / "params.yaml").read_bytes()
