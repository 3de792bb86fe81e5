"""A generator in an ONNX file of `refcolor export`, run by onnxruntime without torch."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from refcolor.errors import RefcolorError
from refcolor.io.image import MIDDLE, Picture, Unit
from refcolor.params import ModelParams

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

# The names of the metadata that refcolor reads.
MODEL, SIZE = "refcolor_model", "refcolor_size"


class OnnxNetwork:
    """A generator on the processor; see `Network`."""

    def __init__(self, session: "InferenceSession", *, model: ModelParams, size: int) -> None:
        """session: of a graph with the inputs and outputs of `export_onnx`."""
        self.model, self.size, self._session = model, size, session

    def __call__(
        self,
        sketches: Picture,
        references: Sequence[Picture],
        *,
        bias: Unit | None,
        with_weights: bool,
    ) -> tuple[Picture, Unit | None]:
        """Colour sketches after their references."""
        *others, last = map(_to_float, references)
        inputs = {"sketch": _to_float(sketches), "reference": last}
        if bias is not None:
            inputs["bias"] = bias
        if others:
            inputs["others"] = np.concatenate([self._keys(other) for other in others], axis=2)
        if not with_weights or self.model.attention == "none":
            (picture,) = self._session.run(["picture"], inputs)
            return _to_uint8(picture), None
        picture, weights = self._session.run(["picture", "weights"], inputs)
        return _to_uint8(picture), weights

    def _keys(self, reference: Unit) -> Unit:
        """Return what the attention needs of a reference: (B, D, N) float32."""
        # onnxruntime runs the whole graph, on the smallest sketch that instance norm takes.
        side = 2 * self.model.stride
        sketch = np.zeros((len(reference), 1, side, side), np.float32)
        keys: Unit
        (keys,) = self._session.run(["keys"], {"sketch": sketch, "reference": reference})
        return keys


def load_onnx(path: Path, *, device: str) -> OnnxNetwork:
    """Load an ONNX file; see `Colorizer.load`."""
    try:
        from onnxruntime import InferenceSession, SessionOptions
    except ModuleNotFoundError as error:
        raise RefcolorError(
            "an ONNX file needs onnxruntime, not installed here; run: pip install 'refcolor[onnx]'"
        ) from error
    if device not in ("auto", "cpu"):
        raise RefcolorError(f"an ONNX file runs on cpu, got device {device!r}; take auto or cpu")
    if not path.is_file():
        raise RefcolorError(f"{path} does not exist; `refcolor export --onnx {path}` writes it")
    try:
        options = SessionOptions()
        options.log_severity_level = 3  # it warns of inputs that may be left out
        session = InferenceSession(path, options, providers=["CPUExecutionProvider"])
        metadata = session.get_modelmeta().custom_metadata_map
        model = ModelParams.model_validate(json.loads(metadata[MODEL]))
        size = int(metadata[SIZE])
    except Exception as error:  # onnxruntime has an exception for each kind of damage
        raise RefcolorError(
            f"{path} is not an ONNX file of this version of refcolor; write it with "
            f"`refcolor export --onnx {path}`"
        ) from error
    return OnnxNetwork(session, model=model, size=size)


def _to_float(pictures: Picture) -> Unit:
    """Scale (..., H, W, C) uint8 to (..., C, H, W) float32 in [-1, 1], as `image.to_tensor`."""
    return np.moveaxis(pictures, -1, -3).astype(np.float32) / np.float32(MIDDLE) - np.float32(1)


def _to_uint8(values: npt.NDArray[np.float32]) -> Picture:
    """Return the inverse of `_to_float`, clamped and rounded."""
    levels = (np.clip(np.moveaxis(values, -3, -1), -1, 1) + 1) * MIDDLE
    return np.ascontiguousarray(np.rint(levels).astype(np.uint8))
