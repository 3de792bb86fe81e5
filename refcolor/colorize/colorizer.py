"""A trained model as a tool: a drawing and its references in, a coloured drawing out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from refcolor.colorize.attention import Attention
from refcolor.colorize.fill import upsample
from refcolor.colorize.hints import PointMatch, bonus
from refcolor.colorize.layers import compose, write_layers, write_picture, write_psd
from refcolor.colorize.placement import Placement, place
from refcolor.colorize.reference import SINGLE, Source, as_file, read_reference
from refcolor.colorize.weights import refuse_other_weights
from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.io.image import Picture, Unit
from refcolor.lines.drawing import Drawing, read_drawing, working_sketch
from refcolor.model.generator import Generator
from refcolor.params import ModelParams
from refcolor.training.checkpoint import GENERATOR, describe, load_generator
from refcolor.training.device import choose_device

DEMO = Path(__file__).parent / "demo"
MODELS = Path("models")  # where `dvc repro` leaves a model
LARGEST = 1024  # pixels

_FEWEST_CELLS, _MOST_CELLS = 4, 90  # a side
# That attention may compare, each cell of the sketch with each of the references: 250 MiB, a few
# times over.
_MOST_PAIRS = _MOST_CELLS**4


@dataclass(frozen=True)
class Colored:
    """A coloured drawing.

    colors: (H, W, 3) uint8 at the drawing's own size, without its lines.
    """

    drawing: Drawing
    colors: Picture
    attention: Attention

    @property
    def picture(self) -> Picture:
        """The colours under the drawing's own lines: (H, W, 3) uint8."""
        return compose(self.colors, self.drawing)

    @property
    def image(self) -> Image.Image:
        """The same for Pillow."""
        return Image.fromarray(self.picture)

    def save(self, path: Path | str) -> None:
        """Write the picture as PNG; missing folders are made."""
        write_picture(Path(path), self.picture)

    def save_layers(self, folder: Path | str, stem: str) -> None:
        """Write colours and lines as <stem>_colors.png and <stem>_lines.png."""
        write_layers(Path(folder), stem, self.colors, self.drawing)

    def save_psd(self, path: Path | str) -> None:
        """Write colours and lines as the two layers of a Photoshop document."""
        write_psd(Path(path), self.colors, self.drawing)


@dataclass(frozen=True)
class Reference:
    """A reference on the model's grid: picture is (rows * stride, columns * stride, 3) uint8."""

    picture: Picture
    placed: Placement


@dataclass(frozen=True)
class Prepared:
    """A drawing that is ready for the model.

    sketch: (rows * stride, columns * stride) uint8. bias: (N_s, N_r) float32 where there are
    matches.
    """

    drawing: Drawing
    sketch: Picture
    placed: Placement
    references: tuple[Reference, ...]
    bias: Unit | None

    @property
    def pairs(self) -> int:
        """How many pairs of cells attention compares."""
        return self.placed.count * sum(reference.placed.count for reference in self.references)

    def fits(self, other: "Prepared") -> bool:
        """Whether both can go through the model together."""
        return (
            (self.bias is None and other.bias is None)
            and self.sketch.shape == other.sketch.shape
            and [reference.picture.shape for reference in self.references]
            == [reference.picture.shape for reference in other.references]
        )


@dataclass(frozen=True)
class Prediction:
    """What the model gives: colors (h, w, 3) uint8 at its own size, weights as in Attention."""

    colors: Picture
    weights: Unit | None


