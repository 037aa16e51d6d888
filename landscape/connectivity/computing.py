"""What each unit of a connectivity study computes, and the images that it needs for that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from attacks.crafted_shards import crafted_shards
from attacks.tables import images_of
from core.report.versions import GENUINE
from landscape.comparison import SUCCESS
from landscape.connectivity import kinds
from landscape.connectivity.controls import noise_control
from landscape.connectivity.pairs import Group, Pairs
from landscape.connectivity.second_ends import partners, second_ends
from landscape.connectivity.ways import COLUMNS, joined
from landscape.groups.same_class import control_of, is_same_class
from landscape.loss import Loss

if TYPE_CHECKING:
    from core.studies import RunDirectory
    from landscape.connectivity.study import ConnectivityStudy

SEEN, CHOSEN, ENDS, PATHS = "seen", "pairs", "ends", "paths"
"""The first parts of the units' keys."""


def seen(study: ConnectivityStudy) -> pd.DataFrame:
    """Return what the classifier takes the genuine images for."""
    said = []
    for images, _ in study.chosen.batches(study.batch_size, device=study.device):
        with torch.no_grad():
            said.append(study.classifier(images).argmax(1).cpu())
    ids = [str(i) for i in study.chosen.ids]
    return pd.DataFrame(
        {"id": ids, "label": study.chosen.labels, "prediction": torch.cat(said).numpy()}
    )


def chosen(study: ConnectivityStudy, run: RunDirectory) -> pd.DataFrame:
    """Choose the pairs of every kind: a row each, see `kinds.of_attack`, with the attack."""
    genuine = _known(_right(run))
    found = [kinds.within_genuine(genuine, study.pairs, seed=study.seed).assign(group="")]
    for group in study.attacking:
        made = run.read(crafted_shards(group))
        fooled = _known(made[made["status"] == SUCCESS])
        donors = _donors(study, group, run)
        rows = kinds.of_attack(genuine, fooled, donors, study.pairs, seed=study.seed)
        found.append(rows.assign(group=group))
    return pd.concat(found, ignore_index=True)


def paths(
    study: ConnectivityStudy, run: RunDirectory, kind: str, group: str, start: int, stop: int
) -> pd.DataFrame:
    """Join a block of the pairs of one kind in every way: a row per way and pair."""
    rows = rows_of(run, kind, group, range(start, stop))
    if not len(rows):
        return pd.DataFrame(columns=["path", "kind", "group", "number", "class", *COLUMNS[2:]])
    pairs = pairs_of(study, run, rows)
    found = joined(
        Loss(study.classifier, pairs.labels), pairs.first, pairs.second, study.paths,
        threshold=study.threshold, budget=study.budget, points=study.points, ids=pairs.ids,
        batch_size=study.batch_size,
    )  # fmt: skip
    found = found.rename(columns={"kind": "path"})
    times = len(found) // len(pairs)
    found.insert(1, "kind", kind)
    found.insert(2, "group", group)
    found.insert(3, "number", np.tile(rows["number"], times))
    found.insert(4, "class", np.tile(rows["class"], times))
    return found


def ends(
    study: ConnectivityStudy, run: RunDirectory, group: str, start: int, stop: int
) -> pd.DataFrame:
    """Join the images of a block of a group to genuine ones of the class they are taken for."""
    version = study.version(group, start, stop, run)
    table = _described(study, version.images, version.labels, study.ids(start, stop))
    table.insert(1, "group", group)
    table.insert(2, "pool", start >= len(study.attacked))
    table = study.known_of(table, version)
    counts = table["clean_correct"] if group == GENUINE else table["status"] == SUCCESS
    rows = np.flatnonzero(counts.to_numpy(dtype=bool) & table["loss"].notna().to_numpy())
    known = _known(table.iloc[rows])
    donors = _donors(study, group, run)
    right = _right(run)
    joined_to = partners(
        known, _known(right), study.partners, excluded=[donors.get(i, "") for i, _ in known],
        seed=study.seed,
    )  # fmt: skip
    used = sorted({place for some in joined_to for place in some})
    number = {place: i for i, place in enumerate(used)}
    found = second_ends(
        study.classifier,
        version.images[torch.tensor(rows, device=version.images.device)],
        torch.tensor([own for _, own in known], dtype=torch.int64, device=study.device),
        _genuine(study, right.iloc[used]).images,
        [[number[place] for place in some] for some in joined_to],
        threshold=study.threshold,
        budget=study.budget,
        batch_size=study.batch_size,
    )
    return table.join(found.set_index(table.index[rows]))


