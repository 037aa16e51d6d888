"""What a study of latent spaces is made of, and what it refuses."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from autoencoders.artifact import Origin, save_autoencoder
from autoencoders.designs import Design
from autoencoders.explore.command import run
from autoencoders.explore.planning import plan
from autoencoders.explore.study import ExploreStudy
from autoencoders.model import Autoencoder
from core.data import load_images
from core.errors import InputError
from core.models import load_classifier
from core.representations import moments

EXECUTION = ("out", "launch", "workers", "slurm")


def planned(**changed: object) -> ExploreStudy:
    options = {
        name: parameter.default
        for name, parameter in inspect.signature(run).parameters.items()
        if name not in EXECUTION
    }
    return plan(**{**options, "examples": 60, "device": "cpu", **changed})


@pytest.fixture
def kept(tmp_path):
    """Return a function that saves an untrained autoencoder of the digits' input."""

    def keep(model: str = "digits_convnet", kind: str = "ae", form: str = "whole") -> str:
        images = load_images("digits", split="train").subset(20)
        rows = images.tensors()[0].numpy()
        autoencoder = Autoencoder(Design(kind, latent=3, width=8), moments(rows))
        origin = Origin.of(load_classifier(model), "input", images, form)
        path = tmp_path / f"{model}-{kind}-{form}.safetensors"
        return str(save_autoencoder(path, autoencoder, origin))

    return keep


def test_by_default_two_kinds_are_trained_at_the_input_and_one_layer_inside():
    study = planned()
    assert study.layers[0] == "input"
    assert len(study.layers) == 2
    assert [s.kind for s in study.subjects] == ["ae", "vae"] * 2
    assert len({s.name for s in study.subjects}) == 4


def test_units_craft_and_train_before_latents_before_walks_before_measuring():
    study = planned(kinds="ae,fsq", layers="input", attacks="noise(eps=0.2),fgsm(eps=0.2)")
    phases: dict[str, set[int]] = {}
    for unit in study.units():
        phases.setdefault(unit.key.split("/")[0], set()).add(unit.phase)
    assert phases == {
        "craft": {0}, "train": {0}, "latent": {1}, "describe": {2}, "around": {2},
        "between": {2}, "chains": {2}, "measure": {3},
    }  # fmt: skip
    keys = [unit.key for unit in study.units()]
    assert "chains/input-ae" in keys
    assert "chains/input-fsq" not in keys, "codes are not continuous"
    assert sum(key.startswith("measure/") for key in keys) == 2 * 3


def test_no_image_is_both_learnt_from_and_explored():
    study = planned()
    assert not set(study.sets[0].ids) & set(study.explored.ids)


def test_given_autoencoders_are_taken_as_they_are_and_told_apart(kept):
    files = [kept(), kept(kind="vae"), kept(kind="ae", form="whole")]
    study = planned(autoencoder=files[:2])
    assert [s.name for s in study.subjects] == ["input-ae", "input-vae"]
    assert not any(unit.key.startswith("train/") for unit in study.units())
    assert any(name.startswith("autoencoder ") for name in study.identity())


def test_two_of_one_kind_have_names_of_their_own(kept, tmp_path):
    first = kept()
    second = tmp_path / "second.safetensors"
    second.write_bytes(Path(first).read_bytes())
    study = planned(autoencoder=[first, str(second)])
    assert [s.name for s in study.subjects] == ["input-ae", "input-ae-2"]


def test_an_autoencoder_of_another_classifier_or_form_is_refused(kept):
    with pytest.raises(InputError, match=r"is of another classifier \(digits_mlp"):
        planned(autoencoder=kept("digits_mlp"))
    with pytest.raises(InputError, match="kept as 'average'"):
        planned(autoencoder=kept(form="average"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": "ae,vqave"}, "--kinds: unknown name 'vqave'"),
        ({"kinds": "ae,ae"}, "--kinds: expected each kind once"),
        ({"layers": "input,99"}, "99"),
        ({"autoencoder": "nowhere.safetensors"}, "nowhere.safetensors does not exist"),
        ({"autoencoder": "a,a"}, "given twice"),
        ({"autoencoder": "a", "kinds": "ae"}, "--kinds: says what is to be trained"),
        ({"autoencoder": "a", "layers": "input"}, "--layers: says what is to be trained"),
        ({"attacks": "pgd(epz=1)"}, "--attacks"),
        ({"scales": "0,1"}, "--scales"),
        ({"scales": "1,1"}, "--scales"),
        ({"chains": 1}, "--chains"),
        ({"draws": 7}, "--draws"),
        ({"warmup": -1}, "--warmup"),
        ({"temperature": 0.0}, "--temperature"),
        ({"leapfrog": 0}, "--leapfrog"),
        ({"epochs": 0}, "--epochs"),
        ({"latent": 0}, "--latent"),
        ({"examples": 1}, "--examples"),
        ({"split": "train"}, "--split"),
        ({"model": "digits_residual", "layers": "3.0"}, "--layers"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(options, message):
    with pytest.raises(InputError, match=message):
        planned(**options).sets  # noqa: B018
