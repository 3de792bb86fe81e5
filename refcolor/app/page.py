"""The page: its layout, and the action of each event.

The page speaks to painters: a drawing, a picture to take colours from, a spot, a match.
"""

import html
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr

from refcolor.app import actions, views
from refcolor.app.files import DOWNLOADS
from refcolor.app.messages import refusal_text
from refcolor.app.panels import MAX_MEGABYTES, button_list, picture_panel
from refcolor.app.scene import Scene, Sheet
from refcolor.app.sessions import Session, Sessions
from refcolor.colorize.colorizer import LOOK, Colorizer
from refcolor.errors import RefcolorError

HEADER = """
<header><h1>refcolor</h1><p>Colours a line drawing after a picture you like.</p></header>
"""

Updates = dict[Any, Any]
Read = Callable[[Any], Any]  # returns the argument of an action from an event
Action = Callable[[Scene, Any], Scene]

_STATIC = {"js_on_load": None, "apply_default_css": False}  # HTML without Gradio's script and CSS
_HIDDEN = {"show_progress": "hidden", "api_visibility": "private"}


def _identity(value: Any) -> Any:
    return value


class Board:
    """The components of the page, and their updates for a scene."""

    def __init__(self, sessions: Sessions) -> None:
        """Create the components and connect their events, inside `gr.Blocks`."""
        self.sessions = sessions
        self._lay_out(sessions.samples.first())
        self._connect()

    def _lay_out(self, first: Scene) -> None:
        gr.HTML(HEADER, elem_id="head", **_STATIC)
        with gr.Column(elem_id="board"):
            self.drawing = picture_panel(
                "Your drawing", views.drawing_view(first), accepts=1, elem_id="drawing"
            )
            self.reference = picture_panel(
                "Colours from",
                views.reference_view(first),
                accepts=actions.MAX_REFERENCES,
                elem_id="reference",
            )
            self.result = picture_panel(
                "Coloured",
                views.result_view(first),
                note="The coloured drawing will appear here.",
                elem_id="result",
            )
            with gr.Row(elem_id="controls"):
                self.photo = gr.Checkbox(label="A photo of paper: clean it", elem_id="photo")
                self.look = gr.Radio(
                    [("Flat", True), ("Soft", False)],
                    value=LOOK.flat,
                    label="Fill",
                    elem_id="look",
                )
                sizes = _sizes(self.sessions.colorizer)
                self.size = gr.Radio(sizes, value=sizes[0][1], label="Detail", elem_id="size")
                self.button = gr.Button("Colour", variant="primary", elem_id="color")
            self.advice = gr.HTML(
                views.advice(first),
                html_template='<p role="status">${value}</p>',
                elem_id="advice",
                **_STATIC,
            )
            with gr.Row(elem_id="choice"):
                self.palette = button_list(
                    views.palette_list(first), label="Colours of the reference", elem_id="palette"
                )
                self.picker = gr.ColorPicker(
                    "#c8553d", label="Any colour", show_label=False, elem_id="picker"
                )
                self.use = gr.Button("Use this colour", size="sm", elem_id="use")
                self.keep = gr.Button("Leave paper", size="sm", elem_id="keep")
            self.matches = button_list([], label="Matches", elem_id="matches")
            with gr.Row(elem_id="downloads"):
                self.downloads = {
                    name: gr.DownloadButton(
                        text, interactive=False, size="sm", elem_id=f"save-{name}"
                    )
                    for name, text in DOWNLOADS.items()
                }
        with gr.Column(elem_id="samples"):
            gr.HTML("<h2>Nothing at hand?</h2>", **_STATIC)
            with gr.Row():
                samples = self.sessions.samples
                self.sample_drawings = button_list(
                    views.sample_list(samples.drawings, "Take this drawing"),
                    label="Sample drawings",
                    elem_id="sample-drawings",
                )
                self.sample_references = button_list(
                    views.sample_list(samples.references, "Take these colours"),
                    label="Sample references",
                    elem_id="sample-references",
                )

    def _connect(self) -> None:
        def on(event: Callable[..., Any], action: Action, read: Read = _identity) -> None:
            handler = self._handler(action, read)
            event(handler, outputs=self.components, concurrency_limit=None, **_HIDDEN)

        samples = self.sessions.samples
        on(
            self.drawing.files,
            lambda scene, sheets: actions.put_drawing(scene, sheets[0]),
            lambda event: self.sessions.receive(event.paths[:1]),
        )
        on(
            self.reference.files,
            _take_references,
            lambda event: (self.sessions.receive(event.paths), event.add),
        )
        for panel in (self.drawing, self.reference):
            on(panel.refuse, _refuse_size)
        for panel in (self.drawing, self.result):
            on(panel.spot, lambda scene, event: actions.select_spot(scene, event.x, event.y))
        for panel in (self.drawing, self.reference, self.result):
            on(panel.leave, lambda scene, event: actions.clear_spot(scene))
        on(self.reference.spot, lambda scene, event: actions.add_match(scene, event.x, event.y))
        on(self.reference.choose, _at_index(actions.choose_reference))
        on(self.reference.discard, _at_index(actions.drop_reference))
        on(self.matches.press, _at_index(actions.drop_match))
        on(self.palette.press, _at_index(actions.add_palette_color))
        on(self.keep.click, lambda scene, event: actions.add_color(scene, None))
        self.use.click(
            self._use_color,
            inputs=[self.picker],
            outputs=self.components,
            concurrency_limit=None,
            **_HIDDEN,
        )
        on(
            self.sample_drawings.press,
            lambda scene, event: actions.put_drawing(scene, samples.drawings[event.index]),
        )
        on(
            self.sample_references.press,
            lambda scene, event: actions.put_reference(scene, samples.references[event.index]),
        )
        self.button.click(
            self._color,
            inputs=[self.size, self.photo, self.look],
            outputs=self.components,
            trigger_mode="multiple",  # the next result does not wait for the files of this one
            concurrency_limit=None,  # `_color` itself drops a second run of the same page
            **_HIDDEN,
        )

    @property
    def components(self) -> list[Any]:
        """All components that change."""
        panels = [self.drawing, self.reference, self.result]
        lists = [self.matches, self.palette]
        return [*panels, self.advice, *lists, self.button, *self.downloads.values()]

    def show(self, scene: Scene, *, busy: bool = False) -> Updates:
        """Return the updates of all components for a scene; busy: a result is being computed."""
        updates = {
            self.drawing: views.drawing_view(scene),
            self.reference: views.reference_view(scene),
            self.result: views.result_view(scene, busy=busy),
            self.advice: "Colouring …" if busy else views.advice(scene),
            self.matches: views.match_list(scene),
            self.palette: views.palette_list(scene),
            self.button: gr.Button(
                "Colouring …" if busy else "Colour",
                interactive=not busy and bool(scene.drawing and scene.references),
            ),
        }
        shown = scene.result and scene.result.drawing is scene.drawing
        if busy or not shown:
            updates |= {
                button: gr.DownloadButton(value=None, interactive=False)
                for button in self.downloads.values()
            }
        return updates

    def open(self, request: gr.Request) -> Updates:
        """Open the session of a page."""
        return self._step(self.sessions.get(request.session_hash))

    def close(self, request: gr.Request) -> None:
        """Close the session of a page."""
        self.sessions.close(request.session_hash)

    def _handler(self, action: Action, read: Read) -> Callable[..., Updates]:
        def handle(event: gr.EventData, request: gr.Request) -> Updates:
            with _refusals():
                session = self.sessions.get(request.session_hash)
                argument = read(event)  # decodes pictures, before the session is locked
                return self._step(session, lambda scene: action(scene, argument))

        return handle

    def _step(self, session: Session, step: Callable[[Scene], Scene] = _identity) -> Updates:
        """Apply a step to the session's scene and return the updates of the page."""
        with session.scene_lock:
            session.scene = step(session.scene)
            return self.show(session.scene, busy=session.coloring.locked())

    def _use_color(self, color: str, request: gr.Request) -> Updates:
        with _refusals():
            session = self.sessions.get(request.session_hash)
            return self._step(session, lambda scene: actions.add_color(scene, color))

    def _color(self, size: int, photo: bool, flat: bool, request: gr.Request) -> Iterator[Updates]:
        with _refusals():
            session = self.sessions.get(request.session_hash)
            if not session.coloring.acquire(blocking=False):
                # A double click is faster than the page can switch its button off.
                yield {self.advice: "Colouring …"}
                return
            if session.scene.is_colored((size, photo, flat)):
                # The second click of a double click may also arrive after the result.
                session.coloring.release()
                yield self._step(session)
                return
            error: RefcolorError | None = None
            try:
                yield self._step(session)
                with self.sessions.model:
                    result = actions.color(
                        session.scene,
                        self.sessions.colorizer,
                        size=size,
                        clean_lines=photo,
                        flat=flat,
                    )
                with session.scene_lock:
                    session.scene = actions.take_result(session.scene, result)
            except RefcolorError as raised:
                error = raised
            finally:
                session.coloring.release()
            yield self._step(session)
            if error:
                raise error
            files = session.save(result)
            if not session.coloring.locked():  # otherwise the next result replaces these files
                ready = {self.downloads[name]: _ready(path) for name, path in files.items()}
                yield ready | {self.advice: gr.skip()}


