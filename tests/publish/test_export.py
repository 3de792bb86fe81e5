"""An ONNX file gives the generator's results, and is not written when it does not."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import refcolor
from refcolor.errors import RefcolorError, UsageError
from refcolor.model.discriminator import Discriminator
from refcolor.model.generator import build_generator
from refcolor.params import ModelParams
from refcolor.publish import export
from refcolor.publish.export import export_onnx
from refcolor.publish.provenance import checksum
from refcolor.training.checkpoint import load_generator, save_model

SIZE = 32
TINY: dict[str, Any] = {"width": 2, "levels": 3, "blocks": 1, "discriminator_width": 2}


def model(
    folder: Path, *, attention: str = "scft", norm: str = "batch", seed: int = 0, **more: int
) -> Path:
    """Save a tiny model whose norms have running statistics."""
    params = ModelParams.model_validate(TINY | {"attention": attention, "norm": norm} | more)
    torch.manual_seed(seed)
    generator, discriminator = build_generator(params), Discriminator(params)
    sketch, reference = inputs(5)
    generator.train()(sketch=sketch, reference=reference)
    save_model(folder, generator=generator, discriminator=discriminator, params=params, size=SIZE)
    return folder


def inputs(count: int, size: int = SIZE) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw noise in [-1, 1], which the check of the export does not use."""
    random = torch.Generator().manual_seed(7)
    return (
        torch.rand(count, 1, size, size, generator=random) * 2 - 1,
        torch.rand(count, 3, size, size, generator=random) * 2 - 1,
    )


