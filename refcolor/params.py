"""The parameters of params.yaml as frozen typed models, read as DVC reads them."""

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from refcolor.errors import RefcolorError

# Parameters that name files of the user's. DVC takes them as they stand.
PATHS = (
    "source.exclude_file",
    "source.folder.path",
    "source.archive.metadata",
    "source.archive.pictures",
    "source.url_list.path",
    "source.manifest.path",
    "train.init",
    "evaluate.tagger",
)

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Section(BaseModel):
    """A section refuses unknown keys and other types, and never changes once read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class SampleParams(Section):
    """Drawn characters."""

    shape_seed: Seed
    palette_seed: Seed
    size: Annotated[int, Field(ge=32, le=1024)]  # side in pixels at which they are drawn


class FolderParams(Section):
    """Pictures of one's own."""

    path: str
    layout: Literal["pictures", "pairs", "side_by_side"]


class DanbooruParams(Section):
    """The live API of Danbooru, or of a site that speaks like it."""

    url: Annotated[str, Field(pattern=r"^https?://[^/\s]+", description="https://example.org")]
    query: str  # what the site filters; an anonymous search has two tags, metatags are free
    max_id: Count  # newest post that is looked at, so that a later listing finds the same ones
    rate: Weight  # requests a second, pages and pictures together, for every source on a network
    contact: str  # e-mail address or page in the User-Agent; empty: $DANBOORU_CONTACT


class ArchiveParams(Section):
    """A Danbooru data set of the years 2017 to 2021, or one in its shape."""

    metadata: str  # JSON lines, plain, .gz or .xz, or a folder of such files
    pictures: str  # folder or http address that holds 512px/
    buckets: Annotated[
        str,
        Field(
            pattern=r"^(\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*)?$", description="0000-0003,0999"
        ),
    ]


class UrlListParams(Section):
    """Addresses that somebody listed."""

    path: str  # CSV with a header, or JSON lines


class ManifestParams(Section):
    """A data set that somebody published as a manifest."""

    path: str


class TransferParams(Section):
    """How files come over a network, and when to give up."""

    threads: Annotated[int, Field(ge=1, le=64)]
    tries: Count  # for a file that arrives cut, as another type or with a wrong checksum
    timeout: Positive  # seconds of silence after which a connection is given up
    max_megabytes: Positive  # a larger file is not fetched to its end
    min_success: Share  # of the manifest; below it the stage fails, after all that could be had
    hosts: Annotated[tuple[str, ...], Field(strict=False)]  # allowed besides the source's own


class SourceParams(Section):
    """Where pictures come from."""

    kind: Literal["sample", "folder", "danbooru", "archive", "url_list", "manifest"]
    count: Annotated[int, Field(ge=0)]  # pictures at most; 0 means all that there are
    exclude_file: str  # take-downs: ids, artists and checksums that must not be used
    sample: SampleParams
    folder: FolderParams
    danbooru: DanbooruParams
    archive: ArchiveParams
    url_list: UrlListParams
    manifest: ManifestParams
    transfer: TransferParams

    @property
    def layout(self) -> Literal["pictures", "pairs", "side_by_side"]:
        """How pictures and line art lie in data/raw."""
        return self.folder.layout if self.kind == "folder" else "pictures"


class LineArtParams(Section):
    """Real line art, kept apart as foreign sketches."""

    count: Annotated[int, Field(ge=0)]  # drawings at most
    any_of: Annotated[tuple[str, ...], Field(strict=False)]
    required: Annotated[tuple[str, ...], Field(strict=False)]


class FilterParams(Section):
    """Which tagged posts are worth having, by tag name (Tag2Pix)."""

    subjects: Annotated[tuple[str, ...], Field(strict=False)]  # exactly one of them
    hair: Annotated[tuple[str, ...], Field(strict=False)]  # exactly one `<colour>_hair`
    eyes: Annotated[tuple[str, ...], Field(strict=False)]  # exactly one `<colour>_eyes`
    aliases: dict[str, str]  # colour or tag -> the name that it counts as
    required: Annotated[tuple[str, ...], Field(strict=False)]
    forbidden: Annotated[tuple[str, ...], Field(strict=False)]
    ratings: Annotated[tuple[Literal["g", "s", "q", "e"], ...], Field(strict=False)]
    children: bool  # whether posts that are variants of another one are kept
    extensions: Annotated[tuple[str, ...], Field(strict=False)]
    max_aspect: Annotated[float, Field(gt=1)]  # longer side / shorter side stays below it
    min_longer_side: Count  # pixels
    line_art: LineArtParams


class CleanParams(Section):
    """What a picture must be, and the square that it becomes."""

    size: Annotated[int, Field(ge=32, le=2048)]  # side of the square in pixels
    fit: Literal["pad", "crop"]
    max_megapixels: Positive  # a larger header is refused before anything is decoded
    min_side: Count  # pixels
    min_colorfulness: Weight  # Hasler-Suesstrunk at 128 px
    min_hue_spread: Weight  # smaller axis of the spread in Lab a,b
    min_foreground: Share  # share of pixels that differ from the background


