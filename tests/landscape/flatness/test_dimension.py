from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from core.errors import InputError
from landscape.flatness.dimension import local_dimension, pooled_dimension


def ball(n: int, d: int, generator: torch.Generator) -> Tensor:
    """Draw points uniform in the unit ball."""
    direction = torch.randn(n, d, generator=generator, dtype=torch.float64)
    length = torch.rand(n, 1, generator=generator, dtype=torch.float64) ** (1 / d)
    return length * direction / direction.norm(dim=1, keepdim=True)


@pytest.mark.parametrize("d", [1, 3, 10])
@pytest.mark.parametrize("neighbours", [5, 20])
def test_in_the_middle_of_a_uniform_ball_it_is_unbiased_with_the_error_that_is_stated(
    d: int, neighbours: int
) -> None:
    generator = torch.Generator().manual_seed(d)
    middle, repeats = torch.zeros(1, d, dtype=torch.float64), 3000
    found = torch.cat(
        [
            local_dimension(middle, ball(40, d, generator), neighbours=neighbours)
            for _ in range(repeats)
        ]
    )
    # The sum of logarithms is a gamma variate: mean d, relative variance 1 / (k - 3).
    error = d / math.sqrt(neighbours - 3) / math.sqrt(repeats)
    assert abs(float(found.mean()) - d) < 4 * error
    assert float(found.std()) == pytest.approx(d / math.sqrt(neighbours - 3), rel=0.3)
    pooled = pooled_dimension(found, neighbours)
    assert abs(float(pooled) - d) < 4 * d / math.sqrt((neighbours - 1) * repeats)


def sphere(n: int, d: int, generator: torch.Generator) -> Tensor:
    """Draw points uniform on the sphere of dimension d, in `d + 1` coordinates."""
    direction = torch.randn(n, d + 1, generator=generator, dtype=torch.float64)
    return direction / direction.norm(dim=1, keepdim=True)


@pytest.mark.parametrize(("draw", "d"), [(ball, 2), (ball, 5), (sphere, 2), (sphere, 5)])
def test_it_finds_the_dimension_of_a_manifold_in_a_space_of_more(draw, d: int) -> None:
    """Consistent: with more points the neighbours come closer, and curvature matters less."""
    generator = torch.Generator().manual_seed(7)
    embedding = torch.linalg.qr(torch.randn(60, d + 1, generator=generator).double())[0]
    errors = []
    for n in (300, 20_000):
        points = draw(n, d, generator)
        placed = points @ embedding[:, : points.shape[1]].T + 5
        inner = points.norm(dim=1) < 0.6 if draw is ball else torch.ones(n, dtype=torch.bool)
        local = local_dimension(placed[inner][:400].float(), placed.float(), neighbours=20)
        errors.append(abs(float(pooled_dimension(local, 20)) / d - 1))
    assert errors[1] < 0.04
    assert errors[1] <= errors[0] + 0.02


def test_it_is_the_formula_of_levina_and_bickel() -> None:
    generator = torch.Generator().manual_seed(0)
    points, references = torch.rand(4, 2, 3, generator=generator), torch.rand(30, 2, 3)
    found = local_dimension(points, references, neighbours=7)
    for i in range(4):
        lengths = (references - points[i]).flatten(1).norm(dim=1).double().sort().values[:7]
        slow = 5 / sum(math.log(lengths[6] / lengths[j]) for j in range(6))
        assert float(found[i]) == pytest.approx(slow, rel=1e-5)


def test_neither_the_point_itself_nor_what_is_barred_is_a_neighbour() -> None:
    references = torch.rand(30, 3, generator=torch.Generator().manual_seed(1))
    point = references[:1]
    without = local_dimension(point, references[1:], neighbours=8)
    torch.testing.assert_close(local_dimension(point, references, neighbours=8), without)
    near = point + 1e-3  # a twin: its step is no distance between genuine images
    allowed = torch.ones(1, 31, dtype=torch.bool)
    allowed[0, 0] = False
    barred = local_dimension(point, torch.cat([near, references]), neighbours=8, allowed=allowed)
    torch.testing.assert_close(barred, without)
    assert local_dimension(point, torch.cat([near, references]), neighbours=8) < 0.9 * without


def test_scale_offset_and_batch_size_change_nothing() -> None:
    generator = torch.Generator().manual_seed(2)
    points, references = (torch.rand(n, 9, generator=generator) for n in (11, 50))
    found = local_dimension(points, references, neighbours=10)
    moved = local_dimension(1e-3 * points.double() + 7, 1e-3 * references.double() + 7,
                            neighbours=10)  # fmt: skip
    torch.testing.assert_close(moved, found, rtol=1e-6, atol=0)
    torch.testing.assert_close(
        local_dimension(points, references, neighbours=10, batch_size=3), found
    )


def test_bad_input_is_one_sentence() -> None:
    points = torch.rand(5, 2)
    with pytest.raises(InputError, match="--neighbours: expected at least 4"):
        local_dimension(points, points, neighbours=3)
    with pytest.raises(InputError, match="at most the 4 genuine references"):
        local_dimension(points, points, neighbours=5)
    assert len(local_dimension(points[:0], points, neighbours=4)) == 0
