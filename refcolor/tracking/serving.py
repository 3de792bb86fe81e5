"""The script that MLflow runs to load and to serve a trained model ("models from code")."""

import binascii
from base64 import b64decode
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel

from refcolor.colorize.colorizer import Colorizer
from refcolor.errors import RefcolorError

Read = TypeVar("Read")


class ServedColorizer(PythonModel):
    """Colour line drawings after reference pictures."""

    def load_context(self, context: Any) -> None:
        """Load the generator once."""
        self.colorizer = Colorizer.load(Path(context.artifacts["model"]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Colour one drawing per row.

        model_input: the columns `sketch` and `reference`, each the bytes of a picture file, or
        these in base64.  Returns the column `picture`: PNG bytes, of the drawing's own size and
        with its own lines.
        Raises MlflowException for a picture that cannot be used, naming its row and column; a
        server answers it with the status 400.
        """
        rows = zip(model_input["sketch"], model_input["reference"], strict=True)
        return pd.DataFrame(
            {"picture": [self.color(*row, number=number) for number, row in enumerate(rows)]}
        )

    def color(self, sketch: Any, reference: Any, *, number: int) -> bytes:
        """Colour one drawing; `number` is its row, for messages."""
        colors = _accepted(
            self.colorizer.place_reference, reference, name=f"reference of row {number}"
        )
        prepared = _accepted(
            lambda file: self.colorizer.prepare(file, [colors]),
            sketch,
            name=f"sketch of row {number}",
        )
        (answer,) = self.colorizer.run([prepared], with_weights=False)
        png = BytesIO()
        self.colorizer.finish(prepared, answer).image.save(png, format="PNG")
        return png.getvalue()


def _accepted(read: Callable[[bytes], Read], source: Any, *, name: str) -> Read:
    """Read a picture, or raise the one exception that MLflow answers without a traceback."""
    if not isinstance(source, bytes):
        raise _refused(f"{name} must be the bytes of a picture file, got {source!r:.50}")
    try:
        return read(_decoded(source))
    except RefcolorError as error:
        raise _refused(f"{name}: {error}") from error


def _decoded(source: bytes) -> bytes:
    # MLflow takes base64 apart in data frames and leaves it as it is under `inputs`. No file of a
    # picture is valid base64: each has bytes that are not letters.
    try:
        return b64decode(source, validate=True)
    except binascii.Error:
        return source


def _refused(message: str) -> MlflowException:
    return MlflowException(message, error_code=INVALID_PARAMETER_VALUE)


set_model(ServedColorizer())
