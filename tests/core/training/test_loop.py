"""The loop minimises the loss it says, along the schedule it says, and leaves no trace."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from core.data import load_images
from core.errors import InputError
from core.models import Classifier, load_classifier
from core.training import TrainingSettings, Watcher, evaluate, train
from core.training.batches import epoch_batches
from core.training.epochs import STATE
from core.training.optimisation import build_optimiser, build_schedule, parameter_groups

Sets = Callable[[int, int], tuple]
Build = Callable[..., Classifier]


class Losses(Watcher):
    """Keeps the loss of each step."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def step(self, epoch: int, step: int, loss: float) -> None:
        self.values.append(loss)


def weights(classifier: Classifier) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in classifier.network.state_dict().items()}


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_the_loss_of_a_step_is_the_smoothed_cross_entropy_in_its_literal_form(
    tmp_path: Path, digits: Sets, untrained: Build, smoothing: float
) -> None:
    sets, seen = digits(32, 20), Losses()
    settings = TrainingSettings(epochs=1, batch_size=32, label_smoothing=smoothing)
    classifier = untrained()
    classifier.network[5] = nn.Identity()  # dropout draws numbers of its own
    images, labels, _ = next(
        epoch_batches(
            sets[0],
            batch_size=32,
            views="none",
            seed=0,
            epoch=0,
            device=torch.device("cpu"),
            memory_format=torch.contiguous_format,
        )
    )
    with torch.no_grad():
        logits = classifier.double()(images.double())
    target = torch.full((32, 10), smoothing / 10, dtype=torch.float64)
    target[torch.arange(32), labels] += 1 - smoothing
    expected = -(target * torch.log_softmax(logits, 1)).sum(1).mean()
    fresh = untrained()
    fresh.network[5] = nn.Identity()
    train(fresh, *sets, settings, tmp_path, [seen])
    assert seen.values[0] == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 40])
@pytest.mark.parametrize("warmup", [0.0, 0.25, 1.0])
def test_the_schedule_rises_to_the_peak_and_falls_for_every_number_of_steps(
    steps: int, warmup: float
) -> None:
    settings = TrainingSettings(learning_rate=0.5, warmup=warmup)
    optimiser = build_optimiser([nn.Parameter(torch.zeros(2, 2))], settings)
    schedule = build_schedule(optimiser, settings, steps)
    rates = [schedule.get_last_lr()[0]]
    for _ in range(steps - 1):
        optimiser.step()
        schedule.step()
        rates.append(schedule.get_last_lr()[0])
    peak = int(np.argmax(rates))
    assert rates == sorted(rates[: peak + 1]) + sorted(rates[peak + 1 :], reverse=True)
    if steps > 2:
        assert max(rates) == pytest.approx(0.5)
    if steps > 2 and warmup < 1:
        assert peak == max(1, round(warmup * (steps - 1)))
        assert rates[-1] == pytest.approx(0.5 / 25 / 1e4)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_fused_optimiser_makes_the_same_steps(name: str) -> None:
    ways = []
    for fused in (False, True):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3)).double()
        settings = TrainingSettings(optimiser=name, learning_rate=0.1)
        optimiser = build_optimiser(network.parameters(), settings, fused=fused)
        x = torch.randn(20, 5).double()
        for _ in range(5):
            optimiser.zero_grad()
            network(x).square().mean().backward()
            optimiser.step()
        ways.append(nn.utils.parameters_to_vector(network.parameters()))
    torch.testing.assert_close(*ways, rtol=1e-9, atol=1e-12)


def test_training_ends_at_the_end_of_the_schedule(
    tmp_path: Path, digits: Sets, untrained: Build
) -> None:
    settings = TrainingSettings(epochs=3, batch_size=16, learning_rate=0.2)
    result = train(untrained(), *digits(64, 20), settings, tmp_path)
    assert result.history[-1].learning_rate == pytest.approx(0.2 / 25 / 1e4)


def test_weight_decay_is_for_matrices_and_convolutions_alone(untrained: Build) -> None:
    named = dict(untrained().network.named_parameters())
    decayed, free = parameter_groups(named.values(), 0.3)
    names = {id(parameter): name for name, parameter in named.items()}
    assert decayed["weight_decay"] == 0.3
    assert free["weight_decay"] == 0
    assert {names[id(p)] for p in decayed["params"]} == {"0.weight", "6.weight"}
    assert {names[id(p)] for p in free["params"]} == {"0.bias", "1.weight", "1.bias", "6.bias"}


