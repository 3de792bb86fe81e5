"""The server of the tests keeps what it promises, so that the sources can be tested on it."""

from collections.abc import Callable
from typing import Any

import pytest

from refcolor.sources.network.errors import RequestError
from tests.sources.danbooru_server import DanbooruServer


def test_pages_by_id_reach_every_post_once(ask: Callable[..., Any], server: DanbooruServer) -> None:
    """Cursors lead through all 2,000 posts, newest first, and end with an empty page."""
    server.short_pages = True
    seen: list[int] = []
    sizes = []
    page: dict[str, str] = {}
    while posts := ask("/posts.json", limit="200", only="id", **page):
        seen += [post["id"] for post in posts]
        sizes.append(len(posts))
        page = {"page": f"b{seen[-1]}"}
    assert len(seen) == len(set(seen)) == 2000
    assert seen == sorted(seen, reverse=True)
    assert set(sizes[:-1]) == {134}
    assert server.log[-1].status == 200


def test_the_site_searches_as_documented(ask: Callable[..., Any]) -> None:
    """Two tags and free metatags find posts; fields can be chosen; a banned post names no file."""
    tags = "solo simple_background rating:g status:active parent:none id:<=4000"
    found = ask("/posts.json", tags=tags, limit="200")
    assert {post["rating"] for post in found} == {"g"}
    assert max(post["id"] for post in found) <= 4000
    assert not any(post["is_banned"] or post["is_deleted"] for post in found)
    assert ask("/counts/posts.json", tags=tags)["counts"]["posts"] > 200
    (post,) = ask("/posts.json", limit="1", only="id,md5,media_asset[variants[type,url]]")
    assert post.keys() == {"id", "md5"}
    files = {"file_url" in post for post in ask("/posts.json", limit="60")}
    assert files == {True, False}


@pytest.mark.parametrize(
    ("params", "status", "said"),
    [
        ({"page": "1001"}, 410, "cannot go beyond page 1000"),
        ({"tags": "a b c rating:g"}, 422, "cannot search for more than 2 tags"),
    ],
)
def test_wrong_searches_are_refused_at_once(
    params: dict[str, str],
    status: int,
    said: str,
    ask: Callable[..., Any],
    server: DanbooruServer,
) -> None:
    """A request that is wrong in itself is made once, and the site's own words are passed on."""
    with pytest.raises(RequestError, match=said) as caught:
        ask("/posts.json", **params)
    assert caught.value.status == status
    assert server.statuses == [status]
