"""Make the client of a source from its parameters and the environment."""

import os

from refcolor import __version__
from refcolor.errors import RefcolorError
from refcolor.params import SourceParams
from refcolor.sources.network.client import Client
from refcolor.sources.network.hosts import Hosts, is_private_host
from refcolor.sources.network.rate_limit import RateLimiter

HIGHEST_RATE = 10.0  # requests a second, Danbooru's hard limit


def client_for(source: SourceParams) -> Client:
    """Make the client of a source.

    Raises RefcolorError when the contact or half of the login is missing, when the id of the user
    is not a number, and when the rate is too high.
    """
    transfer, rate = source.transfer, source.danbooru.rate
    site = {"danbooru": source.danbooru.url, "archive": source.archive.pictures}.get(source.kind)
    hosts = Hosts.of(*([site] if site else []), extra=transfer.hosts, any_public=not site)
    for address in [site or "", *(f"http://{host}" for host in transfer.hosts)]:
        check_rate(rate, address)
    return Client(
        user_agent=user_agent(source.danbooru.contact, source.danbooru.user_id),
        limiter=RateLimiter(rate),
        hosts=hosts,
        timeout=transfer.timeout,
        tries=transfer.tries,
        connections=transfer.threads,
        auth=login() if source.kind == "danbooru" else None,
    )


def user_agent(contact: str, user_id: int = 0) -> str:
    """Return the User-Agent: program, version, account and contact.

    contact: an e-mail address or a page; empty means $DANBOORU_CONTACT.
    user_id: of the user's account on Danbooru, whose staff ask programs to name it; 0 means
        $DANBOORU_USER_ID. Without either no account is named.
    Raises RefcolorError when the contact is missing or not a single line of ASCII, or when the id
    is not a number.
    """
    contact = (contact or os.environ.get("DANBOORU_CONTACT", "")).strip()
    if not contact:
        raise RefcolorError(
            "a source on a network needs a contact for its User-Agent, got none; set "
            "DANBOORU_CONTACT to an e-mail address or page, or source.danbooru.contact"
        )
    if not (contact.isascii() and contact.isprintable() and len(contact) <= 200):
        raise RefcolorError(
            f"a contact must be one line of ASCII, got {contact!r}; use an e-mail address or a page"
        )
    account = str(user_id or "") or os.environ.get("DANBOORU_USER_ID", "").strip()
    if account and not (account.isascii() and account.isdigit()):
        raise RefcolorError(
            f"DANBOORU_USER_ID must be a number such as 12345, got {account!r}; the address of "
            "your profile on the site ends with it"
        )
    return f"refcolor/{__version__} ({f'user #{account}; ' if account else ''}+{contact})"


def login() -> tuple[str, str] | None:
    """Return name and API key from the environment, None for anonymous requests.

    Raises RefcolorError when only one of them is set.
    """
    name, key = (os.environ.get(f"DANBOORU_{part}", "") for part in ("LOGIN", "API_KEY"))
    if bool(name) != bool(key):
        raise RefcolorError(
            "DANBOORU_LOGIN and DANBOORU_API_KEY belong together, got only one of them; set both "
            "or neither"
        )
    return (name, key) if name else None


def check_rate(rate: float, url: str) -> None:
    """Check a rate limit; 0 means no limit, which is only allowed for private addresses.

    Raises RefcolorError.
    """
    if rate > HIGHEST_RATE:
        raise RefcolorError(
            f"source.danbooru.rate must be at most {HIGHEST_RATE:g} requests a second, got "
            f"{rate:g}; the usual rate is 1"
        )
    if rate == 0 and not is_private_host(url):
        raise RefcolorError(
            "source.danbooru.rate 0 (no limit) is only for your own servers at private addresses, "
            f"got {url or 'public addresses'}; set it to 1"
        )
