from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from core.layers import capture
from core.models import load_classifier
from core.stages import stage_layers
from core.vision import torchvision


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("digits_convnet", ("3", "7", "12")),
        ("digits_mlp", ("3", "6")),
        ("digits_residual", ("0", "2", "7")),
    ],
)
def test_stages_of_the_nets_for_digits(model: str, expected: tuple[str, ...]) -> None:
    classifier = load_classifier(model)
    example = torch.rand(1, 1, 8, 8)
    found = stage_layers(classifier, example)
    assert found == expected
    assert set(capture(classifier, found, example)) == set(expected)


def test_stages_of_a_resnet_are_among_its_own() -> None:
    net = torchvision().models.resnet18().eval()
    assert stage_layers(net, torch.zeros(1, 3, 64, 64)) == ("layer1", "layer2", "avgpool")


class Wrapped(nn.Module):
    """Everything is two levels down, and the logits come out of a part of its own."""

    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(6)]
        self.body = nn.Sequential(nn.Flatten(), nn.Sequential(*layers))
        self.head = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))


def test_the_largest_part_is_opened_until_there_are_enough_and_the_last_is_what_the_head_reads():
    found = stage_layers(Wrapped(), torch.zeros(1, 1, 2, 2))
    assert found == ("body.1.1", "body.1.3", "body.1.5")
    assert stage_layers(Wrapped(), torch.zeros(1, 1, 2, 2), count=1) == ("body",)


def test_of_several_parts_the_one_with_the_most_parameters_is_opened() -> None:
    def part(width: int) -> nn.Module:
        return nn.Sequential(*(nn.Linear(width, width) for _ in range(3)))

    net = nn.Sequential(nn.Flatten(), part(4), nn.Linear(4, 8), part(8), nn.Linear(8, 2))
    assert stage_layers(net, torch.zeros(1, 1, 2, 2), count=5) == ("1", "2", "3.0", "3.1", "3.2")


def test_a_linear_classifier_has_no_hidden_layer() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    assert stage_layers(net, torch.zeros(1, 1, 2, 2)) == ()


def test_the_network_is_left_as_it_was() -> None:
    net = Wrapped().train()
    stage_layers(net, torch.zeros(1, 1, 2, 2))
    assert net.training
    assert not any(module._forward_hooks for module in net.modules())
