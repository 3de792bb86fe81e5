"""The two parts of the page that Gradio has not: a picture with spots, and a list of buttons."""

from pathlib import Path
from typing import Any

import gradio as gr

from refcolor.app.actions import MAX_REFERENCES

MAX_MEGABYTES = 64

_HERE = Path(__file__).parent
_CHOOSE = (
    '<label class="link">{text}<input type="file" accept="image/*" data-add="{add}" {many}></label>'
)
_TEMPLATE = """
<div class="well">
  <div class="title"><h2>{title}</h2>{actions}</div>
  <div class="stage">
    <div class="frame" role="application" aria-label="{title}: the arrow keys move a pointer,
      Enter chooses the spot under it, Escape lets go" hidden>
      <img class="picture" alt="" draggable="false">
      <img class="veil" alt="" draggable="false" hidden>
      <div class="marks"></div>
      <span class="pointer" aria-hidden="true"></span>
    </div>
    {prompt}
    <p class="note">{note}</p>
  </div>
  <div class="thumbs"></div>
</div>
"""


def picture_well(
    title: str,
    value: dict[str, Any],
    *,
    accepts: int = 0,
    note: str = "",
    elem_id: str,
) -> Any:
    """Make a picture with spots, pins and a veil; `value` is what views.py gives.

    accepts: how many files may be dropped on it at once; 0 makes it show results only.
    Its events are `files` (paths, add), `spot` (x, y in pixels of the original), `leave`,
    `choose` and `discard` (index of a reference), and `refuse` (name of a file that is too large).
    """
    many = "multiple" if accepts > 1 else ""
    actions = prompt = ""
    if accepts:
        actions = _CHOOSE.format(text="Replace", add="no", many=many)
        prompt = f'<div class="prompt">{_CHOOSE.format(text="Choose a file", add="no", many=many)}'
        prompt += "<span>or drop it here</span></div>"
    if accepts > 1:
        actions += _CHOOSE.format(text="Add another", add="yes", many=many)
    return gr.HTML(
        value,
        html_template=_TEMPLATE.format(
            title=title, actions=f"<span>{actions}</span>", prompt=prompt, note=note
        ),
        js_on_load=(_HERE / "well.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_id=elem_id,
        clickable=True,
        files=min(accepts, MAX_REFERENCES),
        bytes=MAX_MEGABYTES * 1_000_000,
    )


def button_list(value: list[dict[str, Any]], *, label: str, elem_id: str) -> Any:
    """Make a list of buttons; its event is `press` (index of the entry)."""
    return gr.HTML(
        value,
        html_template=f'<ul aria-label="{label}"></ul>',
        js_on_load=(_HERE / "list.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_id=elem_id,
    )
