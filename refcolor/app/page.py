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
from refcolor.app.actions import Step
from refcolor.app.files import DOWNLOADS
from refcolor.app.folder import MAX_DRAWINGS, ZIP, color_folder, describe, keep_uploads
from refcolor.app.messages import refusal_text
from refcolor.app.panels import MAX_MEGABYTES, button_list, picture_panel
from refcolor.app.scene import Result, Scene, Sheet
from refcolor.app.sessions import Session, Sessions
from refcolor.colorize.batch import Report
from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.jobs import Failure, listed
from refcolor.colorize.look import LOOK
from refcolor.errors import RefcolorError

HEADER = """
<header><h1>refcolor</h1><p>Colours a line drawing after a picture you like.</p></header>
"""

Updates = dict[Any, Any]
Read = Callable[[Session, Any], Any]  # returns the argument of an action from an event
Action = Callable[[Scene, Any], Scene]

_STATIC = {"js_on_load": None, "apply_default_css": False}  # HTML without Gradio's script and CSS
_HIDDEN = {"show_progress": "hidden", "api_visibility": "private"}


_ADVICE = """
<p role="status">${value.text}</p>
<progress max="1" value="${value.share}" aria-label="Done" ${value.share < 0 ? "hidden" : ""}>
</progress>
"""


def _event(session: Session, event: Any) -> Any:
    return event


