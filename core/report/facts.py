"""How it was measured: the facts about data, classifiers and runs that every report states."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from core.report import words

if TYPE_CHECKING:
    from core.data import ImageSet
    from core.models import Classifier
    from core.statistics import Interval


def data_fact(name: str, images: ImageSet, used: str) -> str:
    """Say what the images are, and how many are `used`, such as `200 attacked`."""
    return (
        f"{name}, split {images.split}: {len(images)} images of shape {images.shape}, "
        f"{len(images.class_names)} classes; {used}"
    )


def classifier_fact(
    name: str, classifier: Classifier, right: int, total: int, accuracy: Interval | None = None
) -> str:
    """Say what a classifier is, and on how many of the images used it is right."""
    from core.models import fingerprint

    said = f"{name}, weights {fingerprint(classifier)[:12]}; right on {words.count(right, total)}"
    share = "" if accuracy is None else f", {words.interval(accuracy, scale=100, unit='%')}"
    return f"{said} of the images used{share}"


def run_facts(
    environment: Mapping[str, Any], *, seed: int, device: str, threads: int
) -> dict[str, str]:
    """Return the facts about a run: seed, time, versions, device.

    Args:
        environment: what the run directory knows of its making (`RunDirectory.environment`).
        seed: of everything random.
        device: where it was computed.
        threads: of each process.
    """
    begun = datetime.fromisoformat(environment["started"])
    took = (datetime.now(begun.tzinfo) - begun).total_seconds()
    return {
        "seed": str(seed),
        "time": f"{words.duration(took)} from the first start, pauses included; begun "
        f"{begun:%Y-%m-%d %H:%M %Z}",
        "versions": ", ".join(f"{k} {v}" for k, v in environment["versions"].items()),
        "device": f"{device}, {words.counted(threads, 'thread')} per process",
    }
