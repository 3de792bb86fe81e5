"""Every request is honest, paced, tried again where that helps, and stays where it may go."""

import itertools
import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest

from refcolor import __version__
from refcolor.errors import RefcolorError
from refcolor.params import Params
from refcolor.sources.network import (
    Blocked,
    Client,
    Hosts,
    Limiter,
    Refused,
    check_rate,
    client_for,
    login,
    user_agent,
)
from tests.sources.clock import Time
from tests.sources.danbooru_server import DanbooruServer, Fault

AGENT = "refcolor-tests (+tests@example.org)"


@pytest.fixture
def ask(server: DanbooruServer, now: Time) -> Callable[..., Any]:
    """Ask the server for JSON: `ask("/posts.json", limit="3")`; the client stays the same."""
    client = client_of(server, now)
    return lambda path, **params: client.get_json(server.url + path, params)


def client_of(server: DanbooruServer, now: Time, rate: float = 0, **given: Any) -> Client:
    """Make a client of this server whose waits cost nothing."""
    options: dict[str, Any] = {"hosts": Hosts.of(server.url), "timeout": 2.0, **given}
    limiter = Limiter(rate, clock=now.clock, sleep=now.sleep)
    return Client(user_agent=AGENT, limiter=limiter, **options)


def statuses(server: DanbooruServer) -> list[int]:
    """List what was answered, in order."""
    return [request.status for request in server.log]


# What the server of the tests promises, so that the sources can be tested against it.


def test_pages_by_id_reach_every_post_once(ask: Callable[..., Any], server: DanbooruServer) -> None:
    """Cursors lead through all 2,000 posts, newest first, and end with an empty page."""
    server.short_pages = True
    seen: list[int] = []
    sizes = []
    page: dict[str, str] = {}
    while posts := ask("/posts.json", limit="200", only="id", **page):
        seen += [post["id"] for post in posts]
        sizes.append(len(posts))
        page = {"page": f"b{seen[-1]}"}
    assert len(seen) == len(set(seen)) == 2000
    assert seen == sorted(seen, reverse=True)
    assert set(sizes[:-1]) == {134}
    assert server.log[-1].status == 200


def test_the_site_searches_as_documented(ask: Callable[..., Any]) -> None:
    """Two tags and free metatags find posts; fields can be chosen; a banned post names no file."""
    tags = "solo simple_background rating:g status:active parent:none id:<=4000"
    found = ask("/posts.json", tags=tags, limit="200")
    assert {post["rating"] for post in found} == {"g"}
    assert max(post["id"] for post in found) <= 4000
    assert not any(post["is_banned"] or post["is_deleted"] for post in found)
    assert ask("/counts/posts.json", tags=tags)["counts"]["posts"] > 200
    (post,) = ask("/posts.json", limit="1", only="id,md5,media_asset[variants[type,url]]")
    assert post.keys() == {"id", "md5"}
    files = {"file_url" in post for post in ask("/posts.json", limit="60")}
    assert files == {True, False}


@pytest.mark.parametrize(
    ("params", "status", "said"),
    [
        ({"page": "1001"}, 410, "cannot go beyond page 1000"),
        ({"tags": "a b c rating:g"}, 422, "cannot search for more than 2 tags"),
    ],
)
def test_wrong_searches_are_refused_at_once(
    params: dict[str, str],
    status: int,
    said: str,
    ask: Callable[..., Any],
    server: DanbooruServer,
) -> None:
    """A request that is wrong in itself is made once, and the site's own words are passed on."""
    with pytest.raises(Refused, match=said) as caught:
        ask("/posts.json", **params)
    assert caught.value.status == status
    assert statuses(server) == [status]


# The client.


def test_a_search_that_the_database_gave_up_is_not_repeated(
    ask: Callable[..., Any], server: DanbooruServer
) -> None:
    """A timeout of the database is final at once: whoever asks can ask for less."""
    server.times_out = lambda tags, limit: "parent:none" in tags or limit > 100
    with pytest.raises(Refused, match="timed out running your query") as caught:
        ask("/posts.json", tags="parent:none", limit="50")
    assert caught.value.status == 500
    with pytest.raises(Refused):
        ask("/posts.json", limit="200")
    assert len(ask("/posts.json", limit="100")) == 100
    assert statuses(server) == [500, 500, 200]


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
    [("503", 503, "server_error"), ("no_answer", 0, "unreachable"), ("html", 200, "no_json")],
)
def test_five_tries_are_enough(
    kind: str, status: int, reason: str, ask: Callable[..., Any], server: DanbooruServer
) -> None:
    """What does not pass ends with the last error after five requests."""
    server.faults["/posts.json"] = Fault(kind)
    with pytest.raises(Refused) as caught:
        ask("/posts.json")
    assert (caught.value.status, caught.value.reason) == (status, reason)
    assert len(server.log) == 5


