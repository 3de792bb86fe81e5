"""Allowed hosts: addresses of a list must not lead into a private network."""

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Self

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from refcolor.errors import RefcolorError
from refcolor.sources.network.errors import RequestError

if TYPE_CHECKING:
    from tldextract import TLDExtract

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


@dataclass(frozen=True)
class Hosts:
    """Allowed hosts.

    names: hosts that may have a private address.
    domains: domains that are allowed with their sub-domains, at public addresses.
    any_public: whether all other hosts at public addresses are allowed.
    """

    names: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    any_public: bool = False

    @classmethod
    def of(cls, *addresses: str, extra: Iterable[str] = (), any_public: bool = False) -> Self:
        """Allow the hosts of http addresses and the hosts of the same domain.

        danbooru.donmai.us allows cdn.donmai.us too, and example.org its sub-domains; an IP address,
        a name without dots and one whose ending is not a public suffix allow only themselves.
        extra: names of further hosts, without their sub-domains.
        Raises RefcolorError for an extra host that is not a name, RequestError for a bad address.
        """
        hosts = [_host(address) for address in addresses]
        domains = {_domain(host) for host in hosts} - {""}
        return cls(frozenset(hosts) | set(map(_checked, extra)), frozenset(domains), any_public)

    def check(self, url: str) -> None:
        """Raise RequestError with the reason bad_address, private_address or other_host.

        Names are resolved when a connection is made, see `session.GuardedAdapter`.
        """
        host = _host(url)
        if host in self.names:
            return
        if _is_ip(host) and not is_public(host):
            raise private_address_error(host, host)
        if not (self.any_public or self.contains(url)):
            raise RequestError(
                f"{url} is on {host}, which is not a host of the source; to allow it, add it to "
                "source.transfer.hosts",
                reason="other_host",
            )

    def contains(self, url: str) -> bool:
        """Return True when an address belongs to the source."""
        host = _host(url)
        return host in self.names or any(f".{host}".endswith(f".{name}") for name in self.domains)


def is_public(address: str) -> bool:
    """Return True for a public IP address: not private, loopback, link-local, ..."""
    ip = ip_address(address)
    return ip.is_global and not ip.is_multicast


def is_private_host(url: str) -> bool:
    """Return True when all addresses of a host are private; False if it cannot be resolved."""
    try:
        infos = socket.getaddrinfo(_host(url), None, type=socket.SOCK_STREAM)
    except (OSError, RequestError, UnicodeError):
        return False
    return all(not is_public(str(address[0])) for *_, address in infos)


def private_address_error(host: str, address: str) -> RequestError:
    """Make the error for a host at a private address."""
    return RequestError(
        f"{host} has the private address {address}; if the pictures are on your own network, add "
        "the host to source.transfer.hosts",
        reason="private_address",
    )


def _host(url: str) -> str:
    # The parser of the library that connects: another parser may disagree.
    try:
        host = parse_url(url).host
    except LocationParseError as error:
        raise RequestError(f"{url!r} is not an address: {error}", reason="bad_address") from error
    if not host:
        raise RequestError(f"{url!r} has no host", reason="bad_address")
    return host.strip("[]").lower().rstrip(".")


@cache
def _suffixes() -> "TLDExtract":
    """Make a reader of the Public Suffix List that comes with tldextract: without a request."""
    from tldextract import TLDExtract  # a tenth of a second that sources without a network save

    return TLDExtract(cache_dir=None, suffix_list_urls=(), include_psl_private_domains=True)


def _domain(host: str) -> str:
    """Return the domain around a host, at most its owner's: foo.github.io, not github.io."""
    owned = _suffixes()(host).top_domain_under_public_suffix
    return host.partition(".")[2] if owned and owned != host else owned


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
