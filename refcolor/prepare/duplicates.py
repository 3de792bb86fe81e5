"""Near-duplicates: a perceptual hash, and groups that must stay on one side of the split."""

import hashlib
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from refcolor.io.image import Picture, to_unit

SIDE = 16  # rows and comparisons per row: 256 bits
_BLOCK = 256  # rows of the distance table in memory


def dhash(picture: Picture) -> str:
    """Compute the difference hash (dHash) of a picture: near-duplicates differ in few bits.

    The picture is reduced to 17 x 16 grey cells; a bit is set where a cell is darker than its right
    neighbour. On white backgrounds the usual 8 x 8 bits are equal for different characters.

    picture: (H, W, 3) uint8 on white.  Returns 64 hexadecimal digits (256 bits).
    """
    gray = cv2.cvtColor(to_unit(picture), cv2.COLOR_RGB2GRAY)
    cells = cv2.resize(gray, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA)
    # Rounded, so that machines with different last bits give the same hash.
    tones = np.rint(cells * 1024)
    return np.packbits(tones[:, :-1] < tones[:, 1:]).tobytes().hex()


def group_duplicates(
    ids: Sequence[str],
    hashes: Sequence[str],
    *,
    distance: int,
    families: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, str]:
    """Compute connected components of near-duplicates.

    Two pictures are connected when their hashes differ in at most `distance` bits or when they have
    a family in common (pictures without a family may be missing in `families`).

    Returns id -> key of the group. A key depends only on the members of the group. A group with
    families has the key "family:<name>" of one of them, which stays when relatives are added. Any
    other group has the id of the member with the smallest SHA-256, which an added picture replaces
    in one case of n + 1, in whatever order ids are numbered; with the smallest id, adding older
    pictures would change every key.
    Raises ValueError for ids that occur twice, and for missing or malformed hashes.
    """
    if len(set(ids)) != len(ids) or len(ids) != len(hashes):
        raise ValueError(
            f"ids must be unique and have one hash each, got {len(ids)} ids ({len(set(ids))} "
            f"different) and {len(hashes)} hashes"
        )
    label = _by_family(ids, families or {})
    _join_alike(label, _bits(hashes), distance)
    members: dict[int, list[str]] = {}
    for id, root in zip(ids, label.tolist(), strict=True):
        members.setdefault(root, []).append(id)
    keys = {root: _key(group, families or {}) for root, group in members.items()}
    return {id: keys[root] for id, root in zip(ids, label.tolist(), strict=True)}


def _by_family(ids: Sequence[str], families: Mapping[str, Sequence[str]]) -> npt.NDArray[np.int64]:
    # Union-find: labels need not be overwritten, which a large set with large families would feel.
    parent = list(range(len(ids)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    first: dict[str, int] = {}
    for index, id in enumerate(ids):
        for name in families.get(id, ()):
            parent[root(index)] = root(first.setdefault(name, index))
    return np.array([root(index) for index in range(len(ids))], dtype=np.int64)


def _join_alike(label: npt.NDArray[np.int64], bits: npt.NDArray[np.uint64], distance: int) -> None:
    # Labels are overwritten block by block, because a list of pairs may have N^2 entries.
    for start in range(0, len(bits), _BLOCK):
        block = bits[start : start + _BLOCK]
        differing = np.zeros((len(block), len(bits) - start), np.uint16)
        for word in range(bits.shape[1]):
            differing += np.bitwise_count(block[:, word, None] ^ bits[start:, word])
        alike = differing <= distance
        for row in np.flatnonzero(alike.sum(axis=1) > 1):
            joined = np.unique(label[start:][alike[row]])
            if len(joined) > 1:
                label[np.isin(label, joined)] = joined[0]


def _bits(hashes: Sequence[str]) -> npt.NDArray[np.uint64]:
    digits = SIDE * SIDE // 4
    wrong = [value for value in hashes if len(value) != digits]
    if wrong:
        raise ValueError(f"a hash must have {digits} hexadecimal digits, got {wrong[0]!r}")
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint64).reshape(-1, digits // 16)


def _key(group: Sequence[str], families: Mapping[str, Sequence[str]]) -> str:
    names = {name for id in group for name in families.get(id, ())}
    return f"family:{min(names, key=_digest)}" if names else min(group, key=_digest)


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
