"""Two folders compared, for pairs by name and as whole sets, against other libraries."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pytorch_fid.fid_score import calculate_frechet_distance
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from refcolor.characters import draw_palette, draw_shape, render
from refcolor.cli import compare as module
from refcolor.cli.compare import Comparison, compare
from refcolor.errors import UsageError
from refcolor.io import image

COUNT = 5


class MeanColors:
    """Features of three numbers; records the sizes of the batches it was called with."""

    def __init__(self, name: str = "random") -> None:
        self.name = name
        self.batches: list[int] = []

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Give the mean colour of each picture."""
        self.batches.append(len(pictures))
        return pictures.mean(axis=(1, 2), dtype=np.float64)


def character(index: int, size: int = 64) -> image.Picture:
    """Draw a character."""
    return render(draw_shape(5, index), draw_palette(6, index), size=size).color


def tinted(picture: image.Picture) -> image.Picture:
    """Reduce green and blue."""
    return (picture * np.array([1, 0.8, 0.9])).astype(np.uint8)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of equal names: tinted characters as predictions, and their targets."""
    for index in range(COUNT):
        image.write(tmp_path / f"made/{index}.png", tinted(character(index)))
        image.write(tmp_path / f"truth/{index}.png", character(index))
    return tmp_path / "made", tmp_path / "truth"


def test_names_agree_in_composed_and_decomposed_form(folders: tuple[Path, Path]) -> None:
    """A result from macOS has its target of the same name from elsewhere."""
    made, truth = folders
    (made / "0.png").rename(made / "e\u0301.png")
    (truth / "0.png").rename(truth / "\xe9.png")
    assert len(run_compare(folders).pairs) == COUNT


def run_compare(
    folders: tuple[Path, Path], features: MeanColors | None = None, size: int | None = None
) -> Comparison:
    """Compare two folders in this process."""
    return compare(*folders, features=features or MeanColors(), size=size, workers=1)


def test_pairs_have_the_numbers_of_skimage(folders: tuple[Path, Path]) -> None:
    """PSNR, SSIM and CIEDE2000 of each pair, and their means, are those of scikit-image."""
    result = run_compare(folders)
    for index in range(COUNT):
        first, second = tinted(character(index)), character(index)
        numbers = result.pairs[str(index)]
        assert numbers["psnr"] == pytest.approx(peak_signal_noise_ratio(second, first))
        window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        ssim = structural_similarity(first, second, channel_axis=-1, **window)
        assert numbers["ssim"] == pytest.approx(ssim)
        apart = deltaE_ciede2000(rgb2lab(first), rgb2lab(second))
        assert numbers["delta_e_everywhere"] == pytest.approx(apart.mean(), rel=1e-4)
    mean = np.mean([numbers["psnr"] for numbers in result.pairs.values()])
    assert result.means["psnr"] == pytest.approx(mean)


def test_delta_e_leaves_out_lines_and_white(tmp_path: Path) -> None:
    """White paper of B is left out of delta_e: half the picture off by d gives d, not d / 2."""
    truth = np.full((32, 32, 3), 255, np.uint8)
    truth[:, 16:] = (200, 120, 90)
    prediction = truth.copy()
    prediction[:, 16:] = (120, 200, 90)
    image.write(tmp_path / "a/x.png", prediction)
    image.write(tmp_path / "b/x.png", truth)
    numbers = run_compare((tmp_path / "a", tmp_path / "b")).pairs["x"]
    apart = float(deltaE_ciede2000(rgb2lab(prediction[0, 31]), rgb2lab(truth[0, 31])))
    assert numbers["delta_e"] == pytest.approx(apart, rel=1e-4)
    assert numbers["delta_e_everywhere"] == pytest.approx(apart / 2, rel=1e-4)


@pytest.mark.filterwarnings("ignore:The `disp` argument:DeprecationWarning")
def test_folders_have_the_fid_of_pytorch_fid(folders: tuple[Path, Path]) -> None:
    """The distance of the folders is pytorch-fid's of the same rows, under the features' name."""
    rows = [
        np.stack([change(character(index)).mean(axis=(0, 1)) for index in range(COUNT)])
        for change in (tinted, lambda picture: picture)
    ]
    gaussians = [value for row in rows for value in (row.mean(axis=0), np.cov(row.T))]
    expected = calculate_frechet_distance(*gaussians)
    assert expected > 1
    assert run_compare(folders).means["fid_random"] == pytest.approx(expected, rel=1e-3)
    assert run_compare(folders, MeanColors("inception")).means["fid"] == pytest.approx(
        expected, 1e-3
    )


def test_unpaired_names_are_listed_and_count_for_fid(
    folders: tuple[Path, Path],
) -> None:
    """Names in one folder only are listed; the sets are whole folders, whatever the extension."""
    predictions, truth = folders
    (predictions / "4.png").rename(predictions / "alone.png")
    (truth / "3.png").rename(truth / "3.PNG")
    result = run_compare(folders)
    assert list(result.pairs) == ["0", "1", "2", "3"]
    assert result.alone == (("alone",), ("4",))
    assert result.images == (COUNT, COUNT)
    assert not result.failed


def test_without_a_common_name_only_fid_is_measured(folders: tuple[Path, Path]) -> None:
    """Without a single pair there is a note, and the distance of the folders."""
    for path in list(folders[0].iterdir()):
        path.rename(path.with_name(f"x{path.name}"))
    result = run_compare(folders)
    assert result.notes == ("no picture has a partner of its name in the other folder",)
    assert set(result.means) == {"fid_random", "kid_random"}


def test_a_pair_of_two_sizes_is_not_resized(folders: tuple[Path, Path]) -> None:
    """It fails with both sizes; random features cannot be measured, Inception's can."""
    image.write(folders[0] / "2.png", character(2, 80)[:72])
    result = run_compare(folders)
    assert "2" not in result.pairs
    (failure,) = result.failed
    assert "2.png is 80 x 72 and" in failure
    assert "64 x 64; give --size" in failure
    assert "fid_random" not in result.means
    assert "one size, got 2 sizes; give --size" in result.notes[0]
    assert "fid" in run_compare(folders, MeanColors("inception")).means


