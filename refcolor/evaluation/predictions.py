"""The predictions of a model for the evaluation set."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from refcolor.characters import PARTS
from refcolor.evaluation.evaluation_set import EvaluationSet, Stack, warp_all
from refcolor.evaluation.metrics.attention import cell_parts
from refcolor.io import image
from refcolor.model.generator import Generator
from refcolor.params import EvaluateParams
from refcolor.training.augment import Match
from refcolor.training.device import network_input


@dataclass(frozen=True)
class Prediction:
    """The predictions for N sketches.

    pictures: (N, S, S, 3) uint8.
    strongest: (N, N_s) int64, the key with the largest logit of each query; None without attention.
    """

    pictures: Stack
    strongest: Tensor | None


class Predictions:
    """The predictions that measurements share; each set is computed when it is first used."""

    def __init__(
        self,
        data: EvaluationSet,
        generator: Generator,
        params: EvaluateParams,
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        """generator: in evaluation mode, on the device."""
        self.data, self._generator, self._params = data, generator, params
        self._device = torch.device(device)
        self.sketches = data.pictures.sketch[data.pairs[:, 0]]
        self.references = data.pictures.color[data.pairs[:, 1]]

    @property
    def query_cells(self) -> tuple[int, int]:
        """Return the rows and columns of attention cells of a sketch."""
        return (self.data.size // self._generator.query_stride,) * 2

    @property
    def key_cells(self) -> tuple[int, int]:
        """Return the rows and columns of attention cells of a reference."""
        return (self.data.size // self._generator.key_stride,) * 2

    @cached_property
    def query_parts(self) -> Tensor:
        """Return the part of each sketch cell of every picture: (N, N_s) int64."""
        return self._parts(self.query_cells)

    @cached_property
    def key_parts(self) -> Tensor:
        """Return the part of each reference cell of every picture: (N, N_r) int64."""
        return self._parts(self.key_cells)

    @cached_property
    def warped(self) -> tuple[Stack, Match]:
        """Return all pictures, warped, and the known match of their cells."""
        return warp_all(
            self.data.pictures.color,
            self._params,
            cells=self.key_cells,
            query_cells=self.query_cells,
        )

    @cached_property
    def self_reference(self) -> Prediction:
        """Colour every sketch after its own warped picture; the target is the picture."""
        return self.color(self.data.pictures.sketch, self.warped[0], "self-reference")

    @cached_property
    def cross_reference(self) -> Prediction:
        """Colour the sketch of each pair after its reference."""
        return self.color(self.sketches, self.references, "cross-reference")

    @torch.inference_mode()
    def color(self, sketches: Stack, references: Stack, label: str) -> Prediction:
        """Colour every sketch after its reference.

        sketches: (N, S, S) uint8; references: (N, S, S, 3) uint8; label: of the progress bar.
        """
        pictures, strongest = [], []
        with tqdm(total=len(sketches), desc=label, unit="picture") as bar:
            for start in range(0, len(sketches), self._params.batch_size):
                batch = slice(start, start + self._params.batch_size)
                output = self._generator(
                    sketch=network_input(sketches[batch, ..., None], self._device),
                    reference=network_input(references[batch], self._device),
                )
                pictures.append(image.to_uint8(output.picture))
                if output.logits is not None:
                    strongest.append(output.logits.argmax(dim=-1).cpu())
                bar.update(len(pictures[-1]))
        return Prediction(np.concatenate(pictures), torch.cat(strongest) if strongest else None)

    def _parts(self, cells: tuple[int, int]) -> Tensor:
        parts = torch.from_numpy(np.stack([truth.parts for truth in self.data.truths]))
        return cell_parts(parts, cells=cells, labels=len(PARTS))
