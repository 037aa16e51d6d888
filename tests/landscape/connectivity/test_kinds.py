from __future__ import annotations

from landscape.connectivity import kinds

GENUINE = [(f"g{i}", i % 3) for i in range(18)]
# Each is taken for the class after its own.
FOOLED = [(name, (own + 1) % 3) for name, own in GENUINE[:12]]
DONORS = {name: f"g{(i + 1) % 18}" for i, (name, _) in enumerate(FOOLED)}


def of_kind(table, kind):
    return table[table["kind"] == kind]


def ends_of(table):
    return set(zip(table["first"], table["second"], strict=True))


def test_partners_never_share_an_id_and_both_are_of_the_pair_s_class() -> None:
    found = kinds.of_attack(GENUINE, FOOLED, DONORS, 50)
    genuine, fooled = dict(GENUINE), dict(FOOLED)
    assert set(found["kind"]) == set(kinds.KINDS) - {kinds.GENUINE}
    for row in found.itertuples():
        if row.kind == kinds.TWINS:
            assert row.first == row.second
            assert fooled[row.second] == row[found.columns.get_loc("class") + 1]
            continue
        assert row.first != row.second
        own = row[found.columns.get_loc("class") + 1]
        first = fooled if row.kind == kinds.ADVERSARIAL else genuine
        assert first[row.first] == fooled[row.second] == own
    within = kinds.within_genuine(GENUINE, 50)
    assert (within["first"] != within["second"]).all()
    assert all(
        genuine[a] == genuine[b] for a, b in zip(within["first"], within["second"], strict=True)
    )


def test_controls_keep_the_first_image_and_are_not_made_from_it() -> None:
    found = kinds.of_attack(GENUINE, FOOLED, DONORS, 50)
    mixed = of_kind(found, kinds.MIXED)
    pairs = ends_of(mixed)
    control = of_kind(found, kinds.SAME_CLASS)
    assert (control["donor"] != control["first"]).all()
    assert (control["donor"] == control["second"].map(DONORS)).all()
    assert ends_of(control) == {(a, b) for a, b in pairs if DONORS[b] != a}
    assert 0 < len(control) < len(mixed)
    assert ends_of(of_kind(found, kinds.NOISE)) == pairs


def test_who_has_no_control_and_classes_of_one_image_give_no_control_pairs() -> None:
    genuine, fooled = [("a", 0), ("b", 1), ("c", 1)], [("b", 0), ("a", 1)]
    found = kinds.of_attack(genuine, fooled, {"a": "c"}, 5)
    assert len(of_kind(found, kinds.MIXED)) == 3  # a>b; b>a and c>a
    assert of_kind(found, kinds.SAME_CLASS)["first"].tolist() == ["b"]
    assert set(of_kind(found, kinds.NOISE)["second"]) == {"a"}  # class 0 has no other image
    nothing = kinds.of_attack(genuine, [], {}, 5)
    assert len(nothing) == 0
    assert list(nothing.columns) == list(found.columns)


def test_there_are_at_most_so_many_pairs_of_a_kind_and_they_are_numbered() -> None:
    found = kinds.of_attack(GENUINE, FOOLED, DONORS, 4)
    for kind in kinds.KINDS[1:]:
        rows = of_kind(found, kind)
        assert 0 < len(rows) <= 4
        assert rows["number"].tolist() == list(range(len(rows)))
