"""Near-duplicates share a group, other pictures do not, and keys stay when pictures are added."""

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from refcolor.io import image
from refcolor.prepare.duplicates import dhash, group_duplicates

PORTRAITS = Path(__file__).parents[3] / "shared" / "data" / "portraits"
ZERO = "0" * 64


def bits(*positions: int) -> str:
    """A hash with these bits set."""
    values = np.zeros(256, np.uint8)
    values[list(positions)] = 1
    return np.packbits(values).tobytes().hex()


def scene(seed: int, size: int = 192) -> np.ndarray:
    """Large soft shapes on white."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    picture = np.full((size, size, 3), 255, np.uint8)
    inner = image.resize(noise, size * 2 // 3, size // 2)
    picture[size // 6 : size // 6 + inner.shape[0], size // 4 : size // 4 + inner.shape[1]] = inner
    return picture


def distance(first: np.ndarray, second: np.ndarray) -> int:
    """Count the bits in which two pictures differ."""
    return (int(dhash(first), 16) ^ int(dhash(second), 16)).bit_count()


def test_dhash_compares_neighbours() -> None:
    """A ramp that grows brighter sets all 256 bits, one that grows darker and white none."""
    ramp = np.repeat(np.arange(34, dtype=np.uint8)[None, :, None] * 7, 32, axis=0).repeat(3, axis=2)
    assert dhash(ramp) == "f" * 64
    assert dhash(ramp[:, ::-1]) == ZERO
    assert dhash(np.full((50, 70, 3), 255, np.uint8)) == ZERO


def test_dhash_bits_run_along_rows() -> None:
    """One bright cell in the first row sets the bit of its left neighbour alone."""
    picture = np.zeros((16, 17, 3), np.uint8)
    picture[0, 3] = 255
    assert dhash(picture) == bits(2)


def test_dhash_is_robust_to_copying() -> None:
    """Scaling, JPEG and blur move few bits of 256; another picture moves many."""
    original = scene(0)
    softened = np.asarray(Image.fromarray(original).filter(ImageFilter.GaussianBlur(1)))
    for copy in (image.resize(original, 120, 120), softened):
        assert distance(original, copy) <= 10
    assert distance(original, scene(1)) > 40


def test_groups_join_at_the_distance_and_not_beyond() -> None:
    """Three bits apart is joined with distance 3 and not with 2."""
    hashes = [ZERO, bits(0, 100, 255)]
    joined = group_duplicates(["a", "b"], hashes, distance=3)
    assert joined["a"] == joined["b"]
    apart = group_duplicates(["a", "b"], hashes, distance=2)
    assert apart == {"a": "a", "b": "b"}


def test_groups_are_connected_components() -> None:
    """Connected components are groups, in any order of the ids."""
    hashes = {f"p{n}": bits(*range(10 * n)) for n in range(6)} | {"far": bits(*range(100, 256))}
    for order in (list(hashes), list(reversed(hashes))):
        keys = group_duplicates(order, [hashes[id] for id in order], distance=10)
        assert len({keys[f"p{n}"] for n in range(6)}) == 1
        assert keys["far"] == "far"


def test_a_pair_is_found_at_any_index() -> None:
    """Two copies among 600 other pictures are joined at any indices."""
    random = np.random.default_rng(0)
    ids = [str(n) for n in range(600)]
    for first, second in ((0, 599), (255, 256), (255, 599), (256, 511), (598, 599)):
        hashes = [random.bytes(32).hex() for _ in ids]
        hashes[second] = hashes[first]
        keys = group_duplicates(ids, hashes, distance=24)
        assert keys[str(first)] == keys[str(second)]
        assert len(set(keys.values())) == 599


def test_families_join_pictures_that_look_different() -> None:
    """A family joins its pictures and their near-duplicates; no name joins nothing."""
    ids = ["a", "b", "c", "d"]
    hashes = [ZERO, bits(*range(128)), bits(*range(127)), bits(*range(128, 256))]
    keys = group_duplicates(ids, hashes, distance=2, families={"a": ["f"], "b": ["f"], "d": []})
    assert keys == {"a": "family:f", "b": "family:f", "c": "family:f", "d": "d"}


def test_a_picture_of_two_families_joins_both() -> None:
    """The order of the pictures does not matter."""
    families = {"a": ["f"], "b": ["g"], "c": ["f", "g"], "d": ["h"], "e": ["h"]}
    for order in ("abcde", "cbade", "edabc"):
        hashes = [bits(*range(50 * "abcde".index(id))) for id in order]
        keys = group_duplicates(list(order), hashes, distance=2, families=families)
        assert keys["a"] == keys["b"] == keys["c"] in ("family:f", "family:g")
        assert keys["d"] == keys["e"] == "family:h"


def test_unrelated_pictures_change_no_key() -> None:
    """Every key stays when unrelated pictures are added, with any names and order."""
    random = np.random.default_rng(0)
    old = {f"n{n}": random.bytes(32).hex() for n in range(40)}
    old |= {f"m{n}": old[f"n{n}"] for n in range(20)}
    before = group_duplicates(list(old), list(old.values()), distance=24)
    new = {f"{letter}{n}": random.bytes(32).hex() for letter in "az" for n in range(40)} | old
    after = group_duplicates(list(new), list(new.values()), distance=24)
    assert {id: after[id] for id in old} == before


def test_an_added_member_rarely_changes_the_key() -> None:
    """One added picture in n + 1 changes the key of a group of n, for small and large ids."""
    changed = {"000": 0, "zzz": 0}
    for prefix in changed:
        for n in range(400):
            old = [f"m{n}-{member}" for member in range(3)]
            before = group_duplicates(old, [ZERO] * 3, distance=0)[old[0]]
            after = group_duplicates([*old, f"{prefix}{n}"], [ZERO] * 4, distance=0)[old[0]]
            changed[prefix] += before != after
    assert all(60 < count < 140 for count in changed.values())


def test_a_family_keeps_its_key_when_relatives_arrive() -> None:
    """A lone picture of a known family already has the key of the whole family."""
    families = {"a": ["f"], "b": ["f"]}
    single = group_duplicates(["b"], [ZERO], distance=0, families=families)
    both = group_duplicates(["a", "b"], [bits(0), ZERO], distance=0, families=families)
    assert single["b"] == both["b"] == both["a"]


def test_ids_and_hashes_must_fit() -> None:
    """Repeated ids, missing hashes and hashes of another length raise ValueError."""
    with pytest.raises(ValueError, match=r"2 ids \(1 different\)"):
        group_duplicates(["a", "a"], [ZERO, ZERO], distance=0)
    with pytest.raises(ValueError, match=r"1 ids .* 0 hashes"):
        group_duplicates(["a"], [], distance=0)
    with pytest.raises(ValueError, match="64 hexadecimal digits, got ''"):
        group_duplicates(["a"], [""], distance=0)
    assert group_duplicates([], [], distance=24) == {}


def test_ten_thousand_pictures_take_seconds() -> None:
    """10,000 hashes, half of them in one connected component, are grouped in seconds."""
    random = np.random.default_rng(0)
    values = random.integers(0, 2, (10_000, 256), dtype=np.uint8)
    values[:5000] = values[0]
    values[np.arange(5000), random.integers(0, 256, 5000)] ^= 1
    hashes = [row.tobytes().hex() for row in np.packbits(values, axis=1)]
    start = time.process_time()
    keys = group_duplicates([str(n) for n in range(10_000)], hashes, distance=24)
    assert time.process_time() - start < 8
    assert len(set(keys.values())) == 5001
    assert len({keys[str(n)] for n in range(5000)}) == 1


@pytest.mark.skipif(not PORTRAITS.is_dir(), reason="the real pictures are not here")
def test_real_expressions_of_one_sprite_are_one_group() -> None:
    """The faces of one sprite are near-duplicates, another sprite of the same painter is not."""
    files = sorted(PORTRAITS.glob("renpy_*.png"))
    keys = group_duplicates(
        [path.stem for path in files], [dhash(image.read(path)) for path in files], distance=24
    )
    eileen = {key for id, key in keys.items() if "eileen" in id}
    sylvie = {key for id, key in keys.items() if "sylvie" in id}
    assert len(eileen) < sum("eileen" in id for id in keys) / 2
    assert not eileen & sylvie
