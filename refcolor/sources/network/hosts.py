"""Which hosts may be requested: a list of addresses must not lead into a private network."""

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from refcolor.errors import RefcolorError
from refcolor.sources.network.errors import RequestError

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


@dataclass(frozen=True)
class Hosts:
    """The hosts that may be requested.

    names: these, even when their address is private.
    domains: these and their sub-domains, at public addresses.
    any_public: every other host too, at public addresses.
    """

    names: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    any_public: bool = False

    @classmethod
    def of(cls, *addresses: str, extra: Iterable[str] = (), any_public: bool = False) -> Self:
        """Allow the hosts of http addresses and the hosts beside them.

        danbooru.donmai.us allows cdn.donmai.us too, and example.org its sub-domains; an IP address
        or a name without dots allows nothing else.
        extra: names of further hosts, without their sub-domains.
        Raises RefcolorError for an extra host that is not a name, RequestError for a bad address.
        """
        hosts = [_host(address) for address in addresses]
        domains = {_domain(host) for host in hosts} - {""}
        return cls(frozenset(hosts) | set(map(_checked, extra)), frozenset(domains), any_public)

    def check(self, url: str) -> None:
        """Raise RequestError with the reason bad_address, private_address or other_host.

        A name is only looked up when it is connected to, see `session.GuardedAdapter`.
        """
        host = _host(url)
        if host in self.names:
            return
        if _is_ip(host) and not is_public(host):
            raise private_address(host, host)
        if not (self.any_public or self.contains(url)):
            raise RequestError(
                f"{url} is on {host}, which is not a host of the source; to allow it, name it in "
                "source.transfer.hosts",
                reason="other_host",
            )

    def contains(self, url: str) -> bool:
        """Whether an address belongs to the source itself."""
        host = _host(url)
        return host in self.names or any(f".{host}".endswith(f".{name}") for name in self.domains)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet: not private, loopback, link-local, ..."""
    ip = ip_address(address)
    return ip.is_global and not ip.is_multicast


def is_private_host(url: str) -> bool:
    """Whether all addresses of a host are private; False when it cannot be looked up."""
    try:
        infos = socket.getaddrinfo(_host(url), None, type=socket.SOCK_STREAM)
    except (OSError, RequestError, UnicodeError):
        return False
    return all(not is_public(str(address[0])) for *_, address in infos)


def private_address(host: str, address: str) -> RequestError:
    """Make the error for a host at a private address."""
    return RequestError(
        f"{host} has the private address {address}; if the pictures are on your own network, name "
        "the host in source.transfer.hosts",
        reason="private_address",
    )


def _host(url: str) -> str:
    # The parser of the library that connects: another one may see another host.
    try:
        host = parse_url(url).host
    except LocationParseError as error:
        raise RequestError(f"{url!r} is not an address: {error}", reason="bad_address") from error
    if not host:
        raise RequestError(f"{url!r} names no host", reason="bad_address")
    return host.strip("[]").lower().rstrip(".")


def _domain(host: str) -> str:
    labels = host.split(".")
    if _is_ip(host) or len(labels) < 2:
        return ""
    # Two short labels at the end are a registry (co.uk), whose sub-domains belong to strangers.
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
