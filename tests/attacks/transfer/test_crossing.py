"""What `attacks.transfer` says of tensors is what its pieces say, put together the slow way."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from attacks import craft, parse, transfer
from attacks.shuffled import partners
from attacks.transfer.crossing import COLUMNS, crafted_on, judged_by, looked_at
from attacks.transfer.recipes import within_budget
from core.errors import InputError

RECIPES = (
    "noise(like=pgd(eps=0.2, stop=false))",
    "shuffled(like=pgd(eps=0.2, stop=false))",
    "fgsm(eps=0.2)",
    "pgd(eps=0.2, stop=false)",
)
BUDGET = 3


def net(seed: int) -> nn.Module:
    """Nets of different seeds have something in common, so that they often agree."""
    with torch.random.fork_rng():
        torch.manual_seed(100)
        made = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.Tanh(), nn.Linear(12, 4))
        torch.manual_seed(seed)
        for parameter in made.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return made.double()


class Counted(nn.Module):
    """Counts how many images it is shown."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.seen = network, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen += len(images)
        return self.network(images)


@pytest.fixture(scope="module")
def world():
    """Three nets and images that the first labels; the others agree on some."""
    nets = {name: net(seed) for seed, name in enumerate(("a", "b", "c"))}
    generator = torch.Generator().manual_seed(5)
    images = torch.rand(40, 1, 4, 4, generator=generator, dtype=torch.float64).float().double()
    with torch.no_grad():
        # Without the mean over images one class would take them all.
        common = {n: model(images).mean(0) for n, model in nets.items()}
        for name, model in nets.items():
            model[-1].bias -= common[name]
        votes = torch.stack([n(images).argmax(1) for n in nets.values()])
    labels = votes.mode(0).values
    ids = [f"image {i}" for i in range(len(images))]
    table = transfer(nets, images, labels, RECIPES, ids=ids, gradients=BUDGET, batch_size=16)
    return nets, images, labels, ids, votes, table


def test_only_images_that_every_classifier_gets_right_are_in_the_table_and_all_of_them(world):
    _, _, labels, ids, votes, table = world
    right = [ids[i] for i in range(len(ids)) if bool((votes[:, i] == labels[i]).all())]
    assert 5 < len(right) < len(ids)
    assert set(table["id"]) == set(right)
    assert len(table) == len(RECIPES) * 3 * 3 * len(right)
    assert not table.duplicated(["recipe", "source", "victim", "id"]).any()
    assert tuple(table.columns) == COLUMNS
    assert table["clean_correct"].all()


def test_every_cell_is_what_crafting_and_forwarding_by_hand_give(world):
    nets, images, labels, ids, _, table = world
    keep = [i for i, name in enumerate(ids) if name in set(table["id"])]
    x, y, names = images[keep], labels[keep], [ids[i] for i in keep]
    for text in RECIPES[2:]:
        recipe = parse(text, gradients=BUDGET)
        for source, model in nets.items():
            made = craft(model, x, y, recipe, ids=names)
            pixels = made.images.float().double()
            for victim, judge in nets.items():
                with torch.no_grad():
                    logits = judge(pixels)
                own = table[
                    (table["recipe"] == str(recipe))
                    & (table["source"] == source)
                    & (table["victim"] == victim)
                ]
                assert list(own["id"]) == names
                assert (own["prediction"].to_numpy() == logits.argmax(1).numpy()).all()
                assert (own["fooled"].to_numpy() == (logits.argmax(1) != y).numpy()).all()
                best = torch.softmax(logits, 1).amax(1).numpy()
                np.testing.assert_allclose(own["confidence"], best, atol=1e-9)
                rest = logits.scatter(1, y[:, None], -torch.inf).amax(1)
                margins = rest - logits.gather(1, y[:, None])[:, 0]
                np.testing.assert_allclose(own["margin"], margins.numpy(), atol=1e-9)
                step = (made.images - x).flatten(1)
                np.testing.assert_allclose(own["linf"], step.abs().amax(1).numpy(), atol=1e-9)
                assert (own["backwards"].to_numpy() == made.backwards.numpy()).all()


