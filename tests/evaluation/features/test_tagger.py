"""The tagger runs networks in the format of the WD taggers, and explains why others are refused."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from refcolor.errors import RefcolorError
from refcolor.evaluation.features.tagger import load_tagger

SIDE = 5  # pixels
TAGS = ("blue_hair", "green_hair", "red_hair")
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a network that returns the mean of each channel, and its list of tags."""

    def make(
        shape: tuple[object, ...] = ("batch", SIDE, SIDE, 3), tags: tuple[str, ...] = TAGS
    ) -> Path:
        entry = helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)
        axes = helper.make_tensor("axes", TensorProto.INT64, (2,), (1, 2))
        mean = helper.make_node("ReduceMean", ["picture", "axes"], ["scores"], keepdims=0)
        scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, (shape[0], shape[3]))
        graph = helper.make_graph([mean], "means", [entry], [scores], [axes])
        opsets = [helper.make_opsetid("", 18)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), tmp_path / "m.onnx")
        lines = [f"{number},{tag},0,7" for number, tag in enumerate(tags)]
        (tmp_path / "selected_tags.csv").write_text(
            "\n".join(["tag_id,name,category,count", *lines])
        )
        return tmp_path

    return make


def test_the_network_gets_bgr_levels(make: Make) -> None:
    """Of 35 pictures in (250, 100, 0), enlarged to 5 x 5, the network gets 0, 100 and 250."""
    tagger = load_tagger(make())
    assert tagger is not None
    assert tagger.tags == TAGS
    scores = tagger(np.full((35, 3, 3, 3), (250, 100, 0), np.uint8))
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, [[0, 100, 250]] * 35, atol=1e-3)
    assert tagger(np.zeros((0, 3, 3, 3), np.uint8)).shape == (0, 3)


@pytest.mark.parametrize("exists", [True, False])
def test_an_empty_folder_means_no_tagger(tmp_path: Path, exists: bool) -> None:
    """Neither an empty folder nor a missing one is an error, and nothing is imported for it."""
    folder = tmp_path / "tagger"
    if exists:
        folder.mkdir()
        (folder / ".gitkeep").touch()
    assert load_tagger(folder) is None


def test_a_network_without_its_list_of_tags_is_refused(make: Make) -> None:
    """One file of the two is a mistake, and the message counts both kinds."""
    folder = make()
    (folder / "selected_tags.csv").unlink()
    with pytest.raises(RefcolorError, match=r"one \.csv list of its tags, got 1 and 0 in "):
        load_tagger(folder)
    make()
    (folder / "other.onnx").touch()
    with pytest.raises(RefcolorError, match="got 2 and 1 in"):
        load_tagger(folder)


def test_a_list_of_another_length_is_refused(make: Make) -> None:
    """Two names for three columns are refused before any picture is tagged."""
    tagger = load_tagger(make(tags=TAGS[:2]))
    assert tagger is not None
    with pytest.raises(RefcolorError, match="must name the 3 tags of its network, got 2; take"):
        tagger(np.zeros((1, 3, 3, 3), np.uint8))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"tag\nblue_hair\n", " line 2: name is missing"),
        (b"id,name\n1,blue_hair\n2\n", " line 3: name should be a valid string"),
        (b"name\n\xff\xfe\n", " is not UTF-8 text"),
    ],
)
def test_a_list_without_names_is_refused(make: Make, content: bytes, message: str) -> None:
    """A CSV without the column `name`, or in another encoding, is reported with what to do."""
    folder = make()
    (folder / "selected_tags.csv").write_bytes(content)
    with pytest.raises(RefcolorError, match=rf"selected_tags\.csv{message}.*; take the CSV list"):
        load_tagger(folder)


@pytest.mark.parametrize("shape", [("batch", 3, SIDE, SIDE), (1, SIDE, 7, 3), ("b", "h", "w", 3)])
def test_a_network_with_another_input_shape_is_refused(
    make: Make, shape: tuple[object, ...]
) -> None:
    """Channels first, not square, and a size left open are refused with the shape."""
    with pytest.raises(RefcolorError, match=r"as \(batch, side, side, 3\), got \["):
        load_tagger(make(shape))


def test_a_file_that_is_not_a_network_is_refused(make: Make) -> None:
    """A web page saved under the network's name is reported in one line."""
    folder = make()
    (folder / "m.onnx").write_bytes(b"<html>not found</html>")
    with pytest.raises(RefcolorError, match=r"m\.onnx is not a network that onnxruntime") as caught:
        load_tagger(folder)
    assert "\n" not in str(caught.value)


def test_without_onnxruntime_the_extra_is_named(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tagger that is given and cannot run is an error that says what to install."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RefcolorError, match=r"pip install -e '\.\[tagger\]', or empty "):
        load_tagger(make())
