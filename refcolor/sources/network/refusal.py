"""How a request can fail: a reason to count, whether waiting helps, and what a person can do."""

import json
from collections.abc import Mapping
from typing import Any

from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from refcolor.errors import RefcolorError

# Danbooru's own 429 says nothing about the time; its limits are counted in minutes.
USUAL_WAIT = 60.0  # seconds
LONGEST_WAIT = 3600.0  # seconds; who asks for more does not want us now

_REASONS = {401: "forbidden", 403: "forbidden", 404: "not_found", 408: "timeout", 410: "gone"}
_REASONS |= {429: "rate_limited", 451: "taken_down"}
_SHORT = 200  # characters of what a server says that are worth a line


class Refused(RefcolorError):  # noqa: N818 - it is an answer
    """One address that could not be had.

    status: of HTTP, 0 where there was no answer.
    reason: the snake_case name under which it is counted; by default that of the status.
    passing: whether another try may help.
    wait: seconds after which the server wants to be asked again, None where it does not say.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        reason: str = "",
        passing: bool = False,
        wait: float | None = None,
    ) -> None:
        """Keep the facts beside the message."""
        super().__init__(message)
        self.status, self.passing, self.wait = status, passing, wait
        self.reason = reason or _REASONS.get(status, "server_error" if status >= 500 else "refused")


class Blocked(RefcolorError):  # noqa: N818 - it is an answer
    """The source turns us away as a whole; asking for anything else would be rude and useless."""


def refusal(
    status: int, headers: Mapping[str, str], body: bytes, *, url: str, own: bool, api: bool
) -> Refused | Blocked:
    """Understand an answer that is not what was asked for.

    headers: with names in any case, as `requests` gives them.  body: its beginning is enough.
    own: whether the host is the source's own, so that a block is one of the whole source.
    api: whether JSON was asked for, where the site itself would never answer with a page.

    A query that the database gave up is final at once: the same query would be given up again.
    """
    html = "html" in headers.get("Content-Type", "")
    cloudflare = headers.get("Server", "").lower().startswith("cloudflare")
    guarded = "cf-mitigated" in headers or (html and (api or cloudflare))
    if status == 403 and guarded:
        message = (
            f"{url} is guarded by Cloudflare, which turned this program away (403); check that "
            "DANBOORU_CONTACT or source.danbooru.contact is your own, wait an hour, lower "
            "source.danbooru.rate, or try another network (not a VPN or a data centre)"
        )
        return Blocked(message) if own else Refused(status, message)
    wait = _wait(status, headers)
    if wait is not None and wait > LONGEST_WAIT:
        message = f"{url} asks to be left alone for {wait / 3600:.1f} h ({status})"
        if own:
            return Blocked(f"{message}; run the same command again then, it goes on from here")
        return Refused(status, message)
    said = _said(body)
    given_up = status == 500 and api and "timed out" in said
    passing = (status >= 500 and not given_up) or status in (408, 429)
    message = f"{url} answered {status}{f' ({said})' if said else ''}{_advice(status)}"
    return Refused(status, message, passing=passing, wait=wait)


def _wait(status: int, headers: Mapping[str, str]) -> float | None:
    try:
        if status in (429, 503) and "Retry-After" in headers:
            return Retry().parse_retry_after(headers["Retry-After"])
    except InvalidHeader:
        pass
    return USUAL_WAIT if status == 429 else None


def _said(body: bytes) -> str:
    try:
        answer: Any = json.loads(body)
    except ValueError:
        return ""
    fields = answer if isinstance(answer, dict) else {}
    said = fields.get("message") or fields.get("reason") or fields.get("error") or ""
    return " ".join(str(said).split())[:_SHORT]


def _advice(status: int) -> str:
    match status:
        case 401:
            return "; check DANBOORU_LOGIN and DANBOORU_API_KEY, or unset both to ask anonymously"
        case 403:
            return "; the source does not give this to everybody"
        case 429:
            return "; lower source.danbooru.rate, wait and run the same command again"
        case 503:
            return "; the source is down for maintenance: run the same command again later"
        case _:
            return ""