class SketchParams(Section):
    """XDoG; `sigma` and `k` are drawn for each picture."""

    preset: Literal["default", "tag2pix", "xdog_python"]


class SplitParams(Section):
    """Which pictures are never trained on."""

    seed: Seed
    validation: Annotated[float, Field(gt=0, lt=1)]  # share of the near-duplicate groups
    hold_out: Annotated[tuple[str, ...], Field(strict=False)]  # "attribute=value" or "artist=name"
    duplicate_distance: Annotated[int, Field(ge=0, le=256)]  # bits of the 256-bit dHash
    references: Count  # foreign references for each validation sketch


class AugmentParams(Section):
    """The two transforms of the augmented-self reference, and more that a share of them gets."""

    color_offset: Annotated[float, Field(ge=0, le=2)]  # largest offset, in [-1, 1] units
    warp: Annotated[float, Field(ge=0, le=0.5)]  # control-point displacement, share of the side
    mirror: Share  # probability that the reference is mirrored
    patch_shuffle: Share  # probability that the patches of the reference change places
    patches: Annotated[int, Field(ge=2)]  # along each side; they divide the attention cells
    drop_reference: Share  # probability that the reference is white paper
    sketch_variation: Share  # probability that the sketch is drawn anew, with settings of its own

    @property
    def plain(self) -> "AugmentParams":
        """The transforms that every picture gets: the validation batch is the same in every run."""
        return self.model_copy(
            update={"patch_shuffle": 0.0, "drop_reference": 0.0, "sketch_variation": 0.0}
        )


class ModelParams(Section):
    """The generator and its discriminator."""

    attention: Literal["scft", "sga", "none"]
    width: Count  # channels of the first layer; doubled at each level
    levels: Annotated[int, Field(ge=2, le=7)]  # two convolutions each; the stride is 2**(levels-1)
    blocks: Annotated[int, Field(ge=0)]  # residual blocks of the trunk
    context: Annotated[int, Field(ge=0, le=5)] = 0  # halvings beyond the attention's size; 0: paper
    transport: Literal[0, 1] = 0  # whether the attention also carries colours; 0: paper
    norm: Literal["none", "batch", "instance", "group"]
    discriminator_width: Count

    @property
    def stride(self) -> int:
        """Pixels for each attention cell."""
        return 1 << (self.levels - 1)


class LossParams(Section):
    """Weights of the loss terms; 0 switches a term off."""

    reconstruction: Weight
    adversarial: Weight
    perceptual: Weight
    style: Weight
    triplet: Weight
    match: Weight
    margin: Weight  # gamma of eq. 5, in attention logits

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each term of the generator's loss."""
        return self.model_dump(exclude={"margin"})

    @property
    def needs_match(self) -> bool:
        """Whether a term needs the known match of the attention."""
        return self.triplet > 0 or self.match > 0


class TrainParams(Section):
    """How the networks are trained."""

    epochs: Count
    batch_size: Count  # pictures a step, of all processes together
    learning_rate_generator: Positive
    learning_rate_discriminator: Positive
    learning_rate_half_life: Weight  # epochs in which both halve; 0 keeps them constant
    ema_half_life: Positive  # pictures
    report_every: Count  # steps between validation losses and previews
    precision: Literal["bf16", "fp32"]
    threads: Count  # CPU threads of each process: another number gives other last bits
    processes: Count  # each takes its share of every batch: another number gives other last bits
    init: str  # a folder with weights to start from; an empty folder means from scratch


class EvaluateParams(Section):
    """How a trained generator is judged."""

    seed: Seed
    warp: Annotated[float, Field(ge=0, le=0.5)]  # as augment.warp; strong, see attention_identity
    features: Literal["inception", "random"]
    fid: Literal["clean", "pytorch"]  # whose way of resizing pictures for Inception
    tagger: str  # a folder with an ONNX tagger and its list of tags; an empty folder means none
    batch_size: Count


class RuntimeParams(Section):
    """What should not change a result; no stage lists it."""

    device: Annotated[
        str,
        Field(
            pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, mps, cuda or cuda:1"
        ),
    ]
    workers: Annotated[int, Field(ge=0)]  # processes that draw and clean; 0 means all cores
    engine: Literal["processes", "dask"]  # that cleans and sketches: local processes, or a cluster
    scheduler: Annotated[
        str, Field(pattern=r"^((tcp|tls)://\S+:\d+)?$", description="tcp://10.0.0.5:8786")
    ]
    tracker: Literal["mlflow", "none"]

    @property
    def cluster(self) -> str:
        """Address of the scheduler that hands out the work; empty for processes of this machine."""
        return self.scheduler if self.engine == "dask" else ""


