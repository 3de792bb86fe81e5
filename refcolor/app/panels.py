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
    <div class="frame" tabindex="0" role="application" hidden aria-label="{title}: the arrow keys
      move a pointer, Enter chooses the spot under it, Escape lets go">
      <img class="picture" alt="" draggable="false">
      <img class="overlay" alt="" draggable="false" hidden>
      <div class="marks"></div>
      <span class="pointer" aria-hidden="true"></span>
    </div>
    {prompt}
    <p class="note">{note}</p>
  </div>
  <div class="thumbs"></div>
</div>
"""


def picture_panel(
    title: str,
    value: dict[str, Any],
    *,
    accepts: int = 0,
    note: str = "",
    elem_id: str,
) -> Any:
    """Create a picture with spot, markers and overlay; `value` is a view of views.py.

    accepts: how many files may be dropped on it at once; 0 for a panel that only shows results.
    Its events are `files` (paths, add), `spot` (x, y in pixels of the original), `leave`,
    `choose` and `discard` (index of a reference), and `refuse` (name of a file that is too large).
    """
    multiple = "multiple" if accepts > 1 else ""

    def choose(text: str, *, add: bool = False) -> str:
        return (
            f'<label class="link">{text}<input type="file" accept="image/*,.psd,.ora" {multiple} '
            f'aria-label="{text}: {title}" data-add="{"yes" if add else "no"}"></label>'
        )

    links = prompt = ""
    if accepts:
        links = choose("Replace")
        prompt = f'<div class="prompt">{choose("Choose a file")}<span>or drop it here</span></div>'
    if accepts > 1:
        links += choose("Add another", add=True)
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
