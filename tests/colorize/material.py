"""Small drawings, references and models for the tests of colouring."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from refcolor.io.image import Picture
from refcolor.model.discriminator import Discriminator
from refcolor.model.generator import build_generator
from refcolor.params import ModelParams
from refcolor.training.checkpoint import save_model

SIZE = 32  # pixels at which the tiny models work; their stride is 4


def line_art(height: int, width: int) -> Picture:
    """Draw an ellipse and a box in it, 2 pixels wide, in pure black on white: (H, W, 3) uint8."""
    drawn = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(drawn)
    draw.ellipse((3, 3, width - 4, height - 4), outline="black", width=2)
    draw.rectangle(
        (width // 4, height // 4, width * 3 // 4, height * 3 // 4), outline="black", width=2
    )
    return np.array(drawn)


def two_panels() -> Picture:
    """Draw a page of two framed panels side by side: (220, 340, 3) uint8."""
    page = np.full((220, 340, 3), 255, np.uint8)
    for left in (10, 180):
        page[10:210, left : left + 150] = 0
        page[13:207, left + 3 : left + 147] = 255
        page[20:200, left + 10 : left + 140] = line_art(180, 130)
    return page


def blocks(height: int, width: int, *, seed: int = 0) -> Picture:
    """Draw blocks of 8 pixels of any colours: (H, W, 3) uint8."""
    random = np.random.default_rng(seed)
    colors = random.integers(0, 256, (-(-height // 8), -(-width // 8), 3), np.uint8)
    return colors.repeat(8, axis=0).repeat(8, axis=1)[:height, :width].copy()


# What makes the tiny model one of fine queries: cells of 2 pixels in the sketch, 4 in references.
FINE = {"levels": 4, "query_stride": 2, "key_stride": 4, "transport": 1, "convex_upsampling": 1}


def tiny(**changes: object) -> ModelParams:
    """Describe a model that takes milliseconds."""
    content = {"attention": "scft", "width": 2, "levels": 3, "blocks": 1, "norm": "batch"}
    return ModelParams.model_validate(content | {"discriminator_width": 2} | changes)


def save_tiny(folder: Path, *, size: int = SIZE, seed: int = 0, **changes: object) -> Path:
    """Write a model with random weights; returns its folder."""
    params = tiny(**changes)
    torch.manual_seed(seed)
    generator, discriminator = build_generator(params), Discriminator(params)
    save_model(folder, generator=generator, discriminator=discriminator, params=params, size=size)
    return folder
