"""How the page looks: quiet neutral greys, so that pictures are judged in peace; one accent."""

from pathlib import Path

import gradio as gr

# Fonts that a system has: Gradio's own themes ask a server for theirs.
_FONT = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONO = ("ui-monospace", "Consolas", "monospace")

# In the head as it stands: Gradio narrows every selector of its `css` to what is inside its frame.
HEAD = f"<style>{(Path(__file__).parent / 'page.css').read_text(encoding='utf-8')}</style>"


def make_theme() -> gr.themes.Base:
    """Make the theme; colours that pictures and lists use are in page.css."""
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.orange,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_md,
        font=_FONT,
        font_mono=_MONO,
    )
    return theme.set(
        body_background_fill="#f6f5f3",
        body_background_fill_dark="#1b1b1d",
        body_text_color="#232225",
        body_text_color_dark="#ecebe8",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_border_width_dark="0px",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_title_text_color="#6b6870",
        block_title_text_color_dark="#a3a0a8",
        input_background_fill="#ffffff",
        input_background_fill_dark="#2a2a2d",
        input_border_color="#d9d6d1",
        input_border_color_dark="#3d3d41",
        button_primary_background_fill="#bf3f1c",
        button_primary_background_fill_dark="#bf3f1c",
        button_primary_background_fill_hover="#a83516",
        button_primary_background_fill_hover_dark="#d04a25",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#2a2a2d",
        button_secondary_background_fill_hover="#efede9",
        button_secondary_background_fill_hover_dark="#38383c",
        button_secondary_border_color="#d9d6d1",
        button_secondary_border_color_dark="#3d3d41",
        button_secondary_text_color="#232225",
        button_secondary_text_color_dark="#ecebe8",
        checkbox_label_background_fill="transparent",
        checkbox_label_background_fill_dark="transparent",
        checkbox_background_color_selected="#bf3f1c",
        checkbox_background_color_selected_dark="#bf3f1c",
    )
