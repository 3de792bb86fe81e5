"""Colour many drawings: reading and writing overlap the model; a failed drawing is reported."""

import errno
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import NoReturn, TypeAlias, TypeVar

import numpy as np
from tqdm import tqdm

from refcolor.colorize.colorizer import Colorizer
from refcolor.colorize.hints import Hint, Match
from refcolor.colorize.jobs import Failure, Job, listed
from refcolor.colorize.look import LOOK, Look
from refcolor.colorize.prepared import Prediction, Prepared
from refcolor.colorize.reference import read_reference
from refcolor.colorize.regions import find_regions
from refcolor.colorize.sheet import even_colors, sheet_palette
from refcolor.errors import RefcolorError
from refcolor.io import image
from refcolor.io.image import Unit

# Limits of a batch: pixels, and pairs of cells that the attention compares. A batch of 4 drawings
# of 256 pixels takes three quarters of the time of 4 single ones with the published network, which
# reads its weights once for all of them; 32 of 64 pixels take two thirds with sample-64.
_BATCH_PIXELS = 4 * 256 * 256
_BATCH_PAIRS = 2**24  # a few tensors of 64 MiB
# Limits of the drawings that were read and wait for the model, and of those being written.
_QUEUE_DRAWINGS, _QUEUE_PIXELS = 32, 8_000_000
_CACHED_REFERENCES = 64
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

_SURVEY_SIDE = 1024  # pixels of a drawing's longer side, at most, for the colours of its regions

Result = TypeVar("Result")
Use: TypeAlias = Callable[[Job, Prepared, Prediction], Job]


@dataclass(frozen=True)
class Options:
    """Options of all drawings; size, matches, clean_lines, layer, look: see `Colorizer.colorize`.

    sheet: whether the drawings show one character, whose sheet are the references of all of them.
    force: overwrite existing results.
    """

    size: int | None = None
    matches: tuple[Hint | Match, ...] = ()
    clean_lines: bool = False
    layer: str | None = None
    look: Look = LOOK
    layers: bool = False
    psd: bool = False
    ora: bool = False
    sheet: bool = False
    force: bool = False


@dataclass
class Report:
    """The outcome of a list of jobs: numbers of coloured and skipped drawings, and failures."""

    done: int = 0
    skipped: int = 0
    failures: list[Failure] = field(default_factory=list)

    def lines(self, max_names: int = 3) -> Iterator[str]:
        """Yield a line for each reason of failure, with up to `max_names` drawings."""
        by_reason: dict[str, list[str]] = {}
        for failure in self.failures:
            by_reason.setdefault(failure.message, []).append(failure.name)
        for message, names in by_reason.items():
            line = message if names[0] in message else f"{listed(names, max_names)}: {message}"
            yield " ".join(line.split())


def color_all(colorizer: Colorizer, jobs: Sequence[Job], options: Options) -> Report:
    """Colour drawings and write the results, each file atomically.

    Existing results are skipped. A drawing or reference that cannot be read, and a file that cannot
    be written, is reported, and the other drawings are coloured; a full disk and Ctrl-C end the
    call and leave complete results only.
    Of a character sheet, pictures that cannot be read are reported and left out. Its drawings go
    through the model twice, the existing ones too, because their colours decide together.
    The number of pixels in memory is bounded, whatever the number of drawings.
    Raises OSError for a full disk, RefcolorError for a size that the model does not support.
    """
    colorizer.check_size(options.size)
    missing = [job for job in jobs if options.force or not _exists(job, options)]
    report = Report(skipped=len(jobs) - len(missing))
    if options.sheet and missing:
        sheet = _read_sheet(missing[0].references, report)
        if report.failures and (options.matches or not sheet):
            raise RefcolorError(report.failures[0].message)
        jobs, missing = (
            [replace(job, references=tuple(sheet)) for job in group] for group in (jobs, missing)
        )
        palette = _find_palette(colorizer, jobs, options, np.concatenate(list(sheet.values())))
        options = replace(options, look=replace(options.look, palette=palette))
    write = partial(_write, colorizer=colorizer, options=options)
    _run(colorizer, missing, options, write, report=report)
    return report


def batch_size(prepared: Prepared) -> int:
    """Return how many drawings of this size make a batch."""
    size = min(
        _BATCH_PIXELS // prepared.pixels,
        _BATCH_PAIRS // prepared.pairs,
        _queue_size(prepared),
    )
    return max(1, size)


def _read_sheet(files: Iterable[Path], report: Report) -> dict[Path, Unit]:
    """Return the colours of each picture of a sheet; report those that cannot be read."""
    sheet = {}
    for file in files:
        try:
            sheet[file] = even_colors(read_reference(file))
        except (RefcolorError, OSError) as error:
            report.failures.append(Failure(str(file), _message_of(error)))
    return sheet


def _find_palette(
    colorizer: Colorizer, jobs: Sequence[Job], options: Options, sheet: Unit
) -> Unit | None:
    """Run the model on all drawings of a character and return the colours that they share.

    sheet: as in `sheet_palette`. Drawings that cannot be coloured are left out.
    """
    tolerance, colors, shares = options.look.tolerance, [], []

    def survey(job: Job, prepared: Prepared, prediction: Prediction) -> Job:
        ink = image.fit(prepared.drawing.ink, _SURVEY_SIDE, enlarge=False)
        regions = find_regions(prediction.colors, ink, tolerance=tolerance)
        colors.append(regions.medians)
        shares.append(regions.areas / regions.areas.sum())  # a large drawing counts as a small one
        return job

    _run(colorizer, jobs, options, survey, report=Report(), title="colours of the character")
    if not colors:
        return None
    return sheet_palette(np.concatenate(colors), np.concatenate(shares), sheet, tolerance)


