"""Fixtures that several test modules share: the smallest experiment that still has every part."""

import copy
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from filelock import FileLock
from ruamel.yaml import YAML

from refcolor.params import Params

if TYPE_CHECKING:
    from refcolor.training.data import Pictures

# Tests run side by side with others; networks this small are slower on more threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell's background job ignores Ctrl-C, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _device(request: pytest.FixtureRequest) -> None:
    """Skip a test whose marker names a device that this machine does not have."""
    for marker, name in (("gpu", "cuda"), ("mps", "mps")):
        if request.node.get_closest_marker(marker):
            import torch

            if not getattr(torch, name).is_available():
                pytest.skip(f"this machine has no {name} device")


@pytest.fixture(autouse=True)
def _signal_handlers() -> Iterator[None]:
    """Restore what `errors.run` sets."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


TINY = """
seed: 3
source:
  kind: sample
  count: 11
  exclude_file: data/exclude.txt
  sample: {shape_seed: 1, palette_seed: 2, palettes: 4, size: 48}
  folder: {path: data/inbox, layout: pictures, groups: false}
  danbooru:
    url: http://127.0.0.1:1
    query: solo simple_background rating:g status:active parent:none
    max_id: 9000
    rate: 0
    contact: tests@example.org
    user_id: 0
  archive: {metadata: data/inbox, pictures: data/inbox, buckets: ""}
  url_list: {path: data/inbox}
  manifest: {path: data/inbox}
  transfer:
    {threads: 2, tries: 5, timeout: 5, max_megabytes: 1, min_success: 0.9, hosts: []}
filter:
  subjects: [1girl, 1boy]
  hair: [blonde, brown, blue, purple, pink, grey, light_brown]
  eyes: [blue, red, green, grey]
  aliases: {silver: grey, gray: grey}
  required: [simple_background]
  forbidden: [comic, multiple_views]
  ratings: [g]
  children: false
  extensions: [jpg, png]
  max_aspect: 1.33333
  min_longer_side: 512
  line_art: {count: 3, any_of: [greyscale, sketch], required: [white_background]}
clean:
  size: 32
  fit: pad
  max_megapixels: 1
  min_side: 16
  min_colorfulness: 5
  min_hue_spread: 0.7
  min_foreground: 0.08
sketch: {preset: default}
split: {seed: 0, validation: 0.3, hold_out: [], duplicate_distance: 24, references: 2}
augment:
  color_offset: 0.4
  warp: 0.12
  mirror: 0.5
  patch_shuffle: 0
  patches: 4
  drop_reference: 0
  sketch_variation: 0
  other_reference: 0
model: {attention: scft, width: 2, levels: 3, blocks: 1, norm: batch, discriminator_width: 2}
loss:
  reconstruction: 30
  adversarial: 1
  perceptual: 0
  style: 0
  triplet: 0
  match: 0
  margin: 12
train:
  epochs: 2
  batch_size: 4
  learning_rate_generator: 1.0e-3
  learning_rate_discriminator: 1.0e-3
  learning_rate_half_life: 0
  ema_half_life: 20
  report_every: 3
  precision: fp32
  threads: 1
  processes: 1
  init: ""
evaluate: {seed: 0, warp: 0.2, features: random, fid: clean, tagger: "", batch_size: 4}
runtime: {device: cpu, workers: 1, engine: processes, scheduler: "", tracker: none}
"""


def tiny_params(changes: dict[str, Any] | None = None) -> Params:
    """Give tiny parameters with changes by path."""
    changed = YAML(typ="safe").load(TINY)
    for path, value in (changes or {}).items():
        *sections, key = path.split(".")
        place = changed
        for section in sections:
            place = place[section]
        place[key] = value
    return Params.model_validate(changed)


def random_pictures(count: int, *, seed: int = 0, side: int = 32) -> "Pictures":
    """Give random pictures and sketches; every third picture is of one group."""
    from refcolor.training.data import Pictures

    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (count, side // 8, side // 8, 3), np.uint8)
    lines = random.random((count, side, side)) < 0.1
    return Pictures(
        ids=tuple(f"p{index:02d}" for index in range(count)),
        color=blocks.repeat(8, axis=1).repeat(8, axis=2),
        sketch=np.where(lines, 0, 255).astype(np.uint8),
        groups=tuple(f"g{index % 3}" for index in range(count)),
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that hold slow tests, so that all workers end at about one time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Let one worker of pytest-xdist make a folder for all of them; the others wait for it."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    made = folder / "made"
    with FileLock(f"{folder}.lock"):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture
def content() -> dict[str, Any]:
    """Give a complete params file as nested dicts, to be changed at will."""
    return copy.deepcopy(YAML(typ="safe").load(TINY))


@pytest.fixture
def make_params() -> Callable[..., Params]:
    """Give tiny parameters with changes by path: `make_params({"loss.triplet": 1})`."""
    return tiny_params


@pytest.fixture
def make_pictures() -> "Callable[..., Pictures]":
    """Give random pictures of 32 pixels, each with its own colours, and random sketches."""
    return random_pictures


@pytest.fixture
def root() -> Path:
    """Name the folder of the repository."""
    return Path(__file__).parents[1]
