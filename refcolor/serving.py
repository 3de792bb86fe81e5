"""The script that MLflow runs to load and to serve a trained model ("models from code")."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel
from PIL import Image

from refcolor import image
from refcolor.checkpoint import describe, load_generator


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

        model_input: the columns `sketch` and `reference`, each the bytes of a picture file; both
        are padded to squares of the training size.  Returns the column `picture`: PNG bytes.
        """
        answers = [
            self.color(bytes(sketch), bytes(reference))
            for sketch, reference in zip(
                model_input["sketch"], model_input["reference"], strict=True
            )
        ]
        return pd.DataFrame({"picture": answers})

    def color(self, sketch: bytes, reference: bytes) -> bytes:
        """Colour one drawing; pictures are the bytes of their files."""
        drawing, colors = (
            image.to_tensor(image.square(image.read(source), self.size))[None]
            for source in (sketch, reference)
        )
        with torch.inference_mode():
            answer = self.generator(sketch=drawing.mean(1, keepdim=True), reference=colors)
        png = BytesIO()
        Image.fromarray(image.to_uint8(answer.picture)[0]).save(png, format="PNG")
        return png.getvalue()


set_model(Colorizer())
