"""The live API of Danbooru: posts below an id in pages, each requested once.

The cache has unfiltered responses, so that a changed filter sends no request.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from tqdm import tqdm

from refcolor.errors import RefcolorError
from refcolor.params import FilterParams, SourceParams
from refcolor.sources.listing import Listing
from refcolor.sources.listing.post import from_api
from refcolor.sources.listing.tag_filter import TagFilter
from refcolor.sources.network.errors import RequestError

Get = Callable[[str, Mapping[str, str]], Any]
Page = list[dict[str, Any]]  # posts with the fields of the API

FIELDS = (
    "id,md5,rating,file_ext,image_width,image_height,parent_id,source,is_banned,is_deleted,"
    "tag_string_general,tag_string_artist,tag_string_character,tag_string_copyright,"
    "tag_string_meta,file_url,large_file_url"
)
LARGEST_PAGE, SMALLEST_PAGE = 200, 20  # posts

_SUFFIX = ".json"  # of a complete page
_NO_PARENT = "parent:none"
_FORGOTTEN = "forgotten"  # field that `forget_posts` sets: whether the post had a file
_PRIVATE = ("md5", "source", "tag_string_artist", "file_url", "large_file_url")
_SORTS = re.compile(r"[(~-]*(order|ordfav|ordpool|ordfavgroup):", re.IGNORECASE)
_TIMED_OUT = (500, 504, 524)  # status after the site's database limit of 3 s, or a proxy's limit


def list_danbooru(params: SourceParams, filter: FilterParams, *, get: Get, pages: Path) -> Listing:
    """List the posts of `params.danbooru.query` up to `max_id` that pass the filter, newest first.

    Pages are delimited by id, so that created and deleted posts do not shift them. The cache file
    of a page is `<pages>/<key of site, query, max_id and fields>/before-<id>.json`: a stopped
    listing resumes, and a listing that is repeated with any filter or a smaller count sends no
    request. When the database of the site times out, `parent:none` is applied to the response
    instead of the query and pages get smaller; the result is the same.

    get: requests an address with query parameters and returns the JSON, or raises RequestError.
    Stops after `params.count` kept posts (0: all), or at an empty page (short pages may precede).
    A forgotten post is dropped as `excluded` but counts towards `params.count`, so that all users
    list the same other posts. Line art beyond `filter.line_art.count` is only counted.
    Reasons besides REASONS: bad_record and excluded.
    Raises RefcolorError for a query that sorts, and when the site rejects it or does not answer
    with posts.
    """
    window = _Window(params, get, pages)
    if _NO_PARENT in window.tags:
        filter = filter.model_copy(update={"children": False})
    tag_filter = TagFilter(filter)
    listing = Listing([])
    with tqdm(total=window.count(), desc="list", unit="post") as bar:
        for page in window.pages():
            for post in page:
                bar.update()
                reason = _add(post, tag_filter, listing, url=window.url)
                if reason:
                    listing.dropped[reason] += 1
                if len(listing.records) + listing.dropped["excluded"] == params.count > 0:
                    return listing
            bar.set_postfix(kept=len(listing.records))
    return listing


def find_posts(pages: Path, numbers: Collection[int]) -> Page:
    """Return the posts with these ids from the cached pages, except forgotten ones."""
    pages_with = _files_with(pages, numbers)
    return [post for _, page in pages_with if _is_page(page) for post in _named(page, numbers)]


def forget_posts(pages: Path, numbers: Collection[int]) -> int:
    """Remove checksum, source, artist and addresses of these posts from the cached pages.

    Ids, sizes and tags stay: `list_danbooru` pages and filters by them. A damaged or incomplete
    page that contains such a post is deleted.
    Returns the number of changed posts.
    """
    changed = 0
    for file, page in _files_with(pages, numbers):
        if file.suffix != _SUFFIX or not _is_page(page):
            file.unlink()
            continue
        named = _named(page, numbers)
        for post in named:
            had_file = post.get("md5") and (post.get("large_file_url") or post.get("file_url"))
            for name in _PRIVATE:
                post.pop(name, None)
            post[_FORGOTTEN] = bool(had_file)
        if named:
            _write(file, page)
        changed += len(named)
    return changed


class _Window:
    """The posts of a query up to an id, in pages."""

    def __init__(self, params: SourceParams, get: Get, pages: Path) -> None:
        """Raise RefcolorError for a query that sorts: pages are delimited by id."""
        self.url = params.danbooru.url.rstrip("/")
        self.tags = params.danbooru.query.split()
        if any(_SORTS.match(tag) for tag in self.tags):
            raise RefcolorError(
                f"source.danbooru.query must not sort, got {params.danbooru.query!r}; remove the "
                "order: posts are listed by id, newest first"
            )
        self._max_id = params.danbooru.max_id
        self._rate = params.danbooru.rate
        self._count = params.count
        self._get = get
        self._limit = LARGEST_PAGE
        identity = "\n".join((self.url, *self.tags, str(self._max_id), FIELDS))
        self._folder = pages / hashlib.sha256(identity.encode()).hexdigest()[:16]

    def pages(self) -> Iterator[Page]:
        """Iterate over the pages, newest first."""
        cursor = self._max_id + 1
        while page := self._page(cursor):
            yield page
            cursor = min(map(_number, page))

    def count(self) -> int | None:
        """Return the number of posts, None where the site does not tell it.

        The first call prints the estimated duration of the listing.
        """
        file = self._folder / "counts.json"
        answer = _read(file)
        if isinstance(answer, dict):
            return _total(answer)
        try:
            answer = self._request("counts/posts.json", {"tags": self._query()})
        except RequestError as error:
            if error.status not in (*_TIMED_OUT, 403):  # counting has its own permission
                raise
            answer = None
        answer = answer if isinstance(answer, dict) else {}
        _write(file, answer)
        total = _total(answer)
        if total is not None and self._rate:
            self._print_estimate(total)
        return total

    def _print_estimate(self, total: int) -> None:
        listing = timedelta(seconds=round(total / LARGEST_PAGE / self._rate))
        line = f"{total:,} posts to look at: up to about {listing} at {self._rate:g} requests/s"
        if self._count:
            count = min(self._count, total)
            pictures = timedelta(seconds=round(count / self._rate))
            line += f"; then up to {pictures} for {count:,} pictures"
        print(line, flush=True)

    def _query(self) -> str:
        return " ".join([*self.tags, f"id:<={self._max_id}"])

    def _page(self, cursor: int) -> Page:
        file = self._file(cursor)
        page: Page = _read(file)
        if not _is_page(page, before=cursor):
            page = self._fetch(cursor)
            _write(file, page)
        return page

    def _file(self, cursor: int) -> Path:
        return self._folder / f"before-{cursor}{_SUFFIX}"

    def _fetch(self, cursor: int) -> Page:
        page: Page = self._request_smaller(cursor)
        if not _is_page(page, before=cursor):
            raise RefcolorError(
                f"{self.url} must answer with different posts below id {cursor}, got "
                f"{json.dumps(page)[:120]}; source.danbooru.url must be a site with Danbooru's API"
            )
        page.sort(key=_number, reverse=True)
        # It ends where a cached page begins, so that a damaged page does not shift all later ones.
        ends = (index for index, post in enumerate(page) if self._file(post["id"]).exists())
        return page[: next(ends, len(page)) + 1]

    def _request_smaller(self, cursor: int) -> Any:
        while True:
            params = {"tags": self._query(), "limit": str(self._limit), "only": FIELDS}
            if cursor <= self._max_id:
                params["page"] = f"b{cursor}"
            try:
                return self._request("posts.json", params)
            except RequestError as error:
                if error.status not in _TIMED_OUT:
                    raise
                if _NO_PARENT in self.tags:
                    self.tags = [tag for tag in self.tags if tag != _NO_PARENT]
                elif self._limit > SMALLEST_PAGE:
                    self._limit = max(SMALLEST_PAGE, self._limit // 2)
                else:
                    raise RefcolorError(
                        f"the database of {self.url} times out even for {SMALLEST_PAGE} posts "
                        f"below id {cursor}; run again later to resume, or remove tags from "
                        f"source.danbooru.query, got {' '.join(self.tags)!r}"
                    ) from error

    def _request(self, path: str, params: Mapping[str, str]) -> Any:
        try:
            return self._get(f"{self.url}/{path}", params)
        except RequestError as error:
            if error.status == 422:
                raise RefcolorError(
                    f"{self.url} rejects source.danbooru.query {params['tags']!r}: an anonymous "
                    "search has at most two tags, metatags such as rating: not counted; remove "
                    "tags, or set DANBOORU_LOGIN and DANBOORU_API_KEY"
                ) from error
            if error.status == 410:
                raise RefcolorError(
                    f"{self.url} rejects a page as too deep (410), though pages are requested by "
                    "id; source.danbooru.url must be a site with Danbooru's API"
                ) from error
            raise


def _add(post: dict[str, Any], tag_filter: TagFilter, listing: Listing, *, url: str) -> str:
    """Add a post to the listing; return the reason why it is dropped, or an empty string."""
    forgotten = _FORGOTTEN in post
    if post.get(_FORGOTTEN):
        post = post | {"md5": _FORGOTTEN, "file_url": url}  # filtered as if it still had its file
    try:
        parsed = from_api(post, url=url)
        reason = tag_filter.reason(parsed)
        if forgotten:
            return reason or "excluded"
        if not reason:
            listing.records.append(tag_filter.record(parsed))
        elif (
            reason == "line_art" and listing.dropped["line_art"] < tag_filter.params.line_art.count
        ):
            listing.line_art.append(tag_filter.record(parsed))
    except ValueError:
        return "bad_record"
    return reason


def _files_with(pages: Path, numbers: Collection[int]) -> Iterator[tuple[Path, Any]]:
    """Find the cache files that contain these ids, with their parsed content."""
    keys = [b'"id":%d' % number for number in numbers]  # as `_write` writes them
    for file in sorted(pages.glob("*/before-*")):
        content = file.read_bytes()
        # Searched before it is parsed: there may be gigabytes of pages.
        if any(key in content for key in keys):
            yield file, _parse(content)


def _named(page: Page, numbers: Collection[int]) -> Page:
    return [post for post in page if post["id"] in numbers and _FORGOTTEN not in post]


def _is_page(page: Any, *, before: float = math.inf) -> bool:
    """Return True for a list of posts with different ids below `before`."""
    if not isinstance(page, list) or not all(isinstance(post, dict) for post in page):
        return False
    numbers = [post.get("id") for post in page]
    valid = all(type(number) is int and 0 < number < before for number in numbers)
    return valid and len(set(numbers)) == len(numbers)


def _number(post: Mapping[str, Any]) -> int:
    return int(post["id"])


def _total(answer: Mapping[str, Any]) -> int | None:
    counts = answer.get("counts")
    total = counts.get("posts") if isinstance(counts, dict) else None
    return total if isinstance(total, int) else None


def _read(file: Path) -> Any:
    return _parse(file.read_bytes()) if file.exists() else None


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None  # damaged; the page is requested again


def _write(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".part")  # `forget_posts` finds it too
    temporary.write_text(json.dumps(content, separators=(",", ":")), encoding="ascii")
    temporary.replace(file)
