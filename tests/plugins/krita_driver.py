"""Runs inside Krita: works the dock as a person would, and writes what Krita holds then.

The environment variable DRIVER names a folder with cases.json; a file <case>.json appears for each
case, and files of pixels (blue, green, red, alpha) beside it.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from krita import Extension, Krita, Node
from PyQt5.QtCore import QTimer

Steps = Iterator[Callable[[], bool]]  # each: the condition for going on

FOLDER = Path(os.environ["DRIVER"])
PERIOD = 50  # milliseconds


def after(seconds: float) -> Callable[[], bool]:
    """Give the condition that a time has passed."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def pixels_file(source: Node, box: list[int], name: str) -> str:
    """Write the pixels in a box; return the file's name."""
    (FOLDER / name).write_bytes(bytes(source.pixelData(*box)))
    return name


def described(node: Node, name: str) -> dict[str, object]:
    """Describe a layer and those in it, the lowest first."""
    box = node.bounds()
    place = [box.x(), box.y(), box.width(), box.height()]
    paint = node.type() == "paintlayer"
    return {
        "name": node.name(),
        "type": node.type(),
        "visible": node.visible(),
        "mode": node.blendingMode(),
        "box": place,
        "pixels": pixels_file(node, place, f"{name}.bin") if paint else None,
        "layers": [described(n, f"{name}-{k}") for k, n in enumerate(node.childNodes())],
    }


def play(case: dict[str, Any]) -> Steps:
    """Open a drawing, select a layer, fill the dock in, press its button, and write the result."""
    document = Krita.instance().openDocument(case["drawing"])
    Krita.instance().activeWindow().addView(document)
    document.setColorSpace("RGBA", case["depth"], "sRGB-elle-V2-srgbtrc.icc")
    document.waitForDone()
    document.setActiveNode(document.nodeByName(case["layer"]))
    yield lambda: document == Krita.instance().activeDocument()
    dock = next(d for d in Krita.instance().dockers() if d.objectName() == "refcolor_krita")
    dock.references.clear()
    dock.add_references(case["references"])
    (dock.flat if case["flat"] else dock.soft).setChecked(True)
    dock.size.setValue(case["size"])
    dock.program.setText(case["program"])
    dock.button.click()
    if case["stop"]:
        dock.button.click()
    turns: list[bool] = []  # of Krita's event loop while refcolor works

    def is_done() -> bool:
        turns.append(not dock.progress.isHidden())
        return not turns[-1]

    yield is_done
    document.waitForDone()
    yield after(0.5)
    box = [0, 0, document.width(), document.height()]
    document.setColorSpace("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
    document.waitForDone()
    report = {
        "turns": len(turns),
        "message": dock.message.text(),
        "selected": document.activeNode().name(),
        "layers": described(document.rootNode(), case["name"])["layers"],
        "picture": pixels_file(document, box, f"{case['name']}.bin"),
        "size": box[2:],
    }
    dock.widget().grab().save(str(FOLDER / f"{case['name']}.png"))
    (FOLDER / f"{case['name']}.json").write_text(json.dumps(report), encoding="utf-8")
    document.setModified(False)
    document.close()


def play_all() -> Steps:
    """Play the cases once the window has been there for a while, then end Krita."""
    yield lambda: Krita.instance().activeWindow().qwindow().isVisible()
    yield after(2)
    for case in json.loads((FOLDER / "cases.json").read_text(encoding="utf-8")):
        yield from play(case)


class Driver(Extension):
    """Takes a step whenever the condition for it holds; in between Krita works."""

    def setup(self) -> None:
        """Do nothing yet."""

    def createActions(self, window: object) -> None:  # noqa: N802, Krita calls it
        """Begin, because the first window is being made."""
        self.steps = play_all()
        self.ready: Callable[[], bool] = lambda: Krita.instance().activeWindow() is not None
        self.timer = QTimer(interval=PERIOD)
        self.timer.timeout.connect(self.take_step)
        self.timer.start()

    def take_step(self) -> None:
        """Take a step; the last, or an error, ends Krita without questions."""
        try:
            if self.ready():
                self.ready = next(self.steps)
        except BaseException as error:
            if not isinstance(error, StopIteration):
                traceback.print_exc()
            sys.stderr.flush()
            os._exit(not isinstance(error, StopIteration))


Krita.instance().addExtension(Driver(Krita.instance()))
