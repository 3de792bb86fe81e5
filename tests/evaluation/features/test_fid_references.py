"""FID agrees with pytorch-fid and with clean-fid, each with its resizing and network."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import cleanfid.fid
import cleanfid.inception_pytorch
import numpy as np
import pytest
import pytorch_fid.fid_score
import pytorch_fid.inception
import torch
from cleanfid.inception_torchscript import InceptionV3W
from numpy.typing import NDArray
from torch import Tensor, nn

from refcolor.characters import draw_palette, draw_shape, render
from refcolor.evaluation.features.inception import WEIGHTS, Inception, resize_clean
from refcolor.evaluation.metrics.distance import fid
from refcolor.io import image

Rows = NDArray[np.floating]
Way = Literal["clean", "pytorch"]
Folders = tuple[Path, Path]

SCRIPT = "inception-2015-12-05.pt"  # the TorchScript file of clean-fid
PICTURES = 6  # in each folder
CPU = torch.device("cpu")

pytestmark = [
    pytest.mark.slow,
    # Both packages call torchvision, SciPy, Pillow and TorchScript as they once were.
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module", params=[64, 360], ids=["enlarged", "reduced"])
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Two folders of drawn characters, the second of them tinted."""
    root = tmp_path_factory.mktemp("pictures")
    for number in range(PICTURES):
        image.write(root / "plain" / f"{number}.png", _drawing(number, request.param))
        tinted = _drawing(number + PICTURES, request.param) * np.array([1, 0.8, 0.9])
        image.write(root / "tinted" / f"{number}.png", tinted.astype(np.uint8))
    return root / "plain", root / "tinted"


def _drawing(number: int, size: int) -> image.Picture:
    return render(draw_shape(5, number), draw_palette(6, number), size=size).color


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Random weights in the place of the real ones, and as TorchScript beside them."""
    folder = tmp_path_factory.mktemp("hub") / "checkpoints"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.hub.get_dir", lambda: str(folder.parent))
        patch.setattr("refcolor.evaluation.features.inception.fetch", lambda weights: weights.path)
        torch.save(_random_state(), folder / WEIGHTS.name)
        theirs = cleanfid.inception_pytorch.InceptionV3(resize_input=False, normalize_input=False)
        scripted = torch.jit.trace(_Scripted(theirs).eval(), torch.zeros(2, 3, 299, 299))
        scripted.save(folder / SCRIPT)
        yield folder


def _random_state() -> dict[str, Tensor]:
    """Draw weights that keep the signal alive; batch norms know the statistics of drawings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            pytorch_fid.inception, "load_state_dict_from_url", lambda *_args, **_options: {}
        )
        patch.setattr(nn.Module, "load_state_dict", lambda _self, _state: None)
        network = pytorch_fid.inception.fid_inception_v3()
        patch.setattr(pytorch_fid.inception, "fid_inception_v3", lambda: network)
        whole = pytorch_fid.inception.InceptionV3(normalize_input=False)
    random = torch.Generator().manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, generator=random)
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        whole.train()(
            image.to_tensor(np.stack([_drawing(number, 299) for number in range(20, 28)]))
        )
    return network.state_dict()


class _Scripted(nn.Module):
    """A network in the shape of the TorchScript file that clean-fid loads."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.layers = _Pooled(network)

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.layers(x)
        return pooled


class _Pooled(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.network(x)[0].flatten(1)
        return pooled


def _ours(folders: Folders, way: Way) -> float:
    features = Inception(resize=way)
    first, second = (np.stack([image.read(p) for p in sorted(f.iterdir())]) for f in folders)
    return fid(features(first), features(second))


def _theirs(folders: Folders, way: str, weights: Path) -> float:
    """Compute FID with the package's own functions, from the files on.

    Their matrix root of 2048 x 2048 takes minutes. Turned into the few dimensions that the rows
    span, the Gaussians and their distance are the same.
    """
    rows = _theirs_pytorch(folders) if way == "pytorch" else _theirs_clean(folders, weights)
    axes = np.linalg.svd(np.concatenate(rows).astype(np.float64), full_matrices=False)[2]
    few = [row.astype(np.float64) @ axes.T for row in rows]
    gaussians = [value for row in few for value in (row.mean(axis=0), np.cov(row, rowvar=False))]
    package = pytorch_fid.fid_score if way == "pytorch" else cleanfid.fid
    distance: Callable[..., float] = getattr(
        package, "calculate_frechet_distance" if way == "pytorch" else "frechet_distance"
    )
    return float(distance(*gaussians))


def _theirs_pytorch(folders: Folders) -> list[Rows]:
    model = pytorch_fid.inception.InceptionV3()
    return [
        pytorch_fid.fid_score.get_activations(sorted(f.iterdir()), model, PICTURES, num_workers=0)
        for f in folders
    ]


def _theirs_clean(folders: Folders, weights: Path) -> list[Rows]:
    model = InceptionV3W(str(weights), download=False)
    return [
        cleanfid.fid.get_folder_features(
            str(f), model, num_workers=0, device=CPU, mode="clean", verbose=False
        )
        for f in folders
    ]


def test_fid_agrees_with_both_packages(folders: Folders, random_weights: Path) -> None:
    """With one random state dict FID equals each package's to 1e-3, and the two differ by more."""
    clean, pytorch = (_theirs(folders, way, random_weights) for way in ("clean", "pytorch"))
    assert _ours(folders, "clean") == pytest.approx(clean, rel=1e-3)
    assert _ours(folders, "pytorch") == pytest.approx(pytorch, rel=1e-3)
    assert clean != pytest.approx(pytorch, rel=5e-3)


def test_pictures_reach_the_network_as_in_clean_fid(folders: Folders) -> None:
    """Resized pictures are clean-fid's to the last digits, before any network."""
    from cleanfid.resize import build_resizer

    picture = image.read(sorted(folders[0].iterdir())[0])
    np.testing.assert_allclose(resize_clean(picture), build_resizer("clean")(picture), atol=1e-3)


def _real_script() -> Path | None:
    folders = (WEIGHTS.path.parent, Path(tempfile.gettempdir()))
    return next((f for f in folders if (f / SCRIPT).exists()), None)


@pytest.mark.skipif(not WEIGHTS.path.exists(), reason="the weights of pytorch-fid are not here")
def test_fid_agrees_with_pytorch_fid_on_the_real_weights(folders: Folders) -> None:
    """From files to number, pytorch-fid's own command gives our FID to 1e-3."""
    theirs = pytorch_fid.fid_score.calculate_fid_given_paths(
        [str(f) for f in folders], PICTURES, "cpu", 2048, num_workers=0
    )
    assert _ours(folders, "pytorch") == pytest.approx(theirs, rel=1e-3)


@pytest.mark.skipif(
    not WEIGHTS.path.exists() or _real_script() is None,
    reason="the weights of pytorch-fid or of clean-fid are not here",
)
def test_fid_agrees_with_clean_fid_on_the_real_weights(folders: Folders) -> None:
    """From files to number, clean-fid's own function gives our FID to 1e-3."""
    theirs = cleanfid.fid.compare_folders(
        *map(str, folders),
        InceptionV3W(str(_real_script()), download=False),
        mode="clean",
        num_workers=0,
        device=CPU,
        verbose=False,
    )
    assert _ours(folders, "clean") == pytest.approx(theirs, rel=1e-3)
