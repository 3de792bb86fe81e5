"""Serve the page, by default to this machine only, and delete its files at the end."""

import errno
import ipaddress
import os
import shutil
import socket
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from refcolor.app.samples import draw_samples
from refcolor.colorize.colorizer import Colorizer
from refcolor.errors import RefcolorError

if TYPE_CHECKING:
    import gradio as gr

LOOPBACK = "127.0.0.1"
FIRST_PORT, PORTS = 7860, 100


def serve(
    colorizer: Colorizer,
    *,
    host: str,
    port: int | None,
    browser: bool,
    public: str = "",
    frame_in: Sequence[str] = (),
) -> None:
    """Serve the page until Ctrl-C.

    host: a warning is printed unless it is a loopback address.
    port: None for the first free port from 7860 on.  browser: open the page in a browser.
    public: the address of the page behind a proxy.  frame_in: sites that may show it in a frame.
    Raises RefcolorError when the server cannot listen at the address.
    """
    with running(colorizer, host=host, port=port, public=public, frame_in=frame_in) as address:
        if not _is_loopback(host):
            print(
                f"refcolor: warning: everybody who reaches {host} can use this page, and it has no "
                "password; without --host it is for this machine only",
                file=sys.stderr,
            )
        print(f"The page is at {address} (Ctrl-C ends it)", flush=True)
        if browser:
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(60)  # on Windows Ctrl-C does not end a wait for an event


@contextmanager
def running(
    colorizer: Colorizer,
    *,
    host: str = LOOPBACK,
    port: int | None = None,
    public: str = "",
    frame_in: Sequence[str] = (),
) -> Iterator[str]:
    """Run the page in threads, yield its address, and delete its files at the end."""
    host = host.strip("[]")
    _find_port(host, port)  # says what is wrong before the seconds that importing Gradio takes
    folder = Path(tempfile.mkdtemp(prefix="refcolor-app-"))
    _set_up_gradio(folder, host)
    from refcolor.app.page import build
    from refcolor.app.sessions import Sessions

    sessions = Sessions(colorizer, draw_samples(), folder)
    blocks = build(sessions)
    try:
        yield _launch(blocks, host, port, public, frame_in)
    finally:
        blocks.close(verbose=False)
        sessions.close_all()
        shutil.rmtree(folder, ignore_errors=True)


def _find_port(host: str, port: int | None) -> int:
    """Return a port that the server can listen at: `port`, or the first free one from FIRST_PORT.

    Gradio itself tries each port for five seconds and does not report the reason of a failure.
    """
    for candidate in [port] if port else range(FIRST_PORT, FIRST_PORT + PORTS):
        try:
            for address in (host, LOOPBACK):  # Gradio requires that its port is free at both
                _try_listening(address, candidate)
            return candidate
        except OSError as error:
            last_error = error
            if error.errno != errno.EADDRINUSE:
                break
    raise RefcolorError(
        f"the page cannot be served at {host} port {candidate}: {last_error.strerror}; name "
        "another with --port or --host"
    ) from last_error


def _try_listening(host: str, port: int) -> None:
    family = socket.getaddrinfo(host, port)[0][0]
    with socket.socket(family) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        attempt.bind((host, port))


def _set_up_gradio(folder: Path, host: str) -> None:
    # Gradio reads the environment when it is imported, so this runs before. Other variables of
    # Gradio (an address, a folder to serve, sharing the page) must have no effect.
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["GRADIO_EXAMPLES_CACHE"] = str(folder / "examples")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    # Gradio requests its own address at the start, which must not go through a proxy.
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "localhost", host)))


def _launch(
    blocks: "gr.Blocks", host: str, port: int | None, public: str, frame_in: Sequence[str]
) -> str:
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from refcolor.app.panels import MAX_MEGABYTES
    from refcolor.app.request_filter import RequestFilter
    from refcolor.app.theme import HEAD, make_theme

    name = f"[{host}]" if ":" in host else host
    layers = [
        Middleware(
            RequestFilter, max_bytes=(MAX_MEGABYTES + 1) * 1_000_000, frame_in=tuple(frame_in)
        )
    ]
    if _is_loopback(host):
        # Against DNS rebinding: a name of another site may resolve to this machine.
        hosts = [LOOPBACK, "localhost", name, *filter(None, [urlsplit(public).hostname])]
        layers.append(Middleware(TrustedHostMiddleware, allowed_hosts=hosts))

    def launch() -> str:
        _, address, _ = blocks.launch(
            server_name=name,
            server_port=_find_port(host, port),
            root_path=public,
            prevent_thread_lock=True,
            share=False,
            quiet=True,
            ssr_mode=False,
            mcp_server=False,
            enable_monitoring=False,
            run_history=False,
            footer_links=[],
            max_file_size=MAX_MEGABYTES * 1_000_000,
            state_session_capacity=100,
            theme=make_theme(),
            head=HEAD,
            app_kwargs={"middleware": layers, "docs_url": None, "redoc_url": None},
        )
        return public or str(address)

    tries_left = 3
    while True:
        try:
            return launch()
        except OSError as error:  # another program took the port meanwhile, or the machine is busy
            tries_left -= 1
            if not tries_left:
                raise RefcolorError(
                    f"the page did not answer at {host} within Gradio's five seconds; run the same "
                    "command again when this machine is less busy"
                ) from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
