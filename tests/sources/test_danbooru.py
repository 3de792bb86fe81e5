"""The live API is listed page by page, and no page is requested twice."""

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from refcolor.errors import RefcolorError
from refcolor.params import FilterParams, Params, SourceParams
from refcolor.sources.listing import Listing
from refcolor.sources.listing.danbooru import FIELDS, find_posts, forget_posts, list_danbooru
from refcolor.sources.manifest import Record, write_manifest
from refcolor.sources.network.errors import RequestError

URL = "https://posts.example"
NEWEST = 9_000
TAGS = "1girl solo simple_background"
GOOD, LINE_ART = f"{TAGS} blonde_hair blue_eyes", f"{TAGS} white_background sketch"
# What a post may be: how many of 20 posts are so, what differs from a good one, the reason.
KINDS: list[tuple[int, dict[str, Any], str]] = [
    (6, {}, ""),
    (4, {"tag_string_general": f"{GOOD} pink_hair"}, "not_one_hair_color"),
    (2, {"parent_id": 77}, "has_parent"),
    (1, {"is_deleted": True}, "deleted"),
    (1, {"rating": "s"}, "wrong_rating"),
    (2, {"file_url": None, "md5": None, "large_file_url": None}, "no_file"),
    (1, {"tag_string_general": None, "image_width": "wide"}, "bad_record"),
    (3, {"tag_string_general": LINE_ART}, "line_art"),
]


def make_post(number: int, changes: dict[str, Any]) -> dict[str, Any]:
    """Make a post; a field changed to None is absent, as the site leaves it out."""
    post = {
        "id": number,
        "md5": f"{number:032x}",
        "rating": "g",
        "file_ext": "png",
        "image_width": 900,
        "image_height": 1000,
        "parent_id": None,
        "source": f"https://art.example/{number}",
        "is_banned": False,
        "is_deleted": False,
        "tag_string_general": GOOD,
        "tag_string_artist": "some_one",
        "tag_string_character": "",
        "tag_string_copyright": "original",
        "tag_string_meta": "highres",
        "file_url": f"{URL}/original/{number}.png",
        "large_file_url": f"{URL}/sample/{number}.jpg",
        "media_asset": {"id": number},
    }
    missing = {name for name, value in changes.items() if value is None}
    return {name: value for name, value in (post | changes).items() if name not in missing}


class Site:
    """A site in memory that answers as the API does, with faults to be switched on."""

    def __init__(self, count: int = 2_300) -> None:
        draw = random.Random(3)
        kinds = draw.choices(KINDS, [kind[0] for kind in KINDS], k=count)
        numbers = sorted(draw.sample(range(1, NEWEST + 1), count), reverse=True)
        self.reasons = {n: kind[2] for n, kind in zip(numbers, kinds, strict=True)}
        self.posts = {n: make_post(n, kind[1]) for n, kind in zip(numbers, kinds, strict=True)}
        self.requests: list[dict[str, str]] = []
        self.fault: Callable[[dict[str, str]], int | None] = lambda request: None
        self.answer_count: Any = {"counts": {"posts": count}}

    def get(self, address: str, params: Mapping[str, str]) -> Any:
        """Answer a request, or raise RequestError with the status of the fault."""
        request = {"address": address.removeprefix(URL), **params}
        self.requests.append(request)
        status = self.fault(request)
        if status:
            raise RequestError(f"{address} answered {status}", status=status)
        if request["address"].endswith("/counts/posts.json"):
            return self.answer_count
        limit = min(200, int(request["limit"]))
        if len(self.requests) % 3 == 0:
            limit -= 19  # the site hides some after it counted
        before = int(request.get("page", "b10000").removeprefix("b"))
        below = [
            post for number, post in self.posts.items() if self._matches(number, before, request)
        ]
        fields = request["only"].split(",")
        page = [{key: post[key] for key in fields if key in post} for post in below[:limit]]
        return json.loads(json.dumps(page))

    def _matches(self, number: int, before: int, request: dict[str, str]) -> bool:
        tags = request["tags"].split()
        (newest,) = (int(tag[5:]) for tag in tags if tag.startswith("id:<="))
        child = "parent:none" in tags and self.posts[number]["parent_id"] if number else None
        return number < before and number <= newest and not child

    def requested_pages(self) -> list[str]:
        """Return the requested cursors, in order."""
        return [request.get("page", "") for request in self.requests if "limit" in request]


