"""Pictures per second of drawing and sketching, on one core: `python -m benchmarks.data`."""

import time
from collections.abc import Callable
from statistics import median

import cv2

from refcolor.params import SketchParams
from refcolor.sketch import draw_settings, sketch_picture
from refcolor.sources import sample

PICTURES, ROUNDS = 40, 5


def rate(work: Callable[[int], object]) -> float:
    """Run `work` on some indices, several times; return the median pictures per second."""
    rates = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for index in range(PICTURES):
            work(index)
        rates.append(PICTURES / (time.perf_counter() - start))
    return median(rates)


def draw(index: int, size: int) -> sample.Drawing:
    """Draw one character."""
    return sample.render(sample.draw_shape(1, index), sample.draw_palette(2, index), size=size)


def main() -> None:
    """Print a table of what takes how long."""
    cv2.setNumThreads(1)
    pictures = [draw(index, 512).color for index in range(PICTURES)]
    settings = draw_settings(SketchParams(preset="default"), "any")
    print(f"{'work':<28}{'pictures/s':>12}")
    print(f"{'draw, 256 px':<28}{rate(lambda index: draw(index, 256)):>12.0f}")
    sketched = rate(lambda index: sketch_picture(pictures[index], settings))
    print(f"{'XDoG default, 512 px':<28}{sketched:>12.0f}")


if __name__ == "__main__":
    main()
