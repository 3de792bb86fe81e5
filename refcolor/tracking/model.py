"""Record the trained model in MLflow, which can load and serve it with pictures as PNG bytes."""

import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import refcolor
from refcolor.tracking.store import Store, quiet

# Listed here, because MLflow needs more than ten seconds to infer them.
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
    """Record a model with the code that runs it; return its MLflow address `models:/...`.

    folder: of the model. example: PNG bytes under `sketch` and `reference`.
    Not by `mlflow.pyfunc.log_model`, which needs a global current run and experiment, reads every
    curve of the run, and computes the prediction for the example.
    """
    with quiet():
        import mlflow.pyfunc
        import pandas as pd
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import Model, ModelSignature
        from mlflow.types import ColSpec, DataType, Schema, TensorSpec

        client = store.client
        logged_model = client.create_logged_model(
            store.experiment_id, name="generator", source_run_id=run_id
        )
        columns: list[ColSpec | TensorSpec] = [
            ColSpec(DataType.binary, name) for name in ("sketch", "reference")
        ]
        package = Path(refcolor.__file__).parent
        with TemporaryDirectory() as temporary:
            # Without the included model, which would be megabytes in each logged one.
            code = Path(temporary, "code", package.name)
            shutil.copytree(package, code, ignore=shutil.ignore_patterns("__pycache__", "demo"))
            mlflow.pyfunc.save_model(
                path=f"{temporary}/model",
                mlflow_model=Model(
                    artifact_path=logged_model.artifact_location,
                    model_uuid=logged_model.model_id,
                    model_id=logged_model.model_id,
                    run_id=run_id,
                ),
                python_model=str(package / "tracking" / "serving.py"),
                artifacts={"model": folder.resolve().as_uri()},
                code_paths=[str(code)],
                signature=ModelSignature(
                    inputs=Schema(columns),
                    outputs=Schema([ColSpec(DataType.binary, "picture")]),
                ),
                input_example=pd.DataFrame({name: [png] for name, png in example.items()}),
                pip_requirements=[f"{name}=={_public_version(name)}" for name in REQUIREMENTS],
            )
            client.log_model_artifacts(logged_model.model_id, f"{temporary}/model")
        client.finalize_logged_model(logged_model.model_id, "READY")
        client.log_outputs(run_id, [LoggedModelOutput(logged_model.model_id, step=0)])
    return f"models:/{logged_model.model_id}"


def _public_version(package: str) -> str:
    # Package indexes do not have local versions such as 2.11.0+cpu.
    return version(package).partition("+")[0]
