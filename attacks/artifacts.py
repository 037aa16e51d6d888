"""Adversarial examples as a file that later commands take (`--adversarial FILE`).

The file is a safetensors file: `images` (float32, `[0, 1]`), `labels` (int64) and, where there
are any, `targets` and `radii`; ids, recipe, seed and fingerprints (of classifier and data, and of
the weights that `noisy=weights` took) are JSON in its metadata. Files made elsewhere need `images`
and `labels` alone; `ids` may be a tensor of integers. Nothing in such a file is ever executed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from attacks.crafting import Crafted
from attacks.inputs import checked_ids, checked_images, checked_labels
from attacks.recipes import Recipe, label, parse
from attacks.tables import images_of
from core.errors import InputError, unknown_name
from core.files import atomic_file
from core.studies import file_safe

if TYPE_CHECKING:
    import pandas as pd

    from core.data import ImageSet

KEY = "inputscape"
KIND = "adversarial examples"


@dataclass(frozen=True)
class AdversarialSet:
    """Adversarial examples with what is known of their making.

    Attributes:
        images: `(n, ...)` float32 in `[0, 1]`.
        labels: `(n,)` int64, the true classes.
        ids: the examples' names in the image set; None if the file has none, see `check_against`.
        recipe: what made them, if known.
        seed: of their random numbers, if known.
        targets: `(n,)` target classes, if targeted.
        radii: `(n,)` the lengths that a noise control was asked for.
        classifier: the fingerprint of the classifier they were made on, if known.
        data: the fingerprint of the image set they were made from, if known.
        weights: the fingerprint of the weights that `noisy=weights` took, if it did.
        source: the file's name, for messages.
    """

    images: Tensor
    labels: Tensor
    ids: tuple[str, ...] | None = None
    recipe: Recipe | None = None
    seed: int | None = None
    targets: Tensor | None = None
    radii: Tensor | None = None
    classifier: str | None = None
    data: str | None = None
    weights: str | None = None
    source: str = "adversarial examples"

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def label(self) -> str:
        """A short name for figures and tables: the recipe's, else the file's."""
        return Path(self.source).stem if self.recipe is None else label(self.recipe)

    def select(self, ids: Sequence[str]) -> AdversarialSet:
        """Return the examples of these ids, in their order.

        Raises:
            InputError: an id is not in the set, or the set has no ids (see `check_against`).
        """
        where = {name: i for i, name in enumerate(self.ids or ())}
        missing = [name for name in ids if name not in where]
        if missing:
            raise unknown_name(f"ids of {self.source}", missing[0], where)
        index = torch.tensor([where[name] for name in ids], dtype=torch.long)
        return replace(
            self,
            images=self.images[index],
            labels=self.labels[index],
            ids=tuple(ids),
            targets=None if self.targets is None else self.targets[index],
            radii=None if self.radii is None else self.radii[index],
        )

    def check_against(
        self, image_set: ImageSet, *, argument: str = "--adversarial"
    ) -> AdversarialSet:
        """Return the set with its ids filled in, every example found in the image set.

        A set without ids has to be as long as the image set, and is taken to be in its order.

        Raises:
            InputError: ids, labels or the shape of the images do not agree with the image set.
        """
        if tuple(self.images.shape[1:]) != tuple(image_set.shape):
            raise InputError(
                f"{argument}: {self.source} has images of shape {tuple(self.images.shape[1:])}, "
                f"but those of {image_set.spec} are {tuple(image_set.shape)}."
            )
        ids = self.ids
        known = {
            str(name): int(own) for name, own in zip(image_set.ids, image_set.labels, strict=True)
        }
        if ids is None:
            if len(self) != len(image_set):
                raise InputError(
                    f"{argument}: {self.source} has no ids and {len(self)} images, but "
                    f"{image_set.spec} has {len(image_set)}; give ids, or as many images."
                )
            ids = tuple(known)
        missing = [name for name in ids if name not in known]
        if missing:
            error = unknown_name(argument, missing[0], known)
            raise InputError(
                f"{argument}: {len(missing)} of {len(self)} ids in {self.source} are not in "
                f"{image_set.spec}; the first: {str(error).removeprefix(argument + ': ')}"
            )
        for name, own in zip(ids, self.labels.tolist(), strict=True):
            if known[name] != own:
                raise InputError(
                    f"{argument}: {self.source} says {name!r} is of class {own}, but "
                    f"{image_set.spec} says {known[name]}."
                )
        return replace(self, ids=ids)


def save_adversarial(
    path: str | Path,
    crafted: Crafted | AdversarialSet,
    *,
    classifier: str | None = None,
    data: str | None = None,
) -> Path:
    """Write adversarial examples to a `.safetensors` file, atomically; return its path.

    Args:
        path: the file; its folder is made if it is missing.
        crafted: what `craft` returned, or a loaded set.
        classifier: the classifier's fingerprint (`core.models.fingerprint`).
        data: the image set's fingerprint (`ImageSet.fingerprint`).

    Raises:
        InputError: the path does not end in `.safetensors`.
    """
    from safetensors.torch import save_file

    path = Path(path)
    if path.suffix != ".safetensors":
        raise InputError(f"path: expected a name that ends in .safetensors, found {path.name!r}.")
    made_by = crafted.recipe
    if made_by is not None and any(callable(value) for _, value in made_by.settings):
        raise InputError(
            f"recipe: {made_by} was made with a function, which no file can hold; save an "
            "attacks.AdversarialSet with recipe=None."
        )
    columns = {name: getattr(crafted, name) for name in ("images", "labels", "targets", "radii")}
    tensors = {
        name: tensor.detach().cpu().to(torch.float32 if tensor.is_floating_point() else torch.int64)
        for name, tensor in columns.items()
        if tensor is not None
    }
    about = {
        "kind": KIND,
        "ids": crafted.ids,
        "recipe": None if crafted.recipe is None else crafted.recipe.full,
        "seed": crafted.seed,
        "classifier": classifier or getattr(crafted, "classifier", None),
        "data": data or getattr(crafted, "data", None),
        "weights": crafted.weights,
    }
    with atomic_file(path) as unfinished:
        save_file(
            {key: tensor.contiguous() for key, tensor in tensors.items()},
            unfinished,
            metadata={KEY: json.dumps(about)},
        )
    return path


def save_crafted(
    folder: Path,
    table: pd.DataFrame,
    shape: Sequence[int],
    recipe: str | Recipe,
    *,
    seed: int,
    classifier: str,
    data: str,
    name: str | None = None,
) -> Path:
    """Write the examples that a study crafted by one recipe as a file for `--adversarial`.

    Args:
        folder: where the file goes.
        table: a row per example: `id`, `label`, the image as `attacks.tables.with_images` puts it
            there and, where there are any, `target` and `radii`.
        shape: of an image.
        recipe: what made them.
        seed: of their random numbers.
        classifier: the classifier's fingerprint.
        data: the image set's fingerprint.
        name: of the file, without its suffix; default: the recipe's.
    """
    recipe = parse(recipe)
    made = AdversarialSet(
        images=images_of(table, shape),
        labels=torch.tensor(table["label"].to_numpy("int64")),
        ids=tuple(table["id"]),
        recipe=recipe,
        seed=seed,
        targets=torch.tensor(table["target"].to_numpy("int64")) if "target" in table else None,
        radii=torch.tensor(table["radii"].to_numpy("float32")) if "radii" in table else None,
        classifier=classifier,
        data=data,
    )
    return save_adversarial(folder / f"{name or file_safe(str(recipe))}.safetensors", made)


def load_adversarial(path: str | Path, *, argument: str = "--adversarial") -> AdversarialSet:
    """Read adversarial examples from a `.safetensors` file, ours or one with `images` and `labels`.

    Raises:
        InputError: the file is not there, is not safetensors, or what it holds is incomplete, of
            the wrong shape, not finite or outside `[0, 1]`; the message names `argument`.
    """
    tensors, metadata = _read(Path(path), argument)
    name = str(path)
    for key in ("images", "labels"):
        if key not in tensors:
            found = ", ".join(sorted(tensors)) or "nothing"
            raise InputError(f"{argument}: {name} has no tensor {key!r}; it has {found}.")
    about = _about(metadata, name, argument)
    images = checked_images(tensors["images"], f"{argument}: images of {name}").float()
    if not len(images):
        raise InputError(f"{argument}: {name} holds no images.")
    labels = checked_labels(tensors["labels"], len(images), f"{argument}: labels of {name}")
    targets = tensors.get("targets")
    if targets is not None:
        targets = checked_labels(targets, len(images), f"{argument}: targets of {name}")
    radii = tensors.get("radii")
    if radii is not None and (radii.shape != labels.shape or not bool(torch.isfinite(radii).all())):
        raise InputError(f"{argument}: radii of {name} must be one finite number per image.")
    ids = about.get("ids")
    if ids is None and "ids" in tensors:
        ids = tensors["ids"].reshape(-1).tolist()
    try:
        names = None if ids is None else checked_ids(ids, len(images))
    except InputError as error:
        raise InputError(f"{argument}: {name}: {error}") from error
    recipe = about.get("recipe")
    return AdversarialSet(
        images=images,
        labels=labels,
        ids=names,
        recipe=None if recipe is None else parse(recipe, argument=f"{argument}: {name}"),
        seed=about.get("seed"),
        targets=targets,
        radii=radii,
        classifier=about.get("classifier"),
        data=about.get("data"),
        weights=about.get("weights"),
        source=name,
    )


def _read(path: Path, argument: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return a file's tensors and metadata."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError(f"{argument}: there is no file {str(path)!r}.")
    try:
        with safe_open(path, framework="pt") as opened:
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
            return tensors, opened.metadata() or {}
    except SafetensorError as error:
        raise InputError(
            f"{argument}: {path} is not a readable safetensors file ({error})."
        ) from error


def _about(metadata: dict[str, str], name: str, argument: str) -> dict[str, Any]:
    """Return what our own files say about themselves; nothing for files made elsewhere."""
    if KEY not in metadata:
        return {}
    try:
        about = json.loads(metadata[KEY])
    except json.JSONDecodeError as error:
        raise InputError(f"{argument}: the metadata of {name} is not JSON ({error}).") from error
    if not isinstance(about, dict) or about.get("kind") != KIND:
        raise InputError(f"{argument}: {name} does not hold adversarial examples.")
    return about
