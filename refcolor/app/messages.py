"""Error messages of the page, which has a tick box where the command line has an option."""

from refcolor.errors import PictureError, RefcolorError
from refcolor.io.image import MAX_MEGAPIXELS

_ADVICE = {
    "color_picture": (
        "This is a picture in colour, not a line drawing. Drop its lines here instead."
    ),
    "too_much_ink": (
        "There is more ink here than in a line drawing. If it is a photo of paper, tick the box "
        "that cleans it; shaded pictures do not work."
    ),
    "nothing_drawn": "No lines were found. If they are very faint, make them darker.",
    "not_a_picture": "This is not a picture. PNG, JPEG, WebP, AVIF, BMP, GIF and TIFF can be read.",
    "empty_file": "The file is empty.",
    "truncated": "The picture is damaged or cut short. Save it once more.",
    "animated": "The picture moves. Save a single frame of it.",
    "too_many_pixels": f"The picture is too large; {MAX_MEGAPIXELS:g} megapixels are the most.",
    "unsupported_mode": "The picture has 32-bit values. Save it with 8 bits.",
}


def refusal_text(error: RefcolorError) -> str:
    """Return the message of an error for the page: one line with what to do."""
    if isinstance(error, PictureError) and error.reason in _ADVICE:
        return _ADVICE[error.reason]
    text = str(error)
    return text[:1].upper() + text[1:] + "."