def difference(path: Path, folder: Path, count: int, size: int = SIZE) -> float:
    """Run file and folder on the same inputs; returns the largest difference."""
    sketch, reference = inputs(count, size)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    arrays = {"sketch": sketch.numpy(), "reference": reference.numpy()}
    (exported,) = session.run(["picture"], arrays)
    with torch.inference_mode():
        expected = load_generator(folder)(sketch=sketch, reference=reference).picture.numpy()
    assert exported.shape == expected.shape
    return float(np.abs(exported - expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("attention", ["scft", "sga", "none"])
def test_the_file_gives_the_results_of_the_generator(
    tmp_path: Path, attention: str, norm: str
) -> None:
    """Every kind of model gives the same pictures in onnxruntime, in batches of any size."""
    folder = model(tmp_path / "models", attention=attention, norm=norm)
    onnx_export = export_onnx(folder, tmp_path / "out" / "generator.onnx")
    assert onnx_export.difference <= 1e-3
    for count in (1, 2, 5):
        assert difference(onnx_export.path, folder, count) <= 1e-3
    assert [path.name for path in onnx_export.path.parent.iterdir()] == ["generator.onnx"]


@pytest.mark.slow
@pytest.mark.parametrize("size", [32, 44])
def test_the_file_of_a_model_with_context_gives_its_results(tmp_path: Path, size: int) -> None:
    """Context and transport are in the graph, also for 11 cells, which halve to 6 and 3."""
    folder = model(tmp_path / "models", context=2, transport=1)
    onnx_export = export_onnx(folder, tmp_path / "generator.onnx", size=size)
    assert difference(onnx_export.path, folder, 2, size=size) <= 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("convex", [0, 1])
def test_the_file_of_a_model_of_fine_queries_gives_its_results(tmp_path: Path, convex: int) -> None:
    """Queries of 2 and keys of 4 pixels are in the graph, with either upsampling."""
    strides = {"query_stride": 2, "key_stride": 4, "transport": 1}
    folder = model(tmp_path / "models", **strides, convex_upsampling=convex)
    onnx_export = export_onnx(folder, tmp_path / "generator.onnx", size=44)
    for count in (1, 3):
        assert difference(onnx_export.path, folder, count, size=44) <= 1e-3


@pytest.mark.slow
def test_the_metadata_of_the_file(tmp_path: Path) -> None:
    """Names, shapes, ranges, opset, version and the checksum of the weights are in the file."""
    folder = model(tmp_path / "models")
    (folder / "README.md").write_text("---\nlicense: cc0-1.0\ntags: [x]\n---\n# A model\n")
    onnx_export = export_onnx(folder, tmp_path / "generator.onnx", size=48)
    graph = onnx.load(onnx_export.path)
    shapes = {
        value.name: [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*graph.graph.input[:2], *graph.graph.output[:1])
    }
    assert shapes == {
        "sketch": ["batch", 1, "4*rows", "4*columns"],
        "reference": ["batch", 3, "4*reference_rows", "4*reference_columns"],
        "picture": ["batch", 3, "4*rows", "4*columns"],
    }
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [("", export.OPSET)]
    metadata = {entry.key: entry.value for entry in graph.metadata_props}
    assert metadata["weights_sha256"] == onnx_export.weights == checksum(folder)
    assert metadata["refcolor_version"] == graph.producer_version == refcolor.__version__
    assert metadata["model_license"] == "cc0-1.0"
    assert json.loads(metadata["refcolor_model"])["attention"] == "scft"
    assert metadata["refcolor_size"] == "48"
    assert metadata["sketch"].startswith("(batch, 1, H, W) float32 in [-1, 1]")
    assert metadata["sketch"].endswith("sides are multiples of 4")
    assert difference(onnx_export.path, folder, 2, size=48) <= 1e-3


@pytest.mark.slow
def test_a_file_with_other_results_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph of other weights is refused with the difference; the existing file stays."""
    folder, other_folder = model(tmp_path / "models"), model(tmp_path / "others", seed=1)
    to_onnx = export._to_onnx
    monkeypatch.setattr(
        export, "_to_onnx", lambda _generator, *more: to_onnx(load_generator(other_folder), *more)
    )
    path = tmp_path / "out" / "generator.onnx"
    path.parent.mkdir()
    path.write_bytes(b"the file of before")
    with pytest.raises(RefcolorError, match=r"differ by [0-9.e-]+ on .*, more than 0.001, so"):
        export_onnx(folder, path)
    assert path.read_bytes() == b"the file of before"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("difference", [1.1e-3, float("nan")])
def test_a_large_difference_or_nan_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, difference: float
) -> None:
    """Just above the tolerance is refused, and so is NaN."""
    graph = SimpleNamespace(SerializeToString=lambda: b"graph")
    monkeypatch.setattr(export, "_to_onnx", lambda *_arguments: graph)
    monkeypatch.setattr(export, "_add_metadata", lambda *_arguments: None)
    monkeypatch.setattr(export, "largest_difference", lambda *_arguments: difference)
    with pytest.raises(RefcolorError, match=f"differ by {difference:.2g} on the same pictures"):
        export_onnx(model(tmp_path / "models"), tmp_path / "generator.onnx")
    assert not list(tmp_path.glob("*onnx*"))


@pytest.mark.parametrize(("size", "nearest"), [(30, 32), (12, 16), (1028, 1024), (0, 16)])
def test_a_size_that_does_not_fit_is_refused(tmp_path: Path, size: int, nearest: int) -> None:
    """Sizes off the stride, below four cells and above 1024 name the nearest that fits."""
    with pytest.raises(
        UsageError, match=f"multiple of 4 from 16 to 1024 .* got {size}; nearest: {nearest}"
    ):
        export_onnx(model(tmp_path / "models"), tmp_path / "generator.onnx", size=size)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without onnxscript one line says what to install, before the model is read."""
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(
        RefcolorError, match=r"needs onnxscript, not .*pip install 'refcolor\[export\]'"
    ):
        export_onnx(tmp_path / "nowhere", tmp_path / "generator.onnx")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    """The message names the folder."""
    with pytest.raises(RefcolorError, match=r"nowhere does not hold a model"):
        export_onnx(tmp_path / "nowhere", tmp_path / "generator.onnx")
