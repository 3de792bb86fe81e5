"""The parameters of params.yaml as frozen typed models, read as DVC reads them."""

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from refcolor.errors import RefcolorError

# Parameters with paths of the user. DVC does not expand ~ in them.
PATHS = (
    "source.exclude_file",
    "source.folder.path",
    "source.archive.metadata",
    "source.archive.pictures",
    "source.url_list.path",
    "source.manifest.path",
    "train.init",
    "evaluate.tagger",
    "evaluate.pairs",
)

INCLUDED_MODEL = "refcolor/colorize/demo"  # from the repository's root, as train.init names it

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Section(BaseModel):
    """A frozen section that rejects unknown keys and other types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class SampleParams(Section):
    """The source of drawn characters."""

    shape_seed: Seed
    palette_seed: Seed
    palettes: Annotated[int, Field(ge=0)] = 0  # shared by the characters; 0: each has its own
    size: Annotated[int, Field(ge=32, le=1024)]  # side of the drawings in pixels


class FolderParams(Section):
    """The source of local pictures."""

    path: str
    layout: Literal["pictures", "pairs", "side_by_side"]
    groups: bool = False  # whether the pictures of a sub-folder show one character


class DanbooruParams(Section):
    """The live API of Danbooru, or of a site with the same API."""

    url: Annotated[str, Field(pattern=r"^https?://[^/\s]+", description="https://example.org")]
    query: str  # search of the site; anonymous searches have two tags, besides metatags
    max_id: Count  # id of the newest post, so that later listings give the same posts
    rate: Weight  # requests a second, pages and pictures together, of every network source
    contact: str  # e-mail address or page in the User-Agent; empty: $DANBOORU_CONTACT
    user_id: Annotated[int, Field(ge=0)] = 0  # in the User-Agent; 0: $DANBOORU_USER_ID, or none


class ArchiveParams(Section):
    """A Danbooru dataset of the years 2017 to 2021, or one of the same format."""

    metadata: str  # JSON lines, plain, .gz or .xz, or a folder of such files
    pictures: str  # folder or http address with 512px/
    buckets: Annotated[
        str,
        Field(
            pattern=r"^(\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*)?$", description="0000-0003,0999"
        ),
    ]


class UrlListParams(Section):
    """A list of addresses."""

    path: str  # CSV with a header, or JSON lines


class ManifestParams(Section):
    """A dataset that was published as a manifest."""

    path: str


class TransferParams(Section):
    """Downloads and their limits."""

    threads: Annotated[int, Field(ge=1, le=64)]
    tries: Count  # requests for a file, retries included
    timeout: Positive  # seconds without a byte after which a request fails
    max_megabytes: Positive  # the download of a larger file is aborted
    min_success: Share  # of the manifest; below it the stage fails after its last download
    hosts: Annotated[tuple[str, ...], Field(strict=False)]  # allowed besides the source's own


class SourceParams(Section):
    """The source of the pictures."""

    kind: Literal["sample", "folder", "danbooru", "archive", "url_list", "manifest"]
    count: Annotated[int, Field(ge=0)]  # maximum number of pictures; 0 means all
    exclude_file: str  # the take-down list
    sample: SampleParams
    folder: FolderParams
    danbooru: DanbooruParams
    archive: ArchiveParams
    url_list: UrlListParams
    manifest: ManifestParams
    transfer: TransferParams

    @property
    def layout(self) -> Literal["pictures", "pairs", "side_by_side"]:
        """The layout of pictures and line art in data/raw."""
        return self.folder.layout if self.kind == "folder" else "pictures"


class LineArtParams(Section):
    """Real line art, listed as foreign sketches."""

    count: Annotated[int, Field(ge=0)]  # maximum number of drawings
    any_of: Annotated[tuple[str, ...], Field(strict=False)]
    required: Annotated[tuple[str, ...], Field(strict=False)]
    allowed: Annotated[tuple[str, ...], Field(strict=False)] = ()  # of the forbidden tags


class FilterParams(Section):
    """The filter of tagged posts, by tag name (Tag2Pix)."""

    subjects: Annotated[tuple[str, ...], Field(strict=False)]  # exactly one of them
    hair: Annotated[tuple[str, ...], Field(strict=False)]  # exactly one `<colour>_hair`
    eyes: Annotated[tuple[str, ...], Field(strict=False)]  # exactly one `<colour>_eyes`
    void_hair: Annotated[tuple[str, ...], Field(strict=False)] = ()  # the hair has no one colour
    void_eyes: Annotated[tuple[str, ...], Field(strict=False)] = ()  # nor have the eyes
    aliases: dict[str, str]  # colour or tag -> its canonical name
    required: Annotated[tuple[str, ...], Field(strict=False)]
    forbidden: Annotated[tuple[str, ...], Field(strict=False)]
    ratings: Annotated[tuple[Literal["g", "s", "q", "e"], ...], Field(strict=False)]
    children: bool  # whether posts that are variants of other posts are kept
    extensions: Annotated[tuple[str, ...], Field(strict=False)]
    max_aspect: Annotated[float, Field(gt=1)]  # longer side / shorter side stays below it
    min_longer_side: Count  # pixels
    line_art: LineArtParams


class CleanParams(Section):
    """Requirements for a picture, and its square."""

    size: Annotated[int, Field(ge=32, le=2048)]  # side of the square in pixels
    fit: Literal["pad", "crop"]
    max_megapixels: Positive  # larger pictures are rejected before decoding
    min_side: Count  # pixels
    min_colorfulness: Weight  # Hasler-Suesstrunk at 128 px
    min_hue_spread: Weight  # smaller axis of the spread in Lab a,b
    min_foreground: Share  # share of pixels that differ from the background


class SketchParams(Section):
    """XDoG; `sigma` and `k` are random for each picture."""

    preset: Literal["default", "tag2pix", "xdog_python"]


class SplitParams(Section):
    """The split into training and validation."""

    seed: Seed
    validation: Annotated[float, Field(gt=0, lt=1)]  # share of the near-duplicate groups
    hold_out: Annotated[
        tuple[str, ...], Field(strict=False)
    ]  # "attribute=value", "artist=name" or "group=name"
    duplicate_distance: Annotated[int, Field(ge=0, le=256)]  # bits of the 256-bit dHash
    references: Count  # foreign references for each validation sketch


class AugmentParams(Section):
    """The two transforms of the self-reference, and optional ones with a probability."""

    color_offset: Annotated[float, Field(ge=0, le=2)]  # largest offset, in [-1, 1] units
    color_gain: Share = 0  # largest relative change of each channel, around middle grey
    channel_order: Share = 0  # probability that red, green and blue are permuted
    keep_white: Literal[0, 1] = 0  # whether white stays white when colours change; 0: paper
    warp: Annotated[float, Field(ge=0, le=0.5)]  # control-point displacement, share of the side
    mirror: Share  # probability that the reference is mirrored
    patch_shuffle: Share  # probability that the patches of the reference are permuted
    patches: Annotated[int, Field(ge=2)]  # along each side; divides the attention cells of a side
    drop_reference: Share  # probability that the reference is white paper
    sketch_variation: Share  # probability that the sketch is redrawn with random settings
    other_reference: Share = 0  # probability that the reference is another picture of the group
    framing: Share = 0  # probability that 0.5 to 1.6 of a picture's side is seen
    ink: Share = 0  # probability that the sketch is the stored line art as `colorize` prepares it

    @property
    def plain(self) -> "AugmentParams":
        """Return the transforms of the validation batch: without the probabilistic ones."""
        shares = (
            *("patch_shuffle", "drop_reference", "sketch_variation", "other_reference"),
            *("channel_order", "color_gain", "framing", "ink"),
        )
        return self.model_copy(update=dict.fromkeys(shares, 0.0))


class ModelParams(Section):
    """The generator and the discriminator."""

    attention: Literal["scft", "sga", "none"]
    width: Count  # channels of the first layer; doubled at each level
    widths: Annotated[tuple[Count, ...], Field(strict=False)] = ()  # of each level; empty: doubled
    levels: Annotated[int, Field(ge=2, le=7)]  # two convolutions each; the stride is 2**(levels-1)
    blocks: Annotated[int, Field(ge=0)]  # residual blocks of the trunk, or of the light decoder
    query_stride: Annotated[int, Field(ge=0)] = 0  # pixels of a position of the sketch; 0: paper
    key_stride: Annotated[int, Field(ge=0)] = 0  # pixels of a position of the reference; 0: paper
    context: Annotated[int, Field(ge=0, le=5)] = 0  # halvings beyond the attention's size; 0: paper
    transport: Literal[0, 1] = 0  # whether the attention also carries colours; 0: paper
    convex_upsampling: Literal[0, 1] = 0  # whether their enlargement is learned; 0: bilinear
    norm: Literal["none", "batch", "instance", "group"]
    discriminator_width: Count

    @property
    def stride(self) -> int:
        """Side in pixels of a position of the last level; sides of pictures are multiples of it."""
        return 1 << (self.levels - 1)

    @property
    def cell_sizes(self) -> tuple[int, int]:
        """Side in pixels of an attention cell of the sketch, and of one of the reference."""
        return self.query_stride or self.stride, self.key_stride or self.stride

    @property
    def level_widths(self) -> list[int]:
        """Channels of each level of the encoders."""
        return list(self.widths) or [self.width * 2**level for level in range(self.levels)]

    @model_validator(mode="after")
    def _check_network(self) -> "ModelParams":
        if self.widths and (len(self.widths) != self.levels or self.widths[0] != self.width):
            raise ValueError(
                f"model.widths must have model.levels {self.levels} entries, the first of them "
                f"model.width {self.width}, got {list(self.widths)}; [] doubles the width at each "
                "level"
            )
        if self.transport and self.attention == "none":
            raise ValueError(
                "model.transport needs attention, got model.attention none; "
                "set it to 0 or use scft or sga"
            )
        if self.convex_upsampling and not self.transport:
            raise ValueError(
                "model.convex_upsampling needs model.transport 1, got 0; set it to 1, or "
                "convex_upsampling to 0"
            )
        if self.query_stride or self.key_stride:
            self._check_strides()
        return self

    def _check_strides(self) -> None:
        sizes = [1 << level for level in range(self.levels)]
        for name, value in (("query", self.query_stride), ("key", self.key_stride)):
            if value not in sizes:
                raise ValueError(
                    f"model.{name}_stride must be the stride of one of model.levels {self.levels}, "
                    f"got {value} with query_stride {self.query_stride} and key_stride "
                    f"{self.key_stride}; use one of {', '.join(map(str, sizes))}, or set both to "
                    "0 for the paper's network"
                )
        if self.key_stride < self.query_stride:
            raise ValueError(
                f"model.key_stride must be at least model.query_stride {self.query_stride}, got "
                f"{self.key_stride}; set it to {self.query_stride} or more"
            )
        for name, required in (("attention", "scft"), ("context", 0), ("transport", 1)):
            if (given := getattr(self, name)) != required:
                raise ValueError(
                    f"model.{name} must be {required} with model.query_stride {self.query_stride}, "
                    f"got {given}; set query_stride and key_stride to 0 for the paper's network"
                )


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
        """Weights of the terms of the generator's loss."""
        return self.model_dump(exclude={"margin"})

    @property
    def needs_match(self) -> bool:
        """Whether a loss term needs the known match."""
        return self.triplet > 0 or self.match > 0


