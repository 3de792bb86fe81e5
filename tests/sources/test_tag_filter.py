"""The rules of Tag2Pix, each by itself, with cases worked by hand."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from refcolor.errors import RefcolorError
from refcolor.params import FilterParams, LineArtParams, load
from refcolor.sources.listing.post import Post
from refcolor.sources.listing.tag_filter import REASONS, TagFilter

TAG2PIX = FilterParams(
    subjects=("1girl", "1boy"),
    hair=tuple(
        "blonde brown black blue purple pink silver green red white orange grey aqua lavender "
        "light_brown".split()
    ),
    eyes=tuple("blue red brown green purple yellow pink black aqua orange grey silver".split()),
    aliases={
        "silver": "grey",
        "lavender": "purple",
        "photo": "photo_(medium)",
        "english": "english_text",
    },
    required=("simple_background",),
    forbidden=(
        "comic",
        "photo_(medium)",
        "subtitled",
        "english_text",
        "black_border",
        "multiple_views",
        "monochrome",
        "spot_color",
        "ai-generated",
        "animated",
    ),
    void_hair=("multicolored_hair", "gradient_hair", "streaked_hair"),
    void_eyes=("heterochromia", "multicolored_eyes", "closed_eyes"),
    ratings=("g",),
    children=False,
    extensions=("jpg", "jpeg", "png", "webp"),
    max_aspect=4 / 3,
    min_longer_side=512,
    line_art=LineArtParams(
        count=24,
        any_of=("greyscale", "sketch"),
        required=("white_background",),
        allowed=("monochrome",),
    ),
)
GOOD = "1girl solo blonde_hair blue_eyes simple_background white_background highres"


def post(tags: str = GOOD, **changes: Any) -> Post:
    """Give a post that Tag2Pix keeps, with changes."""
    kept_post = Post(
        id="4242",
        md5="d34e4cf0a437a5d65f8e82b7bcd02606",
        rating="g",
        extension="png",
        width=1200,
        height=1100,
        parent="",
        deleted=False,
        banned=False,
        tags=frozenset(tags.split()),
        characters=(),
        artist=("some_artist",),
        source="https://example.org/art/7",
        address="https://cdn.example/a.jpg",
        checksum="",
        page="https://danbooru.donmai.us/posts/4242",
    )
    return dataclasses.replace(kept_post, **changes)


def judge(changed: Post, params: FilterParams) -> str:
    """Give the reason for which a filter leaves a post out."""
    return TagFilter(params).reason(changed)


def attributes(changed: Post, params: FilterParams) -> dict[str, str]:
    """Give the attributes of a post's record."""
    return TagFilter(params).record(changed).attributes


def replaced(old: str, new: str) -> str:
    """Give the tags of a kept post with one of them replaced."""
    assert old in GOOD.split()
    return " ".join(new if tag == old else tag for tag in GOOD.split())


def test_a_post_that_meets_every_rule_is_kept() -> None:
    """One girl, blonde, blue-eyed, on a simple background, general, nearly square: kept."""
    assert judge(post(), TAG2PIX) == ""


CASES = [
    ("no_id", post(id="")),
    ("deleted", post(deleted=True)),
    ("banned", post(banned=True)),
    ("wrong_rating", post(rating="s")),
    ("wrong_rating", post(rating="q")),
    ("wrong_rating", post(rating="")),
    ("has_parent", post(parent="17")),
    ("no_file", post(address="")),
    ("no_file", post(md5="")),
    ("wrong_extension", post(extension="gif")),
    ("wrong_extension", post(extension="")),
    ("too_small", post(width=511, height=500)),
    ("too_small", post(width=0, height=0)),
    ("wrong_aspect", post(width=1024, height=768)),  # 4/3 itself is outside
    ("wrong_aspect", post(width=768, height=1024)),
    ("wrong_aspect", post(width=1200, height=0)),
    *((f"forbidden_tag:{tag}", post(f"{GOOD} {tag}")) for tag in TAG2PIX.forbidden),
    ("forbidden_tag:photo_(medium)", post(f"{GOOD} photo")),
    ("forbidden_tag:english_text", post(f"{GOOD} english")),
    ("forbidden_tag:comic", post(f"{GOOD} monochrome comic")),
    ("forbidden_tag:animated", post(f"{GOOD} animated", extension="webp")),
    ("forbidden_tag:spot_color", post("1girl sketch spot_color white_background")),
    ("forbidden_tag:monochrome", post(f"{GOOD} sketch monochrome")),
    ("not_one_subject", post(replaced("1girl", "2girls"))),
    ("not_one_subject", post(f"{GOOD} 1boy")),
    ("line_art", post("1girl solo sketch white_background")),
    ("line_art", post("1boy greyscale monochrome simple_background white_background")),
    ("line_art", post("1girl sketch closed_eyes white_background")),
    ("missing_tag", post(replaced("simple_background", "outdoors"))),
    ("missing_tag", post("1girl sketch")),
    *((f"void_hair_color:{tag}", post(f"{GOOD} {tag}")) for tag in TAG2PIX.void_hair),
    ("void_hair_color:multicolored_hair", post(f"{GOOD} streaked_hair multicolored_hair")),
    *((f"void_eye_color:{tag}", post(f"{GOOD} {tag}")) for tag in TAG2PIX.void_eyes),
    ("void_eye_color:closed_eyes", post(replaced("blue_eyes", "closed_eyes"))),
    ("not_one_hair_color", post(replaced("blonde_hair", "long_hair"))),
    ("not_one_hair_color", post(f"{GOOD} pink_hair")),
    ("not_one_hair_color", post(replaced("blonde_hair", "yellow_hair"))),
    ("not_one_eye_color", post(replaced("blue_eyes", "one_eye_closed"))),
    ("not_one_eye_color", post(f"{GOOD} red_eyes")),
    ("not_one_eye_color", post(replaced("blue_eyes", "white_eyes"))),
]


