"""Posts of the API and of every archive year become the same `Post`."""

from typing import Any

import pytest

from refcolor.sources.listing.post import Post, from_api, from_archive

URL = "https://danbooru.donmai.us"
MD5 = "d34e4cf0a437a5d65f8e82b7bcd02606"
API: dict[str, Any] = {
    "id": 4242,
    "md5": MD5,
    "rating": "g",
    "file_ext": "png",
    "image_width": 1200,
    "image_height": 1100,
    "parent_id": None,
    "source": "https://example.org/art/7",
    "is_banned": False,
    "is_deleted": False,
    "tag_string_general": "1girl blue_eyes simple_background",
    "tag_string_artist": "some_artist other_artist",
    "tag_string_character": "hatsune_miku",
    "tag_string_copyright": "vocaloid",
    "tag_string_meta": "highres",
    "file_url": "https://cdn.donmai.us/original/d3/4e/full.png",
    "large_file_url": "https://cdn.donmai.us/sample/d3/4e/sample.jpg",
}
OBJECTS: dict[str, Any] = {  # 2017 to 2020
    "id": "4242",
    "md5": MD5,
    "rating": "s",
    "file_ext": "PNG",
    "image_width": "1200",
    "image_height": "1100",
    "parent_id": "0",
    "source": "https://example.org/art/7",
    "is_banned": False,
    "is_deleted": False,
    "tags": [
        {"id": "1", "name": "1girl", "category": "0"},
        {"id": "2", "name": "blue_eyes", "category": "0"},
        {"id": "3", "name": "simple_background", "category": "0"},
        {"id": "4", "name": "some_artist", "category": "1"},
        {"id": "5", "name": "other_artist", "category": "1"},
        {"id": "6", "name": "vocaloid", "category": "3"},
        {"id": "7", "name": "hatsune_miku", "category": "4"},
        {"id": "8", "name": "highres", "category": "5"},
    ],
}
STRINGS = {  # 2021
    **{name: value for name, value in OBJECTS.items() if name != "tags"},
    "tag_string": "1girl blue_eyes highres hatsune_miku other_artist simple_background "
    "some_artist vocaloid",
    "tag_string_artist": "some_artist other_artist",
    "tag_string_character": "hatsune_miku",
}
POST = Post(
    id="4242",
    md5=MD5,
    rating="g",
    extension="png",
    width=1200,
    height=1100,
    parent="",
    deleted=False,
    banned=False,
    tags=frozenset(
        {"1girl", "blue_eyes", "simple_background", "hatsune_miku", "vocaloid", "highres"}
    ),
    characters=("hatsune_miku",),
    artist=("some_artist", "other_artist"),
    source="https://example.org/art/7",
    address="",
    checksum="",
    page=f"{URL}/posts/4242",
)


@pytest.mark.parametrize("fields", [OBJECTS, STRINGS], ids=["2017-2020", "2021"])
def test_both_archive_formats_give_the_same_post(fields: dict[str, Any]) -> None:
    """Tag objects and tag strings of the same post read the same, artists apart, safe being g."""
    assert from_archive(fields) == POST


def test_the_api_gives_the_reduced_copy() -> None:
    """The address is the reduced copy, whose checksum is unknown; md5 is kept."""
    post = from_api(API, url=f"{URL}/")
    assert (post.address, post.checksum, post.md5) == (API["large_file_url"], "", MD5)
    assert post.tags == POST.tags
    assert (post.characters, post.artist) == (POST.characters, POST.artist)
    assert post.page == f"{URL}/posts/4242"


@pytest.mark.parametrize("large", [API["file_url"], None, ""])
def test_the_api_gives_the_original_with_its_checksum(large: str | None) -> None:
    """Where there is no reduced copy the address is the original, which its MD5 checks."""
    post = from_api({**API, "large_file_url": large}, url=URL)
    assert (post.address, post.checksum) == (API["file_url"], MD5)


