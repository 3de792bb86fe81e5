"""Addresses of a list may be on the internet or the source's host, not in a private network."""

import socket

import pytest

from refcolor.errors import RefcolorError
from refcolor.sources.network.errors import RequestError
from refcolor.sources.network.hosts import Hosts, is_public
from tests.sources.conftest import Network
from tests.sources.danbooru_server import Fault


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
def test_redirects_stay_on_the_source(to: str, reason: str, network: Network) -> None:
    """A redirect that leads elsewhere fails before any request is sent there."""
    network.server.faults["/1.png"] = Fault("redirect", to=to.format(port=network.server.port))
    with pytest.raises(RequestError) as caught:
        network.client().open(network.server.url + "/1.png")
    assert caught.value.reason == reason
    assert len(network.server.log) == 1


def test_sub_domains_of_the_source_belong_to_it() -> None:
    """Pictures lie on sub-domains beside the site; other sub-domains of a public suffix do not."""
    hosts = Hosts.of("https://danbooru.donmai.us", extra=["Files.Example.org"])
    for url in ("https://cdn.donmai.us/a", "http://donmai.us:80/", "https://files.example.org"):
        hosts.check(url)
    for url in ("https://evildonmai.us", "https://donmai.us.evil.org", "https://example.org"):
        with pytest.raises(RequestError, match=r"source\.transfer\.hosts"):
            hosts.check(url)
    with pytest.raises(RequestError):
        Hosts.of("http://10.0.0.1").check("http://20.0.0.1")


@pytest.mark.parametrize(
    ("site", "allowed", "refused"),
    [
        ("pictures.example.co.uk", "cdn.example.co.uk", "other.co.uk"),
        ("example.co.uk", "cdn.example.co.uk", "other.co.uk"),
        ("foo.github.io", "cdn.foo.github.io", "bar.github.io"),
        ("github.io", "github.io", "foo.github.io"),
        ("mine.s3.amazonaws.com", "mine.s3.amazonaws.com", "theirs.s3.amazonaws.com"),
        ("art.kawasaki.jp", "art.kawasaki.jp", "other.kawasaki.jp"),
        ("img.例え.jp", "cdn.例え.jp", "cdn.他.jp"),
        ("a.b.example.org", "c.b.example.org", "c.example.org"),
        ("site.lan", "site.lan", "other.lan"),
        ("lan", "lan", "site.lan"),
    ],
)
def test_hosts_under_a_public_suffix_have_different_owners(
    site: str, allowed: str, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Public Suffix List says whose a sub-domain is; it comes along, so nothing is fetched."""

    def connect(*_arguments: object, **_options: object) -> None:
        raise AssertionError("the Public Suffix List must not be fetched")

    monkeypatch.setattr(socket, "getaddrinfo", connect)
    hosts = Hosts.of(f"https://{site}")
    hosts.check(f"https://{allowed}")
    with pytest.raises(RequestError, match=r"source\.transfer\.hosts"):
        hosts.check(f"https://{refused}")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *(("8.8.8.8", True), ("2606:4700::1111", True), ("::ffff:8.8.8.8", True)),
        *(("10.0.0.1", False), ("::ffff:10.0.0.1", False), ("fe80::1%eth0", False)),
        *(("100.64.0.1", False), ("224.0.0.1", False), ("0.0.0.0", False)),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    """Private, link-local, carrier, multicast and mapped addresses are not public."""
    assert is_public(address) == public


def test_the_connected_address_is_checked(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A public name that resolves to a private address gets no request, unless it was named."""
    real = socket.getaddrinfo

    def lookup(host: object, *rest: object, **options: object) -> object:
        return real("127.0.0.1" if "example" in str(host) else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    server = network.server
    url = f"http://rebound.example.org:{server.port}{server.path_of(1001)}"
    with pytest.raises(RequestError) as caught:
        network.client(hosts=Hosts(any_public=True)).open(url)
    assert caught.value.reason == "private_address"
    assert server.log == []
    network.client(hosts=Hosts.of(extra=["rebound.example.org"], any_public=True)).open(url).close()
    assert server.statuses == [200]


@pytest.mark.parametrize(
    "url",
    ["nonsense", "ftp://a.org/x", "http://", "http://[x", "sample:1", "http://a..b/c.png",
     "http://" + "x" * 70],
)  # fmt: skip
def test_bad_addresses_have_a_reason(url: str, network: Network) -> None:
    """An address that cannot be requested has a reason like every other failure."""
    with pytest.raises(RequestError) as caught:
        network.client(hosts=Hosts(any_public=True)).open(url)
    assert caught.value.reason in ("bad_address", "not_http")


def test_proxies_of_the_environment_are_used(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests use the proxy, except for private addresses."""
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", network.server.url)
    client = network.client(hosts=Hosts(any_public=True))
    client.open("http://example.org/1001.png").close()
    assert network.server.log[0].path == "http://example.org/1001.png"
    with pytest.raises(RequestError):
        client.open("http://10.0.0.1/1001.png")
    assert len(network.server.log) == 1


def test_extra_hosts_are_names() -> None:
    """An address where a name belongs is refused with an example."""
    with pytest.raises(RefcolorError, match=r"must be names such as cdn\.example\.org, got 'http"):
        Hosts.of(extra=["http://a.org/x"])
