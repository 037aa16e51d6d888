"""The nearest adversarial example in l2 and linf, beside adv_lib, torchattacks and foolbox.

The images are the validation photographs after the first 512 in the fixed order of
`ImageSet.subset`: our settings were chosen on some of those, and never saw these.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from attacks import craft
from attacks.norms import lengths
from benchmarks.counted import Counted
from benchmarks.peers import Attack, adv_lib, prepared
from benchmarks.photographs import classifier_on_photographs
from core.data import load_images
from core.models import load_classifier

CLASSIFIERS = ("resnet18", "mobilenet_v2")
EXAMPLES = 256
HELD_OUT = 512
STEPS = 99
OURS = "inputscape"


def settings() -> list[tuple[str, nn.Module, Tensor, Tensor]]:
    """Return names, classifiers, images, labels: photographs, or the digits where there are none.

    Only images that the classifier gets right are kept.
    """
    found = []
    for name in CLASSIFIERS:
        photographs = classifier_on_photographs(name)
        if photographs is not None:
            classifier, data = photographs
            images, labels = data.subset(min(HELD_OUT + EXAMPLES, len(data))).tensors()
            found.append((name, classifier, images[HELD_OUT:], labels[HELD_OUT:]))
    if not found:
        images, labels = load_images("digits").subset(EXAMPLES).tensors()
        found.append(("digits", load_classifier(), images, labels))
    kept = []
    for name, classifier, images, labels in found:
        with torch.no_grad():
            right = classifier.eval()(images).argmax(1) == labels
        kept.append((name, classifier, images[right], labels[right]))
    return kept


def contenders(
    model: Counted, images: Tensor, labels: Tensor, norm: str
) -> dict[str, Attack | str]:
    """Return each contender as a function without arguments, or why it cannot take part.

    All have their defaults but the number of steps. DDN does not round to 256 grey values, as it
    would by default: that makes its examples a little longer.
    """
    recipe = f"minnorm(norm={norm}, steps={STEPS})"

    def fmn() -> Attack:
        library, power = adv_lib(), 2 if norm == "l2" else float("inf")
        return lambda: library.fmn(model, images, labels, norm=power, steps=STEPS + 1)

    def ddn() -> Attack:
        library = adv_lib()
        return lambda: library.ddn(model, images, labels, steps=STEPS + 1, levels=None)

    def cw(**settings: Any) -> Callable[[], Attack]:
        def prepare() -> Attack:
            attack = importlib.import_module("torchattacks").CW(model, **settings)
            return lambda: attack(images, labels)

        return prepare

    def foolbox() -> Attack:
        library = importlib.import_module("foolbox")
        wrapped = library.PyTorchModel(model, bounds=(0, 1), device="cpu")
        kind = library.attacks.DDNAttack if norm == "l2" else library.attacks.LInfFMNAttack
        attack = kind(steps=STEPS + 1)
        return lambda: attack(wrapped, images, labels, epsilons=None)[1]

    peers: dict[str, Callable[[], Attack]] = {"adv_lib FMN": fmn}
    if norm == "l2":
        peers["adv_lib DDN"] = ddn
        peers["torchattacks CW"] = cw()
        peers["torchattacks CW, 300 steps"] = cw(steps=300)
    peers["foolbox DDN" if norm == "l2" else "foolbox FMN"] = foolbox

    def ours() -> Tensor:
        return craft(model, images, labels, recipe, batch_size=EXAMPLES).images

    return {OURS: ours} | prepared(peers)


def rows(repeats: int = 3) -> list[dict[str, Any]]:
    """Measure every contender once per classifier and norm, and return one row per figure.

    The walks are deterministic and long, so that `repeats` is not used. Norms are of the images
    made, after a clip to the box, over the images classified correctly; one that does not fool
    counts as infinite in the median and is left out of the mean, which says so in its note.
    """
    table: list[dict[str, Any]] = []
    for name, classifier, images, labels in settings():
        model = Counted(classifier).eval()
        for norm in ("l2", "linf"):
            figures: dict[str, dict[str, float]] = {}
            notes: dict[str, str] = {}
            for contender, attack in contenders(model, images, labels, norm).items():
                if isinstance(attack, str):
                    figures[contender], notes[contender] = {}, attack
                    continue
                torch.manual_seed(0)
                model.shown = 0
                begun = time.perf_counter()
                made = attack().detach().clamp(0, 1)
                seconds = time.perf_counter() - begun
                measured, fooled = judged(classifier, images, labels, made, norm)
                figures[contender] = {
                    **measured,
                    "forward passes per image": model.shown / len(images),
                    "wall time": seconds,
                }
                notes[contender] = "" if fooled == len(images) else f"mean over {fooled} fooled"
            benchmark = f"minimum {norm}, {name}, {len(images)} images"
            table += as_rows(benchmark, figures, notes)
    return table


def judged(
    classifier: nn.Module, images: Tensor, labels: Tensor, made: Tensor, norm: str
) -> tuple[dict[str, float], int]:
    """Return median and mean norm and the success rate, and how many images are fooled."""
    with torch.no_grad():
        fooled = classifier(made).argmax(1) != labels
    sizes = lengths(made - images, norm)
    figures = {
        "median norm": float(torch.where(fooled, sizes, torch.inf).median()),
        "mean norm": float(sizes[fooled].mean()),
        "success": float(fooled.float().mean()),
    }
    return figures, int(fooled.sum())


def as_rows(
    benchmark: str, figures: dict[str, dict[str, float]], notes: dict[str, str]
) -> list[dict[str, Any]]:
    """Return one row per figure and contender."""
    found = []
    for metric, own in figures[OURS].items():
        for contender, values in figures.items():
            value = values.get(metric, float("nan"))
            found.append(
                {
                    "benchmark": benchmark,
                    "contender": contender,
                    "metric": metric,
                    "value": value,
                    "unit": "s" if metric == "wall time" else "",
                    "ratio_to_ours": value / own if own else float("nan"),
                    "note": notes[contender],
                }
            )
    return found
