"""Which requests the server of the page answers."""

import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from refcolor.app.serve import _is_loopback

from .conftest import Server


def get(address: str, **headers: str) -> tuple[int, bytes]:
    """Request an address; returns status and body."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(address, headers=headers)
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.mark.slow
def test_only_the_page_is_served(server: Server, root: Path) -> None:
    """Files of this machine, of the working directory and of the model are answered with 403."""
    assert get(server.address)[0] == 200
    paths = [
        "/etc/passwd",
        str(root / "pyproject.toml"),
        str(server.model / "model.json"),
        "model/model.json",
        "../../../../../../etc/passwd",
        "..%2f..%2f..%2f..%2fetc%2fpasswd",
        f"{sys.prefix}/pyvenv.cfg",
        "http://127.0.0.1:1/x",
    ]
    for path in paths:
        for way in ("gradio_api/file=", "file=", "gradio_api/file/"):
            status, body = get(f"{server.address}/{way}{path}")
            assert status in (403, 404), (way, path)
            assert b"root:" not in body and b"refcolor" not in body, (way, path)


@pytest.mark.slow
def test_a_foreign_host_name_is_refused(server: Server) -> None:
    """A page whose own name resolves to this machine (DNS rebinding) gets nothing."""
    assert get(server.address, Host="evil.example")[0] == 400


@pytest.mark.slow
def test_the_server_listens_on_loopback_only(server: Server) -> None:
    """The port is bound at 127.0.0.1, not at the machine's other addresses."""
    port = int(server.address.rpartition(":")[2])
    listening = Path("/proc/net/tcp").read_text().splitlines()[1:]
    addresses = {
        line.split()[1].partition(":")[0]
        for line in listening
        if int(line.split()[1].partition(":")[2], 16) == port and line.split()[3] == "0A"
    }
    assert addresses == {"0100007F"}
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.3.2.1", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("192.168.0.7", False),
        ("sessions.local", False),
    ],
)
def test_loopback_addresses_need_no_warning(host: str, loopback: bool) -> None:
    """Any other address makes the program warn."""
    assert _is_loopback(host) is loopback
