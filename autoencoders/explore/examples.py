"""Grids of decoded latents: around examples, between two of them, and along chains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from attacks.tables import images_of
from autoencoders.explore.subjects import Subject
from core.layers import INPUT
from core.report import Report, words

if TYPE_CHECKING:
    from autoencoders.explore.study import ExploreStudy

SHOWN = {
    True: "Decoded images",
    False: "A hidden representation is no picture: shown is the training image whose "
    "representation is nearest to the decoded one (its class in brackets)",
}


class Grid:
    """Adds the grids of one autoencoder to a report."""

    def __init__(self, report: Report, study: ExploreStudy, subject: Subject) -> None:
        self.report, self.subject = report, subject
        self.shape, self.names = study.explored.shape, study.explored.class_names
        self.originals = study.explored
        self.what = f"{subject.name}. {SHOWN[subject.layer == INPUT]}, below each the classifier's "
        self.what += "answer and its confidence when the decoded representation is spliced in"

    def around(self, table: pd.DataFrame) -> None:
        """Add a row per example, a column per noise level; one direction of noise."""
        rows = table[table["shown"]]
        ids = list(rows["id"].drop_duplicates())
        columns = {"image": self.originals.select(ids).tensors()[0].numpy()}
        captions = {"image": [self._class(k) for k in self.originals.select(ids).labels]}
        for scale in sorted(rows["scale"].unique()):
            part = rows[rows["scale"] == scale]
            name = f"noise {scale:g}" if scale else "no noise"
            columns[name], captions[name] = self._column(part.set_index("id").loc[ids])
        self.report.examples(
            columns, f"Noise around embeddings, in deviations of the latent. {self.what}.",
            captions=captions, titles=ids,
        )  # fmt: skip

    def between(self, table: pd.DataFrame) -> None:
        """Add two rows per pair, a column per place on the way."""
        rows = table[table["shown"]].sort_values(["pair", "way"], kind="stable")
        keys = list(rows[["pair", "way"]].drop_duplicates().itertuples(index=False, name=None))
        columns, captions = {}, {}
        for share, part in rows.groupby("share"):
            name = f"{share:g}"
            columns[name], captions[name] = self._column(part.set_index(["pair", "way"]).loc[keys])
        ends = rows.drop_duplicates(["pair", "way"])
        titles = [f"{row.way}: {row.first} to {row.second}" for row in ends.itertuples()]
        self.report.examples(
            columns, f"Ways between embeddings of two examples. {self.what}.",
            captions=captions, titles=titles,
        )  # fmt: skip

    def chains(self, table: pd.DataFrame) -> None:
        """Add a row per class, a column per draw, from the chains in turn."""
        rows = table[table["shown"]]
        classes = list(rows["class"].drop_duplicates())
        columns, captions = {}, {}
        for draw in sorted(rows["draw"].unique()):
            part = rows[rows["draw"] == draw]
            name = f"{draw + 1}, chain {part['chain'].iloc[0] + 1}"
            columns[name], captions[name] = self._column(part.set_index("class").loc[classes])
        self.report.examples(
            columns,
            f"Chains guided to a class: a column per draw, from the chains in turn. {self.what}.",
            captions=captions,
            titles=[f"guided to {self._class(k)}" for k in classes],
        )  # fmt: skip

    def _column(self, rows: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
        lines = [
            f"{self._class(predicted)}, {words.percent(float(confidence))}"
            + (f" [{self._class(seen)}]" if seen >= 0 else "")
            for predicted, confidence, seen in rows[
                ["prediction", "confidence", "seen"]
            ].itertuples(index=False, name=None)
        ]
        return images_of(rows, self.shape).numpy(), lines

    def _class(self, label: int) -> str:
        return str(self.names[int(label)])
