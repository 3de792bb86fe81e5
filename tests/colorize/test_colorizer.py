"""A model on any picture: the result has the drawing's size, and its lines are unchanged."""

import json
import pickle
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from refcolor import characters, params
from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.hints import PanelMatch, PointMatch
from refcolor.colorize.look import Look
from refcolor.colorize.torch_network import TorchNetwork
from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.lines.sketch import PRESETS, sketch_picture
from refcolor.model.generator import build_generator
from refcolor.training.checkpoint import DESCRIPTION, GENERATOR

from .material import FINE, blocks, line_art, save_tiny, tiny, two_panels

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("shape", [(64, 64), (31, 97), (200, 50), (40, 41)])
def test_the_result_has_the_size_of_the_drawing(
    colorizer: Colorizer, shape: tuple[int, int]
) -> None:
    """Any size and any shape of drawing and reference; nothing is squashed or cut."""
    colored = colorizer.colorize(line_art(*shape), blocks(90, 23))
    assert colored.picture.shape == colored.colors.shape == (*shape, 3)
    assert colored.image.size == shape[::-1]


def test_the_lines_of_the_drawing_are_kept(colorizer: Colorizer) -> None:
    """Every black pixel of the drawing is black in the result, and something else has colour."""
    drawing = line_art(150, 100)
    picture = colorizer.colorize(drawing, blocks(64, 64), look=Look(flat=False)).picture
    black = (drawing == 0).all(axis=2)
    assert black.any()
    assert not picture[black].any()
    assert np.ptp(picture[~black].astype(int), axis=0).max() > 0


def test_a_frame_stays_and_outside_of_it_is_paper(colorizer: Colorizer) -> None:
    """The model sees a framed drawing as what the frame encloses, and colours nothing else."""
    drawing, paper = line_art(168, 126), np.uint8([250, 240, 220])
    page = np.full((210, 168, 3), paper)
    page[17:193, 17:151] = 0
    page[20:190, 20:148] = paper
    page[21:189, 21:147][drawing == 0] = 0
    colored = colorizer.colorize(page, blocks(64, 64))
    outside = np.ones((210, 168), bool)
    outside[17:193, 17:151] = False
    assert (colored.picture[outside] == paper).all()
    assert not colored.picture[17:20, 17:151].any()
    assert (colored.colors[30:180, 30:138] != paper).all()
    reference = colorizer.place_reference(blocks(64, 64))
    single, framed = (colorizer.prepare(picture, [reference]) for picture in (drawing, page))
    assert np.mean(single.panels[0].sketch != framed.panels[0].sketch) < 0.05


def test_panels_are_coloured_each_at_its_own_size(colorizer: Colorizer) -> None:
    """Two framed drawings are two inputs of the model; the gutter stays paper; a hint is in one,
    whose attention looks there.
    """
    reference = colorizer.place_reference(blocks(64, 64))
    match = PointMatch(250, 110, 9, 9)
    prepared = colorizer.prepare(two_panels(), [reference], matches=[match])
    first, second = sorted(prepared.panels, key=lambda panel: panel.framing.window.left)
    assert first.bias is None
    assert second.bias is not None
    assert first.sketch.shape == second.sketch.shape == (32, 24)
    assert not prepared.can_batch(prepared)
    assert prepared.pairs == 2 * 48 * 64
    colored = colorizer.finish(prepared, colorizer.run([prepared])[0])
    assert (colored.colors[:, 161:179] == 255).all()
    for left in (20, 190):
        assert (colored.colors[20:200, left : left + 130] != 255).any(axis=2).all()
    attention = colored.attention_at(match.x, match.y)
    assert attention and attention.framing is second.framing
    (weights,) = attention.attention_at(match.x, match.y)
    assert weights.argmax() == attention.references[0].cell_at(match.u, match.v)
    assert colored.attention_at(170, 110) is None


