"""The side of a picture follows from its group alone; pairs are made of validation pictures."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from refcolor.errors import RefcolorError
from refcolor.params import SplitParams
from refcolor.prepare.duplicates import group_duplicates
from refcolor.prepare.split import Split, families, split
from refcolor.sources.manifest import Record


def params(**changes: object) -> SplitParams:
    """Hold out a tenth, with two references for each sketch."""
    usual = {"seed": 0, "validation": 0.1, "hold_out": [], "references": 2}
    return SplitParams.model_validate(usual | {"duplicate_distance": 24} | changes)


def records(count: int, **fields: object) -> list[Record]:
    """Make records id-000, id-001, ..."""
    return [Record(f"id-{i:03d}", "x", **fields) for i in range(count)]  # type: ignore[arg-type]


def singletons(records: Sequence[Record]) -> dict[str, str]:
    """Give every record a group of its own."""
    return {record.id: record.id for record in records}


def in_fours(records: Sequence[Record]) -> dict[str, str]:
    """Give every four consecutive records one group."""
    return {record.id: f"group-{index // 4}" for index, record in enumerate(records)}


def paired(sides: Split) -> set[str]:
    """List the pictures that occur in pairs."""
    return {id for pair in sides.pairs for id in pair}


def test_every_picture_is_on_one_side() -> None:
    """The sides are sorted, are disjoint and complete, and have about the configured sizes."""
    pictures = records(700)
    sides = split(pictures, singletons(pictures), params())
    assert sorted(sides.train + sides.validation) == [record.id for record in pictures]
    assert sides.train == sorted(sides.train)
    assert sides.validation == sorted(sides.validation)
    # Binomial: 70 +- 8.
    assert 45 < len(sides.validation) < 95


def test_a_picture_keeps_its_side_when_pictures_are_added() -> None:
    """The side is a function of group and seed, not of the other pictures."""
    few, many = records(200), records(700)
    before, after = (split(x, singletons(x), params()) for x in (few, many))
    assert set(before.validation) == set(after.validation) & {record.id for record in few}


def test_another_seed_gives_another_split() -> None:
    """The sides of two seeds differ."""
    pictures = records(200)
    first, second = (split(pictures, singletons(pictures), params(seed=s)) for s in (0, 1))
    assert first.validation != second.validation


def test_a_group_is_on_one_side() -> None:
    """Near-duplicates are all training or all validation."""
    pictures = records(400)
    group_of = in_fours(pictures)
    sides = split(pictures, group_of, params())
    train, validation = ({group_of[id] for id in side} for side in (sides.train, sides.validation))
    assert not train & validation
    assert len(validation) * 4 == len(sides.validation)


def test_hold_out_by_attribute_takes_the_group_along() -> None:
    """Pictures with the attribute are validation, and so are their near-duplicates."""
    pictures = [
        Record(f"id-{i:03d}", "x", attributes={"hair": "bob" if i % 10 == 0 else "long"})
        for i in range(100)
    ]
    group_of = in_fours(pictures)
    held = {group_of[record.id] for record in pictures if record.attributes["hair"] == "bob"}
    sides = split(pictures, group_of, params(hold_out=["hair=bob"], validation=1e-9))
    assert {id for id, group in group_of.items() if group in held} == set(sides.validation)


def test_hold_out_by_artist_looks_at_every_artist() -> None:
    """A picture by several artists is held out with any of them; a name may hold a `=`."""
    artists = [("a",), ("b", "x=y"), ("x=y",), ("xy",), ("c",), ("x",)]
    pictures = [Record(f"id-{i}", "x", artist=names) for i, names in enumerate(artists)]
    sides = split(pictures, singletons(pictures), params(hold_out=["artist=x=y"], validation=1e-9))
    assert sides.validation == ["id-1", "id-2"]


def test_hold_out_takes_composed_and_decomposed_names() -> None:
    """A name in params.yaml and the same name from macOS hold the same pictures out."""
    decomposed = {"artist": ("Jose\u0301",), "group": "Zoe\u0308"}
    pictures = [*records(3, **decomposed), *(Record(f"x{n}", "x") for n in range(9))]
    for entry in ("artist=Jos\xe9", "group=Zo\xeb"):
        settings = params(hold_out=[entry], validation=1e-9)
        sides = split(pictures, singletons(pictures), settings)
        assert sides.validation == [picture.id for picture in pictures[:3]]


def test_hold_out_entries_add_up() -> None:
    """Each entry holds out its pictures, in addition to split.validation."""
    pictures = [
        Record(f"id-{i:03d}", "x", attributes={"hair": str(i % 7), "clothes": str(i % 11)})
        for i in range(200)
    ]
    usual = set(split(pictures, singletons(pictures), params()).validation)
    sides = split(pictures, singletons(pictures), params(hold_out=["hair=3", "clothes=5"]))
    held = {f"id-{i:03d}" for i in range(200) if i % 7 == 3 or i % 11 == 5}
    assert set(sides.validation) == usual | held


def test_a_hold_out_must_match() -> None:
    """A misspelt value is an error."""
    pictures = records(200, attributes={"hair": "bob"})
    with pytest.raises(RefcolorError, match=r"split\.hold_out matches no picture: 'hair=bop'"):
        split(pictures, singletons(pictures), params(hold_out=["hair=bop"]))


@pytest.mark.parametrize(
    ("count", "share", "message"),
    [
        (5, 1e-9, r"at least 2 validation pictures and 1 to train on, got 0 and 5 of 5"),
        (5, 1 - 1e-9, r"got 5 and 0 of 5; add pictures, or change split\.validation \(0\.99999"),
        (0, 0.1, r"got 0 and 0 of 0"),
    ],
)
def test_an_empty_side_is_refused(count: int, share: float, message: str) -> None:
    """Fewer than two validation pictures, or none to train on, raise an error with the numbers."""
    pictures = records(count)
    with pytest.raises(RefcolorError, match=message):
        split(pictures, singletons(pictures), params(validation=share))


def grouped(count: int, groups: int, *, address: str = "x") -> list[Record]:
    """Make records of so many groups in turn."""
    palettes = {"palette": "0", "palette_seed": "2", "shape": "0", "shape_seed": "1"}
    return [
        Record(f"id-{i:03d}", address, group=f"g{i % groups}", attributes=palettes)
        for i in range(count)
    ]


def related(records: Sequence[Record]) -> dict[str, str]:
    """Group records by their families alone: no two look alike."""
    hashes = [random.Random(record.id).randbytes(32).hex() for record in records]
    names = {record.id: families(record) for record in records}
    return group_duplicates([*names], hashes, distance=24, families=names)


def test_the_unit_of_the_split_is_family_and_group() -> None:
    """Real pictures share a side with their family and group, drawn ones with their family."""
    assert families(Record("a", "x")) == []
    assert families(Record("a", "x", family="f", group="g")) == ["f", "group:g"]
    assert families(Record("a", "http://x/a", group="f")) == ["group:f"]
    assert families(grouped(1, 1, address="sample:1/2/0")[0]) == []


def test_groups_of_real_pictures_never_cross_the_split() -> None:
    """Twenty characters of ten pictures: each is on one side, and a family brings two together."""
    pictures = grouped(200, 20)
    pictures[0] = replace(pictures[0], family="both")
    pictures[1] = replace(pictures[1], family="both")
    group_of = related(pictures)
    assert len(set(group_of.values())) == 19
    sides = split(pictures, group_of, params(validation=0.5))
    character = {record.id: record.group for record in pictures}
    train, validation = ({character[id] for id in side} for side in (sides.train, sides.validation))
    assert train and validation and not train & validation
    assert ("g0" in train) == ("g1" in train)
    assert all(character[sketch] != character[reference] for sketch, reference in sides.pairs)


def test_drawn_shapes_are_held_out_one_by_one() -> None:
    """Characters of one palette are on both sides; a pair has two palettes."""
    pictures = grouped(200, 20, address="sample:1/2/0")
    sides = split(pictures, related(pictures), params(validation=0.3, references=10))
    assert (
        sides.validation
        == split(records(200), related(records(200)), params(validation=0.3)).validation
    )
    palette = {record.id: record.group for record in pictures}
    assert {palette[id] for id in sides.train} & {palette[id] for id in sides.validation}
    assert all(palette[sketch] != palette[reference] for sketch, reference in sides.pairs)


def test_a_group_may_be_held_out_by_name() -> None:
    """`group=g1` is validation as a whole, of real and of drawn pictures."""
    for address in ("x", "sample:1/2/0"):
        pictures = grouped(30, 3, address=address)
        hold_out = params(hold_out=["group=g1"], validation=1e-9)
        sides = split(pictures, related(pictures), hold_out)
        assert sides.validation == [record.id for record in pictures if record.group == "g1"]


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (1, r"got 0 and 30 .* largest, g0, has 30 pictures: add pictures of other groups, or list"),
        (3, r"g0, has 10 pictures: change split\.seed, or hold .*split\.hold_out: \[group=g1\]$"),
    ],
)
def test_groups_that_leave_a_side_empty_are_refused_with_advice(count: int, message: str) -> None:
    """The message names the largest group, and one that may be held out instead."""
    pictures = grouped(30, count)
    with pytest.raises(RefcolorError, match=message):
        split(pictures, related(pictures), params(validation=1e-9))


def test_each_sketch_has_the_configured_number_of_references() -> None:
    """The references are different from each other and from the sketch."""
    pictures = records(300)
    sides = split(pictures, singletons(pictures), params(references=3))
    assert paired(sides) <= set(sides.validation)
    sketches = [sketch for sketch, _ in sides.pairs]
    assert all(sketches.count(sketch) == 3 for sketch in sketches)
    assert len(set(sides.pairs)) == len(sides.pairs)
    assert all(sketch != reference for sketch, reference in sides.pairs)


def test_a_near_duplicate_is_not_a_reference() -> None:
    """References come from other groups than the sketch's."""
    pictures = records(400)
    group_of = in_fours(pictures)
    sides = split(pictures, group_of, params(references=50, validation=0.3))
    assert all(group_of[sketch] != group_of[reference] for sketch, reference in sides.pairs)