def test_with_size_pictures_are_fitted_into_squares(folders: tuple[Path, Path]) -> None:
    """With a size both pictures are fitted into it first, as the pipeline fits them."""
    picture = character(2, 80)[:72]
    image.write(folders[0] / "2.png", picture)
    result = run_compare(folders, size=48)
    assert len(result.pairs) == COUNT
    assert "fid_random" in result.means
    first, second = image.square(picture, 48), image.square(character(2), 48)
    assert result.pairs["2"]["psnr"] == pytest.approx(peak_signal_noise_ratio(second, first))


def test_a_damaged_picture_is_reported_once(folders: tuple[Path, Path]) -> None:
    """It is reported once, though the pair and the set both read it; the others are measured."""
    (folders[0] / "1.png").write_bytes(b"no picture")
    result = run_compare(folders)
    assert len(result.pairs) == COUNT - 1
    (failure,) = result.failed
    assert "1.png is not a picture" in failure
    assert result.images == (COUNT - 1, COUNT)


def test_one_picture_has_no_fid(folders: tuple[Path, Path]) -> None:
    """Two files are one pair, but FID needs more than one picture a side."""
    result = run_compare((folders[0] / "0.png", folders[1] / "3.png"))
    assert list(result.pairs) == ["0"]
    assert result.notes == (
        "fid and kid are left out: they need 2 pictures on each side, got 1 and 1",
    )


def test_a_picture_below_the_window_is_refused(tmp_path: Path) -> None:
    """SSIM needs 11 pixels a side: 10 are reported, with what to do."""
    for folder in ("a", "b"):
        image.write(tmp_path / folder / "x.png", np.zeros((10, 20, 3), np.uint8))
    (failure,) = run_compare((tmp_path / "a", tmp_path / "b")).failed
    assert "smaller than 11 pixels; give --size" in failure


def test_pictures_are_read_in_batches(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features get at most a batch of pictures at a time, and all of them."""
    monkeypatch.setattr(module, "_BATCH", 2)
    features = MeanColors()
    run_compare(folders, features)
    assert features.batches == [2, 2, 1, 2, 2, 1]


def test_kid_is_limited_to_max_pictures(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit KID takes evenly spread pictures; FID takes all."""
    whole = run_compare(folders).means
    monkeypatch.setattr(module, "MAX_KID_PICTURES", 3)
    part = run_compare(folders).means
    assert part["fid_random"] == whole["fid_random"]
    for index in (1, 3):
        for folder in folders:
            (folder / f"{index}.png").unlink()
    assert part["kid_random"] == run_compare(folders).means["kid_random"] != whole["kid_random"]


def test_nan_is_left_out(tmp_path: Path) -> None:
    """A white target has no pixel to judge: no delta_e, and JSON without NaN."""
    white = np.full((16, 16, 3), 255, np.uint8)
    for folder in ("a", "b"):
        image.write(tmp_path / folder / "x.png", white)
    result = run_compare((tmp_path / "a", tmp_path / "b"))
    assert "delta_e" not in result.means
    text = json.dumps(result.as_json(), allow_nan=False)
    assert json.loads(text)["pictures"]["x"]["psnr"] == 100


@pytest.mark.parametrize("size", [10, 8193])
def test_an_impossible_size_is_refused(folders: tuple[Path, Path], size: int) -> None:
    """Nothing is measured."""
    with pytest.raises(UsageError, match=f"--size must be 11 to 8192 pixels, got {size}"):
        run_compare(folders, size=size)
