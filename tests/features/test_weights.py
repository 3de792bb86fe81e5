"""Weights are fetched once, checked always, and asked for in words when they cannot be had."""

import dataclasses
import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from torchvision.models import VGG19_Weights

from refcolor.errors import RefcolorError
from refcolor.features import inception, vgg
from refcolor.features.weights import Weights, fetch

CONTENT = b"tensors" * 1000
DIGITS = hashlib.sha256(CONTENT).hexdigest()[:8]
GONE = "http://127.0.0.1:1"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serve a folder and count what is asked for."""

    asked: list[str]

    def log_message(self, *_args: object) -> None:
        self.asked.append(self.path)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch; returns where its weights belong."""
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "my hub"))
    return tmp_path / "my hub" / "checkpoints"


@pytest.fixture
def asked() -> list[str]:
    """What the site was asked for."""
    return []


@pytest.fixture
def site(tmp_path: Path, asked: list[str]) -> Iterator[str]:
    """A site that offers the file, and a file that is cut short under another name."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / f"net-{DIGITS}.pth").write_bytes(CONTENT)
    (folder / "cut-12345678.pth").write_bytes(CONTENT[:99])
    handler = type("Counting", (Handler,), {"asked": asked})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(handler, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def weights(address: str) -> Weights:
    """Describe a file at an address."""
    return Weights("the weights of a net", address, 7, "set net: none")


def test_a_file_is_fetched_once(hub: Path, site: str, asked: list[str]) -> None:
    """The second call finds it in torch's folder, whole and with nothing half-written beside it."""
    net = weights(f"{site}/net-{DIGITS}.pth")
    assert fetch(net) == fetch(net) == hub / f"net-{DIGITS}.pth"
    assert fetch(net).read_bytes() == CONTENT
    assert asked == [f"/net-{DIGITS}.pth"]
    assert [path.name for path in hub.iterdir()] == [f"net-{DIGITS}.pth"]


def test_a_file_put_by_hand_needs_no_network(hub: Path) -> None:
    """A file that lies where the message says is taken, whatever its address."""
    hub.mkdir(parents=True)
    (hub / f"net-{DIGITS}.pth").write_bytes(CONTENT)
    assert fetch(weights(f"{GONE}/net-{DIGITS}.pth")).read_bytes() == CONTENT


def test_a_wrong_file_put_by_hand_is_refused(hub: Path) -> None:
    """Half a file, as a broken copy leaves it, is named with both checksums and is not deleted."""
    hub.mkdir(parents=True)
    place = hub / f"net-{DIGITS}.pth"
    place.write_bytes(CONTENT[:50])
    found = hashlib.sha256(CONTENT[:50]).hexdigest()[:8]
    with pytest.raises(RefcolorError) as caught:
        fetch(weights(f"{GONE}/net-{DIGITS}.pth"))
    said = str(caught.value)
    assert f"{place} is cut short or another file: its SHA-256 begins with {found}" in said
    assert f"its SHA-256 begins with {DIGITS})" in said
    assert place.exists()


def test_what_comes_is_checked_before_it_has_its_name(hub: Path, site: str) -> None:
    """A download with another checksum is refused, and leaves nothing in the cache."""
    with pytest.raises(RefcolorError, match=r"cannot be had \(what came has the SHA-256 [0-9a-f]+"):
        fetch(weights(f"{site}/cut-12345678.pth"))
    assert not list(hub.iterdir())


@pytest.mark.parametrize(
    "path, reason",
    [
        ("{site}/none-12345678.pth", "404"),
        (GONE + "/net-12345678.pth", "Connection refused"),
    ],
)
def test_an_offline_machine_is_told_what_to_put_where(
    hub: Path, site: str, path: str, reason: str
) -> None:
    """One line: what, why, address, size, checksum, place, and what does without."""
    address = path.format(site=site)
    with pytest.raises(RefcolorError) as caught:
        fetch(weights(address))
    said = str(caught.value)
    name = address.rpartition("/")[2]
    assert said.startswith("the weights of a net cannot be had (")
    assert reason in said
    assert f"; put {address} (7 MB, its SHA-256 begins with 12345678) at {hub / name} by" in said
    assert said.endswith("by hand, or set net: none, which does without")
    assert "\n" not in said


def test_a_folder_that_cannot_be_written_is_an_error_in_words(hub: Path, site: str) -> None:
    """A file in the place of the cache's folder gives the message, not a traceback."""
    hub.parent.mkdir()
    hub.write_text("no folder")
    with pytest.raises(RefcolorError, match="the weights of a net cannot be had"):
        fetch(weights(f"{site}/net-{DIGITS}.pth"))


def test_the_addresses_are_those_of_the_packages() -> None:
    """What a user is told to fetch is what torchvision and pytorch-fid would fetch."""
    from pytorch_fid.inception import FID_WEIGHTS_URL

    assert vgg.WEIGHTS.address == VGG19_Weights.IMAGENET1K_V1.url
    assert inception.WEIGHTS.address == FID_WEIGHTS_URL


def test_both_are_looked_for_in_torchs_own_folder(hub: Path) -> None:
    """The names end in eight digits of the checksum; the folder is the one of torch.hub."""
    for known in (vgg.WEIGHTS, inception.WEIGHTS):
        assert known.place == Path(torch.hub.get_dir()) / "checkpoints" / known.name
        assert known.place.parent == hub
        assert re.fullmatch(r"[0-9a-f]{8}", known.digits)
        assert known.name.endswith(f"-{known.digits}.pth")
        assert dataclasses.replace(known, address="x/y-0a.pth").digits == "0a"
