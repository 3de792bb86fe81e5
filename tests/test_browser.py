"""What a person sees in MLflow's pages, looked at with a real browser."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from refcolor.tracking import open_training
from refcolor.tracking.store import connect

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
SECONDS_TO_START, MILLISECONDS_TO_SHOW = 120, 45_000

# Pictures that were loaded and take up room; MLflow's own icons are data: addresses or svg.
PICTURES_SHOWN = """[...document.images].filter(
    i => !i.src.startsWith("data:") && i.naturalWidth >= 96 && i.getBoundingClientRect().width > 50
).length"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is missing"),
]


@dataclass(frozen=True)
class Pages:
    """A running `mlflow ui` and the two runs that it shows."""

    address: str
    experiment_id: str
    runs: dict[str, str]

    def experiment(self, more: str = "") -> str:
        """Address the experiment's page; MLflow opens on chats unless it is told otherwise."""
        page = f"{self.address}/#/experiments/{self.experiment_id}/runs"
        return f"{page}?workflowType=machine_learning{more}"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """Serve a store with two runs that have curves and previews."""
    root = tmp_path_factory.mktemp("served")
    runs = {name: _train(root, name, factor) for name, factor in {"plain": 1, "triplet": 2}.items()}
    address = f"http://127.0.0.1:{_free_port()}"
    environment = os.environ | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with (root / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "ui", "--workers", "1"),
                *("--host", "127.0.0.1", "--port", address.rpartition(":")[2]),
                *("--backend-store-uri", f"sqlite:///{root / 'mlflow.db'}"),
            ],
            cwd=root,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(f"{address}/health", server, root / "server.log")
        yield Pages(address, connect(root).experiment_id, runs)
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture(scope="module")
def browser_page() -> Iterator["Page"]:
    """One tab of headless Chromium, Debian's own: nothing is downloaded."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is missing")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.set_default_timeout(MILLISECONDS_TO_SHOW)
        yield page
        browser.close()


@pytest.fixture
def page(browser_page: "Page", tmp_path: Path, request: pytest.FixtureRequest) -> Iterator["Page"]:
    """The tab, photographed when the test ends: `<test>.png` under the test's folder."""
    yield browser_page
    browser_page.screenshot(path=tmp_path / f"{request.node.name}.png")


def test_both_runs_are_listed(pages: Pages, page: "Page") -> None:
    """The experiment's page lists every run by name."""
    page.goto(pages.experiment())
    for name in pages.runs:
        page.get_by_role("link", name=name, exact=True).wait_for()


def test_compared_runs_have_names_and_curves(pages: Pages, page: "Page") -> None:
    """Side by side runs have their names, a drawn curve each, and previews to step through."""
    page.goto(pages.experiment("&compareRunsMode=CHART"))
    for name in pages.runs:
        page.get_by_role("link", name=name, exact=True).wait_for()
        page.get_by_text(f"{name} (reconstruction)").first.wait_for()
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot path.js-line').length >= 2")
    page.get_by_role("slider").first.press("ArrowRight")
    page.wait_for_function(f"{PICTURES_SHOWN} >= 2")


def test_previews_are_visible(pages: Pages, page: "Page") -> None:
    """A preview among a run's artifacts opens as a picture."""
    run_id = pages.runs["plain"]
    page.goto(f"{pages.address}/#/experiments/{pages.experiment_id}/runs/{run_id}/artifacts")
    page.get_by_text("images", exact=True).click()
    page.get_by_text(re.compile(r"preview\+step\+40.*\.png")).click()
    page.wait_for_function(f"{PICTURES_SHOWN} >= 1")


def _train(root: Path, name: str, factor: int) -> str:
    ramp = np.linspace(0, 255, 96).astype(np.uint8)
    picture = np.stack(np.broadcast_arrays(ramp[None], ramp[:64, None], ramp[None]), axis=-1)
    with (
        pytest.MonkeyPatch.context() as environment,
        open_training(kind="none", root=root, key="", params={}),
    ):
        environment.setenv("DVC_EXP_NAME", name)
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        params = {"loss.triplet": factor - 1, "seed": 0}
        with open_training(kind="mlflow", root=root, key=name[0] * 16, params=params) as tracker:
            for step in range(1, 60):
                tracker.scalars(step, {"reconstruction": factor / step})
            for step in (20, 40):
                tracker.picture("preview", picture, step=step)
            tracker.metrics({"delta_e": 10.0 / factor})
    assert tracker.run_id
    return tracker.run_id


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError(f"mlflow ui did not start:\n{log.read_text()}")
