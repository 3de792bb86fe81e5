"""The page in a real browser, from a dropped file to a saved picture."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.hints import PointColor, PointMatch

from ..browser import CHROMIUM
from ..colorize.material import line_art, two_panels
from .conftest import PATIENCE, Server, png, two_colors

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

DRAWING, REFERENCE = png(line_art(157, 211)), png(two_colors(127, 101))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is missing"),
]


@pytest.fixture
def open_page(
    server: Server, browser: "Browser", tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., "Page"]]:
    """Open the page in a tab of some width; photograph it at the end as `<test>-<width>.png`."""
    tabs: list[Page] = []

    def open_tab(width: int = 1300, scheme: str = "light") -> "Page":
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True
        )
        tab = context.new_page()
        tab.set_default_timeout(1000 * PATIENCE)
        tabs.append(tab)
        tab.goto(server.address)
        tab.locator("#drawing .picture-panel.full").wait_for()
        return tab

    yield open_tab
    for tab in tabs:
        width = tab.viewport_size["width"] if tab.viewport_size else 0
        tab.screenshot(path=tmp_path / f"{request.node.name}-{width}.png", full_page=True)
        tab.context.close()


def drop(page: "Page", panel: str, *pictures: bytes, add: bool = False) -> None:
    """Hand files to a panel, and wait until it shows the last of them."""
    before = page.locator(f"#{panel} .picture").get_attribute("src")
    files = [
        {"name": f"my {panel} {number}.png", "mimeType": "image/png", "buffer": picture}
        for number, picture in enumerate(pictures)
    ]
    chosen = "yes" if add else "no"
    page.locator(f"#{panel} .title input[data-add={chosen}]").set_input_files(files)
    page.wait_for_function(
        "([panel, before]) => document.querySelector(`#${panel} .picture`).src !== before",
        arg=[panel, before],
    )


def color(page: "Page") -> None:
    """Press the button and wait for the layers, which come last."""
    page.locator("#color").click()
    page.locator("#result .picture-panel.full").wait_for()
    page.locator("#save-psd:enabled").wait_for()


def click(page: "Page", panel: str, x: float, y: float) -> None:
    """Click a picture at a position given as fractions of its width and height."""
    frame = page.locator(f"#{panel} .frame")
    box = frame.bounding_box()
    assert box
    frame.click(position={"x": x * box["width"], "y": y * box["height"]})


def save(page: "Page", name: str) -> tuple[str, bytes]:
    """Press a button that saves; return the file's name and bytes."""
    with page.expect_download() as download:
        page.locator(f"#save-{name}").click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_from_a_dropped_file_to_a_saved_picture(
    server: Server, open_page: Callable[..., "Page"]
) -> None:
    """Drop, colour, ask where a colour came from, correct it, colour again, save: and the saved
    pixels are those of `Colorizer.colorize` with the same match.
    """
    page = open_page()
    drop(page, "drawing", DRAWING)
    drop(page, "reference", REFERENCE)
    color(page)
    colorizer = Colorizer.load(server.model)
    name, first = save(page, "picture")
    assert name == "my_drawing_0_colored.png"
    plain = colorizer.colorize(DRAWING, REFERENCE)
    assert np.array_equal(np.array(Image.open(BytesIO(first))), plain.picture)

    click(page, "drawing", 0.3, 0.4)
    page.locator("#reference .overlay:visible").wait_for()
    overlay = page.locator("#reference .overlay").get_attribute("src")
    click(page, "result", 0.7, 0.7)
    page.wait_for_function(
        "before => document.querySelector('#reference .overlay').src !== before", arg=overlay
    )
    assert page.locator("#result .spot").count() == page.locator("#drawing .spot").count() == 1

    click(page, "reference", 0.5, 0.25)
    page.locator("#matches li").wait_for()
    spot = page.locator("#drawing .marker").evaluate("n => [n.style.left, n.style.top]")
    place = page.locator("#reference .marker").evaluate("n => [n.style.left, n.style.top]")
    x, y = (float(share.rstrip("%")) / 100 for share in spot)
    u, v = (float(share.rstrip("%")) / 100 for share in place)
    assert (x, y, u, v) == pytest.approx((0.7, 0.7, 0.5, 0.25), abs=0.01)

    before = page.locator("#result .picture").get_attribute("src")
    page.locator("#color").click()
    page.wait_for_function(
        "before => document.querySelector('#result .picture').src !== before", arg=before
    )
    page.locator("#save-psd:enabled").wait_for()
    match = PointMatch(x=x * 211, y=y * 157, u=u * 101, v=v * 127)
    matched = colorizer.colorize(DRAWING, REFERENCE, matches=[match])
    second_save = np.array(Image.open(BytesIO(save(page, "picture")[1])))
    assert np.array_equal(second_save, matched.picture)
    assert not np.array_equal(second_save, plain.picture)

    for kind, file in (("colors", "my_drawing_0_colors.png"), ("lines", "my_drawing_0_lines.png")):
        name, data = save(page, kind)
        assert name == file and Image.open(BytesIO(data)).size == (211, 157)
    name, data = save(page, "psd")
    assert name == "my_drawing_0.psd" and data.startswith(b"8BPS")

    page.get_by_label("Take match 1 away").click()
    page.locator("#matches li").wait_for(state="detached")


