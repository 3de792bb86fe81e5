"""Every request is tried again where that helps, and given up where it does not."""

import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest

from refcolor.errors import RefcolorError
from refcolor.params import Params
from refcolor.sources.network.client import Client
from refcolor.sources.network.errors import RequestError, SourceBlockedError
from refcolor.sources.network.hosts import Hosts
from refcolor.sources.network.rate_limit import RateLimiter
from refcolor.sources.network.settings import client_for
from tests.sources.clients import AGENT, Time, client_of
from tests.sources.danbooru_server import DanbooruServer, Fault


def test_a_search_that_the_database_gave_up_is_not_repeated(
    ask: Callable[..., Any], server: DanbooruServer
) -> None:
    """A timeout of the database is final at once: whoever asks can ask for less."""
    server.times_out = lambda tags, limit: "parent:none" in tags or limit > 100
    with pytest.raises(RequestError, match="timed out running your query") as caught:
        ask("/posts.json", tags="parent:none", limit="50")
    assert caught.value.status == 500
    with pytest.raises(RequestError):
        ask("/posts.json", limit="200")
    assert len(ask("/posts.json", limit="100")) == 100
    assert server.statuses == [500, 500, 200]


@pytest.mark.parametrize("kind", ["500", "502", "503", "408", "no_answer", "cut", "html"])
def test_passing_faults_are_tried_again(
    kind: str, ask: Callable[..., Any], server: DanbooruServer, now: Time
) -> None:
    """Server errors, lost connections, cut answers and pages instead of JSON pass with time."""
    server.faults["/posts.json"] = Fault(kind, times=3)
    assert len(ask("/posts.json", limit="7")) == 7
    assert len(server.log) == 4
    first, second, third = now.slept
    assert first == 0 and 2 <= second <= 2.5 and 4 <= third <= 4.5


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [("503", 503, "server_error"), ("no_answer", 0, "unreachable"), ("html", 0, "no_json")],
)
def test_five_tries_are_enough(
    kind: str, status: int, reason: str, ask: Callable[..., Any], server: DanbooruServer
) -> None:
    """What does not pass ends with the last error after five requests."""
    server.faults["/posts.json"] = Fault(kind)
    with pytest.raises(RequestError) as caught:
        ask("/posts.json")
    assert (caught.value.status, caught.value.reason) == (status, reason)
    assert len(server.log) == 5


@pytest.mark.parametrize(("kind", "said"), [("stall", "stopped sending"), ("trickle", "too slow")])
def test_silence_is_a_timeout(
    kind: str, said: str, server: DanbooruServer, now: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that stops coming, or comes by the byte, is given up."""
    monkeypatch.setattr("refcolor.sources.network.client.PATIENCE", 2)
    url = server.url + "/posts.json"
    client_of(server, now).get_json(url, {"limit": "5"})
    server.faults["/posts.json"] = Fault(kind)
    start = time.monotonic()
    with pytest.raises(RequestError, match=said) as caught:
        client_of(server, now, timeout=0.5, tries=1).get_json(url, {"limit": "5"})
    assert caught.value.reason == "timeout" and caught.value.retryable
    assert time.monotonic() - start < 4


def test_answers_without_end_are_given_up(
    server: DanbooruServer, now: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No server can fill the memory."""
    monkeypatch.setattr("refcolor.sources.network.client.LARGEST_JSON", 1 << 20)
    server.faults["/posts.json"] = Fault("endless")
    with pytest.raises(RequestError, match="sends more than"):
        client_of(server, now).get_json(server.url + "/posts.json", {})
    assert len(server.log) == 1


@pytest.mark.parametrize(("retry_after", "seconds"), [("", 60), ("7", 7), ("soon", 60)])
def test_a_rate_limit_holds_everybody(
    retry_after: str, seconds: float, server: DanbooruServer, now: Time
) -> None:
    """After a 429 no thread asks before the time that the server named, or else a minute."""
    client = client_of(server, now, rate=10)
    server.clock = now.clock
    client.get_json(server.url + "/counts/posts.json", {})
    server.faults["/posts.json"] = Fault("429", times=1, retry_after=retry_after)
    one = partial(client.get_json, server.url + "/posts.json", {"limit": "1"})
    one()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: one(), range(8)))
    times = [request.time for request in server.log]
    assert times[2] - times[1] >= seconds
    assert times[-1] - times[2] >= 0.1 * 7
    assert server.statuses == [200, 429, *[200] * 9]


