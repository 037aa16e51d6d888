"""Nearest neighbours of representations, beside captum, brute force, and hooks layer by layer."""

from __future__ import annotations

import importlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.curvature import convolutional_network
from benchmarks.photographs import resnet_on_photographs
from core.data import ImageSet
from core.models import Classifier
from core.representations import Collection, collect
from core.representations.collecting import Writer
from core.representations.collection import described, save_array
from interpret.index import METRICS, Vectors, build_index
from interpret.index.exact import Exact

OURS, PEER = "inputscape", "captum SimilarityInfluence"
INDEXED, SIZE, QUERIES, K = 20_000, 512, 64, 10
LONG = 65_536
FEW_AND_MANY = (600, 6000)
BATCHES = (50, 250, 5000)
"""Of captum, the largest the best of those tried; with its default, 1, five minutes are too few."""


def rows(repeats: int = 3) -> list[dict[str, Any]]:
    """Return the rows of all comparisons."""
    return [*searching(repeats), *out_of_memory(), *collecting(repeats), *memory_of_collecting()]


def searching(repeats: int) -> list[dict[str, Any]]:
    """Compare exact search with captum's; both give the nearest in l2, from the same numbers.

    Captum fails where a single layer is asked for, so it is given two that are equal and its time
    is halved; it fails, too, where the last batch is smaller than k. Its time depends on how many
    examples it takes at once; its activations are on its disk already.
    """
    generator = np.random.default_rng(0)
    indexed = generator.standard_normal((INDEXED, SIZE), dtype=np.float32)
    queries = generator.standard_normal((QUERIES, SIZE), dtype=np.float32)
    exact = Exact.of(Vectors(indexed), METRICS["l2"])
    found: dict[str, np.ndarray] = {}

    def ours() -> None:
        found[OURS] = exact.search(queries, K)[0]

    def anew() -> None:
        Exact.of(Vectors(indexed), METRICS["l2"]).search(queries, K)

    contenders: dict[str, Callable[[], None]] = {OURS: ours, f"{OURS}, built anew": anew}
    note = ""
    with tempfile.TemporaryDirectory() as folder:
        try:
            influences = {
                size: _captum(indexed, Path(folder) / str(size), size) for size in BATCHES
            }
        except ImportError as error:
            note, influences = f"not installed ({error})", {}
        for size, influence in influences.items():

            def peer(influence: Any = influence) -> None:
                nearest = influence.influence(torch.from_numpy(queries), top_k=K)
                found[PEER] = nearest["second"][0].numpy()

            contenders[f"{PEER}, batches of {size}"] = peer
        seconds = _timed(contenders, repeats)
    costs = METRICS["l2"].cost
    truth = np.stack(
        [np.argsort(costs(indexed.astype(np.float64), q), kind="stable")[:K] for q in queries]
    )
    table = []
    for name in (OURS, f"{OURS}, built anew"):
        same = 100 * float((found[OURS] == truth).mean())
        table.append(_row(name, seconds[name], seconds[OURS], f"{same:.0f} % of ids exact"))
    if note:
        return [*table, _row(PEER, float("nan"), seconds[OURS], note)]
    same = 100 * float((found[PEER] == truth).mean())
    failing = f"{same:.1f} % of ids exact; {_failures(indexed[:2500])}"
    for name, taken in seconds.items():
        if name.startswith(PEER):
            table.append(_row(name, taken / 2, seconds[OURS], failing))
    return table


def _row(contender: str, seconds: float, own: float, note: str = "") -> dict[str, Any]:
    return {
        "benchmark": f"exact search, {INDEXED:,} x {SIZE}, {QUERIES} queries",
        "contender": contender,
        "metric": "time of all queries",
        "value": 1000 * seconds,
        "unit": "ms",
        "ratio_to_ours": seconds / own,
        "note": note,
    }


class Twice(nn.Module):
    """Has two layers that give the images themselves, as vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Identity(), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return the vectors."""
        return self.second(self.first(x))


