"""Many drawings: reading, filling and writing overlap the model; one that fails stops no other."""

import errno
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import islice
from typing import NoReturn, TypeVar

from tqdm import tqdm

from refcolor.colorize.colorizer import Colorizer, Prediction, Prepared
from refcolor.colorize.hints import PointMatch
from refcolor.colorize.jobs import Failure, Job
from refcolor.errors import RefcolorError

# Pixels of the model in one pass, and pairs of cells that its attention compares: 4 drawings of 256
# pixels take three quarters of the time that each alone takes with the published network, which
# reads its weights once for all of them; 32 of 64 pixels take two thirds with sample-64.
_BATCH_PIXELS = 4 * 256 * 256
_BATCH_PAIRS = 2**24  # 64 MiB, a few times over
# Pixels of drawings that are read ahead, and as many that are filled and written behind.
_AHEAD, _AHEAD_PIXELS = 32, 8_000_000
_REFERENCES = 64  # how many are kept on the model's grid
_FULL = (errno.ENOSPC, errno.EDQUOT)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Options:
    """How every drawing is coloured; size, matches and clean_lines as in `Colorizer.colorize`.

    force: make results again that exist already.
    """

    size: int | None = None
    matches: tuple[PointMatch, ...] = ()
    clean_lines: bool = False
    layers: bool = False
    psd: bool = False
    force: bool = False


@dataclass
class Report:
    """What became of a list of jobs."""

    done: int = 0
    skipped: int = 0
    failures: list[Failure] = field(default_factory=list)

    def lines(self, most: int = 3) -> Iterator[str]:
        """Say what failed, a line for each reason; of many drawings with one reason, `most`."""
        by_reason: dict[str, list[str]] = {}
        for failure in self.failures:
            by_reason.setdefault(failure.message, []).append(failure.what)
        for message, names in by_reason.items():
            more = f" and {len(names) - most} more" if len(names) > most else ""
            said = message if names[0] in message else f"{', '.join(names[:most])}{more}: {message}"
            yield " ".join(said.split())


def color_all(colorizer: Colorizer, jobs: Sequence[Job], options: Options) -> Report:
    """Colour drawings and write the results, each under a temporary name first.

    What is there already is skipped. A drawing or reference that cannot be used, and a file that
    cannot be written, is reported, and the others go on; a full disk and Ctrl-C end it all, with
    whole results only.
    Memory holds a bounded number of pixels, however many drawings there are.
    Raises OSError for a full disk, RefcolorError for a size that the model cannot work at.
    """
    colorizer.check_size(options.size)
    missing = [job for job in jobs if options.force or not _exists(job, options)]
    report = Report(skipped=len(jobs) - len(missing))
    quiet = True if len(missing) < 2 else None  # None: only where somebody watches
    with (
        tqdm(total=len(missing), desc="colour", unit="drawing", disable=quiet) as bar,
        _thread() as reader,
        _thread() as writer,
    ):
        pipeline = _Pipeline(colorizer, options, writer, report=report, bar=bar)
        for job, reading in _read_ahead(reader, pipeline.read, missing):
            pipeline.add(job, reading)
        pipeline.finish()
    return report


def batch_size(prepared: Prepared) -> int:
    """How many such drawings go through the model at a time."""
    fitting = min(
        _BATCH_PIXELS // prepared.sketch.size, _BATCH_PAIRS // prepared.pairs, _room(prepared)
    )
    return max(1, fitting)


@contextmanager
def _thread() -> Iterator[ThreadPoolExecutor]:
    """Give a thread that, when all is broken off, ends what it is at and begins nothing more."""
    thread = ThreadPoolExecutor(1)
    try:
        yield thread
    finally:
        thread.shutdown(cancel_futures=True)


class _Pipeline:
    """Drawings being read, in the batch for the model, and being written."""

    def __init__(
        self,
        colorizer: Colorizer,
        options: Options,
        writer: ThreadPoolExecutor,
        *,
        report: Report,
        bar: "tqdm[NoReturn]",
    ) -> None:
        self._colorizer, self._options, self._writer = colorizer, options, writer
        self._report, self._bar = report, bar
        self._batch: list[tuple[Job, Prepared]] = []
        self._behind: deque[tuple[Job, Future[Job]]] = deque()
        self._reference = lru_cache(_REFERENCES)(
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
        )

    def add(self, job: Job, reading: "Future[Prepared]") -> None:
        """Add a drawing to the batch, which goes through the model when it is full."""
        prepared = self._result(job, reading)
        if prepared is None:
            return
        if self._batch and not prepared.fits(self._batch[0][1]):
            self._run_model()
        self._batch.append((job, prepared))
        if len(self._batch) >= batch_size(prepared):
            self._run_model()

    def finish(self) -> None:
        """Run the last batch and wait until everything is written."""
        if self._batch:
            self._run_model()
        self._wait_for_writers(0)

    def _run_model(self) -> None:
        predictions = self._colorizer.run(
            [prepared for _, prepared in self._batch], with_weights=False
        )
        for (job, prepared), prediction in zip(self._batch, predictions, strict=True):
            self._behind.append((job, self._writer.submit(self._write, job, prepared, prediction)))
        self._wait_for_writers(_room(self._batch[0][1]))
        self._batch.clear()

    def _write(self, job: Job, prepared: Prepared, prediction: Prediction) -> Job:
        colored = self._colorizer.finish(prepared, prediction)
        stem = job.output.with_suffix("").name
        if self._options.layers:
            colored.save_layers(job.output.parent, stem)
        if self._options.psd:
            colored.save_psd(job.output.with_name(f"{stem}.psd"))
        colored.save(job.output)  # last, so that a result that is there is complete
        return job

    def _wait_for_writers(self, most: int) -> None:
        """Wait until at most so many drawings are being written."""
        while len(self._behind) > most:
            if self._result(*self._behind.popleft()) is not None:
                self._report.done += 1
                self._bar.update()

    def _result(self, job: Job, future: "Future[Result]") -> "Result | None":
        """Wait for a future; a failure goes into the report, and the result is None."""
        try:
            return future.result()
        except (RefcolorError, OSError) as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                raise
            self._report.failures.append(Failure(job.sketch.name, _message_of(error)))
            self._bar.update()
            return None


def _read_ahead(
    reader: ThreadPoolExecutor, read: Callable[[Job], Prepared], jobs: Iterable[Job]
) -> Iterator[tuple[Job, "Future[Prepared]"]]:
    """Read in a thread, one job ahead at first and then as many as their size allows."""
    coming, ahead = iter(jobs), 1
    waiting = deque((job, reader.submit(read, job)) for job in islice(coming, 1))
    while waiting:
        job, reading = waiting.popleft()
        for following in islice(coming, max(0, ahead - len(waiting))):
            waiting.append((following, reader.submit(read, following)))
        yield job, reading
        if reading.exception() is None:
            ahead = _room(reading.result())


def _room(prepared: Prepared) -> int:
    """How many such drawings may wait at a time."""
    return max(1, min(_AHEAD, _AHEAD_PIXELS // prepared.drawing.ink.size))


def _exists(job: Job, options: Options) -> bool:
    return all(path.exists() for path in job.files(layers=options.layers, psd=options.psd))


def _message_of(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
