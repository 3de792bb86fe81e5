"""A list of addresses leads to the source or to the internet, never into a private network."""

import socket

import pytest

from refcolor.errors import RefcolorError
from refcolor.sources.network.errors import RequestError
from refcolor.sources.network.hosts import Hosts, is_public
from tests.sources.clients import Time, client_of
from tests.sources.danbooru_server import DanbooruServer, Fault


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("http://localhost:{port}/original/1001.png", "other_host"),
        ("https://example.org/a.png", "other_host"),
        ("//example.org/a.png", "other_host"),
        ("http://10.0.0.1/a.png", "private_address"),
        ("http://[::1]/a.png", "private_address"),
        ("http://169.254.169.254/latest/meta-data", "private_address"),
        ("file:///etc/passwd", "not_http"),
        ("http://[nonsense", "bad_address"),
        ("http://127.0.0.1@example.org/a.png", "other_host"),
        ("http://127.0.0.1\\@example.org/a.png", "other_host"),
    ],
)
def test_redirects_stay_on_the_source(
    to: str, reason: str, server: DanbooruServer, now: Time
) -> None:
    """An address that leads elsewhere is refused before anything is asked there."""
    server.faults["/1.png"] = Fault("redirect", to=to.format(port=server.port))
    with pytest.raises(RequestError) as caught:
        client_of(server, now).open(server.url + "/1.png")
    assert caught.value.reason == reason
    assert len(server.log) == 1


def test_siblings_of_the_source_belong_to_it() -> None:
    """Pictures lie on sub-domains beside the site; a registry's other customers do not."""
    hosts = Hosts.of("https://danbooru.donmai.us", extra=["Files.Example.org"])
    for url in ("https://cdn.donmai.us/a", "http://donmai.us:80/", "https://files.example.org"):
        hosts.check(url)
    for url in ("https://evildonmai.us", "https://donmai.us.evil.org", "https://example.org"):
        with pytest.raises(RequestError, match=r"source\.transfer\.hosts"):
            hosts.check(url)
    british = Hosts.of("https://pictures.example.co.uk")
    british.check("https://cdn.example.co.uk")
    with pytest.raises(RequestError):
        Hosts.of("https://example.co.uk").check("https://other.co.uk")
    with pytest.raises(RequestError):
        Hosts.of("http://10.0.0.1").check("http://20.0.0.1")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *(("8.8.8.8", True), ("2606:4700::1111", True), ("::ffff:8.8.8.8", True)),
        *(("10.0.0.1", False), ("::ffff:10.0.0.1", False), ("fe80::1%eth0", False)),
        *(("100.64.0.1", False), ("224.0.0.1", False), ("0.0.0.0", False)),
    ],
)
def test_addresses_of_the_internet_are_told_apart(address: str, public: bool) -> None:
    """Private, link-local, carrier, multicast and mapped addresses are not public ones."""
    assert is_public(address) == public


def test_names_are_looked_up_where_they_are_connected_to(
    server: DanbooruServer, now: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A public name that leads to a private address gets no request, unless it was named."""
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **options: real(
            "127.0.0.1" if "example" in str(host) else host, *rest, **options
        ),
    )
    url = f"http://rebound.example.org:{server.port}{server.path_of(1001)}"
    with pytest.raises(RequestError) as caught:
        client_of(server, now, hosts=Hosts(any_public=True)).open(url)
    assert caught.value.reason == "private_address"
    assert server.log == []
    named = Hosts.of(extra=["rebound.example.org"], any_public=True)
    client_of(server, now, hosts=named).open(url).close()
    assert server.statuses == [200]


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "ftp://a.org/x",
        "http://",
        "http://[x",
        "sample:1",
        "http://a..b/c.png",
        "http://" + "x" * 70,
    ],
)
def test_what_is_no_address_is_said(url: str, server: DanbooruServer, now: Time) -> None:
    """An address that cannot be asked has a reason like every other failure."""
    with pytest.raises(RequestError) as caught:
        client_of(server, now, hosts=Hosts(any_public=True)).open(url)
    assert caught.value.reason in ("bad_address", "not_http")


def test_proxies_of_the_environment_are_used(
    server: DanbooruServer, now: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a proxy the request goes there, but not for a private address."""
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", server.url)
    client = client_of(server, now, hosts=Hosts(any_public=True))
    client.open("http://example.org/1001.png").close()
    assert server.log[0].path == "http://example.org/1001.png"
    with pytest.raises(RequestError):
        client.open("http://10.0.0.1/1001.png")
    assert len(server.log) == 1


def test_extra_hosts_are_names() -> None:
    """An address where a name belongs is refused with an example."""
    with pytest.raises(RefcolorError, match=r"must be names such as cdn\.example\.org, got 'http"):
        Hosts.of(extra=["http://a.org/x"])