def test_a_spot_takes_a_chosen_color(server: Server, open_page: Callable[..., "Page"]) -> None:
    """Flat colours, one region in a colour of the palette, one in any, one as paper: the saved
    pixels are those of `Colorizer.colorize` with the same look.
    """
    page = open_page()
    drop(page, "drawing", DRAWING)
    drop(page, "reference", REFERENCE)
    page.get_by_label("Flat").check()
    swatch = page.get_by_label("Give the spot this colour (1)")
    for press in (swatch, page.locator("#use"), page.locator("#keep")):
        count = page.locator("#matches li").count()
        click(page, "drawing", 0.5, (0.5, 0.1, 0.008)[count])
        page.locator("#drawing .spot").wait_for()
        press.click()
        page.locator("#matches li").nth(count).wait_for()
    shown = [
        page.locator("#matches .swatch").nth(number).evaluate("n => n.style.background")
        for number in range(3)
    ]
    color(page)
    picture = np.array(Image.open(BytesIO(save(page, "colors")[1])))[..., :3]
    levels = [f"rgb({', '.join(map(str, picture[y, 105].tolist()))})" for y in (78, 16, 1)]
    assert levels == shown
    assert shown[1:] == ["rgb(200, 85, 61)", "rgb(255, 255, 255)"]


def test_a_folder_becomes_a_zip(
    server: Server, open_page: Callable[..., "Page"], tmp_path: Path
) -> None:
    """Choose a folder, give its second drawing a dot, colour all, save: pictures with the pixels of
    `Colorizer.colorize` and PSD files in their folders; what is not a picture stops no other.
    """
    files = {"1/a.png": DRAWING, "1/b.png": DRAWING, "broken.png": b"x", "notes.txt": b"x"}
    for name, data in files.items():
        (tmp_path / "book" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "book" / name).write_bytes(data)
    page = open_page()
    drop(page, "reference", REFERENCE)
    page.locator("#drawing .title input[data-add=folder]").set_input_files(tmp_path / "book")
    page.get_by_text("Drawing 1 of 3: a.png").wait_for()
    page.locator("#next").click()
    page.get_by_text("Drawing 2 of 3: b.png").wait_for()
    click(page, "drawing", 0.5, 0.5)
    page.locator("#drawing .spot").wait_for()
    page.locator("#use").click()
    page.locator("#matches li").wait_for()
    page.locator("#next").click()
    page.get_by_text("Drawing 1 of 3: a.png").wait_for()
    page.get_by_label("with PSD files").check()
    page.locator("#color-all").click()
    page.get_by_text("Coloured 2 of 3").wait_for()
    page.get_by_text("book/broken.png: This is not a picture").wait_for()
    with page.expect_download() as download:
        page.locator("#zip:enabled").click()
    assert download.value.suggested_filename == "colored.zip"
    colorizer = Colorizer.load(server.model)
    with ZipFile(download.value.path()) as archive:
        names = {f"book/1/{stem}.{kind}" for stem in "ab" for kind in ("png", "psd")}
        assert set(archive.namelist()) == names | {"not-coloured.txt"}
        for stem, hints in (("a", ()), ("b", (PointColor(105.5, 78.5, "#c8553d"),))):
            expected = colorizer.colorize(DRAWING, REFERENCE, matches=hints).picture
            with archive.open(f"book/1/{stem}.png") as file:
                assert np.array_equal(np.array(Image.open(file)), expected)
        assert archive.read("book/1/b.psd").startswith(b"8BPS")


