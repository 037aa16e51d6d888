from __future__ import annotations

import pytest
import torch
from torch import nn

from core.errors import InputError
from landscape.flatness.gradients import DUAL, ORDERS, gradient_norm
from landscape.flatness.worst_case import worst_case_rise
from landscape.loss import Loss


def test_norms_of_a_softmax_linear_classifier_are_those_of_its_closed_form() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 5)).double().requires_grad_(False)
    images, labels = torch.rand(7, 3, 2, 2, dtype=torch.float64), torch.arange(7) % 5
    gap = net(images).softmax(1) - torch.eye(5, dtype=torch.float64)[labels]
    gradient = gap @ net[1].weight
    found = gradient_norm(Loss(net, labels), images, ["l1", "l2", "linf"], batch_size=2)
    torch.testing.assert_close(found["l1"], gradient.abs().sum(1))
    torch.testing.assert_close(found["l2"], gradient.square().sum(1).sqrt())
    torch.testing.assert_close(found["linf"], gradient.abs().amax(1))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_dual_norm_bounds_the_worst_case_to_first_order(norm: str) -> None:
    net = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 3)).double().requires_grad_(False)
    images, labels = torch.rand(4, 6, dtype=torch.float64), torch.tensor([0, 1, 2, 0])
    loss = Loss(net, labels)
    slope = gradient_norm(loss, images, [DUAL[norm]])[DUAL[norm]]
    rise = worst_case_rise(loss, images, [1e-6], norm=norm).rise[:, 0]
    torch.testing.assert_close(rise / 1e-6, slope, rtol=1e-4, atol=0)


def test_the_exponents_of_dual_norms_are_conjugate() -> None:
    assert set(DUAL) == set(ORDERS)
    assert all(1 / ORDERS[norm] + 1 / ORDERS[dual] == 1 for norm, dual in DUAL.items())


def test_an_unknown_norm_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'linf'"):
        gradient_norm(lambda x: x.sum(1), torch.zeros(1, 2), ["inf"])
