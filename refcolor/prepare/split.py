"""The split into training and validation, and the pairs of the evaluation."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from refcolor.errors import RefcolorError
from refcolor.io.names import composed
from refcolor.params import SplitParams
from refcolor.sources.manifest import DRAWN, Record


@dataclass(frozen=True)
class Split:
    """Sorted ids of both sides, and the (sketch, reference) pairs of the evaluation."""

    train: list[str]
    validation: list[str]
    pairs: list[tuple[str, str]]


def families(record: Record) -> list[str]:
    """Name what a picture shares with those that must stay on its side of the split.

    Its family, and its group. Not the group of a drawn character: its palette is independent of its
    shape and may be seen in training, while its shape may not.
    """
    group = f"group:{record.group}" if record.group else ""
    names = [record.family, "" if record.address.startswith(DRAWN) else group]
    return [name for name in names if name]


def split(records: Sequence[Record], group_of: Mapping[str, str], params: SplitParams) -> Split:
    """Split by near-duplicate group, so that no group is on both sides.

    The hash of its key determines the side of a group, so that it stays when pictures are added. A
    group with a picture that matches `split.hold_out` is validation as a whole.
    One half of the validation pictures, selected by the hash of their groups, makes the pairs; the
    other half is the real set of FID and KID and not part of any pair.

    group_of: id -> key of its group, which pictures with a common family (`families`) share.
    Raises RefcolorError for fewer than 2 validation pictures, no training pictures, or a hold-out
    without a match.
    """
    for entry in params.hold_out:
        if not any(_has(record, entry) for record in records):
            raise RefcolorError(
                f"split.hold_out matches no picture: {entry!r}; data/manifest.jsonl has the "
                "attributes and artists"
            )
    held_out = {
        group_of[record.id]
        for record in records
        if any(_has(record, entry) for entry in params.hold_out)
    }
    sides: dict[bool, list[str]] = {True: [], False: []}
    for record in records:
        group = group_of[record.id]
        chance = _digest(params.seed, group) / 2**64
        sides[group in held_out or chance < params.validation].append(record.id)
    train, validation = sorted(sides[False]), sorted(sides[True])
    if len(validation) < 2 or not train:
        raise RefcolorError(
            f"the split needs at least 2 validation pictures and 1 to train on, got "
            f"{len(validation)} and {len(train)} of {len(records)}; add pictures, or change "
            f"split.validation ({params.validation}) or split.hold_out{_advice(records)}"
        )
    character_of = {record.id: record.group or record.id for record in records}
    return Split(train, validation, _pairs(validation, group_of, character_of, params))


def _advice(records: Sequence[Record]) -> str:
    """Say what to do about groups that leave a side empty."""
    sizes = Counter(one.group for one in records if f"group:{one.group}" in families(one))
    if not sizes:
        return ""
    (largest, size), *others = sizes.most_common()
    if others:
        advice = f"change split.seed, or hold one out: split.hold_out: [group={others[0][0]}]"
    else:
        advice = "add pictures of other groups, or list them without groups"
    return f"; a group stays on one side, and the largest, {largest}, has {size} pictures: {advice}"


def _pairs(
    validation: Sequence[str],
    group_of: Mapping[str, str],
    character_of: Mapping[str, str],
    params: SplitParams,
) -> list[tuple[str, str]]:
    by_group = sorted(validation, key=lambda id: (_digest(params.seed, "pair", group_of[id]), id))
    half = max(2, len(by_group) // 2)
    # A group at the middle is not cut.
    while half < len(by_group) and group_of[by_group[half]] == group_of[by_group[half - 1]]:
        half += 1
    members = sorted(by_group[:half])
    pairs = []
    for sketch in members:
        others = [id for id in members if id != sketch]
        # References are of other groups, and drawn ones of other palettes, unless there are none.
        foreign = [
            id
            for id in others
            if group_of[id] != group_of[sketch] and character_of[id] != character_of[sketch]
        ] or others
        foreign.sort(key=lambda id: _digest(params.seed, sketch, id))
        pairs += [(sketch, reference) for reference in foreign[: params.references]]
    return pairs


def _has(record: Record, entry: str) -> bool:
    name, value = composed(entry).split("=", 1)
    attributes = {**record.attributes, "group": record.group}
    values = record.artist if name == "artist" else (attributes.get(name),)
    return value in [composed(known) for known in values if known is not None]


def _digest(*parts: object) -> int:
    text = "\n".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
