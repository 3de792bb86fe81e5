"""XDoG equals the published formula, keeps lines, does not flood, and depends on the id."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import ndimage

from refcolor.io import image
from refcolor.lines.sketch import (
    PRESETS,
    XDoGSettings,
    _threshold,
    draw_settings,
    flag,
    ink_share,
    settings_between,
    sketch_picture,
    xdog,
)
from refcolor.params import SketchParams

PORTRAITS = Path(__file__).parents[3] / "shared" / "data" / "portraits"


def reference_xdog(
    gray: np.ndarray, sigma: float, k: float, sharpness: float, epsilon: float, phi: float
) -> np.ndarray:
    """The formula pixel by pixel, in float64, with another library's blur."""
    narrow = ndimage.gaussian_filter(gray.astype(np.float64), sigma, mode="mirror", truncate=4)
    wide = ndimage.gaussian_filter(gray.astype(np.float64), k * sigma, mode="mirror", truncate=4)
    lines = np.empty(gray.shape)
    for row, column in np.ndindex(*gray.shape):
        s = (1 + sharpness) * narrow[row, column] - sharpness * wide[row, column]
        lines[row, column] = 1 if s >= epsilon else 1 + np.tanh(phi * (s - epsilon))
    return lines


def disc(size: int = 64, *, radius: float = 20, width: float = 2, fill: int = 255) -> np.ndarray:
    """A black circle line on white, filled with a tone."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    distance = np.hypot(y, x)
    picture = np.full((size, size, 3), 255, np.uint8)
    picture[distance < radius] = fill
    picture[np.abs(distance - radius) < width / 2] = 0
    return picture


@pytest.mark.parametrize(
    "settings",
    [
        *PRESETS.values(),
        XDoGSettings(sigma=0.3, k=2.0, sharpness=19.0, epsilon=0.01, phi=1e9),
        XDoGSettings(sigma=1.3, k=1.6, sharpness=7.0, epsilon=0.6, phi=3.0),
    ],
    ids=[*PRESETS, "narrow", "soft"],
)
def test_xdog_equals_the_formula(settings: XDoGSettings) -> None:
    """Every setting agrees with the slow formula, up to pixels that sit on a hard threshold."""
    gray = np.random.default_rng(0).random((37, 23), dtype=np.float32)
    gray = cv2.GaussianBlur(gray, (5, 5), 1.0)
    values = settings.__dict__
    result, expected = xdog(gray, **values), reference_xdog(gray, **values)
    assert result.dtype == np.float32
    assert 0.02 < np.mean(expected < 0.5) or settings.phi < 1
    assert np.mean(np.abs(result - expected) > 1e-4) <= 0.005


def test_xdog_of_one_black_pixel_has_worked_values() -> None:
    """Around a black pixel S is 1 - 3 G_0.5(x) + 2 G_1(x), soft below the threshold."""
    gray = np.ones((17, 17), np.float32)
    gray[8, 8] = 0

    def line(sigma: float, radius: int) -> np.ndarray:
        weights = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
        return weights / weights.sum()

    narrow, wide = line(0.5, 2), line(1.0, 4)
    assert narrow[2] == pytest.approx(0.7866, abs=1e-4)
    lines = xdog(gray, sigma=0.5, k=2, sharpness=2, epsilon=0.96, phi=2)
    at_the_pixel = 1 - 3 * narrow[2] ** 2 + 2 * wide[4] ** 2
    beside_it = 1 - 3 * narrow[2] * narrow[3] + 2 * wide[4] * wide[5]
    assert lines[8, 8] == pytest.approx(1 + np.tanh(2 * (at_the_pixel - 0.96)), abs=1e-5)
    assert lines[8, 9] == pytest.approx(1 + np.tanh(2 * (beside_it - 0.96)), abs=1e-5)
    assert lines[0, 0] == 1


def test_the_old_setting_is_that_of_xdog_python() -> None:
    """Its D = G_0.5 - 0.98 G_100, threshold 0.01 and phi 10 are the same in terms of S."""
    gray = np.random.default_rng(0).random((19, 23), dtype=np.float32)
    narrow, wide = (
        ndimage.gaussian_filter(gray, sigma, mode="mirror", truncate=4) for sigma in (0.5, 100)
    )
    d = narrow - 0.98 * wide
    expected = np.where(d >= 0.01, 1, 1 + np.tanh(10 * (d - 0.01)))
    np.testing.assert_allclose(xdog(gray, **PRESETS["xdog_python"].__dict__), expected, atol=1e-4)


@pytest.mark.parametrize("phi", [0.0, 0.2, 50.0, 1e6, 1e9, 1e12])
@pytest.mark.parametrize("epsilon", [0.01, 0.5, -0.1])
def test_a_tone_near_the_threshold_is_that_of_the_formula(phi: float, epsilon: float) -> None:
    """Skipping tanh where it is exactly -1 changes no float."""
    middle = np.float32(epsilon)
    steps = np.concatenate([np.arange(-200, 5), -np.geomspace(200, 2e8, 50)])
    s = (middle + steps * np.spacing(np.abs(middle))).astype(np.float32)
    paper, soft, tones = _threshold(s, epsilon, phi)
    lines = paper.astype(np.float32)
    lines[soft] = tones
    exact = (1 + np.tanh(phi * (s.astype(np.float64) - epsilon))).astype(np.float32)
    np.testing.assert_array_equal(lines, np.where(s < middle, exact, 1))
    assert soft.any() or phi > 1e9


@pytest.mark.parametrize("phi", [1e9, 1e300])
def test_a_huge_phi_is_a_hard_threshold(phi: float) -> None:
    """With phi of 1e9 and beyond every pixel is ink or paper; nothing overflows or warns."""
    gray = np.random.default_rng(0).random((31, 29), dtype=np.float32)
    lines = xdog(gray, phi=phi)
    assert np.mean(np.isin(lines, (0, 1))) > 0.99
    assert np.isfinite(lines).all()
    assert 0.05 < lines.mean() < 0.95


def test_integers_are_refused() -> None:
    """8-bit input is rejected with advice instead of being blurred in 8 bits."""
    with pytest.raises(ValueError, match=r"floating-point in \[0, 1\], got uint8; see to_unit"):
        xdog(np.zeros((4, 4), np.uint8))  # type: ignore[arg-type]


def test_other_shapes_are_refused() -> None:
    """Colour for xdog and grey for sketch_picture are errors with the shape."""
    with pytest.raises(ValueError, match=r"\(H, W\), got shape \(4, 4, 3\)"):
        xdog(np.zeros((4, 4, 3), np.float32))
    with pytest.raises(ValueError, match=r"\(H, W, 3\), got shape \(4, 4\)"):
        sketch_picture(np.zeros((4, 4), np.uint8), PRESETS["default"])


@pytest.mark.parametrize("preset", ["default", "tag2pix"])
def test_a_drawn_line_is_kept(preset: str) -> None:
    """A black circle on white keeps at least 95 % of its line; the paper stays white."""
    picture = disc()
    sketch = sketch_picture(picture, PRESETS[preset])
    line = picture[..., 0] == 0
    assert sketch.shape == (64, 64)
    assert sketch.dtype == np.uint8
    assert np.mean(sketch[line] < 128) >= 0.95
    near = cv2.dilate(line.astype(np.uint8), np.ones((7, 7))) > 0
    assert (sketch[~near] == 255).all()


def test_only_the_old_setting_floods_dark_regions() -> None:
    """The inside of a dark disc is paper by default, and ink with the setting of XDoG-Python."""
    picture = disc(fill=60)
    default, flooded = (
        sketch_picture(picture, PRESETS[preset]) for preset in ("default", "xdog_python")
    )
    assert (default[26:38, 26:38] == 255).all()
    assert (flooded[26:38, 26:38] < 128).all()
    assert ink_share(flooded) > 2 * ink_share(default)
    assert flag(ink_share(flooded)) == "too_dark"
    assert flag(ink_share(default)) == ""


def test_the_tone_of_a_region_does_not_leak() -> None:
    """Two tones between the same lines give nearly the same sketch."""
    light, dark = (sketch_picture(disc(fill=fill), PRESETS["default"]) for fill in (230, 120))
    assert np.mean(light != dark) < 0.02


def test_equal_pictures_give_equal_bytes() -> None:
    """The number of OpenCV threads changes no byte."""
    picture = np.random.default_rng(0).integers(0, 256, (113, 97, 3), dtype=np.uint8)
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        first = sketch_picture(picture, PRESETS["default"])
        cv2.setNumThreads(2)
        second = sketch_picture(picture, PRESETS["default"])
    finally:
        cv2.setNumThreads(threads)
    assert first.tobytes() == second.tobytes()


def test_settings_depend_on_the_id_alone() -> None:
    """The settings of an id are always these; golden, because a change redraws every sketch."""
    params = SketchParams(preset="default")
    settings = draw_settings(params, "a-1")
    assert settings == draw_settings(params, "a-1") != draw_settings(params, "a-2")
    assert settings.sigma == 0.5
    assert settings.k == pytest.approx(3.2662541605871005, abs=1e-12)


def test_settings_fill_their_ranges_evenly() -> None:
    """Over many ids sigma takes its three values equally often and k covers [2, 4.5]."""
    drawn = [draw_settings(SketchParams(preset="default"), f"picture-{n}") for n in range(3000)]
    sigmas, counts = np.unique([settings.sigma for settings in drawn], return_counts=True)
    assert sigmas.tolist() == [0.3, 0.4, 0.5]
    assert counts.min() > 900
    k = np.array([settings.k for settings in drawn])
    assert k.min() >= 2
    assert k.max() <= 4.5
    np.testing.assert_allclose(np.quantile(k, [0.1, 0.5, 0.9]), [2.25, 3.25, 4.25], atol=0.1)
    assert abs(np.corrcoef(k, [settings.sigma for settings in drawn])[0, 1]) < 0.06


def test_the_other_presets_draw_their_own_ranges() -> None:
    """tag2pix stays within its authors' ranges; xdog_python never varies."""
    tag2pix = [draw_settings(SketchParams(preset="tag2pix"), str(n)) for n in range(50)]
    assert all(0.35 <= settings.sigma <= 0.45 and 2 <= settings.k <= 3 for settings in tag2pix)
    assert {settings.epsilon for settings in tag2pix} == {0.0}
    python = {draw_settings(SketchParams(preset="xdog_python"), str(n)) for n in range(9)}
    assert python == {PRESETS["xdog_python"]}


