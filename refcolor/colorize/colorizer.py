"""The Colorizer: colours drawings of any size after references with a trained model."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from refcolor.colorize.attention import Attention
from refcolor.colorize.colored import Colored
from refcolor.colorize.documents import read_page
from refcolor.colorize.hints import Hint, Match, PanelMatch, PointColor, PointMatch, logit_bias
from refcolor.colorize.look import LOOK, Look, check_spots
from refcolor.colorize.network import Network
from refcolor.colorize.placement import Placement, place
from refcolor.colorize.prepared import (
    Output,
    Panel,
    Prediction,
    Prepared,
    Reference,
    join_panels,
    place_panels,
)
from refcolor.colorize.reference import Source, as_file, read_reference
from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.io.image import Picture
from refcolor.lines.bubbles import find_bubbles
from refcolor.lines.drawing import read_drawing, working_sketch
from refcolor.lines.frames import Framing, Window, find_framings, outside_of, panel_at, stretched

DEMO = Path(__file__).parent / "demo"
MODELS = Path("models")  # the output folder of the stage `train`
MAX_SIZE = 1024  # pixels

_MIN_CELLS, _MAX_CELLS = 4, 90  # along a side
# Pairs of cells that the attention may compare: a few tensors of 250 MiB.
_MAX_PAIRS = _MAX_CELLS**4


class Colorizer:
    """Colours drawings after references.

    `colorize` runs `prepare`, `run` and `finish`. For many drawings call these three: only `run`
    uses the model, and the other two can run in other threads meanwhile.

    model: parameters of the generator. size: side of its training pictures in pixels.
    """

    def __init__(self, network: Network) -> None:
        """network: a generator in torch or in onnxruntime."""
        self.network, self.model, self.size = network, network.model, network.size

    @classmethod
    def load(cls, path: Path | str = MODELS, *, device: str = "auto") -> "Colorizer":
        """Load a trained model: a folder with generator.safetensors and model.json, or ONNX.

        path: a name that ends in .onnx is a file of `refcolor export`, which needs no torch.
        device: auto, cpu, cuda, cuda:1, mps; auto or cpu for ONNX.
        Raises RefcolorError for a missing model, for weights that do not fit the description or are
        not a safetensors file, for an ONNX file that refcolor did not export, for a missing
        package, and for a device that this machine does not have.
        """
        path = Path(path)
        if path.suffix == ".onnx":
            from refcolor.colorize.onnx_network import load_onnx

            return cls(load_onnx(path, device=device))
        from refcolor.colorize.torch_network import load_torch

        return cls(load_torch(path, device=device))

    @classmethod
    def demo(cls, *, device: str = "auto") -> "Colorizer":
        """Load the model that comes with the package."""
        return cls.load(DEMO, device=device)

    def colorize(
        self,
        sketch: Source,
        reference: Source | list[Source] | tuple[Source, ...],
        *,
        size: int | None = None,
        matches: Sequence[Hint | Match] = (),
        clean_lines: bool = False,
        layer: str | None = None,
        look: Look = LOOK,
    ) -> Colored:
        """Colour a drawing of any size after one or several references.

        Pictures are paths, the bytes of files, Pillow images of any mode but I and F, or arrays,
        (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), uint8, uint16, bool or floats from 0 to 1.
        size: longer side in pixels at which the model works, in the range `sizes`; by default the
            size of its training pictures. The result always has the size of the drawing.
        matches: points of the drawing, and the points of a reference whose colours they take, or
            the colours that their regions take; panels, and the reference of all their colours.
        clean_lines: the drawing is a photograph or scan of paper, whose page is flattened.
        layer: of a drawing that is a PSD or OpenRaster document, the layer with the lines.
        look: flat or soft colours, and a mask of what stays paper.
        Raises PictureError for a picture that cannot be used, RefcolorError for a size or match out
        of range, and ValueError for an object that is not a picture.
        """
        sources = reference if isinstance(reference, list | tuple) else [reference]
        prepared = self.prepare(
            sketch,
            [self.place_reference(source, size=size) for source in sources],
            size=size,
            matches=matches,
            clean_lines=clean_lines,
            layer=layer,
            look=look,
        )
        return self.finish(prepared, self.run([prepared])[0])

    def place_reference(self, source: Source, *, size: int | None = None) -> Reference:
        """Read a reference and scale it to the model's grid, padded with the colour of its border.

        Raises PictureError for a picture that cannot be used.
        """
        picture = read_reference(source)
        placement = self._place(picture.shape[:2], size, cell=self.model.cell_sizes[1])
        scaled = image.resize(picture, placement.inner_height, placement.inner_width)
        return Reference(placement.pad(scaled, image.border_color(picture)), placement)

    def prepare(
        self,
        sketch: Source,
        references: Sequence[Reference],
        *,
        size: int | None = None,
        matches: Sequence[Hint | Match] = (),
        clean_lines: bool = False,
        layer: str | None = None,
        look: Look = LOOK,
    ) -> Prepared:
        """Read a drawing and scale it to the model's grid; arguments as in `colorize`."""
        pairs = [match for match in matches if not isinstance(match, PointColor)]
        self._check_inputs(len(references), pairs)
        page, resolution = read_page(as_file(sketch), layer)
        drawing = replace(read_drawing(page, clean_lines=clean_lines), resolution=resolution)
        look.check(drawing)
        check_spots([match for match in matches if isinstance(match, PointColor)], drawing)
        framings = find_framings(drawing.ink)
        bubbles = np.zeros((1, 1), np.uint8) if look.color_bubbles else find_bubbles(drawing.ink)
        ink = np.where(stretched(bubbles, drawing.ink), np.uint8(0), drawing.ink)
        panels = [
            self._prepare_panel(ink, framing, references, size, of_panel)
            for framing, of_panel in zip(
                framings, _by_panel(pairs, framings, drawing.size), strict=True
            )
        ]
        return Prepared(
            drawing=drawing,
            bubbles=bubbles,
            panels=tuple(panels),
            references=tuple(references),
            look=look,
            spots=_spots(matches, references, flat=look.flat),
        )

    def run(self, prepared: Sequence[Prepared], *, with_weights: bool = True) -> list[Prediction]:
        """Run the model on a batch of drawings.

        with_weights: whether to return the attention weights too, except of a page whose panels
            have more than _MAX_PAIRS pairs of cells together.
        Raises ValueError for drawings that cannot be in one batch.
        """
        first, *others = prepared
        if not all(first.can_batch(other) for other in others):
            raise ValueError(
                "the drawings of a batch must have one panel of equal working shapes and no "
                "matches; see Prepared.can_batch"
            )
        if others:
            outputs = self._run_model([item.panels[0] for item in prepared], prepared, with_weights)
            return [
                Prediction(place_panels(item, [picture]), (weight,))
                for item, (picture, weight) in zip(prepared, outputs, strict=True)
            ]
        return [join_panels(first, list(self.run_panels(first, with_weights=with_weights)))]

    def run_panels(self, prepared: Prepared, *, with_weights: bool = True) -> Iterator[Output]:
        """Run the model on the panels of a drawing, one after another; see `join_panels`.

        with_weights: as in `run`.
        """
        with_weights = with_weights and prepared.pairs <= _MAX_PAIRS
        for panel in prepared.panels:
            yield self._run_model([panel], [prepared], with_weights)[0]

    def finish(self, prepared: Prepared, prediction: Prediction) -> Colored:
        """Bring the model's colours to the drawing's size, with their borders on its lines."""
        drawing = prepared.drawing
        framings = [panel.framing for panel in prepared.panels]
        colors = prepared.look.apply(
            prediction.colors, drawing, prepared.spots, outside_of(framings, drawing.ink)
        )
        return Colored(
            drawing=drawing,
            colors=colors,
            attentions=tuple(
                Attention(
                    weights,
                    panel.placement,
                    tuple(reference.placement for reference in prepared.references),
                    panel.framing,
                )
                for panel, weights in zip(prepared.panels, prediction.weights, strict=True)
            ),
            flat=prepared.look.flat,
        )

    @property
    def sizes(self) -> tuple[int, int]:
        """Smallest and largest working size in pixels.

        With N references the largest size is divided by the fourth root of N.
        """
        # At least two positions at the last level, because instance norm refuses a single one.
        smallest = max(_MIN_CELLS * self.model.cell_sizes[1], 2 * self.model.stride)
        largest = MAX_SIZE if self.model.attention == "none" else self._largest(references=1)
        return smallest, min(largest, MAX_SIZE)

    def check_size(self, size: int | None) -> int:
        """Return the working size: `size`, or for None the size of the training pictures.

        Raises RefcolorError for a size out of range.
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

    def _prepare_panel(
        self,
        ink: Picture,
        framing: Framing,
        references: Sequence[Reference],
        size: int | None,
        matches: Sequence[Match],
    ) -> Panel:
        placement = self._place(
            ink.shape, size, cell=self.model.cell_sizes[0], window=framing.window
        )
        reference_placements = [reference.placement for reference in references]
        self._check_pairs(placement, reference_placements)
        seen = framing.without_frame(ink)
        sketch = working_sketch(seen, placement.inner_height, placement.inner_width)
        bias = logit_bias(matches, placement, reference_placements)
        return Panel(framing, placement, placement.pad(sketch, image.WHITE), bias)

    def _run_model(
        self, panels: Sequence[Panel], drawings: Sequence[Prepared], with_weights: bool
    ) -> list[Output]:
        """Return colours on the grid and attention weights of one panel of each drawing."""
        pictures, attention = self.network(
            np.stack([panel.sketch[..., None] for panel in panels]),
            [
                np.stack([reference.picture for reference in references])
                for references in zip(*(item.references for item in drawings), strict=True)
            ],
            bias=panels[0].bias,
            with_weights=with_weights,
        )
        weights = [None] * len(panels) if attention is None else attention
        return list(zip(pictures, weights, strict=True))

    def _largest(self, *, references: int) -> int:
        """Return the largest size at which square pictures have at most _MAX_PAIRS pairs."""
        ratio = math.sqrt(math.prod(self.model.cell_sizes)) / self.model.stride
        return int(_MAX_CELLS * ratio / references**0.25) * self.model.stride

    def _place(
        self, shape: tuple[int, ...], size: int | None, *, cell: int, window: Window | None = None
    ) -> Placement:
        return place(
            *shape,
            size=self.check_size(size),
            stride=cell,
            multiple=self.model.stride,
            square=self.model.attention == "none",
            window=window,
        )

    def _check_inputs(self, references: int, matches: Sequence[Match]) -> None:
        if references == 0:
            raise RefcolorError("there must be at least one reference, got none; name a picture")
        if self.model.attention == "none" and (references > 1 or matches):
            given = "matches" if matches else f"{references} references"
            raise RefcolorError(
                f"this model has no attention, so it takes one reference and no match, got {given};"
                " take a model trained with model.attention scft or sga"
            )

    def _check_pairs(self, sketch: Placement, references: Sequence[Placement]) -> None:
        queries, keys = sketch.count, sum(placement.count for placement in references)
        if self.model.attention != "none" and queries * keys > _MAX_PAIRS:
            size = max(sketch.shape)
            largest = self._largest(references=len(references))
            raise RefcolorError(
                f"at size {size} this model would compare {queries} cells of the sketch with "
                f"{keys} of {len(references)} references, which needs too much memory; take size "
                f"{largest} or fewer references"
            )


def _spots(
    matches: Sequence[Hint | Match], references: Sequence[Reference], *, flat: bool
) -> tuple[PointColor, ...]:
    """Return the colours of regions, in the order of the matches.

    flat: a match with a reference colours its region too, which the few cells that the attention
        changes would not win in a vote.
    """
    spots = []
    for match in matches:
        if isinstance(match, PointColor):
            spots.append(match)
        elif flat and isinstance(match, PointMatch):
            color = references[match.reference].color_at(match.u, match.v)
            spots.append(PointColor(match.x, match.y, color))
    return tuple(spots)


def _by_panel(
    matches: Sequence[Match], framings: Sequence[Framing], size: tuple[int, int]
) -> list[list[Match]]:
    """Return the matches of each panel; points outside of all panels belong to the first.

    Raises RefcolorError for a match of a panel outside of all panels.
    """
    by_panel: list[list[Match]] = [[] for _ in framings]
    for match in matches:
        panel = panel_at(framings, match.x, match.y, size)
        if panel is None and isinstance(match, PanelMatch):
            raise RefcolorError(f"match {match} lies in no panel; name a spot inside its frame")
        by_panel[panel or 0].append(match)
    return by_panel