@pytest.mark.parametrize(("kind", "said"), [("stall", "fell silent"), ("trickle", "too slow")])
def test_silence_is_a_timeout(
    kind: str, said: str, server: DanbooruServer, now: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that stops coming, or comes by the byte, is given up."""
    monkeypatch.setattr("refcolor.sources.network.PATIENCE", 3)
    client = client_of(server, now, timeout=0.15, tries=2)
    client.get_json(server.url + "/posts.json", {"limit": "5"})
    server.faults["/posts.json"] = Fault(kind)
    start = time.monotonic()
    with pytest.raises(Refused, match=said) as caught:
        client.get_json(server.url + "/posts.json", {"limit": "5"})
    assert caught.value.reason == "timeout"
    assert time.monotonic() - start < 6
    assert len(server.log) == 3


def test_answers_without_end_are_given_up(
    server: DanbooruServer, now: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No server can fill the memory."""
    monkeypatch.setattr("refcolor.sources.network.LARGEST_ANSWER", 1 << 20)
    server.faults["/posts.json"] = Fault("endless")
    with pytest.raises(Refused, match="without end"):
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
    assert statuses(server) == [200, 429, *[200] * 9]


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
    with pytest.raises(Blocked, match=r"left alone for 2\.0 h .*run the same command again then"):
        ask("/posts.json")
    assert len(server.log) == 1 and now.slept == []


def test_cloudflare_stops_at_once(
    ask: Callable[..., Any], server: DanbooruServer, now: Time
) -> None:
    """A challenge is no error that passes; a browser's or a library's name gets one."""
    server.faults["/posts.json"] = Fault("cloudflare")
    with pytest.raises(Blocked, match=r"DANBOORU_CONTACT.*another network"):
        ask("/posts.json")
    for agent in ("Mozilla/5.0 (X11; Linux x86_64)", "python-requests/2.34.2"):
        client = Client(user_agent=agent, limiter=Limiter(0), hosts=Hosts.of(server.url))
        with pytest.raises(Blocked):
            client.get_json(server.url + "/counts/posts.json", {})
    assert statuses(server) == [403] * 3 and now.slept == []


def test_a_block_elsewhere_costs_one_file_only(
    server: DanbooruServer, now: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a list of addresses anywhere, one guarded host says nothing about the others."""
    monkeypatch.setattr("refcolor.sources.hosts.is_public", lambda address: True)
    server.faults["/1.png"] = Fault("cloudflare")
    server.faults["/4.png"] = Fault("429", retry_after="7200")
    client = client_of(server, now, hosts=Hosts(any_public=True))
    for path, reason in (("/1.png", "forbidden"), ("/4.png", "rate_limited")):
        with pytest.raises(Refused) as caught:
            client.open(server.url + path)
        assert caught.value.reason == reason and not caught.value.passing


def test_the_rate_is_kept_in_real_time(server: DanbooruServer) -> None:
    """Eight threads together ask 20 times a second, never more than a request ahead."""
    client = Client(user_agent=AGENT, limiter=Limiter(20), hosts=Hosts.of(server.url))
    ask = partial(client.get_json, server.url + "/posts.json", {"limit": "1", "only": "id"})
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ask(), range(40)))
    times = sorted(request.time for request in server.log)
    assert 39 / 20 - 0.3 <= times[-1] - times[0] < 4
    for start, later in itertools.combinations(range(40), 2):
        # On a busy machine a thread is held up between its turn and its request.
        assert times[later] - times[start] >= (later - start - 1) / 20 - 0.3


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
    with pytest.raises(Refused) as caught:
        client_of(server, now).open(server.url + "/1.png")
    assert caught.value.reason == "too_many_redirects" and not caught.value.passing
    assert len(server.log) == 6


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
        ("http://example.org\\@127.0.0.1/a.png", "other_host"),
    ],
)
def test_redirects_stay_on_the_source(
    to: str, reason: str, server: DanbooruServer, now: Time
) -> None:
    """An address that leads elsewhere is refused before anything is asked there."""
    server.faults["/1.png"] = Fault("redirect", to=to.format(port=server.port))
    with pytest.raises(Refused) as caught:
        client_of(server, now).open(server.url + "/1.png")
    assert caught.value.reason == reason
    assert len(server.log) == 1


# Who we are.


def test_the_user_agent_is_honest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Program, version and contact; the parameter goes before the environment."""
    monkeypatch.setenv("DANBOORU_CONTACT", "env@example.org")
    assert user_agent("") == f"refcolor/{__version__} (+env@example.org)"
    assert user_agent(" https://example.org/me ").endswith("(+https://example.org/me)")


def test_no_contact_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a contact nothing is asked, and the message says how to give one."""
    monkeypatch.delenv("DANBOORU_CONTACT", raising=False)
    with pytest.raises(RefcolorError, match=r"got no contact; set DANBOORU_CONTACT to an e-mail"):
        user_agent("")


@pytest.mark.parametrize("contact", ["a@b.c\r\nX-Evil: 1", "a\0b", "é@example.org", "x" * 201])
def test_a_contact_is_one_line_of_ascii(contact: str) -> None:
    """Nothing can be smuggled into the head of a request."""
    with pytest.raises(RefcolorError, match="one line of ASCII"):
        user_agent(contact)


def test_the_login_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both halves, none, or an explanation."""
    for name in ("LOGIN", "API_KEY"):
        monkeypatch.delenv(f"DANBOORU_{name}", raising=False)
    assert login() is None
    monkeypatch.setenv("DANBOORU_LOGIN", "tester")
    with pytest.raises(RefcolorError, match="belong together"):
        login()
    monkeypatch.setenv("DANBOORU_API_KEY", "secret")
    assert login() == ("tester", "secret")


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
    with pytest.raises(Refused, match="DANBOORU_LOGIN and DANBOORU_API_KEY") as caught:
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


# How often.


@pytest.mark.parametrize(
    ("rate", "url", "said"),
    [
        (10.5, "https://danbooru.donmai.us", "at most 10 requests a second, got 10.5"),
        (11, "http://127.0.0.1:3000", "at most 10"),
        (0, "https://1.1.1.1", r"rate 0 \(no limit\) is for servers of your own"),
        (0, "", "got addresses anywhere"),
    ],
)
def test_rude_rates_are_refused(rate: float, url: str, said: str) -> None:
    """Nobody is asked more than ten times a second; without a limit only one's own server."""
    with pytest.raises(RefcolorError, match=said):
        check_rate(rate, url)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "192.168.1.5", "10.1.2.3"])
