"""`refcolor app`: how its options reach the server, and how it ends when it cannot serve."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, Mock, patch

import pytest

from refcolor.app import serve
from refcolor.app.serve import FIRST_PORT, _find_port
from refcolor.colorize import colorizer
from refcolor.errors import RefcolorError

from ..cli.conftest import CommandResult, refcolor
from ..colorize.material import save_tiny

__all__ = ["refcolor"]


@pytest.fixture
def serve_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """Record the calls of `serve`, in a folder with a model in `mine` and none in `models`."""
    monkeypatch.chdir(tmp_path)
    save_tiny(tmp_path / "mine")
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(serve, "serve", lambda model, **rest: calls.append({"model": model} | rest))
    yield calls


def test_the_defaults_are_loopback_a_free_port_and_a_browser(
    serve_calls: list[dict[str, Any]], refcolor: Callable[..., CommandResult]
) -> None:
    """Without options the page listens at 127.0.0.1, at any free port, and a browser opens it."""
    assert refcolor("app", "--model", "mine").code == 0
    assert serve_calls[0] | {"model": None} == {
        "model": None,
        "host": "127.0.0.1",
        "port": None,
        "browser": True,
        "public": "",
        "frame_in": [],
    }


def test_options_reach_the_server(
    serve_calls: list[dict[str, Any]], refcolor: Callable[..., CommandResult]
) -> None:
    """Another address and port, another device, and no browser."""
    options = "--host 0.0.0.0 --port 8123 --device cpu --no-browser --public https://me.example/a/"
    sites = ["--frame-in", "https://b.example", "http://localhost:80"]
    assert refcolor("app", "--model", "mine", *options.split(), *sites).code == 0
    (call,) = serve_calls
    assert (call["public"], call["frame_in"]) == ("https://me.example/a", sites[1:])
    assert (call["host"], call["port"], call["browser"]) == ("0.0.0.0", 8123, False)
    assert call["model"].network.device.type == "cpu"


def test_the_default_is_the_model_of_the_package(
    serve_calls: list[dict[str, Any]],
    refcolor: Callable[..., CommandResult],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without --model the page serves the model that comes with refcolor."""
    monkeypatch.setattr(colorizer, "DEMO", tmp_path / "mine")
    result = refcolor("app")
    assert (result.code, len(serve_calls)) == (0, 1)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ("--model nowhere", 1, "nowhere does not hold a model"),
        ("--model mine --device cuda:99", 1, "runtime.device is cuda:99, but this machine has"),
        ("--model mine --device fish", 1, "the device must be auto, cpu, cuda"),
        ("--port 65536", 2, "a port is a number from 1 to 65535, got '65536'"),
        ("--port 0", 2, "a port is a number from 1 to 65535, got '0'"),
        ("--port http", 2, "a port is a number from 1 to 65535, got 'http'"),
        ("--public me.example", 2, "a site reads https://me.example, got 'me.example'"),
        ("--frame-in *;", 2, "a site reads https://me.example, got '*;'"),
    ],
)
def test_options_that_cannot_work_are_refused(
    serve_calls: list[dict[str, Any]],
    refcolor: Callable[..., CommandResult],
    options: str,
    code: int,
    message: str,
) -> None:
    """One line says what, what was given, and what to do; nothing is served."""
    result = refcolor("app", *options.split())
    assert (result.code, serve_calls) == (code, [])
    assert message in result.last


@pytest.mark.parametrize(
    ("host", "warned"), [("127.0.0.1", False), ("0.0.0.0", True), ("192.0.2.1", True)]
)
def test_an_address_that_others_can_reach_prints_a_warning(
    host: str, warned: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says who can connect, and how to prevent it."""
    monkeypatch.setattr(serve, "running", MagicMock())
    monkeypatch.setattr("refcolor.app.serve.time.sleep", Mock(side_effect=KeyboardInterrupt))
    serve.serve(Mock(), host=host, port=None, browser=False)
    stderr = capsys.readouterr().err
    assert (f"everybody who reaches {host} can use this page" in stderr) is warned
    assert len(stderr.splitlines()) == warned


@pytest.fixture
def busy_port() -> Iterator[int]:
    """Give a port at which another socket listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_named_port_in_use_is_an_error(busy_port: int, host: str) -> None:
    """A port that the user named is not replaced by another."""
    with pytest.raises(
        RefcolorError, match=f"{host} port {busy_port}: Address already in use; name"
    ):
        _find_port(host, busy_port)


def test_without_port_the_next_free_port_is_used(
    busy_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second page on the same machine gets the next free port."""
    assert FIRST_PORT == 7860
    monkeypatch.setattr(serve, "FIRST_PORT", busy_port)
    assert busy_port < _find_port("127.0.0.1", None) < busy_port + serve.PORTS


@pytest.mark.slow
def test_a_port_that_another_program_takes_meanwhile_is_replaced(busy_port: int) -> None:
    """Two commands that start together find the same free port; the slower one takes the next."""
    pytest.importorskip("gradio", reason="gradio is missing")
    blocks = Mock()
    blocks.launch.side_effect = [OSError(), (None, "http://127.0.0.1:1/", None)]
    ports = [busy_port, busy_port + 1]
    with patch.object(serve, "_find_port", side_effect=ports):
        assert serve._launch(blocks, "127.0.0.1", None, "", ()) == "http://127.0.0.1:1/"
    assert [call.kwargs["server_port"] for call in blocks.launch.call_args_list] == ports
    blocks.launch.side_effect = OSError()
    with pytest.raises(RefcolorError, match="within Gradio's five seconds"):
        serve._launch(blocks, "127.0.0.1", None, "", ())


@pytest.mark.slow
def test_who_hosts_the_page_names_its_address_and_the_sites_that_frame_it() -> None:
    """Behind a proxy the page answers to its public name, and frames are those of named sites."""
    fastapi = pytest.importorskip("fastapi", reason="gradio is missing")
    testclient = pytest.importorskip("fastapi.testclient")
    blocks, sites = Mock(), ("https://b.example", "http://c.example")
    blocks.launch.return_value = (None, "http://127.0.0.1:1/", None)
    address = serve._launch(blocks, "127.0.0.1", None, "https://me.example/a", sites)
    assert address == blocks.launch.call_args.kwargs["root_path"] == "https://me.example/a"
    app = fastapi.FastAPI(**blocks.launch.call_args.kwargs["app_kwargs"])
    app.get("/")(lambda: "page")
    client = testclient.TestClient(app)
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    response = client.get("/", headers={"host": "me.example"})
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert policy.endswith("frame-ancestors https://b.example http://c.example")


def test_an_address_of_another_machine_is_refused_at_once() -> None:
    """192.0.2.1 belongs to no machine (RFC 5737), so no other port is tried."""
    with pytest.raises(RefcolorError, match=r"192\.0\.2\.1 port 7860: Cannot assign"):
        _find_port("192.0.2.1", None)
