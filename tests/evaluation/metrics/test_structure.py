"""SSIM, MS-SSIM and PSNR agree with trusted libraries and with numbers worked by hand."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity
from torch.nn.functional import avg_pool2d

from refcolor.evaluation.metrics.baselines import grey
from refcolor.evaluation.metrics.color import delta_e
from refcolor.evaluation.metrics.structure import ms_ssim, psnr, ssim

Picture = NDArray[np.uint8]


def _cloudy(seed: int, height: int = 71, width: int = 83) -> Picture:
    """Smooth coloured noise: every channel has structure of its own and of all sizes."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    layers = sum(s * gaussian_filter(noise, (s, s, 0)) for s in (0.6, 2, 6))
    return np.clip(128 + 90 * layers, 0, 255).astype(np.uint8)


def _disturbed(picture: Picture, seed: int) -> Picture:
    noise = np.random.default_rng(seed).normal(0, 25, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def test_ssim_of_two_flat_pictures_is_their_luminance_term() -> None:
    """Flat 100 against flat 120 gives (2*100*120 + c1) / (100^2 + 120^2 + c1)."""
    first, second = np.full((13, 17, 3), 100, np.uint8), np.full((13, 17, 3), 120, np.uint8)
    c1 = 2.55**2
    assert ssim(first, second) == pytest.approx((24000 + c1) / (24400 + c1), abs=1e-9)


def test_ms_ssim_agrees_with_torchmetrics_at_five_levels() -> None:
    """At 176 x 181 pixels every level's contrast term is that of torchmetrics.

    The last level's index is scikit-image's, because torchmetrics counts mirrored borders there;
    even so its own value differs by less than 1e-3.
    """
    import torchmetrics.functional.image as reference

    truth = _cloudy(3, 176, 181)
    picture = _disturbed(gaussian_filter(truth, (5, 5, 0)), 4)
    first, second = (torch.from_numpy(p).permute(2, 0, 1)[None].double() for p in (picture, truth))
    whole = float(
        reference.multiscale_structural_similarity_index_measure(first, second, data_range=255.0)
    )
    expected = 1.0
    for weight in (0.0448, 0.2856, 0.3001, 0.2363):
        contrast = reference.structural_similarity_index_measure(
            first, second, data_range=255.0, return_contrast_sensitivity=True
        )[1]
        expected *= float(contrast) ** weight
        first, second = avg_pool2d(first, 2), avg_pool2d(second, 2)
    smallest = [p[0].permute(1, 2, 0).numpy() for p in (first, second)]
    expected *= (
        structural_similarity(
            *smallest,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=-1,
            data_range=255,
        )
        ** 0.1333
    )
    assert 0.2 < expected < 0.9
    assert ms_ssim(picture, truth) == pytest.approx(expected, abs=1e-6)
    assert ms_ssim(picture, truth) == pytest.approx(whole, abs=1e-3)


def test_ms_ssim_of_a_small_picture_is_ssim() -> None:
    """Below 22 pixels a single level with weight 1 is left, which is SSIM itself."""
    truth = _cloudy(5, 19, 21)
    picture = _disturbed(truth, 6)
    assert ms_ssim(picture, truth) == pytest.approx(ssim(picture, truth), abs=1e-9)


def test_the_weights_of_ms_ssim_at_64_pixels_sum_to_one() -> None:
    """With flat pictures every contrast term is 1, so only the last level's weight matters."""
    first, second = np.full((64, 64, 3), 60, np.uint8), np.full((64, 64, 3), 180, np.uint8)
    c1 = 2.55**2
    luminance = (2 * 60 * 180 + c1) / (60**2 + 180**2 + c1)
    weight = 0.3001 / (0.0448 + 0.2856 + 0.3001)
    assert ms_ssim(first, second) == pytest.approx(luminance**weight, abs=1e-9)


def test_psnr_of_a_constant_error() -> None:
    """An error of 5 grey levels everywhere is 20 log10(255 / 5) = 34.1514 dB."""
    first, second = np.full((11, 13, 3), 90, np.uint8), np.full((11, 13, 3), 95, np.uint8)
    assert psnr(first, second) == pytest.approx(34.151404, abs=1e-6)
    assert psnr(second, first) == psnr(first, second)


def test_equal_pictures_score_the_highest_values() -> None:
    """Equal pictures give 1, 1 and the finite cap of 100 dB, which JSON can hold."""
    picture = _cloudy(7)
    assert ssim(picture, picture) == pytest.approx(1)
    assert ms_ssim(picture, picture) == pytest.approx(1)
    assert psnr(picture, picture) == 100


def test_ssim_does_not_see_colour() -> None:
    """Swapped channels keep grey SSIM high while CIEDE2000 is large."""
    luma = _cloudy(8)[..., :1]
    tint = np.array([12, 0, -12])
    picture = np.clip(luma.astype(int) + tint, 0, 255).astype(np.uint8)
    swapped = np.ascontiguousarray(picture[..., ::-1])
    line = np.zeros(picture.shape[:2], bool)
    assert ssim(grey(swapped), grey(picture)) > 0.98
    assert delta_e(swapped, picture, line=line) > 10


@pytest.mark.parametrize("metric", [psnr, ssim, ms_ssim])
def test_pictures_that_cannot_be_compared_are_refused(metric: object) -> None:
    """Another shape, another type or fewer than 11 pixels is refused, naming what was given."""
    assert callable(metric)
    small, large = np.zeros((11, 13, 3), np.uint8), np.zeros((13, 11, 3), np.uint8)
    with pytest.raises(ValueError, match=r"one shape, got \(11, 13, 3\) and \(13, 11, 3\)"):
        metric(small, large)
    with pytest.raises(ValueError, match="must be uint8, got uint8 and float64"):
        metric(small, small.astype(np.float64))
    with pytest.raises(ValueError, match=r"at least 11 x 11 pixels, got \(7, 13, 3\)"):
        metric(small[:7], small[:7])
