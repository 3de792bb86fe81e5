"""An ONNX file colours as its model does in torch, without torch."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.hints import PointMatch
from refcolor.colorize.look import Look
from refcolor.colorize.torch_network import TorchNetwork
from refcolor.errors import RefcolorError
from refcolor.publish.export import export_onnx

from .material import FINE, blocks, line_art, save_tiny

SOFT = Look(flat=False)
MATCH = PointMatch(20, 25, 40, 10)
Both = tuple[Colorizer, Colorizer]


def pair(folder: Path, **changes: object) -> Both:
    """Make a tiny model and its ONNX file; returns both, torch in single precision."""
    models = save_tiny(folder / "models", **changes)
    path = export_onnx(models, folder / "model.onnx").path
    colorizer = Colorizer.load(models, device="cpu")
    assert isinstance(colorizer.network, TorchNetwork)
    colorizer.network._bfloat16 = False
    return colorizer, Colorizer.load(path)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """A model of fine queries."""
    return pair(tmp_path_factory.mktemp("fine"), **FINE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "shape", "references", "matches"),
    [(None, (64, 64), 1, ()), (48, (120, 70), 3, (MATCH,)), (96, (50, 90), 2, ())],
)
def test_the_file_colors_as_torch_does(
    both: Both,
    size: int | None,
    shape: tuple[int, int],
    references: int,
    matches: tuple[PointMatch, ...],
) -> None:
    """Colours differ by at most a level, whatever the sizes, references and hints."""
    pictures = [blocks(40 + 30 * index, 90, seed=index) for index in range(references)]
    torch, onnx = (
        colorizer.colorize(line_art(*shape), pictures, size=size, matches=matches, look=SOFT)
        for colorizer in both
    )
    assert np.abs(torch.colors.astype(int) - onnx.colors).max() <= 1
    assert torch.attention.weights is not None
    assert onnx.attention.weights is not None
    assert np.abs(torch.attention.weights - onnx.attention.weights).max() < 1e-4
    assert torch.colors.std() > 1


@pytest.mark.slow
def test_a_batch_differs_from_single_drawings_by_a_level(both: Both) -> None:
    """Two drawings with two references each go through the file together."""
    _, colorizer = both
    prepared = [
        colorizer.prepare(
            line_art(60, 60),
            [colorizer.place_reference(blocks(64, 64, seed=index + n)) for n in (0, 5)],
        )
        for index in range(2)
    ]
    together = colorizer.run(prepared, with_weights=False)
    for item, prediction in zip(prepared, together, strict=True):
        (alone,) = colorizer.run([item], with_weights=False)
        assert np.abs(alone.colors.astype(int) - prediction.colors).max() <= 1


@pytest.mark.slow
def test_a_model_without_attention_colors_as_torch_does(tmp_path: Path) -> None:
    """Its file has no weights, and refuses several references as torch does."""
    torch, onnx = (
        colorizer.colorize(line_art(50, 70), blocks(64, 64), look=SOFT)
        for colorizer in pair(tmp_path, attention="none")
    )
    assert np.abs(torch.colors.astype(int) - onnx.colors).max() <= 1
    assert onnx.attention.weights is None


@pytest.mark.parametrize("content", [b"", b"no graph", onnx.ModelProto().SerializeToString()])
def test_a_file_that_refcolor_did_not_export_is_refused(tmp_path: Path, content: bytes) -> None:
    """One line names the command that writes such a file."""
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(RefcolorError, match=r"is not an ONNX file of .* `refcolor export --onnx"):
        Colorizer.load(tmp_path / "model.onnx")


def test_a_missing_file_and_another_device_are_refused(tmp_path: Path) -> None:
    """The message says how the file is made, and which device it runs on."""
    with pytest.raises(RefcolorError, match=r"model.onnx does not exist; `refcolor export"):
        Colorizer.load(tmp_path / "model.onnx")
    with pytest.raises(RefcolorError, match=r"runs on cpu, got device 'cuda'; take auto or cpu"):
        Colorizer.load(tmp_path / "model.onnx", device="cuda")