def test_a_restricted_post_has_no_address() -> None:
    """A post of the API without file address and MD5 is still read, and dropped by the filter."""
    without = {name: API[name] for name in API if name not in ("file_url", "large_file_url")}
    post = from_api(without, url=URL)
    assert (post.id, post.address, post.md5, post.checksum) == ("4242", "", MD5, "")
    del without["md5"]
    assert from_api(without, url=URL).md5 == ""


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("/data/a.jpg", "https://booru.example/sub/posts.json"),
        ("//cdn.booru.example/a.jpg", "https://cdn.booru.example/a.jpg"),
        ("file:///etc/passwd", ""),
        ("javascript:alert(1)", ""),
    ],
)
def test_addresses_become_absolute(url: str, address: str) -> None:
    """Relative addresses become absolute; other schemes give no address."""
    expected = "https://booru.example/data/a.jpg" if url.startswith("/data") else address
    fields = {**API, "file_url": url, "large_file_url": None}
    assert from_api(fields, url="https://booru.example/sub").address == expected


@pytest.mark.parametrize("letter", "gsqe")
def test_ratings_of_the_api_stay(letter: str) -> None:
    """The API has the letters of today: s is sensitive."""
    assert from_api({**API, "rating": letter}, url=URL).rating == letter


@pytest.mark.parametrize(
    ("numbers", "letter", "today"),
    [(str, "s", "g"), (str, "q", "q"), (str, "e", "e"), (int, "s", "s"), (int, "g", "g")],
)
def test_ratings_of_archives_depend_on_the_year(numbers: type, letter: str, today: str) -> None:
    """Numbers as strings mark a dump of before 2022-05, where s meant safe; others are of today."""
    size = {name: numbers(OBJECTS[name]) for name in ("id", "image_width", "image_height")}
    assert from_archive({**OBJECTS, **size, "rating": letter}).rating == today


@pytest.mark.parametrize("none", ["0", 0, None, ""])
def test_parents_may_be_missing_in_several_ways(none: Any) -> None:
    """No parent is written as "0", null or nothing; a parent is text."""
    assert from_archive({**OBJECTS, "parent_id": none}).parent == ""
    assert from_archive({**OBJECTS, "parent_id": "17"}).parent == "17"
    assert from_archive({**OBJECTS, "parent_id": 17.0}).parent == "17"


def test_flags_are_read_in_every_spelling() -> None:
    """A flag is true, "true", "t" or 1; all other values are false."""
    for yes in (True, "true", "TRUE", "t", "1", 1):
        assert from_archive({**OBJECTS, "is_deleted": yes}).deleted
        assert from_archive({**OBJECTS, "is_banned": yes}).banned
    for no in (False, "false", "f", "0", 0, None, ""):
        assert not from_archive({**OBJECTS, "is_deleted": no}).deleted
    assert not from_archive({name: OBJECTS[name] for name in OBJECTS if name[:3] != "is_"}).banned


def test_a_post_of_categories_alone_is_read() -> None:
    """Tags are the union of the four kinds where an archive names no tag_string."""
    kinds = {name: value for name, value in API.items() if name.startswith("tag_string_")}
    without = {name: value for name, value in OBJECTS.items() if name != "tags"}
    assert from_archive({**without, **kinds}) == POST


@pytest.mark.parametrize(
    "fields",
    [
        [],
        "post",
        7,
        None,
        {},
        {"id": "1", "name": "1girl", "post_count": "7"},  # the tables of 2021 lie side by side
        {**OBJECTS, "tags": None},
        {**OBJECTS, "tags": ["1girl"]},
        {**OBJECTS, "tags": [{"name": 7, "category": "0"}]},
        {**OBJECTS, "tags": [{"name": "1girl"}]},
        {**OBJECTS, "id": "../7"},
        {**OBJECTS, "id": "-7"},
        {**OBJECTS, "id": True},
        {**OBJECTS, "id": "\u0667"},
        {**OBJECTS, "id": 7.5},
        {**OBJECTS, "image_width": "wide"},
        {**OBJECTS, "image_height": [1]},
        {**OBJECTS, "parent_id": float("nan")},
    ],
)
def test_other_objects_are_errors(fields: Any) -> None:
    """Other types, other tables, missing tags and invalid numbers raise ValueError."""
    with pytest.raises(ValueError, match=r"a post must|of a post must"):
        from_archive(fields)
    with pytest.raises(ValueError, match=r"a post must|of a post must"):
        from_api(fields, url=URL)
