"""The trained model as MLflow keeps it: loadable and servable, pictures in and out as PNG bytes."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import refcolor
from refcolor.tracking.store import Store, quiet

# Given by hand: MLflow takes ten seconds and more to find them out.
REQUIREMENTS = (
    "mlflow",
    "numpy",
    "opencv-python-headless",
    "pandas",
    "pillow",
    "pydantic",
    "ruamel.yaml",
    "safetensors",
    "torch",
    "tqdm",
)


def log_model(store: Store, run_id: str, folder: Path, *, example: Mapping[str, bytes]) -> str:
    """Keep a model with the code that runs it, and return its MLflow address `models:/...`.

    folder: what the train stage wrote. example: PNG bytes under `sketch` and `reference`.
    Not `mlflow.pyfunc.log_model`: that needs a global current run and experiment, reads back every
    curve of the run, and computes the example's answer.
    """
    with quiet():
        import mlflow.pyfunc
        import pandas as pd
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import Model, ModelSignature
        from mlflow.types import ColSpec, DataType, Schema, TensorSpec

        client = store.client
        made = client.create_logged_model(
            store.experiment_id, name="generator", source_run_id=run_id
        )
        columns: list[ColSpec | TensorSpec] = [
            ColSpec(DataType.binary, name) for name in ("sketch", "reference")
        ]
        package = Path(refcolor.__file__).parent
        with TemporaryDirectory() as temporary:
            mlflow.pyfunc.save_model(
                path=f"{temporary}/model",
                mlflow_model=Model(
                    artifact_path=made.artifact_location,
                    model_uuid=made.model_id,
                    model_id=made.model_id,
                    run_id=run_id,
                ),
                python_model=str(package / "tracking" / "serving.py"),
                artifacts={"model": folder.resolve().as_uri()},
                code_paths=[str(package)],
                signature=ModelSignature(
                    inputs=Schema(columns),
                    outputs=Schema([ColSpec(DataType.binary, "picture")]),
                ),
                input_example=pd.DataFrame({name: [png] for name, png in example.items()}),
                pip_requirements=[f"{name}=={_public(name)}" for name in REQUIREMENTS],
            )
            client.log_model_artifacts(made.model_id, f"{temporary}/model")
        client.finalize_logged_model(made.model_id, "READY")
        client.log_outputs(run_id, [LoggedModelOutput(made.model_id, step=0)])
    return f"models:/{made.model_id}"


def _public(package: str) -> str:
    # "2.11.0+cpu" names a build that no index offers under that name.
    return version(package).partition("+")[0]
