"""Approximate search: candidates from codes, cells or a graph, ranked exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import InputError
from core.files import atomic_file
from interpret.index.exact import MEMORY, ranked_costs
from interpret.index.faiss_library import faiss
from interpret.index.metrics import Metric
from interpret.index.sketch import Sketch
from interpret.index.vectors import Vectors

METHODS = ("exact", "sketch", "ivf", "hnsw")
LINKS = 32
"""Neighbours that each vector of an HNSW graph is linked to."""
SEARCHED_CELLS = 1 / 8
"""Share of the cells of an inverted file that a query looks into."""
FILE = "candidates.faiss"


@dataclass(frozen=True, eq=False)
class Approximate:
    """Finds most of the nearest neighbours.

    Attributes:
        vectors: all of them, for the ranking.
        metric: what near means.
        sketch: makes the codes that are searched; None where the vectors themselves are.
        shift: `(d,)` float32, taken off the vectors where there is no sketch.
        structure: faiss's index of the codes.
        candidates: proposed for each neighbour asked for.
    """

    vectors: Vectors
    metric: Metric
    sketch: Sketch | None
    shift: np.ndarray
    structure: Any
    candidates: int

    @staticmethod
    def build(
        vectors: Vectors,
        metric: Metric,
        method: str,
        *,
        sketch: str,
        code_size: int,
        candidates: int,
        seed: int,
        memory: int = MEMORY,
    ) -> Approximate:
        """Encode all vectors and build the structure; one or two passes over them."""
        coded = method == "sketch" or 4 * len(vectors) * vectors.size > memory
        found = Sketch.fit(vectors, metric, sketch, code_size, seed=seed) if coded else None
        shift = np.zeros(vectors.size, np.float32)
        if found is None and metric.centred:
            chosen = np.unique(np.linspace(0, len(vectors) - 1, 1024).astype(np.int64))
            shift = vectors.take(chosen).mean(0, dtype=np.float64).astype(np.float32)
        width = vectors.size if found is None else len(found.components) + 1
        codes = np.empty((len(vectors), width), np.float32)
        for start, block in vectors.blocks():
            own = metric.prepared(block, shift) if found is None else found.encode(block, metric)
            codes[start : start + len(block)] = own
        structure = _STRUCTURES[method](codes, metric.product)
        return Approximate(vectors, metric, found, shift, structure, candidates)

    def search(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return places and exact costs `(q, count)` of the nearest that were proposed.

        Raises:
            InputError: the structure proposed too few.
        """
        faiss()  # sets the threads
        width = min(len(self.vectors), max(count * self.candidates, 64))
        if hasattr(self.structure, "hnsw"):
            self.structure.hnsw.efSearch = max(2 * width, 64)
        _, proposed = self.structure.search(self._codes(queries), width)
        proposed = proposed.astype(np.int64)
        if (proposed[:, :count] < 0).any():
            raise InputError(
                f"k: {count} neighbours asked for, more than the cells that are looked into hold; "
                "ask for fewer, or search exactly."
            )
        # Where fewer were proposed the first one fills the row, and is not counted twice.
        filled = np.where(proposed < 0, proposed[:, :1], proposed)
        costs = ranked_costs(self.vectors, self.metric, queries, filled)
        costs[proposed < 0] = np.inf
        order = np.lexsort((filled, costs), axis=1)[:, :count]
        return np.take_along_axis(filled, order, 1), np.take_along_axis(costs, order, 1)

    def _codes(self, queries: np.ndarray) -> np.ndarray:
        if self.sketch is None:
            return self.metric.prepared(queries, self.shift)
        return self.sketch.encode(queries, self.metric, query=True)

    def save(self, folder: Path) -> None:
        """Write the structure, and the sketch's map, as files."""
        with atomic_file(folder / FILE) as temporary:
            faiss().write_index(self.structure, str(temporary))
        arrays = {"shift": self.shift}
        if self.sketch is not None:
            arrays = {"mean": self.sketch.mean, "components": self.sketch.components}
        for name, values in arrays.items():
            with atomic_file(folder / f"{name}.npy") as temporary, open(temporary, "wb") as file:
                np.save(file, values, allow_pickle=False)

    @staticmethod
    def load(
        folder: Path, vectors: Vectors, metric: Metric, sketch: str, candidates: int
    ) -> Approximate:
        """Read what `save` wrote.

        Raises:
            InputError: a file is missing or damaged.
        """
        try:
            structure = faiss().read_index(str(folder / FILE))
            if (folder / "components.npy").exists():
                mean, components = (
                    np.load(folder / f"{name}.npy", allow_pickle=False)
                    for name in ("mean", "components")
                )
                found, shift = Sketch(sketch, mean, components), np.zeros(vectors.size, np.float32)
            else:
                found, shift = None, np.load(folder / "shift.npy", allow_pickle=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"{folder}: not a whole index ({error}); delete it.") from error
        if structure.ntotal != len(vectors):
            raise InputError(
                f"{folder}: the index holds {structure.ntotal} vectors, expected {len(vectors)}."
            )
        return Approximate(vectors, metric, found, shift, structure, candidates)


def _flat(codes: np.ndarray, product: bool) -> Any:
    library = faiss()
    kind = library.IndexFlatIP if product else library.IndexFlatL2
    structure = kind(codes.shape[1])
    structure.add(codes)
    return structure


def _inverted_file(codes: np.ndarray, product: bool) -> Any:
    """Put vectors into cells by k-means, about `sqrt(n)` of them."""
    library = faiss()
    cells = max(1, round(len(codes) ** 0.5 / 2))
    kind = library.METRIC_INNER_PRODUCT if product else library.METRIC_L2
    quantiser = (library.IndexFlatIP if product else library.IndexFlatL2)(codes.shape[1])
    structure = library.IndexIVFFlat(quantiser, codes.shape[1], cells, kind)
    structure.train(codes)
    structure.add(codes)
    structure.nprobe = max(1, min(cells, round(cells * SEARCHED_CELLS) + 4))
    return structure


def _graph(codes: np.ndarray, product: bool) -> Any:
    """Link each vector to its neighbours (Malkov and Yashunin 2018), by one thread.

    With several the order of insertion, and with it the graph, is another one each time.
    """
    library = faiss()
    kind = library.METRIC_INNER_PRODUCT if product else library.METRIC_L2
    structure = library.IndexHNSWFlat(codes.shape[1], LINKS, kind)
    threads = library.omp_get_max_threads()
    library.omp_set_num_threads(1)
    try:
        structure.add(codes)
    finally:
        library.omp_set_num_threads(threads)
    return structure


_STRUCTURES: dict[str, Callable[[np.ndarray, bool], Any]] = {
    "sketch": _flat,
    "ivf": _inverted_file,
    "hnsw": _graph,
}
