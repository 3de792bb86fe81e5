"""Two components that Gradio does not have: a picture with markers, and a list of buttons."""

from pathlib import Path
from typing import Any

import gradio as gr

MAX_MEGABYTES = 64

_HERE = Path(__file__).parent
_TEMPLATE = """
<div class="picture-panel">
  <div class="title"><h2>{title}</h2><span>{links}</span></div>
  <div class="stage">
    <div class="view">
      <div class="frame" tabindex="0" role="application" hidden aria-label="{title}: the arrow keys
        move a pointer, Enter chooses the spot under it, Escape lets go, plus and minus zoom,
        Ctrl+Z takes the last change of the dots back">
        <img class="picture" alt="" draggable="false">
        <img class="before" alt="" draggable="false" hidden>
        <img class="overlay" alt="" draggable="false" hidden>
        <div class="marks"></div>
        <span class="pointer" aria-hidden="true"></span>
      </div>
    </div>
    {prompt}
    <p class="note">{note}</p>
    <p class="sending" role="status" hidden></p>
  </div>
  <div class="under"><div class="thumbs"></div><div class="zoom"></div></div>
</div>
"""


def picture_panel(
    title: str,
    value: dict[str, Any],
    *,
    accepts: int = 0,
    folder: bool = False,
    compare: bool = False,
    note: str = "",
    elem_id: str,
) -> Any:
    """Create a picture with spot, markers and overlay; `value` is a view of views.py.

    accepts: how many files may be dropped on it at once; 0 for a panel that only shows results.
    folder: offer to choose a folder, and not to add files to those there are.
    compare: offer a slider that uncovers the picture `before`.
    Its events are `files` (paths, names in their folder, add, failed: names of files that could not
    be sent, more: how many files were too many), `spot` (x, y in pixels of the original), `leave`,
    `undo`, and `choose` and `discard` (index of a reference).
    """
    multiple = "multiple" if accepts > 1 else ""

    def choose(text: str, *, add: str = "no", several: str = multiple) -> str:
        return (
            f'<label class="link">{text}<input type="file" accept="image/*,.psd,.ora" {several} '
            f'aria-label="{text}: {title}" data-add="{add}"></label>'
        )

    links = prompt = ""
    if accepts:
        links = choose("Replace")
        prompt = f'<div class="prompt">{choose("Choose a file")}<span>or drop it here</span></div>'
    if folder:
        links += choose("Folder", add="folder", several="webkitdirectory")
    elif accepts > 1:
        links += choose("Add another", add="yes")
    if compare:
        links += (
            '<label class="compare" title="Uncover the lines">Lines'
            '<input type="range" min="0" max="100" value="0" aria-label="Before and after"></label>'
        )
    return gr.HTML(
        value,
        html_template=_TEMPLATE.format(title=title, links=links, prompt=prompt, note=note),
        js_on_load=_script("panel.js"),
        apply_default_css=False,
        elem_id=elem_id,
        files=accepts,
        bytes=MAX_MEGABYTES * 1_000_000,
    )


def button_list(value: list[dict[str, Any]], *, label: str, elem_id: str) -> Any:
    """Create a list of buttons; its event is `press` (index of the entry)."""
    return gr.HTML(
        value,
        html_template=f'<ul aria-label="{label}"></ul>',
        js_on_load=_script("list.js"),
        apply_default_css=False,
        elem_id=elem_id,
    )


def _script(name: str) -> str:
    return "\n".join((_HERE / part).read_text(encoding="utf-8") for part in ("nodes.js", name))
