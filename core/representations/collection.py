"""A folder of collected representations: what is in it, and of which classifier and images.

<folder>/about.json             fingerprints of classifier and images, class names
<folder>/ids.npy, labels.npy    one per example
<folder>/logits/000000.npy ...  the classifier's outputs, where they were wanted
<folder>/<layer>-<form>-<dtype>/about.json, 000000.npy ...
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from core.data import ImageSet
from core.data.cache import cache_root
from core.errors import InputError, unknown_name
from core.files import write_json
from core.models import Classifier, fingerprint
from core.representations.sharded import ShardedArray, rows_of_shard
from core.studies.study import file_safe

FORMAT = 1
ABOUT = "about.json"
LOGITS = "logits"
DTYPES = ("float32", "float16")


@dataclass(frozen=True)
class Collection(Mapping[str, ShardedArray]):
    """The representations of one image set in one classifier: layer -> `(n, ...)`.

    Attributes:
        folder: where they lie.
        classifier: the fingerprint of the classifier.
        images: the fingerprint of the image set.
        class_names: of the images.
        form: in which the layers are kept, see `core.representations.forms`.
        layers: by the names that `core.layers` gives them, in the order asked for.
        logits: `(n, k)`; None where they were not wanted.
    """

    folder: Path
    classifier: str
    images: str
    class_names: tuple[str, ...]
    form: str
    layers: Mapping[str, ShardedArray]
    logits: ShardedArray | None

    def __getitem__(self, layer: str) -> ShardedArray:
        """Return the representations at a layer.

        Raises:
            InputError: it is not among those collected.
        """
        if layer not in self.layers:
            raise unknown_name("--layers", layer, self.layers)
        return self.layers[layer]

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    @cached_property
    def ids(self) -> np.ndarray:
        """The examples' ids, `(n,)` strings."""
        return _array(self.folder / "ids.npy")

    @cached_property
    def labels(self) -> np.ndarray:
        """The true classes, `(n,)`."""
        return _array(self.folder / "labels.npy")

    @cached_property
    def predictions(self) -> np.ndarray:
        """The predicted classes, `(n,)`.

        Raises:
            InputError: the logits were not collected.
        """
        if self.logits is None:
            raise InputError("predictions: collected without logits.")
        return np.concatenate([rows.argmax(1) for _, rows in self.logits.batches(4096)])

    def check(self, classifier: nn.Module | None = None, images: ImageSet | None = None) -> None:
        """Make sure that the representations are those of a classifier and an image set.

        Raises:
            InputError: they are another's.
        """
        if classifier is not None and fingerprint(classifier) != self.classifier:
            raise InputError(
                f"{self.folder} holds the representations of another classifier "
                f"({self.classifier[:12]}), found {fingerprint(classifier)[:12]}."
            )
        if images is not None and images.fingerprint != self.images:
            raise InputError(
                f"{self.folder} holds the representations of other images "
                f"({self.images[:12]}), found {images.fingerprint[:12]}."
            )


def default_folder(classifier: Classifier, images: ImageSet) -> Path:
    """Return where the representations of these lie unless told otherwise: in the cache."""
    name = f"{fingerprint(classifier)[:20]}-{images.fingerprint[:20]}"
    return cache_root() / "representations" / name


def layer_folder(folder: Path, layer: str, form: str, dtype: str) -> Path:
    """Return where a layer's representations lie."""
    return folder / f"{file_safe(layer)}-{form}-{dtype}"


def begin(folder: Path, classifier: Classifier, images: ImageSet) -> None:
    """Make a folder for the representations of a classifier and an image set, or go on with it.

    Raises:
        InputError: it holds those of others.
    """
    about = {
        "format": FORMAT,
        "classifier": fingerprint(classifier),
        "images": images.fingerprint,
        "model": classifier.spec,
        "data": images.spec,
        "split": images.split,
        "class_names": list(images.class_names),
    }
    if (folder / ABOUT).exists():
        found = _read(folder / ABOUT)
        for name in ("format", "classifier", "images"):
            if found.get(name) != about[name]:
                raise InputError(
                    f"{folder} holds representations of another {name.rstrip('s')} "
                    f"({str(found.get(name))[:12]}, here {str(about[name])[:12]}); choose another "
                    "folder."
                )
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in (("ids", images.ids.astype(str)), ("labels", images.labels)):
        save_array(folder / f"{name}.npy", np.asarray(values))
    write_json(folder / ABOUT, about)


def described(folder: Path, shape: tuple[int, ...], dtype: str) -> ShardedArray:
    """Write down what a layer's folder holds, and return its array."""
    kind = np.dtype(dtype)
    rows = rows_of_shard(int(np.prod(shape[1:], dtype=np.int64)) * kind.itemsize)
    about = {"shape": list(shape), "dtype": dtype, "rows": rows}
    if (folder / ABOUT).exists():
        found = _read(folder / ABOUT)
        if found != about:
            raise InputError(f"{folder}: expected {about}, found {found}; delete it.")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / ABOUT, about)
    return ShardedArray(folder, shape, kind, rows)


def open_collection(
    folder: str | Path, layers: list[str], *, form: str = "whole", dtype: str = "float32"
) -> Collection:
    """Return collected representations, without a classifier or images at hand.

    Raises:
        InputError: the folder holds none, or not those asked for.
    """
    folder = Path(folder)
    if not (folder / ABOUT).exists():
        raise InputError(f"{folder} holds no representations.")
    about = _read(folder / ABOUT)
    found = {}
    for layer in layers:
        own = layer_folder(folder, layer, form, dtype)
        if not (own / ABOUT).exists():
            raise InputError(f"{folder} has no representations at {layer} ({form}, {dtype}).")
        found[layer] = _opened(own)
    logits = folder / LOGITS
    return Collection(
        folder,
        about["classifier"],
        about["images"],
        tuple(about["class_names"]),
        form,
        found,
        _opened(logits) if (logits / ABOUT).exists() else None,
    )


def save_array(path: Path, values: np.ndarray) -> None:
    """Write an array as `.npy`, atomically."""
    from core.files import atomic_file

    with atomic_file(path) as temporary, open(temporary, "wb") as file:
        np.save(file, values, allow_pickle=False)


def _opened(folder: Path) -> ShardedArray:
    about = _read(folder / ABOUT)
    return ShardedArray(folder, tuple(about["shape"]), np.dtype(about["dtype"]), about["rows"])


def _array(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not an array ({error}).") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}).") from error
    return content
