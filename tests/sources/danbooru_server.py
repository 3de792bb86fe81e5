"""A Danbooru on loopback: its documented API, its pictures, and every fault of the real world.

    with DanbooruServer() as server:
        server.faults[server.path_of(server.good[0])] = Fault("cut", times=2)
        ...
        assert server.log[-1].status == 200

Alone: `python -m tests.sources.danbooru_server --posts 2000` prints its address.
What it answers and how it fails was read in Danbooru's source of August 2026.
"""

import argparse
import base64
import gzip
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from math import inf
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from tests.sources.danbooru_site import Site

FREE_METATAGS = re.compile(
    "(status|rating|limit|id|date|age|filesize|filetype|parent|child|md5|width|height|duration"
    "|mpixels|ratio|score):"
)
UNWELCOME = re.compile(r"Mozilla|python-requests|python-urllib|urllib3|curl|Wget|^$", re.IGNORECASE)
CHALLENGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"
MODIFIED = "Sat, 01 Jun 2024 12:00:00 GMT"


@dataclass
class Fault:
    """A fault on a path for the next `times` requests.

    kind: a status such as "503", or the name of a method `_fault_<kind>` below.
    retry_after: the header of that name, with a status.  to: where a redirect leads.
    ranges, tags: whether Range is honoured and ETag and date are given meanwhile.
    """

    kind: str
    times: float = inf
    retry_after: str = ""
    to: str = ""
    ranges: bool = True
    tags: bool = True


@dataclass
class Request:
    """One line of the log.

    time: seconds, when it came.  path: with the query.  headers: names in lower case.
    status: 0 if nothing was answered.  sent: bytes of the body that were sent.
    """

    time: float
    path: str
    headers: dict[str, str]
    status: int = 0
    sent: int = 0


@dataclass
class DanbooruServer(Site):
    """The site and its server. Everything may be changed while it runs.

    faults: by path, `*` for every other path.  log: every request, in order.
    short_pages: pages hold fewer posts than requested, as where some are hidden.
    times_out: whether the database gives a search up, by its tags and its limit.
    login: name and key that are right; asking without is allowed.
    clock: gives the times of the log.
    """

    port: int = 0
    faults: dict[str, Fault] = field(default_factory=dict)
    log: list[Request] = field(default_factory=list)
    short_pages: bool = False
    times_out: Callable[[list[str], int], bool] = lambda tags, limit: False
    login: tuple[str, str] = ("tester", "secret")
    clock: Callable[[], float] = time.monotonic

    def __enter__(self) -> Self:
        """Start to answer."""
        self.closing = threading.Event()
        self._http = _Http(("127.0.0.1", self.port), _Handler)
        self._http.site = self
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop, also in the middle of an answer."""
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def statuses(self) -> list[int]:
        """What was answered, in order."""
        return [request.status for request in self.log]

    def requests_of(self, path: str) -> list[Request]:
        """The requests for a path, with any query."""
        return [request for request in self.log if urlsplit(request.path).path == path]


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    site: DanbooruServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away in the middle belong to the tests."""


