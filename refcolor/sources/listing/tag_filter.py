"""Filter for tagged posts: the rules of Tag2Pix, by tag name."""

from collections.abc import Iterable, Mapping, Set

from refcolor.errors import RefcolorError
from refcolor.params import FilterParams
from refcolor.sources.listing.post import UNKNOWN_LICENCE, Post
from refcolor.sources.manifest import Record

# In the order of the checks; those before line_art would make a poor sketch too. A colon and the
# listed tag follow forbidden_tag, void_hair_color and void_eye_color.
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
    "void_hair_color",
    "not_one_hair_color",
    "void_eye_color",
    "not_one_eye_color",
)


class TagFilter:
    """The rules of Tag2Pix, with the lists of `FilterParams` and their aliases."""

    def __init__(self, params: FilterParams) -> None:
        """Raise RefcolorError for circular aliases."""
        aliases, line_art = params.aliases, params.line_art
        self.params = params
        # From each matching tag to its canonical name.
        self._subjects = _canonical(params.subjects, aliases)
        self._hair = _colors(params.hair, "_hair", aliases)
        self._eyes = _colors(params.eyes, "_eyes", aliases)
        self._required = _spellings(params.required, aliases)
        self._line_art_required = _spellings(line_art.required, aliases)
        self._line_art = _canonical(line_art.any_of, aliases).keys()
        self._forbidden = _spellings(params.forbidden, aliases)
        allowed = _canonical(line_art.allowed, aliases).keys()
        self._line_art_forbidden = {
            tag: names for tag, names in self._forbidden.items() if names.isdisjoint(allowed)
        }
        self._void_hair = _spellings(params.void_hair, aliases)
        self._void_eyes = _spellings(params.void_eyes, aliases)

    def reason(self, post: Post) -> str:
        """Return the first of `REASONS` that applies to a post, or an empty string.

        A post without MD5 or address has no file to download. `line_art` is real line art of one
        subject, without hair or eye colour; it becomes a foreign sketch. A void colour is one that
        a tag such as multicolored_hair or closed_eyes leaves without a meaning.
        """
        params, tags = self.params, post.tags
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
        hair, eyes = _named(tags, self._hair), _named(tags, self._eyes)
        uncolored_line_art = not (hair or eyes or self._line_art.isdisjoint(tags))
        line_art = uncolored_line_art and _has_all(tags, self._line_art_required)
        if tag := _first(tags, self._line_art_forbidden if line_art else self._forbidden):
            return f"forbidden_tag:{tag}"
        if len(_named(tags, self._subjects)) != 1:
            return "not_one_subject"
        if line_art:
            return "line_art"
        if not _has_all(tags, self._required):
            return "missing_tag"
        if tag := _first(tags, self._void_hair):
            return f"void_hair_color:{tag}"
        if len(hair) != 1:
            return "not_one_hair_color"
        if tag := _first(tags, self._void_eyes):
            return f"void_eye_color:{tag}"
        return "" if len(eyes) == 1 else "not_one_eye_color"

    def record(self, post: Post, *, letterboxed: tuple[int, int] | tuple[()] = ()) -> Record:
        """Turn a post with an id into a record of the manifest.

        The attributes hair, eyes and subject, for `split.hold_out`, are set where the post has
        exactly one of the kind, not a void one; the group is the character of a post with exactly
        one. With `filter.children`, variants and their parent are one family.
        letterboxed: as in `Record`.
        """
        kinds = {"hair": self._hair, "eyes": self._eyes, "subject": self._subjects}
        named = {kind: _named(post.tags, names) for kind, names in kinds.items()}
        for kind, void in (("hair", self._void_hair), ("eyes", self._void_eyes)):
            if _first(post.tags, void):
                named[kind].clear()
        return Record(
            id=f"danbooru-{post.id}",
            address=post.address,
            page=post.page,
            artist=tuple(map(_encodable, post.artist)),
            rating=post.rating,
            licence=UNKNOWN_LICENCE,
            family=f"danbooru:{post.parent or post.id}" if self.params.children else "",
            group=_encodable(post.characters[0]) if len(post.characters) == 1 else "",
            attributes={kind: names.pop() for kind, names in named.items() if len(names) == 1},
            source=_encodable(post.source),
            md5=post.md5,
            checksum=post.checksum,
            letterboxed=letterboxed,
        )


def _named(tags: Set[str], names: Mapping[str, str]) -> set[str]:
    return {names[tag] for tag in names.keys() & tags}


def _has_all(tags: Set[str], required: Mapping[str, Set[str]]) -> bool:
    return not any(names.isdisjoint(tags) for names in required.values())


def _first(tags: Set[str], listed: Mapping[str, Set[str]]) -> str:
    """Return the first listed tag that a post has, or an empty string."""
    return next((tag for tag, names in listed.items() if not names.isdisjoint(tags)), "")


def _spellings(names: Iterable[str], aliases: Mapping[str, str]) -> dict[str, Set[str]]:
    """Map each tag to all tags that mean the same."""
    return {name: _canonical([name], aliases).keys() for name in names}


def _canonical(names: Iterable[str], aliases: Mapping[str, str]) -> dict[str, str]:
    """Map `names` and their aliases to canonical names."""
    ends = {_resolved(name, aliases) for name in names}
    resolved = {name: _resolved(name, aliases) for name in {*names, *aliases, *aliases.values()}}
    return {name: end for name, end in resolved.items() if end in ends}


def _colors(names: Iterable[str], suffix: str, aliases: Mapping[str, str]) -> dict[str, str]:
    """Map `<colour><suffix>` tags and their aliases to canonical colours."""
    colors = _canonical(names, aliases)
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
                "filter.aliases must not be circular, got "
                f"{' -> '.join([*path, name])}; remove one of them"
            )
        path.append(name)
    return name


def _encodable(text: str) -> str:
    # JSON may escape half a surrogate pair, which no file can hold.
    return text.encode("utf-8", "replace").decode()
