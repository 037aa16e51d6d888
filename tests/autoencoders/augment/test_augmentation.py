"""Only what is drawn and right is moved, by exactly the move, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from autoencoders.augment import LayerAugmentation, NoiseMove
from core.errors import InputError
from core.layers import capture
from core.models import Classifier
from core.randomness import generator, generators
from core.training import Draws, TrainingSettings, Watcher, train

SETTINGS = TrainingSettings(epochs=3, batch_size=32, learning_rate=0.2, label_smoothing=0.0)
LAYERS = ("input", "4")


def same(first: Path, second: Path) -> bool:
    a, b = load_file(first), load_file(second)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def outputs(classifier: Classifier, layer: str, images: Tensor) -> Tensor:
    """Return a layer's outputs in eval mode; the input as the first convolution is given it."""
    was = classifier.training
    classifier.eval()
    seen: list[Tensor] = []
    if layer == "input":
        hook = classifier.network[0].register_forward_pre_hook(lambda _, x: seen.append(x[0]))
        classifier(images)
        hook.remove()
    else:
        seen.append(capture(classifier, [layer], images)[layer])
    classifier.train(was)
    return seen[0].detach()


@pytest.fixture
def step(tmp_path_factory, digits, build) -> tuple[Classifier, Tensor, Tensor, Draws]:
    """Return a classifier that gets some images right, some wrong, and a batch in another order."""
    classifier, sets = build(), digits
    settings = TrainingSettings(epochs=4, batch_size=32, learning_rate=0.3)
    train(classifier, *sets, settings, tmp_path_factory.mktemp("start"))
    places = np.random.default_rng(0).permutation(96)[:64]
    images, labels = sets[0].tensors(places)
    return classifier.train(), images, labels, Draws(3, 5, sets[0], places)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("noise", [False, True])
def test_what_is_moved_is_drawn_and_right_and_moved_by_the_move(step, move, layer, noise) -> None:
    classifier, images, labels, draws = step
    made = NoiseMove(move(layer)) if noise else move(layer)
    with torch.no_grad():
        before = outputs(classifier, layer, images)
        predicted = classifier.eval()(images).argmax(1)
        classifier.train()
        augmentation = LayerAugmentation(layer, made, 0.6)
        with augmentation(classifier, images, labels, draws):
            after = outputs(classifier, layer, images)
    coins = generator(3, "epoch 5", "augmented").random(96)
    counted = {"moved": 0, "wrong": 0, "left": 0}
    for row, place in enumerate(draws.places):
        drawn, right = coins[place] < 0.6, bool(predicted[row] == labels[row])
        counted["moved" if drawn and right else "wrong" if drawn else "left"] += 1
        expected = before[row]
        if drawn and right:
            name = str(draws.images.ids[place])
            expected = (
                expected
                + made(
                    before[row : row + 1],
                    lambda purpose, n=name: generators(3, [n], f"epoch 5, {purpose}"),
                )[0]
            )
            torch.testing.assert_close(after[row], expected)
            assert not torch.equal(after[row], before[row])
        else:
            assert torch.equal(after[row], before[row])
    assert min(counted.values()) >= 3, counted
    numbers = augmentation.numbers()
    assert numbers["augmented"] == counted["moved"] / 64
    assert numbers["drawn"] == (counted["moved"] + counted["wrong"]) / 64
    long = (after - before).flatten(1).double().norm(dim=1)
    assert numbers["length"] == pytest.approx(long[long > 0].mean().item(), rel=1e-5)
    assert augmentation.numbers()["augmented"] == 0, "numbers begin anew"


def test_the_gradient_is_that_of_a_constant_step(step, move) -> None:
    classifier, images, labels, draws = step
    classifier.eval().requires_grad_(True)
    made = LayerAugmentation("4", move("4"), 0.6)
    before = outputs(classifier, "4", images)
    with made(classifier, images, labels, draws):
        after = outputs(classifier, "4", images)
        loss = torch.nn.functional.cross_entropy(classifier(images), labels)
    given = torch.autograd.grad(loss, list(classifier.parameters()))
    hidden = capture(classifier, ["4"], images)["4"] + (after - before)
    literal = torch.nn.functional.cross_entropy(classifier.network[5:](hidden), labels)
    expected = torch.autograd.grad(literal, list(classifier.parameters()))
    for one, other in zip(given, expected, strict=True):
        torch.testing.assert_close(one, other)