class _Wrong(Exception):  # noqa: N818 - status, error and message of the answer
    """The request itself is wrong, or too much for the site."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True  # or the body waits 40 ms for the head to be acknowledged
    server: _Http
    timeout = 60

    def log_message(self, *_arguments: Any) -> None:
        """Keep the terminal clean; there is a log of our own."""

    def do_GET(self) -> None:
        """Answer, with the fault of this path if it has one."""
        self.site = self.server.site
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.entry = Request(self.site.clock(), self.path, headers)
        self.site.log.append(self.entry)
        address = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(address.query).items()}
        self.fault = self._due(address.path)
        agent = headers.get("user-agent", "")
        if UNWELCOME.search(agent) or not re.search(r"@|://", agent):
            self._fault_cloudflare(b"")
        else:
            try:
                if self.fault.kind.isdigit():
                    raise _Wrong(int(self.fault.kind), "Error", "something is wrong")
                body = self._body(address.path)
            except _Wrong as wrong:
                self._refuse(*wrong.args)
            else:
                getattr(self, f"_fault_{self.fault.kind or 'none'}")(body)

    def _due(self, path: str) -> Fault:
        fault = self.site.faults.get(path) or self.site.faults.get("*") or Fault("")
        if fault.times <= 0:
            return Fault("")
        fault.times -= 1
        return fault

    def _body(self, path: str) -> bytes:
        if path.endswith(".json"):
            return json.dumps(self._json(path)).encode()
        if re.search(r"\d+\.(jpg|png)$", path):
            return self.site.content(path)
        raise _Wrong(404, "ActiveRecord::RecordNotFound", "That record was not found.")

    def _json(self, path: str) -> Any:
        login = self.headers.get("Authorization")
        right = base64.b64encode(":".join(self.site.login).encode()).decode()
        if login not in (None, f"Basic {right}"):
            raise _Wrong(401, "SessionLoader::AuthenticationFailure", "Invalid name or API key")
        if path == "/counts/posts.json":
            return {"counts": {"posts": len(self._search(limit=self.site.posts))}}
        if path != "/posts.json":
            raise _Wrong(404, "ActionController::RoutingError", "No such page")
        limit = min(int(self.query.get("limit", "20")), 200)
        shown = limit - limit // 3 if self.site.short_pages else limit
        page = self.query.get("page", "1")
        if page.startswith("b"):
            return self._search(limit=limit, below=int(page[1:]))[:shown]
        if int(page) > 1000:
            error = "PaginationExtension::PaginationError"
            raise _Wrong(410, error, "You cannot go beyond page 1000.")
        first = limit * (int(page) - 1)
        return self._search(limit=first + limit)[first:][:shown]

    def _search(self, *, limit: int, below: int = 1 << 40) -> list[dict[str, Any]]:
        tags = self.query.get("tags", "").split()
        counted = [tag for tag in tags if not FREE_METATAGS.match(tag)]
        if len(counted) > 2 and "Authorization" not in self.headers:
            error = "PostQuery::TagLimitError"
            raise _Wrong(422, error, "You cannot search for more than 2 tags at a time.")
        if self.site.times_out(tags, limit):
            error = "ActiveRecord::QueryCanceled"
            raise _Wrong(500, error, "The database timed out running your query.")
        posts = self.site.search(tags, below=below, limit=limit)
        names = re.sub(r"\[[^]]*\]", "", self.query.get("only", "")).split(",")
        if names == [""]:
            return posts
        return [{name: post[name] for name in names if name in post} for post in posts]

    def _refuse(self, status: int, error: str, message: str) -> None:
        answer = {"success": False, "error": error, "message": message, "backtrace": []}
        after = {"Retry-After": self.fault.retry_after} if self.fault.retry_after else {}
        self._send(json.dumps(answer).encode(), "application/json", status=status, **after)

    def _fault_none(self, body: bytes) -> None:
        if body[:1] in (b"[", b"{"):
            self._send(body, "application/json; charset=utf-8")
        else:
            self._send_file(body)

    def _fault_cloudflare(self, _body: bytes) -> None:
        marks = {"Server": "cloudflare", "cf-mitigated": "challenge"}
        self._send(CHALLENGE, "text/html; charset=UTF-8", status=403, **marks)

    def _fault_html_403(self, _body: bytes) -> None:
        """Refuse with a page that bears no mark of Cloudflare."""
        self._send(CHALLENGE, "text/html", status=403)

    def _fault_ban(self, _body: bytes) -> None:
        """Refuse as Cloudflare does with a banned address."""
        self._send(b"error code: 1006\n", "text/plain; charset=UTF-8", status=403)

    def _fault_html(self, _body: bytes) -> None:
        self._send(CHALLENGE, "text/html")

    def _fault_video(self, body: bytes) -> None:
        self._send(body, "video/mp4")

    def _fault_html_as_image(self, _body: bytes) -> None:
        self._send(CHALLENGE, "image/jpeg")

    def _fault_mislabelled(self, body: bytes) -> None:
        self._send(body, "text/html")

    def _fault_gzip(self, body: bytes) -> None:
        """Compress on the way, where that is welcome."""
        welcome = "gzip" in self.headers.get("Accept-Encoding", "")
        marks = {"Content-Encoding": "gzip"} if welcome else {}
        kind = "image/jpeg" if body[:1] == b"\xff" else "application/json"
        self._send(gzip.compress(body) if welcome else body, kind, status=200, **marks)

    def _fault_octets(self, body: bytes) -> None:
        self._send(body, "application/octet-stream")

    def _fault_empty(self, _body: bytes) -> None:
        self._send(b"", "image/jpeg")

    def _fault_damaged(self, body: bytes) -> None:
        """Serve a file that is cut short on the server itself: the length is right."""
        self._send_file(body[: len(body) // 2])

    def _fault_other(self, body: bytes) -> None:
        """Serve another file of the same length, as if it had been replaced."""
        self._send_file(body.replace(b"post ", b"fake "))

    def _fault_animated(self, _body: bytes) -> None:
        frames = [Image.new("L", (8, 8), gray) for gray in (0, 255)]
        file = BytesIO()
        frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
        self._send(file.getvalue(), "image/gif")

    def _fault_cut(self, body: bytes) -> None:
        """Send half of what is missing, and close."""
        self._send_file(body, cut=True)

    def _fault_cut_silently(self, body: bytes) -> None:
        """Close in the middle of a body of unknown length: the client cannot detect it."""
        self._start(200, {"Content-Type": "image/jpeg", "Connection": "close"})
        self._write(body[: len(body) // 2])

    def _fault_no_length(self, body: bytes) -> None:
        self._start(200, {"Content-Type": "image/jpeg", "Connection": "close"})
        self._write(body)

    def _fault_no_answer(self, _body: bytes) -> None:
        self.close_connection = True

    def _fault_redirect(self, _body: bytes) -> None:
        """Redirect with a cookie and a body that never ends, which the client must not read."""
        headers = {"Location": self.fault.to, "Set-Cookie": "tracked=yes"}
        self._start(302, headers | {"Connection": "close"})
        self._write(CHALLENGE)
        self.site.closing.wait(60)

    def _fault_wrong_range(self, body: bytes) -> None:
        """Answer every range with the beginning of the file."""
        where = {"Content-Range": f"bytes 0-{len(body) - 1}/{len(body)}"}
        ranged = "Range" in self.headers
        self._send(body, "image/jpeg", status=206 if ranged else 200, **(where if ranged else {}))

    def _fault_short_ranges(self, body: bytes) -> None:
        """Cut a whole file, and answer a range with a shorter one, as a server may."""
        start = int(re.sub(r"\D", "", self.headers.get("Range", "")) or -1)
        if start < 0:
            self._send_file(body, cut=True)
        else:
            end = (start + len(body) + 1) // 2
            where = {"Content-Range": f"bytes {start}-{end - 1}/{len(body)}"}
            self._send(body[start:end], "image/jpeg", status=206, **where)

    def _fault_endless(self, body: bytes) -> None:
        self._start(200, {"Content-Type": "image/jpeg", "Connection": "close"})
        while not self.site.closing.is_set():
            self._write(body + bytes(1 << 16))

    def _fault_slow(self, body: bytes) -> None:
        """Think for a while, then answer."""
        self.site.closing.wait(2)
        self._fault_none(body)

    def _fault_stall(self, body: bytes) -> None:
        """Send half of the body, then nothing."""
        self._start(200, {"Content-Type": "image/jpeg", "Content-Length": str(len(body))})
        self._write(body[: len(body) // 2])
        self.site.closing.wait(60)

    def _fault_trickle(self, body: bytes) -> None:
        """Send a byte now and then, so that no single wait is long."""
        self._start(200, {"Content-Type": "image/jpeg", "Content-Length": str(len(body))})
        for byte in body:
            self._write(bytes([byte]))
            if self.site.closing.wait(0.05):
                break

    def _send_file(self, body: bytes, *, cut: bool = False) -> None:
        tag = f'"{hashlib.md5(body).hexdigest()}"'
        headers = {"Content-Type": "image/png" if body[:1] == b"\x89" else "image/jpeg"}
        if self.fault.tags:
            headers |= {"ETag": tag, "Last-Modified": MODIFIED}
        range_header = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        status, total = 200, len(body)
        if range_header and self.fault.ranges and self.headers.get("If-Range", tag) == tag:
            status, start = 206, int(range_header[1])
            if start >= total:
                self._send(b"", "text/html", 416, **{"Content-Range": f"bytes */{total}"})
                return
            body = body[start:]
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        self._start(status, headers | {"Content-Length": str(len(body))})
        self._write(body[: len(body) // 2] if cut else body)
        self.close_connection |= cut

    def _send(self, body: bytes, kind: str, status: int = 200, **headers: str) -> None:
        self._start(status, {"Content-Type": kind, "Content-Length": str(len(body))} | headers)
        self._write(body)

    def _start(self, status: int, headers: dict[str, str]) -> None:
        self.entry.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _write(self, body: bytes) -> None:
        self.wfile.write(body)
        self.wfile.flush()
        self.entry.sent += len(body)


def main() -> None:
    """Serve until the process is ended; the first line printed is the address."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("port", 0), ("posts", 2000), ("size", 48), ("distinct", 12)):
        parser.add_argument(f"--{name}", type=int, default=default)
    with DanbooruServer(**vars(parser.parse_args())) as server:
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
