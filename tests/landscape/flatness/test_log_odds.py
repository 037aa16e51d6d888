from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from core.errors import InputError
from landscape.flatness.log_odds import LogOddsShift, log_odds_score, log_odds_shift


class Quadratic(nn.Module):
    """Logits `x' A_z x`: under Gaussian noise they rise by `sigma^2 tr A_z`, wherever x is."""

    def __init__(self, d: int, classes: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.matrices = torch.randn(classes, d, d, generator=generator, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(1)
        return torch.einsum("ni,kij,nj->nk", rows, self.matrices, rows)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 5))
def test_of_a_linear_classifier_nothing_shifts(seed: int, radius: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    net = nn.Linear(6, 4).double().requires_grad_(False)
    net.weight.copy_(torch.randn(4, 6, generator=generator))
    images = torch.rand(3, 6, generator=generator).double()
    found = log_odds_shift(net, images, [radius], draws=8)
    assert found.shift.abs().max() < 1e-12 * (1 + radius)
    assert found.standard_error.max() < 1e-12 * (1 + radius)


def test_of_quadratic_logits_it_is_the_difference_of_their_traces() -> None:
    net = Quadratic(5, 3)
    images = torch.randn(30, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    radii = [0.3, 1.0]
    found = log_odds_shift(net, images, radii, draws=800)
    predicted = net(images).argmax(1)
    assert torch.equal(found.predicted, predicted)
    traces = net.matrices.diagonal(dim1=1, dim2=2).sum(1)
    expected = (
        torch.tensor(radii).double().square()[None, :, None] / 5
        * (traces[None] - traces[predicted][:, None])[:, None]
    )  # fmt: skip
    z = ((found.shift - expected) / found.standard_error.clamp_min(1e-12)).flatten()
    z = z[(expected != 0).flatten()]
    assert z.abs().max() < 4.5
    assert 0.7 < z.std() < 1.4, "the standard error is not that of the estimate"
    assert found.shift[torch.arange(30), :, predicted].eq(0).all()


def test_the_largest_is_taken_over_the_rivals_alone() -> None:
    values = torch.tensor([[[0.0, -2.0, -1.0], [0.0, 3.0, 5.0]]]).double()
    shift = LogOddsShift((0.1, 0.2), torch.tensor([0]), values, values.abs() / 10, 8)
    largest, error = shift.largest()
    assert largest.tolist() == [[-1.0, 5.0]]
    assert error[0].tolist() == pytest.approx([0.1, 0.5])


def drawn(counts: list[int], seed: int = 0, r: int = 2, k: int = 3) -> LogOddsShift:
    """Return shifts of references, so many of each predicted class."""
    predicted = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    values = torch.randn(
        len(predicted), r, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    values = 3 * values + predicted[:, None, None]
    values[torch.arange(len(predicted)), :, predicted] = 0
    return LogOddsShift((0.1, 0.2), predicted, values, torch.zeros_like(values), 8)


def test_each_class_is_standardised_by_its_own_references() -> None:
    references, images = drawn([30, 40, 12]), drawn([2, 3, 4], seed=1)
    found, rivals = log_odds_score(images, references)
    for i, own in enumerate(images.predicted.tolist()):
        alike = references.shift[references.predicted == own].numpy()
        mean, deviation = alike.mean(0), alike.std(0, ddof=1)
        for r in range(2):
            best = max(
                (float(images.shift[i, r, z]) - mean[r, z]) / deviation[r, z]
                for z in range(3) if z != own
            )  # fmt: skip
            assert float(found[i, r]) == pytest.approx(best)
            z = int(rivals[i, r])
            assert z != own
            own_score = (float(images.shift[i, r, z]) - mean[r, z]) / deviation[r, z]
            assert own_score == pytest.approx(best)


def test_a_class_with_few_references_is_standardised_by_those_of_all_others_than_the_rival() -> (
    None
):
    references, images = drawn([30, 40, 9]), drawn([0, 0, 4], seed=1)
    found, _ = log_odds_score(images, references)
    for i in range(4):
        for r in range(2):
            scores = []
            for z in (0, 1):
                others = references.shift[references.predicted != z][:, r, z].numpy()
                value = float(images.shift[i, r, z])
                scores.append((value - others.mean()) / others.std(ddof=1))
            assert float(found[i, r]) == pytest.approx(max(scores))


def test_what_is_barred_does_not_serve() -> None:
    references, images = drawn([30, 30, 30]), drawn([1, 1, 1], seed=1)
    allowed = torch.ones(3, 90, dtype=torch.bool)
    allowed[:, ::3] = False
    kept = torch.arange(90) % 3 != 0
    fewer = LogOddsShift(
        references.radii, references.predicted[kept], references.shift[kept],
        references.standard_error[kept], 8,
    )  # fmt: skip
    torch.testing.assert_close(
        log_odds_score(images, references, allowed)[0], log_odds_score(images, fewer)[0]
    )


def test_genuine_images_score_as_a_largest_of_normal_variates_does() -> None:
    references, images = drawn([400, 400, 400]), drawn([400, 400, 400], seed=1)
    found, _ = log_odds_score(images, references)
    # The larger of two standard normal variates has mean 1 / sqrt(pi).
    assert abs(float(found.mean()) - torch.pi**-0.5) < 0.06


def test_a_rival_whose_references_do_not_vary_counts_as_zero() -> None:
    references = drawn([20, 20, 20])
    references.shift[:, :, 2] = 1.0
    images = drawn([1, 0, 0], seed=1)
    images.shift[0, :, 1] = -100.0
    assert log_odds_score(images, references)[0].tolist() == [[0.0, 0.0]]


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(InputError, match="expected radii"):
        log_odds_score(drawn([1, 1, 1]), drawn([20, 20, 20], r=2, k=4))
    with pytest.raises(InputError, match="at least 2 genuine images, found 1"):
        log_odds_score(drawn([1, 0, 0]), drawn([1, 0, 0]))
    with pytest.raises(InputError, match="--radii"):
        log_odds_shift(nn.Linear(2, 2), torch.zeros(1, 2), [-1.0])
