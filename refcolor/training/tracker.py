"""The interface through which a training records its run; `refcolor.tracking` implements it."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

Status = Literal["FINISHED", "FAILED", "KILLED"]


class Tracker:
    """A tracked run. The methods of this base class do nothing.

    An unreachable store makes no method raise: the tracker warns once and goes on.

    As a context manager it finishes the run: FINISHED, FAILED after an error, KILLED after Ctrl-C
    or a signal.
    """

    @property
    def run_id(self) -> str | None:
        """Return the run's id in the store, for a checkpoint; None without a store."""
        return None

    def params(self, values: Mapping[str, object]) -> None:
        """Record parameters under their dotted names; those of `runtime.` become tags.

        MLflow refuses to change a recorded parameter, so parameters that the run has are skipped.
        """

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to each named curve; steps that the run has already are skipped.

        Points are buffered: call `flush` when a checkpoint is saved.
        """

    def curves(self, path: Path) -> None:
        """Add every point of a curves file that the run does not have.

        path: a CSV file with the column `step`, or a folder of them; every other column is a curve
        with the column's name, and empty cells are skipped.
        """

    def picture(self, key: str, picture: NDArray[np.uint8], *, step: int = 0) -> None:
        """Record a picture under a key and a step.  picture: (H, W, 3) or (H, W) uint8."""

    def model(self, folder: Path, *, example: Mapping[str, bytes]) -> None:
        """Record the model of a folder so that MLflow can load and serve it.

        example: the columns `sketch` and `reference`, each the bytes of a PNG file.
        """

    def metrics(self, values: Mapping[str, object]) -> None:
        """Record final numbers.

        Skips values that are not numbers, and names of curves, whose last point is the same number.
        """

    def tags(self, values: Mapping[str, object]) -> None:
        """Set tags, or change them."""

    def flush(self) -> None:
        """Send the buffered points."""

    def finish(self, status: Status = "FINISHED") -> None:
        """Send the buffered points and end the run; a second call does nothing."""

    def __enter__(self) -> Self:
        """Return the tracker itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the run: FINISHED, FAILED after an Exception, KILLED after other exceptions."""
        if kind is None:
            self.finish("FINISHED")
        else:
            self.finish("FAILED" if issubclass(kind, Exception) else "KILLED")


class NullTracker(Tracker):
    """Records nothing: for `runtime.tracker: none` and for every rank but the first."""