def _same(scene: Scene) -> Scene:
    return scene


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
                "Your drawing",
                views.drawing_view(first),
                accepts=MAX_DRAWINGS,
                folder=True,
                elem_id="drawing",
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
                compare=True,
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
                with gr.Row(elem_id="folder", visible=False) as self.folder:
                    self.position = gr.HTML("", elem_id="position", **_STATIC)
                    self.previous = gr.Button("Previous", size="sm", elem_id="previous")
                    self.next = gr.Button("Next", size="sm", elem_id="next")
                    self.all = gr.Button("Colour all", size="sm", elem_id="color-all")
                    self.with_psd = gr.Checkbox(label="with PSD files", elem_id="with-psd")
                    self.zip = gr.DownloadButton(
                        "Save zip", interactive=False, size="sm", elem_id="zip"
                    )
            self.advice = gr.HTML(
                _says(views.advice(first)),
                html_template=_ADVICE,
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
                self.panel = gr.Button(
                    "Panel after this picture", size="sm", visible=False, elem_id="panel"
                )
                self.undo = gr.Button("Undo", size="sm", interactive=False, elem_id="undo")
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
        def on(event: Callable[..., Any], action: Action, read: Read = _event) -> None:
            handler = self._handler(action, read)
            event(handler, outputs=self.components, concurrency_limit=None, **_HIDDEN)

        samples = self.sessions.samples
        on(self.drawing.files, lambda scene, put: put(scene), self._receive_drawings)
        on(self.reference.files, _take_references, self._receive_references)
        for panel in (self.drawing, self.result):
            on(panel.spot, lambda scene, event: actions.select_spot(scene, event.x, event.y))
        for panel in (self.drawing, self.reference, self.result):
            on(panel.leave, lambda scene, event: actions.clear_spot(scene))
            on(panel.undo, lambda scene, event: actions.undo(scene))
        on(self.undo.click, lambda scene, event: actions.undo(scene))
        on(self.previous.click, lambda scene, event: actions.turn(scene, -1))
        on(self.next.click, lambda scene, event: actions.turn(scene, 1))
        on(self.reference.spot, lambda scene, event: actions.add_match(scene, event.x, event.y))
        on(self.reference.choose, _at_index(actions.choose_reference))
        on(self.reference.discard, _at_index(actions.drop_reference))
        on(self.matches.press, _at_index(actions.drop_match))
        on(self.palette.press, _at_index(actions.add_palette_color))
        on(self.keep.click, lambda scene, event: actions.add_color(scene, None))
        on(self.panel.click, lambda scene, event: actions.add_panel(scene))
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
        options = [self.size, self.photo, self.look]
        for button, color, inputs in (
            (self.button, self._color, options),
            (self.all, self._color_all, [*options, self.with_psd]),
        ):
            button.click(
                color,
                inputs=inputs,
                outputs=self.components,
                trigger_mode="multiple",  # the next result does not wait for the files of this one
                concurrency_limit=None,  # the handlers themselves drop a second run of a page
                **_HIDDEN,
            )

    @property
    def components(self) -> list[Any]:
        """All components that change."""
        panels = [self.drawing, self.reference, self.result]
        lists = [self.matches, self.palette]
        folder = [self.folder, self.position, self.all, self.zip]
        buttons = [self.button, self.panel, self.undo, *self.downloads.values()]
        return [*panels, self.advice, *lists, *folder, *buttons]

    def show(self, scene: Scene, *, busy: bool = False, in_folder: bool = False) -> Updates:
        """Return the updates of all components for a scene.

        busy: a result is being computed.  in_folder: those of a folder are.
        """
        working = busy or in_folder
        can_color = not working and bool(scene.drawing and scene.references)
        updates = {
            self.drawing: views.drawing_view(scene),
            self.reference: views.reference_view(scene),
            self.result: views.result_view(scene, busy=busy),
            self.advice: gr.skip() if working else _says(views.advice(scene)),
            self.matches: views.match_list(scene),
            self.palette: views.palette_list(scene),
            self.button: gr.Button(
                "Colouring …" if busy else "Colour",
                interactive=can_color,
            ),
            self.panel: gr.Button(visible=len(scene.references) > 1),
            self.undo: gr.Button(interactive=bool(scene.earlier)),
            self.folder: gr.Row(visible=bool(scene.folder)),
            self.position: views.position(scene),
            self.all: gr.skip()
            if working
            else gr.Button(f"Colour all {len(scene.folder)}", interactive=can_color),
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
                argument = read(session, event)  # decodes pictures, before the session is locked
                return self._step(session, lambda scene: action(scene, argument))

        return handle

    def _receive_drawings(self, session: Session, event: Any) -> Callable[[Scene], Scene]:
        _check_sent(event)
        if len(event.paths) > 1:
            files = [self.sessions.uploaded(path) for path in event.paths]
            entries = keep_uploads(session, list(zip(files, event.names, strict=True)))
            return lambda scene: actions.put_folder(scene, entries)
        ((drawing,), _) = self.sessions.receive(event.paths)
        return lambda scene: actions.put_drawing(scene, drawing)

    def _receive_references(self, session: Session, event: Any) -> tuple[Sequence[Sheet], bool]:
        _check_sent(event)
        sheets, failures = self.sessions.receive(event.paths)
        _warn(failures)
        return sheets, event.add

    def _step(self, session: Session, step: Callable[[Scene], Scene] = _same) -> Updates:
        """Apply a step to the session's scene and return the updates of the page."""
        with session.scene_lock:
            session.scene = step(session.scene)
            busy = session.coloring.locked() and not session.in_folder
            return self.show(session.scene, busy=busy, in_folder=session.in_folder)

    def _use_color(self, color: str, request: gr.Request) -> Updates:
        with _refusals():
            session = self.sessions.get(request.session_hash)
            return self._step(session, lambda scene: actions.add_color(scene, color))

    def _color(self, size: int, photo: bool, flat: bool, request: gr.Request) -> Iterator[Updates]:
        with _refusals():
            session = self.sessions.get(request.session_hash)
            if not session.coloring.acquire(blocking=False):
                # A double click is faster than the page can switch its button off.
                yield {self.advice: gr.skip()}
                return
            if session.scene.is_colored((size, photo, flat)):
                # The second click of a double click may also arrive after the result.
                session.coloring.release()
                yield self._step(session)
                return
            error: RefcolorError | None = None
            result: Result | None = None
            try:
                yield self._step(session) | {self.advice: _says("Colouring …", 0)}
                steps = actions.coloring(
                    session.scene,
                    self.sessions.colorizer,
                    size=size,
                    clean_lines=photo,
                    flat=flat,
                )
                while result is None:
                    # Free between steps, because a closed page may never resume this generator.
                    with self.sessions.model:
                        step = next(steps)
                    if isinstance(step, Step):
                        yield {self.advice: _says(step.text, step.share)}
                    else:
                        result = step
                with session.scene_lock:
                    session.scene = actions.take_result(session.scene, result)
            except RefcolorError as raised:
                error = raised
            finally:
                session.coloring.release()
            yield self._step(session)
            if error:
                raise error
            assert result
            files = session.save(result)
            if not session.coloring.locked():  # otherwise the next result replaces these files
                ready = {self.downloads[name]: _ready(path) for name, path in files.items()}
                yield ready | {self.advice: gr.skip()}

    def _color_all(
        self, size: int, photo: bool, flat: bool, psd: bool, request: gr.Request
    ) -> Iterator[Updates]:
        with _refusals():
            session = self.sessions.get(request.session_hash)
            if not session.coloring.acquire(blocking=False):
                session.stop.set()  # the button says Stop meanwhile
                yield {self.advice: gr.skip()}
                return
            session.stop.clear()
            session.in_folder = True
            report, scene = Report(), session.scene
            error: RefcolorError | None = None
            try:
                yield self._step(session) | {
                    self.all: gr.Button("Stop", interactive=True),
                    self.zip: gr.DownloadButton(value=None, interactive=False),
                }
                for step in color_folder(
                    self.sessions,
                    session,
                    scene,
                    size=size,
                    clean_lines=photo,
                    flat=flat,
                    psd=psd,
                ):
                    if isinstance(step, Step):
                        yield {self.advice: _says(step.text, step.share)}
                    else:
                        report = step
            except RefcolorError as raised:
                error = raised
            finally:
                session.in_folder = False
                session.coloring.release()
            if error:
                yield self._step(session)
                raise error
            text = html.escape(describe(report, len(scene.folder)), quote=False)
            yield self._step(session) | {
                self.advice: _says(text),
                self.zip: _ready(session.folder / ZIP) if report.done else gr.skip(),
            }


def _says(text: str, share: float = -1) -> dict[str, Any]:
    """Return the value of the advice; share: of the work that is done, -1 without any work."""
    return {"text": text, "share": share}


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


def _check_sent(event: Any) -> None:
    """Say which files could not be sent; raise RefcolorError if none could."""
    text = (
        f"{listed(event.failed)} could not be sent; a file may have {MAX_MEGABYTES} MB at most; "
        "if it is smaller, choose it again"
    )
    if not event.paths:
        raise RefcolorError(text)
    if event.failed:
        gr.Warning(html.escape(text, quote=False), duration=12)
    if event.more:
        gr.Warning(
            f"{len(event.paths) + len(event.failed)} files were taken, the other {event.more} left "
            "out; choose them afterwards",
            duration=12,
        )


def _warn(failures: Sequence[Failure]) -> None:
    for line in Report(failures=list(failures)).lines():
        gr.Warning(html.escape(line, quote=False), duration=12)


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
