"""The model that comes with refcolor."""

import numpy as np

from refcolor import Colorizer, characters
from refcolor.colorize.colorizer import DEMO
from refcolor.evaluation.metrics.baselines import grey
from refcolor.evaluation.metrics.color import difference, lab
from refcolor.lines.sketch import PRESETS, sketch_picture

SIZE = 256


def test_the_demo_model_takes_the_colors_of_another_character() -> None:
    """On unseen characters the error, with lines and paper, is below three quarters of grey's."""
    demo = Colorizer.demo(device="cpu")
    errors = []
    for index in range(12):
        shape, other_shape = (characters.draw_shape(900, number) for number in (index, index + 1))
        palette = characters.draw_palette(901, index)
        truth = characters.render(shape, palette, size=SIZE).color
        lines = sketch_picture(truth, PRESETS["default"])
        prediction = demo.colorize(
            lines, characters.render(other_shape, palette, size=SIZE).color
        ).picture
        errors.append(
            [difference(lab(picture), lab(truth)).mean() for picture in (prediction, grey(truth))]
        )
    error, without = np.mean(errors, axis=0)
    assert error < 0.75 * without


def test_the_demo_model_is_small() -> None:
    """Its files are below 8 MB."""
    assert sum(file.stat().st_size for file in DEMO.iterdir()) < 8e6
