"""Why a request failed: a reason to count, whether a retry may help, and what the user can do."""

import json
from collections.abc import Mapping
from typing import Any

from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from refcolor.errors import RefcolorError

# Danbooru's own 429 names no time; its limits are counted in minutes.
DEFAULT_RETRY_AFTER = 60.0  # seconds
LONGEST_RETRY_AFTER = 3600.0  # seconds; a server that asks for more has blocked this client

_REASONS = {401: "forbidden", 403: "forbidden", 404: "not_found", 408: "timeout", 410: "gone"}
_REASONS |= {429: "rate_limited", 451: "taken_down"}
_ADVICE = {
    401: "check DANBOORU_LOGIN and DANBOORU_API_KEY, or unset both to send anonymous requests",
    403: "the server does not give this address to everybody",
    429: "lower source.danbooru.rate, wait and run the same command again",
    503: "the source is down for maintenance: run the same command again later",
}
# Reasons that often pass with time, or with another connection.
_RETRYABLE = frozenset({"unreachable", "timeout", "cut_short", "server_error", "rate_limited"})
_RETRYABLE |= {"no_json", "wrong_type", "wrong_checksum"}
_LONGEST_EXCERPT = 200  # characters of the server's own message


class RequestError(RefcolorError):
    """A request for one address that failed.

    status: of HTTP, 0 where there was no answer.
    reason: the snake_case name under which it is counted; by default that of the status.
    retryable: whether a retry may help; by default that of the reason.
    retry_after: seconds until the server wants the next request, None where it does not say.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        retryable: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Keep the facts beside the message."""
        super().__init__(message)
        self.status, self.retry_after = status, retry_after
        self.reason = reason or _REASONS.get(status, "server_error" if status >= 500 else "refused")
        self.retryable = self.reason in _RETRYABLE if retryable is None else retryable


class SourceBlockedError(RefcolorError):
    """The source blocks this client; further requests would fail too."""


def error_of_answer(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    url: str,
    from_source: bool,
    expects_json: bool,
) -> RequestError | SourceBlockedError:
    """Turn an answer with an unexpected status into an error.

    headers: with names in any case, as `requests` gives them.  body: its beginning is enough.
    from_source: whether the host is one of the source, so that a block is one of the whole source.
    expects_json: whether this was a request to the API, which itself never answers with a page.

    A query that the database cancelled is not retryable: the same query would be cancelled again.
    """
    html = "html" in headers.get("Content-Type", "")
    cloudflare = headers.get("Server", "").lower().startswith("cloudflare")
    retry_after = _retry_after(status, headers)
    if status == 403 and ("cf-mitigated" in headers or (html and (expects_json or cloudflare))):
        blocked = (
            f"{url} is guarded by Cloudflare, which blocked this program (403); check that "
            "DANBOORU_CONTACT or source.danbooru.contact is your own, wait an hour, lower "
            "source.danbooru.rate, or try another network (not a VPN or a data centre)"
        )
    elif retry_after is not None and retry_after > LONGEST_RETRY_AFTER:
        blocked = (
            f"{url} wants no request in the next {retry_after / 3600:.1f} h ({status}); run the "
            "same command again then, it goes on from here"
        )
    else:
        excerpt = _message_in(body)
        said = f" ({excerpt})" if excerpt else ""
        advice = f"; {_ADVICE[status]}" if status in _ADVICE else ""
        cancelled = status == 500 and expects_json and "timed out" in excerpt
        return RequestError(
            f"{url} answered {status}{said}{advice}",
            status=status,
            retryable=False if cancelled else None,
            retry_after=retry_after,
        )
    if from_source:
        return SourceBlockedError(blocked)
    return RequestError(blocked, status=status, retryable=False)


def _retry_after(status: int, headers: Mapping[str, str]) -> float | None:
    try:
        if status in (429, 503) and "Retry-After" in headers:
            return Retry().parse_retry_after(headers["Retry-After"])
    except InvalidHeader:
        pass
    return DEFAULT_RETRY_AFTER if status == 429 else None


def _message_in(body: bytes) -> str:
    try:
        answer: Any = json.loads(body)
    except ValueError:
        return ""
    fields = answer if isinstance(answer, dict) else {}
    message = fields.get("message") or fields.get("reason") or fields.get("error") or ""
    return " ".join(str(message).split())[:_LONGEST_EXCERPT]
