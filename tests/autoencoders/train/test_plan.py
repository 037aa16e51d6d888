"""What a study of autoencoders is made of, and what it refuses."""

from __future__ import annotations

import inspect

import pytest

from autoencoders.train.command import run
from autoencoders.train.study import TrainStudy, plan
from core.errors import InputError
from core.layers import layer_table

EXECUTION = ("out", "launch", "workers", "slurm")


def planned(**changed: object) -> TrainStudy:
    options = {
        name: parameter.default
        for name, parameter in inspect.signature(run).parameters.items()
        if name not in EXECUTION
    }
    return plan(**{**options, "examples": 100, "device": "cpu", **changed})


def test_default_layers_are_the_input_and_two_nonlinear_ones_in_order() -> None:
    study = planned()
    assert study.layers[0] == "input"
    assert len(study.layers) == 3
    images, _ = study.sets["validation"].tensors([0])
    rows = {row.name: row for row in layer_table(study.classifier, images)}
    assert all(rows[name].type == "ReLU" for name in study.layers[1:])
    order = list(rows)
    assert order.index(study.layers[1]) < order.index(study.layers[2])


def test_units_collect_before_they_measure_train_and_judge() -> None:
    study = planned(layers="input,10", kinds="ae,fsq", seeds=2)
    phases: dict[str, set[int]] = {}
    for unit in study.units():
        phases.setdefault(unit.key.split("/")[0], set()).add(unit.phase)
    assert phases == {"collect": {0}, "measure": {1}, "reference": {2}, "fit": {2}, "judge": {3}}
    fits = [unit for unit in study.units() if unit.key.startswith("fit/")]
    assert len(fits) == 2 * 2 * 2
    assert not any(u.key.startswith("collect/") for u in planned(stream=True).units())


def test_no_image_is_both_trained_on_and_judged_on() -> None:
    sets = planned(examples=None).sets
    assert not set(sets["train"].ids) & set(sets["validation"].ids)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": "ae,vqave"}, "--kinds: unknown name 'vqave'; did you mean 'vqvae'"),
        ({"kinds": "ae,ae"}, "--kinds: expected each kind once"),
        ({"layers": "input,99"}, "99"),
        ({"epochs": 0}, "--epochs"),
        ({"seeds": 0}, "--seeds"),
        ({"latent": 0}, "--latent"),
        ({"explained_variance": 1.5}, "--explained_variance"),
        ({"explained_variance": 0.9, "latent": 8}, "--latent: is what --explained_variance"),
        ({"kinds": "fsq", "levels": "1,8"}, "levels"),
        ({"split": "train"}, "--split"),
        ({"precision": "float8"}, "precision"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        planned(**options).sets  # noqa: B018
