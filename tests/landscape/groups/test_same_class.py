from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from landscape.groups.same_class import (
    control_of,
    controlled,
    donors,
    is_same_class,
    same_class_controls,
)
from landscape.loss import Loss


def test_a_control_is_named_after_its_group() -> None:
    name = control_of("pgd(norm=linf, eps=0.1)")
    assert is_same_class(name)
    assert controlled(name) == "pgd(norm=linf, eps=0.1)"
    assert not is_same_class("pgd(norm=linf, eps=0.1)")


@given(st.lists(st.integers(0, 2), min_size=1, max_size=12), st.integers(0, 3))
def test_a_donor_is_of_the_class_never_the_own_image_and_none_serves_twice_too_early(
    classes: list[int], seed: int
) -> None:
    ids = [f"x{i}" for i in range(len(classes))]
    genuine_classes, genuine_ids = [0, 0, 0, 1, 1], ["x0", "x1", "g", "x2", "h"]
    chosen = donors(classes, ids, genuine_classes, genuine_ids, seed=seed)
    for own, name, place in zip(classes, ids, chosen, strict=True):
        fit = [g for g, c in zip(genuine_ids, genuine_classes, strict=True) if c == own]
        if place < 0:
            assert set(fit) <= {name}
        else:
            assert genuine_classes[place] == own
            assert genuine_ids[place] != name
    back = donors(classes[::-1], ids[::-1], genuine_classes, genuine_ids, seed=seed)
    assert back[::-1] == chosen


def test_donors_take_turns() -> None:
    chosen = donors([0] * 6, [f"a{i}" for i in range(6)], [0] * 3, ["x", "y", "z"])
    assert sorted(chosen) == [0, 0, 1, 1, 2, 2]


def small_net() -> nn.Module:
    net = nn.Sequential(nn.Flatten(), nn.Linear(9, 3)).double()
    generator = torch.Generator().manual_seed(0)
    for weight in net.parameters():
        weight.requires_grad_(False).copy_(torch.randn(weight.shape, generator=generator))
    return net.eval()


def test_controls_have_the_losses_of_their_examples_and_keep_class_and_box() -> None:
    net = small_net()
    images = torch.rand(60, 1, 3, 3, generator=torch.Generator().manual_seed(1)).double()
    classes = net(images).argmax(1)
    common = int(classes.bincount().argmax())
    own = (classes == common).nonzero().squeeze(1)
    assert len(own) >= 20
    genuine, adversarial = images[own[:10]], images[own[10:20]]
    loss = Loss(net, torch.full((len(genuine),), common))
    found = same_class_controls(loss, genuine, adversarial)
    assert found.reached.all()
    torch.testing.assert_close(loss(found.images), loss(adversarial), rtol=2e-3, atol=0)
    assert (net(found.images).argmax(1) == common).all()
    assert found.images.min() >= 0
    assert found.images.max() <= 1
    alone = same_class_controls(loss.select(slice(3, 4)), genuine[3:4], adversarial[3:4])
    torch.testing.assert_close(alone.images[0], found.images[3], rtol=0, atol=1e-9)


def test_a_loss_out_of_reach_is_said_to_be() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False)).double().requires_grad_(False)
    net[1].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    inside, outside = torch.full((1, 1, 1, 2), 0.5).double(), torch.full((1, 1, 1, 2), 9.0).double()
    loss = Loss(net, torch.tensor([0]))
    assert not same_class_controls(loss, inside, outside).reached.any()
