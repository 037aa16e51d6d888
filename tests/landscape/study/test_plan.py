"""What the study of everything is made of, and what it refuses."""

from __future__ import annotations

import inspect

import pytest

from core.errors import InputError
from landscape.study.command import run
from landscape.study.study import EXECUTION, PARTS, LandscapeStudy, is_shared, plan


def planned(**changed: object) -> LandscapeStudy:
    options = {
        name: parameter.default
        for name, parameter in inspect.signature(run).parameters.items()
        if name not in EXECUTION
    }
    return plan(**{**options, "examples": 24, "matching_pool": 8, "device": "cpu", **changed})


def test_every_part_of_the_default_study_attacks_the_same_images() -> None:
    study = planned()
    assert study.parts == tuple(PARTS)
    for part in study.joined.studies.values():
        assert part.attacked.ids.tolist() == study.attacked.ids.tolist()  # type: ignore[attr-defined]


def test_what_is_crafted_for_several_parts_is_crafted_once() -> None:
    study = planned()
    keys = [unit.key for unit in study.units()]
    assert len(set(keys)) == len(keys)
    own = [unit for part in study.joined.studies.values() for unit in part.units()]
    crafted = {unit.key for unit in own if is_shared(unit)}
    assert len(crafted) < sum(is_shared(unit) for unit in own)
    assert crafted <= set(keys)


def test_a_part_s_options_reach_it_and_are_part_of_the_settings() -> None:
    study = planned(parts="flatness", flatness={"draws": 8})
    assert study.joined.studies["flatness"].draws == 8  # type: ignore[attr-defined]
    assert study.settings()["flatness"] == {"draws": 8}
    again = planned(**{k: v for k, v in study.settings().items() if k not in EXECUTION})
    assert again.settings() == study.settings()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parts": "flatnes"}, "--parts: unknown name 'flatnes'; did you mean 'flatness'"),
        ({"parts": "flatness,flatness"}, "--parts: expected each study once"),
        ({"parts": "flatness", "noise": {"seed": 1}}, "--noise: options of a study that --parts"),
        ({"flatness": {"drws": 8}}, "--flatness: unknown name 'drws'; did you mean 'draws'"),
        ({"flatness": {"draws": 7}}, "--draws: expected an even number"),
        ({"flatness": {"seed": 7}}, "--flatness.seed: is said for all parts, with --seed"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        planned(**options)
