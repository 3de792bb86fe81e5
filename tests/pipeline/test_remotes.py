"""Data and models reach another clone by way of a DVC remote: a folder, and an S3 server."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from .conftest import Project

pytestmark = pytest.mark.slow

OUTS = ("data/raw", "data/color", "data/sketch", "data/split", "models", "results")


@pytest.fixture
def bucket(tmp_path: Path, project: Project) -> Iterator[str]:
    """A bucket of an S3 server on this machine; the remote's address with its options."""
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("dvc_s3") is None:
        pytest.skip("needs pip install '.[dev]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    limit = time.monotonic() + 60
    while True:
        assert server.poll() is None and time.monotonic() < limit, "the server did not start"
        try:
            requests.put(f"{url}/pictures", timeout=10).raise_for_status()
            break
        except requests.ConnectionError:
            time.sleep(0.1)
    project.environment.update(AWS_ACCESS_KEY_ID="anybody", AWS_SECRET_ACCESS_KEY="anything")
    project.environment.update(AWS_DEFAULT_REGION="us-east-1")
    yield url
    os.kill(server.pid, signal.SIGTERM)
    server.wait(30)


def clone(project: Project, folder: Path) -> Project:
    """Clone what is committed, nothing else: no cache, no data."""
    project.run("git", "clone", "-q", str(project.root), str(folder / "clone"))
    environment = project.environment | {
        "PYTHONPATH": str(folder / "clone"),
        "DVC_SITE_CACHE_DIR": str(folder / "clone-site-cache"),
    }
    return replace(project, root=folder / "clone", environment=environment)


def content(project: Project) -> dict[str, bytes]:
    """Read all outs of DVC."""
    return {
        str(file.relative_to(project.root)): file.read_bytes()
        for out in OUTS
        for file in sorted((project.root / out).rglob("*"))
    }


def test_a_folder_takes_data_and_models_to_another_clone(project: Project, tmp_path: Path) -> None:
    """`dvc push` and `dvc repro --pull` by way of a folder train and judge nothing anew."""
    project.run("dvc", "remote", "add", "--default", "store", str(tmp_path / "remote"))
    project.commit("a remote")
    project.run("dvc", "push")
    other = clone(project, tmp_path)
    assert other.repro("--pull") == []
    assert content(other) == content(project)
    assert other.lock() == project.lock()
    assert not (other.root / "mlflow.db").exists()  # nothing was trained, nothing judged


def test_an_s3_server_takes_data_and_models_to_another_clone(
    project: Project, tmp_path: Path, bucket: str
) -> None:
    """`dvc push` and `dvc pull` by way of S3, over HTTP, leave nothing to run."""
    project.run("dvc", "remote", "add", "--default", "store", "s3://pictures/refcolor")
    project.run("dvc", "remote", "modify", "store", "endpointurl", bucket)
    project.commit("a remote")
    project.run("dvc", "push")
    listed = requests.get(f"{bucket}/pictures?list-type=2&max-keys=1", timeout=10).text
    assert "refcolor/files/md5/" in listed
    other = clone(project, tmp_path)
    assert not (other.root / "models").exists()
    other.run("dvc", "pull")
    assert content(other) == content(project)
    assert other.repro() == []
