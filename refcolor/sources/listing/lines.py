"""Stream the lines of large files, plain, .gz or .xz."""

import gzip
import lzma
import zlib
from collections.abc import Generator, Sequence
from io import BufferedIOBase, BufferedReader
from pathlib import Path

from tqdm import tqdm

from refcolor.errors import RefcolorError

_LONGEST = 1 << 20  # bytes; a file with longer lines is not text
_EXCERPT = 1000  # bytes of such a line


def iterate_lines(files: Sequence[Path], *, label: str) -> Generator[bytes]:
    """Yield the lines of files in order, without empty lines.

    The first bytes of a file, not its name, determine the compression. Memory is a few megabytes
    and the window of the compression (64 MB for xz -9). A line of more than a megabyte is cut to
    its first thousand bytes. A progress bar shows the bytes read from disk.
    Raises RefcolorError for a truncated or damaged file, and for a tar archive.
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
                        f"{path} is truncated or damaged ({error}); fetch it again"
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
        raise RefcolorError(
            f"{path} is a tar archive; unpack it with `tar -xf` and set the path of the files"
        )
    stream.seek(0)
    return stream


def _skip_rest(stream: BufferedIOBase, line: bytes) -> bytes:
    rest = line
    while rest and not rest.endswith(b"\n"):
        rest = stream.readline(_LONGEST)
    return line[:_EXCERPT]
