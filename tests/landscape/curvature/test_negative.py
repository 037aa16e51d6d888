from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from landscape.curvature import negative_curvature
from landscape.loss import Loss


def case(activation: nn.Module, kind: str = "cross_entropy") -> tuple[Loss, Tensor]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 20), activation, nn.Linear(20, 4)).double()
    net.requires_grad_(False)[-1].weight.mul_(6)
    images = torch.rand(5, 3, 2, 2, dtype=torch.float64)
    return Loss(net, torch.arange(5) % 4, kind), images


def dense(loss: Loss, images: Tensor) -> Tensor:
    hessian = torch.func.hessian(lambda x: loss(x.reshape(images.shape)).sum())
    whole = hessian(images.flatten(1))
    return torch.stack([whole[i, :, i] for i in range(len(images))])


def test_a_piecewise_linear_networks_cross_entropy_has_exactly_none() -> None:
    loss, images = case(nn.ReLU())
    found = negative_curvature(loss, images, bottom=2)
    for value in (found.smallest, found.error, found.share, found.share_standard_error):
        assert value.eq(0).all()
    assert found.smallest.shape == (5, 2)
    assert torch.linalg.eigvalsh(dense(loss, images)).min() > -1e-12


@pytest.mark.parametrize(
    ("activation", "kind"),
    [(nn.GELU(), "cross_entropy"), (nn.GELU(), "margin"), (nn.ReLU(), "log_probability")],
)
def test_smallest_eigenvalues_and_share_are_those_of_the_dense_hessian(
    activation: nn.Module, kind: str
) -> None:
    loss, images = case(activation, kind)
    true = torch.linalg.eigvalsh(dense(loss, images))
    found = negative_curvature(loss, images, bottom=2, probes=64, probe_steps=12)
    torch.testing.assert_close(found.smallest, true[:, :2], rtol=1e-7, atol=1e-12)
    share = (-true).clamp_min(0).sum(1) / true.abs().sum(1)
    assert ((found.share - share).abs() <= 4 * found.share_standard_error + 1e-9).all()
    assert (found.share_standard_error < 0.1).all()
    assert true[:, 0].min() < 0


def test_a_flat_loss_has_a_share_of_zero() -> None:
    found = negative_curvature(lambda x: x.flatten(1).sum(1), torch.rand(2, 3))
    assert found.smallest.eq(0).all()
    assert found.share.eq(0).all()
