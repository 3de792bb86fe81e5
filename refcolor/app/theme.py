"""How the page looks: quiet neutral greys, so that pictures are judged in peace; one accent."""

from pathlib import Path

import gradio as gr

# Fonts that a system has: Gradio's own themes ask a server for theirs.
_FONT = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONO = ("ui-monospace", "Consolas", "monospace")

# In the head as it stands: Gradio narrows every selector of its `css` to what is inside its frame.
HEAD = f"<style>{(Path(__file__).parent / 'page.css').read_text(encoding='utf-8')}</style>"


def make_theme() -> gr.themes.Base:
    """Make the theme; its colours are in page.css, light and dark, with those of our own parts."""
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.orange,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_md,
        font=_FONT,
        font_mono=_MONO,
    )
    # Gradio paints the ground behind the page before any style sheet is there.
    return theme.set(body_background_fill="#f6f5f3", body_background_fill_dark="#1b1b1d")
