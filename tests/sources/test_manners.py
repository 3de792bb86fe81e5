"""Nobody is asked without a name, nor more often than the rate allows."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from refcolor import __version__
from refcolor.errors import RefcolorError
from refcolor.sources.network.client import Client
from refcolor.sources.network.hosts import Hosts
from refcolor.sources.network.rate_limit import RateLimiter
from refcolor.sources.network.settings import check_rate, login, user_agent
from tests.sources.clients import AGENT, Time
from tests.sources.danbooru_server import DanbooruServer


def test_the_rate_is_kept_in_real_time(server: DanbooruServer) -> None:
    """Eight threads together ask 20 times a second, never more than a request ahead."""
    client = Client(user_agent=AGENT, limiter=RateLimiter(20), hosts=Hosts.of(server.url))
    ask = partial(client.get_json, server.url + "/posts.json", {"limit": "1", "only": "id"})
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ask(), range(40)))
    times = sorted(request.time for request in server.log)
    assert 39 / 20 - 0.3 <= times[-1] - times[0] < 4
    for start, later in itertools.combinations(range(40), 2):
        # On a busy machine a thread is held up between its turn and its request.
        assert times[later] - times[start] >= (later - start - 1) / 20 - 0.3


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
    limiter = RateLimiter(4, clock=now.clock, sleep=now.sleep)
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

    limiter = RateLimiter(1, clock=now.clock, sleep=sleep)
    limiter.wait()
    limiter.wait()
    assert now.now == 60
    assert capsys.readouterr().err.count("asks for a pause of 60 s") == 1
