"""Colours are upsampled to the size of a drawing without crossing its lines."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from refcolor.characters import draw_palette, draw_shape, render
from refcolor.colorize import fill
from refcolor.colorize.fill import upsample
from refcolor.evaluation.metrics.color import difference, lab
from refcolor.io.image import from_unit, resize, to_unit

RED, BLUE = (220, 40, 30), (30, 60, 210)


def ring(side: int, thickness: int = 5) -> np.ndarray:
    """The ink of a circle around the middle, three tenths of the side in radius."""
    ink = np.zeros((side, side), np.uint8)
    middle = (side // 2, side // 2)
    return cv2.circle(ink, middle, side * 3 // 10, 255, thickness, cv2.LINE_AA)


def inside(ink: np.ndarray) -> np.ndarray:
    """Mark the pixels without ink that a ring encloses."""
    _, labels = cv2.connectedComponents((ink == 0).astype(np.uint8), connectivity=4)
    return labels == labels[ink.shape[0] // 2, ink.shape[1] // 2]


def noise(height: int, width: int) -> np.ndarray:
    """Random colours."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("thickness", [1, 3, 12])
def test_colours_do_not_cross_a_closed_line(thickness: int) -> None:
    """Red inside a circle and blue outside, mixed in the cells on its line, come out pure."""
    ink = ring(1024, thickness)
    middle = inside(ink)
    filled = cv2.morphologyEx(middle.astype(np.uint8), cv2.MORPH_DILATE, np.ones((3, 3)))
    large = np.where(filled[..., None] > 0, RED, BLUE).astype(np.uint8)
    large[ink > 127] = 0
    up = upsample(resize(large, 64, 64), ink).astype(int)
    assert np.abs(up[middle] - RED).max() <= 12
    assert np.abs(up[(ink == 0) & ~middle] - BLUE).max() <= 12
    assert np.abs(up[middle] - RED).mean() < 0.5


def test_colours_beside_lines_have_no_halo() -> None:
    """White paper whose small picture is grey along every line is white, under lines as well."""
    ink = ring(512, 4)
    small = resize(255 - ink, 64, 64)
    assert small.min() < 160
    assert upsample(np.dstack([small] * 3), ink).min() >= 245


@pytest.mark.parametrize("shape", [(97, 61), (1, 211), (211, 1), (13, 17), (5, 3)])
def test_a_flat_colour_stays_as_it_is(shape: tuple[int, int]) -> None:
    """One colour stays one colour at any size and with any lines."""
    ink = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    up = upsample(np.full((7, 11, 3), (1, 128, 254), np.uint8), ink)
    assert up.shape == (*shape, 3)
    assert (up == (1, 128, 254)).all()


def test_transposing_the_drawing_transposes_its_colours() -> None:
    """Rows and columns are treated alike."""
    ink = cv2.ellipse(np.zeros((131, 173), np.uint8), (80, 60), (50, 30), 30, 0, 300, 255, 2)
    colors = noise(11, 13)
    upright = upsample(colors, ink).astype(int)
    lying = upsample(colors.transpose(1, 0, 2), ink.T.copy()).transpose(1, 0, 2)
    assert np.abs(upright - lying).max() <= 1


def test_planes_do_not_depend_on_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Upsampling four planes at once gives the bytes of one by one."""
    ink, colors = ring(101), noise(11, 13)
    batched = upsample(colors, ink)
    monkeypatch.setattr(fill, "_GROUP_VALUES", 1)
    np.testing.assert_array_equal(upsample(colors, ink), batched)


def test_an_empty_drawing_is_filled_smoothly() -> None:
    """Without lines a step between two cells becomes a monotone ramp without plateaus or jumps."""
    colors = np.repeat(np.array([[50, 50, 50, 200, 200, 200]], np.uint8), 6, axis=0)
    up = upsample(np.dstack([colors] * 3), np.zeros((96, 96), np.uint8))[40, :, 0].astype(int)
    assert up[0] <= 52
    assert up[-1] >= 198
    assert (np.diff(up) >= 0).all()
    assert np.diff(up).max() <= 15


def test_colours_mix_only_near_a_gap_in_a_line() -> None:
    """Two colours divided by a line with a gap mix within a cell of it, not beyond."""
    ink = np.zeros((256, 256), np.uint8)
    ink[:, 127:130] = 255
    ink[124:132] = 0
    colors = np.full((16, 16, 3), RED, np.uint8)
    colors[:, 8:] = BLUE
    up = upsample(colors, ink).astype(int)
    assert np.abs(up[:80, :120] - RED).max() <= 3
    assert np.abs(up[:80, 140:] - BLUE).max() <= 3


def test_faint_pencil_divides_colours_as_ink_does() -> None:
    """A drawing at a third of full strength bounds its regions as the strong one does."""
    ink = ring(512, 4)
    large = np.where(inside(ink)[..., None], RED, BLUE).astype(np.uint8)
    colors = resize(large, 64, 64)
    faint = upsample(colors, (ink // 3).astype(np.uint8)).astype(int)
    assert np.abs(faint - upsample(colors, ink))[ink == 0].mean() < 1


def test_the_error_beside_lines_is_half_that_of_plain_scaling() -> None:
    """It is measured beside the lines of drawn characters, where the true colours are known."""
    errors = []
    for index in range(3):
        drawing = render(draw_shape(5, index), draw_palette(6, index), size=1024)
        truth = resize(drawing.color, 512, 512)
        ink = cv2.resize(from_unit(drawing.ink), (512, 512), interpolation=cv2.INTER_AREA)
        small = resize(truth, 64, 64)
        plain = from_unit(cv2.resize(to_unit(small), (512, 512), interpolation=cv2.INTER_LINEAR))
        beside = (cv2.dilate(ink, np.ones((9, 9), np.uint8)) >= 16) & (ink < 16)
        expected = lab(truth)[beside]
        pictures = upsample(small, ink), plain
        errors.append([difference(lab(p)[beside], expected).mean() for p in pictures])
    ours, plain_error = np.mean(errors, axis=0)
    assert ours < plain_error / 2


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the peak there")
@pytest.mark.parametrize("flat", [False, True])
def test_a_large_drawing_fits_into_memory_and_time(flat: bool) -> None:
    """4000 x 6000 pixels take below 1.3 GB and 20 s of one processor, the libraries included."""
    code = """
import sys, time
from pathlib import Path
import cv2, numpy as np
from refcolor.lines.drawing import read_drawing, working_sketch
from refcolor.colorize.look import Look
from refcolor.colorize.layers import compose
cv2.setNumThreads(1)
page = np.full((6000, 4000), 255, np.uint8)
for radius in range(100, 2000, 60):
    cv2.circle(page, (2000, 3000), radius, 0, 5, cv2.LINE_AA)
start = time.process_time()
drawing = read_drawing(page)
working_sketch(drawing.ink, 64, 43)
small = np.random.default_rng(0).integers(0, 256, (64, 43, 3), np.uint8)
colors = Look(flat=bool(int(sys.argv[1]))).apply(small, drawing)
picture = compose(colors, drawing)
assert (picture[page == 0] == 0).all()
# Not getrusage: its peak includes the parent's memory at the time of the fork.
peak = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
print(time.process_time() - start, int(peak) / 1024)
"""
    command = [sys.executable, "-c", code, str(int(flat))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, megabytes = map(float, done.stdout.split())
    assert seconds < 20
    assert megabytes < 1300
