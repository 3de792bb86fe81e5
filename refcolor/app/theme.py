"""The theme of the page: neutral greys, which do not bias the colours, and one accent colour."""

from pathlib import Path

import gradio as gr

# System fonts, because Gradio's own themes load theirs from a server.
_FONT = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONO = ("ui-monospace", "Consolas", "monospace")

# In the head, because Gradio restricts every selector of its `css` to its own container.
HEAD = f"<style>{(Path(__file__).parent / 'page.css').read_text(encoding='utf-8')}</style>"


def make_theme() -> gr.themes.Base:
    """Return the theme; the light and dark colours are in page.css."""
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.orange,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_md,
        font=_FONT,
        font_mono=_MONO,
    )
    # Gradio paints the background of the page before the style sheets are loaded.
    return theme.set(body_background_fill="#f6f5f3", body_background_fill_dark="#1b1b1d")
