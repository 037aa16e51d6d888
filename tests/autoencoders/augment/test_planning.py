"""What a study of augmentation is made of, and what it refuses."""

from __future__ import annotations

import inspect

import pytest

from autoencoders.augment.command import run
from autoencoders.augment.planning import plan
from autoencoders.augment.study import AugmentStudy
from core.errors import InputError

EXECUTION = ("out", "launch", "workers", "slurm")


def planned(**changed: object) -> AugmentStudy:
    options = {
        name: parameter.default
        for name, parameter in inspect.signature(run).parameters.items()
        if name not in EXECUTION
    }
    return plan(**{**options, "examples": 100, "device": "cpu", **changed})


def test_units_fit_before_they_train_and_judge_and_layers_share_what_has_no_moves() -> None:
    units = planned(layers="input,6,10", seeds=2).units()
    phases: dict[str, set[int]] = {}
    for unit in units:
        phases.setdefault(unit.key.split("/")[0], set()).add(unit.phase)
    assert phases == {"autoencoder": {0}, "read": {1}, "train": {1}, "judge": {2}}
    trained = [u.key for u in units if u.key.startswith("train/")]
    assert len(trained) == 2 * (2 + 3 * 2)
    assert {"train/none-scratch/0", "train/none-reference/1", "train/noise-10/0"} <= set(trained)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("auto", ["scratch", "reference"]),
        ("scratch", ["scratch"] * 2),
        ("reference", ["reference"] * 2),
    ],
)
def test_hidden_layers_start_from_the_reference_unless_told_otherwise(start, expected) -> None:
    study = planned(layers="input,10", start=start)
    assert [study.start_of(layer) for layer in study.layers] == expected


def test_trainings_of_one_seed_start_alike_and_of_others_do_not() -> None:
    study = planned()
    weights = [
        study.started("scratch", number).network[0].weight.flatten().tolist()
        for number in (0, 0, 1)
    ]
    assert weights[0] == weights[1] != weights[2]
    assert study.training("scratch", 0).seed != study.training("scratch", 1).seed


def test_a_started_reference_is_a_copy() -> None:
    study = planned()
    started = study.started("reference", 0)
    assert started is not study.classifier
    assert started.network[0].weight is not study.classifier.network[0].weight
    assert started.network[0].weight.equal(study.classifier.network[0].weight)


def test_no_image_is_both_learnt_and_judged() -> None:
    study = planned(examples=None)
    judged = set(study.judged_images().ids)
    assert not judged & set(study.sets["train"].ids)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 1}, "--seeds: expected at least 2"),
        ({"probability": 1.0}, "--probability: expected a number from 0 to below 1"),
        ({"kind": "vqvae"}, "--kind: unknown name 'vqvae'"),
        ({"start": "scrach"}, "--start: unknown name 'scrach'; did you mean 'scratch'"),
        ({"scale": -1.0}, "--scale"),
        ({"layers": "99"}, "99"),
        ({"attacks": "minnorm(norm=l2)"}, "--attacks: expected attacks within a radius"),
        ({"attacks": "noise(eps=0.1)"}, "--attacks: expected attacks within a radius"),
        ({"radius": 0.0}, "--radius"),
        ({"epochs": 0}, "--epochs"),
        ({"judged": 0}, "--judged"),
        ({"precision": "float8"}, "precision"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        planned(**options)