def _run(
    colorizer: Colorizer,
    jobs: Sequence[Job],
    options: Options,
    use: Use,
    *,
    report: Report,
    title: str = "colour",
) -> None:
    """Run the model on drawings, and call `use` in the writer's thread for each."""
    disable = True if len(jobs) < 2 else None  # None: show the bar on a terminal only
    with (
        tqdm(total=len(jobs), desc=title, unit="drawing", disable=disable) as bar,
        _thread() as reader,
        _thread() as writer,
    ):
        pipeline = _Pipeline(colorizer, options, writer, use, report=report, bar=bar)
        for job, reading in _read_ahead(reader, pipeline.read, jobs):
            pipeline.add(job, reading)
        pipeline.finish()


def _write(
    job: Job, prepared: Prepared, prediction: Prediction, *, colorizer: Colorizer, options: Options
) -> Job:
    colored = colorizer.finish(prepared, prediction)
    stem = job.output.with_suffix("").name
    if options.layers:
        colored.save_layers(job.output.parent, stem)
    if options.psd:
        colored.save_psd(job.output.with_name(f"{stem}.psd"))
    if options.ora:
        colored.save_ora(job.output.with_name(f"{stem}.ora"))
    colored.save(job.output)  # last, so that the other files of an existing result exist too
    return job


@contextmanager
def _thread() -> Iterator[ThreadPoolExecutor]:
    """Yield a thread; on exit it finishes the running call and cancels the waiting ones."""
    thread = ThreadPoolExecutor(1)
    try:
        yield thread
    finally:
        thread.shutdown(cancel_futures=True)


class _Pipeline:
    """The drawings that are being read, wait in the batch for the model, or are being written."""

    def __init__(
        self,
        colorizer: Colorizer,
        options: Options,
        writer: ThreadPoolExecutor,
        use: Use,
        *,
        report: Report,
        bar: "tqdm[NoReturn]",
    ) -> None:
        self._colorizer, self._options = colorizer, options
        self._writer, self._use = writer, use
        self._report, self._bar = report, bar
        self._batch: list[tuple[Job, Prepared]] = []
        self._writing: deque[tuple[Job, Future[Job]]] = deque()
        self._reference = lru_cache(_CACHED_REFERENCES)(
            partial(colorizer.place_reference, size=options.size)
        )

    def read(self, job: Job) -> Prepared:
        """Read a drawing and its references, in the reader's thread."""
        return self._colorizer.prepare(
            job.sketch,
            [self._reference(path) for path in job.references],
            size=self._options.size,
            matches=self._options.matches,
            clean_lines=self._options.clean_lines,
            layer=self._options.layer,
            look=self._options.look,
        )

    def add(self, job: Job, reading: "Future[Prepared]") -> None:
        """Add a drawing to the batch; run the model when the batch is full."""
        prepared = self._result(job, reading)
        if prepared is None:
            return
        if self._batch and not prepared.can_batch(self._batch[0][1]):
            self._run_model()
        self._batch.append((job, prepared))
        if len(self._batch) >= batch_size(prepared):
            self._run_model()

    def finish(self) -> None:
        """Run the last batch and wait until all results are written."""
        if self._batch:
            self._run_model()
        self._wait_for_writers(0)

    def _run_model(self) -> None:
        predictions = self._colorizer.run(
            [prepared for _, prepared in self._batch], with_weights=False
        )
        for (job, prepared), prediction in zip(self._batch, predictions, strict=True):
            writing = self._writer.submit(self._use, job, prepared, prediction)
            self._writing.append((job, writing))
        self._wait_for_writers(_queue_size(self._batch[0][1]))
        self._batch.clear()

    def _wait_for_writers(self, max_writing: int) -> None:
        """Wait until at most `max_writing` drawings are being written."""
        while len(self._writing) > max_writing:
            if self._result(*self._writing.popleft()) is not None:
                self._report.done += 1
                self._bar.update()

    def _result(self, job: Job, future: "Future[Result]") -> "Result | None":
        """Wait for the result of a future; report a failure and return None for it."""
        try:
            return future.result()
        except (RefcolorError, OSError) as error:
            if isinstance(error, OSError) and error.errno in _DISK_FULL:
                raise
            self._report.failures.append(Failure(str(job.sketch), _message_of(error)))
            self._bar.update()
            return None


def _read_ahead(
    reader: ThreadPoolExecutor, read: Callable[[Job], Prepared], jobs: Iterable[Job]
) -> Iterator[tuple[Job, "Future[Prepared]"]]:
    """Read jobs ahead in a thread: one at first, then as many as their size allows."""
    remaining, queue_size = iter(jobs), 1
    queue = deque((job, reader.submit(read, job)) for job in islice(remaining, 1))
    while queue:
        job, reading = queue.popleft()
        for next_job in islice(remaining, max(0, queue_size - len(queue))):
            queue.append((next_job, reader.submit(read, next_job)))
        yield job, reading
        if reading.exception() is None:
            queue_size = _queue_size(reading.result())


def _queue_size(prepared: Prepared) -> int:
    """Return how many drawings of this size may wait at a time."""
    return max(1, min(_QUEUE_DRAWINGS, _QUEUE_PIXELS // prepared.drawing.ink.size))


def _exists(job: Job, options: Options) -> bool:
    files = job.files(layers=options.layers, psd=options.psd, ora=options.ora)
    return all(path.exists() for path in files)


def _message_of(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
