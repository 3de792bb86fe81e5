"""Plan the jobs of `refcolor colorize`: the references of each drawing and the path of its result.

A single reference is used for every drawing. Of several references each is used for the drawing of
the same name, or with `together` all of them for every drawing. A CSV file can list the pairs.
"""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from refcolor.colorize.documents import DOCUMENTS
from refcolor.colorize.folders import list_pictures
from refcolor.colorize.layers import layer_files, shadow_file
from refcolor.errors import UsageError
from refcolor.io.image import EXTENSIONS
from refcolor.io.names import composed, named_file
from refcolor.sources.naming import file_name

_INPUTS = EXTENSIONS | DOCUMENTS
_LABELS = "reference_labels"  # a column of tables with true colours; not a reference


@dataclass(frozen=True)
class Job:
    """A drawing, the references that it is coloured after, and the PNG file to write."""

    sketch: Path
    references: tuple[Path, ...]
    output: Path

    def files(self, *, layers: bool = False, psd: bool = False, ora: bool = False) -> list[Path]:
        """Return the paths of all files of the result."""
        stem = self.output.with_suffix("")
        files = [self.output]
        if layers:
            files += layer_files(stem.parent, stem.name)
        documents = {"psd": psd, "ora": ora}
        return files + [
            stem.with_name(f"{stem.name}.{kind}") for kind in documents if documents[kind]
        ]


@dataclass(frozen=True)
class Failure:
    """A drawing, folder or line of a list that cannot be used, with a message of one line."""

    name: str
    message: str


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


@dataclass(frozen=True)
class Plan:
    """The jobs to run, and the inputs that cannot be used."""

    jobs: tuple[Job, ...]
    failures: tuple[Failure, ...] = ()


def plan(
    sketches: Sequence[Path],
    references: Sequence[Path],
    *,
    output: Path,
    together: bool = False,
    layer: str | None = None,
) -> Plan:
    """Find the references of each drawing.

    sketches, references: pictures, PSD and OpenRaster documents, folders of them with subfolders.
    output: the folder of the results, or the file of a single result. Results have the names of the
    drawings, and the subfolders of a folder of drawings.
    together: colour every drawing after all references.
    layer: of the lines. With it the document is the drawing if a folder has a document and a
    picture of the same name, else the picture.
    A drawing without a reference becomes a failure. Raises UsageError when no job is left: no
    drawing, no reference, or several references of which none has the name of a drawing.
    """
    drawings, failures = _pictures(sketches, exclude=output, documents=layer is not None)
    colors, missing = _pictures(references, exclude=output)
    if not drawings:
        raise UsageError(
            failures[0].message
            if failures
            else "no sketch was named; write it first, because --reference takes all names after it"
        )
    if missing and (together or len(colors) < 2):
        raise UsageError(missing[0].message)
    if not colors:
        raise UsageError("no reference was named; add --reference and a coloured picture")
    if together or len(colors) == 1:
        chosen = {sketch: tuple(colors) for sketch in drawings}
    else:
        by_name = _by_name(colors)
        named = {
            sketch: by_name.get(composed(name), by_name.get(composed(sketch.stem)))
            for sketch, name in drawings.items()
        }
        chosen = {sketch: (reference,) for sketch, reference in named.items() if reference}
        if not chosen:
            count = "one sketch" if len(drawings) == 1 else f"{len(drawings)} sketches"
            raise UsageError(
                f"{len(colors)} references were given for {count}, and no reference has the name "
                "of a sketch; rename them, list them with --pairs, or add --together to colour "
                "after all of them at once"
            )
        failures += missing
    failures += [
        Failure(str(sketch), f"{sketch} has no reference called {sketch.stem}")
        for sketch in drawings
        if sketch not in chosen
    ]
    results = _Output(output, count=len(drawings))
    jobs = tuple(
        Job(sketch, job_references, results.path(f"{drawings[sketch]}.png"))
        for sketch, job_references in chosen.items()
    )
    return Plan(jobs, tuple(failures))


def plan_pairs(path: Path, *, output: Path) -> Plan:
    """Read a CSV file that pairs drawings with references.

    The columns are `sketch`, `reference`, optionally more whose names begin with `reference`, and
    optionally `output`, the name of the result, which is the name of the drawing otherwise. A
    drawing is coloured after all references of its line, and of all lines with the same sketch and
    output. Paths are relative to the folder of the CSV file; `named_file` reads them.
    A line without a sketch or reference, with a file that does not exist or with an output outside
    of the folder becomes a failure. Raises UsageError for a file that is not such a list.
    """
    entries: dict[tuple[str, str], tuple[int, list[str]]] = {}  # number of the first line
    for line, row in _rows(path):
        values = dict(row)
        _, references = entries.setdefault(
            (values.get("sketch", ""), values.get("output", "")), (line, [])
        )
        references += [
            value for name, value in row if name.startswith("reference") and name != _LABELS
        ]
    results, jobs, failures = _Output(output, count=len(entries)), [], []
    for (sketch, result_name), (line, references) in entries.items():
        where = f"{path.name} line {line}"
        try:
            if not sketch or not references:
                raise UsageError(f"no {'reference' if sketch else 'sketch'} is named")
            files = [named_file(name, folder=path.parent) for name in (sketch, *references)]
            for file in files:
                if not os.path.isfile(file):  # Path.is_file raises for some names
                    raise UsageError(f"{file} is not a file")
            result = results.path(result_name.replace("\\", "/") or f"{files[0].stem}.png")
        except UsageError as error:
            failures.append(Failure(where, f"{where}: {error}"))
        else:
            jobs.append(Job(files[0], tuple(files[1:]), result))
    return Plan(tuple(jobs), tuple(failures))


