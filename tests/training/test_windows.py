"""A window shows a part of a picture, or the picture with its background around it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from refcolor.io import image
from refcolor.params import Params
from refcolor.training import augment
from refcolor.training.batch import make_batch
from refcolor.training.data import Pictures
from refcolor.training.windows import between_windows, color_views, draw_windows, view, whole


def test_windows_are_whole_or_between_half_and_one_and_a_half_sides() -> None:
    """Half of 1,000 windows are whole; the others lie inside the picture, or around it."""
    windows = draw_windows(1000, side=100, share=0.5, generator=torch.Generator().manual_seed(0))
    framed = windows[(windows != whole(1000, 100)).any(dim=1)]
    side = framed[:, 2:]
    slack = 100 - side
    assert len(framed) / 1000 == pytest.approx(0.5, abs=0.05)
    assert 50 <= side.min() < 55
    assert 155 < side.max() <= 160
    assert (framed[:, :2] >= slack.clamp(max=0)).all()
    assert (framed[:, :2] <= slack.clamp(min=0)).all()


def test_a_view_is_a_crop_or_has_a_margin() -> None:
    """A window inside the picture is a crop; what lies outside the picture has the fill colour."""
    picture = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
    crop = view(picture, torch.tensor([2, 4, 8]), 8, fill=0)
    assert np.array_equal(crop, picture[2:10, 4:12])
    wide = view(picture, torch.tensor([-4, -2, 20]), 20, fill=np.array([1, 2, 3], np.uint8))
    assert np.array_equal(wide[4:, 2:18], picture)
    assert np.array_equal(wide[0, 0], [1, 2, 3])
    assert np.array_equal(wide[19, 19], [1, 2, 3])


def test_whole_windows_of_the_same_size_are_the_pictures(
    make_pictures: Callable[..., Pictures],
) -> None:
    """No pixel changes where the window is the whole picture at its stored size."""
    pictures, index = make_pictures(5), torch.tensor([3, 1])
    views = color_views(pictures.color, index, whole(2, 32), 32)
    assert np.array_equal(views, pictures.color[[3, 1]])


def test_a_grid_between_windows_points_to_the_same_place() -> None:
    """Sampling the target's view by the new grid gives the reference's view of the same picture."""
    y, x = np.mgrid[:64, :64]
    picture = np.stack([2 * x, 2 * y, x + y], axis=-1).astype(np.uint8)
    reference, target = torch.tensor([[16, 8, 32]]), torch.tensor([[0, 0, 64]])
    views = [
        image.to_tensor(view(picture, window[0], 32, fill=0)[None])
        for window in (reference, target)
    ]
    still = augment.Warps(torch.zeros(1, augment.CONTROL_POINTS**2, 2), torch.tensor([False]))
    warped = between_windows(augment.warp(views[0], still), reference=reference, target=target)
    sampled = F.grid_sample(views[1], warped.grid, align_corners=False)
    assert warped.valid.all()
    assert (sampled - warped.picture).abs().max() < 0.02


def test_places_outside_the_target_are_not_valid() -> None:
    """Of a reference twice as wide as the target only the middle half is shown there."""
    still = augment.Warps(torch.zeros(1, augment.CONTROL_POINTS**2, 2), torch.tensor([False]))
    warped = between_windows(
        augment.warp(torch.zeros(1, 3, 32, 32), still),
        reference=torch.tensor([[-16, -16, 64]]),
        target=torch.tensor([[0, 0, 32]]),
    )
    inside = torch.zeros(1, 32, 32, dtype=torch.bool)
    inside[:, 8:24, 8:24] = True
    assert torch.equal(warped.valid, inside)


@pytest.mark.parametrize("size", [16, 32, 48])
def test_a_batch_has_the_size_of_the_training(
    make_params: Callable[..., Params], make_pictures: Callable[..., Pictures], size: int
) -> None:
    """Pictures of 32 px are trained at another size, with sketches drawn at that size."""
    batch = make_batch(
        make_pictures(5),
        torch.arange(4),
        make_params({"augment.framing": 0.5, "augment.ink": 0.5}),
        random=torch.Generator().manual_seed(0),
        device=torch.device("cpu"),
        size=size,
    )
    assert batch.sketch.shape == (4, 1, size, size)
    assert batch.target.shape == batch.reference.shape == (4, 3, size, size)
    assert batch.sketch.amin(dim=(1, 2, 3)).max() < 0