@pytest.mark.parametrize(("reason", "changed"), CASES)
def test_each_reason_by_itself(reason: str, changed: Post) -> None:
    """A post that breaks a single rule is dropped for that reason."""
    assert judge(changed, TAG2PIX) == reason


def test_the_preset_has_this_filter(root: Path) -> None:
    """The filter of danbooru-256 gives each of these posts the same reason."""
    params = load(root / "presets/danbooru-256.yaml").filter
    assert [judge(changed, params) for _, changed in CASES] == [reason for reason, _ in CASES]
    assert judge(post(extension="avif"), params) == judge(post(), params) == ""


def test_every_reason_has_a_case() -> None:
    """The cases above cover all of REASONS."""
    assert {reason.partition(":")[0] for reason, _ in CASES} == set(REASONS)


def test_reasons_come_in_the_order_that_is_documented() -> None:
    """A post with every fault loses them one by one in the order of REASONS."""
    faults: list[tuple[str, dict[str, Any]]] = [
        ("no_id", {"id": ""}),
        ("deleted", {"deleted": True}),
        ("banned", {"banned": True}),
        ("wrong_rating", {"rating": "e"}),
        ("has_parent", {"parent": "17"}),
        ("no_file", {"address": ""}),
        ("wrong_extension", {"extension": "zip"}),
        ("too_small", {"width": 300}),
        ("wrong_aspect", {"height": 200}),
        ("forbidden_tag", {"tags": "comic 1girl 1boy"}),
        ("not_one_subject", {"tags": "1girl 1boy sketch white_background"}),
        ("line_art", {"tags": "1girl sketch white_background"}),
        ("missing_tag", {"tags": "1girl"}),
        ("void_hair_color", {"tags": "1girl simple_background gradient_hair closed_eyes"}),
        ("not_one_hair_color", {"tags": "1girl simple_background closed_eyes"}),
        ("void_eye_color", {"tags": "1girl simple_background red_hair closed_eyes"}),
        ("not_one_eye_color", {"tags": "1girl simple_background red_hair"}),
    ]
    assert tuple(reason for reason, _ in faults) == REASONS
    for first, (reason, _) in enumerate(faults):
        changes: dict[str, Any] = {}
        for _, fault in reversed(faults[first:]):
            changes |= fault
        assert judge(post(**changes), TAG2PIX).partition(":")[0] == reason


@pytest.mark.parametrize(
    "changed",
    [
        post(width=512, height=385),  # 1.3299
        post(width=385, height=512),
        post(width=512, height=512),
        post(width=1023, height=768),
        post(replaced("blonde_hair", "light_brown_hair")),
        post(replaced("1girl", "1boy")),
        post(f"{GOOD} sketch"),  # a coloured sketch is a picture
        post(f"{GOOD} one_eye_closed"),  # the other eye has the colour
        post(extension="jpeg"),
    ],
)
def test_posts_within_all_limits_are_kept(changed: Post) -> None:
    """Sizes from 512, ratios inside 3/4 to 4/3, every colour of the list, coloured sketches."""
    assert judge(changed, TAG2PIX) == ""


def test_lavender_is_purple() -> None:
    """The live site renamed lavender, so a post with both tags has one colour."""
    both = post(replaced("blonde_hair", "lavender_hair purple_hair"))
    assert judge(both, TAG2PIX) == ""
    assert attributes(both, TAG2PIX)["hair"] == "purple"


def test_silver_and_grey_are_the_same_color() -> None:
    """A post tagged with both has one colour, called grey; each alone is grey too."""
    both = replaced("blonde_hair", "silver_hair grey_hair")
    assert judge(post(both), TAG2PIX) == ""
    for tags in (both, both.replace("silver_hair ", ""), both.replace(" grey_hair", "")):
        assert attributes(post(tags), TAG2PIX)["hair"] == "grey"
    eyes = post(replaced("blue_eyes", "silver_eyes grey_eyes"))
    assert judge(eyes, TAG2PIX) == ""
    assert attributes(eyes, TAG2PIX)["eyes"] == "grey"


