"""Requests keep the rate limit, are retried where that may help, and name their sender."""

import itertools
import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from functools import partial
from pathlib import Path

import pytest

from refcolor import __version__
from refcolor.errors import RefcolorError
from refcolor.params import Params
from refcolor.sources.network.client import Client
from refcolor.sources.network.errors import RequestError, SourceBlockedError
from refcolor.sources.network.hosts import Hosts
from refcolor.sources.network.rate_limit import RateLimiter
from refcolor.sources.network.settings import check_rate, client_for, login, user_agent
from tests.sources.conftest import AGENT, Network, Time
from tests.sources.danbooru_server import DanbooruServer, Fault


@pytest.mark.parametrize("kind", ["500", "502", "503", "408", "no_answer", "cut", "html"])
def test_retryable_faults_are_retried(kind: str, network: Network) -> None:
    """Server errors, lost connections, cut responses and HTML instead of JSON are retried."""
    network.server.faults["/posts.json"] = Fault(kind, times=3)
    assert len(network.get_json("/posts.json", limit="7")) == 7
    assert len(network.server.log) == 4
    first, second, third = network.time.slept
    assert first == 0 and 2 <= second <= 2.5 and 4 <= third <= 4.5


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [("503", 503, "server_error"), ("no_answer", 0, "unreachable"), ("html", 0, "no_json")],
)
def test_five_requests_are_the_limit(kind: str, status: int, reason: str, network: Network) -> None:
    """A permanent fault ends with the last error after five requests."""
    network.server.faults["/posts.json"] = Fault(kind)
    with pytest.raises(RequestError) as caught:
        network.get_json("/posts.json")
    assert (caught.value.status, caught.value.reason) == (status, reason)
    assert len(network.server.log) == 5


@pytest.mark.parametrize(
    ("params", "status", "message"),
    [
        ({"page": "1001"}, 410, "cannot go beyond page 1000"),
        ({"tags": "a b c rating:g"}, 422, "cannot search for more than 2 tags"),
        ({"tags": "parent:none"}, 500, "timed out running your query"),
    ],
)
def test_wrong_searches_are_not_retried(
    params: dict[str, str], status: int, message: str, network: Network
) -> None:
    """One request shows that a search is wrong or too slow; the message has the site's words."""
    network.server.times_out = lambda tags, limit: "parent:none" in tags
    with pytest.raises(RequestError, match=message) as caught:
        network.get_json("/posts.json", **params)
    assert caught.value.status == status
    assert network.server.statuses == [status]


