"""The model that MLflow keeps answers as the generator itself does."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refcolor import image
from refcolor.checkpoint import load_generator, save_model
from refcolor.model.discriminator import Discriminator
from refcolor.model.generator import build_generator
from refcolor.params import Params
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
    """Logged with its code, loaded and asked with two files, it gives the generator's picture."""
    settings = make_params().model
    save_model(
        tmp_path / "models",
        generator=build_generator(settings),
        discriminator=Discriminator(settings),
        params=settings,
        size=SIZE,
    )
    random = np.random.default_rng(0)
    sketch = random.integers(0, 256, (37, 23), np.uint8)
    reference = random.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    example = {"sketch": png(sketch), "reference": png(reference)}
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

    generator = load_generator(tmp_path / "models")
    square = image.to_tensor(image.square(sketch, SIZE)[..., None])
    expected = generator(sketch=square[None], reference=image.to_tensor(reference)[None]).picture
    for answer in answers:
        given = image.read(answer).astype(int)
        assert np.abs(given - image.to_uint8(expected)[0]).max() <= 1
    assert [column.name for column in model.metadata.signature.inputs] == ["sketch", "reference"]
