"""Pictures prepared by the workers of a Dask scheduler, in real processes."""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import refcolor
from refcolor.errors import PictureError, RefcolorError
from refcolor.params import Params
from refcolor.sources.fetching.download import download
from refcolor.sources.listing.discover import discover
from refcolor.sources.manifest import write_manifest
from refcolor.workers import cluster
from refcolor.workers.cluster import map_on_cluster, version_difference
from refcolor.workers.parallel import map_pictures

ROOT = Path(__file__).parents[2]
PICTURES = 160  # enough for a worker to die in the middle of


class Cluster:
    """A scheduler and its workers on loopback; workers run in an empty folder."""

    def __init__(self, folder: Path, processes: ExitStack, *, code: str = "") -> None:
        self.folder, self.processes = folder, processes
        named = folder / "scheduler.json"
        self.scheduler = self.start_dask(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
            "--scheduler-file", str(named), code=code,
        )  # fmt: skip
        # Dask makes the file before it writes it.
        wait_until(lambda: named.exists() and named.read_text().endswith("}"))
        self.address: str = json.loads(named.read_text())["address"]

    def start_dask(
        self, *arguments: str, code: str = "", **environment: str
    ) -> "subprocess.Popen[bytes]":
        """Start a process that ends with the test; code: what it runs before."""
        process = subprocess.Popen(
            [sys.executable, "-c", f"{code}\nfrom dask.__main__ import main; main()", *arguments],
            cwd=self.folder,
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.processes.callback(process.wait)
        self.processes.callback(process.kill)
        return process

    def add_worker(self, *, code: str = "", **environment: str) -> "subprocess.Popen[bytes]":
        """Start a worker and wait until the scheduler has it."""
        from distributed import Client

        process = self.start_dask(
            "worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard",
            "--local-directory", str(self.folder), code=code, **environment,
        )  # fmt: skip
        with Client(self.address, set_as_default=False) as client:
            before = len(client.nthreads())
            wait_until(lambda: len(client.nthreads()) > before)
        return process


def wait_until(happened: Callable[[], Any], seconds: float = 30) -> None:
    """Wait for a condition; fail after a timeout."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@contextmanager
def started(folder: Path, *, workers: int) -> Iterator[Cluster]:
    """Run a cluster."""
    with ExitStack() as processes:
        made = Cluster(folder, processes)
        for _ in range(workers):
            made.add_worker()
        yield made


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of two workers, shared by tests that do not change it."""
    with started(tmp_path_factory.mktemp("two"), workers=2) as made:
        yield made


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Data:
    """A folder with downloaded pictures for the real stages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def copy(self, folder: Path) -> "Data":
        """Copy the folder, so that stages do not change this one."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Data(folder)

    def set(self, **runtime: Any) -> None:
        """Change `runtime` parameters."""
        path = self.folder / "params.yaml"
        content = YAML(typ="safe").load(path)
        content["runtime"] |= runtime
        YAML(typ="safe").dump(content, path)

    def start(self, stage: str) -> "subprocess.Popen[str]":
        """Start a stage as DVC does."""
        return subprocess.Popen(
            [sys.executable, "-m", f"pipeline.{stage}"],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *stages: str) -> str:
        """Run stages to their end; return the output of the last."""
        output = ""
        for stage in stages:
            with self.start(stage) as process:
                _, output = process.communicate(timeout=60)
            assert process.returncode == 0, output
        return output

    def digests(self) -> dict[str, str]:
        """Give the SHA-256 of every file in data/ by its path."""
        data = self.folder / "data"
        return {
            path.relative_to(data).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(data.rglob("*"))
            if path.is_file()
        }


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Drawn characters of 96 pixels in data/raw, one of them truncated."""
    from tests.conftest import TINY

    folder = tmp_path_factory.mktemp("downloaded")
    content = YAML(typ="safe").load(TINY)
    content["source"] |= {"count": PICTURES, "exclude_file": str(folder / "data/exclude.txt")}
    content["source"]["sample"]["size"] = 96
    YAML(typ="safe").dump(content, folder / "params.yaml")
    data = folder / "data"
    data.mkdir()
    (data / "exclude.txt").touch()
    params = Params.model_validate(content)
    listed = discover(params.source, params.filter, state=folder)
    for name, raw, records in (("manifest", "raw", listed.records), ("lineart", "raw_lineart", [])):
        write_manifest(data / f"{name}.jsonl", records)
        download(
            data / f"{name}.jsonl",
            params.source,
            destination=data / raw,
            state=folder,
            workers=1,
            max_megapixels=1,
        )
    cut = data / "raw" / "sample-000007.png"
    cut.write_bytes(cut.read_bytes()[:400])
    return Data(folder)


@pytest.fixture(scope="module")
def expected(downloaded: Data, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The output of clean and sketch on one machine."""
    data = downloaded.copy(tmp_path_factory.mktemp("expected"))
    data.run("clean", "sketch")
    digests = data.digests()
    assert sum(name.startswith("sketch/") for name in digests) == PICTURES - 1
    return digests


@pytest.mark.slow
def test_two_workers_give_the_bytes_of_one_machine(
    two: Cluster, downloaded: Data, expected: dict[str, str], tmp_path: Path
) -> None:
    """Every file of clean and sketch is the same, and the bar counts to the end."""
    data = downloaded.copy(tmp_path)
    data.set(engine="dask", scheduler=two.address)
    assert f"sketch: 100%|██████████| {PICTURES - 1}/{PICTURES - 1}" in data.run("clean", "sketch")
    assert data.digests() == expected
    assert list((tmp_path / ".refcolor").iterdir()) == []


def test_results_come_in_item_order_from_both_workers(two: Cluster, here: Path) -> None:
    """The results are in the order of the items, and all workers run."""

    def slow_first(item: int) -> tuple[int, int]:
        time.sleep(0.5 if item == 0 else 0.005)
        return item, os.getpid()

    results = list(map_pictures(slow_first, range(90), workers=1, label="x", cluster=two.address))
    assert [item for item, _ in results] == list(range(90))
    processes = {process for _, process in results}
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_the_error_of_a_worker_is_raised_here(two: Cluster, here: Path) -> None:
    """A worker's error arrives with its type and reason."""

    def refuse(item: int) -> int:
        if item == 3:
            raise PictureError("truncated", "3.png is cut")
        return item

    with pytest.raises(PictureError, match=r"^3\.png is cut$") as error:
        list(map_on_cluster(refuse, range(5), scheduler=two.address))
    assert error.value.reason == "truncated"


def test_without_items_no_scheduler_is_contacted() -> None:
    """The address of an unreachable scheduler is not an error."""
    assert list(map_on_cluster(str, [], scheduler="tcp://127.0.0.1:1")) == []


def free_port() -> int:
    """Find a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.slow
def test_an_unreachable_scheduler_is_reported_within_seconds(
    downloaded: Data, tmp_path: Path
) -> None:
    """The error is one line with the address and advice, without traceback or log."""
    data = downloaded.copy(tmp_path)
    address = f"tcp://127.0.0.1:{free_port()}"
    data.set(engine="dask", scheduler=address)
    before = time.monotonic()
    with data.start("clean") as process:
        _, output = process.communicate(timeout=60)
    assert time.monotonic() - before < 10
    assert process.returncode == 1
    *bar, line = output.splitlines()
    assert line == (
        f"refcolor: runtime.scheduler is {address}, but no Dask scheduler answers there; "
        "start it with `dask scheduler`, or set runtime.engine to processes"
    )
    assert all(not line or line.startswith("clean raw:") for line in bar)


@pytest.fixture
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler without workers, to which a test adds its own."""
    with started(tmp_path_factory.mktemp("lone"), workers=0) as made:
        yield made


@pytest.mark.slow
def test_a_killed_worker_changes_no_output(
    lone: Cluster, downloaded: Data, expected: dict[str, str], tmp_path: Path
) -> None:
    """SIGKILL half-way, once in each stage: the other worker gives the same bytes."""
    data = downloaded.copy(tmp_path)
    data.set(engine="dask", scheduler=lone.address)
    lone.add_worker()
    for stage, made in (("clean", "color"), ("sketch", "sketch")):
        dying = lone.add_worker()
        half = tmp_path / "data" / made / ".half.0123456789abcdef.part"
        with data.start(stage) as process:
            wait_until(lambda made=made: len(list((tmp_path / "data" / made).glob("*.png"))) > 8)
            dying.kill()
            half.write_bytes(b"as one that was being written")
            count = len(list((tmp_path / "data" / made).glob("*.png")))
            _, output = process.communicate(timeout=60)
        assert process.returncode == 0, output
        assert all(
            not line or line.startswith((f"{stage} raw", "sketch:")) for line in output.splitlines()
        )
        assert count < PICTURES - 1
    assert data.digests() == expected


@pytest.mark.slow
def test_ctrl_c_stops_the_workers_too(
    two: Cluster, downloaded: Data, expected: dict[str, str], tmp_path: Path
) -> None:
    """One line and exit code 130; workers stop within a picture; a second run completes it."""
    data = downloaded.copy(tmp_path)
    data.set(engine="dask", scheduler=two.address)
    color = tmp_path / "data/color"
    with data.start("clean") as process:
        wait_until(lambda: len(list(color.glob("*.png"))) > 8)
        process.send_signal(signal.SIGINT)
        _, output = process.communicate(timeout=60)
    assert process.returncode == 130
    assert output.splitlines()[-1] == "refcolor: stopped. The same command goes on from here."
    assert "Traceback" not in output
    time.sleep(1)  # for the pictures at hand
    count = len(list(color.iterdir()))
    time.sleep(1)
    assert len(list(color.iterdir())) == count < PICTURES - 1
    data.run("clean", "sketch")
    assert data.digests() == expected


@pytest.mark.slow
def test_other_code_is_refused_at_once_and_when_it_joins_later(
    lone: Cluster, here: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A worker whose refcolor differs by a comment is rejected, whenever it joins."""
    changed = tmp_path_factory.mktemp("other")
    package = Path(refcolor.__file__).parent
    shutil.copytree(package, changed / "refcolor", ignore=shutil.ignore_patterns("__pycache__"))
    with (changed / "refcolor/lines/sketch.py").open("a") as file:
        file.write("# changed\n")

    def slow(item: int) -> int:
        time.sleep(0.01)
        return item

    lone.add_worker()
    local = cluster.versions()["refcolor"]
    results = map_on_cluster(slow, range(3000), scheduler=lone.address)
    assert next(results) == 0
    lone.add_worker(PYTHONPATH=str(changed))
    with pytest.raises(RefcolorError, match=rf"process \d+\) has refcolor \w+, this .* {local};"):
        list(results)
    with pytest.raises(RefcolorError, match=rf"^the worker at tcp://\S+ has refcolor .* {local};"):
        next(map_on_cluster(slow, range(3000), scheduler=lone.address))


@pytest.mark.slow
def test_a_machine_without_refcolor_is_refused(
    lone: Cluster, here: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Workers and the scheduler need it; the message names the process without it."""
    lacking = "import sys; sys.modules['refcolor'] = None"
    lone.add_worker(code=lacking)
    with pytest.raises(RefcolorError, match=r"worker at tcp://.* cannot load refcolor .*commit"):
        next(map_on_cluster(str, [1], scheduler=lone.address))
    with ExitStack() as processes:
        lone_cluster = Cluster(tmp_path_factory.mktemp("other"), processes, code=lacking)
        lone_cluster.add_worker()
        with pytest.raises(
            RefcolorError, match=f"scheduler at {lone_cluster.address} cannot load refcol"
        ):
            next(map_on_cluster(str, [1], scheduler=lone_cluster.address))


def test_another_folder_of_the_same_name_is_refused(
    two: Cluster, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that does not see a new file of this folder is rejected."""
    monkeypatch.setattr(Path, "touch", lambda _self: None)
    with pytest.raises(
        RefcolorError, match=rf"does not have the folder {here} of this machine; mount"
    ):
        next(map_on_cluster(str, [1], scheduler=two.address))


@pytest.mark.slow
def test_a_scheduler_without_workers_is_an_error(
    lone: Cluster, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting has a timeout, at the beginning and when all workers are gone."""
    monkeypatch.setattr(cluster, "WORKER_TIMEOUT", 0.2)
    monkeypatch.setattr(cluster, "DESERTED_TIMEOUT", 0.2)
    with pytest.raises(RefcolorError, match=rf"{lone.address} has no worker; start some with `das"):
        next(map_on_cluster(str, [1], scheduler=lone.address))
    worker = lone.add_worker()
    results = map_on_cluster(time.sleep, [0.01] * 400, scheduler=lone.address)
    next(results)
    worker.kill()
    with pytest.raises(RefcolorError, match=rf"all workers of {lone.address} are gone; start"):
        list(results)


@pytest.mark.slow
def test_a_scheduler_that_ends_is_reported(lone: Cluster, downloaded: Data, tmp_path: Path) -> None:
    """The stage ends with one line instead of waiting, without logs of a library."""
    data = downloaded.copy(tmp_path)
    data.set(engine="dask", scheduler=lone.address)
    lone.add_worker()
    with data.start("clean") as process:
        wait_until(lambda: len(list((tmp_path / "data/color").glob("*.png"))) > 8)
        lone.scheduler.kill()
        _, output = process.communicate(timeout=60)
    assert process.returncode == 1
    *bar, line = output.splitlines()
    assert line == (
        f"refcolor: the scheduler at {lone.address} is gone; start it again and run the same "
        "command again"
    )
    assert all(not line or line.startswith("clean raw:") for line in bar)


@pytest.mark.slow
def test_a_task_that_kills_its_workers_is_reported(lone: Cluster, here: Path) -> None:
    """The message says where to look."""
    for _ in range(4):
        lone.add_worker()

    def end(item: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(RefcolorError, match="the same pictures killed several workers of tcp://"):
        list(map_on_cluster(end, [1], scheduler=lone.address))


def test_without_dask_the_extra_is_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RefcolorError, match=r"pip install -e '\.\[cluster\]', or set runtime.eng"):
        next(map_on_cluster(str, [1], scheduler="tcp://127.0.0.1:1"))


def test_version_differences_are_listed() -> None:
    """Equal versions give no message; different ones are listed for both sides."""
    local = {"refcolor": "1a", "numpy": "2.4", "python": "3.11"}
    assert version_difference(local, local) == ""
    assert version_difference({"refcolor": "1a", "numpy": "2.3"}, local) == (
        "has numpy 2.3, python none, this machine has numpy 2.4, python 3.11; install the same "
        "commit and requirements.lock there and start it again"
    )
