"""Redraw the pictures of the README and docs/artists.md: `PYTHONPATH=. python docs/pictures.py`.

Those of results need a finished run, that of the page Chromium.
"""

import csv
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import sync_playwright

from benchmarks import sheet as benchmark
from refcolor import Colorizer, characters
from refcolor.app.samples import draw_samples
from refcolor.app.serve import running
from refcolor.colorize.batch import Options, color_all
from refcolor.colorize.hints import PanelMatch, PointColor
from refcolor.colorize.jobs import Job
from refcolor.colorize.layers import document_layers
from refcolor.colorize.look import Look
from refcolor.io import image
from refcolor.io.shards import locate
from refcolor.sources import drawn
from refcolor.sources.manifest import read_manifest

IMAGES, SIDE = Path("docs/images"), 128
ROWS, COLUMNS = 4, 2  # of sketch, reference, result, truth
CHARACTER = 2  # of benchmarks.sheet


def enlarged(picture: image.Picture) -> image.Picture:
    """Repeat pixels up to SIDE, in colour."""
    factor = SIDE // picture.shape[0]
    in_color = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    return in_color.repeat(factor, axis=0).repeat(factor, axis=1)


def sheet_of_characters() -> image.Picture:
    """Draw 24 characters."""
    pictures = [
        characters.render(
            characters.draw_shape(1, index), characters.draw_palette(2, index), size=192
        ).color
        for index in range(24)
    ]
    return image.grid([pictures[row * 8 : row * 8 + 8] for row in range(3)])


