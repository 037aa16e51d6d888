"""Evaluation at many points: against single passes, in any batch size, with the box."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from core.errors import InputError
from landscape import Loss, slices

N, CLASSES = 5, 4


def net(dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, CLASSES)
    ).to(dtype)  # fmt: skip
    return layers.eval().requires_grad_(False)


def images(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(N, 1, 6, 6, generator=torch.Generator().manual_seed(1)).to(dtype)


LABELS = torch.arange(N) % CLASSES


@pytest.mark.parametrize("kind", ["cross_entropy", "margin", "log_probability"])
def test_every_point_is_what_one_pass_at_that_point_gives(kind):
    classifier, x = net(), images()
    axes = slices.random_directions(x, 2, seed=3)
    places = torch.randn(N, 7, 2, generator=torch.Generator().manual_seed(2)).double()
    seen = slices.seen_at(Loss(classifier, LABELS, kind), x, axes, places, batch_size=4)
    for i in range(N):
        for k in range(7):
            u, v = places[i, k]
            point = (x[i] + u * axes[i, 0] + v * axes[i, 1]).unsqueeze(0)
            logits = classifier(point)
            own = LABELS[i : i + 1]
            expected = Loss(classifier, own, kind)(point)
            torch.testing.assert_close(seen.loss[i, k], expected[0])
            torch.testing.assert_close(seen.logits[i, k], logits[0])
            assert seen.prediction[i, k] == logits.argmax()
            rest = torch.cat([logits[0, : own[0]], logits[0, own[0] + 1 :]])
            torch.testing.assert_close(seen.margin[i, k], logits[0, own[0]] - rest.max())
            assert seen.kept[i, k] == (logits.argmax() == own[0])
            torch.testing.assert_close(
                seen.excess[i, k], torch.maximum((point - 1).max(), (-point).max())
            )


@pytest.mark.parametrize("batch_size", [1, 3, 17, 1000])
def test_numbers_do_not_depend_on_the_batch_size(batch_size):
    x = images(torch.float32)
    axes = slices.random_directions(x, 2)
    places = torch.randn(9, 2, generator=torch.Generator().manual_seed(2))
    loss = Loss(net(torch.float32), LABELS)
    whole = slices.seen_at(loss, x, axes, places, batch_size=256)
    other = slices.seen_at(loss, x, axes, places, batch_size=batch_size)
    torch.testing.assert_close(other.loss, whole.loss, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(other.logits, whole.logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(other.excess, whole.excess, rtol=0, atol=1e-6)


def test_a_plain_function_is_given_whole_copies_of_the_batch():
    rows = []

    def counted(points):
        rows.append(len(points))
        return points.flatten(1).sum(1) * torch.arange(1.0, N + 1).repeat(len(points) // N)

    x = images()
    seen = slices.seen_at(counted, x, torch.zeros_like(x).unsqueeze(1), torch.zeros(5, 1),
                          batch_size=2)  # fmt: skip
    assert all(count % N == 0 for count in rows)
    expected = x.flatten(1).sum(1) * torch.arange(1.0, N + 1)
    torch.testing.assert_close(seen.loss, expected.unsqueeze(1).expand(-1, 5))
    assert seen.logits is None
    for name in ("prediction", "margin", "kept"):
        with pytest.raises(InputError, match="plain function"):
            getattr(seen, name)


def test_points_beyond_the_box_are_marked_and_never_clipped_unless_asked():
    x = torch.tensor([[0.5, 0.9]])
    axes = torch.tensor([[[0.0, 1.0]]])
    places = torch.tensor([[-1.0], [0.0], [0.1], [0.35]])

    def second(points):
        return points[:, 1]

    marked = slices.seen_at(second, x, axes, places)
    torch.testing.assert_close(marked.loss[0], torch.tensor([-0.1, 0.9, 1.0, 1.25]).double())
    assert marked.inside[0].tolist() == [False, True, True, False]
    clipped = slices.seen_at(second, x, axes, places, box="clip")
    torch.testing.assert_close(clipped.loss[0], torch.tensor([0.0, 0.9, 1.0, 1.0]).double())
    assert torch.equal(clipped.excess, marked.excess)


def test_losses_of_sure_classifiers_keep_their_precision():
    loss = Loss(nn.Flatten(), torch.tensor([0]))
    x, axes = torch.tensor([[0.0, 0.0]]), torch.tensor([[[1.0, 0.0]]])
    seen = slices.seen_at(loss, x, axes, torch.tensor([[50.0]]))
    assert seen.loss[0, 0].item() == pytest.approx(torch.tensor(-50.0).double().exp().item())


def test_bad_arguments_are_refused():
    x, loss = images(), Loss(net(), LABELS)
    axes = slices.random_directions(x, 2)
    with pytest.raises(InputError, match="--box: unknown name 'clamp'"):
        slices.seen_at(loss, x, axes, torch.zeros(1, 2), box="clamp")
    with pytest.raises(InputError, match="axes: expected"):
        slices.seen_at(loss, x, axes, torch.zeros(1, 3))
    with pytest.raises(InputError, match="expected 5, one per label, found 2"):
        slices.seen_at(loss, x[:2], axes[:2], torch.zeros(1, 2))
    with pytest.raises(InputError, match="not finite"):
        slices.seen_at(lambda p: p.flatten(1).sum(1) / 0, x, axes, torch.zeros(1, 2))