def test_a_panel_is_coloured_after_one_of_the_references(colorizer: Colorizer) -> None:
    """Its colours are those that this reference alone gives; another panel may have another."""
    references, soft = [blocks(64, 64), blocks(64, 48, seed=1)], Look(flat=False)
    alone = [colorizer.colorize(two_panels(), file, look=soft).colors for file in references]
    matches = [PanelMatch(90, 100, reference=1), PanelMatch(250, 100, reference=0)]
    colors = colorizer.colorize(two_panels(), references, matches=matches, look=soft).colors
    assert (alone[0] != alone[1]).any()
    for half, wanted in ((np.s_[:, :170], alone[1]), (np.s_[:, 170:], alone[0])):
        assert np.abs(colors[half].astype(int) - wanted[half]).max() <= 1
    with pytest.raises(RefcolorError, match=r"match 170,100=1 lies in no panel; name a spot"):
        colorizer.colorize(two_panels(), references, matches=[PanelMatch(170, 100, 0)])


def test_a_bubble_stays_paper_unless_it_shall_have_colours(colorizer: Colorizer) -> None:
    """The model does not see the lettering, and the inside of the bubble is paper."""
    page = np.zeros((480, 480), np.uint8)
    cv2.rectangle(page, (20, 250), (460, 460), 255, 3)
    cv2.ellipse(page, (200, 120), (150, 80), 0, 0, 360, 255, 3)
    cv2.putText(page, "LETTERING", (80, 130), cv2.FONT_HERSHEY_SIMPLEX, 1.4, 255, 3)
    reference = colorizer.place_reference(blocks(64, 64))
    plain, colored = (
        colorizer.prepare(255 - page, [reference], look=Look(color_bubbles=color))
        for color in (False, True)
    )
    assert (plain.panels[0].sketch[6:10, 8:18] == 255).all()
    assert (colored.panels[0].sketch[6:10, 8:18] < 255).any()
    for prepared, stays in ((plain, True), (colored, False)):
        colors = colorizer.finish(prepared, colorizer.run([prepared])[0]).colors
        assert (colors[60:180, 110:290] > 245).all() == stays
        assert (colors[260:450, 30:450] != 255).any(axis=2).all()


def test_every_kind_of_source_gives_the_same_picture(colorizer: Colorizer, tmp_path: Path) -> None:
    """A path, its name, the file's bytes, a Pillow image and an array are one drawing."""
    drawing, reference = line_art(60, 44), blocks(40, 56)
    image.write(tmp_path / "sketch.png", drawing)
    image.write(tmp_path / "reference.png", reference)
    expected = colorizer.colorize(drawing, reference).picture
    kinds = (
        lambda path: path,
        str,
        Path.read_bytes,
        lambda path: Image.open(BytesIO(path.read_bytes())),
        lambda path: image.read(path),
    )
    for kind in kinds:
        prediction = colorizer.colorize(
            kind(tmp_path / "sketch.png"), kind(tmp_path / "reference.png")
        )
        assert np.array_equal(prediction.picture, expected)


def test_the_exif_orientation_is_applied(colorizer: Colorizer) -> None:
    """A Pillow image with an EXIF orientation is turned upright."""
    turned = Image.fromarray(line_art(60, 44))
    exif = turned.getexif()
    exif[0x0112] = 6
    file = BytesIO()
    turned.save(file, format="JPEG", exif=exif)
    colored = colorizer.colorize(Image.open(BytesIO(file.getvalue())), blocks(40, 40))
    assert colored.drawing.size == (44, 60)


def test_the_working_size_does_not_change_the_size_of_the_result(colorizer: Colorizer) -> None:
    """At 48 pixels the attention has more cells than at 32, and the picture is as large."""
    drawing, reference = line_art(60, 60), blocks(60, 60)
    small, large = (colorizer.colorize(drawing, reference, size=s) for s in (32, 48))
    assert small.attention.weights is not None
    assert large.attention.weights is not None
    assert small.attention.weights.shape == (64, 64)
    assert large.attention.weights.shape == (144, 144)
    assert small.picture.shape == large.picture.shape


