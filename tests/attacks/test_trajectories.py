"""Trajectories: what was recorded is where the examples went."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from attacks import ascend, craft
from attacks.norms import lengths
from attacks.objectives import lead, log_odds
from attacks.trajectories import Record
from core.errors import InputError

RECIPES = [
    "pgd(eps=0.05, steps=7)",
    "pgd(norm=l2, eps=0.3, steps=6, restarts=2)",
    "pgd(norm=l1, eps=1.5, steps=6, random_start=false, optimiser=plain, step_size=2)",
    "pgd(eps=0.05, steps=6, optimiser=adam, restarts=2)",
    "pgd(eps=0.05, steps=5, noisy=gaussian, stop=true)",
    "pgd(eps=0.1, steps=5, transform=noise, samples=2, restarts=2, stop=true)",
    "fgsm(eps=0.05)",
]


def setting(n: int = 12):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(36, 20), nn.Tanh(), nn.Linear(20, 4)).double()
    images = torch.rand(n, 1, 6, 6, generator=torch.Generator().manual_seed(1)).double()
    labels = model(images).argmax(1)
    labels[0] = (labels[0] + 1) % 4
    return model, images, labels


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_last_point_of_a_fooled_example_is_the_result(recipe):
    model, images, labels = setting()
    made = craft(model, images, labels, recipe, record=True, batch_size=5)
    way = made.trajectories
    assert way.points.shape == (12, len(way.step), 1, 6, 6)
    ends = way.ends()
    assert ends[0] == -1
    assert 0 < made.success.sum() < 12
    for i in made.success.nonzero().flatten().tolist():
        assert torch.equal(way.points[i, ends[i]], made.images[i])
        assert way.won[i, ends[i]]
    for i in (~made.success).nonzero().flatten().tolist()[1:]:
        assert ends[i] == len(way.step) - 1
    # Where it does not stop by itself it took no step back before its end.
    assert not way.won[~made.success].any()


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_figures_are_those_of_the_points_and_nothing_follows_the_end(recipe):
    model, images, labels = setting()
    made = craft(model, images, labels, recipe, record=True)
    way = made.trajectories
    columns = torch.arange(len(way.step))
    for i in range(12):
        reached = columns <= way.ends()[i]
        assert way.length[i].isnan().tolist() == (~reached).tolist()
        assert way.points[i, ~reached].isnan().all()
        points = way.points[i, reached]
        if not len(points):
            continue
        logits = model(points).detach()
        same = labels[i].expand(len(points))
        norm = made.recipe["norm"]
        torch.testing.assert_close(way.length[i, reached], lengths(points - images[i], norm))
        judged = ~way.objective[i, reached].isnan()
        torch.testing.assert_close(way.lead[i, reached][judged], lead(logits, same, False)[judged])
        if "plain" not in recipe and "adam" not in recipe and "samples" not in recipe:
            torch.testing.assert_close(
                way.objective[i, reached][judged], log_odds(logits, same)[judged]
            )
    runs = made.recipe.get("restarts", 1)
    steps = made.recipe.get("steps", 1)
    assert way.run.tolist() == [run for run in range(runs) for _ in range(steps + 1)]
    assert way.step.tolist() == list(range(steps + 1)) * runs


def test_recording_changes_nothing_and_every_kth_step_is_a_part_of_all():
    model, images, labels = setting()
    recipe = "pgd(norm=l2, eps=0.3, steps=7, restarts=2)"
    plain = craft(model, images, labels, recipe)
    whole = craft(model, images, labels, recipe, record=True)
    some = craft(model, images, labels, recipe, record=3)
    figures = craft(model, images, labels, recipe, record="figures")
    assert plain.trajectories is None
    for made in (whole, some, figures):
        assert torch.equal(made.images, plain.images)
        assert torch.equal(made.forwards, plain.forwards)
    assert figures.trajectories.points is None
    assert torch.equal(
        figures.trajectories.objective.nan_to_num(), whole.trajectories.objective.nan_to_num()
    )
    assert some.trajectories.step.tolist() == [0, 3, 6, 7] * 2
    chosen = [0, 3, 6, 7, 8, 11, 14, 15]
    assert torch.equal(
        some.trajectories.points.nan_to_num(), whole.trajectories.points[:, chosen].nan_to_num()
    )


WALKS = [
    "minnorm(norm=l2, steps=30)",
    "minnorm(norm=linf, steps=12)",
    "minnorm(norm=l2, steps=25, noisy=gaussian, noise_scale=0.02)",
    "minnorm(norm=linf, steps=24, targeted=true)",
]


@pytest.mark.parametrize("recipe", WALKS)
def test_a_minimum_norm_search_is_recorded_point_by_point_and_changes_nothing(recipe):
    model, images, labels = setting()
    plain = craft(model, images, labels, recipe, batch_size=5)
    made = craft(model, images, labels, recipe, record=True, batch_size=5)
    assert torch.equal(made.images, plain.images)
    assert torch.equal(made.forwards, plain.forwards)
    assert torch.equal(made.backwards, plain.backwards)
    way, norm = made.trajectories, made.recipe["norm"]
    assert way.ends()[0] == -1
    assert way.points[0].isnan().all()
    assert made.success[1:].any()
    for i in range(1, len(images)):
        points = way.points[i]
        assert not points.isnan().any()
        torch.testing.assert_close(way.length[i], lengths(points - images[i], norm))
        own = (labels if made.targets is None else made.targets)[i].expand(len(points))
        leads = lead(model(points).detach(), own, made.targets is not None)
        torch.testing.assert_close(way.lead[i], leads)
        # Every walk begins at the image, where the probes are; the nearest winner is the result.
        assert torch.equal(
            points[way.step == 0], images[i].expand(int((way.step == 0).sum()), 1, 6, 6)
        )
        assert torch.equal(points[way.run < 0], images[i].expand(int((way.run < 0).sum()), 1, 6, 6))
        if made.success[i]:
            nearest = torch.where(way.won[i], way.length[i], torch.inf).argmin()
            assert torch.equal(points[nearest], made.images[i])


def test_the_columns_of_a_minimum_norm_search_are_probes_and_walks_and_count_gradients():
    model, images, labels = setting()
    made = craft(model, images, labels, "minnorm(norm=l2, steps=30)", record=True)
    way = made.trajectories
    assert way.run.tolist() == [-1] * 3 + [0] * 14 + [1] * 14
    assert way.step.tolist() == [0, 1, 2, *range(14), *range(14)]
    assert way.spent.tolist() == [*range(17), *range(16, 30)]
    assert int(way.spent[-1]) == int(made.backwards.max())
    some = craft(model, images, labels, "minnorm(norm=l2, steps=30)", record=6).trajectories
    assert some.step.tolist() == [0, 2, 0, 6, 12, 13, 0, 6, 12, 13]
    assert some.spent.tolist() == [0, 2, 3, 9, 15, 16, 16, 22, 28, 29]
    alone = craft(
        model, images, labels, "minnorm(norm=l2, steps=15)", record="figures"
    ).trajectories
    assert alone.run.tolist() == [0] * 16
    assert alone.spent.tolist() == list(range(16))
    nothing = craft(model, images[:0], labels[:0], "minnorm(steps=15)", record=True)
    assert nothing.trajectories.points.shape == (0, 16, 1, 6, 6)


@pytest.mark.parametrize("recipe", [*RECIPES, *WALKS])
def test_what_is_spent_at_the_last_column_is_what_the_attack_spends_at_most(recipe):
    model, images, labels = setting()
    made = craft(model, images, labels, recipe, record=True)
    way = made.trajectories
    ends = way.ends()
    for i in range(1, len(images)):
        # The gradients at the point where an example stops are taken, and lead nowhere.
        assert int(way.spent[ends[i]]) <= int(made.backwards[i]) <= int(way.spent[ends[i]]) + 2
    assert int(way.spent[-1]) >= int(made.backwards.max())


def test_ways_of_attacks_without_steps_cannot_be_recorded():
    model, images, labels = setting()
    with pytest.raises(InputError, match="record: the way is recorded of fgsm, pgd, minnorm, not"):
        craft(model, images, labels, "noise(eps=0.1)", record=True)


def test_what_the_reference_did_not_judge_has_no_objective():
    model, images, labels = setting()
    made = ascend(
        model, images, labels, constraint="linf 0.05", noise="filter", steps=4,
        record=Record(points=False),
    )  # fmt: skip
    objective = made.trajectories.objective[1:]
    assert objective[:, :4].isnan().all()
    assert not objective[:, 4].isnan().any()
    assert not made.trajectories.length[1:].isnan().any()