def test_near_duplicates_are_references_of_a_single_group() -> None:
    """With one group held out, its members are references of each other."""
    pictures = [
        Record(f"id-{i:03d}", "x", attributes={"hair": "bob" if i < 4 else "long"})
        for i in range(100)
    ]
    sides = split(pictures, in_fours(pictures), params(hold_out=["hair=bob"], validation=1e-9))
    assert {sketch for sketch, _ in sides.pairs} == set(sides.validation)
    assert all(sketch != reference for sketch, reference in sides.pairs)


def test_the_real_side_holds_no_near_duplicate_of_a_pair() -> None:
    """A group is in pairs as a whole or not at all, so FID has no near-duplicate of a pair."""
    pictures = records(400)
    group_of = in_fours(pictures)
    sides = split(pictures, group_of, params(validation=0.3))
    inside = {group_of[id] for id in paired(sides)}
    outside = {group_of[id] for id in set(sides.validation) - paired(sides)}
    assert inside and outside and not inside & outside


def test_half_of_validation_is_in_no_pair() -> None:
    """The real set of FID is disjoint from the pairs, and as large."""
    pictures = records(300)
    sides = split(pictures, singletons(pictures), params())
    apart = set(sides.validation) - paired(sides)
    assert abs(len(apart) - len(paired(sides))) <= 1


def test_two_validation_pictures_make_two_pairs() -> None:
    """The smallest validation side has a reference from another group each way."""
    pictures = [Record(f"id-{i}", "x", attributes={"v": str(i < 2)}) for i in range(5)]
    sides = split(pictures, singletons(pictures), params(hold_out=["v=True"], validation=1e-9))
    assert sides.pairs == [("id-0", "id-1"), ("id-1", "id-0")]


def test_the_order_of_records_changes_nothing() -> None:
    """Shuffled records give the same split and the same pairs, in the same order."""
    pictures = records(200)
    shuffled = random.Random(0).sample(pictures, len(pictures))
    group_of = in_fours(pictures)
    assert split(shuffled, group_of, params()) == split(pictures, group_of, params())
