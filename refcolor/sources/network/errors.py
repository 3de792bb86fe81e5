"""Failed requests: reason, whether to retry, and advice for the user."""

import json
from collections.abc import Mapping
from typing import Any

from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from refcolor.errors import RefcolorError

# Danbooru's 429 has no Retry-After; its limits are per minute.
DEFAULT_RETRY_AFTER = 60.0  # seconds
LONGEST_RETRY_AFTER = 3600.0  # seconds; a longer wait counts as a block

_REASONS = {401: "forbidden", 403: "forbidden", 404: "not_found", 408: "timeout", 410: "gone"}
_REASONS |= {429: "rate_limited", 451: "taken_down"}
_ADVICE = {
    401: "check DANBOORU_LOGIN and DANBOORU_API_KEY, or unset both to send anonymous requests",
    403: "this address is not public",
    429: "lower source.danbooru.rate, wait and run the same command again",
    503: "the source is unavailable: run the same command again later",
}
UNBLOCK = (
    "set DANBOORU_CONTACT to your own address and DANBOORU_USER_ID to your account's number, wait "
    "an hour, lower source.danbooru.rate or try another network (not a VPN or a data centre), and "
    "run the same command again to resume"
)
# Reasons that may be temporary or depend on the connection.
_RETRYABLE = frozenset({"unreachable", "timeout", "cut_short", "server_error", "rate_limited"})
_RETRYABLE |= {"no_json", "wrong_type", "wrong_checksum"}
# Reasons for which a server refuses this client, or another server answers in its place.
_REFUSALS = frozenset({"forbidden", "refused", "wrong_type", "other_host", "private_address"})
_REFUSALS |= {"too_many_redirects", "rate_limited"}
_API_KEY = (
    "if DANBOORU_API_KEY is set, that key must have the permission posts:index and allow requests "
    "from this network address; correct it in your profile, or unset it and DANBOORU_LOGIN"
)
_CLOUDFLARE_ERROR = b"error code: 1"  # the body of a ban, such as 1006
_LONGEST_EXCERPT = 200  # characters of the server's own message


class RequestError(RefcolorError):
    """A request for one address that failed.

    status: of HTTP, 0 without a response.
    reason: the snake_case name under which it is counted; depends on the status by default.
    retryable: whether a retry may help; depends on the reason by default.
    refused: whether this client rather than this address may be refused; depends on the reason by
        default.
    retry_after: seconds of the server's Retry-After, None without one.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        retryable: bool | None = None,
        refused: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Store the fields and the message."""
        super().__init__(message)
        self.status, self.retry_after = status, retry_after
        self.reason = reason or _REASONS.get(status, "server_error" if status >= 500 else "refused")
        self.retryable = self.reason in _RETRYABLE if retryable is None else retryable
        self.refused = self.reason in _REFUSALS if refused is None else refused


class SourceBlockedError(RefcolorError):
    """The source blocks this client: all further requests would fail."""


def error_from_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    url: str,
    from_source: bool,
    expects_json: bool,
) -> RequestError | SourceBlockedError:
    """Turn a response with an unexpected status into an error.

    headers: a case-insensitive mapping, as in `requests`.  body: at least its beginning.
    from_source: whether the host belongs to the source; a block then ends the stage.
    expects_json: whether this was a request to the API, which answers with JSON, errors included.

    A query that the database cancelled is not retryable: it would be cancelled again.
    """
    media_type = headers.get("Content-Type", "")
    excerpt = _message_in(body, media_type)
    detail = f" ({excerpt})" if excerpt else ""
    cloudflare = (
        "cf-mitigated" in headers
        or body.startswith(_CLOUDFLARE_ERROR)
        or ("html" in media_type and headers.get("Server", "").lower().startswith("cloudflare"))
    )
    retry_after = _retry_after(status, headers)
    if status == 403 and (cloudflare or (expects_json and "json" not in media_type)):
        blocked = (
            f"{'Cloudflare' if cloudflare else 'the site'} blocks this program: {url} answered "
            f"403{detail}; {UNBLOCK}"
        )
    elif retry_after is not None and retry_after > LONGEST_RETRY_AFTER:
        blocked = (
            f"{url} allows no request for {retry_after / 3600:.1f} h ({status}); run the same "
            "command again after that time to resume"
        )
    else:
        advice = _API_KEY if expects_json and status == 403 else _ADVICE.get(status, "")
        cancelled = status == 500 and expects_json and "timed out" in excerpt
        return RequestError(
            f"{url} answered {status}{detail}{f'; {advice}' if advice else ''}",
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


def _message_in(body: bytes, media_type: str) -> str:
    try:
        answer: Any = json.loads(body)
    except ValueError:
        answer = {"message": body.decode(errors="replace")} if "text/plain" in media_type else {}
    fields = answer if isinstance(answer, dict) else {}
    message = fields.get("message") or fields.get("reason") or fields.get("error") or ""
    return " ".join(str(message).split())[:_LONGEST_EXCERPT]
