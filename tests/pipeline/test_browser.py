"""What a user sees after one experiment in the pages of DVC and MLflow, with a real browser."""

import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..browser import CHROMIUM, FLAGS
from .closure import ROOT
from .conftest import Project

if TYPE_CHECKING:
    from playwright.sync_api import Page

SECONDS_TO_START, MILLISECONDS_TO_SHOW = 120, 45_000
BASELINE, EXPERIMENT = re.compile(r"^repro-[0-9a-f]{6}$"), "triplet-on"

# Pictures that were loaded and take up room; MLflow's own icons are data: addresses or svg.
PICTURES = """[...document.images].filter(
    i => !i.src.startsWith("data:") && i.naturalWidth >= 96 && i.getBoundingClientRect().width > 50
)"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is missing"),
]


@pytest.fixture(scope="module")
def mlflow_page(experiment: Project) -> Iterator[str]:
    """Start `make ui` in the project; the address that it prints."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = experiment.root.parent / "server.log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            ["make", "-f", ROOT / "Makefile", "READY=", f"PORT={port}", "ui"],
            cwd=experiment.root,
            env=experiment.environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", server, log)
        yield log.read_text().partition("Runs: ")[2].split()[0]
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


@pytest.fixture(scope="module")
def browser_page() -> Iterator["Page"]:
    """One tab of headless Chromium, Debian's own: nothing is downloaded."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is missing")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 2400})  # charts load when seen
        page.set_default_timeout(MILLISECONDS_TO_SHOW)
        yield page
        browser.close()


@pytest.fixture
def page(browser_page: "Page", tmp_path: Path, request: pytest.FixtureRequest) -> Iterator["Page"]:
    """The tab, photographed when the test ends: `<test>.png` under the test's folder."""
    yield browser_page
    browser_page.screenshot(path=tmp_path / f"{request.node.name}.png")


def test_dvc_shows_both_revisions_side_by_side(experiment: Project, page: "Page") -> None:
    """`dvc plots diff` has every preview, sheet, curve and report of both revisions, offline."""
    experiment.run("dvc", "plots", "diff", "HEAD", "workspace", "--out", "plots")
    page.goto((experiment.root / "plots" / "index.html").as_uri())
    names = [
        "_".join(path.relative_to(experiment.root).parts)
        for path in (experiment.root / "metrics").rglob("*.png")
    ]
    assert "metrics_images_curves.png" in names and len(names) > 4
    tops = dict(page.evaluate(f"{PICTURES}.map(i => [i.src.split('/').at(-1), i.y])"))
    assert sorted(tops) == sorted(
        f"{side}_{name}" for side in ("HEAD", "workspace") for name in names
    )
    assert all(tops[f"HEAD_{name}"] == tops[f"workspace_{name}"] for name in names)
    # Vega, which draws into this place, comes from a CDN.
    drawn = page.locator("#loss script").text_content()
    assert drawn and '"rev": "HEAD"' in drawn and '"rev": "workspace"' in drawn


def test_mlflow_lists_both_runs(mlflow_page: str, page: "Page") -> None:
    """The page that `make ui` names lists the baseline and the experiment."""
    page.goto(mlflow_page)
    for name in (BASELINE, EXPERIMENT):
        page.get_by_role("link", name=name, exact=True).wait_for()


def test_mlflow_compares_curves_and_previews(mlflow_page: str, page: "Page") -> None:
    """A search among the charts finds a curve of both runs, and previews of both to step through.

    Each picture hides under all parameters of its run until they are switched off for its chart.
    """
    page.goto(f"{mlflow_page}&compareRunsMode=CHART")
    page.get_by_placeholder("Search metric charts").fill("validation")
    charts = page.get_by_test_id("experiment-view-compare-runs-card")
    for name in (r"repro-[0-9a-f]{6}", EXPERIMENT):
        page.get_by_role("link", name=re.compile(f"^{name}$")).wait_for()
        charts.get_by_text(re.compile(rf"^{name} \(validation\)$")).first.wait_for()
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot path.js-line').length >= 2")
    preview = charts.filter(has_text="preview")
    preview.get_by_test_id("experiment-view-compare-runs-card-menu").click()
    page.get_by_role("menuitem", name="Configure").click()
    page.get_by_label("Show run parameters").click()
    page.get_by_role("button", name="Save changes").click()
    preview.get_by_role("slider").press("ArrowRight")
    page.wait_for_function(f"{PICTURES}.filter(i => i.src.includes('preview')).length == 2")


def test_mlflow_opens_a_preview(mlflow_page: str, page: "Page") -> None:
    """A preview among the experiment's artifacts opens as a picture."""
    page.goto(mlflow_page)
    page.get_by_role("link", name=EXPERIMENT, exact=True).click()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("images", exact=True).click()
    page.get_by_text(re.compile(r"preview\+step\+10.*\.png")).click()
    page.wait_for_function(f"{PICTURES}.length >= 1")


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError(f"make ui did not start:\n{log.read_text()}")