def refuse_overwriting(
    jobs: Iterable[Job], *, layers: bool = False, psd: bool = False, ora: bool = False
) -> None:
    """Raise UsageError where a result would overwrite another result or an input picture.

    Two drawings of the same name in two folders would overwrite each other.
    """
    jobs = list(jobs)
    inputs = {path.resolve() for job in jobs for path in (job.sketch, *job.references)}
    sketches: dict[Path, Path] = {}
    for job in jobs:
        files = job.files(layers=layers, psd=psd, ora=ora)
        if layers:  # written for drawings with tone, which are not known before they are read
            files.append(shadow_file(job.output.parent, job.output.stem))
        for file in files:
            if file.resolve() in inputs:
                raise UsageError(
                    f"{file} would be overwritten, and it is one of the input pictures; "
                    "name another folder with -o"
                )
            if file in sketches:
                raise UsageError(
                    f"{sketches[file]} and {job.sketch} would both be written to {file}; colour "
                    "them in two runs, or give them names in the column output of --pairs"
                )
            sketches[file] = job.sketch


class _Output:
    """The option `output`: a folder for the results, or the PNG file of a single result."""

    def __init__(self, output: Path, *, count: int) -> None:
        self._output = output
        self._is_file = output.suffix.lower() in _INPUTS and not output.is_dir()
        if self._is_file and output.suffix.lower() != ".png":
            raise UsageError(f"results are PNG files; write -o {output.with_suffix('.png')}")
        if self._is_file and count > 1:
            raise UsageError(f"{output} is one picture, but {count} are to be made; name a folder")
        if not self._is_file and output.exists() and not output.is_dir():
            raise UsageError(f"{output} is a file; name a folder, or a picture that ends in .png")

    def path(self, name: str) -> Path:
        """Return the path of a result; names that are too long for a file are shortened.

        Raises UsageError for a name outside of the folder.
        """
        if self._is_file:
            return self._output
        path = self._output / (name if name.lower().endswith(".png") else f"{name}.png")
        path = path.with_name(file_name(path.stem, path.suffix))
        leaves = Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name
        if leaves or not path.resolve().is_relative_to(self._output.resolve()):
            raise UsageError(f"output {name!r} would leave the folder {self._output}; name a file")
        return path


def _pictures(
    paths: Iterable[Path], *, exclude: Path, documents: bool = False
) -> tuple[dict[Path, str], list[Failure]]:
    """Return the names of the pictures of files and folders, without repetitions, and failures.

    The name of a picture is its path in its folder, with `/` and without the extension.
    exclude, documents: as in `plan`.
    """
    names: dict[Path, str] = {}
    known, failures = set(), []
    for path in paths:
        try:
            files = list_pictures(path, exclude=exclude, extensions=_INPUTS)
        except UsageError as error:
            failures.append(Failure(str(path), str(error)))
            continue
        for file in _without_twins(files, documents=documents):
            inside = file.relative_to(path) if path.is_dir() else Path(file.name)
            if file.resolve() not in known:
                names[file] = (inside.parent / inside.stem).as_posix()
            known.add(file.resolve())
    return names, failures


def _without_twins(files: Sequence[Path], *, documents: bool) -> list[Path]:
    """Of a document and a picture of the same name keep the document, or else the picture."""
    preferred = {file for file in files if (file.suffix.lower() in DOCUMENTS) == documents}
    names = {file.with_suffix("") for file in preferred}
    return [file for file in files if file in preferred or file.with_suffix("") not in names]


def _by_name(pictures: Mapping[Path, str]) -> dict[str, Path]:
    by_name: dict[str, Path] = {}
    for path, name in pictures.items():
        name = composed(name)
        if name in by_name:
            raise UsageError(
                f"{by_name[name]} and {path} are both called {name}, so the reference of that name "
                "is ambiguous; rename one or list them with --pairs"
            )
        by_name[name] = path
    return by_name


def _rows(path: Path) -> list[tuple[int, list[tuple[str, str]]]]:
    """Read the rows of a list: line number, and (column, value) of each value that is not empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text; save it as CSV, UTF-8") from error
    first = text.partition("\n")[0].strip()
    reader = csv.reader(StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
        table = [(reader.line_num, [value.strip() for value in row]) for row in reader]
    except csv.Error as error:
        raise UsageError(f"{path} is not a table ({error}); save it as CSV, UTF-8") from error
    if not {"sketch", "reference"} <= set(columns):
        raise UsageError(
            f"the first line of {path} must name the columns sketch and reference, got {first!r}"
        )
    rows = [
        (line, [(name, value) for name, value in zip(columns, values, strict=False) if value])
        for line, values in table
        if any(values[: len(columns)])
    ]
    if not rows:
        raise UsageError(f"{path} does not list any drawing")
    return rows