class Colorizer:
    """Colour drawings after references.

    `colorize` does it all. For many drawings `prepare`, `run` and `finish` are its three parts:
    only `run` needs the model, and the other two can overlap it in other threads.

    model: parameters of the generator. size: side of its training pictures in pixels.
    """

    def __init__(
        self, generator: Generator, *, model: ModelParams, size: int, device: str = "cpu"
    ) -> None:
        """generator: in evaluation mode.  device: cpu, cuda, cuda:1 or mps, where it shall run."""
        self.model, self.size, self.device = model, size, torch.device(device)
        self._generator = generator.to(self.device).to(memory_format=torch.channels_last)
        self._bfloat16 = _is_fast_in_bfloat16(self.device)

    @classmethod
    def load(cls, folder: Path | str = MODELS, *, device: str = "auto") -> "Colorizer":
        """Load a trained model: generator.safetensors and model.json.

        device: auto, cpu, cuda, cuda:1, mps.
        Raises RefcolorError when there is no model, when it does not fit together or is not a
        safetensors file, and for a device that this machine does not have.
        """
        folder = Path(folder)
        model, size = describe(folder)
        refuse_other_weights(folder / GENERATOR, model)
        try:
            chosen = choose_device(device)
        except (RuntimeError, KeyError) as error:
            raise RefcolorError(
                f"the device must be auto, cpu, cuda, cuda:1 or mps, got {device!r}"
            ) from error
        return cls(load_generator(folder), model=model, size=size, device=str(chosen))

    @classmethod
    def demo(cls, *, device: str = "auto") -> "Colorizer":
        """Load the small model that comes with refcolor."""
        return cls.load(DEMO, device=device)

    def colorize(
        self,
        sketch: Source,
        reference: Source | Sequence[Source],
        *,
        size: int | None = None,
        matches: Sequence[PointMatch] = (),
        clean_lines: bool = False,
    ) -> Colored:
        """Colour a drawing of any size after one reference or several together.

        Pictures are files, the bytes of files, Pillow images, or uint8 arrays.
        size: longer side in pixels at which the model works, as `sizes` has it; by default the size
            of its training pictures. The result has the drawing's own size in any case.
        matches: spots of the drawing that take the colour of given spots of a reference.
        clean_lines: the drawing is a photograph or a scan of paper, whose page is flattened first.
        Raises PictureError for a picture that cannot be used and RefcolorError for a size or match
        that does not fit.
        """
        several = [reference] if isinstance(reference, SINGLE) else reference
        prepared = self.prepare(
            sketch,
            [self.place_reference(one, size=size) for one in several],
            size=size,
            matches=matches,
            clean_lines=clean_lines,
        )
        return self.finish(prepared, self.run([prepared])[0])

    def place_reference(self, source: Source, *, size: int | None = None) -> Reference:
        """Read a reference and bring it to the model's grid, padded with the colour of its border.

        Raises PictureError for one that cannot be used.
        """
        picture = read_reference(source)
        placed = self._place(picture.shape[:2], size)
        scaled = image.resize(picture, placed.inner_height, placed.inner_width)
        return Reference(placed.pad(scaled, image.border_color(picture)), placed)

    def prepare(
        self,
        sketch: Source,
        references: Sequence[Reference],
        *,
        size: int | None = None,
        matches: Sequence[PointMatch] = (),
        clean_lines: bool = False,
    ) -> Prepared:
        """Read a drawing and bring it to the model's grid; arguments as in `colorize`."""
        self._check(len(references), matches)
        drawing = read_drawing(as_file(sketch), clean_lines=clean_lines)
        placed = self._place(drawing.size, size)
        self._check_pairs(placed, [one.placed for one in references])
        lines = working_sketch(drawing, placed.inner_height, placed.inner_width)
        return Prepared(
            drawing=drawing,
            sketch=placed.pad(lines, image.WHITE),
            placed=placed,
            references=tuple(references),
            bias=bonus(matches, placed, [one.placed for one in references]),
        )

    @torch.inference_mode()
    def run(self, prepared: Sequence[Prepared], *, with_weights: bool = True) -> list[Prediction]:
        """Run the model on one drawing, or on several as a batch where all of them fit together.

        with_weights: whether the attention's weights are returned too.
        Raises ValueError for drawings that do not fit together.
        """
        first, *others = prepared
        if not all(first.fits(other) for other in others):
            raise ValueError("drawings must be of one working shape and without matches; see fits")
        bias = None if first.bias is None else torch.from_numpy(first.bias).to(self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._bfloat16):
            output = self._generator(
                sketch=self._laid_out([one.sketch[..., None] for one in prepared]),
                reference=[
                    self._laid_out([one.picture for one in column])
                    for column in zip(*(one.references for one in prepared), strict=True)
                ],
                bias=bias,
            )
        weights: Sequence[Unit | None] = [None] * len(prepared)
        if with_weights and output.logits is not None:
            weights = list(output.logits.softmax(dim=-1).cpu().numpy())
        pictures = image.to_uint8(output.picture)
        return [
            Prediction(one.placed.inside(picture), weight)
            for one, picture, weight in zip(prepared, pictures, weights, strict=True)
        ]

    def finish(self, prepared: Prepared, prediction: Prediction) -> Colored:
        """Bring the model's colours up to the drawing's own size, with borders on its lines."""
        return Colored(
            drawing=prepared.drawing,
            colors=upsample(prediction.colors, prepared.drawing.ink),
            attention=Attention(
                prediction.weights,
                prepared.placed,
                tuple(one.placed for one in prepared.references),
            ),
        )

    @property
    def sizes(self) -> tuple[int, int]:
        """Smallest and largest working size in pixels.

        With several references at once the largest is less, by the fourth root of their number.
        """
        stride = self.model.stride
        most = LARGEST if self.model.attention == "none" else _MOST_CELLS * stride
        return _FEWEST_CELLS * stride, min(most, LARGEST)

    def check_size(self, size: int | None) -> int:
        """Give the working size: `size`, or the model's own for None.

        Raises RefcolorError for a size that the model cannot work at.
        """
        smallest, largest = self.sizes
        if size is None:
            return min(max(self.size, smallest), largest)
        if not smallest <= size <= largest:
            raise RefcolorError(
                f"size must be from {smallest} to {largest} pixels with this model, got {size}; "
                f"it was trained at {self.size}"
            )
        return size

    def _place(self, shape: tuple[int, ...], size: int | None) -> Placement:
        return place(
            *shape,
            size=self.check_size(size),
            stride=self.model.stride,
            square=self.model.attention == "none",
        )

    def _laid_out(self, pictures: Sequence[Picture]) -> torch.Tensor:
        tensor = image.to_tensor(np.stack(pictures)).to(self.device)
        return tensor.contiguous(memory_format=torch.channels_last)

    def _check(self, references: int, matches: Sequence[PointMatch]) -> None:
        if references == 0:
            raise RefcolorError("there must be at least one reference, got none; name a picture")
        if self.model.attention == "none" and (references > 1 or matches):
            given = "matches" if matches else f"{references} references"
            raise RefcolorError(
                f"this model has no attention, so it takes one reference and no match, got {given};"
                " take a model trained with model.attention scft or sga"
            )

    def _check_pairs(self, sketch: Placement, references: Sequence[Placement]) -> None:
        queries, keys = sketch.count, sum(placed.count for placed in references)
        if self.model.attention != "none" and queries * keys > _MOST_PAIRS:
            size = max(sketch.inner_height, sketch.inner_width)
            fitting = int(_MOST_CELLS / len(references) ** 0.25) * self.model.stride
            raise RefcolorError(
                f"at size {size} this model would compare {queries} cells of the sketch with "
                f"{keys} of {len(references)} references, more than memory is for; take size "
                f"{fitting} or fewer references"
            )


def _is_fast_in_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 saves time: half of it where the processor multiplies in it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return False