@pytest.mark.parametrize("size", [0, 15, 361])
def test_a_size_that_does_not_fit_is_refused(colorizer: Colorizer, size: int) -> None:
    """The message names the sizes that do; attention takes memory with their fourth power."""
    with pytest.raises(RefcolorError, match=f"size must be from 16 to 360 pixels .* got {size}"):
        colorizer.colorize(line_art(60, 60), blocks(60, 60), size=size)


@pytest.mark.parametrize(
    ("changes", "sizes"),
    [
        ({"levels": 3}, (16, 360)),
        ({"levels": 4}, (32, 720)),
        ({"levels": 5}, (64, 1024)),
        ({"levels": 3, "attention": "none"}, (16, 1024)),
        (FINE | {"levels": 5}, (32, 240)),
        (FINE | {"levels": 6, "query_stride": 4, "key_stride": 8}, (64, 480)),
    ],
)
def test_the_largest_size_is_that_of_the_help(
    changes: dict[str, object], sizes: tuple[int, int]
) -> None:
    """90 cells a side where there is attention, as many pairs of unlike cells, else 1024 pixels."""
    model = tiny(**changes)
    network = TorchNetwork(build_generator(model).eval(), model=model, size=64)
    assert Colorizer(network).sizes == sizes


def test_the_largest_size_allows_any_shape(colorizer: Colorizer) -> None:
    """A square drawing and a square reference have the most cells."""
    reference = colorizer.place_reference(blocks(60, 60), size=360)
    assert colorizer.prepare(line_art(60, 60), [reference], size=360).pairs == 90**4


def test_too_many_references_for_the_memory_are_refused(
    colorizer: Colorizer,
) -> None:
    """The message names a size for which as many fit, which then is accepted."""
    with pytest.raises(RefcolorError, match=r"8100 cells .* of 2 references, .* take size 300 or"):
        colorizer.colorize(line_art(60, 60), [blocks(60, 60)] * 2, size=360)
    references = [colorizer.place_reference(blocks(60, 60), size=300)] * 2
    assert colorizer.prepare(line_art(60, 60), references, size=300).panels[0].sketch.shape == (
        300,
        300,
    )


