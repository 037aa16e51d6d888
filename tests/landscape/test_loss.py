from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.losses import LOSSES
from landscape.loss import Loss, blocks, evaluate, example_ids, radii_of, value_and_gradient

NET = nn.Sequential(nn.Flatten(), nn.Linear(12, 4)).double()
IMAGES = torch.rand(5, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABELS = torch.tensor([0, 1, 2, 3, 0])


@pytest.mark.parametrize("kind", LOSSES)
def test_copies_are_stacked_copy_major(kind: str) -> None:
    loss = Loss(NET, LABELS, kind)
    each = torch.cat([LOSSES[kind](NET(IMAGES * k), LABELS) for k in (1, 2, 3)])
    stacked = torch.cat([IMAGES, IMAGES * 2, IMAGES * 3])
    torch.testing.assert_close(loss(stacked), each)


def test_rows_that_are_no_whole_copies_are_refused() -> None:
    with pytest.raises(InputError, match="whole copies of 5 examples"):
        Loss(NET, LABELS)(IMAGES[:4])


@pytest.mark.parametrize("labels", [torch.zeros(2, 1, dtype=torch.int64), torch.zeros(2)])
def test_labels_that_are_no_vector_of_integers_are_refused(labels: Tensor) -> None:
    with pytest.raises(InputError, match="labels: expected integers"):
        Loss(NET, labels)


def test_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'margin'"):
        Loss(NET, LABELS, "margn")


@pytest.mark.parametrize("batch_size", [1, 2, 5, 99])
def test_blocks_cover_the_examples_in_order_with_their_own_labels(batch_size: int) -> None:
    loss = Loss(NET, LABELS)
    parts = list(blocks(loss, IMAGES, batch_size))
    assert all(len(x) <= batch_size for _, _, x in parts)
    assert torch.equal(torch.cat([x for _, _, x in parts]), IMAGES)
    torch.testing.assert_close(torch.cat([part(x) for _, part, x in parts]), loss(IMAGES))


def test_a_plain_function_is_never_given_a_part_of_the_batch() -> None:
    seen: list[int] = []

    def loss(x: Tensor) -> Tensor:
        seen.append(len(x))
        return x.flatten(1).sum(1)

    ((_, part, x),) = blocks(loss, IMAGES, 2)
    evaluate(part, torch.stack([x, x, x]), 2)
    assert seen == [5, 5, 5]


def test_no_forward_pass_is_larger_than_the_batch_size() -> None:
    seen: list[int] = []

    class Spy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return NET(x)

    for _, part, x in blocks(Loss(Spy(), LABELS), IMAGES, 4):
        evaluate(part, x.expand(7, *x.shape), 4)
    assert max(seen) <= 4


def test_gradients_reach_the_images_and_nothing_else() -> None:
    images = IMAGES.clone()
    with torch.no_grad():
        value, gradient = value_and_gradient(Loss(NET, LABELS), images)
    assert value.shape == (5,)
    assert gradient.abs().sum() > 0
    assert all(p.grad is None for p in NET.parameters())
    assert images.grad is None
    assert not images.requires_grad


def test_a_loss_that_is_not_finite_is_refused() -> None:
    with pytest.raises(InputError, match="not finite for 1 of 2"):
        evaluate(lambda x: x.log().sum(1), torch.tensor([[[0.0], [1.0]]]), 4)


def test_ids_and_radii_are_checked() -> None:
    assert example_ids(None, 2) == ["0", "1"]
    with pytest.raises(InputError, match="one per example"):
        example_ids(["a"], 2)
    for bad in ([], [-1.0], [float("nan")]):
        with pytest.raises(InputError, match="--radii"):
            radii_of(bad)
