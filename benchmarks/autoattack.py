"""AutoAttack beside its authors' implementation and torchattacks: time, passes, robustness."""

from __future__ import annotations

import importlib
import statistics
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from attacks import autoattack_components, craft, parse, verify
from benchmarks.counted import Counted
from benchmarks.peers import Attack, prepared
from benchmarks.photographs import resnet_on_photographs
from core.data import load_images
from core.models import load_classifier

EXAMPLES = 256
OURS = "inputscape"
OFFICIAL = "auto-attack (the authors')"
TORCHATTACKS = "torchattacks"
METRICS = {
    "wall time": "s",
    "processor time": "s",
    "forward passes per image": "",
    "robust accuracy": "",
}


def settings() -> list[tuple[str, nn.Module, Tensor, Tensor, str]]:
    """Return name, classifier, images, labels and radius of each setting that there is.

    The digits, and where they are found the photographs. There the radius is one that leaves few of
    the images: each image that survives costs ten thousand passes of whichever implementation.
    """
    found = [("digits", load_classifier(), load_images("digits"), "0.12")]
    photographs = resnet_on_photographs()
    if photographs:
        found.append(("ResNet-18", *photographs, "8/255"))
    return [
        (name, classifier, *data.subset(EXAMPLES).tensors(), eps)
        for name, classifier, data, eps in found
    ]


def contenders(
    model: Counted, images: Tensor, labels: Tensor, eps: str, seed: int
) -> dict[str, Attack | str]:
    """Return each contender as a function without arguments, or why it cannot take part.

    All run their AutoAttack in linf as its standard version is meant, in one batch.
    """
    radius = parse(f"autoattack(eps={eps})")["eps"]
    classes = int(model.classifier(images[:1]).shape[1])

    def ours() -> Tensor:
        crafted = craft(model, images, labels, f"autoattack(eps={eps})", seed, batch_size=EXAMPLES)
        print(autoattack_components(crafted).to_string(index=False), flush=True)
        return crafted.images

    def official() -> Attack:
        library = importlib.import_module("autoattack")
        attack = library.AutoAttack(
            model,
            norm="Linf",
            eps=radius,
            version="standard",
            device="cpu",
            seed=seed,
            verbose=False,
        )
        return lambda: attack.run_standard_evaluation(images, labels, bs=EXAMPLES)

    def torchattacks() -> Attack:
        library = importlib.import_module("torchattacks")
        attack = library.AutoAttack(model, eps=radius, n_classes=classes, seed=seed)
        return lambda: attack(images, labels)

    return {OURS: ours} | prepared({OFFICIAL: official, TORCHATTACKS: torchattacks})


def rows(repeats: int = 3) -> list[dict[str, Any]]:
    """Run every contender in every setting, and return one row per figure.

    On the digits with so many seeds, on the photographs, which take minutes, with one. Times and
    passes are medians over the seeds. Robust accuracy is the share of all images that are right
    before and after, from `attacks.verify`: its mean, and in the note how many images each seed
    leaves.
    """
    table: list[dict[str, Any]] = []
    for setting, classifier, images, labels, eps in settings():
        model = Counted(classifier).eval()
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        measured: dict[str, list[dict[str, float]]] = {}
        notes: dict[str, str] = {}
        for seed in range(repeats if setting == "digits" else 1):
            for name, attack in contenders(model, images, labels, eps, seed).items():
                runs = measured.setdefault(name, [])
                if isinstance(attack, str):
                    notes[name] = attack
                    continue
                runs.append(one_run(model, attack, images, labels, eps, seed))
                left = [round(run["robust accuracy"] * len(images)) for run in runs]
                notes[name] = f"images left, by seed: {', '.join(map(str, left))}"
                print(f"{setting}, seed {seed}, {name}: {runs[-1]}", flush=True)
        for metric, unit in METRICS.items():
            middle = statistics.fmean if metric == "robust accuracy" else statistics.median
            values = {
                name: middle([run[metric] for run in runs]) if runs else float("nan")
                for name, runs in measured.items()
            }
            for name, value in values.items():
                own = values[OURS]
                table.append(
                    {
                        "benchmark": f"AutoAttack linf {eps}, {setting}, {len(images)} images",
                        "contender": name,
                        "metric": metric,
                        "value": value,
                        "unit": unit,
                        "ratio_to_ours": value / own if own else float("nan"),
                        "note": notes[name],
                    }
                )
    return table


def one_run(
    model: Counted, attack: Attack, images: Tensor, labels: Tensor, eps: str, seed: int
) -> dict[str, float]:
    """Run one contender, and return what it took and what it left.

    An image outside the ball or the box counts as not fooled.
    """
    torch.manual_seed(seed)
    np.random.seed(seed)
    model.shown = 0
    begun = time.perf_counter(), time.process_time()
    made = attack()
    seconds = time.perf_counter() - begun[0], time.process_time() - begun[1]
    passes = model.shown / len(images)
    recipe = f"autoattack(norm=linf, eps={eps})"
    found = verify(model.classifier, images, made, labels, recipe, tolerance=1e-5)
    robust = float((found.clean_correct & (found.status != "success")).mean())
    return dict(zip(METRICS, (*seconds, passes, robust), strict=True))
