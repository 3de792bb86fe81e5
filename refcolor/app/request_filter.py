"""The filter of all HTTP requests: size limits, security headers, and no fetching of addresses."""

import sys
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Gradio compiles the templates of the page in the browser, which needs eval.
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'self'; "
    "base-uri 'self'; frame-ancestors "
)


class RequestFilter:
    """An ASGI middleware around Gradio's server.

    Gradio would fetch http://somewhere for /gradio_api/file=http://somewhere; the filter answers
    such requests with 403. Bodies above the limit get 413, bodies without a length 411. An upload
    that stops half-way is a line on stderr. The headers of responses allow the page to load from
    and to send to this server only.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, frame_in: Sequence[str] = ()) -> None:
        """max_bytes: of the largest body that is accepted.  frame_in: sites that may frame it."""
        self._app, self._max_bytes = app, max_bytes
        self._policy = POLICY + (" ".join(frame_in) or "'none'")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or pass it on to the server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = self._policy
                headers["Referrer-Policy"] = "no-referrer"
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        refusal = self._refusal(scope)
        try:
            await (refusal or self._app)(scope, receive, send_with_policy)
        except ClientDisconnect:
            print("refcolor: an upload stopped half-way and is dropped", file=sys.stderr)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        path = scope["path"].lower()
        if ":/" in path or "/proxy=" in path:
            return PlainTextResponse("only files of this page are served", status_code=403)
        headers = Headers(scope=scope)
        if "transfer-encoding" in headers:
            return PlainTextResponse("a body must say how large it is", status_code=411)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self._max_bytes:
            return PlainTextResponse("too large", status_code=413)
        return None
