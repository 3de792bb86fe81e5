"""The model that MLflow keeps answers as the Colorizer itself does."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refcolor import image
from refcolor.checkpoint import save_model
from refcolor.colorize.colorizer import Colorizer
from refcolor.model.discriminator import Discriminator
from refcolor.model.generator import build_generator
from refcolor.params import Params
from refcolor.sketch import PRESETS, sketch_picture
from refcolor.sources.sample import draw_palette, draw_shape, render
from refcolor.tracking import open_training
from refcolor.tracking.store import Store, quiet

SIZE = 32


def png(picture: image.Picture) -> bytes:
    """Give the bytes of a PNG file."""
    file = BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    return file.getvalue()


@pytest.mark.slow
def test_logged_model_colors(
    store: Store, root: Path, key: str, tmp_path: Path, make_params: Callable[..., Params]
) -> None:
    """Logged with its code, loaded and asked with two files, it gives the Colorizer's picture."""
    settings = make_params().model
    save_model(
        tmp_path / "models",
        generator=build_generator(settings),
        discriminator=Discriminator(settings),
        params=settings,
        size=SIZE,
    )
    drawn = [
        render(draw_shape(1, index), draw_palette(2, index), size=64).color for index in range(2)
    ]
    sketch = sketch_picture(drawn[0], PRESETS["tag2pix"])[:, :51]
    example = {"sketch": png(sketch), "reference": png(drawn[1])}
    with open_training(kind="mlflow", root=root, key=key, params={}) as tracker:
        tracker.model(tmp_path / "models", example=example)

    with quiet():
        import mlflow.pyfunc
        import pandas as pd

        run = store.client.get_run(str(tracker.run_id))
        (logged,) = run.outputs.model_outputs
        mlflow.set_tracking_uri(store.client.tracking_uri)
        try:
            model = mlflow.pyfunc.load_model(f"models:/{logged.model_id}")
            rows = pd.DataFrame([example, example])
            answers = model.predict(rows)["picture"]
        finally:
            mlflow.set_tracking_uri(None)

    expected = Colorizer.load(tmp_path / "models").colorize(sketch, drawn[1]).picture
    assert expected.shape == (64, 51, 3)
    for answer in answers:
        np.testing.assert_array_equal(image.read(answer), expected)
    assert [column.name for column in model.metadata.signature.inputs] == ["sketch", "reference"]
