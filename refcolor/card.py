"""The page of a model: what it is, what it learnt from, how good it is, what it cannot do.

Markdown with the YAML head that model hubs read. Every sentence about quality comes from a number;
what is not known is said to be.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open

import refcolor
from refcolor.checkpoint import GENERATOR, describe
from refcolor.errors import RefcolorError, UsageError
from refcolor.params import ModelParams
from refcolor.provenance import UNKNOWN, Origin, checksum, find_licence, find_origin
from refcolor.quality import table, weaknesses
from refcolor.stages import made_by, read_lock

# The parameters that shape a model; paths and addresses stay at home.
_SHOWN = (
    *("augment", "clean.fit", "clean.size", "loss", "model", "seed", "sketch"),
    *("source.count", "source.kind", "split", "train"),
)
_PRIVATE = frozenset({"train.init"})

_METHODS = {
    "scft": "dense correspondence (SCFT): each cell of the drawing takes a mixture of all cells "
    "of the reference",
    "sga": "stop-gradient attention (SGA): each cell of the drawing takes a mixture of all cells "
    "of the reference",
    "none": "no attention: each cell of the drawing sees the same cell of the reference",
}
_SOURCES = {
    "sample": "characters drawn by refcolor itself",
    "folder": "pictures of a private folder",
    "danbooru": "illustrations listed by Danbooru's API",
    "archive": "illustrations of a Danbooru archive",
    "url_list": "pictures of a list of addresses",
    "manifest": "pictures of a published manifest",
}

_HUB_TYPES = {"ssim": "ssim", "psnr": "psnr", "fid": "fid", "delta_e": "ciede2000"}


def write_card(folder: Path, *, root: Path | None = None) -> str:
    """Write the card of a model folder and return it as Markdown.

    root: the repository that trained the model, as `find_origin` takes it. What it cannot prove to
    belong to these very weights is left out, and the card says so.
    Raises RefcolorError for a folder without a model.
    """
    params, size = describe(folder)
    origin = find_origin(folder, root)
    licence = find_licence(folder, origin)
    sections = [
        _head(origin, licence, size),
        *_what(folder, params, size),
        *_use(size),
        *_data(origin),
        *_numbers(origin),
        *_limits(origin, params, size),
        *_parameters(origin),
        *_licence(origin, licence),
        "## Checksum",
        f"`{GENERATOR}`: SHA-256 `{checksum(folder)}`. Written by refcolor {refcolor.__version__}.",
    ]
    return "\n\n".join([*sections, *origin.missing]) + "\n"


def refuse_stage_output(path: Path) -> None:
    """Refuse to write into what a stage made: DVC would take it for changed, and train anew.

    Raises UsageError.
    """
    for root in path.resolve().parents:
        for out in made_by(read_lock(root)):
            if path.resolve().is_relative_to((root / out).resolve()):
                raise UsageError(
                    f"{path} lies in {out}, which belongs to DVC, and a file added there makes "
                    "`dvc repro` train anew; write it elsewhere and copy the folder to publish it"
                )


def _head(origin: Origin, licence: str, size: int) -> str:
    lines = [
        "---",
        f"license: {licence.lower() if licence != UNKNOWN else 'other'}",
        *(["license_name: not-stated"] if licence == UNKNOWN else []),
        "library_name: refcolor",
        "pipeline_tag: image-to-image",
        "tags: [line-art, colorization, sketch, reference-based, safetensors]",
    ]
    known = {name: kind for name, kind in _HUB_TYPES.items() if name in origin.numbers}
    if known:
        lines += [
            f"metrics: [{', '.join(known.values())}]",
            "model-index:",
            "- name: refcolor",
            "  results:",
            "  - task: {type: image-to-image, name: Reference-based sketch colouring}",
            f"    dataset: {{type: refcolor, name: {json.dumps(f'{_source(origin)}, {size} px')}}}",
            "    metrics:",
            *(
                f"    - {{type: {kind}, value: {origin.numbers[name]:g}, name: {name}}}"
                for name, kind in known.items()
            ),
        ]
    return "\n".join([*lines, "---"])


def _what(folder: Path, params: ModelParams, size: int) -> Iterator[str]:
    yield f"# refcolor: line drawings coloured after a reference, {size} px"
    count = _parameter_count(folder / GENERATOR)
    yield (
        f"A generator that colours a line drawing in the colours of a reference picture. It learnt "
        f"from squares of {size} x {size} pixels and has {count / 1e6:.2g} million parameters. "
        f"Method: {_METHODS[params.attention]}. After Lee et al., *Reference-Based Sketch Image "
        "Colorization* (CVPR 2020)."
    )


def _use(size: int) -> Iterator[str]:
    yield "## Use it"
    yield (
        "```python\n"
        "from refcolor import Colorizer\n\n"
        'colorizer = Colorizer.load("this folder")\n'
        'colorizer.colorize("drawing.png", "reference.png").save("coloured.png")\n'
        "```"
    )
    yield (
        f"Drawings of any size are taken; colours are made at {size} pixels and brought up to the "
        "drawing's own. Weights are safetensors: no code runs when they are opened."
    )


def _data(origin: Origin) -> Iterator[str]:
    yield "## Data"
    if not origin.funnel:
        yield "Not known here."
        return
    rows = ["| stage | pictures | left out |", "|---|---|---|"]
    for stage in ("discover", "download", "clean"):
        counts = origin.funnel[stage]
        dropped = ", ".join(f"{n} {reason}" for reason, n in counts["dropped"].items()) or "none"
        rows.append(f"| {stage} | {counts['kept']} | {dropped} |")
    split = origin.funnel["split"]
    yield (
        f"{_source(origin).capitalize()}. Trained on {split['train']} of them; "
        f"{split['validation']} were kept back, and the numbers below are theirs."
    )
    yield "\n".join(rows)


def _numbers(origin: Origin) -> Iterator[str]:
    yield "## Numbers"
    if not origin.numbers:
        yield "Not measured."
        return
    yield (
        f"On {origin.numbers['images']:.0f} pictures that it never saw. Beside the model stand "
        "answers that need none: the truth without its colour, the reference's mean colour, and "
        "the reference put in place as it is. Colour errors are CIEDE2000: about 1 is just "
        "noticeable."
        + (" Measured before the weights were rounded to fewer digits." if origin.rounded else "")
    )
    yield table(origin.numbers)


def _limits(origin: Origin, params: ModelParams, size: int) -> Iterator[str]:
    """Say what it cannot do; every sentence stands on a number or on how the model is made."""
    yield "## What it cannot do"
    cells = size // params.stride
    limits = [
        f"It matches {cells} x {cells} cells of {params.stride} x {params.stride} pixels (of "
        f"{size}): whatever is smaller than a cell shares its colour with its neighbours."
    ]
    numbers = origin.numbers
    if params.attention == "none":
        limits.append("It matches nothing: a reference in another pose colours the wrong parts.")
    if not numbers:
        limits.append("Nothing is known of its quality: it has not been judged.")
    limits += weaknesses(numbers)
    kind = origin.parameters.get("source.kind")
    if kind == "sample":
        limits.append(
            "It has seen characters drawn by a program and nothing else. Drawings by hand, whole "
            "bodies, scenes and photographs have not been measured; expect less there."
        )
    elif kind:
        limits.append("It has been judged on pictures like those it learnt from, and on no others.")
    yield "\n".join(f"- {limit}" for limit in limits)


def _parameters(origin: Origin) -> Iterator[str]:
    if not origin.parameters:
        return
    yield "## Parameters"
    shown = {
        name: value
        for name, value in origin.parameters.items()
        if name not in _PRIVATE and any(f"{name}.".startswith(f"{part}.") for part in _SHOWN)
    }
    lines = [f"{name}: {json.dumps(value)}" for name, value in shown.items()]
    yield "\n".join(["```yaml", *lines, "```"])


def _licence(origin: Origin, licence: str) -> Iterator[str]:
    yield "## Licence"
    if licence != UNKNOWN:
        yield f"{licence}."
        return
    stated = ", ".join(f"{n} {name or 'without one'}" for name, n in origin.licences.items())
    yield (
        "Not stated. refcolor itself is MIT; what may be done with weights depends on the pictures "
        f"that they learnt from ({stated or 'not known here'})."
    )


def _source(origin: Origin) -> str:
    return _SOURCES.get(origin.parameters.get("source.kind", ""), "pictures of unknown source")


def _parameter_count(path: Path) -> int:
    """Count the numbers that learn; the running statistics of a norm do not."""
    try:
        with safe_open(path, "numpy") as weights:
            shapes = {name: weights.get_slice(name).get_shape() for name in weights.keys()}
    except FileNotFoundError as error:
        raise RefcolorError(f"{path} is missing; train a model or name another folder") from error
    except SafetensorError as error:
        raise RefcolorError(f"{path} is not a safetensors file; train the model anew") from error
    return sum(
        math.prod(shape)
        for name, shape in shapes.items()
        if "running_" not in name and "num_batches" not in name
    )