class Params(Section):
    """Everything that can be varied."""

    seed: Seed
    source: SourceParams
    filter: FilterParams
    clean: CleanParams
    sketch: SketchParams
    split: SplitParams
    augment: AugmentParams
    model: ModelParams
    loss: LossParams
    train: TrainParams
    evaluate: EvaluateParams
    runtime: RuntimeParams

    @model_validator(mode="after")
    def _refuse_impossible_combinations(self) -> "Params":
        stride = self.model.stride
        if self.clean.size % stride:
            nearest = max(4, round(self.clean.size / stride)) * stride
            raise ValueError(
                f"clean.size must be a multiple of {stride} with model.levels {self.model.levels}, "
                f"got {self.clean.size}; nearest: {nearest}"
            )
        if self.clean.size // stride < 4:
            raise ValueError(
                f"clean.size must give at least 4 x 4 attention cells, got {self.clean.size} with "
                f"model.levels {self.model.levels}; take at least {4 * stride} or fewer levels"
            )
        if self.model.attention == "none" and self.loss.needs_match:
            raise ValueError(
                "loss.triplet and loss.match act on the attention, got model.attention none; "
                "set both to 0 or take scft or sga"
            )
        if self.model.attention == "none" and self.model.transport:
            raise ValueError(
                "model.transport carries colours through the attention, got model.attention none; "
                "set it to 0 or take scft or sga"
            )
        cells, patches = self.clean.size // stride, self.augment.patches
        if self.augment.patch_shuffle and cells % patches:
            fitting = [str(count) for count in range(2, cells + 1) if cells % count == 0]
            raise ValueError(
                f"augment.patches must divide the {cells} attention cells of a side "
                f"(clean.size {self.clean.size}, model.levels {self.model.levels}), got {patches}; "
                f"take one of {', '.join(fitting)}"
            )
        if self.augment.sketch_variation and self.source.layout != "pictures":
            raise ValueError(
                "augment.sketch_variation draws line art anew, but source.folder.layout "
                f"{self.source.layout} brings its own, which is never replaced; set it to 0"
            )
        if not any(self.loss.weights.values()):
            raise ValueError(
                "loss must have a weight above 0 besides margin, got none; "
                "set loss.reconstruction, 30 in the paper"
            )
        if self.train.batch_size % self.train.processes:
            share = max(1, round(self.train.batch_size / self.train.processes))
            raise ValueError(
                f"train.batch_size must be a multiple of train.processes {self.train.processes}, "
                f"got {self.train.batch_size}; nearest: {share * self.train.processes}"
            )
        if self.runtime.engine == "dask" and not self.runtime.scheduler:
            raise ValueError(
                "runtime.scheduler must be an address with runtime.engine dask, got ''; start one "
                "with `dask scheduler` and name it, as tcp://10.0.0.5:8786"
            )
        if self.source.kind == "sample" and self.source.count < 8:
            raise ValueError(
                f"source.count must be at least 8 for drawn characters, got {self.source.count}"
            )
        for entry in self.split.hold_out:
            if "=" not in entry:
                raise ValueError(
                    f"split.hold_out entries read 'attribute=value', got {entry!r}; "
                    "for example 'hair=bob'"
                )
        flat = flatten(self.model_dump())
        for name in PATHS:
            if flat[name] != (whole := os.path.expanduser(flat[name])):
                raise ValueError(
                    f"{name} must be written out, because DVC knows no ~, got {flat[name]!r}; "
                    f"set it to {whole}"
                )
        return self


def load(path: Path | str = "params.yaml") -> Params:
    """Read and check a parameter file.

    YAML 1.2, as DVC reads it: `1e-4` is a number. Raises RefcolorError naming every key that is
    unknown, missing, of another type or impossible.
    """
    return check(read_yaml(Path(path)), where=path)


def check(content: Any, *, where: object) -> Params:
    """Check the content of a parameter file; `where` begins the message.

    Raises RefcolorError as `load` does.
    """
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(_in_words(problem) for problem in error.errors())
        raise RefcolorError(f"{where}: {problems}") from error


def read_yaml(path: Path) -> Any:
    """Read a YAML 1.2 file.

    Raises RefcolorError when it cannot be read or is not YAML.
    """
    try:
        return YAML(typ="safe").load(path)
    except OSError as error:
        raise RefcolorError(
            f"{path} cannot be read ({error.strerror}); run in the folder of the repository"
        ) from error
    except YAMLError as error:
        raise RefcolorError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


def flatten(content: Mapping[str, Any], *, prefix: str = "") -> dict[str, Any]:
    """Name every value by its path: `{"loss": {"triplet": 0}}` gives `{"loss.triplet": 0}`."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, prefix=f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _in_words(problem: Mapping[str, Any]) -> str:
    location, given = problem["loc"], problem["input"]
    name = ".".join(str(part) for part in location)
    match problem["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(name, list(_known_keys(Params)), n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else "remove it"
            return f"{name} is not a parameter; {hint}"
        case "missing":
            return f"{name} is missing; presets/ shows every key"
        case "string_pattern_mismatch":
            return f"{name} must read like {_example(location)}, got {given!r}"
        case "value_error":
            return str(problem["ctx"]["error"])
        case _:
            said = problem["msg"].removeprefix("Input ")
            return f"{name or 'the file'} {said}, got {given!r}"


def _example(location: Sequence[Any]) -> str:
    field = Params.model_fields[location[0]]
    for name in location[1:]:
        assert isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        field = field.annotation.model_fields[name]
    return str(field.description)


def _known_keys(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _known_keys(field.annotation, f"{prefix}{name}.")
