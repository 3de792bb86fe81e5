"""Archive records filtered per minute, on one core: `python -m benchmarks.listing`."""

import gzip
import json
import lzma
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from refcolor import params
from refcolor.params import ArchiveParams
from refcolor.sources.listing.archive import list_archive

RECORDS, DIFFERENT = 50_000, 5_000  # records a file, and how many of them differ in more than id
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": lambda content: gzip.compress(content, 6),
    "xz": lambda content: lzma.compress(content, preset=1),
}
COLORS = ("blonde", "brown", "black", "blue", "purple", "pink", "green", "red", "white", "orange")


def posts(shape: str, count: int, *, different: int = DIFFERENT) -> Iterator[bytes]:
    """Write `count` lines of metadata as long and as mixed as those of the archives.

    shape: `objects` as in 2017 to 2020, or `strings` as in 2021.
    """
    random_numbers = random.Random(0)
    lines = [_post(shape, random_numbers) for _ in range(min(count, different))]
    for number in range(1, count + 1):
        yield lines[number % len(lines)].replace(b"@ID@", b"%d" % number)


def main() -> None:
    """Print a table of what is filtered at which rate, with the filter of params.yaml."""
    settings = params.load()
    print(f"{'shape':<10}{'file':<7}{'bytes a record':>15}{'kept':>8}{'records a minute':>18}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "posts.json"
        archive = ArchiveParams(metadata=str(path), pictures="http://127.0.0.1", buckets="")
        source = settings.source.model_copy(update={"count": 0, "archive": archive})
        for shape in ("objects", "strings"):
            content = b"".join(posts(shape, RECORDS))
            for kind, compress in COMPRESSORS.items():
                path.write_bytes(compress(content))
                start = time.process_time()
                listing = list_archive(source, settings.filter)
                rate = RECORDS / (time.process_time() - start) * 60
                kept = len(listing.records) / RECORDS
                size = len(content) / RECORDS
                print(f"{shape:<10}{kind:<7}{size:>15.0f}{kept:>8.1%}{rate:>18,.0f}")


def _post(shape: str, random_numbers: random.Random) -> bytes:
    draw = random_numbers
    day = "2018-11-12 00:00:02.71614 UTC"
    fields: dict[str, Any] = {
        "id": "@ID@",
        "created_at": day,
        "uploader_id": str(draw.randrange(600_000)),
        "score": str(draw.randrange(100)),
        "source": f"https://i.pximg.net/img-original/img/2018/11/12/00/00/02/{draw.random()}.jpg",
        "md5": f"{draw.getrandbits(128):032x}",
        "last_commented_at": "1970-01-01 00:00:00 UTC",
        "rating": draw.choice("sssqe"),
        "image_width": str(draw.choice((600, 1000, 1200))),
        "image_height": str(draw.choice((1000, 1200, 1400))),
        "is_note_locked": False,
        "file_ext": draw.choice(("jpg", "jpg", "png", "gif")),
        "last_noted_at": "1970-01-01 00:00:00 UTC",
        "is_rating_locked": False,
        "parent_id": draw.choice(("0", "0", "0", "2500000")),
        "has_children": False,
        "approver_id": "0",
        "file_size": str(draw.randrange(2_000_000)),
        "is_status_locked": False,
        "up_score": str(draw.randrange(100)),
        "down_score": "0",
        "is_pending": False,
        "is_flagged": False,
        "is_deleted": draw.random() < 0.05,
        "updated_at": day,
        "is_banned": draw.random() < 0.01,
        "pixiv_id": str(draw.randrange(80_000_000)),
    }
    names = [f"tag_number_{draw.randrange(40_000)}" for _ in range(draw.randrange(15, 40))]
    names += [draw.choice(("1girl", "1girl", "1boy", "2girls")), f"{draw.choice(COLORS)}_eyes"]
    names += [f"{draw.choice(COLORS)}_hair", draw.choice(("simple_background", "outdoors"))]
    if shape == "objects":
        tags = [{"id": str(draw.randrange(10**6)), "name": n, "category": "0"} for n in names]
        tags.append({"id": "7", "name": "some_artist", "category": "1"})
        favourites = [str(draw.randrange(600_000)) for _ in range(draw.randrange(40))]
        fields |= {"tags": tags, "pools": [], "favs": favourites}
    else:
        kinds = {"general": " ".join(names), "artist": "some_artist", "copyright": "original"}
        kinds |= {"character": "", "meta": "absurdres highres"}
        fields |= {f"tag_string_{kind}": text for kind, text in kinds.items()}
        fields |= {f"tag_count_{kind}": str(len(text.split())) for kind, text in kinds.items()}
        fields["tag_string"] = " ".join(kinds.values())
        fields["fav_string"] = " ".join(f"fav:{n}" for n in range(draw.randrange(60)))
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


if __name__ == "__main__":
    main()
