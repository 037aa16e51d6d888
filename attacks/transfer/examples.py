"""Pictures for the report: examples that fool every classifier, and that fool only their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from attacks.crafted_shards import CRAFT
from attacks.tables import images_of
from core.report import Report, words
from core.studies import file_safe

if TYPE_CHECKING:
    from attacks.transfer.study import TransferStudy
    from core.studies import RunDirectory

SHOWN = 3
"""Examples of each sort."""


def examples(
    report: Report, study: TransferStudy, run: RunDirectory, table: pd.DataFrame, recipe: str
) -> None:
    """Show examples of one recipe that transfer everywhere, and some that transfer nowhere.

    Sources take turns, so that they are not all of one classifier.
    """
    own = table[(table["recipe"] == recipe) & table["source_fooled"]]
    others = own[own["source"] != own["victim"]]
    share = others.groupby(["source", "id"], sort=False)["fooled"].mean()
    for wanted, what in ((1.0, "every classifier"), (0.0, "only the classifier it was made on")):
        picked = _by_turns(share[share == wanted].index.to_list(), list(study.members))
        if not picked:
            report.text(f"No example of {study.labels[recipe]} fooled {what}.")
            continue
        _show(report, study, run, own, recipe, picked, what)


def _by_turns(found: list[tuple[str, str]], sources: list[str]) -> list[tuple[str, str]]:
    """Return a few (source, id): one of each source, then a second of each, no id twice."""
    waiting = {source: [pair for pair in found if pair[0] == source] for source in sources}
    picked: list[tuple[str, str]] = []
    while len(picked) < SHOWN and any(waiting.values()):
        for queue in waiting.values():
            taken = {name for _, name in picked}
            while queue and queue[0][1] in taken:
                queue.pop(0)
            if queue:
                picked.append(queue.pop(0))
    return picked[:SHOWN]


def _show(
    report: Report,
    study: TransferStudy,
    run: RunDirectory,
    rows: pd.DataFrame,
    recipe: str,
    picked: list[tuple[str, str]],
    what: str,
) -> None:
    names = study.all_images.class_names
    chosen = study.chosen.select([i for _, i in picked])
    genuine = chosen.tensors()[0].numpy()
    made, lines, before, said = [], [], [], []
    for source, name in picked:
        crafted = run.read(f"{CRAFT}/{file_safe(source)}/")
        crafted = crafted[(crafted["recipe"] == recipe) & (crafted["id"] == name)]
        made.append(images_of(crafted, study.chosen.shape).numpy()[0])
        own = rows[(rows["source"] == source) & (rows["id"] == name)].set_index("victim")
        others = own.drop(index=source)
        lines.append(f"fools {words.count(int(others['fooled'].sum()), len(others))} others")
        label = names[int(own["label"].iloc[0])]
        before.append(label)
        answers = {
            victim: f"{names[int(own['prediction'][victim])]}, "
            f"{words.percent(float(own['confidence'][victim]))}"
            for victim in study.members
        }
        said.append({"image": name, "class": label, "made on": source, **answers})
    adversarial = np.stack(made)
    changes = np.abs(adversarial - genuine)
    large = float(np.quantile([0.05, *changes[changes > 0.05]], 0.99))
    gain = float(f"{0.5 / large:.1g}")
    report.examples(
        {"genuine": genuine, "adversarial": adversarial},
        f"Examples of {study.labels[recipe]} that fool {what}: the genuine image, the example, and "
        f"what was changed, times {gain:g} (grey: nothing).",
        gain=gain,
        captions={"genuine": before, "adversarial": lines},
        titles=[f"{i}, made on {source}" for source, i in picked],
        reference="genuine",
    )
    report.table(pd.DataFrame(said), "What each classifier says of these, and how sure it is.")
