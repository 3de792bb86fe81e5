"""Tags of pictures by an external ONNX network, such as the WD taggers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from refcolor.errors import RefcolorError
from refcolor.io.tables import read_csv

_BATCH = 16  # pictures

Scores = NDArray[np.float64]
Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Tagger:
    """Scores a picture on every tag of a network.

    The network takes (B, side, side, 3) float32, channels BGR, grey levels 0 to 255, as the WD
    taggers do, and returns (B, tags).
    """

    def __init__(self, network: Network, tags: Sequence[str], *, side: int) -> None:
        """tags: by name, in the order of the network's columns; side: pixels of its input."""
        self.tags = tuple(tags)
        self._network, self._side = network, side

    def __call__(self, pictures: NDArray[np.uint8]) -> Scores:
        """Map (N, S, S, 3) uint8 to (N, tags) float64.

        Raises RefcolorError when the network has another number of columns than the list.
        """
        rows = [np.empty((0, len(self.tags)))]
        for start in range(0, len(pictures), _BATCH):
            batch = [self._preprocess(picture) for picture in pictures[start : start + _BATCH]]
            scores = self._network(np.stack(batch))
            if scores.shape != (len(batch), len(self.tags)):
                raise RefcolorError(
                    f"the list of evaluate.tagger must name the {scores.shape[-1]} tags of its "
                    f"network, got {len(self.tags)}; take the list that came with the network"
                )
            rows.append(scores.astype(np.float64))
        return np.concatenate(rows)

    def _preprocess(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        size = (self._side, self._side)
        resized = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
        return np.asarray(resized, np.float32)[..., ::-1]


def load_tagger(folder: Path) -> Tagger | None:
    """Load the tagger of a folder: one network (.onnx) and one list of tags (.csv).

    The list has a column `name`, as `selected_tags.csv` of the WD taggers. Returns None for a
    folder that does not exist or has neither file.
    Raises RefcolorError if only one of the files exists, for a list or network that cannot be read,
    and when onnxruntime is not installed.
    """
    networks, lists = (sorted(folder.glob(f"*.{kind}")) for kind in ("onnx", "csv"))
    if not networks and not lists:
        return None
    if len(networks) != 1 or len(lists) != 1:
        raise RefcolorError(
            f"evaluate.tagger must be a folder with one .onnx file and one .csv list of its tags, "
            f"got {len(networks)} and {len(lists)} in {folder}; empty it to evaluate without tags"
        )
    network, side = _open(networks[0])
    return Tagger(network, _read_tags(lists[0]), side=side)


@dataclass(frozen=True)
class _Tag:
    name: str


def _read_tags(path: Path) -> list[str]:
    advice = "take the CSV list of tags that came with the network"
    return [tag.name for tag in read_csv(path, _Tag, advice=advice)]


def _open(path: Path) -> tuple[Network, int]:
    """Open a network; return it and the side of its input in pixels."""
    try:
        import onnxruntime
    except ImportError as error:
        raise RefcolorError(
            "evaluate.tagger needs onnxruntime, which is not installed; "
            f"run: pip install -e '.[tagger]', or empty {path.parent}"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common base class
        reason = " ".join(str(error).split())[:200]
        raise RefcolorError(
            f"{path} is not a network that onnxruntime can open ({reason}); fetch it again"
        ) from error
    entry = session.get_inputs()[0]
    match entry.shape:
        case [_, int(height), int(width), 3] if height == width:
            side = height
        case _:
            raise RefcolorError(
                f"{path} must take pictures as (batch, side, side, 3), got {entry.shape}; "
                "take a tagger that does, such as a WD tagger"
            )

    def network(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(session.run(None, {entry.name: batch})[0], np.float32)

    return network, side
