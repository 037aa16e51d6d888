from __future__ import annotations

import pytest
import torch

from core.errors import InputError
from landscape.connectivity import controls, pairs
from landscape.connectivity.pairs import Group
from landscape.loss import Loss


def group(classes: list[int], names: str, seed: int = 0) -> Group:
    images = torch.rand(len(classes), 1, 3, 3, generator=torch.Generator().manual_seed(seed))
    return Group(images.double(), torch.tensor(classes), tuple(names))


def test_only_images_that_are_right_are_genuine_and_only_those_fooled_adversarial() -> None:
    images = torch.rand(4, 1, 2, 2)
    labels, said = torch.tensor([0, 1, 2, 0]), torch.tensor([0, 1, 0, 2])
    kept = pairs.genuine(images, labels, said, ids="abcd")
    assert kept.ids == ("a", "b")
    assert kept.classes.tolist() == [0, 1]
    success = torch.tensor([False, False, False, True])
    fooled = pairs.adversarial(images, labels, said, success, ids="abcd")
    assert fooled.ids == ("d",)
    assert fooled.classes.tolist() == [2]
    assert torch.equal(fooled.images[0], images[3])


def test_both_ends_of_a_pair_are_of_its_class_and_no_pair_comes_twice() -> None:
    genuine = group([0, 0, 0, 1, 1, 2], "abcdef")
    found = pairs.genuine_genuine(genuine, 50)
    assert {frozenset(name.split(">")) for name in found.ids} == {
        frozenset(pair) for pair in ("ab", "ac", "bc", "de")
    }
    assert len(found) == 4
    place = {name: i for i, name in enumerate(genuine.ids)}
    for i, name in enumerate(found.ids):
        first, second = (place[end] for end in name.split(">"))
        assert genuine.classes[first] == genuine.classes[second] == found.labels[i]
        assert torch.equal(found.first[i], genuine.images[first])
        assert torch.equal(found.second[i], genuine.images[second])


def test_an_adversarial_image_is_paired_with_the_class_it_is_taken_for_not_with_its_twin() -> None:
    genuine = group([0, 0, 1], "abc")
    fooled = group([0, 1], "ac", seed=1)  # a's own adversarial example, taken for 0
    found = pairs.genuine_adversarial(genuine, fooled)
    assert found.kind == "genuine-adversarial"
    assert set(found.ids) == {"b>a"}  # c is taken for 1, whose only genuine image is its twin
    assert torch.equal(found.second[0], fooled.images[0])


def test_every_image_serves_once_before_one_serves_twice() -> None:
    genuine, fooled = group([0] * 8, "abcdefgh"), group([0] * 4, "wxyz", seed=1)
    found = pairs.genuine_adversarial(genuine, fooled, 8)
    seconds = [name.split(">")[1] for name in found.ids]
    assert set(seconds[:4]) == set("wxyz")
    assert {name.split(">")[0] for name in found.ids} == set("abcdefgh")


def test_the_seed_chooses_the_pairs_and_the_order_of_the_images_does_not() -> None:
    genuine = group([0] * 9, "abcdefghi")
    back = genuine.select(torch.arange(8, -1, -1))

    def chosen(some: Group, seed: int) -> set[frozenset[str]]:
        return {frozenset(n.split(">")) for n in pairs.genuine_genuine(some, 4, seed=seed).ids}

    assert chosen(genuine, 3) == chosen(back, 3)
    assert chosen(genuine, 3) != chosen(genuine, 4)


def test_twins_share_a_name_and_take_the_adversarial_class() -> None:
    genuine, fooled = group([0, 1, 2], "abc"), group([2, 0], "ba", seed=1)
    found = pairs.twins(genuine, fooled)
    assert found.ids == ("b>b", "a>a")
    assert found.labels.tolist() == [2, 0]
    with pytest.raises(InputError, match="'z'"):
        pairs.twins(genuine, group([0], "z"))


def test_without_two_images_of_a_class_there_are_no_pairs() -> None:
    with pytest.raises(InputError, match="no two images"):
        pairs.adversarial_adversarial(group([0, 1], "ab"))
    with pytest.raises(InputError, match="at least 1"):
        pairs.genuine_genuine(group([0, 0], "ab"), 0)
    with pytest.raises(InputError, match="'>'"):
        pairs.genuine(torch.rand(1, 2), torch.tensor([0]), torch.tensor([0]), ids=["a>b"])


def linear_loss(classes: torch.Tensor) -> Loss:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(2, 9, generator=generator, dtype=torch.float64) * 2
    layer = torch.nn.Linear(9, 2, bias=False).double()
    layer.weight.data = weights - weights.mean(1, keepdim=True)
    return Loss(torch.nn.Sequential(torch.nn.Flatten(), layer).requires_grad_(False), classes)


def test_the_same_class_control_has_the_adversarial_image_s_confidence() -> None:
    genuine, fooled = group([0, 0, 0, 1, 1, 1], "abcdef"), group([0, 1], "xy", seed=1)
    found = pairs.genuine_adversarial(genuine, fooled)
    loss = linear_loss(found.labels)
    control = controls.same_class_control(loss, found, genuine)
    torch.testing.assert_close(loss(control.second), loss(found.second), rtol=2e-3, atol=0)
    assert torch.equal(control.first, found.first)
    assert control.second.min() >= 0
    assert control.second.max() <= 1
    for before, after, label in zip(found.ids, control.ids, found.labels, strict=True):
        first, second = after.split(">")
        assert first == before.split(">")[0] != second
        assert int(genuine.classes["abcdef".index(second)]) == int(label)


def test_the_noise_control_steps_as_far_as_asked_and_stays_in_the_box() -> None:
    genuine, fooled = group([0] * 3 + [1] * 3, "abcdef"), group([0, 1], "xy", seed=1)
    found = pairs.genuine_adversarial(genuine, fooled)
    lengths = torch.tensor([0.4, 0.0] * 3)
    control = controls.noise_control(found, genuine, lengths)
    places = ["abcdef".index(name.split(">")[1]) for name in control.ids]
    step = (control.second - genuine.images[torch.tensor(places)]).flatten(1).norm(dim=1)
    torch.testing.assert_close(step, lengths.double(), atol=1e-6, rtol=0)
    assert control.second.min() >= 0
    assert control.second.max() <= 1
    with pytest.raises(InputError, match="lengths"):
        controls.noise_control(found, genuine, torch.ones(3))


def test_a_control_needs_another_genuine_image_of_the_class() -> None:
    genuine, fooled = group([0, 1, 1], "abc"), group([0], "x", seed=1)
    found = pairs.genuine_adversarial(genuine, fooled)
    with pytest.raises(InputError, match="no other genuine image of class 0"):
        controls.noise_control(found, genuine, torch.ones(1))
