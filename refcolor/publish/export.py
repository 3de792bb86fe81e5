"""The generator as one ONNX file: other programs run it without torch and without refcolor."""

import json
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

import refcolor
from refcolor.characters import draw_palette, draw_shape, render
from refcolor.characters.drawing import SMALLEST
from refcolor.errors import RefcolorError, UsageError
from refcolor.io import image
from refcolor.io.files import replacing
from refcolor.lines.sketch import PRESETS, sketch_picture
from refcolor.model.generator import Generator
from refcolor.params import ModelParams
from refcolor.publish.provenance import checksum, find_licence, find_origin
from refcolor.training.checkpoint import describe, load_generator

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 18  # what torch's exporter writes without converting, and onnxruntime reads since 1.14
TOLERANCE = 1e-3  # in [-1, 1] units; one grey level is 0.008
LARGEST = 1024  # pixels; the attention grows with the fourth power of the side
LEAST_CELLS = 4  # along a side, as in params.yaml

_NEEDED = ("onnx", "onnxscript", "onnxruntime")
_CHECKED = 3  # pictures of the check; the export itself sees a batch of 2


@dataclass(frozen=True)
class Exported:
    """What was written.

    size: side of the pictures in pixels. difference: largest difference between onnxruntime and
    torch, in [-1, 1] units. weights: SHA-256 of the weights' file.
    """

    path: Path
    size: int
    difference: float
    weights: str


def export_onnx(folder: Path, path: Path, *, size: int | None = None) -> Exported:
    """Write the generator of a model folder as ONNX, once onnxruntime agrees with torch.

    The graph takes `sketch` (batch, 1, size, size) and `reference` (batch, 3, size, size) and gives
    `picture` (batch, 3, size, size), all float32 in [-1, 1] with 1 = white; the batch is free. Its
    metadata say so, with licence, version and the checksum of the weights.
    size: side in pixels, by default that of the training pictures.
    The check colours drawn characters; the file appears under its name only when every value of the
    result agrees to 1e-3, in batches of 1 and 3.
    Raises RefcolorError when a package is missing, for a folder without a model and for results
    that differ, naming the difference; UsageError for a size that does not fit.
    """
    absent = [name for name in _NEEDED if find_spec(name) is None]
    if absent:
        raise RefcolorError(
            f"an ONNX file needs {' and '.join(absent)}, not installed here; "
            "run: pip install -e '.[export]'"
        )
    params, trained_at = describe(folder)
    side = trained_at if size is None else size
    _refuse_size(side, params)
    generator = load_generator(folder)
    model = _converted(generator, side)
    _describe_in(model, folder, params, side)
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
        difference = largest_difference(temporary, generator, side)
        if not difference <= TOLERANCE:
            raise RefcolorError(
                f"onnxruntime and torch differ by {difference:.2g} on the same pictures, more than "
                f"{TOLERANCE:g}, so {path} was not written; update onnxscript and onnxruntime, or "
                "try another --size"
            )
    return Exported(path, side, difference, checksum(folder))


@torch.inference_mode()
def largest_difference(path: Path, generator: Generator, size: int) -> float:
    """Compare an ONNX file with the generator that it was made from, on the same pictures.

    Returns the largest absolute difference of a value in [-1, 1]; NaN where a result has NaN.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    sketch, reference = _drawn_inputs(_CHECKED, size)
    differences = []
    for batch in (1, _CHECKED):
        inputs = {"sketch": sketch[:batch], "reference": reference[:batch]}
        target = generator(**inputs).picture.numpy()
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        (result,) = session.run(["picture"], arrays)
        differences.append(np.abs(result - target).max())
    return float(np.max(differences))


def _refuse_size(size: int, params: ModelParams) -> None:
    stride = params.stride
    least, most = LEAST_CELLS * stride, LARGEST // stride * stride
    if not least <= size <= most or size % stride:
        nearest = min(max(round(size / stride) * stride, least), most)
        raise UsageError(
            f"--size must be a multiple of {stride} from {least} to {most} for this model, "
            f"got {size}; nearest: {nearest}"
        )


class _Picture(nn.Module):
    """The generator, without its logits: nothing else leaves the graph."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, sketch: Tensor, reference: Tensor) -> Tensor:
        picture: Tensor = self.generator(sketch=sketch, reference=reference).picture
        return picture


def _converted(generator: Generator, size: int) -> "ModelProto":
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings(action="ignore"):  # meant for the exporter's authors
        program = torch.onnx.export(
            _Picture(generator).eval(),
            _drawn_inputs(2, size),  # a batch of 1 would be taken for a constant
            dynamo=True,
            opset_version=OPSET,
            input_names=["sketch", "reference"],
            output_names=["picture"],
            dynamic_shapes=({0: batch}, {0: batch}),
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def _describe_in(model: "ModelProto", folder: Path, params: ModelParams, size: int) -> None:
    from onnx import checker, helper

    values = "float32 in [-1, 1], value = level / 127.5 - 1, 1 = white"
    model.producer_name, model.producer_version = "refcolor", refcolor.__version__
    model.graph.name = "generator"
    model.doc_string = "Colours a line drawing after a reference picture."
    helper.set_model_props(
        model,
        {
            "sketch": f"(batch, 1, {size}, {size}) {values}: dark lines on white paper",
            "reference": f"(batch, 3, {size}, {size}) {values}: RGB in sRGB",
            "picture": f"(batch, 3, {size}, {size}) {values}: RGB in sRGB",
            "model_license": find_licence(folder, find_origin(folder)),
            "refcolor_version": refcolor.__version__,
            "refcolor_model": json.dumps(params.model_dump()),
            "weights_sha256": checksum(folder),
        },
    )
    checker.check_model(model, full_check=True)


def _drawn_inputs(count: int, size: int) -> tuple[Tensor, Tensor]:
    """Draw characters and their line art; (count, 1, size, size) and (count, 3, size, size)."""
    at = max(size, SMALLEST)
    drawn = [
        image.resize(
            render(draw_shape(0, index), draw_palette(1, index), size=at).color, size, size
        )
        for index in range(count)
    ]
    lines = [sketch_picture(picture, PRESETS["tag2pix"])[..., None] for picture in drawn]
    # The reference is the next picture: a cross-reference, as in use.
    return image.to_tensor(np.stack(lines)), image.to_tensor(np.stack(drawn[1:] + drawn[:1]))