def test_a_pause_is_everybodys(server: DanbooruServer) -> None:
    """While the server wants to rest, the other threads are silent too."""
    client = Client(user_agent=AGENT, limiter=RateLimiter(100), hosts=Hosts.of(server.url))
    server.faults["/counts/posts.json"] = Fault("429", times=1, retry_after="1")

    def ask(number: int) -> None:
        path = "/counts/posts.json" if number == 5 else "/posts.json"
        client.get_json(server.url + path, {"limit": "1"})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(40)))
    refused = next(request.time for request in server.log if request.status == 429)
    others = [request.time - refused for request in server.log]
    # At most one request of each other thread was on its way already.
    assert sum(0.1 < after < 0.95 for after in others) <= 3
    assert max(others) > 1


def test_answers_may_come_compressed(ask: Callable[..., Any], server: DanbooruServer) -> None:
    """JSON is asked for compressed, pictures as they are, so that lengths and ranges hold."""
    server.faults["*"] = Fault("gzip")
    assert len(ask("/posts.json", limit="3")) == 3
    client = Client(user_agent=AGENT, limiter=RateLimiter(0), hosts=Hosts.of(server.url))
    path = server.path_of(1004)
    with client.open(server.url + path) as response:
        assert b"".join(client.chunks(response)) == server.content(path)


def test_dates_and_maintenance_are_understood(
    ask: Callable[..., Any], server: DanbooruServer, now: Time
) -> None:
    """Retry-After may be a date, and a 503 may have one too."""
    date = formatdate(time.time() + 100, usegmt=True)
    server.faults["/posts.json"] = Fault("503", times=1, retry_after=date)
    ask("/posts.json")
    assert 97 < now.now < 101


def test_a_server_that_wants_hours_is_left_alone(
    ask: Callable[..., Any], server: DanbooruServer, now: Time
) -> None:
    """A wait of more than an hour ends the stage with the advice to come back."""
    server.faults["/posts.json"] = Fault("429", retry_after="7200")
    with pytest.raises(
        SourceBlockedError, match=r"no request in the next 2\.0 h .*run the same command again then"
    ):
        ask("/posts.json")
    assert len(server.log) == 1 and now.slept == []


def test_cloudflare_stops_at_once(
    ask: Callable[..., Any], server: DanbooruServer, now: Time
) -> None:
    """A challenge is no error that passes; a browser's or a library's name gets one."""
    server.faults["/posts.json"] = Fault("cloudflare")
    with pytest.raises(SourceBlockedError, match=r"DANBOORU_CONTACT.*another network"):
        ask("/posts.json")
    for agent in ("Mozilla/5.0 (X11; Linux x86_64)", "python-requests/2.34.2"):
        client = Client(user_agent=agent, limiter=RateLimiter(0), hosts=Hosts.of(server.url))
        with pytest.raises(SourceBlockedError):
            client.get_json(server.url + "/counts/posts.json", {})
    assert server.statuses == [403] * 3 and now.slept == []


def test_a_page_from_the_api_is_a_challenge(
    ask: Callable[..., Any], server: DanbooruServer, now: Time
) -> None:
    """The API never answers 403 with a page, so without its marks it is Cloudflare too.

    For a single picture it is not: any server refuses files with a page.
    """
    server.faults["*"] = Fault("html_403")
    with pytest.raises(SourceBlockedError):
        ask("/posts.json")
    with pytest.raises(RequestError) as caught:
        client_of(server, now).open(server.url + "/1001.png")
    assert caught.value.reason == "forbidden"


