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
        """Colour the drawing of each row.

        model_input: the columns `sketch` and `reference`, each the bytes of a picture file, or
        these in base64.  Returns the column `picture`: PNG bytes in the size of the drawing, with
        its own lines.
        Raises MlflowException for a picture that cannot be used, with its row and column; a server
        answers with the status 400.
        """
        rows = zip(model_input["sketch"], model_input["reference"], strict=True)
        return pd.DataFrame(
            {"picture": [self.color(*row, number=number) for number, row in enumerate(rows)]}
        )

    def color(self, sketch: Any, reference: Any, *, number: int) -> bytes:
        """Colour a drawing; number: of its row, for messages."""
        placed_reference = _read(
            self.colorizer.place_reference, reference, name=f"reference of row {number}"
        )
        prepared = _read(
            lambda file: self.colorizer.prepare(file, [placed_reference]),
            sketch,
            name=f"sketch of row {number}",
        )
        (prediction,) = self.colorizer.run([prepared], with_weights=False)
        png = BytesIO()
        self.colorizer.finish(prepared, prediction).image.save(png, format="PNG")
        return png.getvalue()


def _read(read: Callable[[bytes], Read], source: Any, *, name: str) -> Read:
    """Read a picture; raise MlflowException, which a server answers without a traceback."""
    if not isinstance(source, bytes):
        raise _invalid(f"{name} must be the bytes of a picture file, got {source!r:.50}")
    try:
        return read(_decoded(source))
    except RefcolorError as error:
        raise _invalid(f"{name}: {error}") from error


def _decoded(source: bytes) -> bytes:
    # MLflow decodes base64 in data frames, but not under `inputs`. Picture files are never valid
    # base64, because they contain bytes outside of its alphabet.
    try:
        return b64decode(source, validate=True)
    except binascii.Error:
        return source


def _invalid(message: str) -> MlflowException:
    return MlflowException(message, error_code=INVALID_PARAMETER_VALUE)


set_model(ServedColorizer())
