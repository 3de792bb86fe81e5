"""Colour drawings on a page in the browser.

Drop a drawing and a picture you like, colour, see where each colour comes from, correct it, and
save picture and layers.

Examples:
  open the page on this machine, with sample pictures to begin with:
    refcolor app
  with a model of your own, and without opening a browser:
    refcolor app --model my-model --no-browser
  for everybody in the same network, without a password:
    refcolor app --host 0.0.0.0
  behind a web server that passes https://me.example/color/ on, and in a frame of a site:
    refcolor app --port 7860 --public https://me.example/color --frame-in https://blog.example

Nothing that is dropped on the page leaves this machine, and nothing is kept when it is closed.
"""

import argparse
import re

from refcolor.cli.options import add_model, load_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_model(parser)
    parser.add_argument("--port", type=_port, help="default: the first free one from 7860 on")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at; any but the default lets others use the page too",
    )
    parser.add_argument(
        "--public",
        metavar="URL",
        type=_site,
        help="the address at which others see the page when a web server passes it on (a proxy); "
        "without it they see nothing",
    )
    parser.add_argument(
        "--frame-in",
        metavar="SITE",
        nargs="+",
        type=_site,
        default=[],
        help="sites that may show the page in a frame, such as https://blog.example",
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the address")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from refcolor.app.serve import serve

    serve(
        load_model(arguments),
        host=arguments.host,
        port=arguments.port,
        browser=not arguments.no_browser,
        public=arguments.public or "",
        frame_in=arguments.frame_in,
    )


def _site(text: str) -> str:
    if re.fullmatch(r"https?://[\w.:\[\]-]+(/[\w./~-]*)?", text):
        return text.rstrip("/")
    raise argparse.ArgumentTypeError(f"a site reads https://me.example, got {text!r}")


def _port(text: str) -> int:
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, got {text!r}")
