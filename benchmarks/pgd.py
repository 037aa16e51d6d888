"""PGD-40 in linf, beside torchattacks, foolbox, ART, adv_lib: time, passes, robust accuracy."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from attacks import craft, parse, verify
from benchmarks.counted import Counted
from benchmarks.peers import Attack, adv_lib, prepared
from benchmarks.photographs import resnet_on_photographs
from core.data import load_images
from core.models import load_classifier

STEPS = 40
EXAMPLES = 256
OURS = "inputscape"
SHORT = "steps=18, schedule=cosine, momentum=0.5"
NAME = f"PGD-{STEPS} linf, {EXAMPLES} images"


def setting() -> tuple[nn.Module, Tensor, Tensor, str]:
    """Return classifier, images, labels, radius: ResNet-18 on photographs, or the digits."""
    found = resnet_on_photographs()
    if found:
        classifier, data, eps = *found, "2/255"
    else:
        classifier, data, eps = load_classifier(), load_images("digits"), "0.2"
    images, labels = data.subset(EXAMPLES).tensors()
    return classifier, images, labels, eps


def contenders(model: Counted, images: Tensor, labels: Tensor, eps: str) -> dict[str, Attack | str]:
    """Return each contender as a function without arguments, or why it cannot take part.

    All take the same step, a quarter of the radius, from a uniformly random start. Ours takes part
    twice: with the very same recipe, where only the active set saves passes, and with fewer steps,
    which shrink and have momentum (so that they get as far). adv_lib never looks at where its
    last step leads, and gives an image that it has not fooled back as it was.
    """
    radius = parse(f"pgd(eps={eps})")["eps"]
    step = radius / 4
    classes = int(model.classifier(images[:1]).shape[1])

    def ours(settings: str) -> Attack:
        recipe = f"pgd(norm=linf, eps={eps}, {settings})"
        return lambda: craft(model, images, labels, recipe, batch_size=EXAMPLES).images

    def torchattacks() -> Attack:
        library = importlib.import_module("torchattacks")
        attack = library.PGD(model, eps=radius, alpha=step, steps=STEPS, random_start=True)
        return lambda: attack(images, labels)

    def foolbox() -> Attack:
        library = importlib.import_module("foolbox")
        wrapped = library.PyTorchModel(model, bounds=(0, 1), device="cpu")
        attack = library.attacks.LinfPGD(abs_stepsize=step, steps=STEPS, random_start=True)
        return lambda: attack(wrapped, images, labels, epsilons=radius)[1]

    def art() -> Attack:
        estimators = importlib.import_module("art.estimators.classification")
        evasion = importlib.import_module("art.attacks.evasion")
        wrapped = estimators.PyTorchClassifier(
            model,
            loss=nn.CrossEntropyLoss(),
            input_shape=tuple(images.shape[1:]),
            nb_classes=classes,
            clip_values=(0.0, 1.0),
            device_type="cpu",
        )
        attack = evasion.ProjectedGradientDescent(
            wrapped,
            norm=np.inf,
            eps=radius,
            eps_step=step,
            max_iter=STEPS,
            num_random_init=1,
            batch_size=EXAMPLES,
            verbose=False,
        )
        pixels, classes_of = images.numpy(), labels.numpy()
        return lambda: torch.from_numpy(attack.generate(pixels, classes_of))

    def adversarial_library() -> Attack:
        attack = adv_lib().pgd_linf
        return lambda: attack(model, images, labels, radius, steps=STEPS, absolute_step_size=step)

    ours_twice = {
        OURS: ours(f"steps={STEPS}"),
        f"{OURS}, {SHORT}": ours(f"{SHORT}, random_start=false"),
    }
    peers: dict[str, Callable[[], Attack]] = {
        "torchattacks": torchattacks,
        "foolbox": foolbox,
        "ART": art,
        "adv_lib": adversarial_library,
    }
    return ours_twice | prepared(peers)


def rows(repeats: int = 3) -> list[dict[str, Any]]:
    """Measure all contenders in alternating repetitions, and return one row per figure.

    Time and passes are medians over the repetitions; robust accuracy is the share of all images
    that are right before and after, from `attacks.verify`, and the mean over the repetitions. An
    image outside the ball or the box counts as not fooled.
    """
    classifier, images, labels, eps = setting()
    model = Counted(classifier).eval()
    attacks = contenders(model, images, labels, eps)
    recipe = f"pgd(norm=linf, eps={eps}, steps={STEPS})"
    seconds: dict[str, list[float]] = {name: [] for name in attacks}
    passes: dict[str, list[float]] = {name: [] for name in attacks}
    robust: dict[str, list[float]] = {name: [] for name in attacks}
    notes: dict[str, str] = {}
    for _ in range(repeats):
        for name, attack in attacks.items():
            if isinstance(attack, str):
                notes[name] = attack
                continue
            torch.manual_seed(0)
            np.random.seed(0)
            model.shown = 0
            begun = time.perf_counter()
            made = attack()
            seconds[name].append(time.perf_counter() - begun)
            passes[name].append(model.shown / len(images))
            table = verify(classifier, images, made, labels, recipe, tolerance=1e-5)
            robust[name].append(float((table.clean_correct & (table.status != "success")).mean()))
            broken = table.status.isin(["outside box", "outside ball", "not finite"]).sum()
            notes[name] = f"{broken} images outside ball or box" if broken else ""
    figures = (
        ("wall time", "s", seconds, statistics.median),
        ("forward passes per image", "", passes, statistics.median),
        ("robust accuracy", "", robust, statistics.fmean),
    )
    table_rows = []
    for metric, unit, values, middle in figures:
        own = middle(values[OURS])
        for name in attacks:
            value = middle(values[name]) if values[name] else float("nan")
            ratio = value / own if own else float("nan")
            table_rows.append(
                {
                    "benchmark": NAME,
                    "contender": name,
                    "metric": metric,
                    "value": value,
                    "unit": unit,
                    "ratio_to_ours": ratio,
                    "note": notes.get(name, ""),
                }
            )
    return table_rows
