"""Export the generator as an ONNX file, which runs without torch and refcolor."""

import json
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

import refcolor
from refcolor.characters import draw_palette, draw_shape, render
from refcolor.characters.drawing import SMALLEST
from refcolor.colorize.onnx_network import MODEL, SIZE
from refcolor.errors import RefcolorError, UsageError
from refcolor.io import image
from refcolor.io.files import replacing
from refcolor.lines.sketch import PRESETS, sketch_picture
from refcolor.model.generator import Generator, Keys
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

    size: side in pixels of the pictures of the check. difference: largest difference between
    onnxruntime and torch, in [-1, 1] units. weights: SHA-256 of the weights file.
    """

    path: Path
    size: int
    difference: float
    weights: str


def export_onnx(folder: Path, path: Path, *, size: int | None = None) -> Exported:
    """Write the generator of a model folder as ONNX, if onnxruntime and torch agree.

    The graph takes `sketch` (batch, 1, H, W) and `reference` (batch, 3, H', W') and returns
    `picture` (batch, 3, H, W), all float32 in [-1, 1] with 1 = white, any batch size and sides that
    are multiples of the model's stride; without attention H', W' are H, W. With attention there are
    more outputs, `weights` (batch, N_s, N_r) of the attention and `keys` (batch, D, N) of the
    reference, and two inputs that may be left out: `bias` (N_s, N_r) on the logits, and `others`,
    the keys of more references, which come before those of `reference` in N_r.
    The metadata describe these, with licence, version and checksum of the weights.
    size: side in pixels at which the file is checked and at which `refcolor colorize --onnx` works
        unless it is told another; by default that of the training pictures.
    The check colours drawn characters in batches of 1 and 3; the file is written only if every
    value of the predictions agrees to 1e-3.
    Raises RefcolorError for a missing package, a folder without a model, and predictions that
    differ, with the difference; UsageError for a size that the model does not support.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise RefcolorError(
            f"an ONNX file needs {' and '.join(missing)}, not installed here; "
            "run: pip install 'refcolor[export]'"
        )
    params, training_size = describe(folder)
    side = training_size if size is None else size
    _check_size(side, params)
    generator = load_generator(folder)
    model = _to_onnx(generator, params, side)
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
    options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 3
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


class _Plain(nn.Module):
    """The generator of a model without attention, with tensors as inputs and outputs."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, sketch: Tensor, reference: Tensor) -> Tensor:
        picture: Tensor = self.generator(sketch=sketch, reference=reference).picture
        return picture


class _Attending(nn.Module):
    """The generator of a model with attention, with tensors as inputs and outputs."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(
        self, sketch: Tensor, reference: Tensor, bias: Tensor, others: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """others: (B, D, N) keys of more references, as the third result."""
        last = self.generator.encode(reference)
        channels = last.features.shape[1]
        first = Keys(
            others[:, :channels, :, None],
            None if last.colors is None else others[:, channels:, :, None],
        )
        output = self.generator.color(sketch, [first, last], bias)
        assert output.logits is not None
        return output.picture, output.logits.softmax(dim=-1), _packed(last)


def _packed(keys: Keys) -> Tensor:
    """Concatenate features and colours of positions: (B, D, N)."""
    parts = [keys.features, keys.colors] if keys.colors is not None else [keys.features]
    return torch.cat([part.flatten(2) for part in parts], dim=1)


def _to_onnx(generator: Generator, params: ModelParams, size: int) -> "ModelProto":
    from onnx import numpy_helper

    dim, stride = torch.export.Dim, params.stride
    batch, rows, columns = dim("batch"), stride * dim("rows"), stride * dim("columns")
    # Traced with distinct sizes, because equal ones, and 1, would become constants of the graph.
    sketch = torch.zeros(2, 1, size, size + stride)
    if params.attention == "none":
        network: nn.Module = _Plain(generator)
        inputs = {"sketch": sketch, "reference": sketch.expand(-1, 3, -1, -1)}
        shapes: tuple[dict[int, Any], ...] = ({0: batch, 2: rows, 3: columns},) * 2
        outputs = ["picture"]
    else:
        network = _Attending(generator)
        reference = torch.zeros(2, 3, size + 2 * stride, size + 3 * stride)
        others = _packed(generator.encode(torch.zeros(2, 3, size, size + 4 * stride)))
        queries, keys = (
            picture[0, 0].numel() // cell**2
            for picture, cell in zip((sketch, reference), params.cell_sizes, strict=True)
        )
        inputs = {
            "sketch": sketch,
            "reference": reference,
            "bias": torch.zeros(queries, keys + others.shape[2]),
            "others": others,
        }
        shapes = (
            {0: batch, 2: rows, 3: columns},
            {0: batch, 2: stride * dim("reference_rows"), 3: stride * dim("reference_columns")},
            {0: dim.AUTO, 1: dim.AUTO},
            {0: batch, 2: dim("others")},
        )
        outputs = ["picture", "weights", "keys"]
    with warnings.catch_warnings(action="ignore"), torch.inference_mode():  # of the exporter itself
        program = torch.onnx.export(
            network.eval(),
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes=shapes,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    if "others" in inputs:  # an input with an initializer may be left out
        for name, shape in (("bias", (1, 1)), ("others", (1, inputs["others"].shape[1], 0))):
            values = numpy_helper.from_array(np.zeros(shape, np.float32), name)
            model.graph.initializer.append(values)
    return model


def _add_metadata(model: "ModelProto", folder: Path, params: ModelParams, size: int) -> None:
    from onnx import checker, helper

    values = "float32 in [-1, 1], value = level / 127.5 - 1, 1 = white"
    sides = f"sides are multiples of {params.stride}"
    model.producer_name, model.producer_version = "refcolor", refcolor.__version__
    model.graph.name = "generator"
    model.doc_string = "Colours a line drawing after a reference picture."
    helper.set_model_props(
        model,
        {
            "sketch": f"(batch, 1, H, W) {values}: dark lines on white paper; {sides}",
            "reference": f"(batch, 3, H', W') {values}: RGB in sRGB; {sides}",
            "picture": f"(batch, 3, H, W) {values}: RGB in sRGB",
            "model_license": find_licence(folder, find_origin(folder)),
            "refcolor_version": refcolor.__version__,
            MODEL: json.dumps(params.model_dump()),
            SIZE: str(size),
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
