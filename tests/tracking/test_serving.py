"""The logged model gives the Colorizer's results, in Python and served: JSON in, PNG out."""

import base64
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np
import pytest
import requests
from PIL import Image

from refcolor.characters import draw_palette, draw_shape, render
from refcolor.colorize.colorizer import Colorizer
from refcolor.io import image
from refcolor.lines.sketch import PRESETS, sketch_picture
from refcolor.tracking.model import REQUIREMENTS
from refcolor.tracking.session import open_training
from refcolor.tracking.store import Store, quiet
from tests.colorize.material import save_tiny

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PATIENCE = 240  # seconds that a server may take to start on a busy machine

Ask = Callable[[dict[str, Any]], requests.Response]


def png(picture: image.Picture) -> bytes:
    """Give the bytes of a PNG file."""
    file = BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    return file.getvalue()


def text(data: bytes) -> str:
    """Encode bytes in base64, for JSON."""
    return base64.b64encode(data).decode()


def character(index: int, size: int) -> image.Picture:
    """Draw a character."""
    return render(draw_shape(8, index), draw_palette(9, index), size=size).color


EXAMPLE = {
    "sketch": png(sketch_picture(character(0, 96)[:80], PRESETS["default"])),
    "reference": png(character(1, 64)),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model."""
    return save_tiny(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def logged(store: Store, root: Path, trained: Path) -> Path:
    """The model, logged in a run; returns MLflow's folder of it."""
    with open_training(kind="mlflow", root=root, key="served", params={}) as tracker:
        tracker.model(trained, example=EXAMPLE)
    with quiet():
        run = store.client.get_run(str(tracker.run_id))
        model = store.client.get_logged_model(run.outputs.model_outputs[0].model_id)
    return Path(url2pathname(urlparse(model.artifact_location).path))


@pytest.fixture(scope="module")
def served(logged: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Serve the model on a free port, from another folder; returns a function that posts JSON."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    port = _free_port()
    # What is served is the code inside the logged model, not the one under test.
    unset = ("PYTHONPATH", "MLFLOW_TRACKING_URI")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    programs = (str(Path(sys.executable).parent), environment.get("PATH", os.defpath))
    environment |= {"PATH": os.pathsep.join(programs), "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    with (elsewhere / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "-m", str(logged), "-h", "127.0.0.1", "-p", str(port), "-w", "1"],
            cwd=elsewhere,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{address}/ping", server, elsewhere / "log")
        yield lambda body: requests.post(f"{address}/invocations", json=body, timeout=60)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()
        try:
            if requests.get(address, timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.5)
    raise AssertionError(log.read_text())


def test_a_logged_model_has_no_other_weights(logged: Path) -> None:
    """Its files are its own weights and code, without the model that comes with the package."""
    files = [file.relative_to(logged) for file in logged.rglob("*") if file.is_file()]
    weights = [file for file in files if file.suffix == ".safetensors"]
    assert {file.parts[0] for file in weights} == {"artifacts"}
    assert not [file for file in files if {"demo", "__pycache__"} & set(file.parts)]


def test_a_logged_model_colors_as_the_colorizer(logged: Path, trained: Path) -> None:
    """Loaded with its code and given two rows, it returns the Colorizer's picture twice."""
    import pandas as pd

    with quiet():
        import mlflow.pyfunc

        model = mlflow.pyfunc.load_model(str(logged))
        answers = model.predict(pd.DataFrame([EXAMPLE, EXAMPLE]))["picture"]
    expected = Colorizer.load(trained).colorize(*EXAMPLE.values()).picture
    assert expected.shape == (80, 96, 3)
    for answer in answers:
        np.testing.assert_array_equal(image.read(answer), expected)
    assert [column.name for column in model.metadata.signature.inputs] == ["sketch", "reference"]


@pytest.mark.parametrize("shape", ["dataframe_split", "dataframe_records", "inputs"])
def test_a_served_model_gives_the_result_of_the_logged_one(
    served: Ask, logged: Path, shape: str
) -> None:
    """Pictures in base64, in each form of MLflow's JSON, give the PNG of the model itself."""
    import pandas as pd

    with quiet():
        import mlflow.pyfunc

        model = mlflow.pyfunc.load_model(str(logged))
        (expected,) = model.predict(pd.DataFrame([EXAMPLE]))["picture"]
    row = {name: text(data) for name, data in EXAMPLE.items()}
    bodies: dict[str, Any] = {
        "dataframe_split": {"columns": list(row), "data": [list(row.values())]},
        "dataframe_records": [row],
        "inputs": {name: [value] for name, value in row.items()},
    }
    answer = served({shape: bodies[shape]})
    assert answer.status_code == 200, answer.text
    (prediction,) = answer.json()["predictions"]
    picture = base64.b64decode(prediction["picture"])
    assert picture == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sketch": text(b"no picture")}, "sketch of row 0: the picture is not a picture"),
        (
            {"reference": text(EXAMPLE["reference"][:99])},
            "reference of row 0: the picture is truncated",
        ),
        ({"sketch": ""}, "sketch of row 0: the picture is an empty file"),
    ],
)
def test_a_damaged_picture_is_refused_and_the_next_request_served(
    served: Ask, change: dict[str, Any], message: str
) -> None:
    """The response is 400 with our message, without a path of the machine."""
    valid = {name: text(data) for name, data in EXAMPLE.items()}
    answer = served({"dataframe_records": [valid | change]})
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert "Traceback" not in answer.text
    assert str(Path.home()) not in answer.text
    assert served({"dataframe_records": [valid, valid]}).status_code == 200


@pytest.mark.parametrize(
    "body", [{"dataframe_records": [{"sketch": text(EXAMPLE["sketch"])}]}, {"pictures": []}, []]
)
def test_an_invalid_request_is_refused(served: Ask, body: Any) -> None:
    """A missing column and other JSON give 400, and change nothing."""
    assert 400 <= served(body).status_code < 500
    row = {name: text(data) for name, data in EXAMPLE.items()}
    assert served({"dataframe_records": [row]}).status_code == 200


def test_every_package_that_serving_imports_is_required() -> None:
    """Each package that the served code imports is a requirement, or comes with one."""
    served = "refcolor.tracking.serving, refcolor.colorize.torch_network"
    program = f"import sys, {served}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    modules = {name.partition(".")[0] for name in loaded.stdout.decode().split()}
    homes = packages_distributions()
    used = {_normalized(home) for name in modules for home in homes.get(name, ())}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {_normalized(line) for line in project["dependencies"]}
    named = {_normalized(name) for name in REQUIREMENTS}
    assert used & declared <= _with_dependencies(named)
    assert named - used <= {"ruamel-yaml"}  # a namespace, of which the first part is no module


def _with_dependencies(names: set[str]) -> set[str]:
    """Add what packages require, and recursively what that requires."""
    dependencies: set[str] = set()
    while names:
        dependencies |= names
        lines = [line for name in names if _installed(name) for line in requires(name) or ()]
        names = {_normalized(line) for line in lines if "extra ==" not in line} - dependencies
    return dependencies


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def _normalized(requirement: str) -> str:
    """Normalize a package's name for comparison: lower case, with dashes."""
    name = re.match(r"[\w.-]+", requirement)
    assert name
    return re.sub(r"[._]", "-", name[0]).lower()


def test_a_row_without_bytes_is_refused(logged: Path) -> None:
    """In Python a missing value gives the same message as when served."""
    import pandas as pd

    with quiet():
        import mlflow.pyfunc
        from mlflow.exceptions import MlflowException

        model = mlflow.pyfunc.load_model(str(logged)).unwrap_python_model()
    rows = pd.DataFrame([EXAMPLE, EXAMPLE | {"reference": None}])
    with pytest.raises(MlflowException, match="reference of row 1 must be the bytes of a picture"):
        model.predict(None, rows)
