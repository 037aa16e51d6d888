"""The difference of logits ratio against its definition."""

from __future__ import annotations

import pytest
import torch

from attacks.dlr import dlr, targeted_dlr


def logits(classes: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(classes)
    return torch.randn(40, classes, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("classes", [3, 4, 10])
def test_the_ratio_is_the_one_of_its_definition(classes):
    z = logits(classes)
    labels = torch.arange(40) % classes
    for row, label, value in zip(z.tolist(), labels.tolist(), dlr(z, labels).tolist(), strict=True):
        ranked = sorted(row, reverse=True)
        other = max(x for place, x in enumerate(row) if place != label)
        assert value == pytest.approx(-(row[label] - other) / (ranked[0] - ranked[2]), rel=1e-12)


def test_the_targeted_ratio_is_the_one_of_its_definition():
    z = logits(10)
    labels, targets = torch.arange(40) % 10, (torch.arange(40) + 3) % 10
    values = targeted_dlr(z, labels, targets).tolist()
    for row, label, target, value in zip(
        z.tolist(), labels.tolist(), targets.tolist(), values, strict=True
    ):
        ranked = sorted(row, reverse=True)
        scale = ranked[0] - (ranked[2] + ranked[3]) / 2
        assert value == pytest.approx(-(row[label] - row[target]) / scale, rel=1e-12)


@pytest.mark.parametrize("classes", [3, 4, 10])
def test_the_scale_of_the_logits_does_not_matter(classes):
    z = logits(classes)
    labels, targets = torch.arange(40) % classes, (torch.arange(40) + 1) % classes
    torch.testing.assert_close(dlr(1e6 * z, labels), dlr(z, labels))
    torch.testing.assert_close(
        targeted_dlr(9 * z, labels, targets), targeted_dlr(z, labels, targets)
    )


def test_with_two_classes_it_is_the_difference_of_the_logits():
    z = logits(2)
    labels = torch.arange(40) % 2
    difference = z.gather(1, 1 - labels[:, None])[:, 0] - z.gather(1, labels[:, None])[:, 0]
    assert torch.equal(dlr(z, labels), difference)
    assert torch.equal(targeted_dlr(z, labels, 1 - labels), difference)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_equal_logits_have_a_finite_gradient(classes):
    z = torch.ones(4, classes, requires_grad=True)
    labels = torch.zeros(4, dtype=torch.int64)
    (dlr(z, labels) + targeted_dlr(z, labels, labels + 1)).sum().backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()