class Setting:
    """Parameters, a site and a folder for pages; `run()` lists."""

    def __init__(self, settings: Params, pages: Path) -> None:
        self.filter: FilterParams = settings.filter
        self.source: SourceParams = settings.source.model_copy(update={"count": 0})
        self.change(url=URL, query="solo rating:g parent:none", max_id=NEWEST, rate=0.0)
        self.site = Site()
        self.pages = pages

    def change(self, **changes: Any) -> None:
        """Change parameters of source.danbooru."""
        changed = self.source.danbooru.model_copy(update=changes)
        self.source = self.source.model_copy(update={"danbooru": changed})

    def run(self, *, count: int = 0) -> Listing:
        """List with what is set."""
        source = self.source.model_copy(update={"count": count})
        return list_danbooru(source, self.filter, get=self.site.get, pages=self.pages)

    def good(self, newest: int = NEWEST) -> list[str]:
        """List the ids that must be kept."""
        return [f"danbooru-{n}" for n, why in self.site.reasons.items() if not why and n <= newest]


@pytest.fixture
def setting(make_params: Callable[..., Params], tmp_path: Path) -> Setting:
    """Give a site of 2,300 posts, of which some 690 are worth having."""
    return Setting(make_params(), tmp_path / "pages")


def ids(records: list[Record]) -> list[str]:
    """List the ids of records."""
    return [record.id for record in records]


def test_a_listing_applies_the_filter(setting: Setting, tmp_path: Path) -> None:
    """Every good post is kept, newest first, line art apart, and each other reason is counted."""
    listing = setting.run()
    expected = Counter(setting.site.reasons.values())
    line_art = [f"danbooru-{n}" for n, why in setting.site.reasons.items() if why == "line_art"]
    del expected["has_parent"], expected[""]  # the site itself leaves out posts with a parent
    assert ids(listing.records) == setting.good()
    assert ids(listing.line_art) == line_art[: setting.filter.line_art.count]
    assert listing.dropped == expected
    assert len(expected) == 6
    write_manifest(tmp_path / "manifest.jsonl", listing.records)


def test_pages_go_by_id(setting: Setting) -> None:
    """Each page begins below the last post of the one before, short or not, until one is empty."""
    setting.run()
    count, first, *others = setting.site.requests
    tags = f"solo rating:g parent:none id:<={NEWEST}"
    assert count == {"address": "/counts/posts.json", "tags": tags}
    request = {"address": "/posts.json", "tags": tags, "limit": "200", "only": FIELDS}
    assert first == request
    stored = sorted(
        (json.loads(file.read_bytes()) for file in setting.pages.glob("*/before-*.json")),
        key=lambda page: -page[0]["id"] if page else 0,
    )
    assert others == [request | {"page": f"b{page[-1]['id']}"} for page in stored[:-1]]
    sizes = [len(page) for page in stored]
    assert set(sizes[:-2]) == {200, 181} and 0 < sizes[-2] < 200 and sizes[-1] == 0


def test_listed_pages_are_not_requested_again(setting: Setting) -> None:
    """Neither a repeated listing, another filter, nor a smaller count sends a request."""
    listing = setting.run()
    count = len(setting.site.requests)
    assert setting.run() == listing
    setting.filter = setting.filter.model_copy(update={"ratings": ("s",)})
    assert setting.run().dropped["wrong_rating"] > 1_000
    assert len(setting.run(count=9).records) == 9
    setting.change(url=f"{URL}/", query=" solo  rating:g parent:none", rate=1.0)
    setting.run()
    assert len(setting.site.requests) == count


@pytest.mark.parametrize(
    "change", [{"query": "solo parent:none"}, {"max_id": 4_000}, {"url": f"{URL}/elsewhere"}]
)
def test_another_query_has_its_own_pages(change: dict[str, Any], setting: Setting) -> None:
    """Another query, newest id or site has its own pages; going back finds the first ones."""
    first = setting.run()
    before = setting.source
    setting.change(**change)
    setting.site.requests.clear()
    listing = setting.run()
    assert ids(listing.records) == setting.good(setting.source.danbooru.max_id)
    assert setting.site.requested_pages()[0] == ""
    setting.source = before
    setting.site.requests.clear()
    assert setting.run() == first
    assert setting.site.requests == []