def test_a_block_elsewhere_costs_one_file_only(
    server: DanbooruServer, now: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a list of addresses anywhere, one guarded host says nothing about the others."""
    for module in ("hosts", "session"):
        monkeypatch.setattr(f"refcolor.sources.network.{module}.is_public", lambda address: True)
    server.faults["/1.png"] = Fault("cloudflare")
    server.faults["/4.png"] = Fault("429", retry_after="7200")
    client = client_of(server, now, hosts=Hosts(any_public=True))
    for path, reason in (("/1.png", "forbidden"), ("/4.png", "rate_limited")):
        with pytest.raises(RequestError) as caught:
            client.open(server.url + path)
        assert caught.value.reason == reason and not caught.value.retryable


def test_every_try_and_every_redirect_waits_its_turn(server: DanbooruServer, now: Time) -> None:
    """Redirects and new tries are requests like any other."""
    server.clock = now.clock
    path = server.path_of(server.good[0])
    server.faults["/posts.json"] = Fault("500", times=1)
    server.faults["/1.png"] = Fault("redirect", times=2, to=server.url + path)
    client = client_of(server, now, rate=1)
    client.get_json(server.url + "/posts.json", {})
    with client.open(server.url + "/1.png") as response:
        assert response.url == server.url + path
    assert [request.time for request in server.log] == [0, 1, 2, 3]


def test_redirects_end(server: DanbooruServer, now: Time) -> None:
    """After five redirects an address is given up, without a word about trying again."""
    server.faults["/1.png"] = Fault("redirect", to="/1.png")
    with pytest.raises(RequestError) as caught:
        client_of(server, now).open(server.url + "/1.png")
    assert caught.value.reason == "too_many_redirects" and not caught.value.retryable
    assert len(server.log) == 6


def test_the_login_goes_to_the_api_alone(server: DanbooruServer, now: Time) -> None:
    """Searches carry it; pictures and redirects do not, and a wrong one is explained."""
    client = client_of(server, now, auth=server.login)
    client.get_json(server.url + "/posts.json", {"tags": "a b c"})
    client.open(server.url + server.path_of(1001)).close()
    server.faults["/counts/posts.json"] = Fault("redirect", times=1, to="/posts.json")
    client.get_json(server.url + "/counts/posts.json", {})
    assert ["authorization" in request.headers for request in server.log] == [
        *(True, False, True, False)
    ]
    wrong = client_of(server, now, auth=("tester", "wrong"))
    with pytest.raises(RequestError, match="DANBOORU_LOGIN and DANBOORU_API_KEY") as caught:
        wrong.get_json(server.url + "/posts.json", {})
    assert caught.value.status == 401


def test_a_login_never_travels_in_the_open(server: DanbooruServer, now: Time) -> None:
    """Over http a login is refused, unless the server is on the own network."""
    client = client_of(server, now, auth=server.login, hosts=Hosts.of("http://203.0.113.5"))
    with pytest.raises(RefcolorError, match="unencrypted"):
        client.get_json("http://1.1.1.1/posts.json", {})


def test_a_netrc_is_not_read(
    server: DanbooruServer, now: Time, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password that lies about for another program goes nowhere."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    client_of(server, now).get_json(server.url + "/posts.json", {})
    assert "authorization" not in server.log[0].headers


def test_each_source_has_its_client(
    make_params: Callable[..., Params], server: DanbooruServer
) -> None:
    """The parameters of a source become hosts, rate and name; a list goes anywhere public."""
    source = make_params().source

    def made(kind: str, rate: float = 0) -> Client:
        site = source.danbooru.model_copy(update={"url": server.url, "rate": rate})
        tree = source.archive.model_copy(update={"pictures": server.url + "/tree"})
        update = {"kind": kind, "danbooru": site, "archive": tree}
        return client_for(source.model_copy(update=update))

    site = made("danbooru")
    assert site.hosts == Hosts.of(server.url) == made("archive").hosts
    assert site.get_json(server.url + "/posts.json", {"limit": "2"})
    agent = server.log[-1].headers["user-agent"]
    assert re.fullmatch(r"refcolor/\S+ \(\+tests@example\.org\)", agent)
    made("url_list", rate=1).hosts.check("https://example.org/a.png")
    with pytest.raises(RefcolorError, match="set it to 1"):
        made("manifest")
    with pytest.raises(RefcolorError, match="at most 10"):
        made("danbooru", rate=12)


def test_an_unreachable_site_is_explained(now: Time) -> None:
    """Where nobody answers, the message says what to check, without a library's inner words."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    limiter = RateLimiter(0, clock=now.clock, sleep=now.sleep)
    client = Client(user_agent=AGENT, limiter=limiter, hosts=Hosts.of(url))
    with pytest.raises(RequestError, match=r"refused.*check the connection") as caught:
        client.get_json(url + "/posts.json", {})
    assert "HTTPConnectionPool" not in str(caught.value)
