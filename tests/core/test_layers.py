"""Layers are listed, captured and replaced without a trace in the network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.layers import (
    capture,
    layer_module,
    layer_names,
    layer_table,
    replacing,
    resolve_layer,
)
from core.models import Classifier, Normalisation


class Twice(nn.Module):
    """Uses one ReLU twice, and in place; its last layer counts how often it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Linear(4, 4)
        self.pair = Pair()
        self.last = Counting()
        self.unused = nn.Linear(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.relu(self.first(x))
        hidden = self.relu(self.second(hidden))
        return self.last(self.pair(hidden)[0])


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.runs = 0

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        return x - 1


@pytest.fixture
def network() -> Twice:
    torch.manual_seed(0)
    return Twice()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(5, 3, generator=torch.Generator().manual_seed(1))


def hooks_of(network: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules())


def test_outputs_are_those_of_the_layers_also_before_an_operation_in_place(
    network: Twice, images: Tensor
) -> None:
    first = network.first(images)
    hidden = network.second(first.clone().relu())
    found = capture(network, ["relu:2", "input", "first", "relu", "second"], images)
    assert list(found) == ["relu:2", "input", "first", "relu", "second"]
    expected = {
        "input": images,
        "first": first,
        "relu": first.relu(),
        "second": hidden,
        "relu:2": hidden.relu(),
    }
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
    assert (first < 0).any()


def test_what_lies_deeper_is_not_run(network: Twice, images: Tensor) -> None:
    capture(network, ["first", "relu:2"], images)
    capture(network, ["input"], images)
    assert network.last.runs == 0
    capture(network, ["last"], images)
    assert network.last.runs == 1
    broken = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(99, 2))
    assert capture(broken, ["1"], images)["1"].shape == (5, 4)


def test_a_deeper_output_can_be_differentiated_by_a_shallower_one(
    network: Twice, images: Tensor
) -> None:
    found = capture(network, ["first", "second"], images)
    (gradient,) = torch.autograd.grad(found["second"].sum(), found["first"])
    expected = (found["first"] > 0) * network.second.weight.sum(0)
    torch.testing.assert_close(gradient, expected)


def test_a_function_takes_the_place_of_one_use_of_a_layer_in_every_pass(
    network: Twice, images: Tensor
) -> None:
    before = network(images)
    with replacing(network, "relu:2", lambda output: output * 0 + 3):
        for _ in range(2):
            assert torch.equal(network(images), torch.full((5, 4), 2.0))
        assert (capture(network, ["relu:2"], images)["relu:2"] == 3).all()
        assert not (capture(network, ["relu"], images)["relu"] == 3).any()
    with replacing(network, "input", torch.zeros_like):
        assert torch.equal(network(images)[0], network(images)[1])
    assert torch.equal(network(images), before)


def test_the_input_of_a_classifier_is_the_image_before_normalisation() -> None:
    inner = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    classifier = Classifier(inner, spec="mine", normalisation=Normalisation((0.5,), (0.25,)))
    images = torch.rand(2, 1, 2, 2)
    found = capture(classifier, ["input", "0"], images)
    assert found["input"] is images
    assert torch.equal(found["0"], (images.flatten(1) - 0.5) / 0.25)
    assert layer_names(classifier) == ["input", "0", "1"]
    with replacing(classifier, "input", lambda _: torch.full_like(images, 0.5)):
        assert torch.equal(classifier(images), inner[1].bias.expand(2, 2))
    with replacing(classifier, "1", torch.zeros_like):
        assert not inner(images).any()
        assert not inner(images).any()


def test_no_hook_is_left_behind_not_even_after_an_exception(network: Twice, images: Tensor) -> None:
    capture(network, ["first", "relu:2"], images)
    layer_table(network, images)
    with pytest.raises(RuntimeError):
        capture(network, ["second", "last"], images[:, :2])
    with pytest.raises(InputError):
        capture(network, ["first", "unused"], images)
    with pytest.raises(InputError):
        capture(network, ["first", "nothing"], images)
    with pytest.raises(RuntimeError):
        layer_table(network, images[:, :2])
    with pytest.raises(ZeroDivisionError), replacing(network, "relu", lambda _: 1 / 0):  # type: ignore[arg-type, return-value]
        network(images)
    assert hooks_of(network) == 0


def test_the_table_lists_uses_shapes_types_and_what_is_not_reached(
    network: Twice, images: Tensor
) -> None:
    network.train()
    rows = [(row.name, row.type, row.shape, row.parameters) for row in layer_table(network, images)]
    assert rows == [
        ("input", "Tensor", (3,), 0),
        ("first", "Linear", (4,), 16),
        ("relu", "ReLU", (4,), 0),
        ("second", "Linear", (4,), 20),
        ("relu:2", "ReLU", (4,), 0),
        ("pair", "Pair", None, 0),
        ("last", "Counting", (4,), 0),
        ("unused", "Linear", None, 2),
    ]
    assert network.training
    assert network.first.weight.requires_grad


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        ("frist", "did you mean 'first'"),
        ("relu:0", "unknown name 'relu:0'"),
        ("pair", "gives a tuple"),
        ("unused", "does not reach unused"),
        ("relu:3", "does not reach relu:3"),
    ],
)
def test_a_layer_that_cannot_be_had_is_one_sentence(
    network: Twice, images: Tensor, layer: str, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        capture(network, [layer], images)


def test_names_resolve_to_their_plain_spelling_and_module(network: Twice) -> None:
    assert [resolve_layer(network, n) for n in ("input", "relu:1", "relu:2")] == [
        "input",
        "relu",
        "relu:2",
    ]
    assert layer_module(network, "relu:2") is network.relu
    with pytest.raises(InputError, match="'input' is the image itself"):
        layer_module(network, "input")