def _captum(
    indexed: np.ndarray,
    folder: Path,
    batch_size: int,
    layers: tuple[str, ...] = ("first", "second"),
) -> Any:
    """Return captum's search, its activations written."""
    library = importlib.import_module("captum.influence._core.similarity_influence")
    data = torch.utils.data.TensorDataset(torch.from_numpy(indexed), torch.zeros(len(indexed)))
    influence = library.SimilarityInfluence(
        Twice(), list(layers), data, str(folder), "model",
        similarity_metric=library.euclidean_distance, similarity_direction="min",
        batch_size=batch_size,
    )  # fmt: skip
    influence.influence(torch.from_numpy(indexed[:2]), top_k=1)
    return influence


def _failures(indexed: np.ndarray) -> str:
    """Say what captum cannot do, having tried."""
    said = []
    attempts = {
        "a single layer": lambda folder: _captum(indexed, folder, 500, ("first",)),
        "a last batch below k": lambda folder: _captum(indexed[:-495], folder, 500).influence(
            torch.from_numpy(indexed[:2]), top_k=K
        ),
    }
    for name, attempt in attempts.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                attempt(Path(folder))
            except Exception as error:
                said.append(f"{name} fails ({type(error).__name__})")
    return "; ".join(said)


def _timed(contenders: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """Return median seconds of each, repetitions alternating, after one that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for repetition in range(repeats + 1):
        for name, call in contenders.items():
            begun = time.perf_counter()
            call()
            if repetition:
                taken[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in taken.items()}


def out_of_memory() -> list[dict[str, Any]]:
    """Search 20,000 vectors of 65,536 numbers in float16, 2.6 GB, in processes of their own."""
    table = []
    with tempfile.TemporaryDirectory() as folder:
        written = _child("write", folder)
        for method in ("exact", "sketch"):
            found = _child("search", folder, method)
            table.append(
                {
                    "benchmark": f"{INDEXED:,} x {LONG:,} in float16, {QUERIES} queries",
                    "contender": f"{OURS}, {method}",
                    "metric": "peak memory",
                    "value": found["peak"] / 2**30,
                    "unit": "GiB",
                    "ratio_to_ours": float("nan"),
                    "note": f"recall@10 {found['recall']:.4f}; built in {found['built']:.0f} s, "
                    f"searched in {found['searched']:.1f} s; {written['bytes'] / 1e9:.1f} GB",
                }
            )
    return table


def _collection(folder: Path, *, write: bool) -> Collection:
    """Return representations as of a ReLU layer: 60 causes, each with a pattern, and noise."""
    array = described(folder / "map-whole-float16", (INDEXED, LONG), "float16")
    if write:
        generator = np.random.default_rng(0)
        labels = generator.integers(0, 20, INDEXED)
        patterns = generator.standard_normal((60, LONG), dtype=np.float32)
        means = 1.5 * generator.standard_normal((20, 60), dtype=np.float32)
        save_array(folder / "ids.npy", np.arange(INDEXED).astype(str))
        save_array(folder / "labels.npy", labels)
        writer = Writer("map", array)
        for start in range(0, INDEXED, array.rows):
            part = labels[start : start + array.rows]
            causes = means[part] + generator.standard_normal((len(part), 60), dtype=np.float32)
            rows = causes @ patterns / 8
            rows += 0.5 * generator.standard_normal(rows.shape, dtype=np.float32)
            writer.write(start, torch.from_numpy(np.maximum(rows, 0, out=rows)))
    names = tuple(str(c) for c in range(20))
    return Collection(folder, "benchmark", "benchmark", names, "whole", {"map": array}, None)


def _write(folder: str) -> dict[str, float]:
    return {"bytes": float(_collection(Path(folder), write=True)["map"].nbytes)}


def _search(folder: str, method: str) -> dict[str, float]:
    collection = _collection(Path(folder), write=False)
    begun = time.perf_counter()
    index = build_index(collection, "map", method=method)
    built = time.perf_counter()
    places = np.linspace(7, INDEXED - 1, QUERIES).astype(int)
    queries = index.vectors.take(places).astype(np.float32)
    middle = time.perf_counter()
    near = index.search(queries, K, ids=index.ids[places])
    searched = time.perf_counter()
    peak = _peak()
    truth, _ = index.exact.search(queries, K + 1)
    shares = [
        len(set(mine) & set(true[true != own][:K])) / K
        for mine, true, own in zip(near.places, truth, places, strict=True)
    ]
    return {
        "peak": peak,
        "recall": float(np.mean(shares)),
        "built": built - begun,
        "searched": searched - middle,
    }


def collecting(repeats: int) -> list[dict[str, Any]]:
    """Compare one pass for five layers with a hooked full pass for each of them."""
    photographs = resnet_on_photographs()
    if photographs:
        classifier, images = photographs
        name, layers = "ResNet-18 64x64", ["maxpool", "layer1", "layer2", "layer3", "layer4"]
        images = images.subset(512)
    else:
        classifier, images = _made(1024)
        name, layers = "small CNN 32x32", ["2", "5", "9", "12", "16"]

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            collect(classifier, images, layers, folder=folder, logits=False)

    def hooked() -> None:
        with tempfile.TemporaryDirectory() as folder:
            for layer in layers:
                _hooked(classifier, images, layer, Path(folder))

    seconds = _timed({OURS: ours, "a hooked full pass per layer": hooked}, repeats)
    return [
        {
            "benchmark": f"collecting 5 layers, {name}",
            "contender": contender,
            "metric": "images a second",
            "value": len(images) / taken,
            "unit": "images/s",
            "ratio_to_ours": seconds[OURS] / taken,
            "note": f"{len(images)} images, written to the disk in float32",
        }
        for contender, taken in seconds.items()
    ]


def _hooked(classifier: Classifier, images: ImageSet, layer: str, folder: Path) -> None:
    """Keep a layer's outputs as many do: a hook, full forward passes, one array at the end."""
    kept: list[np.ndarray] = []
    module = dict(classifier.network.named_modules())[layer]
    handle = module.register_forward_hook(lambda _m, _i, output: kept.append(output.numpy()))
    try:
        with torch.no_grad():
            for batch, _ in images.batches(256):
                classifier(batch)
    finally:
        handle.remove()
    np.save(folder / f"{layer}.npy", np.concatenate(kept))


def _made(count: int) -> tuple[Classifier, ImageSet]:
    """Return a convolutional network and random images."""
    classifier = Classifier(convolutional_network(), spec="benchmark", num_classes=10).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    labels = np.arange(count) % 10
    ids = np.arange(count).astype(str)
    names = tuple(str(c) for c in range(10))
    return classifier, ImageSet("benchmark", "all", pixels, labels, ids, names)


def memory_of_collecting() -> list[dict[str, Any]]:
    """Compare peak memory for some images, a file of each layer full, with ten times as many."""
    peaks = {count: _child("collect", str(count))["peak"] for count in FEW_AND_MANY}
    return [
        {
            "benchmark": "peak memory of collecting 5 layers, small CNN 32x32",
            "contender": f"{OURS}, {count:,} images",
            "metric": "peak memory",
            "value": peak / 2**20,
            "unit": "MiB",
            "ratio_to_ours": peak / peaks[FEW_AND_MANY[0]],
            "note": "",
        }
        for count, peak in peaks.items()
    ]


def _collect(count: str) -> dict[str, float]:
    classifier, images = _made(int(count))
    with tempfile.TemporaryDirectory() as folder:
        collect(classifier, images, ["1", "2", "3", "4", "5"], folder=folder)
        return {"peak": _peak()}


def _peak() -> float:
    """Return the most bytes that this process has had in memory."""
    status = Path("/proc/self/status").read_text()
    return 1024.0 * int(status.split("VmHWM:")[1].split()[0])


_TASKS: dict[str, Callable[..., dict[str, float]]] = {
    "write": _write,
    "search": _search,
    "collect": _collect,
}


def _child(task: str, *arguments: str) -> dict[str, float]:
    """Run a task in a process of its own, whose memory is its own, too."""
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.neighbours", task, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    print(json.dumps(_TASKS[sys.argv[1]](*sys.argv[2:])))