def sheet_of_results() -> image.Picture:
    """Show every n-th pair of the evaluation: nobody chose them."""
    records = {record.id: record for record in read_manifest(Path("data/manifest.jsonl"))}
    with Path("data/split/pairs.csv").open(encoding="utf-8", newline="") as file:
        pairs = [(row["sketch"], row["reference"]) for row in csv.DictReader(file)]
    chosen = pairs[:: len(pairs) // (ROWS * COLUMNS)][: ROWS * COLUMNS]
    cells = []
    for drawing, reference in chosen:
        truth = drawn.draw(records[drawing], size=256, palette_of=records[reference]).color
        cells.append(
            [
                enlarged(image.read_gray(locate(Path("data/sketch"), f"{drawing}.png"))),
                enlarged(image.read(locate(Path("data/color"), f"{reference}.png"))),
                enlarged(image.read(Path(f"results/{drawing}__{reference}.png"))),
                enlarged(image.square(truth, 64)),
            ]
        )
    return image.grid([[*cells[row], *cells[row + ROWS]] for row in range(ROWS)])


def sheet_of_colored() -> image.Picture:
    """Colour the drawings of `refcolor app` with the demo model; the last column has no lines."""
    demo, samples = Colorizer.demo(device="cpu"), draw_samples()
    cells = []
    for drawing, reference in zip(samples.drawings, samples.references, strict=True):
        colored = demo.colorize(drawing.data, reference.data)
        pictures = (drawing.picture, reference.picture, colored.picture, colored.colors)
        cells.append([image.resize(picture, 2 * SIDE, 2 * SIDE) for picture in pictures])
    return image.grid([cells[0], cells[1]])


def sheet_of_flats() -> image.Picture:
    """Show two drawings of `refcolor app`: drawing, soft colours, flat colours, these alone."""
    demo, samples = Colorizer.demo(device="cpu"), draw_samples()
    rows = []
    for drawing, reference in list(zip(samples.drawings, samples.references, strict=True))[:2]:
        soft, flat = (
            demo.colorize(drawing.data, reference.data, look=Look(flat=flat))
            for flat in (False, True)
        )
        pictures = (drawing.picture, soft.picture, flat.picture, flat.colors)
        rows.append([image.resize(picture, 2 * SIDE, 2 * SIDE) for picture in pictures])
    return image.grid(rows)


def sheet_of_hints() -> image.Picture:
    """Colour a drawing of `refcolor app` with hints: flat, marked with their places, then with."""
    demo, samples = Colorizer.demo(device="cpu"), draw_samples()
    drawing, reference = samples.drawings[1], samples.references[1]
    hair = ((270, 150), (705, 300), (640, 300), (372, 290))
    hints = tuple(PointColor(x, y, "#7d4bb0") for x, y in hair)
    hints += (PointColor(165, 405, "#e2574c"), PointColor(390, 672, None))
    pictures = [drawing.picture]
    for flat, spots in ((True, ()), (True, hints), (False, hints)):
        colored = demo.colorize(drawing.data, reference.data, matches=spots, look=Look(flat=flat))
        pictures.append(colored.picture)
    for hint in hints:
        place = (round(hint.x), round(hint.y))
        cv2.circle(pictures[1], place, 16, (255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(pictures[1], place, 16, (30, 30, 30), 2, cv2.LINE_AA)
        cv2.circle(pictures[1], place, 9, hint.rgb.tolist() if hint.color else (255, 255, 255), -1)
    return image.grid([[image.resize(picture, 2 * SIDE, 2 * SIDE) for picture in pictures]])


def comic_page() -> image.Picture:
    """Draw four framed panels, a bubble across two of them, and screentone behind the last."""
    page = np.full((1000, 800), image.WHITE, np.uint8)
    for index, (top, left, height, width) in enumerate(
        ((30, 30, 420, 300), (30, 350, 420, 420), (470, 30, 500, 420), (470, 470, 500, 300))
    ):
        side = max(height, width)
        shape, palette = characters.draw_shape(7, index), characters.draw_palette(7, index)
        drawn = characters.render(shape, palette, size=side)
        lines = np.where(drawn.ink, 0, image.WHITE).astype(np.uint8)
        if index == 3:
            y, x = np.mgrid[:side, :side] % 7 - 3
            lines[(drawn.parts == 0) & (x**2 + y**2 <= 3)] = 0
        rows, columns = (side - height) // 2, (side - width) // 2
        panel = page[top : top + height, left : left + width]
        panel[:] = lines[rows : rows + height, columns : columns + width]
        cv2.rectangle(page, (left, top), (left + width, top + height), 0, 4)
    with_bubble = Image.fromarray(page)
    draw = ImageDraw.Draw(with_bubble)
    draw.ellipse((250, 380, 470, 500), fill=image.WHITE, outline=0, width=3)
    text, font = "Where did you\nfind that hat?\nIt suits you!", ImageFont.load_default(20)
    draw.multiline_text((360, 440), text, fill=0, font=font, anchor="mm", align="center")
    return np.array(with_bubble)


def sheet_of_page() -> image.Picture:
    """Colour a comic page: the page, its colours with shadow and lines, and the colours alone."""
    page, reference = comic_page(), draw_samples().references[0]
    colored = Colorizer.demo(device="cpu").colorize(page, reference.data)
    pictures = (page, colored.picture, colored.colors)
    return image.grid([[image.fit(picture, 4 * SIDE) for picture in pictures]], gap=8)


def sheets_of_two() -> tuple[image.Picture, image.Picture]:
    """Colour a comic page after two characters, each panel after one, and show its PSD's layers.

    Returns the characters, the page and the result; and lines, shadow and the four largest colours.
    """
    page = comic_page()
    references = [
        characters.render(
            characters.draw_shape(77, shape), characters.draw_palette(31, palette), size=512
        ).color
        for shape, palette in ((3, 10), (4, 7))
    ]
    corners = ((40, 60), (760, 60), (40, 940), (760, 940))
    panels = [PanelMatch(x, y, index) for (x, y), index in zip(corners, (0, 1, 1, 0), strict=True)]
    colored = Colorizer.demo(device="cpu").colorize(page, references, matches=panels)
    column = image.grid([[image.resize(reference, 2 * SIDE, 2 * SIDE)] for reference in references])
    pages = [image.fit(picture, len(column)) for picture in (page, colored.picture)]
    on_top, *below = reversed(list(document_layers(colored.colors, colored.drawing, flat=True)))
    *shadow, group = below
    flats = sorted(group.layers, key=lambda layer: np.count_nonzero(layer.pixels[..., 3]))[:-5:-1]
    sheet = Image.new("RGB", (6 * 208 - 8, 250), (image.GAP_GRAY,) * 3)
    for number, layer in enumerate((on_top, *shadow, *flats)):
        transparent = Image.new("RGBA", page.shape[::-1], (236, 236, 236))
        transparent.alpha_composite(Image.fromarray(layer.pixels), (layer.left, layer.top))
        sheet.paste(transparent.resize((200, 250), Image.Resampling.LANCZOS), (208 * number, 0))
    return image.grid([[column, *pages]], gap=8), np.array(sheet)


def screenshot_of_app(path: Path) -> None:
    """Photograph `refcolor app` with a result, two dots, and a spot and where it looks."""
    with running(Colorizer.demo(device="cpu")) as address, sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 1000})
        page.goto(address)

        def choose(x: float, y: float) -> None:
            frame = page.locator("#drawing .frame")
            box = frame.bounding_box()
            assert box
            frame.click(position={"x": x * box["width"], "y": y * box["height"]})
            page.locator("#drawing .spot").wait_for()

        page.locator("#drawing .picture-panel.full").wait_for()
        choose(0.27, 0.35)
        page.get_by_label("Give the spot this colour (6)").click()
        choose(0.85, 0.2)
        page.get_by_role("button", name="Leave paper").click()
        page.locator("#matches li").nth(1).wait_for()
        page.locator("#color").click()
        page.locator("#save-psd:enabled").wait_for()
        choose(0.18, 0.52)
        page.locator("#reference .overlay:visible").wait_for()
        page.mouse.move(0, 0)
        bottom = page.locator("#matches").bounding_box()
        assert bottom
        height = bottom["y"] + bottom["height"] + 20
        page.screenshot(path=path, clip={"x": 0, "y": 0, "width": 1100, "height": height})
        browser.close()


def sheet_of_character() -> image.Picture:
    """Colour five drawings of a character: her sheet, the lines, without and with `--sheet`."""
    drawings, references = benchmark.drawn(CHARACTER, 5, outfits=False)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        names = [folder / f"reference{index}.png" for index in range(len(references))]
        for name, reference in zip(names, references, strict=True):
            image.write(name, reference)
        rows = [references]
        lines = [np.where(drawing.ink, 0, image.WHITE).astype(np.uint8) for drawing in drawings]
        rows.append([np.repeat(picture[..., None], 3, axis=2) for picture in lines])
        for sheet in (False, True):
            jobs = []
            for index, picture in enumerate(lines):
                sketch = folder / f"{index}.png"
                image.write(sketch, picture)
                jobs.append(Job(sketch, tuple(names), folder / f"out{sheet}" / sketch.name))
            color_all(Colorizer.demo(device="cpu"), jobs, Options(sheet=sheet))
            rows.append([image.read(job.output) for job in jobs])
    blank = [np.full_like(references[0], image.WHITE)] * (len(drawings) - len(references))
    rows[0] = references + blank
    return image.grid([[image.resize(cell, 192, 192) for cell in row] for row in rows])


if __name__ == "__main__":
    image.write(IMAGES / "sheet.png", sheet_of_character())
    two, layers = sheets_of_two()
    image.write(IMAGES / "characters.png", two)
    image.write(IMAGES / "layers.png", layers)
    screenshot_of_app(IMAGES / "app.png")
    image.write(IMAGES / "page.png", sheet_of_page())
    image.write(IMAGES / "flats.png", sheet_of_flats())
    image.write(IMAGES / "hints.png", sheet_of_hints())
    image.write(IMAGES / "sample.png", sheet_of_characters())
    image.write(IMAGES / "foreign.png", sheet_of_results())
    image.write(IMAGES / "colored.png", sheet_of_colored())
