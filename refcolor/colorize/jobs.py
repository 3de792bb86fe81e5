"""Which drawing goes with which references, and what its result is called: decided before any work.

One reference serves every drawing. Several are for the drawings of the same names, or, together,
all of them for each drawing. A CSV file says it drawing by drawing.
"""

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from refcolor.colorize.folders import list_pictures
from refcolor.colorize.layers import layer_files
from refcolor.errors import UsageError
from refcolor.io.image import EXTENSIONS
from refcolor.sources.naming import file_name


@dataclass(frozen=True)
class Job:
    """One drawing, the references that it is coloured after together, and the PNG to write."""

    sketch: Path
    references: tuple[Path, ...]
    output: Path

    def files(self, *, layers: bool = False, psd: bool = False) -> list[Path]:
        """Name all files of its result."""
        stem = self.output.with_suffix("")
        files = [self.output]
        if layers:
            files += layer_files(stem.parent, stem.name)
        return [*files, stem.with_name(f"{stem.name}.psd")] if psd else files


@dataclass(frozen=True)
class Failure:
    """What could not be done: a drawing, a folder or a line of a list, and why, in one line."""

    what: str
    message: str


@dataclass(frozen=True)
class Plan:
    """What is to be done, and what cannot be."""

    jobs: tuple[Job, ...]
    failures: tuple[Failure, ...] = ()


def plan(
    sketches: Sequence[Path], references: Sequence[Path], *, output: Path, together: bool = False
) -> Plan:
    """Find the references of each drawing.

    sketches, references: pictures and folders of pictures; a folder's own folders are not looked
    into. output: the folder of the results, which are called as the drawings are, or the result.
    together: every drawing is coloured after all references at once.
    A drawing without a partner is a failure beside the others. Raises UsageError when nothing can
    be done: no drawing, no reference, or several references where no name says whose they are.
    """
    drawings, failures = _pictures(sketches)
    colors, missing = _pictures(references)
    if not drawings:
        raise UsageError(failures[0].message if failures else "no sketch was named")
    if missing and (together or len(colors) < 2):
        raise UsageError(missing[0].message)
    if not colors:
        raise UsageError("no reference was named; add --reference and a coloured picture")
    if together or len(colors) == 1:
        chosen = {sketch: tuple(colors) for sketch in drawings}
    else:
        named = _by_stem(colors)
        chosen = {sketch: (named[sketch.stem],) for sketch in drawings if sketch.stem in named}
        if not chosen:
            raise UsageError(
                f"{len(colors)} references were given for {_counted(drawings)}, and no two names "
                "agree; name them alike, list them with --pairs, or add --together to colour "
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
        Job(sketch, given, results.path(f"{sketch.stem}.png")) for sketch, given in chosen.items()
    )
    return Plan(jobs, tuple(failures))


def plan_pairs(path: Path, *, output: Path) -> Plan:
    """Read a CSV file that pairs drawings with references.

    Its first line names the columns: `sketch`, `reference`, further ones that begin so, and, if
    results shall not be called as their drawings are, `output`. A drawing takes all references of
    its line together; lines of one drawing and output add up. Names are relative to the file.
    A line that cannot be used is a failure beside the others: no sketch, no reference, a file that
    is not there, an output that would leave the folder. Raises UsageError for no such list at all.
    """
    entries: dict[tuple[str, str], tuple[int, list[str]]] = {}  # the first line of each
    for line, row in _rows(path):
        named = dict(row)
        _, references = entries.setdefault(
            (named.get("sketch", ""), named.get("output", "")), (line, [])
        )
        references += [value for name, value in row if name.startswith("reference")]
    results, jobs, failures = _Output(output, count=len(entries)), [], []
    for (sketch, named_output), (line, references) in entries.items():
        where = f"{path.name} line {line}"
        files = [path.parent / name for name in (sketch, *references)]
        try:
            if not sketch or not references:
                raise UsageError(f"no {'reference' if sketch else 'sketch'} is named")
            for file in files:
                if not os.path.isfile(file):  # unlike Path's, it takes any name
                    raise UsageError(f"{file} is not a file")
            result = results.path(named_output or f"{files[0].stem}.png")
        except UsageError as error:
            failures.append(Failure(where, f"{where}: {error}"))
        else:
            jobs.append(Job(files[0], tuple(files[1:]), result))
    return Plan(tuple(jobs), tuple(failures))


def refuse_overwriting(jobs: Iterable[Job], *, layers: bool = False, psd: bool = False) -> None:
    """Raise UsageError where a result would take the place of another one, or of a picture given.

    Two drawings of one name in two folders are such a case.
    """
    jobs = list(jobs)
    given = {path.resolve() for job in jobs for path in (job.sketch, *job.references)}
    owner: dict[Path, Path] = {}
    for job in jobs:
        for file in job.files(layers=layers, psd=psd):
            if file.resolve() in given:
                raise UsageError(
                    f"{file} would be written over, and it is one of the pictures given; "
                    "name another folder with -o"
                )
            if file in owner:
                raise UsageError(
                    f"{owner[file]} and {job.sketch} would both be written to {file}; colour them "
                    "in two runs, or give them names in the column output of --pairs"
                )
            owner[file] = job.sketch


class _Output:
    """Where results go: `output` as a folder, or, for a single one, as the picture itself."""

    def __init__(self, output: Path, *, count: int) -> None:
        self._output = output
        self._is_file = output.suffix.lower() in EXTENSIONS and not output.is_dir()
        if self._is_file and output.suffix.lower() != ".png":
            raise UsageError(f"results are PNG files; write -o {output.with_suffix('.png')}")
        if self._is_file and count > 1:
            raise UsageError(f"{output} is one picture, but {count} are to be made; name a folder")
        if not self._is_file and output.exists() and not output.is_dir():
            raise UsageError(f"{output} is a file; name a folder, or a picture that ends in .png")

    def path(self, name: str) -> Path:
        """Give the file of a result; raises UsageError for a name that leads out of the folder.

        A name that is too long for a file is cut.
        """
        if self._is_file:
            return self._output
        path = self._output / (name if name.lower().endswith(".png") else f"{name}.png")
        path = path.with_name(file_name(path.stem, path.suffix))
        leaves = Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name
        if leaves or not path.resolve().is_relative_to(self._output.resolve()):
            raise UsageError(f"output {name!r} would leave the folder {self._output}; name a file")
        return path


def _pictures(paths: Iterable[Path]) -> tuple[list[Path], list[Failure]]:
    """Give the pictures among paths and in folders, each once, and what is not there."""
    found: dict[Path, Path] = {}
    failures = []
    for path in paths:
        try:
            files = list_pictures(path, subfolders=False)
        except UsageError as error:
            failures.append(Failure(str(path), str(error)))
        else:
            found |= {file.resolve(): file for file in files if file.resolve() not in found}
    return list(found.values()), failures


def _by_stem(pictures: Iterable[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in pictures:
        if path.stem in named:
            raise UsageError(
                f"{named[path.stem]} and {path} are both called {path.stem}, so neither is the "
                "reference of that name; rename one or list them with --pairs"
            )
        named[path.stem] = path
    return named


def _rows(path: Path) -> list[tuple[int, list[tuple[str, str]]]]:
    """Read the lines of a list: number, and each value that is not empty with its column."""
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
        raise UsageError(f"{path} lists no drawing")
    return rows


def _counted(drawings: Sequence[Path]) -> str:
    return "one sketch" if len(drawings) == 1 else f"{len(drawings)} sketches"
