"""The flatness study: its settings, its units of work, and what one unit computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from attacks import AdversarialSet, craft, load_adversarial, verify
from attacks.crafted_shards import CRAFT, crafted_shards
from attacks.recipe_lists import default_recipes, recipe_list
from attacks.tables import IMAGE, images_of, with_images
from core.data import ImageSet
from core.errors import InputError, unknown_name
from core.losses import LOSSES
from core.models import resolve_device
from core.options import float_list, positive, split_list
from core.report.versions import GENUINE
from core.studies import RunDirectory, Unit
from core.studies.classifier_study import ClassifierStudy
from core.studies.study import block_units, blocks
from landscape.flatness import report
from landscape.flatness.measures import measure

REFERENCES = ("predicted", "true", "target")

# l2 radii as multiples of sqrt(d), so that noise of one radius is equally visible at every image
# size; worst cases happen at much smaller radii, which depend on how fragile the classifier is.
_NOISE_STEPS = (0.00625, 0.0125, 0.025, 0.05, 0.1)
_WORST_CASE = {
    "digits": {"l2": (0.05, 0.1, 0.2, 0.5), "linf": (0.01, 0.02, 0.05, 0.1)},
    "photographs": {"l2": (0.05, 0.1, 0.2, 0.5), "linf": (0.25 / 255, 0.5 / 255, 1 / 255, 2 / 255)},
}


def default_radii(pixels: int) -> tuple[float, ...]:
    """Return the l2 radii of the noise for images of `pixels` values (channels included).

    >>> default_radii(64)
    (0.05, 0.1, 0.2, 0.4, 0.8)
    """
    return tuple(float(f"{step * pixels**0.5:.2g}") for step in _NOISE_STEPS)


@dataclass(frozen=True)
class FlatnessStudy(ClassifierStudy):
    """The resolved settings of one flatness study; see `run` for what each means."""

    examples: int
    matching_pool: int
    attacks: tuple[str, ...]
    adversarial: tuple[str, ...]
    loss: str
    reference: str
    radii: tuple[float, ...]
    worst_case_l2: tuple[float, ...]
    worst_case_linf: tuple[float, ...]
    worst_case_steps: int
    draws: int

    command = "landscape.flatness"

    def identity(self) -> dict[str, str]:
        """Return what classifier, images and adversarial files contain."""
        known = super().identity()
        for file in self.adversarial:
            known[f"adversarial {file}"] = sha256(Path(file).read_bytes()).hexdigest()
        return known

    @cached_property
    def artifacts(self) -> dict[str, AdversarialSet]:
        """Example groups that come ready-made, by group name."""
        loaded: dict[str, AdversarialSet] = {}
        for file in self.adversarial:
            artifact = load_adversarial(file).check_against(self.all_images)
            name = str(artifact.recipe) if artifact.recipe else Path(file).stem
            if name in loaded or name in self.attacks:
                raise InputError(
                    f"--adversarial: two groups are called {name!r}; give one of them."
                )
            loaded[name] = artifact
        return loaded

    @cached_property
    def attacked(self) -> ImageSet:
        """The examples that every group holds a version of."""
        available = self.all_images
        if self.artifacts:
            common = set.intersection(*({str(i) for i in a.ids} for a in self.artifacts.values()))
            if not common:
                raise InputError("--adversarial: the files have no example in common.")
            available = available.select([i for i in available.ids if str(i) in common])
        return available.subset(min(self.examples, len(available)), seed=self.seed)

    @cached_property
    def chosen(self) -> ImageSet:
        """The attacked examples, followed by the matching pool: further genuine images."""
        attacked = {str(i) for i in self.attacked.ids}
        others = [i for i in self.all_images.ids if str(i) not in attacked]
        pool = self.all_images.select(others).subset(
            min(self.matching_pool, len(others)), seed=self.seed
        )
        return self.all_images.select([*self.attacked.ids, *pool.ids])

    @property
    def groups(self) -> list[str]:
        """All example groups but `genuine`, in the order of the report."""
        return [*self.attacks, *self.artifacts]

    def units(self) -> list[Unit]:
        """Return crafting units (phase 0) and measuring units (phase 1)."""
        count, total = len(self.attacked), len(self.chosen)
        spans, pool = blocks(count), blocks(total, start=count)
        units = []
        for group in self.groups:
            units += block_units(CRAFT, group, spans, phase=0, group=group)
        for group in [GENUINE, *self.groups]:
            of_group = spans + pool if group == GENUINE else spans
            units += block_units("measure", group, of_group, phase=1, group=group)
        return units

    def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        """Craft or measure one block of one group."""
        group, start, stop = (unit.settings[k] for k in ("group", "start", "stop"))
        return (self._craft if unit.phase == 0 else self._measure)(group, start, stop, run)

    def _craft(self, group: str, start: int, stop: int, run: RunDirectory) -> pd.DataFrame:
        images, labels = self._genuine(start, stop)
        ids = [str(i) for i in self.chosen.ids[start:stop]]
        passes: dict[str, Any] = {}
        made: Any
        if group in self.artifacts:
            made = self.artifacts[group].select(ids)
        else:
            made = craft(
                self.classifier,
                images,
                labels,
                group,
                seed=self.seed,
                ids=ids,
                batch_size=self.batch_size,
            )
            passes = {"forwards": made.forwards.numpy(), "backwards": made.backwards.numpy()}
        checked = verify(
            self.classifier,
            images,
            made.images.to(images),
            labels,
            made.recipe,
            ids=ids,
            targets=made.targets,
            radii=made.radii,
            batch_size=self.batch_size,
        )
        if made.radii is not None:
            passes["radii"] = made.radii.cpu().numpy()
        return with_images(checked.assign(group=group, **passes), made.images)

    def _measure(self, group: str, start: int, stop: int, run: RunDirectory) -> pd.DataFrame:
        images, labels = self._genuine(start, stop)
        checked = None
        if group != GENUINE:
            checked = run.read(f"{crafted_shards(group)}{start:06d}")
            images = images_of(checked, self.chosen.shape).to(images)
        table = measure(
            self.classifier,
            images,
            labels,
            ids=[str(i) for i in self.chosen.ids[start:stop]],
            loss=self.loss,
            reference=self.reference,
            radii=self.radii,
            worst_case_l2=self.worst_case_l2,
            worst_case_linf=self.worst_case_linf,
            worst_case_steps=self.worst_case_steps,
            draws=self.draws,
            seed=self.seed,
            batch_size=self.batch_size,
        )
        table.insert(1, "group", group)
        table.insert(2, "pool", start >= len(self.attacked))
        if checked is None:
            return table.assign(clean_correct=table["prediction"] == table["label"])
        known = [c for c in checked if c not in table or c == "id"]
        return table.merge(checked[known].drop(columns=IMAGE), on="id", validate="one_to_one")

    def _genuine(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        return self.chosen.tensors(range(start, stop), device=self.device)

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        """Join the shards, compare the groups, and write figures, artifacts and the report."""
        return report.write(self, run)


def plan(
    *,
    examples: int,
    matching_pool: int | None,
    attacks: Sequence[str] | str | None,
    adversarial: Sequence[str] | str | None,
    loss: str,
    reference: str,
    radii: Sequence[float] | str | None,
    worst_case_l2: Sequence[float] | str | None,
    worst_case_linf: Sequence[float] | str | None,
    worst_case_steps: int,
    draws: int,
    batch_size: int,
    threads: int,
    device: str,
    data: str,
    **rest: Any,
) -> FlatnessStudy:
    """Check the options of `run` and resolve its defaults.

    Raises:
        InputError: naming the option.
    """
    kind = "digits" if data == "digits" else "photographs"
    files = split_list(adversarial, "--adversarial")
    recipes = recipe_list(attacks, () if files else default_recipes(data), least=0)
    if not recipes and not files:
        raise InputError("--attacks: give at least one recipe, or a file with --adversarial.")
    if loss not in LOSSES:
        raise unknown_name("--loss", loss, LOSSES)
    if reference not in REFERENCES:
        raise unknown_name("--reference", reference, REFERENCES)
    for name, number in (
        ("examples", examples),
        ("batch_size", batch_size),
        ("threads", threads),
        ("worst_case_steps", worst_case_steps),
    ):
        positive(number, f"--{name}")
    if draws < 4 or draws % 2:
        raise InputError(f"--draws: expected an even number of at least 4, found {draws}.")
    if matching_pool is not None and matching_pool < 0:
        raise InputError(f"--matching_pool: expected 0 or more, found {matching_pool}.")
    study = FlatnessStudy(
        examples=examples,
        matching_pool=examples if matching_pool is None else matching_pool,
        attacks=recipes,
        adversarial=tuple(files),
        loss=loss,
        reference=reference,
        radii=(),
        worst_case_l2=_radii(worst_case_l2, "worst_case_l2", _WORST_CASE[kind]["l2"]),
        worst_case_linf=_radii(worst_case_linf, "worst_case_linf", _WORST_CASE[kind]["linf"]),
        worst_case_steps=worst_case_steps,
        draws=draws,
        batch_size=batch_size,
        threads=threads,
        device=str(resolve_device(device)),
        data=data,
        **rest,
    )
    pixels = prod(study.all_images.shape)
    return replace(study, radii=_radii(radii, "radii", default_radii(pixels)))


def _radii(
    given: Sequence[float] | str | None, name: str, default: tuple[float, ...]
) -> tuple[float, ...]:
    values = default if given is None else tuple(float_list(given, f"--{name}"))
    if not values or not all(0 < v < float("inf") for v in values):
        raise InputError(f"--{name}: expected lengths above 0, found {list(values)}.")
    return tuple(sorted(set(values)))