def rows_of(run: RunDirectory, kind: str, group: str, numbers: Sequence[int]) -> pd.DataFrame:
    """Return the rows of some chosen pairs of one kind and attack, by their numbers."""
    known = run.read(CHOSEN)
    own = (known["kind"] == kind) & (known["group"] == group)
    return known[own & known["number"].isin(numbers)]


def pairs_of(study: ConnectivityStudy, run: RunDirectory, rows: pd.DataFrame) -> Pairs:
    """Return some chosen pairs of one kind and attack with their images."""
    kind, group = str(rows["kind"].iloc[0]), str(rows["group"].iloc[0])
    firsts, seconds = rows["first"].tolist(), rows["second"].tolist()
    one = group if kind == kinds.ADVERSARIAL else GENUINE
    other = {kinds.GENUINE: GENUINE, kinds.SAME_CLASS: control_of(group)}.get(kind, group)
    found = Pairs(
        kind,
        _images(study, run, one, firsts),
        _images(study, run, other, seconds),
        torch.tensor(rows["class"].tolist(), device=study.device),
        tuple(f"{a}>{b}" for a, b in zip(firsts, seconds, strict=True)),
    )
    if kind != kinds.NOISE:
        return found
    made = run.read(crafted_shards(group)).set_index("id")
    lengths = torch.tensor(made.loc[seconds, "l2"].to_numpy())
    right = _right(run)
    others = _genuine(study, right[right["label"].isin(rows["class"])])
    return noise_control(found, others, lengths, seed=study.seed)


def _images(study: ConnectivityStudy, run: RunDirectory, group: str, ids: list[str]) -> Tensor:
    """Return the versions of some examples in a group."""
    if group == GENUINE:
        place = {str(name): i for i, name in enumerate(study.chosen.ids)}
        return study.chosen.tensors([place[i] for i in ids], device=study.device)[0]
    made = run.read(crafted_shards(group)).set_index("id").loc[ids].reset_index()
    return images_of(made, study.chosen.shape).to(study.device)


def _right(run: RunDirectory) -> pd.DataFrame:
    """Return what is known of the genuine images that the classifier gets right."""
    known = run.read(SEEN)
    return known[known["prediction"] == known["label"]]


def _genuine(study: ConnectivityStudy, right: pd.DataFrame) -> Group:
    """Return some of the genuine images that the classifier gets right."""
    images, labels = study.chosen.tensors(right.index.to_numpy(), device=study.device)
    return Group(images, labels, tuple(right["id"]))


def _donors(study: ConnectivityStudy, group: str, run: RunDirectory) -> dict[str, str]:
    """Return what the control of each example of a group, or the control itself, is made from."""
    control = group if is_same_class(group) else control_of(group)
    if control not in study.same_class:
        return {}
    made = run.read(crafted_shards(control))
    made = made[made["status"] == SUCCESS]
    return dict(zip(made["id"], made["donor"], strict=True))


def _described(
    study: ConnectivityStudy, images: Tensor, labels: Tensor, ids: list[str]
) -> pd.DataFrame:
    """Return prediction, confidence and loss of the predicted class; none for a missing image."""
    usable = images.flatten(1).isfinite().all(1)
    known = pd.DataFrame({"id": ids, "label": labels.cpu().numpy()})
    known = known.assign(prediction=-1, confidence=np.nan, loss=np.nan)
    if usable.any():
        with torch.no_grad():
            parts = [study.classifier(part) for part in images[usable].split(study.batch_size)]
        logits = torch.cat(parts).double().cpu()
        own = logits.argmax(1)
        where = known.index[usable.cpu().numpy()]
        known.loc[where, "prediction"] = own.numpy()
        known.loc[where, "confidence"] = logits.softmax(1).amax(1).numpy()
        known.loc[where, "loss"] = Loss(study.classifier, own).of_logits(logits).numpy()
    return known


def _known(table: pd.DataFrame) -> list[tuple[str, int]]:
    """Return id and predicted class of each row."""
    return [(str(i), int(p)) for i, p in zip(table["id"], table["prediction"], strict=True)]
