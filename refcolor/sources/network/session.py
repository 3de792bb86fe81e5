"""A requests session that enforces allowed hosts and the rate limit, redirects included."""

from http.cookiejar import DefaultCookiePolicy
from io import BytesIO
from typing import Any

import requests
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from refcolor.sources.network.hosts import Hosts, is_public, private_address_error
from refcolor.sources.network.rate_limit import RateLimiter

REDIRECTS = 5


class GuardedSession(requests.Session):
    """A session without cookies and netrc, which does not send the login to redirects.

    It uses the proxies and certificates of the environment.
    """

    def __init__(
        self, *, hosts: Hosts, limiter: RateLimiter, connections: int, user_agent: str
    ) -> None:
        """connections: kept open to each host."""
        super().__init__()
        self.max_redirects = REDIRECTS
        self.auth = lambda request: request  # an explicit auth disables netrc
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.headers.update(
            {"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        )
        adapter = GuardedAdapter(hosts, limiter, connections)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def rebuild_auth(self, prepared_request: PreparedRequest, response: Response) -> None:
        """Remove the login from a redirect, also on the same host."""
        prepared_request.headers.pop("Authorization", None)


class GuardedAdapter(HTTPAdapter):
    """Checks the host and waits for the rate limit before each request.

    A private address is rejected unless its host is in `Hosts.names`. The address of the connected
    peer is checked before anything is sent, because a name that was resolved earlier may have
    another address by then. A proxy resolves names itself, so behind one only numeric addresses are
    rejected.
    """

    def __init__(self, hosts: Hosts, limiter: RateLimiter, connections: int) -> None:
        """connections: kept open to each host."""
        self._hosts, self._limiter = hosts, limiter
        super().__init__(pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make pools whose connections check the address of their peer."""
        super().init_poolmanager(*args, **options)
        pools = self.poolmanager.pool_classes_by_scheme
        guarded = {scheme: _guarded(pool, self._hosts) for scheme, pool in pools.items()}
        self.poolmanager.pool_classes_by_scheme = guarded

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        """Send one request; the body of a redirect, which may be endless, is not read."""
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
            raise private_address_error(self.host, address)

    return type(f"Guarded{pool.__name__}", (pool,), {"ConnectionCls": Connection})
