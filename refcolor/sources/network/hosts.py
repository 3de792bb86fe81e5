"""Which hosts may be asked: a list of addresses must not lead into somebody's own network."""

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Self

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from refcolor.errors import RefcolorError
from refcolor.sources.network.refusal import Refused

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


@dataclass(frozen=True)
class Hosts:
    """The hosts that may be asked.

    names: these, even when their address is private.
    domains: these and everything below them, at public addresses.
    any_public: everything else too, at public addresses.
    """

    names: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    any_public: bool = False

    @classmethod
    def of(cls, *addresses: str, extra: Iterable[str] = (), any_public: bool = False) -> Self:
        """Allow the hosts of http addresses and the hosts beside them.

        danbooru.donmai.us brings cdn.donmai.us along, and example.org what is below it; an IP
        address or a name without dots is allowed alone.
        extra: names of further hosts, for themselves.
        Raises RefcolorError for an extra name that is none, Refused for such an address.
        """
        own = [_host(address) for address in addresses]
        further = [_checked(name) for name in extra]
        domains = {_domain(host) for host in own} - {""}
        return cls(frozenset(own + further), frozenset(domains), any_public)

    def check(self, url: str) -> None:
        """Raise Refused with the reason bad_address, not_http, private_address or other_host.

        A name is looked up when it is connected to, see `GuardedAdapter`.
        """
        host = _host(url)
        if host in self.names:
            return
        if _is_ip(host) and not is_public(host):
            raise _private(host, host)
        if not (self.any_public or self.owns(url)):
            raise Refused(
                0,
                f"{url} is on {host}, no host of the source; if it should be asked, name it in "
                "source.transfer.hosts",
                reason="other_host",
            )

    def owns(self, url: str) -> bool:
        """Whether an address belongs to the source itself."""
        host = _host(url)
        return host in self.names or any(f".{host}".endswith(f".{name}") for name in self.domains)


class GuardedAdapter(HTTPAdapter):
    """Connects to private addresses only where the host was named.

    What counts is the address at the other end of the connection, before anything is sent: a name
    that is looked up beforehand may have another address a moment later. Behind a proxy it is the
    proxy that looks names up, so there only addresses written as numbers are refused.
    """

    def __init__(self, hosts: Hosts, *, connections: int) -> None:
        """connections: kept open to each host."""
        self._hosts = hosts
        super().__init__(pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the connections guarded ones."""
        super().init_poolmanager(*args, **options)
        hosts = self._hosts

        class Plain(_Guarded, HTTPConnection):
            allowed = hosts

        class Secure(_Guarded, HTTPSConnection):
            allowed = hosts

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet: not private, loopback, link-local, ..."""
    ip = ip_address(address)
    return ip.is_global and not ip.is_multicast


def is_private_host(url: str) -> bool:
    """Whether all addresses of a host are private; False when it cannot be looked up."""
    try:
        found = socket.getaddrinfo(_host(url), None, type=socket.SOCK_STREAM)
    except (OSError, Refused, UnicodeError):
        return False
    return all(not is_public(str(address[0])) for *_, address in found)


class _Guarded:
    allowed: Hosts
    host: str

    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        address = connected.getpeername()[0]
        if is_public(address) or self.host.strip("[]").lower() in self.allowed.names:
            return connected
        connected.close()
        raise _private(self.host, address)


def _private(host: str, address: str) -> Refused:
    return Refused(
        0,
        f"{host} has the private address {address}; if the pictures are on your own network, name "
        "the host in source.transfer.hosts",
        reason="private_address",
    )


def _host(url: str) -> str:
    # The parser of the library that connects: another one may see another host.
    try:
        parts = parse_url(url)
    except LocationParseError as error:
        raise Refused(0, f"{url!r} is no address: {error}", reason="bad_address") from error
    if parts.scheme not in ("http", "https"):
        raise Refused(0, f"{url!r} must begin with http:// or https://", reason="not_http")
    if not parts.host:
        raise Refused(0, f"{url!r} names no host", reason="bad_address")
    return parts.host.strip("[]").lower().rstrip(".")


def _domain(host: str) -> str:
    labels = host.split(".")
    if _is_ip(host) or len(labels) < 2:
        return ""
    # Two short labels at the end are a registry (co.uk), under which strangers live.
    least = 3 if len(labels[-1]) == 2 and len(labels[-2]) <= 3 else 2
    return ".".join(labels[-max(least, len(labels) - 1) :])


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _checked(name: str) -> str:
    host = name.strip().lower()
    if not (_is_ip(host) or _NAME.fullmatch(host)):
        raise RefcolorError(
            f"source.transfer.hosts must be names such as cdn.example.org, got {name!r}; leave "
            "out http:// and everything after the name"
        )
    return host