class StoppedError(Exception):
    """Stands for a failure inside the block."""


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_on_the_classifier(step, move, fails) -> None:
    classifier, images, labels, draws = step
    modes = [(m, m.training) for m in classifier.modules()]
    flags = [(p, p.requires_grad) for p in classifier.parameters()]
    state = {k: v.clone() for k, v in classifier.state_dict().items()}
    random = torch.get_rng_state()
    for layer in LAYERS:
        made = LayerAugmentation(layer, move(layer), 0.6)
        try:
            with made(classifier, images, labels, draws):
                if fails:
                    raise StoppedError
        except StoppedError:
            pass
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in classifier.modules())
    assert all(m.training == mode for m, mode in modes)
    assert all(p.requires_grad == flag for p, flag in flags)
    assert all(torch.equal(v, state[k]) for k, v in classifier.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("layer", LAYERS)
def test_probability_0_gives_the_weights_of_no_augmentation(
    tmp_path, digits, build, move, layer
) -> None:
    plain = train(build(), *digits, SETTINGS, tmp_path / "plain")
    for name, probability in (("never", 0.0), ("often", 0.9)):
        made = LayerAugmentation(layer, move(layer), probability)
        result = train(build(), *digits, SETTINGS, tmp_path / name, perturb=made)
        assert same(plain.model, result.model) == (name == "never")
        assert (result.history[-1].numbers["augmented"] > 0.1) == (name == "often")


class KillAt(Watcher):
    """Ends the run after a step, or after an epoch's checkpoint."""

    def __init__(self, epoch: int, step: int | None) -> None:
        self.at = (epoch, step)

    def step(self, epoch: int, step: int, loss: float) -> None:
        if (epoch, step) == self.at:
            raise StoppedError

    def epoch(self, record: object) -> None:
        if (getattr(record, "epoch", None), None) == self.at:
            raise StoppedError


@pytest.mark.parametrize("noise", [False, True])
def test_a_run_that_is_stopped_and_continued_ends_with_the_same_weights_and_numbers(
    tmp_path, digits, build, move, noise
) -> None:
    made = NoiseMove(move("4")) if noise else move("4")

    def trained(folder: str, *watchers: Watcher, augmentation: LayerAugmentation | None = None):
        own = augmentation or LayerAugmentation("4", made, 0.7)
        return train(build(), *digits, SETTINGS, tmp_path / folder, watchers, own)

    whole = trained("whole")
    one = LayerAugmentation("4", made, 0.7)
    for moment in [(1, 2), (1, None), (2, 1), (3, 3)]:
        with pytest.raises(StoppedError):
            trained("cut", KillAt(*moment), augmentation=one)
    cut = trained("cut", augmentation=one)
    assert same(whole.model, cut.model)
    assert [r.numbers for r in cut.history] == [r.numbers for r in whole.history]
    assert whole.history[-1].numbers["augmented"] > 0


def test_another_augmentation_in_the_same_folder_is_refused(tmp_path, digits, build, move) -> None:
    settings = TrainingSettings(epochs=1, batch_size=32)

    def trained(perturb: LayerAugmentation | None) -> None:
        train(build(), *digits, settings, tmp_path, perturb=perturb)

    trained(LayerAugmentation("4", move("4"), 0.5))
    with pytest.raises(InputError, match=r"probability: 0.5 -> 0.6"):
        trained(LayerAugmentation("4", move("4"), 0.6))
    with pytest.raises(InputError, match="perturbation"):
        trained(None)


@pytest.mark.parametrize("probability", [-0.1, 1.0, 1.5, float("nan"), True])
def test_a_probability_that_leaves_no_image_as_it_is_is_refused(move, probability) -> None:
    with pytest.raises(InputError, match="--probability"):
        LayerAugmentation("4", move("4"), probability)


def test_it_trains_the_whole_network_in_bf16_too(tmp_path, digits, build, move) -> None:
    settings = TrainingSettings(epochs=1, batch_size=32, precision="bf16", channels_last=False)
    start = {k: v.clone() for k, v in build().network.named_parameters()}
    classifier = build()
    made = LayerAugmentation("4", move("4"), 0.9)
    train(classifier, *digits, settings, tmp_path, perturb=made)
    for name, value in classifier.network.named_parameters():
        assert not torch.equal(value, start[name]), name
