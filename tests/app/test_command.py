"""`refcolor app`: what it makes of its options, and how it ends when it cannot serve."""

import importlib.util
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest

from refcolor.app import serve
from refcolor.app.serve import FIRST_PORT, _find_port
from refcolor.colorize import colorizer
from refcolor.errors import RefcolorError

from ..cli.conftest import Ended, refcolor
from ..colorize.material import save_tiny

__all__ = ["refcolor"]


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """Give what is asked of `serve`, in a folder with a model in `mine` and none in `models`."""
    monkeypatch.chdir(tmp_path)
    save_tiny(tmp_path / "mine")
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(serve, "serve", lambda model, **rest: asked.append({"model": model} | rest))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    yield asked


def test_without_options_only_this_machine_is_served(
    served: list[dict[str, Any]], refcolor: Callable[..., Ended]
) -> None:
    """The page listens at 127.0.0.1, at any free port, and is opened in a browser."""
    assert refcolor("app", "--model", "mine").code == 0
    assert served[0] | {"model": None} == {
        "model": None,
        "host": "127.0.0.1",
        "port": None,
        "browser": True,
    }


def test_options_reach_the_server(
    served: list[dict[str, Any]], refcolor: Callable[..., Ended]
) -> None:
    """Another address and port, another device, and no browser."""
    options = "--host 0.0.0.0 --port 8123 --device cpu --no-browser"
    assert refcolor("app", "--model", "mine", *options.split()).code == 0
    (asked,) = served
    assert (asked["host"], asked["port"], asked["browser"]) == ("0.0.0.0", 8123, False)
    assert asked["model"].device.type == "cpu"


def test_the_default_is_the_model_of_the_package(
    served: list[dict[str, Any]],
    refcolor: Callable[..., Ended],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without --model the page serves the model that comes with refcolor."""
    monkeypatch.setattr(colorizer, "DEMO", tmp_path / "mine")
    ended = refcolor("app")
    assert (ended.code, len(served)) == (0, 1)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ("--model nowhere", 1, "nowhere does not hold a model"),
        ("--model mine --device cuda:99", 1, "runtime.device is cuda:99, but this machine has"),
        ("--model mine --device fish", 1, "the device must be auto, cpu, cuda"),
        ("--port 65536", 2, "a port is a number from 1 to 65535, got '65536'"),
        ("--port 0", 2, "a port is a number from 1 to 65535, got '0'"),
        ("--port http", 2, "a port is a number from 1 to 65535, got 'http'"),
    ],
)
def test_refusals(
    served: list[dict[str, Any]],
    refcolor: Callable[..., Ended],
    options: str,
    code: int,
    said: str,
) -> None:
    """One line says what, what was given, and what to do; nothing is served."""
    ended = refcolor("app", *options.split())
    assert (ended.code, served) == (code, [])
    assert said in ended.last


def test_gradio_is_asked_for(
    refcolor: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Gradio, one line says how to install it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    ended = refcolor("app")
    assert ended.code == 1
    assert ended.err.strip() == (
        "refcolor: the page needs Gradio; install it: pip install 'refcolor[app]'"
    )


@pytest.mark.parametrize(
    ("host", "warned"), [("127.0.0.1", False), ("0.0.0.0", True), ("192.0.2.1", True)]
)
def test_a_page_for_others_is_warned_of(
    host: str, warned: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says who can come in, and how to prevent it."""
    monkeypatch.setattr(serve, "running", MagicMock())
    ctrl_c = {"Event.return_value.wait.side_effect": KeyboardInterrupt}
    monkeypatch.setattr(serve, "threading", Mock(**ctrl_c))
    serve.serve(Mock(), host=host, port=None, browser=False)
    said = capsys.readouterr().err
    assert (f"everybody who reaches {host} can use this page" in said) is warned
    assert len(said.splitlines()) == warned


@pytest.fixture
def taken() -> Iterator[int]:
    """Give a port that somebody else listens at."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_is_refused_with_the_reason(taken: int, host: str) -> None:
    """Whoever named a port wants no other."""
    with pytest.raises(RefcolorError, match=f"{host} port {taken}: Address already in use; name"):
        _find_port(host, taken)


def test_without_a_wish_the_next_port_is_taken(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second page on the same machine gets a port of its own."""
    assert FIRST_PORT == 7860
    monkeypatch.setattr(serve, "FIRST_PORT", taken)
    assert taken < _find_port("127.0.0.1", None) < taken + serve.PORTS


def test_an_address_of_another_machine_is_refused_at_once() -> None:
    """192.0.2.1 belongs to nobody (RFC 5737), so no other port is tried."""
    with pytest.raises(RefcolorError, match=r"192\.0\.2\.1 port 7860: Cannot assign"):
        _find_port("192.0.2.1", None)
