"""What runs of `landscape.flatness` measured, joined to examples by classifier, recipe and id.

Only the files of a run directory are read: `results.parquet` and `environment.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pandas as pd

from attacks.recipes import Recipe, parse
from core.data import ImageSet
from core.errors import InputError

ARGUMENT = "--flatness"
GENUINE = "genuine"
PREFIXES = {"genuine": "flatness_genuine:", "adversarial": "flatness_adversarial:"}
"""Of the columns that measures go to: around the genuine image, around the source's example."""

_MEASURES = {
    "gaussian_rise", "sphere_rise", "log_odds_shift", "worst_l2_rise", "worst_linf_rise",
    "linearity_gap", "stability", "certified_radius", "persistence", "boundary_distance",
    "gradient_l2", "gradient_l1", "hessian_trace", "hessian_top", "gradient_change",
    "gradient_coherence", "lid:input",
}  # fmt: skip
"""Names of the measures, before the `@` of their columns. Standard errors and bounds are left out,
and what has another meaning for each classifier: its hidden layers, its references."""


@dataclass(frozen=True)
class Landscapes:
    """Measures by classifier.

    Attributes:
        digests: run directory -> sha256 of its results.
        genuine: source, id and a column for each measure of the genuine image; empty: no run.
        adversarial: source, recipe, id and a column for each measure of the example.
    """

    digests: Mapping[str, str]
    genuine: pd.DataFrame
    adversarial: pd.DataFrame

    def added_to(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the table of examples with the measures of their sources; NaN where unknown."""
        for measured, keys in (
            (self.genuine, ["source", "id"]),
            (self.adversarial, ["source", "recipe", "id"]),
        ):
            if len(measured):
                table = table.merge(measured, on=keys, how="left", validate="many_to_one")
        return table

    @property
    def measures(self) -> list[str]:
        """The columns that `added_to` adds."""
        return [c for t in (self.genuine, self.adversarial) for c in map(str, t) if ":" in c]


def read_landscapes(
    runs: Sequence[str],
    fingerprints: Mapping[str, str],
    images: ImageSet,
    recipes: Mapping[str, Recipe],
) -> Landscapes:
    """Read runs of `landscape.flatness`, each of one of the classifiers on the same images.

    Args:
        runs: run directories.
        fingerprints: of the classifiers, by name.
        images: the whole image set of the study.
        recipes: of the study; adversarial measures are taken where the recipe is the very same.

    Raises:
        InputError: a folder holds no finished run of flatness, one of another classifier or other
            images, or a second one of the same classifier.
    """
    digests: dict[str, str] = {}
    genuine: dict[str, pd.DataFrame] = {}
    adversarial: list[pd.DataFrame] = []
    for run in runs:
        folder = Path(run)
        source = _source(folder, fingerprints, images)
        if source in genuine:
            raise InputError(f"{ARGUMENT}: two runs are about {source}; give one of them.")
        results = folder / "results.parquet"
        digests[run] = sha256(results.read_bytes()).hexdigest()
        table = pd.read_parquet(results)
        measures = [name for name in map(str, table.columns) if name.partition("@")[0] in _MEASURES]
        own = table[["id", "group", *measures]].assign(source=source)
        genuine[source] = _renamed(own[own["group"] == GENUINE], measures, "genuine").drop(
            columns="group"
        )
        own = own.assign(recipe=own["group"].map(lambda group: _recipe(group, recipes)))
        adversarial.append(
            _renamed(own.dropna(subset=["recipe"]), measures, "adversarial").drop(columns="group")
        )
    return Landscapes(
        digests,
        pd.concat(genuine.values(), ignore_index=True) if genuine else pd.DataFrame(),
        pd.concat(adversarial, ignore_index=True) if adversarial else pd.DataFrame(),
    )


def _source(folder: Path, fingerprints: Mapping[str, str], images: ImageSet) -> str:
    """Return the name of the classifier that a run is about."""
    try:
        about = json.loads((folder / "environment.json").read_text("utf-8"))
        command, known = about["command"], about["identity"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{ARGUMENT}: {folder} is not a run directory ({error}).") from error
    if command != "landscape.flatness":
        raise InputError(
            f"{ARGUMENT}: {folder} holds a run of {command}, expected landscape.flatness."
        )
    if not (folder / "results.parquet").is_file():
        raise InputError(f"{ARGUMENT}: the run in {folder} is not finished.")
    if known.get("images") != images.fingerprint:
        raise InputError(f"{ARGUMENT}: the run in {folder} is about other images.")
    for name, own in fingerprints.items():
        if known.get("classifier") == own:
            return name
    raise InputError(
        f"{ARGUMENT}: the run in {folder} is about a classifier "
        f"({str(known.get('classifier'))[:12]}) that is none of {', '.join(fingerprints)}."
    )


def _renamed(table: pd.DataFrame, measures: Sequence[str], what: str) -> pd.DataFrame:
    return table.rename(columns={m: f"{PREFIXES[what]}{m}" for m in measures})


def _recipe(group: str, recipes: Mapping[str, Recipe]) -> str | None:
    """Return the study's string of a group's recipe; None where the study has it not."""
    try:
        recipe = str(parse(group))
    except InputError:
        return None
    return recipe if recipe in recipes else None
