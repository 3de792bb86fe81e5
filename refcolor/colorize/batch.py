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

from refcolor.colorize.colorizer import Answer, Colorizer, Prepared
from refcolor.colorize.hints import PointMatch
from refcolor.colorize.jobs import Failure, Job
from refcolor.errors import RefcolorError

# Pixels of the model in one pass, and pairs of cells that its attention compares: 4 drawings of 256
# pixels take three quarters of the time that each alone takes with the published network, which
# reads its weights once for all of them; 32 of 64 pixels take two thirds with sample-64.
_TOGETHER = 4 * 256 * 256
_PAIRS = 2**24  # 64 MiB, a few times over
# Pixels of drawings that are read ahead, and as many that are filled and written behind.
_AHEAD, _AHEAD_PIXELS = 32, 8_000_000
_REFERENCES = 64  # how many are kept on the model's grid
_FULL = (errno.ENOSPC, errno.EDQUOT)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Wish:
    """What is wanted of every drawing; size, matches and clean_lines as `Colorizer.colorize`.

    force: make what is there already once more.
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


def color_all(colorizer: Colorizer, jobs: Sequence[Job], wish: Wish) -> Report:
    """Colour drawings and write the results, each under a temporary name first.

    What is there already is skipped. A drawing or reference that cannot be used, and a file that
    cannot be written, is reported, and the others go on; a full disk and Ctrl-C end it all, with
    whole results only.
    Memory holds a bounded number of pixels, however many drawings there are.
    Raises OSError for a full disk, RefcolorError for a size that the model cannot work at.
    """
    colorizer.check_size(wish.size)
    wanted = [job for job in jobs if wish.force or not _is_there(job, wish)]
    report = Report(skipped=len(jobs) - len(wanted))
    quiet = True if len(wanted) < 2 else None  # None: only where somebody watches
    with (
        tqdm(total=len(wanted), desc="colour", unit="drawing", disable=quiet) as bar,
        _thread() as reader,
        _thread() as writer,
    ):
        line = _Line(colorizer, wish, writer, report=report, bar=bar)
        for job, reading in _read_ahead(reader, line.read, wanted):
            line.take(job, reading)
        line.end()
    return report


def together(prepared: Prepared) -> int:
    """How many such drawings go through the model at a time."""
    fitting = min(_TOGETHER // prepared.sketch.size, _PAIRS // prepared.pairs, _room(prepared))
    return max(1, fitting)


@contextmanager
def _thread() -> Iterator[ThreadPoolExecutor]:
    """Give a thread that, when all is broken off, ends what it is at and begins nothing more."""
    thread = ThreadPoolExecutor(1)
    try:
        yield thread
    finally:
        thread.shutdown(cancel_futures=True)


class _Line:
    """Drawings on their way: some read, some gathered for the model, some being written."""

    def __init__(
        self,
        colorizer: Colorizer,
        wish: Wish,
        writer: ThreadPoolExecutor,
        *,
        report: Report,
        bar: "tqdm[NoReturn]",
    ) -> None:
        self._colorizer, self._wish, self._writer = colorizer, wish, writer
        self._report, self._bar = report, bar
        self._gathered: list[tuple[Job, Prepared]] = []
        self._behind: deque[tuple[Job, Future[Job]]] = deque()
        self._reference = lru_cache(_REFERENCES)(partial(colorizer.place_reference, size=wish.size))

    def read(self, job: Job) -> Prepared:
        """Read a drawing and its references, in the reader's thread."""
        return self._colorizer.prepare(
            job.sketch,
            [self._reference(path) for path in job.references],
            size=self._wish.size,
            matches=self._wish.matches,
            clean_lines=self._wish.clean_lines,
        )

    def take(self, job: Job, reading: "Future[Prepared]") -> None:
        """Gather a drawing, and ask the model when enough that fit together are there."""
        prepared = self._result(job, reading)
        if prepared is None:
            return
        if self._gathered and not prepared.fits(self._gathered[0][1]):
            self._ask()
        self._gathered.append((job, prepared))
        if len(self._gathered) >= together(prepared):
            self._ask()

    def end(self) -> None:
        """Finish what is on its way."""
        if self._gathered:
            self._ask()
        self._settle(0)

    def _ask(self) -> None:
        answers = self._colorizer.run([one for _, one in self._gathered], look=False)
        for (job, prepared), answer in zip(self._gathered, answers, strict=True):
            self._behind.append((job, self._writer.submit(self._write, job, prepared, answer)))
        self._settle(_room(self._gathered[0][1]))
        self._gathered.clear()

    def _write(self, job: Job, prepared: Prepared, answer: Answer) -> Job:
        colored = self._colorizer.finish(prepared, answer)
        stem = job.output.with_suffix("").name
        if self._wish.layers:
            colored.save_layers(job.output.parent, stem)
        if self._wish.psd:
            colored.save_psd(job.output.with_name(f"{stem}.psd"))
        colored.save(job.output)  # last, so that a result that is there is complete
        return job

    def _settle(self, most: int) -> None:
        """Wait until at most so many drawings are being written."""
        while len(self._behind) > most:
            if self._result(*self._behind.popleft()) is not None:
                self._report.done += 1
                self._bar.update()

    def _result(self, job: Job, future: "Future[Result]") -> "Result | None":
        """Wait for a part of the work; a failure is put down, and None given."""
        try:
            return future.result()
        except (RefcolorError, OSError) as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                raise
            self._report.failures.append(Failure(job.sketch.name, _in_words(error)))
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


def _is_there(job: Job, wish: Wish) -> bool:
    return all(path.exists() for path in job.files(layers=wish.layers, psd=wish.psd))


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
