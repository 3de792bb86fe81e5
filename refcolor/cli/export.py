"""Write the generator as ONNX, for other programs.

Examples:
  the model of this repository, at the size of its training pictures:
    refcolor export --onnx generator.onnx
  another model, for pictures of 256 x 256:
    refcolor export --onnx generator-256.onnx --model ~/my-model --size 256

Inputs sketch (batch, 1, size, size) and reference (batch, 3, size, size), output picture (batch, 3,
size, size), all float32 in [-1, 1] with 1 = white. The file is written only when onnxruntime agrees
with torch to 1e-3. Needs: pip install -e '.[export]'
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--onnx", metavar="OUT.onnx", type=Path, required=True, help="what to write"
    )
    parser.add_argument(
        "--model", metavar="FOLDER", type=Path, default=Path("models"), help="default: models"
    )
    parser.add_argument(
        "--size",
        metavar="PIXELS",
        type=int,
        help="side of the pictures that the file takes; default: that of the training pictures",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from refcolor.publish.export import export_onnx

    file = export_onnx(arguments.model, arguments.onnx, size=arguments.size)
    megabytes = file.path.stat().st_size / 1e6
    print(
        f"{file.path}: {file.size} x {file.size} pixels, {megabytes:.1f} MB; onnxruntime and torch "
        f"differ by {file.difference:.1g} at most; weights SHA-256 {file.weights}"
    )
