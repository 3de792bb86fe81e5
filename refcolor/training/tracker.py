"""What a training tells about its run; MLflow's side of it is in `refcolor.tracking`."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

Status = Literal["FINISHED", "FAILED", "KILLED"]


class Tracker:
    """One run. Each method here keeps nothing.

    No method ever raises because the store is away: a warning says so once.

    As a context manager it finishes the run: FINISHED, FAILED after an error, KILLED after Ctrl-C
    or a signal.
    """

    @property
    def run_id(self) -> str | None:
        """Name the run in the store, to be kept in a checkpoint; None where nothing is tracked."""
        return None

    def params(self, values: Mapping[str, object]) -> None:
        """Record parameters under their dotted names; those of `runtime.` become tags.

        MLflow never changes a recorded parameter, so one that the run has already is left alone.
        """

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to each named curve; a step that the run has already is left out.

        Points are collected and sent together: call `flush` when a checkpoint is saved.
        """

    def curves(self, path: Path) -> None:
        """Add every point of a curves file that the run lacks.

        path: a CSV file with the column `step`, or a folder of them; every other column is a curve
        under its own name, and an empty cell is left out.
        """

    def picture(self, key: str, picture: NDArray[np.uint8], *, step: int = 0) -> None:
        """Show a picture, steppable under its key.  picture: (H, W, 3) or (H, W) uint8."""

    def model(self, folder: Path, *, example: Mapping[str, bytes]) -> None:
        """Keep the model of a folder so that MLflow can load and serve it.

        example: the columns `sketch` and `reference`, each the bytes of a PNG file.
        """

    def metrics(self, values: Mapping[str, object]) -> None:
        """Record final numbers.

        Left out: a value that is not a number, and a name that is a curve already, whose last point
        says the same.
        """

    def tags(self, values: Mapping[str, object]) -> None:
        """Set tags; a tag can change."""

    def flush(self) -> None:
        """Send what was collected."""

    def finish(self, status: Status = "FINISHED") -> None:
        """Send what was collected and end the run; calling it again does nothing."""

    def __enter__(self) -> Self:
        """Return the tracker itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the run with the status that fits how the block was left."""
        if kind is None:
            self.finish("FINISHED")
        else:
            self.finish("FAILED" if issubclass(kind, Exception) else "KILLED")


class NullTracker(Tracker):
    """Keeps nothing: `runtime.tracker: none`, and ranks other than the first."""
