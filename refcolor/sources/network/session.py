"""A session of requests that obeys the allowed hosts and the rate limit, redirects included."""

from http.cookiejar import DefaultCookiePolicy
from io import BytesIO
from typing import Any

import requests
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from refcolor.sources.network.hosts import Hosts, is_public, private_address
from refcolor.sources.network.rate_limit import RateLimiter

REDIRECTS = 5


class GuardedSession(requests.Session):
    """Keeps no cookies, reads no netrc, and sends a login to no target of a redirect.

    Proxies and certificates are those of the environment, as for every program.
    """

    def __init__(
        self, *, hosts: Hosts, limiter: RateLimiter, connections: int, user_agent: str
    ) -> None:
        """connections: kept open to each host."""
        super().__init__()
        self.max_redirects = REDIRECTS
        self.auth = lambda request: request  # an authentication of ours, so netrc is not consulted
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.headers.update(
            {"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        )
        adapter = GuardedAdapter(hosts, limiter, connections)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def rebuild_auth(self, prepared_request: PreparedRequest, response: Response) -> None:
        """Drop the login from a redirect, also on the same host."""
        prepared_request.headers.pop("Authorization", None)


class GuardedAdapter(HTTPAdapter):
    """Checks the host and waits for the rate limit before each request.

    A private address is refused unless its host was named. What counts is the address at the other
    end of the connection, before anything is sent: a name that is looked up beforehand may have
    another address a moment later. Behind a proxy it is the proxy that looks names up, so there
    only addresses written as numbers are refused.
    """

    def __init__(self, hosts: Hosts, limiter: RateLimiter, connections: int) -> None:
        """connections: kept open to each host."""
        self._hosts, self._limiter = hosts, limiter
        super().__init__(pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make pools whose connections check the address of the other end."""
        super().init_poolmanager(*args, **options)
        pools = self.poolmanager.pool_classes_by_scheme
        guarded = {scheme: _guarded(pool, self._hosts) for scheme, pool in pools.items()}
        self.poolmanager.pool_classes_by_scheme = guarded

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        """Send one request; a redirect is returned without its body, which may have no end."""
        self._hosts.check(str(request.url))
        self._limiter.wait()
        response = super().send(request, *args, **options)
        if response.is_redirect:
            response.close()
            response.raw = BytesIO()
        return response


def _guarded(pool: Any, hosts: Hosts) -> Any:
    class Connection(pool.ConnectionCls):  # type: ignore[misc]
        def _new_conn(self) -> Any:
            connected = super()._new_conn()
            address = connected.getpeername()[0]
            if is_public(address) or self.host.strip("[]").lower() in hosts.names:
                return connected
            connected.close()
            raise private_address(self.host, address)

    return type(f"Guarded{pool.__name__}", (pool,), {"ConnectionCls": Connection})
