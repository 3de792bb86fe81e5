"""The demo model, which works before any training."""

import numpy as np

from refcolor import Colorizer, characters
from refcolor.colorize.colorizer import DEMO
from refcolor.evaluation.metrics.baselines import grey
from refcolor.evaluation.metrics.color import difference, lab
from refcolor.lines.sketch import PRESETS, sketch_picture

SIZE = 256


def test_a_foreign_reference_gives_its_colors() -> None:
    """Characters of other seeds, lines and paper included: less than three quarters of grey's."""
    demo = Colorizer.demo(device="cpu")
    errors = []
    for index in range(12):
        shape, other = (characters.draw_shape(900, number) for number in (index, index + 1))
        palette = characters.draw_palette(901, index)
        truth = characters.render(shape, palette, size=SIZE).color
        lines = sketch_picture(truth, PRESETS["default"])
        found = demo.colorize(lines, characters.render(other, palette, size=SIZE).color).picture
        errors.append([difference(lab(one), lab(truth)).mean() for one in (found, grey(truth))])
    error, without = np.mean(errors, axis=0)
    assert error < 0.75 * without


def test_it_is_small() -> None:
    """What comes with the package is below 4 MB."""
    assert sum(file.stat().st_size for file in DEMO.iterdir()) < 4e6
