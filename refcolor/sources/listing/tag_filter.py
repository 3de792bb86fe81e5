"""Which tagged posts are worth having: the rules of Tag2Pix, by tag name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from refcolor.errors import RefcolorError
from refcolor.params import FilterParams
from refcolor.sources.listing.post import Post
from refcolor.sources.manifest import Record

# In the order in which they are asked. Line art comes after what would make a poor sketch too.
REASONS = (
    "no_id",
    "deleted",
    "banned",
    "wrong_rating",
    "has_parent",
    "no_file",
    "wrong_extension",
    "too_small",
    "wrong_aspect",
    "forbidden_tag",
    "not_one_subject",
    "line_art",
    "missing_tag",
    "not_one_hair_color",
    "not_one_eye_color",
)


def judge(post: Post, params: FilterParams) -> str | None:
    """Give the first of `REASONS` for which a post is no picture of the set, or None.

    A post without MD5 or address has no file that could be had. `line_art` is real line art of one
    subject, without hair or eye colour, kept apart as a foreign sketch.
    Raises RefcolorError for aliases that go in a circle.
    """
    longer, shorter = max(post.width, post.height), min(post.width, post.height)
    if not post.id:
        return "no_id"
    if post.deleted:
        return "deleted"
    if post.banned:
        return "banned"
    if post.rating not in params.ratings:
        return "wrong_rating"
    if post.parent and not params.children:
        return "has_parent"
    if not post.address or not post.md5:
        return "no_file"
    if post.extension not in params.extensions:
        return "wrong_extension"
    if longer < params.min_longer_side:
        return "too_small"
    if shorter == 0 or longer / shorter >= params.max_aspect:
        return "wrong_aspect"
    return _judge_tags(post.tags, _rules(params))


def attributes(post: Post, params: FilterParams) -> dict[str, str]:
    """Name what is in the picture, for `split.hold_out`: `hair`, `eyes` and `subject`.

    An attribute that a post does not have exactly once is left out; aliases are applied.
    """
    rules = _rules(params)
    kinds = {"hair": rules.hair, "eyes": rules.eyes, "subject": rules.subjects}
    found = {kind: _named(post.tags, names) for kind, names in kinds.items()}
    return {kind: names.pop() for kind, names in found.items() if len(names) == 1}


def to_record(
    post: Post,
    params: FilterParams,
    *,
    licence: str,
    letterboxed: tuple[int, int] | tuple[()] = (),
) -> Record:
    """Turn a post with an id into a record of the manifest.

    Where variants are kept, they and their parent are one family.
    letterboxed: as in `Record`.
    """
    return Record(
        id=f"danbooru-{post.id}",
        address=post.address,
        page=post.page,
        artist=tuple(_encodable(name) for name in post.artist),
        rating=post.rating,
        licence=licence,
        family=f"danbooru:{post.parent or post.id}" if params.children else "",
        attributes=attributes(post, params),
        source=_encodable(post.source),
        md5=post.md5,
        checksum=post.checksum,
        letterboxed=letterboxed,
    )


@dataclass(frozen=True, slots=True)
class _Rules:
    """The lists of `FilterParams` with their aliases worked in.

    A dictionary leads from each tag that counts to the name it counts as; of each set of
    `required` and `drawn_on` a post must have one tag.
    """

    subjects: dict[str, str]
    hair: dict[str, str]
    eyes: dict[str, str]
    required: tuple[frozenset[str], ...]
    forbidden: frozenset[str]
    drawn: frozenset[str]
    drawn_on: tuple[frozenset[str], ...]


def _judge_tags(tags: frozenset[str], rules: _Rules) -> str | None:
    if not rules.forbidden.isdisjoint(tags):
        return "forbidden_tag"
    if len(_named(tags, rules.subjects)) != 1:
        return "not_one_subject"
    hair, eyes = _named(tags, rules.hair), _named(tags, rules.eyes)
    if not (hair or eyes or rules.drawn.isdisjoint(tags)) and _has_all(tags, rules.drawn_on):
        return "line_art"
    if not _has_all(tags, rules.required):
        return "missing_tag"
    if len(hair) != 1:
        return "not_one_hair_color"
    return None if len(eyes) == 1 else "not_one_eye_color"


def _named(tags: frozenset[str], names: Mapping[str, str]) -> set[str]:
    return {names[tag] for tag in names.keys() & tags}


def _has_all(tags: frozenset[str], required: Iterable[frozenset[str]]) -> bool:
    return not any(tags.isdisjoint(names) for names in required)


def _rules(params: FilterParams) -> _Rules:
    # A pydantic model with a dictionary in it cannot be a cache's key; its lists can.
    return _compiled(
        params.subjects,
        params.hair,
        params.eyes,
        params.required,
        params.forbidden,
        params.line_art.any_of,
        params.line_art.required,
        tuple(params.aliases.items()),
    )


@lru_cache(maxsize=8)
def _compiled(
    subjects: tuple[str, ...],
    hair: tuple[str, ...],
    eyes: tuple[str, ...],
    required: tuple[str, ...],
    forbidden: tuple[str, ...],
    drawn: tuple[str, ...],
    drawn_on: tuple[str, ...],
    alias_items: tuple[tuple[str, str], ...],
) -> _Rules:
    aliases = dict(alias_items)
    return _Rules(
        subjects=_counting(subjects, aliases),
        hair=_colors(hair, "_hair", aliases),
        eyes=_colors(eyes, "_eyes", aliases),
        required=tuple(frozenset(_counting([tag], aliases)) for tag in required),
        forbidden=frozenset(_counting(forbidden, aliases)),
        drawn=frozenset(_counting(drawn, aliases)),
        drawn_on=tuple(frozenset(_counting([tag], aliases)) for tag in drawn_on),
    )


def _counting(names: Iterable[str], aliases: Mapping[str, str]) -> dict[str, str]:
    """Map every tag that counts as one of `names` to the name it counts as."""
    wanted = {_resolved(name, aliases) for name in names}
    resolved = {name: _resolved(name, aliases) for name in {*names, *aliases, *aliases.values()}}
    return {name: end for name, end in resolved.items() if end in wanted}


def _colors(names: Iterable[str], suffix: str, aliases: Mapping[str, str]) -> dict[str, str]:
    """Map every `<colour><suffix>` tag that counts to its colour; whole tags may be aliases too."""
    colors = _counting(names, aliases)
    tags = {f"{color}{suffix}": end for color, end in colors.items()}
    for tag in aliases:
        end = _resolved(tag, aliases)
        if end in tags:
            tags[tag] = tags[end]
    return tags


def _resolved(name: str, aliases: Mapping[str, str]) -> str:
    path = [name]
    while (name := aliases.get(name, name)) != path[-1]:
        if name in path:
            raise RefcolorError(
                "filter.aliases must lead to one name, got a circle: "
                f"{' -> '.join([*path, name])}; remove one of them"
            )
        path.append(name)
    return name


def _encodable(text: str) -> str:
    # JSON may escape half a surrogate pair, which no file can hold.
    return text.encode("utf-8", "replace").decode()
