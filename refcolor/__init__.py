"""Reference-based sketch colouring: Lee et al. (CVPR 2020), made right and repeatable.

Three lines colour a drawing:

    from refcolor import Colorizer
    colorizer = Colorizer.load("models")
    colorizer.colorize("sketch.png", "reference.png").save("colored.png")
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    """Import `Colorizer`, and NumPy with it, when it is asked for and not before."""
    if name == "Colorizer":
        return import_module("refcolor.colorize.colorizer").Colorizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
