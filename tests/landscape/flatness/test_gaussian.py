from __future__ import annotations

import torch
from torch import nn

from landscape.flatness.gaussian import gaussian_noise
from landscape.flatness.log_odds import log_odds_shift
from landscape.flatness.noise import noise_rise
from landscape.flatness.stability import label_stability
from landscape.loss import Loss

RADII = [0.2, 1.0]


def test_one_pass_gives_what_three_give() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 3)).double()
    for i, weight in enumerate(net.requires_grad_(False).parameters()):
        drawn = torch.randn(weight.shape, generator=torch.Generator().manual_seed(i))
        weight.copy_(2 * drawn)
    images = torch.rand(5, 3, 2, 2, generator=torch.Generator().manual_seed(9)).double()
    predicted = net(images).argmax(1)
    # The label of the loss need not be the predicted one, which the log-odds refer to.
    labels = (predicted + torch.tensor([0, 1, 0, 2, 0])) % 3
    rows = 0

    def count(_: nn.Module, given: tuple[torch.Tensor]) -> None:
        nonlocal rows
        rows += len(given[0])

    handle = net.register_forward_pre_hook(count)
    rise, stability, shift = gaussian_noise(Loss(net, labels), images, predicted, RADII, draws=8)
    handle.remove()
    assert rows == 5 * (8 * 2 + 1)
    alone = noise_rise(Loss(net, labels), images, RADII, draws=8)
    torch.testing.assert_close(rise.mean, alone.mean)
    torch.testing.assert_close(rise.standard_error, alone.standard_error)
    kept = label_stability(net, images, labels, stability.sigmas, draws=8)
    torch.testing.assert_close(stability.share, kept.share)
    torch.testing.assert_close(stability.lower, kept.lower)
    odds = log_odds_shift(net, images, RADII, draws=8)
    torch.testing.assert_close(shift.shift, odds.shift)
    torch.testing.assert_close(shift.standard_error, odds.standard_error)
    assert torch.equal(shift.predicted, odds.predicted)