def test_ink_is_darker_than_middle_grey() -> None:
    """127 is ink, 128 is paper; the flags begin beyond 30 % and below half a percent."""
    assert ink_share(np.array([[0, 127, 128, 255]], np.uint8)) == 0.5
    assert [flag(ink) for ink in (0.0, 0.0049, 0.005, 0.3, 0.31)] == [
        "too_light",
        "too_light",
        "",
        "",
        "too_dark",
    ]


def test_drawing_is_fast_enough() -> None:
    """One core draws at least 100 pictures of 512 px a second (700 on an idle one)."""
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    picture = image.resize(picture, 512, 512)
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        sketch_picture(picture, PRESETS["default"])
        start = time.process_time()
        for _ in range(20):
            sketch_picture(picture, PRESETS["default"])
        assert 20 / (time.process_time() - start) > 100
    finally:
        cv2.setNumThreads(threads)


@pytest.mark.skipif(not PORTRAITS.is_dir(), reason="the real pictures are not here")
def test_real_portraits_are_not_flooded() -> None:
    """Painted characters give line art by default; XDoG-Python floods most of them."""
    pictures = [
        image.square(image.read(path), 256) for path in sorted(PORTRAITS.glob("arch*.webp"))[:80:10]
    ]
    ink = {
        preset: [ink_share(sketch_picture(picture, PRESETS[preset])) for picture in pictures]
        for preset in PRESETS
    }
    assert not any(flag(share) for share in ink["default"] + ink["tag2pix"])
    assert sum(flag(share) == "too_dark" for share in ink["xdog_python"]) > len(pictures) / 2


def test_settings_between_span_the_range_of_default() -> None:
    """Both ends and the middle by hand; the other settings are those of the preset."""
    interpolated = [settings_between(*positions) for positions in ((0, 0), (0.5, 0.5), (1, 1))]
    assert [settings.sigma for settings in interpolated] == pytest.approx([0.3, 0.4, 0.5])
    assert [settings.k for settings in interpolated] == pytest.approx([2.0, 3.25, 4.5])
    rest = {(settings.sharpness, settings.epsilon, settings.phi) for settings in interpolated}
    assert rest == {(19.0, 0.01, 1e9)}


@pytest.mark.parametrize("preset", ["default", "tag2pix"])
def test_settings_between_contain_the_thin_presets(preset: str) -> None:
    """The range of varied sketches contains the settings of both presets."""
    low, high = settings_between(0, 0), settings_between(1, 1)
    for index in range(200):
        drawn = draw_settings(SketchParams(preset=preset), f"p{index}")
        assert low.sigma <= drawn.sigma <= high.sigma
        assert low.k <= drawn.k <= high.k