@pytest.mark.parametrize(
    ("kind", "message"), [("stall", "stopped sending"), ("trickle", "too slow")]
)
def test_a_stalled_response_is_a_timeout(
    kind: str, message: str, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A response that stalls or trickles ends with a timeout."""
    monkeypatch.setattr("refcolor.sources.network.client.BODY_TIMEOUTS", 2)
    network.server.faults["/posts.json"] = Fault(kind)
    client, start = network.client(timeout=0.5, tries=1), time.monotonic()
    with pytest.raises(RequestError, match=message) as caught:
        client.get_json(network.server.url + "/posts.json", {"limit": "5"})
    assert caught.value.reason == "timeout" and caught.value.retryable
    assert time.monotonic() - start < 4


def test_endless_responses_are_refused(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """A response without end is an error, and memory stays bounded."""
    monkeypatch.setattr("refcolor.sources.network.client.LARGEST_JSON", 1 << 20)
    network.server.faults["/posts.json"] = Fault("endless")
    with pytest.raises(RequestError, match="sends more than"):
        network.get_json("/posts.json")
    assert len(network.server.log) == 1


@pytest.mark.parametrize(("retry_after", "seconds"), [("", 60), ("7", 7), ("soon", 60)])
def test_a_rate_limit_holds_all_threads(retry_after: str, seconds: float, network: Network) -> None:
    """After a 429 no thread sends before the time that the server named, or else a minute."""
    server, client = network.server, network.client(rate=10)
    server.clock = network.time.clock
    client.get_json(server.url + "/counts/posts.json", {})
    server.faults["/posts.json"] = Fault("429", times=1, retry_after=retry_after)
    search = partial(client.get_json, server.url + "/posts.json", {"limit": "1"})
    search()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: search(), range(8)))
    times = [request.time for request in server.log]
    assert times[2] - times[1] >= seconds
    assert times[-1] - times[2] >= 0.1 * 7
    assert server.statuses == [200, 429, *[200] * 9]


def test_retry_after_may_be_a_date(network: Network) -> None:
    """Retry-After is seconds or a date, and comes with a 503 too."""
    date = formatdate(time.time() + 100, usegmt=True)
    network.server.faults["/posts.json"] = Fault("503", times=1, retry_after=date)
    network.get_json("/posts.json")
    assert 97 < network.time.now < 101


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("429", retry_after="7200"), r"for 2\.0 h .*run the same command again after"),
        (Fault("cloudflare"), r"Cloudflare.*DANBOORU_CONTACT.*another network"),
        (
            Fault("ban"),
            r"Cloudflare .* 403 \(error code: 1006\).*DANBOORU_USER_ID.*again to resume",
        ),
        (Fault("html_403"), "the site blocks this program"),  # the API never answers with a page
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_a_blocked_source_stops_at_once(fault: Fault, message: str, network: Network) -> None:
    """Challenges of Cloudflare and waits of more than an hour end the stage with advice."""
    network.server.faults["/posts.json"] = fault
    with pytest.raises(SourceBlockedError, match=message):
        network.get_json("/posts.json")
    assert len(network.server.log) == 1 and network.time.slept == []


@pytest.mark.parametrize("agent", ["Mozilla/5.0 (X11; Linux x86_64)", "python-requests/2.34.2"])
def test_other_user_agents_are_challenged(agent: str, network: Network) -> None:
    """The test site challenges a browser's and a library's user agent, as the real one does."""
    with pytest.raises(SourceBlockedError):
        network.client(agent=agent).get_json(network.server.url + "/counts/posts.json", {})


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(Fault("cloudflare"), "forbidden"), (Fault("429", retry_after="7200"), "rate_limited")],
    ids=["cloudflare", "429"],
)
def test_a_block_of_another_host_fails_one_file(
    fault: Fault, reason: str, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a list of addresses of many hosts, one blocked host does not end the stage."""
    for module in ("hosts", "session"):
        monkeypatch.setattr(f"refcolor.sources.network.{module}.is_public", lambda address: True)
    network.server.faults["/1.png"] = fault
    with pytest.raises(RequestError) as caught:
        network.client(hosts=Hosts(any_public=True)).open(network.server.url + "/1.png")
    assert caught.value.reason == reason and not caught.value.retryable


def test_an_api_key_without_permission_is_explained(network: Network) -> None:
    """A 403 with JSON is about the key: it lacks a permission, or belongs to another address."""
    network.server.faults["/posts.json"] = Fault("403")
    message = r"403 \(something is wrong\); .*the permission posts:index .* this network address"
    with pytest.raises(RequestError, match=message):
        network.get_json("/posts.json")
    assert len(network.server.log) == 1


def test_a_page_instead_of_a_picture_is_a_failure(network: Network) -> None:
    """For a single picture a 403 with HTML is not a challenge: any server may send it."""
    network.server.faults["*"] = Fault("html_403")
    with pytest.raises(RequestError) as caught:
        network.client().open(network.server.url + "/1001.png")
    assert caught.value.reason == "forbidden"


def test_json_may_be_compressed_and_pictures_may_not(network: Network) -> None:
    """JSON is requested compressed, pictures as they are, so that lengths and ranges hold."""
    server, client = network.server, network.client()
    server.faults["*"] = Fault("gzip")
    assert len(network.get_json("/posts.json", limit="3")) == 3
    path = server.path_of(1004)
    with client.open(server.url + path) as response:
        assert b"".join(client.chunks(response)) == server.content(path)


def test_retries_and_redirects_keep_the_rate(network: Network) -> None:
    """Redirects and retries wait as every request does."""
    server, client = network.server, network.client(rate=1)
    server.clock = network.time.clock
    path = server.path_of(server.good[0])
    server.faults["/posts.json"] = Fault("500", times=1)
    server.faults["/1.png"] = Fault("redirect", times=2, to=server.url + path)
    client.get_json(server.url + "/posts.json", {})
    with client.open(server.url + "/1.png") as response:
        assert response.url == server.url + path
    assert [request.time for request in server.log] == [0, 1, 2, 3]


def test_redirects_are_limited(network: Network) -> None:
    """After five redirects an address fails without a retry, also with endless bodies."""
    network.server.faults["/1.png"] = Fault("redirect", to="/1.png")
    with pytest.raises(RequestError) as caught:
        network.client().open(network.server.url + "/1.png")
    assert caught.value.reason == "too_many_redirects" and not caught.value.retryable
    assert len(network.server.log) == 6


def test_the_login_is_sent_to_the_api_only(network: Network) -> None:
    """Searches send it; pictures and redirects do not, and a wrong one is explained."""
    server, client = network.server, network.client(auth=network.server.login)
    client.get_json(server.url + "/posts.json", {"tags": "a b c"})
    client.open(server.url + server.path_of(1001)).close()
    server.faults["/counts/posts.json"] = Fault("redirect", times=1, to="/posts.json")
    client.get_json(server.url + "/counts/posts.json", {})
    sent = ["authorization" in request.headers for request in server.log]
    assert sent == [True, False, True, False]
    with pytest.raises(RequestError, match="DANBOORU_LOGIN and DANBOORU_API_KEY") as caught:
        network.client(auth=("tester", "wrong")).get_json(server.url + "/posts.json", {})
    assert caught.value.status == 401


def test_a_login_is_refused_over_http(network: Network) -> None:
    """Over http a login is refused, unless the server has a private address."""
    client = network.client(auth=network.server.login, hosts=Hosts.of("http://203.0.113.5"))
    with pytest.raises(RefcolorError, match="unencrypted"):
        client.get_json("http://1.1.1.1/posts.json", {})


def test_netrc_and_cookies_are_not_sent(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Passwords of netrc are never sent, redirects included, and cookies are not stored."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    network.server.faults["/counts/posts.json"] = Fault("redirect", to="/posts.json")
    network.get_json("/counts/posts.json")
    network.get_json("/posts.json")
    for request in network.server.log:
        assert not request.headers.keys() & {"authorization", "cookie"}


def test_an_unreachable_site_is_explained(network: Network) -> None:
    """A refused connection gives a message that says what to check, without library internals."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(RequestError, match=r"refused.*check the connection") as caught:
        network.client(hosts=Hosts.of(url)).get_json(url + "/posts.json", {})
    assert "HTTPConnectionPool" not in str(caught.value)


def test_each_source_has_its_client(
    make_params: Callable[..., Params], server: DanbooruServer
) -> None:
    """Parameters give hosts, rate and User-Agent; a list may use all public hosts."""
    source = make_params().source

    def client(kind: str, rate: float = 0) -> Client:
        site = source.danbooru.model_copy(update={"url": server.url, "rate": rate})
        tree = source.archive.model_copy(update={"pictures": server.url + "/tree"})
        update = {"kind": kind, "danbooru": site, "archive": tree}
        return client_for(source.model_copy(update=update))

    site = client("danbooru")
    assert site.hosts == Hosts.of(server.url) == client("archive").hosts
    assert site.get_json(server.url + "/posts.json", {"limit": "2"})
    agent = server.log[-1].headers["user-agent"]
    assert re.fullmatch(r"refcolor/\S+ \(\+tests@example\.org\)", agent)
    client("url_list", rate=1).hosts.check("https://example.org/a.png")
    with pytest.raises(RefcolorError, match="set it to 1"):
        client("manifest")


def test_the_rate_is_kept_in_real_time(server: DanbooruServer) -> None:
    """Eight threads together send 20 requests a second, never more than a request ahead."""
    client = Client(user_agent=AGENT, limiter=RateLimiter(20), hosts=Hosts.of(server.url))
    ask = partial(client.get_json, server.url + "/posts.json", {"limit": "1", "only": "id"})
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ask(), range(40)))
    times = sorted(request.time for request in server.log)
    assert 39 / 20 - 0.3 <= times[-1] - times[0] < 4
    for start, later in itertools.combinations(range(40), 2):
        # On a busy machine a thread is held up between its turn and its request.
        assert times[later] - times[start] >= (later - start - 1) / 20 - 0.3


def test_the_limiter_spaces_requests() -> None:
    """At 4 a second the fifth request is a second after the first; idle time is not saved up."""
    clock = Time()
    limiter = RateLimiter(4, clock=clock.clock, sleep=clock.sleep)
    for _ in range(5):
        limiter.wait()
    assert clock.now == 1
    clock.now = 100
    for _ in range(3):
        limiter.wait()
    assert clock.now == 100.5


def test_a_pause_holds_waiting_threads(capsys: pytest.CaptureFixture[str]) -> None:
    """A later pause also holds waiting threads, and prints a line."""
    clock = Time()

    def sleep(seconds: float) -> None:
        if not clock.slept:
            limiter.pause(60)
            limiter.pause(59)
        clock.sleep(seconds)

    limiter = RateLimiter(1, clock=clock.clock, sleep=sleep)
    limiter.wait()
    limiter.wait()
    assert clock.now == 60
    assert capsys.readouterr().err.count("requests a pause of 60 s") == 1


def test_the_user_agent_is_honest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Program, version and contact; the parameter has precedence; one is required."""
    monkeypatch.setenv("DANBOORU_CONTACT", "env@example.org")
    assert user_agent("") == f"refcolor/{__version__} (+env@example.org)"
    assert user_agent(" https://example.org/me ").endswith("(+https://example.org/me)")
    monkeypatch.delenv("DANBOORU_CONTACT")
    with pytest.raises(RefcolorError, match=r"got none; set DANBOORU_CONTACT to an e-mail"):
        user_agent("")


def test_the_user_agent_names_the_account(
    make_params: Callable[..., Params], server: DanbooruServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The id of a user stands before the contact, in each request; the parameter has precedence."""
    monkeypatch.setenv("DANBOORU_USER_ID", "678")
    for user_id, named in ((0, 678), (12345, 12345)):
        changes = {"source.kind": "danbooru", "source.danbooru.url": server.url}
        source = make_params(changes | {"source.danbooru.user_id": user_id}).source
        client_for(source).get_json(server.url + "/posts.json", {"limit": "1"})
        agent = server.log[-1].headers["user-agent"]
        assert agent == f"refcolor/{__version__} (user #{named}; +tests@example.org)"


@pytest.mark.parametrize("id", ["#12345", "me", "-1", "1.5", "1\r\nX-Evil: 1", "\u0663"])
def test_a_user_id_is_a_number(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name instead of a number is refused, and the id cannot inject request headers."""
    monkeypatch.setenv("DANBOORU_USER_ID", id)
    with pytest.raises(
        RefcolorError, match=r"DANBOORU_USER_ID must be a number such as 12345, got"
    ):
        user_agent("a@b.c")


@pytest.mark.parametrize("contact", ["a@b.c\r\nX-Evil: 1", "a\0b", "é@example.org", "x" * 201])
def test_a_contact_is_one_line_of_ascii(contact: str) -> None:
    """A contact cannot inject request headers."""
    with pytest.raises(RefcolorError, match="one line of ASCII"):
        user_agent(contact)


def test_the_login_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both halves give a login, none gives None, one is an error."""
    for name in ("LOGIN", "API_KEY"):
        monkeypatch.delenv(f"DANBOORU_{name}", raising=False)
    assert login() is None
    monkeypatch.setenv("DANBOORU_LOGIN", "tester")
    with pytest.raises(RefcolorError, match="belong together"):
        login()
    monkeypatch.setenv("DANBOORU_API_KEY", "secret")
    assert login() == ("tester", "secret")


@pytest.mark.parametrize(
    ("rate", "url", "message"),
    [
        (10.5, "https://danbooru.donmai.us", "at most 10 requests a second, got 10.5"),
        (11, "http://127.0.0.1:3000", "at most 10"),
        (0, "https://1.1.1.1", r"rate 0 \(no limit\) is only for your own servers"),
        (0, "", "got public addresses"),
    ],
)
def test_high_rates_are_refused(rate: float, url: str, message: str) -> None:
    """At most ten requests a second are sent; no limit is allowed for private servers only."""
    with pytest.raises(RefcolorError, match=message):
        check_rate(rate, url)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "192.168.1.5", "10.1.2.3"])
def test_private_servers_need_no_limit(host: str) -> None:
    """Loopback and private addresses take rate 0; any address takes 10."""
    check_rate(0, f"http://{host}:3000/")
    check_rate(10, "https://danbooru.donmai.us")
