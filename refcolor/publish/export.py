"""Export the generator as an ONNX file, which runs without torch and refcolor."""

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

OPSET = 18  # torch's exporter writes it without conversion; onnxruntime reads it since 1.14
TOLERANCE = 1e-3  # in [-1, 1] units; a grey level is 0.008
MAX_SIZE = 1024  # pixels; the attention grows with the fourth power of the side
MIN_CELLS = 4  # along a side, as in params.yaml

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_CHECK_BATCH = 3  # pictures of the check; the export traces a batch of 2


@dataclass(frozen=True)
class Exported:
    """The exported file.

    size: side of the pictures in pixels. difference: largest difference between onnxruntime and
    torch, in [-1, 1] units. weights: SHA-256 of the weights file.
    """

    path: Path
    size: int
    difference: float
    weights: str


def export_onnx(folder: Path, path: Path, *, size: int | None = None) -> Exported:
    """Write the generator of a model folder as ONNX, if onnxruntime and torch agree.

    The graph takes `sketch` (batch, 1, size, size) and `reference` (batch, 3, size, size) and
    returns `picture` (batch, 3, size, size), all float32 in [-1, 1] with 1 = white and any batch
    size. Its metadata describe these, with licence, version and checksum of the weights.
    size: side in pixels, by default that of the training pictures.
    The check colours drawn characters in batches of 1 and 3; the file is written only if every
    value of the predictions agrees to 1e-3.
    Raises RefcolorError for a missing package, a folder without a model, and predictions that
    differ, with the difference; UsageError for a size that the model does not support.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise RefcolorError(
            f"an ONNX file needs {' and '.join(missing)}, not installed here; "
            "run: pip install -e '.[export]'"
        )
    params, training_size = describe(folder)
    side = training_size if size is None else size
    _check_size(side, params)
    generator = load_generator(folder)
    model = _to_onnx(generator, side)
    _add_metadata(model, folder, params, side)
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
    """Compare an ONNX file with its generator on the same pictures.

    Returns the largest absolute difference of the predictions, in [-1, 1] units; NaN if one of them
    has NaN.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    sketch, reference = _drawn_inputs(_CHECK_BATCH, size)
    differences = []
    for batch in (1, _CHECK_BATCH):
        inputs = {"sketch": sketch[:batch], "reference": reference[:batch]}
        target = generator(**inputs).picture.numpy()
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        (result,) = session.run(["picture"], arrays)
        differences.append(np.abs(result - target).max())
    return float(np.max(differences))


def _check_size(size: int, params: ModelParams) -> None:
    stride = params.stride
    smallest, largest = MIN_CELLS * stride, MAX_SIZE // stride * stride
    if not smallest <= size <= largest or size % stride:
        nearest = min(max(round(size / stride) * stride, smallest), largest)
        raise UsageError(
            f"--size must be a multiple of {stride} from {smallest} to {largest} for this model, "
            f"got {size}; nearest: {nearest}"
        )


class _PictureOnly(nn.Module):
    """The generator with the picture as its only output, without logits."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, sketch: Tensor, reference: Tensor) -> Tensor:
        picture: Tensor = self.generator(sketch=sketch, reference=reference).picture
        return picture


def _to_onnx(generator: Generator, size: int) -> "ModelProto":
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings(action="ignore"):  # about the exporter's own code
        program = torch.onnx.export(
            _PictureOnly(generator).eval(),
            _drawn_inputs(2, size),  # a batch of 1 would become a constant of the graph
            dynamo=True,
            opset_version=OPSET,
            input_names=["sketch", "reference"],
            output_names=["picture"],
            dynamic_shapes=({0: batch}, {0: batch}),
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def _add_metadata(model: "ModelProto", folder: Path, params: ModelParams, size: int) -> None:
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
    """Draw sketches (count, 1, size, size) and references (count, 3, size, size)."""
    drawn_at = max(size, SMALLEST)
    pictures = [
        image.resize(
            render(draw_shape(0, index), draw_palette(1, index), size=drawn_at).color, size, size
        )
        for index in range(count)
    ]
    lines = [sketch_picture(picture, PRESETS["tag2pix"])[..., None] for picture in pictures]
    # Cross-references: the reference of each sketch is the next picture.
    references = pictures[1:] + pictures[:1]
    return image.to_tensor(np.stack(lines)), image.to_tensor(np.stack(references))