class TrainParams(Section):
    """Training of the networks."""

    resolution: Annotated[int, Field(ge=0)] = 0  # side of a batch's pictures; 0: clean.size
    half_resolution_epochs: Annotated[int, Field(ge=0)] = 0  # first epochs at half of it
    epochs: Count
    batch_size: Count  # pictures in a step, over all ranks
    learning_rate_generator: Positive
    learning_rate_discriminator: Positive
    learning_rate_half_life: Weight  # epochs after which both are halved; 0 keeps them constant
    cool_down: Share = 0  # last share of the steps, in which the rates fall linearly to 5 %
    ema_half_life: Positive  # pictures
    report_every: Count  # steps between validation losses and previews
    precision: Literal["bf16", "fp32"]
    threads: Count  # CPU threads of each rank; changes the last bits of results
    processes: Count  # world size; changes the last bits of results
    init: str  # a folder with initial weights; an empty folder means random weights


class EvaluateParams(Section):
    """Evaluation of the generator."""

    seed: Seed
    warp: Annotated[float, Field(ge=0, le=0.5)]  # as augment.warp; strong, see attention_identity
    features: Literal["inception", "random"]
    fid: Literal["clean", "pytorch"]  # implementation of the resizing for Inception
    tagger: str  # a folder with an ONNX tagger and its list of tags; an empty folder means none
    pairs: str = ""  # a folder with real drawings and pairs.csv; an empty folder means none
    batch_size: Count


