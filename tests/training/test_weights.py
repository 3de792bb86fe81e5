"""Weights are downloaded once and always verified; an error says what to put where."""

import dataclasses
import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torchvision.models import VGG19_Weights

from refcolor.errors import RefcolorError
from refcolor.evaluation.features import inception
from refcolor.training import vgg
from refcolor.training.weights import Weights, fetch

CONTENT = b"tensors" * 1000
DIGITS = hashlib.sha256(CONTENT).hexdigest()[:8]
GONE = "http://127.0.0.1:1"


class Site(http.server.ThreadingHTTPServer):
    """Serves a file and a truncated one; breaks off an answer after `breaks` bytes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.files = {f"/net-{DIGITS}.pth": CONTENT, "/cut-12345678.pth": CONTENT[:99]}
        self.ranges: list[str] = []
        self.breaks: list[int] = []  # bytes after which an answer breaks off


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers a range of a file, or nothing of it where the site is to break off at once."""

    server: Site

    def do_GET(self) -> None:
        content = self.server.files.get(self.path)
        if content is None:
            return self.send_error(404)
        self.server.ranges.append(self.headers["Range"])
        begin = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        end = begin + self.server.breaks.pop(0) if self.server.breaks else len(content)
        self.wfile.write(content[begin:end])

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch; returns where its weights belong."""
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "my hub"))
    return tmp_path / "my hub" / "checkpoints"


@pytest.fixture
def site() -> Iterator[Site]:
    """A running site."""
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def weights(address: str) -> Weights:
    """Describe a file at an address."""
    return Weights("the weights of a net", address, 7, "set net: none")


def test_a_file_is_fetched_once(hub: Path, site: Site) -> None:
    """The second call finds it complete in torch's folder, without partial files beside it."""
    net = weights(f"{site.address}/net-{DIGITS}.pth")
    assert fetch(net) == fetch(net) == hub / f"net-{DIGITS}.pth"
    assert fetch(net).read_bytes() == CONTENT
    assert site.ranges == ["bytes=0-"]
    assert not list(hub.glob("*.part"))


def test_a_broken_download_is_resumed(
    hub: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each break only the rest is requested, in the same call and in the next."""
    monkeypatch.setattr("refcolor.training.weights._CHUNK", 100)
    net = weights(f"{site.address}/net-{DIGITS}.pth")
    site.breaks = [1000, 500, 0]
    with pytest.raises(RefcolorError, match="are not available"):
        fetch(net)
    assert (hub / f"net-{DIGITS}.pth.part").stat().st_size == 1500
    assert fetch(net).read_bytes() == CONTENT
    assert site.ranges == [f"bytes={begin}-" for begin in (0, 1000, 1500, 1500)]


def test_a_file_put_by_hand_needs_no_network(hub: Path) -> None:
    """A file at the path of the message is used, whatever its address."""
    hub.mkdir(parents=True)
    (hub / f"net-{DIGITS}.pth").write_bytes(CONTENT)
    assert fetch(weights(f"{GONE}/net-{DIGITS}.pth")).read_bytes() == CONTENT


def test_a_wrong_file_put_by_hand_is_refused(hub: Path) -> None:
    """Half a file, as an interrupted copy leaves it, is reported with both checksums and stays."""
    hub.mkdir(parents=True)
    place = hub / f"net-{DIGITS}.pth"
    place.write_bytes(CONTENT[:50])
    found = hashlib.sha256(CONTENT[:50]).hexdigest()[:8]
    with pytest.raises(RefcolorError) as caught:
        fetch(weights(f"{GONE}/net-{DIGITS}.pth"))
    said = str(caught.value)
    assert f"{place} is truncated or another file: its SHA-256 begins with {found}" in said
    assert f"its SHA-256 begins with {DIGITS})" in said
    assert place.exists()


def test_a_download_is_verified_before_it_is_renamed(hub: Path, site: Site) -> None:
    """A download with another checksum is refused, and leaves nothing in the cache."""
    with pytest.raises(
        RefcolorError, match=r"are not available \(the downloaded file has the SHA-256 [0-9a-f]+"
    ):
        fetch(weights(f"{site.address}/cut-12345678.pth"))
    assert not [file for file in hub.iterdir() if file.suffix in (".pth", ".part")]


@pytest.mark.parametrize(
    "path, reason",
    [
        ("{site}/none-12345678.pth", "404"),
        (GONE + "/net-12345678.pth", "Connection refused"),
    ],
)
def test_an_error_names_file_address_and_place(
    hub: Path, site: Site, path: str, reason: str
) -> None:
    """One line: what, why, address, size, checksum, place, and which parameters do without."""
    address = path.format(site=site.address)
    with pytest.raises(RefcolorError) as caught:
        fetch(weights(address))
    said = str(caught.value)
    name = address.rpartition("/")[2]
    assert said.startswith("the weights of a net are not available (")
    assert reason in said
    assert f"; put {address} (7 MB, its SHA-256 begins with 12345678) at {hub / name} by" in said
    assert said.endswith("by hand, or set net: none to do without them")
    assert "\n" not in said


def test_an_unwritable_cache_is_an_error_of_one_line(hub: Path, site: Site) -> None:
    """A file in the place of the cache's folder gives the message, not a traceback."""
    hub.parent.mkdir()
    hub.write_text("no folder")
    with pytest.raises(RefcolorError, match="the weights of a net are not available"):
        fetch(weights(f"{site.address}/net-{DIGITS}.pth"))


def test_the_addresses_are_those_of_the_packages() -> None:
    """The addresses are those that torchvision and pytorch-fid download."""
    from pytorch_fid.inception import FID_WEIGHTS_URL

    assert vgg.WEIGHTS.address == VGG19_Weights.IMAGENET1K_V1.url
    assert inception.WEIGHTS.address == FID_WEIGHTS_URL


def test_both_files_are_in_the_folder_of_torch_hub(hub: Path) -> None:
    """The names end in eight digits of the checksum; the folder is the one of torch.hub."""
    for known in (vgg.WEIGHTS, inception.WEIGHTS):
        assert known.path == Path(torch.hub.get_dir()) / "checkpoints" / known.name
        assert known.path.parent == hub
        assert re.fullmatch(r"[0-9a-f]{8}", known.checksum_prefix)
        assert known.name.endswith(f"-{known.checksum_prefix}.pth")
        assert dataclasses.replace(known, address="x/y-0a.pth").checksum_prefix == "0a"
