"""The sample pictures of a new page."""

import numpy as np
import pytest

from refcolor.app.samples import draw_samples
from refcolor.lines.drawing import read_drawing


@pytest.mark.slow
def test_samples_can_be_colored_at_once() -> None:
    """Each drawing passes as a line drawing, no two are alike, and they are the same every time."""
    samples = draw_samples()
    assert len(samples.drawings) == len(samples.references) == 4
    for sheet in samples.drawings:
        drawing = read_drawing(sheet.data)
        assert 0.02 < float(np.mean(drawing.ink)) / 255 < 0.2
    data = [sheet.data for sheet in (*samples.drawings, *samples.references)]
    assert len(set(data)) == 8
    assert data == [sheet.data for sheet in (*draw_samples().drawings, *draw_samples().references)]
