"""Published architectures come by name, with a stem for small images where one is defined."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

from core.errors import InputError
from core.models import build_network, load_classifier, model_names
from core.models.builtin import BUILT_IN
from core.models.published import first_convolution


def first_stride(network: nn.Module) -> int:
    found = first_convolution(network)
    assert found is not None
    return found[1].stride[0]


def test_the_names_are_those_of_classifiers() -> None:
    names = model_names()
    assert set(BUILT_IN) < set(names)
    assert {"resnet18", "vit_b_16", "mobilenet_v3_small", "regnet_y_400mf"} < set(names)
    assert not {"fcn_resnet50", "fasterrcnn_resnet50_fpn", "r3d_18", "raft_large"} & set(names)


@pytest.mark.parametrize(
    ("spec", "pool"),
    [
        ("resnet18", "maxpool"),
        ("densenet121", "features.pool0"),
        ("shufflenet_v2_x0_5", "maxpool"),
        ("googlenet", "maxpool1"),
        ("squeezenet1_1", "features.2"),
        ("mobilenet_v2", None),
        ("mobilenet_v3_small", None),
        ("efficientnet_b0", None),
        ("mnasnet0_5", None),
        ("regnet_x_400mf", None),
    ],
)
def test_the_small_stem_keeps_the_size(spec: str, pool: str | None) -> None:
    network = build_network(spec, num_classes=7, stem="small", in_channels=2).eval()
    found = first_convolution(network)
    assert found is not None
    convolution = found[1]
    images = torch.zeros(2, 2, 32, 32)
    assert convolution(images).shape[2:] == (32, 32)
    assert convolution.kernel_size == (3, 3)
    if pool is not None:
        assert isinstance(network.get_submodule(pool), nn.Identity)
    assert network(images).shape == (2, 7)
    assert first_stride(build_network(spec, num_classes=7)) == 2


@pytest.mark.parametrize("spec", ["vgg11", "digits_mlp", "timm/resnet18", "nets:make"])
def test_a_stem_that_is_not_defined_is_refused(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", ModuleType("timm"))
    with pytest.raises(InputError, match=r"'small' is not defined for .*torchvision|ResNet"):
        build_network(spec, num_classes=3, stem="small")
    with pytest.raises(InputError, match="did you mean 'small'"):
        build_network("resnet18", num_classes=3, stem="smal")


def test_training_outputs_are_one_tensor_also_for_networks_with_auxiliary_heads() -> None:
    network = build_network("googlenet", num_classes=4).train()
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 4)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"did you mean .*'resnet18'.*package.module:factory"):
        load_classifier("resnet-18")


def test_a_published_network_without_weights_is_refused() -> None:
    with pytest.raises(InputError, match=r"untrained.*--checkpoint.*core.train --model resnet18"):
        load_classifier("resnet18")


def test_timm_that_is_not_installed_is_said_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=r"pip install 'inputscape\[timm\]'"):
        build_network("timm/resnet18", num_classes=3)


def test_timm_networks_come_with_their_normalisation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    def create_model(name: str, pretrained: bool, num_classes: int = 9, in_chans: int = 3):  # type: ignore[no-untyped-def]
        assert not pretrained
        network = nn.Sequential(nn.Conv2d(in_chans, 4, 3), nn.Flatten(), nn.LazyLinear(num_classes))
        network.pretrained_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)}
        network(torch.zeros(1, in_chans, 8, 8))
        return network

    fake = SimpleNamespace(
        is_model=lambda name: name == "tiny",
        list_models=lambda: ["tiny"],
        create_model=create_model,
    )
    monkeypatch.setitem(sys.modules, "timm", fake)  # type: ignore[arg-type]
    path = f"{tmp_path}/net.pt"
    torch.save(build_network("timm/tiny", num_classes=5).state_dict(), path)
    classifier = load_classifier("timm/tiny", checkpoint=path)
    assert (classifier.num_classes, classifier.channels) == (5, 3)
    assert str(classifier.normalisation) == "mean=0.5,0.5,0.5 std=0.2,0.2,0.2"
    with pytest.raises(InputError, match="did you mean 'timm/tiny'"):
        build_network("timm/tyni", num_classes=5)
