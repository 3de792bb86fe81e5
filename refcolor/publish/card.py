"""The model card: description, training data, quality and limits of a model.

It is Markdown with the YAML front matter that model hubs read. Every sentence about quality states
a measured number; the card says which information is missing.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from safetensors import SafetensorError, safe_open

import refcolor
from refcolor.errors import RefcolorError, UsageError
from refcolor.params import INCLUDED_MODEL
from refcolor.publish.provenance import Origin, checksum, find_licence, find_origin
from refcolor.tracking.stages import made_by, read_lock
from refcolor.training.checkpoint import GENERATOR, describe

_TEMPLATE = Path(__file__).with_name("card.md.jinja")

# Sections of parameters on the card; paths and addresses are not published.
_PUBLISHED = (
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
_CREDITED, _UNKNOWN_SOURCE = "pictures by the artists named below", "pictures of unknown source"

_HUB_TYPES = {"ssim": "ssim", "psnr": "psnr", "fid": "fid", "delta_e": "ciede2000"}


def write_card(folder: Path, *, root: Path | None = None) -> str:
    """Return the card of a model folder as Markdown.

    root: the repository that trained the model, as for `find_origin`. Information that dvc.lock
    does not tie to these weights is left out, and the card says so.
    Raises RefcolorError for a folder without a model.
    """
    params, size = describe(folder)
    query, key = params.cell_sizes
    origin = find_origin(folder, root)
    licence = find_licence(folder, origin)
    kind = origin.parameters.get("source.kind", "")
    page = Environment(trim_blocks=True, undefined=StrictUndefined, keep_trailing_newline=True)
    return page.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        origin=origin,
        licence=licence,
        size=size,
        query=query,
        key=key,
        attention=params.attention,
        method=_METHODS[params.attention],
        millions=f"{_parameter_count(folder / GENERATOR) / 1e6:.2g}",
        kind=kind,
        tuned=origin.parameters.get("train.init") == INCLUDED_MODEL,
        source=_CREDITED if _all_credited(origin) else _SOURCES.get(kind, _UNKNOWN_SOURCE),
        hub_types={name: hub for name, hub in _HUB_TYPES.items() if name in origin.numbers},
        weaknesses=list(_weaknesses(origin.numbers)),
        parameters={
            name: json.dumps(value)
            for name, value in origin.parameters.items()
            if name not in _PRIVATE
            and any(f"{name}.".startswith(f"{section}.") for section in _PUBLISHED)
        },
        weights=GENERATOR,
        checksum=checksum(folder),
        version=refcolor.__version__,
    )


def refuse_stage_output(path: Path) -> None:
    """Raise UsageError for a path inside an output of a DVC stage.

    A new file there changes the output, so that `dvc repro` runs the stage again.
    """
    for root in path.resolve().parents:
        for out in made_by(read_lock(root)):
            if path.resolve().is_relative_to((root / out).resolve()):
                raise UsageError(
                    f"{path} lies in {out}, which belongs to DVC, and a file added there makes "
                    "`dvc repro` train again; write it elsewhere and copy the folder to publish it"
                )


def _weaknesses(numbers: Mapping[str, float]) -> Iterator[str]:
    """Yield sentences about what a model does badly, with numbers.

    numbers: of metrics/eval.json; any of them may be missing.
    """
    for key, target in (
        ("transfer_delta_e", "the true colours of a foreign reference"),
        ("delta_e", "the true colours with the own picture as reference"),
    ):
        if not {key, f"grey_{key}"} <= numbers.keys():
            continue
        error, grey = numbers[key], numbers[f"grey_{key}"]
        verdict = "**no better than no colour at all**" if error >= grey else "visibly off"
        # Below 2.3 a difference is hard to see side by side.
        if error >= 2.3:
            yield (
                f"Its colours are {verdict}: {error:.1f} from {target}, where grey gets {grey:.1f}."
            )
    if {"real_parts_delta_e", "figure_color_real_parts_delta_e"} <= numbers.keys():
        yield (
            f"The parts of real drawings are {numbers['real_parts_delta_e']:.1f} from their true "
            "colours, where the mean colour of the reference's figure gets "
            f"{numbers['figure_color_real_parts_delta_e']:.1f}."
        )
    prefix = "transfer_delta_e_"
    parts = {
        key.removeprefix(prefix): numbers[key] / numbers[f"grey_{key}"]
        for key in numbers
        if key.startswith(prefix) and f"grey_{key}" in numbers
    }
    if len(parts) > 1:
        best, *_, worst = sorted(parts, key=parts.__getitem__)
        yield (
            f"It is worst at {worst}: {parts[worst]:.0%} of the error that grey has there; its "
            f"best is {best} with {parts[best]:.0%}."
        )
    if "color_part_accuracy" in numbers:
        wrong = 1 - numbers["color_part_accuracy"]
        yield f"{wrong:.0%} of the parts take the colour of another part, or of none."
    if {"attention_accuracy", "attention_identity"} <= numbers.keys():
        accuracy, identity = numbers["attention_accuracy"], numbers["attention_identity"]
        yield (
            f"Its strongest match lies within one cell of the true one in {accuracy:.0%} of the "
            f"cases; looking straight ahead gets {identity:.0%}."
        )
    for key in ("fid", "fid_random"):
        if numbers.get(f"copy_{key}", float("inf")) <= numbers.get(key, 0):
            yield f"`{key}` ranks a copied reference above it: that number cannot judge colouring."


def _all_credited(origin: Origin) -> bool:
    credited = sum(credit.pictures for credit in origin.credits)
    return 0 < credited == sum(origin.licences.values())


def _parameter_count(path: Path) -> int:
    """Count the trained parameters, without the running statistics of norm layers."""
    try:
        with safe_open(path, "numpy") as weights:
            shapes = {name: weights.get_slice(name).get_shape() for name in weights.keys()}
    except FileNotFoundError as error:
        raise RefcolorError(f"{path} is missing; train a model or name another folder") from error
    except SafetensorError as error:
        raise RefcolorError(f"{path} is not a safetensors file; train the model again") from error
    return sum(
        math.prod(shape)
        for name, shape in shapes.items()
        if "running_" not in name and "num_batches" not in name
    )