class StoppedError(Exception):
    """An error that interrupts a listing."""


@pytest.mark.parametrize("stops", [(1,), (2, 1, 1), (5, 3), (1, 1, 1, 1, 4, 2)])
def test_a_stopped_listing_goes_on(stops: tuple[int, ...], setting: Setting) -> None:
    """A listing stopped at any request resumes to the same list; no page is requested twice.

    stops: pages answered before each stop.
    """
    answered: list[str] = []
    left = 0

    def fault(request: dict[str, str]) -> None:
        nonlocal left
        if "limit" in request:
            if left == 0:
                raise StoppedError
            left -= 1
            answered.append(request.get("page", ""))

    setting.site.fault = fault
    for stop in stops:
        left = stop
        with pytest.raises(StoppedError):
            setting.run()
    left = -1
    assert ids(setting.run().records) == setting.good()
    assert len(answered) == len(set(answered)) > sum(stops)
    assert len(setting.site.requests) == 1 + len(answered) + len(stops)


def test_a_partial_page_file_is_ignored(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full no page appears under its name, and the next run gets it."""
    real = Path.replace

    def replace(path: Path, target: Path) -> Path:
        if len(list(path.parent.glob("before-*.json"))) == 3:
            raise OSError(28, "No space left on device")
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OSError, match="No space"):
        setting.run()
    monkeypatch.undo()
    assert len(list(setting.pages.glob("*/before-*.json"))) == 3
    assert ids(setting.run().records) == setting.good()
    pages = setting.site.requested_pages()
    assert len(pages) == len(set(pages)) + 1


@pytest.mark.parametrize(
    "damage", [b"", b'[{"id": 5', b"{}", b'["id"]', b'[{"id": 99999}]', b"\xff"]
)
def test_a_damaged_page_is_requested_again(damage: bytes, setting: Setting) -> None:
    """A page file without a valid page below its id is requested again, alone."""
    listing = setting.run()
    cursor = setting.site.requested_pages()[4]
    (file,) = setting.pages.glob(f"*/before-{cursor[1:]}.json")
    file.write_bytes(damage)
    setting.site.requests.clear()
    repeated = setting.run()
    assert (repeated.records, repeated.dropped) == (listing.records, listing.dropped)
    assert setting.site.requested_pages()[0] == cursor
    assert len(setting.site.requests) <= 2  # it may come shorter, so that a rest is requested
    setting.site.requests.clear()
    assert setting.run() == listing
    assert setting.site.requests == []


@pytest.mark.parametrize("largest", [200, 100, 60, 20])
def test_a_slow_database_gets_smaller_requests(largest: int, setting: Setting) -> None:
    """Without parent:none and with smaller pages the same pictures are listed."""
    undisturbed = setting.run()
    setting.pages = setting.pages.with_name("slow")
    setting.site.requests.clear()

    def fault(request: dict[str, str]) -> int | None:
        slow = "parent:none" in request["tags"] or int(request.get("limit", 0)) > largest
        return 500 if slow else None

    setting.site.fault = fault
    listing = setting.run()
    assert listing.records == undisturbed.records
    assert listing.line_art == undisturbed.line_art
    children = Counter(setting.site.reasons.values())["has_parent"]
    assert listing.dropped == undisturbed.dropped + Counter(has_parent=children)
    limits = [int(request["limit"]) for request in setting.site.requests if "limit" in request]
    steps = [limit for limit in (200, 100, 50, 25, 20) if limit > largest]
    assert limits[: len(steps) + 1] == [200, 200, 100, 50, 25][: len(steps) + 1]
    assert max(limits[len(steps) + 1 :]) <= largest


def test_parents_are_excluded_by_the_query_alone(setting: Setting) -> None:
    """With filter.children, where the query has parent:none, a slow database changes nothing."""
    setting.filter = setting.filter.model_copy(update={"children": True})
    setting.site.fault = lambda request: 500 if "parent:none" in request["tags"] else None
    assert ids(setting.run().records) == setting.good()
    setting.change(query="solo rating:g")
    records = setting.run().records
    assert len(records) > len(setting.good())
    assert Counter(record.family for record in records)["danbooru:77"] > 100


def test_a_database_that_always_times_out_is_explained(setting: Setting) -> None:
    """After the smallest page the error names the query; listed pages are reused next time."""
    setting.site.fault = lambda request: 500 if request.get("page", "b9999") < "b5000" else None
    with pytest.raises(RefcolorError, match=r"even for 20 posts below id \d+; run again later"):
        setting.run()
    setting.site.fault = lambda request: None
    setting.site.requests.clear()
    assert ids(setting.run().records) == setting.good()
    assert max(setting.site.requested_pages()) < "b5100"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (422, r"rejects source\.danbooru\.query 'solo .* remove tags, or set DANBOORU_LOGIN"),
        (410, r"too deep \(410\), .*must be a site with Danbooru's API"),
        (401, r"answered 401"),
        (503, r"answered 503"),
    ],
)
def test_refusals_are_explained(status: int, message: str, setting: Setting) -> None:
    """Too many tags and pages too deep say what to do; messages of the client pass through."""
    for path in ("/counts/posts.json", "/posts.json"):
        setting.site.fault = lambda request, path=path: (
            status if request["address"] == path else None
        )
        with pytest.raises(RefcolorError, match=message):
            setting.run()


@pytest.mark.parametrize("answer", [{"counts": {"posts": None}}, {}, [], {"counts": 3}, 500, 403])
def test_the_site_may_not_know_its_count(
    answer: Any, setting: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the site or the key cannot count, the list is the same without an estimate."""
    setting.change(rate=1.0)
    setting.site.answer_count = answer
    if isinstance(answer, int):
        setting.site.fault = lambda request: None if "limit" in request else answer
    assert ids(setting.run().records) == setting.good()
    setting.site.requests.clear()
    setting.run()
    assert setting.site.requests == []
    assert "posts to look at" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("posts", "line"),
    [
        (
            1_234_500,
            "1,234,500 posts to look at: up to about 3:25:45 at 0.5 requests/s; "
            "then up to 0:03:20 for 100 pictures\n",
        ),
        (
            60,
            "60 posts to look at: up to about 0:00:01 at 0.5 requests/s; "
            "then up to 0:02:00 for 60 pictures\n",
        ),
    ],
)
def test_the_time_is_estimated_once(
    posts: int, line: str, setting: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pages of 200 and one request a picture, of which there are no more than posts."""
    setting.change(rate=0.5)
    setting.site.answer_count = {"counts": {"posts": posts}}
    setting.run(count=100)
    assert capsys.readouterr().out == line
    setting.run(count=200)
    assert capsys.readouterr().out == ""


def test_a_listing_ends_at_its_count(setting: Setting) -> None:
    """The newest `count` good posts are kept; posts beyond are neither requested nor counted."""
    listing = setting.run(count=83)
    assert ids(listing.records) == setting.good()[:83]
    oldest = int(listing.records[-1].id.removeprefix("danbooru-"))
    reasons = Counter(why for n, why in setting.site.reasons.items() if n >= oldest and why)
    del reasons["has_parent"]
    assert listing.dropped == reasons
    assert len(setting.site.requested_pages()) == 2
    assert setting.run(count=100).records[:83] == listing.records
    assert len(setting.site.requested_pages()) == 2


def test_line_art_beyond_its_count_is_counted_only(setting: Setting) -> None:
    """At most filter.line_art.count drawings are kept apart, none where it is 0."""
    for count in (0, 5):
        line_art = setting.filter.line_art.model_copy(update={"count": count})
        setting.filter = setting.filter.model_copy(update={"line_art": line_art})
        listing = setting.run()
        assert len(listing.line_art) == count
        assert listing.dropped["line_art"] > 200


@pytest.mark.parametrize(
    "answer",
    [
        {"success": False},
        "posts",
        [1, 2],
        [{"md5": ""}],
        [{"id": "7"}],
        [{"id": True}],
        [{"id": 0}],
        [{"id": 7}, {"id": 7}],
        [{"id": NEWEST + 1}],
    ],
)
def test_an_invalid_response_is_an_error(answer: Any, setting: Setting) -> None:
    """A response other than distinct posts below the id is an error, not cached, and no loop."""
    real = setting.site.get
    setting.site.get = lambda *arguments: answer if "limit" in arguments[1] else real(*arguments)  # type: ignore[method-assign]
    with pytest.raises(RefcolorError, match=r"must answer with different posts below id 9001"):
        setting.run()
    assert list(setting.pages.glob("*/before-*")) == []


def test_a_site_that_ignores_the_cursor_is_an_error(setting: Setting) -> None:
    """A site that repeats its first page is refused at the second request."""
    real = setting.site.get

    def get(address: str, params: Mapping[str, str]) -> Any:
        return real(address, {name: value for name, value in params.items() if name != "page"})

    setting.site.get = get  # type: ignore[method-assign]
    with pytest.raises(RefcolorError, match="must be a site with Danbooru's API"):
        setting.run()


@pytest.mark.parametrize("query", ["solo order:score", "solo -Order:id_asc", "ordfav:someone"])
def test_queries_that_sort_are_refused(query: str, setting: Setting) -> None:
    """Sorted by anything but id, pages below an id would skip posts; a tag may look alike."""
    setting.change(query=query)
    with pytest.raises(RefcolorError, match=r"must not sort, got .*remove the order"):
        setting.run()
    setting.change(query="border_order solo reorder:x")
    assert setting.run().records


def test_a_forgotten_post_is_replaced_by_a_stub(setting: Setting) -> None:
    """Stubs keep cursors and count, so that all other pictures stay the same, at any count."""
    whole, part = setting.run(), setting.run(count=60)
    forgotten = {int(whole.records[place].id.removeprefix("danbooru-")) for place in (3, 59)}
    drawing = int(whole.line_art[1].id.removeprefix("danbooru-"))
    nothing = next(n for n, why in setting.site.reasons.items() if why == "no_file")
    setting.site.requests.clear()
    named = forgotten | {drawing, nothing}
    assert {post["id"] for post in find_posts(setting.pages, named)} == named
    assert forget_posts(setting.pages, named) == 4

    repeated, small = setting.run(), setting.run(count=60)
    assert setting.site.requests == []
    assert repeated.records == [
        whole.records[i] for i in range(len(whole.records)) if i not in (3, 59)
    ]
    assert repeated.line_art == [whole.line_art[0], *whole.line_art[2:]]
    assert repeated.dropped == whole.dropped + Counter(excluded=2)
    assert ids(small.records) == ids([*part.records[:3], *part.records[4:59]])
    assert small.dropped == part.dropped + Counter(excluded=2)


def test_forgetting_removes_private_fields(setting: Setting) -> None:
    """Addresses, checksum, source and artist are in no file; a second time changes nothing."""
    number = int(setting.run().records[7].id.removeprefix("danbooru-"))
    (post,) = find_posts(setting.pages, {number})
    assert (post["file_url"], post["large_file_url"], post["md5"]) == (
        f"{URL}/original/{number}.png",
        f"{URL}/sample/{number}.jpg",
        f"{number:032x}",
    )
    before = {file: file.stat().st_mtime_ns for file in setting.pages.rglob("*")}
    forget_posts(setting.pages, {number, 99_999, 77})
    assert find_posts(setting.pages, {number}) == []
    assert forget_posts(setting.pages, {number}) == 0
    text = "".join(file.read_text() for file in setting.pages.glob("*/before-*.json"))
    for secret in (f"{URL}/original/{number}.png", f"{URL}/sample/{number}.jpg",
                 f'"{number:032x}"', f'"https://art.example/{number}"'):  # fmt: skip
        assert secret not in text
    touched = [file for file, time in before.items() if file.stat().st_mtime_ns != time]
    assert [file for file in touched if file.is_file()] == [
        file for file in touched if file.name.startswith("before-")
    ]
    assert sum(file.is_file() for file in touched) == 1


def test_forgetting_deletes_damaged_pages(setting: Setting) -> None:
    """Damaged and half-written files with the post go, others stay; no pages are no error."""
    assert forget_posts(setting.pages, {1}) == 0
    setting.run()
    number, other_number = list(setting.site.posts)[:2]
    (file,) = setting.pages.glob(f"*/before-{setting.site.requested_pages()[4][1:]}.json")
    file.write_bytes(b'[{"id":%d,' % number)
    for name, content in (("before-3.part", number), ("before-4.part", other_number)):
        file.with_name(name).write_bytes(b'[{"id":%d}]' % content)
    assert forget_posts(setting.pages, {number}) == 1
    assert not file.exists() and not file.with_name("before-3.part").exists()
    assert file.with_name("before-4.part").exists()
    assert find_posts(setting.pages, {number}) == []
