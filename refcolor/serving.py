"""The script that MLflow runs to load and to serve a trained model ("models from code")."""

import binascii
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel
from PIL import Image

from refcolor import image
from refcolor.checkpoint import describe, load_generator
from refcolor.errors import RefcolorError
from refcolor.image import Picture


class Colorizer(PythonModel):
    """Colour line drawings after reference pictures."""

    def load_context(self, context: Any) -> None:
        """Load the generator once."""
        folder = Path(context.artifacts["model"])
        self.generator = load_generator(folder)
        self.size = describe(folder)[1]

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Colour one drawing per row.

        model_input: the columns `sketch` and `reference`, each the bytes of a picture file, or
        these in base64; both are padded to squares of the training size.  Returns the column `picture`: PNG bytes.
        Raises MlflowException for a picture that cannot be used, naming its row and column; a
        server answers it with the status 400.
        """
        answers = []
        for row in range(len(model_input)):
            sketch, reference = (
                self.read(model_input[column].iloc[row], f"{column} of row {row}")
                for column in ("sketch", "reference")
            )
            answers.append(self.color(sketch, reference))
        return pd.DataFrame({"picture": answers})

    def read(self, source: Any, name: str) -> Picture:
        """Read a picture from the bytes of its file; `name` begins the message of a refusal."""
        # Any other exception would reach the sender as a traceback, with the paths of this machine.
        if not isinstance(source, bytes):
            raise _refused(f"{name} must be the bytes of a picture file, got {source!r:.50}")
        try:
            return image.square(image.read(_decoded(source)), self.size)
        except RefcolorError as error:
            raise _refused(f"{name}: {error}") from error

    def color(self, sketch: Picture, reference: Picture) -> bytes:
        """Colour one drawing.

        sketch, reference: (size, size, 3) uint8.  Returns the bytes of a PNG file.
        """
        drawing, colors = (image.to_tensor(picture)[None] for picture in (sketch, reference))
        with torch.inference_mode():
            answer = self.generator(sketch=drawing.mean(1, keepdim=True), reference=colors)
        png = BytesIO()
        Image.fromarray(image.to_uint8(answer.picture)[0]).save(png, format="PNG")
        return png.getvalue()


def _decoded(source: bytes) -> bytes:
    # MLflow takes base64 apart in data frames and leaves it as it is under `inputs`. No file of a
    # picture is valid base64: each has bytes that are not letters.
    try:
        return b64decode(source, validate=True)
    except binascii.Error:
        return source


def _refused(message: str) -> MlflowException:
    return MlflowException(message, error_code=INVALID_PARAMETER_VALUE)


set_model(Colorizer())
