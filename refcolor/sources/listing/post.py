"""A tagged post, read from the live API or from archive metadata."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

DANBOORU = "https://danbooru.donmai.us"  # site of the archived posts
UNKNOWN_LICENCE = "unknown; see page"

_ARTIST, _CHARACTER = "1", "4"  # categories of tags
_TAG_STRINGS = (
    "tag_string",  # all of the fields below, and artists
    "tag_string_general",
    "tag_string_meta",
    "tag_string_copyright",
    "tag_string_character",
)
_YES = {"true", "t", "1"}


@dataclass(frozen=True, slots=True)
class Post:
    """Metadata of one picture; "" and 0 mean unknown or none.

    id: a decimal number.
    md5: of the original file.
    rating: one letter as in today's API: g general, s sensitive, q questionable, e explicit.
    extension: of the original file, without dot, in lower case.
    width, height: of the original file, in pixels.
    parent: id of the post of which this post is a variant.
    tags: names of general, meta, copyright and character tags, without artists.
    characters: names of the character tags.
    source: the artist's page that the post names.
    address, page: address of the file, and of the post.
    checksum: MD5 of the file at `address`.
    """

    id: str
    md5: str
    rating: str
    extension: str
    width: int
    height: int
    parent: str
    deleted: bool
    banned: bool
    tags: frozenset[str]
    characters: tuple[str, ...]
    artist: tuple[str, ...]
    source: str
    address: str
    checksum: str
    page: str


def from_api(fields: Mapping[str, Any], *, url: str) -> Post:
    """Read a post of the live API at `url`.

    The address is that of the reduced copy (850 px wide) if there is one, otherwise that of the
    original; only an original has a checksum. A banned or restricted post has no address.
    Raises ValueError unless the fields are a mapping with tags and valid numbers.
    """
    original = _text(fields, "file_url")
    address = _web_address(_text(fields, "large_file_url") or original, url)
    md5 = _text(fields, "md5").lower()
    is_original = bool(address) and address == _web_address(original, url)
    return _post(
        fields,
        rating=_text(fields, "rating"),
        address=address,
        checksum=md5 if is_original else "",
        url=url,
    )


def from_archive(fields: Mapping[str, Any]) -> Post:
    """Read a line of archive metadata, of any year.

    Dumps of 2017 to 2020 have tags as objects with categories; 2021 has tag strings, and sometimes
    no id. Both have numbers as strings, and their rating "s" (safe) is today's "g". Later dumps
    have numbers as numbers and today's ratings. In a dump with only `tag_string`, artists and
    characters cannot be separated from other tags.

    The address is empty: metadata does not contain it.
    Raises ValueError unless the fields are a mapping with tags and valid numbers.
    """
    rating = _text(fields, "rating")
    if rating == "s" and isinstance(fields.get("image_width"), str):
        rating = "g"
    return _post(fields, rating=rating, address="", checksum="", url=DANBOORU)


def _post(fields: Mapping[str, Any], *, rating: str, address: str, checksum: str, url: str) -> Post:
    number = _number(fields, "id")
    parent = _number(fields, "parent_id")
    tags, characters, artist = _tags(fields)
    return Post(
        id=str(number or ""),
        md5=_text(fields, "md5").lower(),
        rating=rating,
        extension=_text(fields, "file_ext").lower(),
        width=_number(fields, "image_width"),
        height=_number(fields, "image_height"),
        parent=str(parent or ""),
        deleted=_flag(fields, "is_deleted"),
        banned=_flag(fields, "is_banned"),
        tags=tags,
        characters=characters,
        artist=artist,
        source=_text(fields, "source"),
        address=address,
        checksum=checksum,
        page=f"{url.rstrip('/')}/posts/{number}" if number else "",
    )


def _tags(
    fields: Mapping[str, Any],
) -> tuple[frozenset[str], tuple[str, ...], tuple[str, ...]]:
    artist = tuple(_text(fields, "tag_string_artist").split())
    characters = tuple(_text(fields, "tag_string_character").split())
    if "tag_string" in fields or "tag_string_general" in fields:
        text = " ".join([_text(fields, name) for name in _TAG_STRINGS])
        return frozenset(text.split()).difference(artist), characters, artist
    try:
        named = [(str(tag["category"]), tag["name"]) for tag in fields["tags"]]
        if not all(isinstance(name, str) for _, name in named):
            raise TypeError("a tag's name must be text")
    except (KeyError, TypeError) as error:
        raise ValueError(f"a post must have tags, got {str(fields)[:200]} ({error!r})") from error
    return (
        frozenset(name for category, name in named if category != _ARTIST),
        tuple(name for category, name in named if category == _CHARACTER),
        tuple(name for category, name in named if category == _ARTIST),
    )


def _text(fields: Mapping[str, Any], name: str) -> str:
    try:
        value = fields.get(name)
    except AttributeError as error:
        raise ValueError(f"a post must be an object, got {str(fields)[:200]}") from error
    return value.strip() if isinstance(value, str) else ""


def _number(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name)
    if value is None or value == "":
        return 0
    # Data frames write 7.0; int() alone would accept True and " 7_0 " too.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    digits = str(value)
    if not (digits.isdecimal() and digits.isascii()):
        raise ValueError(f"{name} of a post must be a number of at least 0, got {value!r}")
    return int(digits)


def _flag(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name)
    return value is True or (value is not None and str(value).lower() in _YES)


def _web_address(address: str, url: str) -> str:
    joined = urljoin(f"{url.rstrip('/')}/", address) if address else ""
    return joined if joined.startswith(("http://", "https://")) else ""