def test_ones_own_server_needs_no_limit(host: str) -> None:
    """Loopback and private addresses take rate 0; anybody takes 10."""
    check_rate(0, f"http://{host}:3000/")
    check_rate(10, "https://danbooru.donmai.us")


def test_the_limiter_spaces_requests(now: Time) -> None:
    """At 4 a second the fifth request leaves a second after the first; a rest is not saved up."""
    limiter = Limiter(4, clock=now.clock, sleep=now.sleep)
    for _ in range(5):
        limiter.wait()
    assert now.now == 1
    now.now = 100
    for _ in range(3):
        limiter.wait()
    assert now.now == 100.5


def test_a_pause_holds_those_who_wait_already(capsys: pytest.CaptureFixture[str]) -> None:
    """A thread that waits for its turn is held by a pause that comes later, and a person told."""
    now = Time()

    def sleep(seconds: float) -> None:
        if not now.slept:
            limiter.pause(60)
            limiter.pause(59)
        now.sleep(seconds)

    limiter = Limiter(1, clock=now.clock, sleep=sleep)
    limiter.wait()
    limiter.wait()
    assert now.now == 60
    assert capsys.readouterr().err.count("asks for a pause of 60 s") == 1


# Where to.


def test_siblings_of_the_source_belong_to_it() -> None:
    """Pictures lie on sub-domains beside the site; a registry's other customers do not."""
    hosts = Hosts.of("https://danbooru.donmai.us", extra=["Files.Example.org"])
    for url in ("https://cdn.donmai.us/a", "http://donmai.us:80/", "https://files.example.org"):
        hosts.check(url)
    for url in ("https://evildonmai.us", "https://donmai.us.evil.org", "https://example.org"):
        with pytest.raises(Refused, match=r"source\.transfer\.hosts"):
            hosts.check(url)
    british = Hosts.of("https://pictures.example.co.uk")
    british.check("https://cdn.example.co.uk")
    with pytest.raises(Refused):
        Hosts.of("https://example.co.uk").check("https://other.co.uk")
    with pytest.raises(Refused):
        Hosts.of("http://10.0.0.1").check("http://20.0.0.1")


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
    with pytest.raises(Refused) as caught:
        client_of(server, now, hosts=Hosts(any_public=True)).open(url)
    assert caught.value.reason == "private_address"
    assert server.log == []
    named = Hosts.of(extra=["rebound.example.org"], any_public=True)
    client_of(server, now, hosts=named).open(url).close()
    assert statuses(server) == [200]


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
    with pytest.raises(Refused) as caught:
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
    with pytest.raises(Refused):
        client.open("http://10.0.0.1/1001.png")
    assert len(server.log) == 1


def test_extra_hosts_are_names() -> None:
    """An address where a name belongs is refused with an example."""
    with pytest.raises(RefcolorError, match=r"must be names such as cdn\.example\.org, got 'http"):
        Hosts.of(extra=["http://a.org/x"])


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
    limiter = Limiter(0, clock=now.clock, sleep=now.sleep)
    client = Client(user_agent=AGENT, limiter=limiter, hosts=Hosts.of(url))
    with pytest.raises(Refused, match=r"refused.*check the connection") as caught:
        client.get_json(url + "/posts.json", {})
    assert "HTTPConnectionPool" not in str(caught.value)
