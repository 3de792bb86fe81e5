"""What a Danbooru on loopback holds: posts of every kind, their pictures, and the search."""

import hashlib
import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from PIL import Image

from refcolor import characters
from refcolor.sources.manifest import Record

FIRST, STEP = 1001, 3  # ids of posts have gaps
GOOD_EVERY = 7  # one post of so many passes the Tag2Pix filter
HAIR, EYES = ("blonde", "brown", "blue", "pink", "grey"), ("blue", "red", "green")
# What is wrong with the other posts; `line_art` is not, but no picture either.
DEFECTS = (
    *("two_hair_colors", "no_eye_color", "comic", "sensitive", "deleted", "banned", "child"),
    *("line_art", "wide", "small", "video", "two_people", "no_file"),
)


@dataclass
class Site:
    """The same posts for the same numbers, on every machine.

    posts: how many there are.  size: side of the pictures in pixels.
    distinct: how many drawings the good posts share, in turn; all others show one more. No two
    files are the same bytes.
    url: the address at which it is reached.
    """

    posts: int = 2000
    size: int = 48
    distinct: int = 12
    url: str = ""
    _drawings: dict[tuple[int, str], bytes] = field(default_factory=dict, init=False, repr=False)

    @property
    def newest(self) -> int:
        """The largest id."""
        return FIRST + STEP * (self.posts - 1)

    @property
    def good(self) -> list[int]:
        """Ids of the posts that pass the filter, newest first."""
        return [FIRST + STEP * n for n in reversed(range(self.posts)) if n % GOOD_EVERY == 3]

    def path_of(self, id: int, *, original: bool | None = None) -> str:
        """Path of the file that a post offers: a reduced copy where the id is even."""
        if original or (original is None and id % 2):
            return f"/original/{id}.png"
        return f"/sample/sample-{id}.jpg"

    def content(self, path: str) -> bytes:
        """Bytes of a picture, with the id of its post inside, so that no two are the same."""
        id = int(re.findall(r"\d+", path)[-1])
        index = (id - FIRST) // STEP
        drawing = 1 + index // GOOD_EVERY % self.distinct if index % GOOD_EVERY == 3 else 0
        note = f"post {id}".encode()
        if path.endswith(".png"):
            png = self._draw(drawing, "PNG")
            chunk = b"tEXtComment\0" + note
            end = len(png) - 12  # the chunk that says that nothing follows
            text = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
            return png[:end] + text + png[end:]
        jpeg = self._draw(drawing, "JPEG")
        return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(note) + 2) + note + jpeg[2:]

    def record(self, path: str, id: object) -> Record:
        """Make the record of a file as a listing would: the checksum of originals is known."""
        content = self.content(path)
        checksum = hashlib.md5(content).hexdigest() if path.endswith(".png") else ""
        return Record(f"danbooru-{id}", self.url + path, checksum=checksum)

    def records(self, ids: Iterable[int]) -> list[Record]:
        """Make the records of posts."""
        return [self.record(self.path_of(id), id) for id in ids]

    def files(self, ids: Iterable[int]) -> dict[str, bytes]:
        """Say what a folder holds after a complete download of posts."""
        paths = {id: self.path_of(id) for id in ids}
        return {f"danbooru-{id}{path[-4:]}": self.content(path) for id, path in paths.items()}

    def post(self, id: int) -> dict[str, Any]:
        """Everything that the API says of a post."""
        index = (id - FIRST) // STEP
        defect = "" if index % GOOD_EVERY == 3 else DEFECTS[index % len(DEFECTS)]
        tags = ["solo", "simple_background", "1girl" if index % 3 else "1boy"]
        tags += [f"{HAIR[index % len(HAIR)]}_hair", f"{EYES[index % len(EYES)]}_eyes"]
        match defect:
            case "two_hair_colors":
                tags.append("purple_hair")
            case "no_eye_color":
                tags.pop()
            case "comic":
                tags.append("comic")
            case "line_art":
                tags[3:] = ["sketch", "white_background"]
            case "two_people":
                tags.extend(("1girl", "1boy"))
        reduced = self.path_of(id) != self.path_of(id, original=True)
        long = 2000 if defect == "wide" else 300 if defect == "small" else 1200 if reduced else 800
        post = {
            "id": id,
            "md5": hashlib.md5(self.content(self.path_of(id, original=True))).hexdigest(),
            "rating": "s" if defect == "sensitive" else "g",
            "file_ext": "mp4" if defect == "video" else "png",
            "file_size": len(self.content(self.path_of(id, original=True))),
            "image_width": long,
            "image_height": min(long, 1000),
            "parent_id": id - STEP if defect == "child" else None,
            "source": f"https://artists.example.org/works/{id}",
            "is_banned": defect == "banned",
            "is_deleted": defect == "deleted",
            "tag_string_general": " ".join(sorted(set(tags))),
            "tag_string_artist": f"artist_{id % 40}" if id % 9 else "",
            "tag_string_character": "",
            "tag_string_copyright": "original",
            "tag_string_meta": "highres",
            "file_url": self.url + self.path_of(id, original=True),
            "large_file_url": self.url + self.path_of(id),
        }
        if defect in ("banned", "no_file"):
            for name in ("md5", "file_url", "large_file_url"):
                del post[name]
        return post

    def search(self, tags: list[str], *, below: int, limit: int) -> list[dict[str, Any]]:
        """Find posts by plain tags and the metatags id, rating, status and parent, newest first."""
        matching: list[dict[str, Any]] = []
        for id in range(self.newest, FIRST - 1, -STEP):
            if id < below and len(matching) < limit:
                post = self.post(id)
                if all(_has(post, tag) for tag in tags):
                    matching.append(post)
        return matching

    def _draw(self, number: int, kind: str) -> bytes:
        if (number, kind) not in self._drawings:
            drawing = characters.render(
                characters.draw_shape(7, number), characters.draw_palette(7, number), size=self.size
            )
            file = BytesIO()
            Image.fromarray(drawing.color).save(file, kind, quality=90)
            self._drawings[number, kind] = file.getvalue()
        return self._drawings[number, kind]


def _has(post: dict[str, Any], tag: str) -> bool:
    name, colon, value = tag.partition(":")
    if tag.startswith("-"):
        return not _has(post, tag[1:])
    if not colon:
        return tag in post["tag_string_general"].split()
    match name:
        case "id":
            return bool(post["id"] <= int(value.removeprefix("<=")))
        case "rating":
            return bool(post["rating"] == value)
        case "status":
            return not (post["is_deleted"] or post["is_banned"])
        case "parent":
            return post["parent_id"] is None
    return True