@pytest.mark.parametrize("layers", [("6",), ("1", "6"), ("0",)])
def test_fine_tuning_changes_the_named_layers_and_nothing_else(
    tmp_path: Path, digits: Sets, untrained: Build, layers: tuple[str, ...]
) -> None:
    classifier = untrained()
    before = weights(classifier)
    settings = TrainingSettings(epochs=1, batch_size=16, layers=layers)
    train(classifier, *digits(64, 20), settings, tmp_path)
    changed = {name for name, value in weights(classifier).items() if not value.equal(before[name])}
    assert changed == {name for name in before if name.split(".")[0] in layers}


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("7", "'7'"),
        ("2", "--layers: 2 has no parameters"),
        ("input", "input has no"),
    ],
)
def test_a_layer_that_cannot_be_trained_is_refused(
    tmp_path: Path, digits: Sets, untrained: Build, layer: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train(untrained(), *digits(64, 20), TrainingSettings(layers=(layer,)), tmp_path)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_modes_flags_gradients_and_random_numbers_are_afterwards_what_they_were(
    tmp_path: Path, digits: Sets, untrained: Build, frozen: bool, fails: bool
) -> None:
    class Failing(Watcher):
        def step(self, epoch: int, step: int, loss: float) -> None:
            torch.rand(1)
            if fails and step == 2:
                raise RuntimeError("midway")

    classifier = untrained()
    if frozen:
        classifier.eval().requires_grad_(False)
    classifier.network[1].eval()
    modes = [module.training for module in classifier.modules()]
    flags = [parameter.requires_grad for parameter in classifier.parameters()]
    torch.manual_seed(5)
    state, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()
    settings = TrainingSettings(epochs=1, batch_size=16)
    if fails:
        with pytest.raises(RuntimeError, match="midway"):
            train(classifier, *digits(64, 20), settings, tmp_path, [Failing()])
    else:
        train(classifier, *digits(64, 20), settings, tmp_path, [Failing()])
    assert modes == [module.training for module in classifier.modules()]
    assert flags == [parameter.requires_grad for parameter in classifier.parameters()]
    assert all(parameter.grad is None for parameter in classifier.parameters())
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numbers).all()


@pytest.mark.parametrize("channels_last", [False, True, None])
def test_bf16_learns_and_keeps_float32_weights(
    tmp_path: Path, digits: Sets, untrained: Build, channels_last: bool | None
) -> None:
    settings = TrainingSettings(
        epochs=6, batch_size=16, precision="bf16", channels_last=channels_last
    )
    classifier, sets = untrained(), digits(200, 100)
    result = train(classifier, *sets, settings, tmp_path)
    assert result.accuracy > 0.6
    assert {parameter.dtype for parameter in classifier.parameters()} == {torch.float32}
    again = train(untrained(), *sets, TrainingSettings(epochs=6, batch_size=16), tmp_path / "32")
    assert again.history[0].train_loss != result.history[0].train_loss
    assert again.history[0].train_loss == pytest.approx(result.history[0].train_loss, rel=0.05)


def test_clipping_bounds_the_step(tmp_path: Path, digits: Sets, untrained: Build) -> None:
    class Moved(Watcher):
        def step(self, epoch: int, step: int, loss: float) -> None:
            now = [parameter.detach() for parameter in classifier.parameters()]
            if step == 1:
                squares = [((a - b) ** 2).sum() for a, b in zip(now, before, strict=True)]
                lengths.append(math.sqrt(sum(squares)))

    settings = TrainingSettings(
        epochs=1, batch_size=32, clip=1e-2, momentum=0.0, weight_decay=0.0, learning_rate=2.5
    )
    classifier, lengths = untrained(), []
    before = [parameter.detach().clone() for parameter in classifier.parameters()]
    train(classifier, *digits(64, 20), settings, tmp_path, [Moved()])
    assert lengths == pytest.approx([1e-2 * 2.5 / 25], rel=1e-3)