@pytest.mark.parametrize("listed", [("silver",), ("grey",), ("silver", "grey")])
def test_aliases_hold_on_both_sides(listed: tuple[str, ...]) -> None:
    """An alias may stand in the list or in the post."""
    params = TAG2PIX.model_copy(update={"hair": listed})
    for tag in ("silver_hair", "grey_hair"):
        assert judge(post(replaced("blonde_hair", tag)), params) == ""


def test_aliases_may_be_whole_tags_and_chains() -> None:
    """A renamed tag counts as its new name, over several renames, in every list."""
    aliases = {"golden_hair": "yellow_hair", "yellow_hair": "blonde_hair", "plain": "backdrop"}
    aliases |= {"backdrop": "simple_background", "manga": "comic", "girl": "1girl"}
    aliases |= {"lineart": "sketch", "paper": "white_background"}
    params = TAG2PIX.model_copy(update={"aliases": aliases})
    assert judge(post("girl golden_hair blue_eyes plain"), params) == ""
    renamed = "girl golden_hair blonde_hair blue_eyes plain"
    assert judge(post(renamed), params) == ""
    assert attributes(post(renamed), params) == {
        "hair": "blonde",
        "eyes": "blue",
        "subject": "1girl",
    }
    assert judge(post(f"{renamed} manga"), params) == "forbidden_tag:comic"
    assert judge(post(f"{renamed} 1girl"), params) == ""
    assert judge(post("girl lineart paper"), params) == "line_art"


def test_circular_aliases_are_refused() -> None:
    """Circular aliases are an error, and the message shows the circle."""
    params = TAG2PIX.model_copy(update={"aliases": {"silver": "grey", "grey": "silver"}})
    with pytest.raises(
        RefcolorError, match=r"aliases must not be circular, got (\w+) -> \w+ -> \1"
    ):
        judge(post(), params)


def test_children_may_be_kept() -> None:
    """With `children` a variant is kept, of one family with its parent; without, none has any."""
    params = TAG2PIX.model_copy(update={"children": True})
    assert judge(post(parent="17"), params) == ""
    child = TagFilter(params).record(post(parent="17"))
    parent = TagFilter(params).record(post(id="17"))
    assert child.family == parent.family == "danbooru:17"
    assert TagFilter(TAG2PIX).record(post()).family == ""


@pytest.mark.parametrize(
    ("characters", "group"), [((), ""), (("miku",), "miku"), (("miku", "rin"), "")]
)
def test_the_group_is_the_only_character_tag(characters: tuple[str, ...], group: str) -> None:
    """A post with exactly one character tag belongs to that character's group."""
    assert TagFilter(TAG2PIX).record(post(characters=characters)).group == group


def test_empty_lists() -> None:
    """No required tag is missing from any post; no listed hair colour matches any post."""
    nothing = TAG2PIX.model_copy(update={"required": (), "forbidden": ()})
    assert judge(post(f"{replaced('simple_background', 'outdoors')} comic"), nothing) == ""
    bald = TAG2PIX.model_copy(update={"hair": ()})
    assert judge(post(), bald) == "not_one_hair_color"
    colored = TAG2PIX.model_copy(
        update={"line_art": LineArtParams(count=1, any_of=(), required=())}
    )
    assert judge(post("1girl sketch white_background"), colored) == "missing_tag"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (GOOD, {"hair": "blonde", "eyes": "blue", "subject": "1girl"}),
        ("1boy red_hair blue_hair grey_eyes", {"eyes": "grey", "subject": "1boy"}),
        ("1girl red_hair streaked_hair grey_eyes", {"eyes": "grey", "subject": "1girl"}),
        ("1girl red_hair grey_eyes heterochromia", {"hair": "red", "subject": "1girl"}),
        ("1girl 1boy", {}),
        ("", {}),
    ],
)
def test_attributes_are_unique_tags(tags: str, expected: dict[str, str]) -> None:
    """Hair, eyes and subject are named where there is exactly one of each, and none is void."""
    assert attributes(post(tags), TAG2PIX) == expected


def test_a_record_keeps_where_a_picture_is_from() -> None:
    """Page, source, artist, rating and MD5 go into the manifest, with the bars to cut."""
    changed = post(artist=("one", "two"), source="https://e.org/\ud800", checksum="ab" * 16)
    record = TagFilter(TAG2PIX).record(changed, letterboxed=(1200, 1100))
    assert dataclasses.asdict(record) == {
        "id": "danbooru-4242",
        "address": "https://cdn.example/a.jpg",
        "page": "https://danbooru.donmai.us/posts/4242",
        "artist": ("one", "two"),
        "rating": "g",
        "licence": "unknown; see page",
        "family": "",
        "group": "",
        "attributes": {"hair": "blonde", "eyes": "blue", "subject": "1girl"},
        "source": "https://e.org/?",
        "md5": "d34e4cf0a437a5d65f8e82b7bcd02606",
        "checksum": "ab" * 16,
        "letterboxed": (1200, 1100),
    }