def _take_references(scene: Scene, upload: tuple[Sequence[Sheet], bool]) -> Scene:
    sheets, add = upload
    if add:
        return actions.add_references(scene, sheets)
    replaced = actions.put_reference(scene, sheets[0])
    return actions.add_references(replaced, sheets[1:]) if sheets[1:] else replaced


def _at_index(action: Callable[[Scene, int], Scene]) -> Callable[[Scene, Any], Scene]:
    return lambda scene, event: action(scene, event.index)


@contextmanager
def _refusals() -> Iterator[None]:
    """Show a RefcolorError as one line on the page; other exceptions keep their traceback."""
    try:
        yield
    except RefcolorError as error:
        text = html.escape(refusal_text(error), quote=False)
        raise gr.Error(text, duration=12, print_exception=False) from error


def _ready(path: Path) -> Any:
    return gr.DownloadButton(value=str(path), interactive=True)


def _refuse_size(scene: Scene, event: Any) -> Scene:
    raise RefcolorError(
        f"{event.name} could not be sent; a picture may have {MAX_MEGABYTES} MB at most"
    )


def _sizes(colorizer: Colorizer) -> list[tuple[str, int]]:
    trained, largest = colorizer.check_size(None), colorizer.sizes[1]
    larger = [size for size in (2 * trained, 4 * trained) if size <= largest]
    return [(f"{size} px", size) for size in (trained, *larger)]


def build(sessions: Sessions) -> gr.Blocks:
    """Create the page, which all sessions share."""
    # A session removes its own files; `delete_cache` removes uploads that were never read.
    with gr.Blocks(
        title="refcolor", analytics_enabled=False, delete_cache=(60, 3600), fill_width=True
    ) as blocks:
        board = Board(sessions)
        blocks.load(board.open, outputs=board.components, **_HIDDEN)
        blocks.unload(board.close)
    return blocks