class RuntimeParams(Section):
    """Settings that should not change results; no stage depends on them."""

    device: Annotated[
        str,
        Field(
            pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, mps, cuda or cuda:1"
        ),
    ]
    workers: Annotated[int, Field(ge=0)]  # processes for drawing and cleaning; 0 means all cores
    engine: Literal["processes", "dask"]  # for clean and sketch: local processes, or a Dask cluster
    scheduler: Annotated[
        str, Field(pattern=r"^((tcp|tls)://\S+:\d+)?$", description="tcp://10.0.0.5:8786")
    ]
    tracker: Literal["mlflow", "none"]
    save_seconds: Positive = 20.0  # between two saved states of a training, at least

    @property
    def cluster(self) -> str:
        """Address of the Dask scheduler; empty for local processes."""
        return self.scheduler if self.engine == "dask" else ""


class Params(Section):
    """All parameters."""

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

    @property
    def training_size(self) -> int:
        """Side in pixels of the pictures that the networks are trained and evaluated on."""
        return self.train.resolution or self.clean.size

    @model_validator(mode="after")
    def _check_combinations(self) -> "Params":
        stride, size = self.model.stride, self.training_size
        name = "train.resolution" if self.train.resolution else "clean.size"
        if size > self.clean.size:
            raise ValueError(
                f"train.resolution must be at most clean.size {self.clean.size}, got {size}; "
                "lower it, or store larger pictures"
            )
        if size % stride:
            nearest = max(4, round(size / stride)) * stride
            raise ValueError(
                f"{name} must be a multiple of {stride} with model.levels {self.model.levels}, "
                f"got {size}; nearest: {nearest}"
            )
        if size // stride < 4:
            raise ValueError(
                f"{name} must leave at least 4 x 4 positions at the last level, got "
                f"{size} with model.levels {self.model.levels}; use at least "
                f"{4 * stride} or fewer levels"
            )
        if self.train.half_resolution_epochs and (size // 2 % stride or size // 2 < 32):
            raise ValueError(
                f"train.half_resolution_epochs must be 0 with {name} {size}, got "
                f"{self.train.half_resolution_epochs}; half of the size must be at least 32 and a "
                f"multiple of {stride} (model.levels {self.model.levels})"
            )
        if self.model.attention == "none" and self.loss.needs_match:
            raise ValueError(
                "loss.triplet and loss.match need attention, got model.attention none; "
                "set both to 0 or use scft or sga"
            )
        cells, patches = size // self.model.cell_sizes[1], self.augment.patches
        if self.augment.patch_shuffle and cells % patches:
            divisors = [str(count) for count in range(2, cells + 1) if cells % count == 0]
            raise ValueError(
                f"augment.patches must divide the {cells} attention cells of a reference's side "
                f"({name} {size}, {self.model.cell_sizes[1]} pixels each), got "
                f"{patches}; set it to one of {', '.join(divisors)}"
            )
        if self.augment.sketch_variation and self.source.layout != "pictures":
            raise ValueError(
                "augment.sketch_variation redraws line art, which is not possible with that of "
                f"source.folder.layout {self.source.layout}; set it to 0"
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
                "with `dask scheduler` and set its address, as tcp://10.0.0.5:8786"
            )
        if self.source.kind == "sample" and self.source.count < 8:
            raise ValueError(
                f"source.count must be at least 8 for drawn characters, got {self.source.count}"
            )
        if self.source.sample.palettes == 1:
            raise ValueError(
                "source.sample.palettes must be 0, where each character has its own, or at least "
                "2, got 1: a model could not be asked for other colours"
            )
        for entry in self.split.hold_out:
            if "=" not in entry:
                raise ValueError(
                    f"split.hold_out entries must be 'attribute=value', got {entry!r}; "
                    "for example 'hair=bob'"
                )
        flat = flatten(self.model_dump())
        for name in PATHS:
            if flat[name] != (expanded := os.path.expanduser(flat[name])):
                raise ValueError(
                    f"{name} must not begin with ~, which DVC does not expand, got {flat[name]!r}; "
                    f"set it to {expanded}"
                )
        return self


def load(path: Path | str = "params.yaml") -> Params:
    """Read and check a parameter file.

    YAML 1.2, as in DVC: `1e-4` is a number. Raises RefcolorError with every key that is unknown,
    missing, of another type or invalid.
    """
    return check(read_yaml(Path(path)), where=path)


def check(content: Any, *, where: object) -> Params:
    """Check the content of a parameter file; `where` begins the message.

    Raises RefcolorError as `load` does.
    """
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(_format_problem(problem) for problem in error.errors())
        raise RefcolorError(f"{where}: {problems}") from error


def read_yaml(path: Path) -> Any:
    """Read a YAML 1.2 file.

    Raises RefcolorError when it cannot be read or is not YAML.
    """
    from ruamel.yaml import YAML  # imported late: colouring works without it
    from ruamel.yaml.error import YAMLError

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


def _format_problem(problem: Mapping[str, Any]) -> str:
    location, value = problem["loc"], problem["input"]
    name = ".".join(str(part) for part in location)
    match problem["type"]:
        case "extra_forbidden":
            similar = difflib.get_close_matches(name, list(_known_keys(Params)), n=1, cutoff=0.5)
            hint = f"did you mean {similar[0]}?" if similar else "remove it"
            return f"{name} is not a parameter; {hint}"
        case "missing":
            return f"{name} is missing; presets/ has every key"
        case "string_pattern_mismatch":
            return f"{name} must be like {_example(location)}, got {value!r}"
        case "value_error":
            return str(problem["ctx"]["error"])
        case _:
            expected = problem["msg"].removeprefix("Input ")
            return f"{name or 'the file'} {expected}, got {value!r}"


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
