from __future__ import annotations

import torch
from torch import Tensor

from landscape.rows import Rows, ranks


class Scaled:
    """Each example has a slope of its own; rows belong to the examples by their place."""

    def __init__(self, slopes: Tensor) -> None:
        self.slopes = slopes

    def __call__(self, x: Tensor) -> Tensor:
        copies, rest = divmod(len(x), len(self.slopes))
        assert not rest
        return x[:, 0] ** 2 * self.slopes.repeat(copies)


class Selectable(Scaled):
    def select(self, examples: Tensor) -> Selectable:
        return Selectable(self.slopes[examples])


def test_rows_are_evaluated_for_the_pair_they_belong_to() -> None:
    slopes = torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64)
    owners = torch.tensor([2, 0, 2, 2, 1])
    points = torch.arange(1.0, 6.0, dtype=torch.float64).unsqueeze(1)
    for loss in (Scaled(slopes), Selectable(slopes)):
        for size in (1, 2, 99):
            rows = Rows(loss, 3, size)
            values, gradients = rows.gradients(points, owners)
            expected = points[:, 0] ** 2 * slopes[owners]
            torch.testing.assert_close(rows.values(points, owners), expected)
            torch.testing.assert_close(values, expected)
            torch.testing.assert_close(gradients[:, 0], 2 * points[:, 0] * slopes[owners])


def test_no_rows_cost_nothing() -> None:
    def never(x: Tensor) -> Tensor:
        raise AssertionError

    values, gradients = Rows(never, 3, 4).gradients(torch.zeros(0, 2), torch.zeros(0).long())
    assert values.shape == (0,)
    assert gradients.shape == (0, 2)


def test_ranks_count_earlier_rows_of_the_same_pair() -> None:
    pairs = torch.randint(0, 5, (40,), generator=torch.Generator().manual_seed(0))
    expected = [int((pairs[:i] == pairs[i]).sum()) for i in range(40)]
    assert ranks(pairs, 5).tolist() == expected
