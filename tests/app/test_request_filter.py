"""The filter that every request to the page passes."""

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest

pytest.importorskip("starlette")

from starlette.requests import ClientDisconnect

from refcolor.app.request_filter import RequestFilter


def request(path: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str]]:
    """Send a request through the filter to a server that answers 200 to everything."""
    sent: list[Any] = []

    async def server(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": "http", "method": "GET", "path": path, "headers": raw}
    asyncio.run(RequestFilter(server, max_bytes=1000)(scope, receive, send))
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/gradio_api/file=/tmp/refcolor-app-1/page-2/box.png", 200),
        ("/gradio_api/file=http://example.org/x.png", 403),
        ("/gradio_api/file=HTTPS://example.org/x.png", 403),
        ("/file=http:/example.org/x.png", 403),
        ("/gradio_api/proxy=anything", 403),
    ],
)
def test_addresses_are_never_fetched(path: str, status: int) -> None:
    """Gradio would fetch an address that a request names as a file."""
    assert request(path)[0] == status


@pytest.mark.parametrize(
    ("length", "status"), [("1000", 200), ("1001", 413), ("-1", 413), ("many", 413)]
)
def test_large_bodies_are_refused(length: str, status: int) -> None:
    """A body whose Content-Length is too large is not read."""
    assert request("/", {"content-length": length})[0] == status


def test_an_upload_that_stops_half_way_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Gradio's server would print a traceback; an error of another kind still has one."""

    async def server(scope: Any, receive: Any, send: Any) -> None:
        raise scope["error"]

    def request_that_fails(error: Exception) -> None:
        scope = {"type": "http", "path": "/", "headers": [], "error": error}
        asyncio.run(RequestFilter(server, max_bytes=1)(scope, Mock(), Mock()))

    request_that_fails(ClientDisconnect())
    assert capsys.readouterr().err == "refcolor: an upload stopped half-way and is dropped\n"
    with pytest.raises(ZeroDivisionError):
        request_that_fails(ZeroDivisionError())


def test_a_body_needs_a_content_length() -> None:
    """A chunked upload could have any size."""
    assert request("/", {"transfer-encoding": "chunked"})[0] == 411


@pytest.mark.parametrize("path", ["/", "/gradio_api/proxy=x"])
def test_every_response_has_a_content_security_policy(path: str) -> None:
    """Every response, errors too, names this server as the only origin to load from."""
    policy = request(path)[1]["content-security-policy"]
    assert "default-src 'self'" in policy and "http" not in policy
    assert policy.endswith("frame-ancestors 'none'")
