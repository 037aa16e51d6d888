"""The groups of a study on real digits: who is in them, and what their controls share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import InputError
from landscape import flatness
from landscape.flatness.study import plan
from landscape.groups.same_class import control_of

ATTACKS = "noise(eps=0.1),pgd(eps=0.2, steps=5, stop=false),minnorm(steps=20)"
PGD = "pgd(norm=linf, eps=0.2, steps=5, stop=false)"
QUICK = {
    "attacks": ATTACKS, "examples": 60, "matching_pool": 30, "draws": 4, "worst_case_steps": 2,
    "radii": [0.1], "worst_case_l2": [0.1], "worst_case_linf": [0.01],
    "measures": "gaussian_rise,gradient_l2",
}  # fmt: skip
WHERE = {
    "model": "digits_convnet", "checkpoint": None, "normalisation": None, "stem": None,
    "data": "digits", "split": None, "size": None, "skip_unreadable": False, "batch_size": 256,
    "device": "cpu", "threads": 1, "seed": 0, "adversarial": None,
}  # fmt: skip
FLATNESS = {
    "measures": None, "layers": None, "gradient_draws": 4, "curvature_step": None, "gamma": 0.8,
    "boundary_norm": "l2", "boundary_steps": 10, "neighbours": 20,
}  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("run")
    return flatness.run(**QUICK, out=str(folder / "run")).results()


def test_every_example_that_deceives_has_a_control_of_its_class_and_its_loss(
    results: pd.DataFrame,
) -> None:
    ours = results[(results["group"] == PGD) & (results["status"] == "success")].set_index("id")
    control = results[results["group"] == control_of(PGD)].set_index("id")
    assert len(control) == 60
    made = control[control["status"] == "success"]
    assert len(made) > 0.9 * len(ours)
    assert set(made.index) <= set(ours.index)
    ours = ours.loc[made.index]
    assert (made["label"] == ours["prediction"]).all()
    assert (made["prediction"] == made["label"]).all()
    assert (made["donor"] != made.index).all()
    np.testing.assert_allclose(made["loss"], ours["loss"], rtol=5e-3)
    assert made["inside_box"].all()


def test_who_was_not_fooled_has_no_control_and_no_measures(results: pd.DataFrame) -> None:
    ours = results[(results["group"] == PGD) & (results["status"] != "success")]
    control = results[results["group"] == control_of(PGD)].set_index("id")
    assert (control.loc[ours["id"], "status"] == "no donor").all()
    assert control.loc[ours["id"], "gradient_l2"].isna().all()


def test_attacks_have_controls_and_controls_have_none(results: pd.DataFrame) -> None:
    groups = set(results["group"])
    assert control_of("minnorm(norm=l2, steps=20)") in groups
    assert control_of("noise(norm=linf, eps=0.1)") not in groups


def planned(**changed: object):
    options = {
        **QUICK, **WHERE, **FLATNESS, "controls": None, "loss": "cross_entropy",
        "reference": "predicted",
    }  # fmt: skip
    return plan(**options | changed)


def test_controls_are_chosen_by_recipe_and_off_where_losses_do_not_compare(tmp_path: Path) -> None:
    assert planned().same_class == [control_of(PGD), control_of("minnorm(norm=l2, steps=20)")]
    assert planned(controls="none").same_class == []
    assert planned(controls="none").first_phase == 1
    assert planned(controls="minnorm(steps=20)").same_class == [
        control_of("minnorm(norm=l2, steps=20)")
    ]
    assert planned(loss="margin").same_class == []
    assert planned(reference="true").same_class == []
    with pytest.raises(InputError, match="--controls: a same-class control has"):
        planned(loss="margin", controls="all")
    with pytest.raises(InputError, match="--controls: unknown name"):
        _ = planned(controls="fgsm(eps=0.1)").same_class
    with pytest.raises(InputError, match="stand by themselves"):
        planned(controls="all,fgsm(eps=0.1)")