def test_an_upload_that_stops_half_way_leaves_the_others(open_page: Callable[..., "Page"]) -> None:
    """Of three references the first is cut off, and the second is not a picture: the third comes,
    with a line for each of the others.
    """
    page = open_page()
    uploads: list[str] = []

    def cut_first(route: "Route") -> None:
        uploads.append(route.request.url)
        route.abort() if len(uploads) == 1 else route.continue_()

    page.route("**/upload*", cut_first)
    page.locator("#reference .title input[data-add=yes]").set_input_files(
        [
            {"name": f"{number}.png", "mimeType": "image/png", "buffer": data}
            for number, data in enumerate((REFERENCE, b"no picture", REFERENCE))
        ]
    )
    page.get_by_text("0.png could not be sent").wait_for()
    page.get_by_text("1.png: This is not a picture").wait_for()
    page.locator("#reference .thumb").nth(1).wait_for()
    assert page.locator("#reference .thumb").count() == 2


def test_comparing_zooming_and_undoing(open_page: Callable[..., "Page"]) -> None:
    """The slider uncovers the lines; a zoomed picture has its spots where they are clicked; undo
    takes the last dot back, also by keyboard.
    """
    page = open_page()
    drop(page, "drawing", DRAWING)
    color(page)
    slider = page.get_by_label("Before and after")
    slider.fill("40")
    box = page.locator("#result .frame").bounding_box()
    assert box
    clip = page.locator("#result .before").evaluate("n => getComputedStyle(n).clipPath")
    assert clip == "inset(0px 60% 0px 0px)"

    frame, larger = page.locator("#drawing .frame"), page.get_by_label("Larger: Your drawing")
    width = (frame.bounding_box() or box)["width"]
    larger.click()
    larger.click()
    assert (frame.bounding_box() or box)["width"] == pytest.approx(2 * width, abs=2)
    for key in ("ArrowUp", "Enter"):
        frame.press(key)
    page.locator("#drawing .spot").wait_for()
    spot = page.locator("#drawing .spot").evaluate("n => [n.style.left, n.style.top]")
    assert [float(share.rstrip("%")) for share in spot] == pytest.approx([50, 48])
    page.locator("#keep").click()
    page.locator("#matches li").wait_for()
    page.locator("#undo:enabled").click()
    page.locator("#matches li").wait_for(state="detached")
    assert page.locator("#undo").is_disabled()
    click(page, "result", 0.5, 0.5)
    page.locator("#drawing .spot").wait_for()
    page.locator("#keep").click()
    page.locator("#matches li").wait_for()
    frame.press("Control+z")
    page.locator("#matches li").wait_for(state="detached")


def test_a_page_of_panels(open_page: Callable[..., "Page"]) -> None:
    """Each panel is a step of the progress; a spot of a panel shows where it looks, one of the
    gutter that it stays paper.
    """
    page = open_page()
    drop(page, "drawing", png(two_panels()))
    page.evaluate("""() => {
      window.said = new Set();
      const advice = document.querySelector('#advice');
      new MutationObserver(() => window.said.add(advice.innerText.trim()))
        .observe(advice, { childList: true, subtree: true, characterData: true });
    }""")
    color(page)
    said = page.evaluate("[...window.said]")
    assert {"Colouring panel 1 of 2 …", "Colouring panel 2 of 2 …"} <= set(said)
    click(page, "drawing", 0.75, 0.5)
    page.locator("#reference .overlay:visible").wait_for()
    click(page, "drawing", 0.5, 0.5)
    page.get_by_text("This spot lies between the panels").wait_for()
    assert page.locator("#reference .overlay:visible").count() == 0


