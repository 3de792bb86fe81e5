"""Start the page, for this machine only, and leave nothing behind."""

import ipaddress
import os
import shutil
import socket
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

    port: None takes the first free one from 7860 on.  browser: open the page in one.
    Raises RefcolorError when the address cannot be had.
    """
    if not _is_loopback(host):
        print(
            f"Warning: everybody who reaches {host} can use this page, and it has no password. "
            "Without --host it is for this machine only.",
            flush=True,
        )
    with running(colorizer, host=host, port=port) as address:
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
    folder = Path(tempfile.mkdtemp(prefix="refcolor-app-"))
    _set_up_gradio(folder)
    from refcolor.app.page import build
    from refcolor.app.studio import Studio

    blocks = build(Studio(colorizer, draw_samples(), folder))
    try:
        yield _launch(blocks, folder, host, port)
    finally:
        blocks.close(verbose=False)
        shutil.rmtree(folder, ignore_errors=True)


def _set_up_gradio(folder: Path) -> None:
    # Read when Gradio is imported or when its parts are made, so they are set before.
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["GRADIO_EXAMPLES_CACHE"] = str(folder / "examples")
    os.environ["GRADIO_ALLOWED_PATHS"] = ""  # nothing is served but what lies in the folder
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    # Gradio asks its own address whether it is there, and must not ask a proxy for it.
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), LOOPBACK, "localhost")))


def _launch(blocks: "gr.Blocks", folder: Path, host: str, port: int | None) -> str:
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from refcolor.app.guard import Guard
    from refcolor.app.look import HEAD, make_theme
    from refcolor.app.wells import MAX_MEGABYTES

    layers = [Middleware(Guard, max_bytes=(MAX_MEGABYTES + 1) * 1_000_000)]
    if _is_loopback(host):
        # A page from elsewhere may claim that its own name is this machine (DNS rebinding).
        names = [LOOPBACK, "localhost", "[::1]"]
        layers.append(Middleware(TrustedHostMiddleware, allowed_hosts=names))
    try:
        _, address, _ = blocks.launch(
            server_name=host,
            server_port=port or _free_port(),
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
            f"the page cannot be served at {host} port {port or 'any'}; name another: --port"
        ) from error
    return str(address)


def _free_port() -> int:
    """Take the first free port, as Gradio would, without what its environment variables say."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        with socket.socket() as attempt:
            if attempt.connect_ex((LOOPBACK, port)):
                return port
    raise RefcolorError(
        f"no port from {FIRST_PORT} to {FIRST_PORT + PORTS} is free; name one: --port"
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
