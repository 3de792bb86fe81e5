"""Lines of files of any size, plain, .gz or .xz, in little memory."""

import gzip
import lzma
import zlib
from collections.abc import Generator, Sequence
from io import BufferedIOBase, BufferedReader
from pathlib import Path

from tqdm import tqdm

from refcolor.errors import RefcolorError

_LONGEST = 1 << 20  # bytes; a longer line means that the file is not text
_EXCERPT = 1000  # bytes of such a line


def iterate_lines(files: Sequence[Path], *, label: str) -> Generator[bytes]:
    """Read the lines of files, one file after another; empty ones are left out.

    The first bytes say how a file is compressed, not its name. Memory stays at a few megabytes,
    and the size of the compression's own window (64 MB for xz -9). Of a line of more than a
    megabyte the first thousand bytes are given. A bar shows the bytes read from disk.
    Raises RefcolorError for a file that ends early or is damaged, and for a tar archive.
    """
    total = sum(file.stat().st_size for file in files)
    with tqdm(total=total, desc=label, unit="B", unit_scale=True) as bar:
        for path in files:
            with path.open("rb") as file:
                before = bar.n
                try:
                    stream = _opened(file, path)
                    while line := stream.readline(_LONGEST):
                        if len(line) == _LONGEST:
                            line = _skip_rest(stream, line)
                        if line.strip():
                            yield line
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


def _skip_rest(stream: BufferedIOBase, line: bytes) -> bytes:
    rest = line
    while rest and not rest.endswith(b"\n"):
        rest = stream.readline(_LONGEST)
    return line[:_EXCERPT]
