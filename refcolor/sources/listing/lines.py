"""Lines of files of any size, plain, .gz or .xz, in little memory."""

import gzip
import lzma
import zlib
from collections.abc import Generator, Iterator, Sequence
from io import BufferedIOBase, BufferedReader
from pathlib import Path

from tqdm import tqdm

from refcolor.errors import RefcolorError

CHUNK = 1 << 20  # bytes; a line is longer only in a file that is no text
_CUT = 1000  # bytes that are left of such a line


def iterate_lines(files: Sequence[Path], *, label: str) -> Generator[bytes]:
    """Read the lines of files, one file after another, without the newlines; empty ones left out.

    The first bytes say how a file is compressed, not its name. Memory stays at a few megabytes,
    and the size of the compression's own window (64 MB for xz -9). A line of more than two
    megabytes is cut to its first thousand bytes. A bar shows the bytes read from disk.
    Raises RefcolorError for a file that ends early or is damaged, and for a tar archive.
    """
    total = sum(file.stat().st_size for file in files)
    with tqdm(total=total, desc=label, unit="B", unit_scale=True) as bar:
        for path in files:
            with path.open("rb") as file:
                before = bar.n
                try:
                    for chunk in _split(_opened(file, path)):
                        yield from filter(bytes.strip, chunk)
                        bar.update(before + file.tell() - bar.n)
                except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
                    raise RefcolorError(
                        f"{path} is cut short or damaged ({error}); fetch it again"
                    ) from error


def _opened(file: BufferedReader, path: Path) -> BufferedIOBase:
    start = file.read(6)
    file.seek(0)
    stream: BufferedIOBase = file
    if start.startswith(b"\x1f\x8b"):
        stream = gzip.open(file)
    elif start == b"\xfd7zXZ\0":
        stream = lzma.open(file)
    if stream.read(263)[257:262] == b"ustar":
        raise RefcolorError(f"{path} is a tar archive; unpack it with `tar -xf` and name the files")
    stream.seek(0)
    return stream


def _split(stream: BufferedIOBase) -> Iterator[list[bytes]]:
    rest = b""
    while chunk := stream.read(CHUNK):
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        yield lines
        if len(rest) > CHUNK:
            yield [rest[:_CUT]]
            rest = _after_newline(stream)
    yield [rest]


def _after_newline(stream: BufferedIOBase) -> bytes:
    while chunk := stream.read(CHUNK):
        _, newline, rest = chunk.partition(b"\n")
        if newline:
            return rest
    return b""
