"""Take-downs: delete pictures from the data and the caches, and exclude them from later runs."""

from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from refcolor.errors import RefcolorError
from refcolor.io.shards import File, files, remove
from refcolor.sources.fetching.file_cache import FileCache
from refcolor.sources.listing.danbooru import find_posts, forget_posts
from refcolor.sources.manifest import Record, iterate_manifest
from refcolor.sources.naming import forms_in_result
from refcolor.sources.takedown import PREFIX, add_ids, read_takedown
from refcolor.training.pixel_cache import PIXEL_CACHE, clear_pixel_cache

LISTS = (Path("data/manifest.jsonl"), Path("data/lineart.jsonl"))
PICTURES = tuple(
    Path(folder)
    for folder in (
        "data/raw",
        "data/raw_lineart",
        "data/color",
        "data/own_sketch",
        "data/lineart",
        "data/sketch",
        "results",
    )
)
DOWNLOADS, PAGES = Path(".refcolor/downloads"), Path(".refcolor/pages")

_ADDRESSES = ("file_url", "large_file_url")
_STILL_THERE = """\
What may still hold them, or what was made of them:
- DVC's cache: after `dvc repro`, `dvc gc --workspace` deletes all that the present data do not use,
  what other branches and experiments have cached included; `dvc gc --workspace --cloud --remote
  NAME` does so in a remote. Experiments that were stopped may have left folders in .dvc/tmp/exps.
- contact sheets in metrics/ (previews, images, data.png): `dvc repro` draws them anew.
- weights trained on them: `dvc repro` trains models/ anew; .refcolor/checkpoints may be deleted.
- MLflow: previews and models of earlier runs; delete these runs, then `mlflow gc`.
- other clones and hosts: .refcolor/pictures there may be deleted as a whole.
- git: earlier versions of data/manifest.jsonl name them, without a pixel.
- downloads whose address no list has any more: .refcolor/downloads may be deleted as a whole.
- the source: your own folder or archive, other posts of the same picture (lines `artist NAME` or
  `md5 DIGITS` in the list exclude them too), and whatever was given to others."""


@dataclass(frozen=True)
class Forgotten:
    """The outcome of a take-down.

    pictures: number of ids. files: deleted files, relative to the repository; the path of a file in
    a shard has the shard as its folder. posts: number of posts emptied in cached listings.
    listed: lines added to the take-down list.
    outside: folders that were not changed, because they are links out of the repository.
    """

    pictures: int
    files: tuple[Path, ...]
    posts: int
    listed: tuple[str, ...]
    exclude_file: Path
    outside: tuple[Path, ...]

    def describe(self) -> str:
        """Return what was done, what to do next, and where copies may remain."""
        listed = ", ".join(self.listed) or "nothing new"
        lines = [
            f"forgotten: {self.pictures}; files deleted: {len(self.files)}; posts emptied in kept "
            f"listings: {self.posts}; added to {self.exclude_file}: {listed}"
        ]
        if self.outside:
            folders = ", ".join(map(str, self.outside))
            lines.append(f"Left alone, because they lead out of the repository: {folders}")
        lines.append("`dvc repro` finishes it; commit the list together with what changes then.")
        return "\n".join([*lines, _STILL_THERE])


def forget(root: Path, ids: Sequence[str], *, exclude_file: Path) -> Forgotten:
    """Delete pictures from the data and the caches, and exclude them from every later run.

    The ids are added to the take-down list first, so that a second call completes an interrupted
    one. Then the files of the pictures are deleted from the data folders, results and downloads,
    and their posts are emptied in the cached pages of listings, which keep the numbers. The whole
    pixel cache is deleted; the next training decodes it again. Repeated calls have no further
    effect. Files outside of the repository are not changed.

    root: the folder of the repository. exclude_file: as in params.yaml, relative to it.
    ids: as in the manifest, or the number of a post of Danbooru, which may be missing in the
    manifest and is then excluded from later listings.
    Raises RefcolorError, before any change, for an unknown id without a file, and when the
    take-down list lies outside the repository.
    """
    requested = list(dict.fromkeys(map(_normalized, ids)))
    taken_down = read_takedown(root / exclude_file).ids
    if not _is_inside(root / exclude_file, root):
        raise RefcolorError(
            f"source.exclude_file must lie in the repository to be written, got {exclude_file}; "
            "set it to data/exclude.txt and make that file, or write there yourself: "
            + ", ".join(f"id {name}" for name in requested)
        )
    existing = [
        folder for folder in (*PICTURES, DOWNLOADS, PAGES, PIXEL_CACHE) if (root / folder).is_dir()
    ]
    inside = [folder for folder in existing if _is_inside(root / folder, root)]
    numbers = {int(name) for name in requested if name.isdecimal()}
    names = {*requested, *(f"{PREFIX}{name}" for name in requested)}

    pictures = dict(_files_of([root / folder for folder in PICTURES if folder in inside], names))
    recorded = {record.id: record.address for record in _recorded(root, names)}
    found = recorded.keys() | set().union(*pictures.values())
    known = {name.removeprefix(PREFIX) for name in found}
    _refuse_unknown(set(requested) - known - taken_down - set(map(str, numbers)))
    posts = find_posts(root / PAGES, numbers) if PAGES in inside else []
    addresses = {*recorded.values(), *(post.get(key, "") for post in posts for key in _ADDRESSES)}
    cache = FileCache(root / DOWNLOADS)
    downloads = [
        file for address in addresses for file in cache.files(address) if DOWNLOADS in inside
    ]

    added = add_ids(root / exclude_file, requested)
    remove([*pictures, *downloads])
    deleted = {Path(str(file)) for file in (*pictures, *downloads)}
    deleted |= {*clear_pixel_cache(root / PIXEL_CACHE)} if PIXEL_CACHE in inside else set()
    return Forgotten(
        pictures=len(requested),
        files=tuple(file.relative_to(root) for file in sorted(deleted)),
        posts=forget_posts(root / PAGES, numbers) if PAGES in inside else 0,
        listed=tuple(added),
        exclude_file=exclude_file,
        outside=tuple(folder for folder in existing if folder not in inside),
    )


def _normalized(name: str) -> str:
    """Return an id as the take-down list has it; a number without leading zeros."""
    name = name.removeprefix(PREFIX)
    return str(int(name)) if name.isascii() and name.isdecimal() else name


def _is_inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())


def _files_of(folders: Iterable[Path], names: Set[str]) -> Iterator[tuple[File, Set[str]]]:
    """Find the pictures with these names, their line art, and results made from them.

    Yields each file with those of the names that it contains.
    """
    forms = {form: name for name in names for form in forms_in_result(name)}
    for folder in folders:
        for file in files(folder):
            stem = file.stem
            parts = stem.split("__")
            candidates = {stem, stem.removesuffix(".sketch")}
            for cut in range(1, len(parts)):
                candidates |= {"__".join(parts[:cut]), "__".join(parts[cut:])}
            if not candidates.isdisjoint(forms):
                yield file, {forms[form] for form in candidates & forms.keys()}


def _recorded(root: Path, names: Collection[str]) -> Iterator[Record]:
    for path in LISTS:
        if (root / path).is_file():
            yield from (record for record in iterate_manifest(root / path) if record.id in names)


def _refuse_unknown(names: Collection[str]) -> None:
    if names:
        raise RefcolorError(
            f"nothing was forgotten: no picture is called {' or '.join(map(repr, sorted(names)))} "
            f"in {' or '.join(map(str, LISTS))}, and posts of Danbooru are numbers; correct the "
            "id, or write it into source.exclude_file yourself"
        )
