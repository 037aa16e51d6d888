"""What a study measures where the options leave it open."""

from __future__ import annotations

import inspect

import pytest

from core.errors import InputError
from landscape.flatness.catalogue import MEASURES
from landscape.flatness.command import run
from landscape.flatness.study import FlatnessStudy, plan

DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(run).parameters.items()
    if name not in ("out", "launch", "workers", "slurm")
}


def planned(**changed: object) -> FlatnessStudy:
    return plan(**DEFAULTS | {"examples": 30} | changed)


def test_by_default_everything_is_measured_at_the_image_and_three_stages() -> None:
    study = planned(matching_pool=40)
    assert study.layers == ("input", "3", "7", "12")
    assert study.measures == (*MEASURES, *(f"lid:{layer}" for layer in study.layers))
    phases = {unit.key.split("/")[0]: unit.phase for unit in study.units()}
    assert phases["craft"] <= 2 < phases["reference"] < phases["measure"]


def test_what_the_matching_pool_is_too_small_for_is_left_out() -> None:
    study = planned(matching_pool=39)
    assert study.layers == ()
    assert study.measures == tuple(MEASURES)
    study = planned(matching_pool=9)
    assert study.measures == tuple(name for name in MEASURES if name != "log_odds_score")
    assert not study.compares
    assert not any(unit.key.startswith("reference") for unit in study.units())


def test_what_is_asked_for_is_measured_or_refused() -> None:
    assert planned(matching_pool=20, measures="dimension").layers == ("input", "3", "7", "12")
    assert planned(matching_pool=20, layers="7").measures[-1] == "lid:7"
    with pytest.raises(InputError, match="--neighbours: expected at most the 19 images"):
        planned(matching_pool=19, layers="7")
    with pytest.raises(InputError, match="log_odds_score compares"):
        planned(matching_pool=9, measures="log_odds_score")
    with pytest.raises(InputError, match="--layers: unknown name 'conv'"):
        planned(layers="conv")
    with pytest.raises(InputError, match="--measures: expected at least one"):
        planned(measures=[])


def test_settings_plan_the_same_study_again() -> None:
    first = planned(matching_pool=40, measures="label,dimension", layers="input,7")
    again = plan(**first.settings())
    assert again == first


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"gradient_draws": 5}, "--gradient_draws: expected an even number"),
        ({"curvature_step": 0.0}, "--curvature_step"),
        ({"gamma": 1.0}, "--gamma"),
        ({"boundary_norm": "l1"}, "--boundary_norm"),
        ({"boundary_steps": 1}, "--boundary_steps"),
        ({"neighbours": 3}, "--neighbours"),
    ],
)
def test_bad_options_are_one_sentence(changed: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        planned(**changed)


def test_no_attacked_image_is_a_reference_and_none_that_is_misclassified() -> None:
    study = planned(matching_pool=200)
    places = study.reference_places
    assert min(places) >= 30
    images, labels = study.chosen.tensors(places)
    assert (study.classifier(images).argmax(1) == labels).all()
    assert 190 <= len(places) <= 200
