"""Write the generator as ONNX, for other programs.

Examples:
  the model that comes with refcolor:
    refcolor export --onnx generator.onnx
  the model that `make repro` trained, to work at 256 pixels:
    refcolor export --onnx generator-256.onnx --model models --size 256

Other commands take the file instead of a model folder, and then need no torch.
Inputs sketch (batch, 1, H, W) and reference (batch, 3, H', W'), output picture (batch, 3, H, W),
all float32 in [-1, 1] with 1 = white; docs/sharing.md lists the others. The file is written only
when onnxruntime agrees with torch to 1e-3. Needs: pip install 'refcolor[export]'
"""

import argparse

from refcolor.cli.options import path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--onnx", metavar="OUT.onnx", type=path, required=True, help="what to write"
    )
    parser.add_argument(
        "--model",
        metavar="FOLDER",
        type=path,
        help="default: the model that comes with refcolor",
    )
    parser.add_argument(
        "--size",
        metavar="PIXELS",
        type=int,
        help="size at which the file is checked, and at which it works unless it is told another; "
        "default: that of the training pictures",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from refcolor.colorize.colorizer import DEMO
    from refcolor.publish.export import export_onnx

    file = export_onnx(arguments.model or DEMO, arguments.onnx, size=arguments.size)
    megabytes = file.path.stat().st_size / 1e6
    print(
        f"{file.path}: {file.size} x {file.size} pixels, {megabytes:.1f} MB; onnxruntime and torch "
        f"differ by {file.difference:.1g} at most; weights SHA-256 {file.weights}"
    )
