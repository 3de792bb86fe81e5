"""Start the page, for this machine only unless told otherwise, and leave nothing behind."""

import errno
import ipaddress
import os
import shutil
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from refcolor.app.samples import draw_samples
from refcolor.colorize.colorizer import Colorizer
from refcolor.errors import RefcolorError

if TYPE_CHECKING:
    import gradio as gr

LOOPBACK = "127.0.0.1"
FIRST_PORT, PORTS = 7860, 100


def serve(colorizer: Colorizer, *, host: str, port: int | None, browser: bool) -> None:
    """Serve the page until Ctrl-C.

    host: anything but this machine's own addresses is warned of.
    port: None takes the first free one from 7860 on.  browser: open the page in one.
    Raises RefcolorError when the address cannot be had.
    """
    with running(colorizer, host=host, port=port) as address:
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
            threading.Event().wait()


@contextmanager
def running(
    colorizer: Colorizer, *, host: str = LOOPBACK, port: int | None = None
) -> Iterator[str]:
    """Run the page in threads of this process; gives its address. All its files go in the end."""
    host = host.strip("[]")
    port = _find_port(host, port)
    folder = Path(tempfile.mkdtemp(prefix="refcolor-app-"))
    _set_up_gradio(folder, host)
    from refcolor.app.page import build
    from refcolor.app.sessions import Sessions

    sessions = Sessions(colorizer, draw_samples(), folder)
    blocks = build(sessions)
    try:
        yield _launch(blocks, host, port)
    finally:
        blocks.close(verbose=False)
        sessions.close_all()
        shutil.rmtree(folder, ignore_errors=True)


def _find_port(host: str, port: int | None) -> int:
    """Find a port to listen at: the given one, or the first free one from FIRST_PORT on.

    Gradio would try each for five seconds, and not say what is wrong with it.
    """
    for candidate in [port] if port else range(FIRST_PORT, FIRST_PORT + PORTS):
        try:
            for address in (host, LOOPBACK):  # Gradio wants its port to be free at both
                _try_listening(address, candidate)
            return candidate
        except OSError as error:
            refused = error
            if error.errno != errno.EADDRINUSE:
                break
    raise RefcolorError(
        f"the page cannot be served at {host} port {candidate}: {refused.strerror}; name another "
        "with --port or --host"
    ) from refused


def _try_listening(host: str, port: int) -> None:
    family = socket.getaddrinfo(host, port)[0][0]
    with socket.socket(family) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        attempt.bind((host, port))


def _set_up_gradio(folder: Path, host: str) -> None:
    # Read when Gradio is imported or when its parts are made, so it is set before. What else the
    # environment tells Gradio (an address, a folder to serve, to share the page) must not count.
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["GRADIO_EXAMPLES_CACHE"] = str(folder / "examples")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    # Gradio asks its own address whether it is there, and must not ask a proxy for it.
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "localhost", host)))


def _launch(blocks: "gr.Blocks", host: str, port: int) -> str:
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from refcolor.app.panels import MAX_MEGABYTES
    from refcolor.app.request_filter import RequestFilter
    from refcolor.app.theme import HEAD, make_theme

    name = f"[{host}]" if ":" in host else host
    layers = [Middleware(RequestFilter, max_bytes=(MAX_MEGABYTES + 1) * 1_000_000)]
    if _is_loopback(host):
        # A page from elsewhere may claim that its own name is this machine (DNS rebinding).
        layers.append(
            Middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost", name])
        )
    try:
        _, address, _ = blocks.launch(
            server_name=name,
            server_port=port,
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
    except OSError as error:
        raise RefcolorError(
            f"the page did not answer at {host} port {port} within Gradio's five seconds; run the "
            "same command again when this machine is less busy"
        ) from error
    return str(address)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