def test_what_is_said_of_the_source_is_the_row_where_it_is_the_victim(world):
    table = world[-1]
    white = table[table["source"] == table["victim"]].set_index(["recipe", "source", "id"])
    rows = table.set_index(["recipe", "source", "id"])
    for column, of in (
        ("source_fooled", "fooled"),
        ("source_adversarial_confidence", "confidence"),
        ("source_adversarial_margin", "margin"),
    ):
        assert (rows[column] == white[of].loc[rows.index]).all()


def test_alignment_is_the_cosine_of_the_gradients_of_the_cross_entropy(world):
    nets, images, labels, ids, _, table = world
    i = ids.index(table["id"].iloc[0])
    gradients = {}
    for name, model in nets.items():
        x = images[i : i + 1].clone().requires_grad_()
        nn.functional.cross_entropy(model(x), labels[i : i + 1]).backward()
        gradients[name] = x.grad.flatten()
    own = table[table["id"] == ids[i]]
    for _, row in own.iterrows():
        expected = torch.cosine_similarity(
            gradients[row["source"]], gradients[row["victim"]], dim=0
        )
        assert row["alignment"] == pytest.approx(expected.item(), abs=1e-9)


def test_the_batch_size_and_the_companions_change_nothing(world):
    nets, images, labels, ids, _, table = world
    again = transfer(nets, images, labels, RECIPES, ids=ids, gradients=BUDGET, batch_size=7)
    pd.testing.assert_frame_equal(table, again, rtol=1e-9, atol=1e-9)
    half = transfer(nets, images[:20], labels[:20], RECIPES[2:], ids=ids[:20], gradients=BUDGET)
    kept = table[table["id"].isin(set(ids[:20])) & ~table["recipe"].str.contains("like")]
    pd.testing.assert_frame_equal(half, kept.reset_index(drop=True), rtol=1e-9, atol=1e-9)


def test_every_example_is_forwarded_once_by_every_victim(world):
    nets, images, labels, ids, _, table = world
    keep = [i for i, name in enumerate(ids) if name in set(table["id"])]
    recipes = within_budget(RECIPES, BUDGET)
    made = crafted_on(nets["a"], images[keep], labels[keep], [ids[i] for i in keep], recipes)
    victim = Counted(nets["b"])
    judged_by(victim, made, (1, 4, 4), batch_size=32, like=images)
    assert victim.seen == len(RECIPES) * len(keep)


def test_the_controls_are_steps_that_are_not_the_images_own(world):
    nets, images, labels, ids, _, table = world
    assert table["status"].eq("valid").all()
    keep = [i for i, name in enumerate(ids) if name in set(table["id"])]
    x, y = images[keep], labels[keep]
    recipes = within_budget(RECIPES, BUDGET)
    made = crafted_on(nets["a"], x, y, [ids[i] for i in keep], recipes)
    pixels = {
        recipe: torch.tensor(np.stack([np.frombuffer(b, "<f4") for b in own["image"]]))
        for recipe, own in made.groupby("recipe", sort=False)
    }
    genuine = x.float().flatten(1)
    attack = pixels[str(recipes[3])] - genuine
    shuffled = pixels[str(recipes[1])]
    for i in range(len(keep)):
        other = next(
            (i + k) % len(keep) for k in range(1, len(keep)) if y[(i + k) % len(keep)] != y[i]
        )
        expected = (genuine[i] + attack[other]).clamp(0, 1)
        torch.testing.assert_close(shuffled[i], expected, atol=1e-6, rtol=0)
    noise = pixels[str(recipes[0])] - genuine
    torch.testing.assert_close(noise.abs().amax(1), attack.abs().amax(1), atol=1e-6, rtol=0)


def test_an_image_gets_the_step_of_a_usable_image_of_another_class_or_none():
    assert partners(torch.tensor([3, 3]), torch.tensor([True, True])).tolist() == [-1, -1]
    assert partners(torch.tensor([3]), torch.tensor([True])).tolist() == [-1]
    assert partners(torch.tensor([], dtype=torch.int64), torch.tensor([])).tolist() == []
    usable = torch.tensor([True, False, True, True])
    assert partners(torch.tensor([0, 1, 1, 0]), usable).tolist() == [2, 3, 3, 2]


