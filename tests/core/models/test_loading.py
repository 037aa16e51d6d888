"""A classifier needs no option that its checkpoint answers, and no answer is overruled silently."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

from core.errors import InputError
from core.models import build_network, fingerprint, load_classifier, save_checkpoint
from core.models.normalisation import NAMED


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        ("resnet18", {}),
        ("resnet18", {"stem": "small", "in_channels": 1}),
        ("densenet121", {"stem": "small"}),
        ("mobilenet_v3_small", {"in_channels": 1}),
        ("squeezenet1_0", {"stem": "small"}),
        ("regnet_y_400mf", {}),
        ("swin_t", {}),
        ("googlenet", {}),
    ],
)
def test_shapes_tell_classes_channels_and_stem(
    tmp_path: Path, spec: str, options: dict[str, object]
) -> None:
    network = build_network(spec, num_classes=13, **options).eval()  # type: ignore[arg-type]
    torch.save(network.state_dict(), tmp_path / "net.pt")
    classifier = load_classifier(spec, checkpoint=tmp_path / "net.pt")
    assert classifier.num_classes == 13
    assert classifier.channels == options.get("in_channels", 3)
    assert classifier.stem == options.get("stem")
    images = torch.rand(2, classifier.channels, 32, 32)
    assert torch.equal(classifier(images), network(images))


def test_auxiliary_heads_of_a_published_checkpoint_are_left_aside(tmp_path: Path) -> None:
    weights = build_network("googlenet", num_classes=5).state_dict()
    torch.save(weights | {"aux1.fc2.weight": torch.zeros(5, 1)}, tmp_path / "net.pt")
    assert load_classifier("googlenet", checkpoint=tmp_path / "net.pt").num_classes == 5


def test_a_checkpoint_of_ours_answers_every_option(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network = build_network("mobilenet_v2", num_classes=4, stem="small", in_channels=1)
    path = save_checkpoint(
        tmp_path / "net.safetensors",
        network,
        spec="mobilenet_v2",
        num_classes=4,
        normalisation=NAMED["mnist"],
        class_names=["a", "b", "c", "d"],
        stem="small",
        in_channels=1,
    )
    with caplog.at_level(logging.WARNING, "inputscape"):
        classifier = load_classifier("mobilenet_v2", checkpoint=path)
    assert caplog.text == ""
    assert classifier.class_names == ("a", "b", "c", "d")
    assert classifier.normalisation == NAMED["mnist"]
    assert (classifier.stem, classifier.num_classes, classifier.channels) == ("small", 4, 1)
    assert classifier.network.features[0][0].stride == (1, 1)  # type: ignore[index, union-attr]
    same = load_classifier(
        "mobilenet_v2", checkpoint=path, normalisation="mnist", num_classes=4, stem="small"
    )
    assert fingerprint(same) == fingerprint(classifier)
    renamed = load_classifier("mobilenet_v2", checkpoint=path, class_names=list("wxyz"))
    assert renamed.class_names == ("w", "x", "y", "z")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"spec": "resnet18"}, "--model: found resnet18, but .* with digits_mlp"),
        ({"normalisation": "none"}, "--normalisation: found None, but .* with mean=0.1307"),
        ({"normalisation": "imagenet"}, "--normalisation: found mean=0.485"),
        ({"num_classes": 5}, "--num_classes: found 5, but .* with 10"),
        ({"stem": "small"}, "--stem: found small, but .* with None"),
        ({"in_channels": 3}, "--in_channels: found 3, but .* with 1"),
        ({"class_names": ["a"]}, "1 names for the 10 outputs"),
    ],
)
def test_an_option_that_contradicts_the_record_is_refused(
    tmp_path: Path, options: dict[str, object], told: str
) -> None:
    path = save_checkpoint(
        tmp_path / "net.safetensors",
        build_network("digits_mlp", num_classes=10),
        spec="digits_mlp",
        num_classes=10,
        normalisation=NAMED["mnist"],
        in_channels=1,
    )
    with pytest.raises(InputError, match=told):
        load_classifier(**({"spec": "digits_mlp", "checkpoint": path} | options))  # type: ignore[arg-type]


def test_classes_asked_for_against_the_shapes_are_a_misfit(tmp_path: Path) -> None:
    save_file(build_network("resnet18", num_classes=20).state_dict(), tmp_path / "net.safetensors")
    with pytest.raises(InputError, match=r"fc.weight \(20, 512\) instead of \(10, 512\)"):
        load_classifier("resnet18", checkpoint=tmp_path / "net.safetensors", num_classes=10)


def test_a_published_network_without_known_normalisation_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights = build_network("shufflenet_v2_x0_5", num_classes=3).state_dict()
    torch.save(weights, tmp_path / "net.pt")
    with caplog.at_level(logging.WARNING, "inputscape"):
        load_classifier("shufflenet_v2_x0_5", checkpoint=tmp_path / "net.pt", normalisation="half")
        load_classifier("shufflenet_v2_x0_5", checkpoint=tmp_path / "net.pt", normalisation="none")
        assert caplog.text == ""
        load_classifier("shufflenet_v2_x0_5", checkpoint=tmp_path / "net.pt")
    assert "none is recorded for shufflenet_v2_x0_5" in caplog.text


def test_a_built_in_name_is_the_one_trained_on_first_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build_network("digits_mlp", num_classes=10)
    path = save_checkpoint(tmp_path / "x.safetensors", network, spec="digits_mlp", num_classes=10)
    training = ModuleType("core.training")
    training.embedded = {"digits_mlp": path}.__getitem__  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "core.training", training)
    classifier = load_classifier("digits_mlp")
    images = torch.rand(2, 1, 8, 8)
    assert torch.equal(classifier(images), network.eval()(images))


def test_the_random_numbers_of_the_caller_stay_as_they_are(tmp_path: Path) -> None:
    torch.save(build_network("digits_mlp", num_classes=4).state_dict(), tmp_path / "net.pt")
    state = torch.get_rng_state()
    load_classifier("digits_mlp", checkpoint=tmp_path / "net.pt")
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("spec", "accuracy"),
    [("resnet18", 0.797), ("mobilenet_v2", 0.780), ("shufflenet_v2_x1_0", 0.767)],
)
def test_trained_classifiers_are_as_good_as_they_should_be(
    trained_classifiers: Path, tiny_imagenet: Path, spec: str, accuracy: float
) -> None:
    from core.data import load_images

    classifier = load_classifier(
        spec,
        checkpoint=trained_classifiers / f"{spec}.safetensors",
        normalisation="imagenet",
    )
    assert classifier.num_classes == 20
    images, labels = load_images(str(tiny_imagenet)).subset(200).tensors()
    with torch.no_grad():
        right = (classifier(images).argmax(1) == labels).float().mean().item()
    assert abs(right - accuracy) < 0.09  # three standard errors of 200 examples