@pytest.mark.parametrize("preset", sorted((ROOT / "presets").glob("*.yaml")), ids=lambda p: p.stem)
@pytest.mark.parametrize("shape", [(1, 400), (400, 1), (9, 7), (500, 500), (1300, 900)])
def test_every_preset_colours_any_drawing_at_its_own_size(
    preset: Path, shape: tuple[int, int]
) -> None:
    """With a network of a preset's depth, but narrow, no size of a drawing needs --size."""
    settings = params.load(preset)
    model = settings.model.model_copy(update={"width": 2, "blocks": 1})
    generator = build_generator(model).eval()
    colorizer = Colorizer(TorchNetwork(generator, model=model, size=settings.clean.size))
    drawing = np.full(shape, 255, np.uint8)
    drawing[shape[0] // 2, : max(1, shape[1] // 8)] = 0
    assert colorizer.colorize(drawing, blocks(60, 60)).picture.shape == (*shape, 3)


def test_several_references_are_attended_to_together(colorizer: Colorizer) -> None:
    """Each has its cells; the attention weights of a spot over all of them sum to 1."""
    references = [blocks(60, 60), blocks(30, 60, seed=1)]
    colored = colorizer.colorize(line_art(60, 60), references)
    parts = colored.attention.attention_at(20, 30)
    assert [part.shape for part in parts] == [(8, 8), (4, 8)]
    assert sum(part.sum() for part in parts) == pytest.approx(1, abs=1e-5)
    assert all(part.max() > 0 for part in parts)


def test_a_list_of_one_reference_is_that_reference(colorizer: Colorizer) -> None:
    """Both forms give the same picture; an empty list is refused."""
    drawing, reference = line_art(60, 60), blocks(60, 60)
    single, listed = (
        colorizer.colorize(drawing, references) for references in (reference, [reference])
    )
    assert np.array_equal(single.picture, listed.picture)
    with pytest.raises(RefcolorError, match="at least one reference, got none"):
        colorizer.colorize(drawing, [])


def test_a_model_of_fine_queries_colours_any_shape(tmp_path: Path) -> None:
    """Sides are padded to 8 pixels; cells have 2 in the sketch, 4 in each of two references."""
    colorizer = Colorizer.load(save_tiny(tmp_path, size=64, **FINE), device="cpu")
    colored = colorizer.colorize(line_art(100, 61), [blocks(60, 60), blocks(30, 61, seed=1)])
    assert colored.picture.shape == (100, 61, 3)
    sketch = colored.attention.sketch
    assert (sketch.shape, sketch.rows, sketch.columns) == ((64, 40), 32, 20)
    parts = colored.attention.attention_at(30, 50)
    assert [part.shape for part in parts] == [(16, 16), (8, 16)]
    assert sum(part.sum() for part in parts) == pytest.approx(1, abs=1e-5)
    for largest in (colorizer.sizes[1], colorizer.check_size(None)):
        colorizer.prepare(
            line_art(60, 60), [colorizer.place_reference(blocks(9, 9), size=largest)], size=largest
        )


def test_drawings_of_one_shape_are_one_batch(colorizer: Colorizer) -> None:
    """A drawing in a batch gets the colours of a batch of one, to within rounding."""
    reference = colorizer.place_reference(blocks(60, 60))
    prepared = [colorizer.prepare(line_art(60, w), [reference]) for w in (60, 58, 57)]
    assert prepared[0].panels[0].sketch.shape == prepared[1].panels[0].sketch.shape
    predictions = colorizer.run(prepared[:2])
    for prepared_drawing, prediction in zip(prepared, predictions, strict=False):
        single = colorizer.run([prepared_drawing])[0].colors
        assert np.abs(single.astype(int) - prediction.colors).max() <= 1


def test_drawings_of_two_shapes_are_not_a_batch(colorizer: Colorizer) -> None:
    """Such a batch is refused, and `fits` says so before."""
    reference = colorizer.place_reference(blocks(60, 60))
    square, tall = (colorizer.prepare(line_art(60, w), [reference]) for w in (60, 30))
    hinted = colorizer.prepare(line_art(60, 60), [reference], matches=[PointMatch(9, 9, 9, 9)])
    assert not square.can_batch(tall)
    assert not square.can_batch(hinted)
    with pytest.raises(ValueError, match="equal working shapes"):
        colorizer.run([square, tall])


def test_without_attention_one_reference_is_brought_to_the_same_square(tmp_path: Path) -> None:
    """A model without attention colours any shape, and refuses what it cannot do."""
    colorizer = Colorizer.load(save_tiny(tmp_path, attention="none"), device="cpu")
    drawing, reference = line_art(60, 30), blocks(20, 60)
    colored = colorizer.colorize(drawing, reference)
    assert colored.picture.shape == (60, 30, 3)
    assert colored.attention.weights is None
    with pytest.raises(RefcolorError, match=r"no attention, .* got 2 references"):
        colorizer.colorize(drawing, [reference, reference])
    with pytest.raises(RefcolorError, match=r"no attention, .* got matches"):
        colorizer.colorize(drawing, reference, matches=[PointMatch(1, 1, 1, 1)])
    with pytest.raises(ValueError, match="there are no attention weights"):
        colored.attention.attention_at(1, 1)


@pytest.mark.parametrize("changes", [{"attention": "scft"}, {"attention": "sga"}, FINE])
def test_a_match_sends_its_spot_to_the_matched_position(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    """The key with the most weight for the spot is the matched cell of the matched reference."""
    colorizer = Colorizer.load(save_tiny(tmp_path, **changes), device="cpu")
    match = PointMatch(x=13, y=41, u=70, v=22, reference=1)
    colored = colorizer.colorize(
        line_art(60, 60), [blocks(60, 60), blocks(45, 90, seed=1)], matches=[match]
    )
    weights = colored.attention.weights
    assert weights is not None
    sketch, (first, second) = colored.attention.sketch, colored.attention.references
    matched = first.rows * first.columns + second.cell_at(match.u, match.v)
    row = weights[sketch.cell_at(match.x, match.y)]
    assert row.argmax() == matched
    assert row[matched] > 0.99


def test_a_match_changes_the_colour_of_its_spot_only() -> None:
    """With the demo model a spot of the hair takes the matched colour of the reference."""
    colorizer = Colorizer.demo(device="cpu")
    color, reference = (
        characters.render(characters.draw_shape(3, i), characters.draw_palette(4, i), size=64).color
        for i in (0, 1)
    )
    drawing = sketch_picture(color, PRESETS["default"])
    plain = colorizer.colorize(drawing, reference)
    attention = plain.attention
    assert attention.weights is not None
    # The cell of the reference whose colour differs most from what the spot has now.
    x, y = 32.0, 14.0
    cells = image.resize(reference, 16, 16).reshape(-1, 3).astype(float)
    unhinted = plain.colors[int(y) - 2 : int(y) + 2, int(x) - 2 : int(x) + 2].mean(axis=(0, 1))
    far = int(np.abs(cells - unhinted).sum(axis=1).argmax())
    u, v = attention.references[0].center(far)
    hinted = colorizer.colorize(drawing, reference, matches=[PointMatch(x, y, u, v)])
    after = hinted.colors[int(y) - 2 : int(y) + 2, int(x) - 2 : int(x) + 2].mean(axis=(0, 1))
    assert np.abs(after - cells[far]).sum() < 0.8 * np.abs(unhinted - cells[far]).sum()
    # Far away, in the lower half, little changes.
    changed = np.abs(hinted.colors.astype(int) - plain.colors)
    assert changed[40:].mean() < 0.2 * changed[int(y) - 3 : int(y) + 3, 28:36].mean()


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    """The message says what is missing and how it is made."""
    with pytest.raises(RefcolorError, match=r"does not hold a model \(model.json is missing\)"):
        Colorizer.load(tmp_path)
    (tmp_path / DESCRIPTION).write_text("[1]")
    with pytest.raises(RefcolorError, match="does not describe a model of refcolor"):
        Colorizer.load(tmp_path)


def test_missing_weights_are_refused(models: Path, tmp_path: Path) -> None:
    """A model.json without weights is not a model."""
    (tmp_path / DESCRIPTION).write_bytes((models / DESCRIPTION).read_bytes())
    with pytest.raises(RefcolorError, match=r"generator.safetensors is missing"):
        Colorizer.load(tmp_path)


def test_a_pickle_is_never_loaded(models: Path, tmp_path: Path) -> None:
    """Code in a file that is called safetensors does not run; the file is refused."""

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    (tmp_path / DESCRIPTION).write_bytes((models / DESCRIPTION).read_bytes())
    (tmp_path / GENERATOR).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(RefcolorError, match="is not a safetensors file; other formats can contain"):
        Colorizer.load(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("changes", [{"width": 3}, {"levels": 4}, {"width": 500_000}])
def test_weights_of_another_network_are_refused(
    models: Path, tmp_path: Path, changes: dict[str, int]
) -> None:
    """The message names the first tensor that differs; no weight is read."""
    described = json.loads((models / DESCRIPTION).read_text())
    described["model"] |= changes
    (tmp_path / DESCRIPTION).write_text(json.dumps(described))
    (tmp_path / GENERATOR).write_bytes((models / GENERATOR).read_bytes())
    with pytest.raises(RefcolorError, match=r"does not fit the model.json beside it: \S+ is"):
        Colorizer.load(tmp_path)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "xpu", ""])
def test_a_missing_device_is_refused(models: Path, device: str) -> None:
    """The message is one line, whatever the name."""
    with pytest.raises(RefcolorError, match="device"):
        Colorizer.load(models, device=device)


def test_refcolor_gives_the_colorizer() -> None:
    """`from refcolor import Colorizer` works; an unknown name is an AttributeError."""
    import refcolor

    assert refcolor.Colorizer is Colorizer
    with pytest.raises(AttributeError, match="has no attribute 'Colouriser'"):
        _ = refcolor.Colouriser