def test_samples_can_be_colored_without_a_file(open_page: Callable[..., "Page"]) -> None:
    """Without any upload: press Colour, then choose other samples."""
    page = open_page()
    color(page)
    page.get_by_label("Take this drawing (2)").click()
    page.locator("#result .note").wait_for()
    page.get_by_label("Take these colours (3)").click()
    color(page)
    assert save(page, "picture")[0] == "drawing-2_colored.png"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_needs_no_sideways_scrolling(
    open_page: Callable[..., "Page"], scheme: str
) -> None:
    """At 360 px nothing lies outside to the right, and the pictures are as wide as the screen."""
    page = open_page(360, scheme)
    drop(page, "reference", REFERENCE, REFERENCE, add=True)
    page.locator("#reference .thumb").nth(2).wait_for()
    color(page)
    click(page, "drawing", 0.5, 0.5)
    page.locator("#reference .overlay:visible").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    shown = page.locator("a, button, label, input:not([type=file])").filter(visible=True).all()
    boxes = [box for element in shown if (box := element.bounding_box())]
    assert len(boxes) > 20
    assert max(box["x"] + box["width"] for box in boxes) <= 360
    box = page.locator("#result .stage").bounding_box()
    assert box and box["width"] > 300


def tab_to(page: "Page", selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
    raise AssertionError(f"Tab does not reach {selector}")


def choose_by_keyboard(page: "Page", panel: str, picture: bytes) -> None:
    """Tab to a panel's link for files, and choose a file."""
    before = page.locator(f"#{panel} .picture").get_attribute("src")
    with page.expect_file_chooser() as chooser:
        tab_to(page, f"#{panel} .title input[data-add=no]")
        page.keyboard.press("Space")
    chooser.value.set_files({"name": "x.png", "mimeType": "image/png", "buffer": picture})
    page.wait_for_function(
        "([panel, before]) => document.querySelector(`#${panel} .picture`).src !== before",
        arg=[panel, before],
    )


def test_everything_works_by_keyboard(server: Server, open_page: Callable[..., "Page"]) -> None:
    """Choose both pictures, place a match with the arrow keys, colour, save: the saved pixels are
    those of `Colorizer.colorize` with that match.
    """
    page = open_page()
    choose_by_keyboard(page, "drawing", DRAWING)
    tab_to(page, "#drawing .frame")
    for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowUp", "Enter"):
        page.keyboard.press(key)
    page.locator("#drawing .spot").wait_for()
    spot = page.locator("#drawing .spot").evaluate("n => [n.style.left, n.style.top]")
    assert [float(share.rstrip("%")) for share in spot] == pytest.approx([48, 38])
    choose_by_keyboard(page, "reference", REFERENCE)
    tab_to(page, "#reference .frame")
    page.keyboard.press("Enter")
    page.locator("#matches li").wait_for()
    tab_to(page, "#color")
    page.keyboard.press("Enter")
    page.locator("#save-picture:enabled").wait_for()
    tab_to(page, "#save-picture")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    match = PointMatch(x=0.48 * 211, y=0.38 * 157, u=0.5 * 101, v=0.5 * 127)
    expected = Colorizer.load(server.model).colorize(DRAWING, REFERENCE, matches=[match])
    assert np.array_equal(np.array(Image.open(download.value.path())), expected.picture)


def test_focus_is_visible(open_page: Callable[..., "Page"]) -> None:
    """Every element that Tab reaches has an outline of at least 2 px while it has the focus."""
    page = open_page()
    drop(page, "reference", REFERENCE, add=True)
    color(page)
    visible: dict[str, bool] = {}
    for _ in range(80):  # past the last one, Tab comes back to the first
        page.keyboard.press("Tab")
        name, outlined = page.evaluate("""() => {
          const focused = document.activeElement;
          const outlined = focused.matches(".frame") ? ".stage" : "label.link";
          const style = getComputedStyle(focused.closest(outlined) ?? focused);
          return [
            focused.ariaLabel || focused.id || focused.value || focused.tagName,
            style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
          ];
        }""")
        visible[name] = outlined
    del visible["BODY"]
    assert [name for name, outlined in visible.items() if not outlined] == []
    assert len(visible) >= 24


def test_removing_the_last_reference_focuses_the_one_before(
    open_page: Callable[..., "Page"],
) -> None:
    """Of three references the last is removed: the one before it gets the focus."""
    page = open_page()
    drop(page, "reference", REFERENCE, REFERENCE, add=True)
    page.get_by_label("Take picture 3 away").focus()
    page.keyboard.press("Enter")
    page.locator("#reference .thumb").nth(2).wait_for(state="detached")
    assert page.evaluate("document.activeElement.ariaLabel") == "Take picture 2 away"


def test_a_second_click_does_not_start_a_second_coloring(open_page: Callable[..., "Page"]) -> None:
    """While the page is busy the button is disabled; three clicks give one result."""
    page = open_page()
    page.evaluate("""() => {
      window.started = 0;
      const stage = document.querySelector('#result .stage');
      new MutationObserver((changes) => changes.forEach((change) => {
        window.started += stage.ariaBusy === 'true' && change.oldValue !== 'true';
      })).observe(stage, { attributeFilter: ['aria-busy'], attributeOldValue: true });
    }""")
    page.locator("#color:enabled").evaluate("button => { button.click(); button.click(); }")
    page.locator("#color").dispatch_event("click")
    page.locator("#save-psd:enabled").wait_for()
    page.wait_for_timeout(1000)
    assert page.evaluate("window.started") == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no picture", "This is not a picture. PNG, JPEG"),
        (DRAWING[: len(DRAWING) // 2], "damaged or cut short"),
    ],
)
def test_an_unusable_file_shows_a_message_and_changes_nothing(
    open_page: Callable[..., "Page"], data: bytes, message: str
) -> None:
    """After a file that cannot be used the page still shows what it showed before."""
    page = open_page()
    page.locator("#drawing .title input[data-add=no]").set_input_files(
        {"name": "x.png", "mimeType": "image/png", "buffer": data}
    )
    page.get_by_text(message).wait_for()
    color(page)


def test_a_painting_as_drawing_shows_a_message(open_page: Callable[..., "Page"]) -> None:
    """A coloured picture used as the drawing is refused when Colour is pressed."""
    page = open_page()
    drop(page, "drawing", REFERENCE)
    page.locator("#color").click()
    page.get_by_text("This is a picture in colour, not a line drawing").wait_for()
    page.locator("#color:enabled").wait_for()
    drop(page, "drawing", DRAWING)
    color(page)


def test_the_page_requests_nothing_from_other_hosts(server: Server, browser: "Browser") -> None:
    """No request goes to another host, and Gradio's footer is removed."""
    page = browser.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(server.address)
    page.locator("#drawing .picture-panel.full").wait_for()
    color(page)
    assert len(requests) > 10
    local = (server.address, "data:", "blob:")
    assert [address for address in requests if not address.startswith(local)] == []
    assert page.locator("footer:visible").count() == 0
    page.close()


def test_closing_a_page_removes_its_files(server: Server, browser: "Browser") -> None:
    """The files of a page exist while it is open, and are removed soon after it was closed."""
    page = browser.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(server.address)
    page.locator("#drawing .picture-panel.full").wait_for()
    drop(page, "drawing", DRAWING)
    color(page)

    def pictures() -> list[Path]:
        return [file for file in server.files.rglob("*") if file.suffix in (".png", ".psd")]

    assert len(pictures()) >= 4
    assert not any("my drawing" in file.name for file in pictures())
    others = len(pictures()) - 4
    page.close()
    waiting = browser.new_page()
    for _ in range(int(2 * PATIENCE)):
        if len(pictures()) <= others:
            break
        waiting.wait_for_timeout(500)
    waiting.close()
    assert len(pictures()) <= others
