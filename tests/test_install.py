"""What an installation needs: packages of each command, and the content of a release."""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from refcolor.colorize.colorizer import DEMO, Colorizer
from refcolor.colorize.look import Look
from refcolor.io import image
from refcolor.publish.export import export_onnx

from .colorize.material import FINE, blocks, line_art, save_tiny

ROOT = Path(__file__).parents[1]
# Packages of the extras app, export, onnx and pipeline, as they are imported.
EXTRAS = (
    "dvc gradio matplotlib mlflow onnx onnxruntime onnxscript pandas pathspec pytorch_fid requests "
    "ruamel scipy skimage tldextract torchvision"
)

# Runs each argument as a command of refcolor, without the packages of the first.
WITHOUT = """
import sys
missing, *commands = sys.argv[1:]
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing.split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Finder())
from refcolor.cli.main import main
for command in commands:
    sys.argv = ["refcolor", *command.split()]
    try:
        main()
    except SystemExit:
        pass
"""


def run_without(packages: str, *commands: str, folder: Path) -> list[str]:
    """Run commands in a folder; returns the lines that they print."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, packages, *commands],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout.strip().splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a drawing and a reference."""
    image.write(tmp_path / "drawing.png", line_art(60, 50))
    image.write(tmp_path / "painting.png", blocks(64, 40))
    return tmp_path


COLORIZE = "colorize drawing.png --reference painting.png -o colored.png"


def test_coloring_needs_no_package_of_an_extra(folder: Path) -> None:
    """Colours, a PSD, the correspondence and line art, with what `pip install refcolor` brings."""
    commands = (
        f"{COLORIZE} --psd",
        "match drawing.png painting.png -o m.png",
        "sketch painting.png -o s",
    )
    lines = run_without(EXTRAS, *commands, folder=folder)
    assert lines[:2] == ["coloured: 1", "m.png"]
    assert {path.name for path in folder.iterdir()} >= {"colored.png", "colored.psd", "m.png", "s"}


def test_a_command_without_its_extra_names_it(folder: Path) -> None:
    """One line for each: which package is missing, and what to install."""
    extra_of = {
        "app": "app",
        "metrics a b": "pipeline",
        "benchmark score a b": "pipeline",
        "export --onnx model.onnx": "export",
        "card -o README.md": "pipeline",
        "runs HEAD": "pipeline",
        "forget 1": "pipeline",
        "gc": "pipeline",
        "study report --plan plan.yaml": "pipeline",
    }
    lines = [line for line in run_without(EXTRAS, *extra_of, folder=folder) if line]
    message = r"refcolor: this command needs (\w+), not installed here; run: pip install '(.+)'"
    for line, extra in zip(lines, extra_of.values(), strict=True):
        match = re.fullmatch(message, line)
        assert match
        assert match[1] in EXTRAS.split()
        assert match[2] == f"refcolor[{extra}]"


def test_without_torch_the_command_says_what_to_install(folder: Path) -> None:
    """A model folder needs torch, and an ONNX file onnxruntime."""
    commands = COLORIZE, f"{COLORIZE} --onnx model.onnx"
    lines = run_without("torch onnxruntime", *commands, folder=folder)
    assert [line for line in lines if line] == [
        "refcolor: this command needs torch, not installed here; run: pip install refcolor",
        "refcolor: an ONNX file needs onnxruntime, not installed here; "
        "run: pip install 'refcolor[onnx]'",
    ]


@pytest.mark.slow
def test_an_onnx_file_colors_without_torch(folder: Path) -> None:
    """The command needs onnxruntime alone, and makes the picture that `Colorizer` makes."""
    models = save_tiny(folder / "models", **FINE)
    export_onnx(models, folder / "model.onnx")
    packages = EXTRAS.replace("onnxruntime", "torch safetensors filelock joblib")
    lines = run_without(packages, f"{COLORIZE} --psd --soft --onnx model.onnx", folder=folder)
    assert lines == ["coloured: 1"]
    colorizer = Colorizer.load(folder / "model.onnx")
    colored = colorizer.colorize(line_art(60, 50), blocks(64, 40), look=Look(flat=False))
    assert np.array_equal(image.read(folder / "colored.png"), colored.picture)


@pytest.mark.slow
def test_a_release_has_the_library_its_model_and_nothing_else(tmp_path: Path) -> None:
    """Wheel and sdist have every file of refcolor/, and neither pipeline, recipes nor tests."""
    top = {"CHANGELOG.md", "CITATION.cff", "LICENSE", "MANIFEST.in", "README.md", "pyproject.toml"}
    for name in top:
        shutil.copy(ROOT / name, tmp_path)
    for name in ("refcolor", "pipeline", "recipes", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    command = "-m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist ."
    subprocess.run([sys.executable, *command.split()], cwd=tmp_path, check=True)
    command = "from setuptools import build_meta; build_meta.build_sdist('dist')"
    subprocess.run([sys.executable, "-c", command], cwd=tmp_path, check=True, capture_output=True)
    sdist, wheel = sorted((tmp_path / "dist").iterdir(), key=lambda path: path.suffix)
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    source = (path for path in (tmp_path / "refcolor").rglob("*") if path.is_file())
    library = {path.relative_to(tmp_path).as_posix() for path in source}
    assert names == library
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    generated = {"PKG-INFO", "setup.cfg"}
    assert {name for name in names if ".egg-info/" not in name} == library | top | generated
    assert f"refcolor/colorize/{DEMO.name}/generator.safetensors" in library


@pytest.mark.parametrize(
    ("version", "refused"),
    [((3, 10, 9), True), ((3, 11, 0), False), ((3, 14, 9), False), ((3, 15, 0), True)],
)
def test_make_refuses_a_python_without_packages(
    tmp_path: Path, version: tuple[int, int, int], refused: bool
) -> None:
    """One older than the code and one newer than the locked packages are refused in one line."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "python"
    said = "Python " + ".".join(map(str, version))
    python.write_text(
        f"#!/bin/sh\ncase $1 in --version) echo {said};; -c) exec {sys.executable} -c "
        f"'import sys; sys.version_info = {version}; exec(sys.argv[1])' \"$2\";; "
        "*) echo environment; exit 3;; esac\n",
        encoding="utf-8",
    )
    python.chmod(0o755)
    done = subprocess.run(
        ["make", "repro", f"PYTHON={python}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    line = f"Python 3.11 to 3.14 is needed, for which requirements.lock has packages; {python} is"
    assert (f"{line} {said}; name another: make repro" in done.stdout) == refused
    assert ("environment" in done.stdout) != refused
