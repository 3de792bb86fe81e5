"""Requests with retries and a deadline for response bodies."""

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import requests
from requests import Response
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util import Retry

from refcolor.errors import RefcolorError
from refcolor.sources.network.errors import RequestError, error_from_response
from refcolor.sources.network.hosts import Hosts, is_private_host
from refcolor.sources.network.rate_limit import RateLimiter
from refcolor.sources.network.session import GuardedSession

BODY_TIMEOUTS = 10  # a body must be complete within this many timeouts
LARGEST_JSON = 64_000_000  # bytes; 200 posts are below one million
_CHUNK = 1 << 16
_EXCERPT = 1 << 14  # bytes of an error's body that are read for its message

Result = TypeVar("Result")


class Client:
    """Sends requests with a shared rate limit and set of allowed hosts; thread-safe."""

    def __init__(
        self,
        *,
        user_agent: str,
        limiter: RateLimiter,
        hosts: Hosts,
        timeout: float = 30.0,
        tries: int = 5,
        connections: int = 8,
        auth: tuple[str, str] | None = None,
    ) -> None:
        """Make a client.

        timeout: seconds without a byte.  tries: requests for an address, retries included.
        connections: kept open to each host.  auth: name and key, which only `get_json` sends.
        """
        self.limiter, self.hosts = limiter, hosts
        self._timeout, self._auth = timeout, auth
        self._session = GuardedSession(
            hosts=hosts, limiter=limiter, connections=connections, user_agent=user_agent
        )
        # Not mounted in the adapter: urllib3 does not retry truncated bodies, and its retries
        # would neither wait for the rate limit nor count as those of `retry`.
        self._policy = Retry(
            total=tries - 1, backoff_factor=1.0, backoff_max=60.0, backoff_jitter=0.5
        )

    def get_json(self, url: str, params: Mapping[str, str]) -> Any:
        """Request JSON from an API, with retries.

        Raises RequestError on failure, SourceBlockedError when the source blocks this client.
        """
        if self._auth and url.startswith("http:") and not is_private_host(url):
            raise RefcolorError(
                f"the login for {url} would travel unencrypted; write https:// in "
                "source.danbooru.url, or unset DANBOORU_LOGIN and DANBOORU_API_KEY"
            )
        return self.retry(lambda: self._get_json(url, params))

    def retry(self, attempt: Callable[[], Result]) -> Result:
        """Call `attempt` up to `tries` times with exponential backoff while its error is retryable.

        A Retry-After of the server makes all threads wait. The last error is raised.
        """
        policy = self._policy
        while True:
            try:
                return attempt()
            except RequestError as error:
                if not (error.retryable and policy.total):
                    raise
                policy = policy.increment(error=error)
                backoff = policy.get_backoff_time()
                if error.retry_after is None:
                    self.limiter.sleep(backoff)
                else:
                    self.limiter.pause(max(error.retry_after, backoff))

    def open(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        expected: Collection[int] = (200,),
        api: bool = False,
    ) -> Response:
        """Send one request and follow redirects; `chunks` reads the body.

        expected: statuses that are not errors.  api: JSON is expected, and the login is sent.
        Use the response as a context manager.
        Raises RequestError or SourceBlockedError for other statuses, for hosts that are not allowed
        and for failed connections.
        """
        auth = self._auth if api else None
        options: Any = {"params": params, "headers": headers, "auth": auth, "stream": True}
        try:
            response = self._session.get(url, timeout=self._timeout, **options)
        except requests.TooManyRedirects as error:
            raise RequestError(f"{url}: {error}", reason="too_many_redirects") from error
        except requests.Timeout as error:
            raise RequestError(f"{url} does not answer", reason="timeout") from error
        except ValueError as error:
            other = isinstance(error, requests.exceptions.InvalidSchema)
            raise RequestError(
                f"{url!r} is or leads to an address that cannot be requested: {error}",
                reason="not_http" if other else "bad_address",
            ) from error
        except requests.RequestException as error:
            raise RequestError(
                f"{url} cannot be reached ({_cause(error)}); check the connection and run the same "
                "command again to resume",
                reason="unreachable",
            ) from error
        if response.status_code in expected:
            return response
        body = b""
        with response, suppress(RequestError):  # the message in the body is optional
            body = self._body(response, _EXCERPT)
        raise error_from_response(
            response.status_code,
            response.headers,
            body,
            url=response.url,
            from_source=self.hosts.contains(response.url),
            expects_json=api,
        )

    def chunks(self, response: Response, *, decode: bool = False) -> Iterator[bytes]:
        """Yield a body in chunks.

        decode: undo the content encoding.
        Raises a retryable RequestError: timeout when no byte arrives for the timeout or the body is
        incomplete after BODY_TIMEOUTS times that, cut_short when the connection breaks.
        """
        deadline = time.monotonic() + BODY_TIMEOUTS * self._timeout
        try:
            # `iter_content` waits for full chunks, for hours if the server sends single bytes.
            while chunk := response.raw.read1(_CHUNK, decode_content=decode):
                yield chunk
                if time.monotonic() > deadline:
                    raise RequestError(f"{response.url} is too slow", reason="timeout")
        except ReadTimeoutError as error:
            raise RequestError(f"{response.url} stopped sending", reason="timeout") from error
        except HTTPError as error:
            raise RequestError(
                f"{response.url} was interrupted: {error}", reason="cut_short"
            ) from error

    def _get_json(self, url: str, params: Mapping[str, str]) -> Any:
        headers = {"Accept-Encoding": "gzip, deflate"}
        with self.open(url, params=params, headers=headers, api=True) as response:
            body = self._body(response, LARGEST_JSON)
        if len(body) > LARGEST_JSON:
            raise RequestError(f"{url} sends more than {LARGEST_JSON} bytes", reason="too_large")
        try:
            return json.loads(body)
        except ValueError as error:
            raise RequestError(
                f"{url} must answer JSON, got {body[:60]!r}; check source.danbooru.url, and in a "
                "browser whether the login page of a network answers",
                reason="no_json",
            ) from error

    def _body(self, response: Response, limit: int) -> bytes:
        """Read a body to its end, or until it exceeds the limit."""
        body = bytearray()
        for chunk in self.chunks(response, decode=True):
            body += chunk
            if len(body) > limit:
                break
        return bytes(body)


def _cause(error: Exception) -> str:
    inner = error.args[0] if error.args else error
    return " ".join(str(getattr(inner, "reason", inner)).split())
