"""Simultaneous events of one page: no update is lost."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from refcolor.app import actions
from refcolor.app.scene import Scene, Sheet
from refcolor.app.sessions import Sessions
from refcolor.colorize.jobs import Failure

pytestmark = pytest.mark.slow  # importing Gradio takes three seconds
REQUEST = SimpleNamespace(session_hash="a")


@pytest.fixture
def fire(sessions: Sessions) -> Callable[..., Any]:
    """Give a function that runs the handler of an event: `fire("drawing", "files", ...)`."""
    gradio = pytest.importorskip("gradio", reason="gradio is missing")
    from refcolor.app.page import Board

    async def lay_out() -> tuple[Any, Any]:
        with gradio.Blocks(analytics_enabled=False) as blocks:
            return Board(sessions), blocks

    # Without a running event loop Gradio makes some that nobody closes.
    board, blocks = asyncio.run(lay_out())

    def fire(part: str, event: str, **values: Any) -> Any:
        target = (getattr(board, part)._id, event)
        (function,) = (fn.fn for fn in blocks.fns.values() if target in fn.targets)
        return function(SimpleNamespace(**values), REQUEST)

    return fire


def sent(path: str, *, add: bool) -> dict[str, Any]:
    """Give the values of the event `files`."""
    return {"paths": [path], "names": [path], "add": add, "failed": [], "more": 0}


def run_in_threads(*calls: Callable[[], Any]) -> list[Any]:
    """Make every call in its own thread; returns what each returned or raised, in order."""
    answers: list[Any] = [None] * len(calls)

    def answer(place: int, call: Callable[[], Any]) -> None:
        try:
            answers[place] = call()
        except Exception as error:
            answers[place] = error

    threads = [threading.Thread(target=answer, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers


def test_simultaneous_uploads_of_drawing_and_references_are_all_kept(
    fire: Callable[..., Any],
    sessions: Sessions,
    sheets: tuple[Sheet, Sheet, Sheet],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A drawing and references are decoded at the same time, and the page keeps all of them."""
    drawing, warm, cold = sheets
    uploads = {"drawing": [cold], "references": [warm, drawing]}
    both_decode = threading.Barrier(2, timeout=10)

    def receive(paths: Sequence[str]) -> tuple[list[Sheet], list[Failure]]:
        both_decode.wait()
        return uploads[paths[0]], []

    monkeypatch.setattr(sessions, "receive", receive)
    answers = run_in_threads(
        lambda: fire("drawing", "files", **sent("drawing", add=False)),
        lambda: fire("reference", "files", **sent("references", add=True)),
    )
    assert [type(answer) for answer in answers] == [dict, dict]
    scene = sessions.get("a").scene
    assert scene.drawing is cold
    assert scene.references == (warm, warm, drawing)


def test_events_of_a_page_run_one_after_another(
    fire: Callable[..., Any],
    sessions: Sessions,
    sheets: tuple[Sheet, Sheet, Sheet],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """References that arrive while a drawing is stored are not overwritten by it."""
    _, warm, cold = sheets
    take = actions.put_drawing
    meanwhile = threading.Thread(
        target=fire, args=["reference", "files"], kwargs=sent("cold", add=True)
    )

    def put_drawing(scene: Scene, drawing: Sheet) -> Scene:
        meanwhile.start()
        meanwhile.join(0.2)
        return take(scene, drawing)

    monkeypatch.setattr(sessions, "receive", lambda paths: ([cold], []))
    monkeypatch.setattr(actions, "put_drawing", put_drawing)
    fire("drawing", "files", **sent("cold", add=False))
    meanwhile.join(30)
    scene = sessions.get("a").scene
    assert scene.drawing is cold and scene.references == (warm, cold)
