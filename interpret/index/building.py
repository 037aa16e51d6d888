"""Building an index beside the representations, and opening it again."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.data import ImageSet
from core.errors import InputError, unknown_name
from core.files import write_json
from core.models import Classifier
from core.representations.collecting import Writer
from core.representations.collection import (
    ABOUT,
    Collection,
    described,
    layer_folder,
    open_collection,
    save_array,
)
from core.representations.sharded import ShardedArray
from interpret.index.approximate import Approximate
from interpret.index.exact import MEMORY, Exact
from interpret.index.index import Index
from interpret.index.metrics import METRICS
from interpret.index.recall import Recall, Searcher, measured
from interpret.index.reference import Reference
from interpret.index.settings import Settings
from interpret.index.vectors import Vectors
from interpret.index.whitening import Whitening

FORMAT = 1


def build_index(
    collection: Collection,
    layer: str,
    settings: Settings | None = None,
    *,
    memory: int = MEMORY,
    **choices: Any,
) -> Index:
    """Make the representations at a layer searchable, or open what was built before.

    The index lies in the folder of the layer's representations. Those in the form `positions` are
    searched position by position.

    Args:
        collection: what `collect` returned.
        layer: one of its layers.
        settings: how to search; default: exactly, in l2.
        memory: vectors of more bytes than this, in float32, are not kept in memory: exact search
            reads them from the disk, approximate methods search codes.
        choices: settings by name, `metric="cosine"`, `method="hnsw"`, ...; see `Settings`.

    Raises:
        InputError: the layer was not collected, a setting is not known, fewer than two examples,
            or the folder holds an index of another classifier or image set.

    Cost: four passes over the representations, and for approximate methods the build and a
    measurement of the recall.
    """
    chosen = _chosen(settings, choices)
    rows = collection[layer]
    folder = rows.folder / f"index-{chosen.key}"
    if (folder / ABOUT).exists():
        return load_index(collection, layer, chosen, memory=memory)
    if len(rows) < 2:
        raise InputError(f"index: expected at least 2 examples, found {len(rows)}.")
    shutil.rmtree(folder, ignore_errors=True)  # what a killed build left
    folder.mkdir()
    begun = time.perf_counter()
    vectors = _vectors(rows, collection.form)
    if chosen.whitened:
        whitening = Whitening.fit(vectors)
        _save_whitening(folder, whitening)
        vectors = _whitened(folder, vectors, whitening, write=True)
    metric = METRICS[chosen.metric]
    exact = Exact.of(vectors, metric, memory=memory)
    recall = Recall()
    if chosen.method != "exact":
        approximate = Approximate.build(
            vectors, metric, chosen.method, sketch=chosen.sketch, code_size=chosen.code_size,
            candidates=chosen.candidates, seed=chosen.seed, memory=memory,
        )  # fmt: skip
        recall = measured(approximate, exact, vectors, time.perf_counter() - begun)
        approximate.save(folder)
    Reference.of(exact, collection.labels, len(collection.class_names)).save(folder)
    save_array(folder / "exact-shift.npy", exact.shift)
    # Last: an index is there once this file is.
    write_json(
        folder / ABOUT,
        {**_identity(collection, layer), "settings": chosen.plain(), "recall": recall.plain(),
         "largest": exact.largest},
    )  # fmt: skip
    return load_index(collection, layer, chosen, memory=memory)


def load_index(
    collection: Collection | str | Path,
    layer: str,
    settings: Settings | None = None,
    *,
    form: str = "whole",
    dtype: str = "float32",
    classifier: Classifier | None = None,
    images: ImageSet | None = None,
    memory: int = MEMORY,
    **choices: Any,
) -> Index:
    """Open an index that was built.

    Args:
        collection: the representations, or their folder.
        layer: its name.
        settings: that it was built with, or `choices` by name.
        form: of the representations, where a folder is given.
        dtype: of the representations, where a folder is given.
        classifier: that it must be of.
        images: that it must be of.
        memory: see `build_index`.
        choices: see `build_index`.

    Raises:
        InputError: there is none, or it is another classifier's or image set's.
    """
    chosen = _chosen(settings, choices)
    if not isinstance(collection, Collection):
        collection = open_collection(collection, [layer], form=form, dtype=dtype)
    collection.check(classifier, images)
    rows = collection[layer]
    folder = rows.folder / f"index-{chosen.key}"
    if not (folder / ABOUT).exists():
        raise InputError(f"index: {folder} does not exist; build it first.")
    about = _read(folder)
    _check(folder, about, _identity(collection, layer))
    vectors = _vectors(rows, collection.form)
    whitening = None
    if chosen.whitened:
        whitening = _load_whitening(folder)
        vectors = _whitened(folder, vectors, whitening, write=False)
    metric = METRICS[chosen.metric]
    exact = _exact(folder, vectors, about["largest"], chosen, memory)
    searcher: Searcher = exact
    if chosen.method != "exact":
        searcher = Approximate.load(folder, vectors, metric, chosen.sketch, chosen.candidates)
    return Index(
        folder=folder,
        layer=layer,
        form=collection.form,
        classifier=collection.classifier,
        images=collection.images,
        class_names=collection.class_names,
        settings=chosen,
        shape=rows.shape[1:],
        vectors=vectors,
        ids=collection.ids,
        labels=collection.labels,
        predictions=None if collection.logits is None else collection.predictions,
        exact=exact,
        searcher=searcher,
        whitening=whitening,
        reference=Reference.load(folder),
        recall=Recall(**about["recall"]),
        stored=rows.dtype,
    )


def _chosen(settings: Settings | None, choices: dict[str, Any]) -> Settings:
    for name in choices:
        if name not in Settings.__dataclass_fields__:
            raise unknown_name("index", name, Settings.__dataclass_fields__)
    return replace(settings or Settings(), **choices)


def _exact(
    folder: Path, vectors: Vectors, largest: float, settings: Settings, memory: int
) -> Exact:
    """Return the exact search with what was found out when it was built."""
    metric = METRICS[settings.metric]
    shift = _load(folder / "exact-shift.npy")
    kept = None
    if 4 * len(vectors) * vectors.size <= memory:
        kept = np.empty((len(vectors), vectors.size), np.float32)
        for start, block in vectors.blocks():
            kept[start : start + len(block)] = metric.prepared(block, shift)
    return Exact(vectors, metric, shift, largest, kept)


def _vectors(rows: ShardedArray, form: str) -> Vectors:
    return Vectors(rows, rows.shape[1] if form == "positions" else 1)


def _identity(collection: Collection, layer: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "classifier": collection.classifier,
        "images": collection.images,
        "layer": layer,
        "form": collection.form,
    }


def _check(folder: Path, found: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        if found.get(name) != value:
            raise InputError(
                f"index: {folder} is of another {name.removesuffix('s')} "
                f"({str(found.get(name))[:12]}, expected {str(value)[:12]}); delete it, or choose "
                "another folder."
            )


def _whitened(folder: Path, vectors: Vectors, whitening: Whitening, *, write: bool) -> Vectors:
    """Return the whitened vectors, which lie in the index's folder."""
    shape = (len(vectors.rows), vectors.per_example * vectors.size)
    array = described(layer_folder(folder, "whitened", "whole", "float32"), shape, "float32")
    if write:
        writer = Writer("whitened", array)
        for start, block in vectors.blocks():
            rows = whitening(block).reshape(-1, shape[1])
            writer.write(start // vectors.per_example, torch.from_numpy(rows))
    return Vectors(array, vectors.per_example)


def _save_whitening(folder: Path, whitening: Whitening) -> None:
    arrays = {**vars(whitening), "rest": np.array(whitening.rest)}
    for name, values in arrays.items():
        save_array(folder / f"whitening-{name}.npy", values)


def _load_whitening(folder: Path) -> Whitening:
    mean, components, variances, rest = (
        _load(folder / f"whitening-{name}.npy") for name in Whitening.__dataclass_fields__
    )
    return Whitening(mean, components, variances, float(rest))


def _load(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a whole index ({error}); delete its folder.") from error


def _read(folder: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads((folder / ABOUT).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / ABOUT}: cannot be read ({error}); delete it.") from error
    return content
