"""dvc.yaml names exactly the library files that a stage imports."""

import pytest
from ruamel.yaml import YAML

from refcolor.params import flatten

from .closure import ROOT, WHOLE, declared_files, import_closure

STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]


@pytest.mark.parametrize("stage", STAGES)
def test_declared_code_is_the_import_closure(stage: str) -> None:
    """A stage reruns when a file it imports changes, and for no other file of the library."""
    declared, closure = declared_files(STAGES[stage]["deps"]), import_closure(stage)
    assert closure <= declared
    assert {file for file in declared - closure if not file.startswith(WHOLE)} == set()


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("seed", ["train"]),
        ("source.count", ["discover"]),
        ("source.sample.palette_seed", ["discover"]),
        ("source.folder.layout", ["discover", "clean"]),
        ("source.danbooru.max_id", ["discover"]),
        ("source.danbooru.contact", []),
        ("source.danbooru.user_id", []),
        ("source.danbooru.rate", []),
        ("source.transfer.threads", []),
        ("source.transfer.min_success", ["download"]),
        ("filter.max_aspect", ["discover"]),
        ("clean.min_colorfulness", ["clean"]),
        ("source.sample.size", ["download", "evaluate"]),
        ("clean.fit", ["clean", "evaluate"]),
        ("sketch.preset", ["sketch"]),
        ("split.seed", ["split"]),
        ("augment.warp", ["train"]),
        ("model.blocks", ["train"]),
        ("loss.triplet", ["train"]),
        ("train.epochs", ["train"]),
        ("train.threads", ["train", "evaluate"]),
        ("train.processes", ["train"]),
        ("evaluate.seed", ["evaluate"]),
        ("evaluate.fid", ["evaluate"]),
        ("runtime.workers", []),
        ("runtime.engine", []),
        ("runtime.tracker", []),
    ],
)
def test_a_parameter_touches_only_the_stages_that_read_it(name: str, stages: list[str]) -> None:
    """A changed parameter reruns exactly the stages that list it or a section around it."""
    assert name in flatten(YAML(typ="safe").load(ROOT / "params.yaml"))
    listed = [
        stage
        for stage, definition in STAGES.items()
        if any(f"{name}.".startswith(f"{listed}.") for listed in definition["params"])
    ]
    assert listed == stages


def test_every_stage_script_is_small_and_quiet_at_import() -> None:
    """A stage script has at most 80 lines, defines functions, and does nothing when imported."""
    import ast

    for stage in STAGES:
        source = (ROOT / "pipeline" / f"{stage}.py").read_text(encoding="utf-8")
        assert len(source.splitlines()) <= 80, stage
        quiet = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.Expr, ast.Assign, ast.If)
        assert all(isinstance(node, quiet) for node in ast.parse(source).body), stage


def test_no_listed_section_holds_a_key_that_dvc_leaves_out() -> None:
    """DVC's run cache ignores nested parameters named `size` and `nfiles`; ours are listed flat."""
    content = YAML(typ="safe").load(ROOT / "params.yaml")
    for stage, definition in STAGES.items():
        for name in definition["params"]:
            value = content
            for part in name.split("."):
                value = value[part]
            inside = flatten(value) if isinstance(value, dict) else {}
            hidden = {key for key in inside if key.split(".")[-1] in ("size", "nfiles")}
            assert not hidden, (stage, name, hidden)