def test_an_example_that_is_not_valid_is_not_counted_as_fooled(world):
    nets, images, labels, ids, _, table = world
    keep = [i for i, name in enumerate(ids) if name in set(table["id"])]
    (recipe,) = within_budget(RECIPES[2:3], BUDGET)
    made = crafted_on(nets["a"], images[keep], labels[keep], [ids[i] for i in keep], [recipe])
    assert judged_by(nets["a"], made, (1, 4, 4), like=images)["fooled"].any()
    made["status"] = "outside ball"
    assert not judged_by(nets["a"], made, (1, 4, 4), like=images)["fooled"].any()
    made["image"] = [np.full(16, np.nan, "<f4").tobytes()] * len(made)
    judged = judged_by(nets["a"], made, (1, 4, 4), like=images)
    assert (judged["prediction"] == -1).all()
    assert judged["confidence"].isna().all()


def test_a_gradient_that_vanishes_has_no_alignment():
    flat = nn.Sequential(nn.Flatten(), nn.Linear(16, 4)).double()
    nn.init.zeros_(flat[1].weight)
    images, labels = torch.rand(3, 1, 4, 4, dtype=torch.float64), torch.zeros(3, dtype=torch.int64)
    clean = looked_at({"a": net(0), "flat": flat}, images, labels, ["x", "y", "z"])
    own = clean.set_index("classifier")
    assert own.loc["a", "alignment@a"].to_numpy() == pytest.approx([1, 1, 1])
    assert own.loc["a", "alignment@flat"].isna().all()
    assert own.loc["flat", "alignment@flat"].isna().all()


def test_a_tiny_gradient_is_as_aligned_as_a_long_one():
    tiny = net(1)
    with torch.no_grad():
        tiny[3].weight *= 1e-15
    images, labels = torch.rand(3, 1, 4, 4, dtype=torch.float64), torch.zeros(3, dtype=torch.int64)
    clean = looked_at({"tiny": tiny, "a": net(0)}, images, labels, ["x", "y", "z"])
    own = clean.set_index("classifier")
    assert (own.loc["tiny", "gradient_l2"] < 1e-14).all()
    assert own.loc["tiny", "alignment@tiny"].to_numpy() == pytest.approx([1, 1, 1])


def test_where_no_image_is_right_everywhere_the_table_is_empty():
    images = torch.rand(4, 1, 4, 4, dtype=torch.float64)
    nets = {"a": net(0), "b": net(1)}
    labels = (nets["a"](images).argmax(1) + 1) % 4
    table = transfer(nets, images, labels, ["fgsm(eps=0.1)"])
    assert len(table) == 0
    assert tuple(table.columns) == COLUMNS


@pytest.mark.parametrize(
    ("recipes", "budget", "expected"),
    [
        (["pgd(eps=0.1, steps=11)"], 10, "11 gradients .* allows 10"),
        (["pgd(eps=0.1)", "pgd(eps=0.1, steps=10)"], 10, "twice"),
        (["minnorm"], 1, "2 gradients .* allows 1"),
    ],
)
def test_a_recipe_beyond_the_budget_is_refused_with_the_numbers(recipes, budget, expected):
    with pytest.raises(InputError, match=expected):
        within_budget(recipes, budget)


@pytest.mark.parametrize(
    ("text", "budget", "steps"),
    [
        ("pgd(eps=0.1)", 10, 10),
        ("pgd(eps=0.1, restarts=3)", 10, 3),
        ("pgd(eps=0.1, steps=4)", 10, 4),
        ("minnorm", 10, 10),
        ("noise(like=pgd(eps=0.1))", 10, 10),
    ],
)
def test_open_steps_are_as_many_as_the_budget_allows(text, budget, steps):
    recipe = parse(text, gradients=budget)
    assert (recipe.get("like") or recipe)["steps"] == steps
    assert recipe.gradients <= budget
    assert parse(str(recipe), gradients=1000) == recipe


def test_one_classifier_is_too_few():
    with pytest.raises(InputError, match="2 or more"):
        transfer({"a": net(0)}, torch.rand(1, 1, 4, 4), torch.tensor([0]), ["fgsm(eps=0.1)"])


def test_the_name_transfer_is_the_function_before_and_after_the_command_is_imported():
    code = (
        "import types\n"
        "from attacks import transfer as before\n"
        "import attacks.transfer\n"
        "from attacks.transfer import run\n"
        "from attacks import transfer as after\n"
        "assert before is after is attacks.transfer\n"
        "assert isinstance(after, types.FunctionType) and isinstance(run, types.FunctionType)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert pickle.loads(pickle.dumps(transfer)) is transfer
