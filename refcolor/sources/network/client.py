"""Asking a server: every request, redirect and new try passes the limiter and the hosts."""

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urljoin

import requests
from requests import PreparedRequest, Response
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import HTTPError, LocationValueError, MaxRetryError, ReadTimeoutError
from urllib3.util import Retry

from refcolor.errors import RefcolorError
from refcolor.params import SourceParams
from refcolor.sources.network.hosts import GuardedAdapter, Hosts, is_private_host
from refcolor.sources.network.manners import Limiter, check_rate, login, user_agent
from refcolor.sources.network.refusal import Refused, refusal

REDIRECTS = 5
PATIENCE = 10  # times the time-out, until which a body must be here
LARGEST_ANSWER = 64_000_000  # bytes of JSON; 200 posts are below one million
_CHUNK = 1 << 16
_EXCERPT = 1 << 14  # bytes of a refusal, enough for its message

Result = TypeVar("Result")


class Client:
    """Asks for addresses, one limiter and one set of hosts for everything; safe in threads.

    Proxies and certificates are those of the environment, as for every program; a login is only
    the one given here, and goes nowhere but to what `get_json` is asked for. No cookie is kept.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        limiter: Limiter,
        hosts: Hosts,
        timeout: float = 30.0,
        tries: int = 5,
        connections: int = 8,
        auth: tuple[str, str] | None = None,
    ) -> None:
        """timeout: seconds of silence.  tries: of one address, until it is given up."""
        self.limiter, self.hosts = limiter, hosts
        self._timeout, self._auth = timeout, HTTPBasicAuth(*auth) if auth else None
        self._headers = {"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        self._adapter = GuardedAdapter(hosts, connections=connections)
        # The policy decides whether and how long; the loop is ours, because every try must pass
        # the limiter, and because a body cut short is an error that urllib3 does not try again.
        self._policy = Retry(
            total=tries - 1, backoff_factor=1.0, backoff_max=60.0, backoff_jitter=0.5
        )
        self._environment: dict[str, Any] = {}

    def get_json(self, url: str, params: Mapping[str, str]) -> Any:
        """Ask an API, again where that may help.

        Raises Refused when it fails for good, Blocked when the source turns us away.
        """
        if self._auth and url.startswith("http:") and not is_private_host(url):
            raise RefcolorError(
                f"the login for {url} would travel unencrypted; write https:// in "
                "source.danbooru.url, or unset DANBOORU_LOGIN and DANBOORU_API_KEY"
            )
        return self.patiently(lambda: self._ask(url, params))

    def patiently(self, attempt: Callable[[], Result]) -> Result:
        """Try until it works, up to `tries` times, with growing pauses in between.

        Where the server says how long to wait, everybody waits. The last error is raised.
        """
        policy = self._policy
        while True:
            try:
                return attempt()
            except Refused as error:
                if not error.passing:
                    raise
                try:
                    policy = policy.increment("GET", error=error)
                except MaxRetryError:
                    raise error from None
                backoff = policy.get_backoff_time()
                if error.wait is None:
                    self.limiter.sleep(backoff)
                else:
                    self.limiter.pause(max(error.wait, backoff))

    def open(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        expected: Collection[int] = (200,),
        api: bool = False,
    ) -> Response:
        """Ask once and follow redirects; the body is still to come, see `chunks`.

        expected: statuses that are answers.
        api: JSON is asked for, so the login goes along, where there is one.
        The response is to be used as a context manager.
        Raises Refused or Blocked for every other status and for hosts that must not be asked.
        """
        auth = self._auth if api else None
        for _ in range(REDIRECTS + 1):
            request = self._prepared(url, params, headers, auth)
            url = str(request.url)
            self.hosts.check(url)
            response = self._send(request)
            if not response.is_redirect:
                break
            response.close()
            # The login is for the host that was asked, not for one that it points to.
            url, params, auth = _target(url, response.headers["Location"]), None, None
        else:
            raise Refused(
                response.status_code, f"{url}: too many redirects", reason="too_many_redirects"
            )
        if response.status_code in expected:
            return response
        with response:
            body = self._excerpt(response)
        own, answered = self.hosts.owns(url), response.headers
        raise refusal(response.status_code, answered, body, url=url, own=own, api=api)

    def chunks(self, response: Response, *, decode: bool = False) -> Iterator[bytes]:
        """Give a body as it arrives.

        decode: undo a compression that the server applied on its way.
        Raises Refused, passing, with the reason timeout when nothing comes for the time-out or
        not everything in ten times that, and cut_short when the connection breaks.
        """
        last = time.monotonic() + PATIENCE * self._timeout
        try:
            # `iter_content` waits for full chunks; a server that trickles would hold it for hours.
            while chunk := response.raw.read1(_CHUNK, decode_content=decode):
                yield chunk
                if time.monotonic() > last:
                    raise Refused(0, f"{response.url} is too slow", reason="timeout", passing=True)
        except ReadTimeoutError as error:
            raise Refused(
                0, f"{response.url} fell silent", reason="timeout", passing=True
            ) from error
        except HTTPError as error:
            raise Refused(
                0, f"{response.url} broke off: {error}", reason="cut_short", passing=True
            ) from error

    def _ask(self, url: str, params: Mapping[str, str]) -> Any:
        body = bytearray()
        headers = {"Accept-Encoding": "gzip, deflate"}
        with self.open(url, params=params, headers=headers, api=True) as response:
            for chunk in self.chunks(response, decode=True):
                body += chunk
                if len(body) > LARGEST_ANSWER:
                    raise Refused(200, f"{url} answers without end", reason="too_large")
        try:
            return json.loads(body)
        except ValueError as error:
            raise Refused(
                200,
                f"{url} answered no JSON but {bytes(body[:60])!r}; is source.danbooru.url right?",
                reason="no_json",
                passing=True,
            ) from error

    def _prepared(
        self,
        url: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        auth: HTTPBasicAuth | None,
    ) -> PreparedRequest:
        request = requests.Request(
            "GET", url, params=params, headers=self._headers | dict(headers or {}), auth=auth
        )
        try:
            return request.prepare()
        except (requests.RequestException, ValueError) as error:
            raise Refused(0, f"{url!r} is no address: {error}", reason="bad_address") from error

    def _send(self, request: PreparedRequest) -> Response:
        url = str(request.url)
        environment = self._environment_of(url)
        self.limiter.wait()
        try:
            # Not through a session: it would read the body of a redirect, which may have no end.
            return self._adapter.send(request, timeout=self._timeout, **environment)
        except requests.Timeout as error:
            raise Refused(0, f"{url} is silent", reason="timeout", passing=True) from error
        except LocationValueError as error:
            raise Refused(0, f"{url!r} is no address: {error}", reason="bad_address") from error
        except requests.RequestException as error:
            raise Refused(
                0,
                f"{url} cannot be reached ({_cause(error)}); check the connection and run the same "
                "command again, it goes on from here",
                reason="unreachable",
                passing=True,
            ) from error

    def _environment_of(self, url: str) -> Any:
        # Looking for proxies takes as long as the rest of a request, so once a site.
        site = "/".join(url.split("/", 3)[:3])
        if site not in self._environment:
            settings = requests.Session().merge_environment_settings(url, {}, True, None, None)
            self._environment[site] = settings
        return self._environment[site]

    def _excerpt(self, response: Response) -> bytes:
        body = b""
        try:
            for chunk in self.chunks(response, decode=True):
                body += chunk
                if len(body) > _EXCERPT:
                    break
        except Refused:  # its message is a bonus
            pass
        return body


def client_for(source: SourceParams) -> Client:
    """Make the client of a source that asks a network.

    Raises RefcolorError when no contact is given, for a rate that is refused, and for a login of
    which one half is missing.
    """
    transfer, rate = source.transfer, source.danbooru.rate
    own = {"danbooru": source.danbooru.url, "archive": source.archive.pictures}.get(source.kind)
    hosts = Hosts.of(*([own] if own else []), extra=transfer.hosts, any_public=not own)
    for address in [own or "", *(f"http://{host}" for host in transfer.hosts)]:
        check_rate(rate, address)
    return Client(
        user_agent=user_agent(source.danbooru.contact),
        limiter=Limiter(rate),
        hosts=hosts,
        timeout=transfer.timeout,
        tries=transfer.tries,
        connections=transfer.threads,
        auth=login() if source.kind == "danbooru" else None,
    )


def _target(url: str, location: str) -> str:
    # Heads are decoded as Latin-1, servers write UTF-8.
    location = location.encode("latin-1", "replace").decode("utf-8", "replace")
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise Refused(
            0, f"{url} leads to {location!r}, no address", reason="bad_address"
        ) from error


def _cause(error: Exception) -> str:
    inner = error.args[0] if error.args else error
    return " ".join(str(getattr(inner, "reason", inner)).split())
