"""A portrait kit of a few rectangles, in the format of the real one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refcolor.io import image

RED, YELLOW, GREEN, CYAN = (200, 0, 0), (180, 180, 0), (0, 200, 0), (0, 150, 150)


def rectangle(kit: Path, name: str, width: int, height: int, color: tuple[int, int, int]) -> str:
    """Write a rectangle with a border of ink four pixels wide; return its name."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[4:-4, 4:-4] = color
    image.write(kit / name, pixels)
    return name


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a kit: one body, two heads, two hair styles, three tops, two trousers."""
    kit = tmp_path_factory.mktemp("kit")

    def bit(
        kind: str, name: str, anchor: str, size: tuple[int, int], color: Any, **more: Any
    ) -> Any:
        depth = {"Base": 1, "Pants": 2, "Clothing": 3, "Head": 4, "Hair": 5}[kind]
        file = rectangle(kit, f"por_{name}.png", *size, color)
        layer = {"fname": file, "anchor": anchor, "depth": depth}
        return {"name": name, "btype": kind, "layers": [layer], **more}

    bits = [
        bit(
            "Base", "body", "midbottom", (120, 400), YELLOW,
            form_tags=["BodA"], children=["Clothing", "Head"], anchors={"head": [0, -150]},
        )
    ]  # fmt: skip
    bits += [
        bit("Head", f"head{n}", "head", (80 + n, 100), YELLOW, children=["Hair"]) for n in range(2)
    ]
    bits += [bit("Hair", f"hair{n}", "head", (80, 40 + n), GREEN) for n in range(2)]
    bits += [
        bit(
            "Clothing",
            f"top{n}",
            "center",
            (130 + n, 150),
            color,
            requires=["BodA"],
            children=["Pants"],
        )
        for n, color in enumerate((RED, RED, CYAN))
    ]
    bits += [
        bit("Pants", f"lorderin_pants{n}", "midbottom", (124, 160 + n), RED, requires=["BodA"])
        for n in range(2)
    ]
    (kit / "portrait_all.json").write_text(json.dumps(bits))
    return kit
