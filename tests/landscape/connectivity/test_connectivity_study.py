"""The study on real digits: who is joined to whom, and what is known of it afterwards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from core.data import load_images
from core.errors import InputError
from core.models import load_classifier
from core.studies import RunDirectory
from landscape import connectivity
from landscape.connectivity import kinds
from landscape.connectivity.study import plan
from landscape.loss import Loss
from tests.landscape.groups.test_group_study import WHERE

PGD = "pgd(norm=linf, eps=0.2, steps=5, stop=false)"
QUICK = {
    "attacks": f"noise(eps=0.1),{PGD}", "examples": 60, "matching_pool": 30, "pairs": 12,
    "partners": 2, "points": 65,
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    folder = tmp_path_factory.mktemp("run")
    return connectivity.run(**QUICK, out=str(folder / "run"))


def test_every_kind_of_pair_is_joined_in_every_way(run: RunDirectory) -> None:
    rows = run.results()
    sizes = rows.groupby(["kind", "path"]).size().unstack()
    assert set(sizes.index) == set(kinds.KINDS)
    assert (sizes["straight_line"] == sizes["bypass"]).all()
    assert (sizes.drop(kinds.SAME_CLASS) == 12).all().all()
    assert sizes.loc[kinds.SAME_CLASS, "bypass"] >= 10
    assert set(rows.loc[rows["kind"] == kinds.GENUINE, "group"]) == {""}
    assert set(rows.loc[rows["kind"] != kinds.GENUINE, "group"]) == {PGD}


def made(run: RunDirectory, group: str) -> dict[str, torch.Tensor]:
    """The images of a group by id, from its shards."""
    rows = run.read(f"craft/{group}")
    pixels = torch.frombuffer(bytearray(b"".join(rows["image"])), dtype=torch.float32)
    return dict(zip(rows["id"], pixels.reshape(-1, 1, 8, 8), strict=True))


def test_paths_are_of_the_images_that_the_pairs_name(run: RunDirectory) -> None:
    """Losses at both ends and length of the chord, computed again from the images themselves."""
    classifier, images = load_classifier(), load_images("digits")
    genuine = dict(zip(map(str, images.ids), images.tensors()[0], strict=True))
    fooled, control = made(run, "pgd"), made(run, "same_class")
    rows = run.results()
    rows = rows[rows["path"] == "straight_line"]
    for kind, first, second in (
        (kinds.GENUINE, genuine, genuine), (kinds.MIXED, genuine, fooled),
        (kinds.ADVERSARIAL, fooled, fooled), (kinds.SAME_CLASS, genuine, control),
        (kinds.TWINS, genuine, fooled),
    ):  # fmt: skip
        for _, row in rows[rows["kind"] == kind].iterrows():
            own = torch.tensor([row["class"]])
            names = row["id"].split(">")
            assert (names[0] == names[1]) == (kind == kinds.TWINS)
            pair = torch.stack([first[names[0]], second[names[1]]])
            losses = Loss(classifier, own.repeat(2))(pair)
            np.testing.assert_allclose(
                row[["loss_first", "loss_second"]].astype(float), losses, rtol=1e-3, atol=1e-9
            )
            np.testing.assert_allclose(row["length"], (pair[1] - pair[0]).norm(), rtol=1e-5)
            if kind != kinds.TWINS:
                assert (classifier(pair).argmax(1) == own).all()


def test_controls_have_the_loss_of_the_adversarial_image_or_its_step(run: RunDirectory) -> None:
    rows = run.results()
    rows = rows[rows["path"] == "straight_line"].set_index(["kind", "number"])
    mixed, control = rows.loc[kinds.MIXED], rows.loc[kinds.SAME_CLASS]
    by_pair = mixed.set_index("id")["loss_second"]
    np.testing.assert_allclose(
        control["loss_second"], by_pair.loc[control["id"]].to_numpy(), rtol=5e-3
    )
    noise = rows.loc[kinds.NOISE]
    assert (noise["class"] == mixed["class"]).all()
    assert (noise["id"].str.split(">").str[0] == mixed["id"].str.split(">").str[0]).all()


def test_every_image_that_counts_is_joined_to_its_partners(run: RunDirectory) -> None:
    ends = run.read("ends/")
    assert ends.groupby("group").size().to_dict() == {
        "genuine": 90, "noise(norm=linf, eps=0.1)": 60, PGD: 60, f"same_class(like={PGD})": 60,
    }  # fmt: skip
    counts = np.where(
        ends["group"] == "genuine", ends["clean_correct"], ends["status"] == "success"
    ).astype(bool)
    assert (ends["partners"][counts] == 2).all()
    assert ends["straight_barrier"][counts].notna().all()
    assert ends["straight_barrier"][~counts].isna().all()
    assert ends["loss"][counts].notna().all()
    control = ends[ends["group"].str.startswith("same_class") & counts].set_index("id")
    ours = ends[ends["group"] == PGD].set_index("id").loc[control.index]
    np.testing.assert_allclose(control["loss"], ours["loss"], rtol=5e-3)
    assert (control["prediction"] == ours["prediction"]).all()


def test_the_summary_holds_findings_headline_and_tables(run: RunDirectory) -> None:
    found = run.summary()
    assert found["findings"][0]["text"].startswith("Of 36 pairs")
    for entry in found["headline"]:
        assert (run.figures / f"{entry['figure']}.png").exists()
        assert entry["caption"]
    assert {row["kind"] for row in found["pairs"]} == set(kinds.KINDS)
    assert found["discrimination"]
    assert found["at_equal_distance"]


def planned(**changed: object):
    return plan(**{**QUICK, **WHERE, "controls": None, "paths": None, "threshold": 0.1,
                   "budget": 128, **changed})  # fmt: skip


def test_ways_come_in_one_order_with_the_straight_line_first() -> None:
    assert planned().paths == ("straight_line", "bypass")
    assert planned(paths="level_set, bypass").paths == ("straight_line", "bypass", "level_set")
    assert planned(paths=["straight_line"]).paths == ("straight_line",)


def test_without_controls_there_are_no_control_pairs_and_more_pairs_make_more_units() -> None:
    study = planned(controls="none", pairs=120)
    assert kinds.SAME_CLASS not in {kind for kind, _ in study.kinds_of_pair}
    paths = [unit for unit in study.units() if unit.key.startswith("paths/")]
    assert len(paths) == 3 * len(study.kinds_of_pair)
    assert {unit.phase for unit in paths} == {study.first_phase + 1}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"paths": "bypas"}, "--paths: unknown name 'bypas'"),
        ({"pairs": 0}, "--pairs"),
        ({"partners": 0}, "--partners"),
        ({"threshold": 0.0}, "--threshold"),
        ({"budget": -1}, "--budget"),
        ({"points": 1}, "--points"),
    ],
)
def test_bad_options_are_named(changed: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        planned(**changed)


@pytest.mark.slow
def test_a_class_that_nobody_shares_gives_no_pairs_and_no_failure(tmp_path: Path) -> None:
    """Ten digits, one of each class: no two of a class, no partner, no claim."""
    few = connectivity.run(
        examples=10, matching_pool=0, attacks="fgsm(eps=0.3)", pairs=3, partners=2, points=9,
        out=str(tmp_path / "run"),
    )  # fmt: skip
    ends = few.read("ends/")
    assert (ends.loc[ends["group"] == "genuine", "partners"].fillna(0) == 0).all()
    assert isinstance(few.results(), pd.DataFrame)
    assert (few.report).exists()