def test_a_loss_that_is_not_finite_stops_and_the_last_checkpoint_is_kept(
    tmp_path: Path, digits: Sets, untrained: Build
) -> None:
    class Break(Watcher):
        def step(self, epoch: int, step: int, loss: float) -> None:
            if (epoch, step) == (2, 1):
                classifier.network[6].bias.data.fill_(float("inf"))

    classifier = untrained()
    settings, sets = TrainingSettings(epochs=3, batch_size=16), digits(64, 20)
    message = r"loss is (nan|inf) in epoch 2, step 2 of 4, at the learning rate .*epoch 1 is kept"
    with pytest.raises(InputError, match=message):
        train(classifier, *sets, settings, tmp_path, [Break()])
    state = torch.load(tmp_path / STATE, weights_only=True)
    assert len(state["history"]) == 1
    assert all(value.isfinite().all() for value in state["network"].values())
    assert train(untrained(), *sets, settings, tmp_path).trained == 2


def test_weights_that_are_not_finite_after_the_last_step_are_found_too(
    tmp_path: Path, digits: Sets, untrained: Build
) -> None:
    class Break(Watcher):
        def step(self, epoch: int, step: int, loss: float) -> None:
            if step == 4:
                classifier.network[6].weight.data.fill_(float("nan"))

    classifier = untrained()
    with pytest.raises(InputError, match="validation loss is nan in epoch 1, after its 4 steps"):
        train(
            classifier,
            *digits(64, 20),
            TrainingSettings(epochs=1, batch_size=16),
            tmp_path,
            [Break()],
        )
    assert not (tmp_path / STATE).exists()


def test_the_record_is_what_an_evaluation_of_the_artifact_gives(
    tmp_path: Path, digits: Sets
) -> None:
    from core.training.start import new_classifier

    sets = digits(300, 100)
    classifier = new_classifier("digits_convnet", sets[0], normalisation="0.5;0.25")
    result = train(classifier, *sets, TrainingSettings(epochs=3, batch_size=32), tmp_path)
    with open(tmp_path / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    loaded = load_classifier("digits_convnet", checkpoint=result.model)
    measured = evaluate(loaded, sets[1])
    assert measured.accuracy == result.accuracy == float(rows[-1]["validation_accuracy"])
    assert measured.loss == pytest.approx(float(rows[-1]["validation_loss"]), rel=1e-5)
    assert loaded.class_names == sets[0].class_names
    assert str(loaded.normalisation) == "mean=0.5 std=0.25"
    best = evaluate(load_classifier("digits_convnet", checkpoint=result.best), sets[1])
    assert best.accuracy == result.best_accuracy
    assert best.accuracy == max(float(row["validation_accuracy"]) for row in rows)


@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_evaluation_is_the_literal_mean_for_any_batch_size(
    untrained: Build, batch_size: int
) -> None:
    images = load_images("digits").subset(50)
    classifier = untrained().eval()
    pixels, labels = images.tensors()
    with torch.no_grad():
        logits = classifier(pixels).double()
    loss = nn.functional.cross_entropy(logits, labels).item()
    accuracy = sum(int(a) == int(b) for a, b in zip(logits.argmax(1), labels, strict=True)) / 50
    assert evaluate(classifier, images, batch_size) == pytest.approx((accuracy, loss), rel=1e-5)


def test_labels_outside_the_classes_are_refused(tmp_path: Path, digits: Sets) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    five = Classifier(network, spec="test", num_classes=5)
    sets = digits(64, 20)
    with pytest.raises(InputError, match=r"5 outputs.* 10 classes"):
        train(five, *sets, TrainingSettings(epochs=1), tmp_path)
    with pytest.raises(InputError, match="5 classes"):
        evaluate(five, sets[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "--epochs"),
        ({"batch_size": 0}, "--batch_size"),
        ({"learning_rate": 0.0}, "--learning_rate"),
        ({"learning_rate": float("nan")}, "--learning_rate"),
        ({"label_smoothing": 1.0}, "--label_smoothing"),
        ({"momentum": -0.1}, "--momentum"),
        ({"clip": -1.0}, "--clip"),
        ({"optimiser": "adam"}, "--optimiser: .*did you mean 'adamw'"),
        ({"precision": "bf61"}, "--precision: .*did you mean 'bf16'"),
        ({"augmentation": "flip"}, "--augmentation"),
    ],
)
def test_settings_that_no_training_can_use_are_refused_by_name(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TrainingSettings(**change)
