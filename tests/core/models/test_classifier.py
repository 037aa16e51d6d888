"""A classifier normalises inside, refuses what does not fit, and is told apart by its content."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.models import Classifier, Normalisation, evaluating, fingerprint


def small(**options: object) -> Classifier:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2)
    )
    settings = {"spec": "mine", "normalisation": Normalisation((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))}
    return Classifier(network, **(settings | options)).eval()  # type: ignore[arg-type]


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 3, 3, generator=torch.Generator().manual_seed(0))


def test_images_are_normalised_per_channel_inside(images: Tensor) -> None:
    classifier = small()
    by_hand = torch.stack(
        [(images[:, i] - m) / s for i, (m, s) in enumerate([(0.5, 0.2), (0.4, 0.3), (0.3, 0.4)])],
        dim=1,
    )
    torch.testing.assert_close(classifier(images), classifier.network(by_hand))
    plain = small(normalisation=None)
    assert torch.equal(plain(images), plain.network(images))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda x: x[0], r"\(3, 3, 3\)"),
        (lambda x: x[:, :1], r"\(2, 1, 3, 3\)"),
        (lambda x: (x * 255).byte(), "torch.uint8"),
    ],
)
def test_images_of_another_rank_type_or_channels_are_refused(
    images: Tensor, change: object, found: str
) -> None:
    with pytest.raises(InputError, match=found):
        small()(change(images))  # type: ignore[operator]


def test_parts_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(InputError, match=r"is for 3 channels, but mine takes images with 1"):
        small(in_channels=1)
    with pytest.raises(InputError, match=r"3 names for the 2 outputs"):
        small(num_classes=2, class_names=["a", "b", "c"])


def test_the_fingerprint_knows_content_and_nothing_else() -> None:
    own = fingerprint(small())
    assert fingerprint(small(class_names=["a", "b"])) == own
    assert fingerprint(pickle.loads(pickle.dumps(small()))) == own
    assert fingerprint(copy.deepcopy(small()).train().requires_grad_(False)) == own
    others = [
        small(spec="other"),
        small(stem="small"),
        small(normalisation=None),
        small().double(),
    ]
    for name in ("0.weight", "4.bias", "1.running_var", "1.num_batches_tracked"):
        other = small()
        value = other.network.state_dict()[name].view(-1)
        value[-1:] += 1
        others.append(other)
    found = {fingerprint(other) for other in others}
    assert len(found) == len(others)
    assert own not in found


def test_the_fingerprint_knows_values_that_print_alike() -> None:
    one, other = small(), small()
    weight = other.network.state_dict()["0.weight"]
    weight.copy_(torch.nextafter(weight, weight + 1))
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize("failing", [False, True])
def test_evaluating_restores_every_mode_and_flag(failing: bool) -> None:
    network = nn.Sequential(nn.BatchNorm1d(2), nn.Sequential(nn.Dropout(), nn.Linear(2, 2)))
    network[1].eval()
    network[1][0].train()
    network[1][1].bias.requires_grad_(False)

    def state() -> list[bool]:
        flags = [p.requires_grad for p in network.parameters()]
        return [m.training for m in network.modules()] + flags

    before = state()
    assert any(before)
    try:
        with evaluating(network):
            assert not any(state())
            if failing:
                raise KeyError
    except KeyError:
        pass
    assert state() == before
