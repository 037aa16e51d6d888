"""Collecting: every example at many layers in one pass, streamed into memory maps."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.data import ImageSet
from core.data.progress import progress_bar
from core.errors import InputError, unknown_name
from core.files import atomic_file, remove_stale
from core.layers import capture, capture_all, layer_names, resolve_layer
from core.models import Classifier, evaluating
from core.representations.collection import (
    DTYPES,
    LOGITS,
    Collection,
    begin,
    default_folder,
    described,
    layer_folder,
    open_collection,
)
from core.representations.forms import formed
from core.representations.sharded import ShardedArray, read_shard, shard_path


def collect(
    classifier: Classifier,
    images: ImageSet,
    layers: Sequence[str],
    *,
    folder: str | Path | None = None,
    form: str = "whole",
    dtype: str = "float32",
    logits: bool = True,
    batch_size: int = 256,
) -> Collection:
    """Collect the representations of all images at some layers, or go on where it was stopped.

    Each batch makes one forward pass for all layers that are still missing, which ends at the
    deepest of them unless the logits are wanted, too. What is finished is never computed again:
    not by a call that was killed before, nor by one that asks for further layers. Memory does not
    grow with the number of images.

    Args:
        classifier: the classifier, on the device to compute on.
        images: whose representations are wanted.
        layers: names, see `core.layers`.
        folder: where they are kept; by default below the cache, by the content of classifier and
            images. A folder with those of another classifier or other images is refused.
        form: `whole`, `positions`, `average` or `maximum`, see `core.representations.forms`.
        dtype: `float32`, or `float16` at half the size.
        logits: collect the classifier's outputs as well, always in float32.
        batch_size: images in one forward pass; it changes the numbers by float rounding only.

    Raises:
        InputError: an unknown layer, form or type; numbers that are not finite, or too large for
            float16; too little room on the disk; a folder that cannot be used.

    Cost: one forward pass per image.
    """
    if dtype not in DTYPES:
        raise unknown_name("--dtype", dtype, DTYPES)
    if batch_size < 1:
        raise InputError(f"--batch_size: expected at least 1, found {batch_size}.")
    if not layers:
        raise InputError(f"--layers: give at least one of {', '.join(layer_names(classifier))}.")
    names = list(dict.fromkeys(resolve_layer(classifier, name) for name in layers))
    place = Path(folder) if folder is not None else default_folder(classifier, images)
    begin(place, classifier, images)
    remove_stale(place)
    with torch.inference_mode(), evaluating(classifier):
        arrays = _arrays(classifier, images, names, place, form, dtype, logits)
        _check_room(place, arrays)
        _collect(classifier, images, arrays, form, batch_size)
    return open_collection(place, names, form=form, dtype=dtype)


def _arrays(
    classifier: Classifier,
    images: ImageSet,
    names: list[str],
    place: Path,
    form: str,
    dtype: str,
    logits: bool,
) -> dict[str, ShardedArray]:
    """Return where each layer's rows go; their shapes are known from one image."""
    found = _outputs(classifier, _batch(classifier, images, 0, 1), names, form, logits)
    arrays = {}
    for name, output in found.items():
        own = place / LOGITS if name == LOGITS else layer_folder(place, name, form, dtype)
        kind = "float32" if name == LOGITS else dtype
        arrays[name] = described(own, (len(images), *output.shape[1:]), kind)
    return arrays


def _outputs(
    classifier: Classifier, batch: Tensor, names: Sequence[str], form: str, logits: bool
) -> dict[str, Tensor]:
    """Return the layers' outputs for a batch, in their form, and the logits if wanted."""
    if not logits:
        found = capture(classifier, names, batch)
        return {name: formed(output, form, name) for name, output in found.items()}
    found, output = capture_all(classifier, names, batch)
    return {name: formed(kept, form, name) for name, kept in found.items()} | {LOGITS: output}


def _collect(
    classifier: Classifier,
    images: ImageSet,
    arrays: dict[str, ShardedArray],
    form: str,
    batch_size: int,
) -> None:
    """Compute and write all rows that are missing, in one pass over the images."""
    writers = {name: Writer(name, array) for name, array in arrays.items()}
    with progress_bar("collecting", len(images)) as advance, ExitStack() as open_files:
        for writer in writers.values():
            open_files.callback(writer.abandon)
        for start in range(0, len(images), batch_size):
            stop = min(start + batch_size, len(images))
            missing = [name for name, writer in writers.items() if writer.lacks(start, stop)]
            if missing:
                hidden = [name for name in missing if name != LOGITS]
                batch = _batch(classifier, images, start, stop)
                found = _outputs(classifier, batch, hidden, form, LOGITS in missing)
                for name in missing:
                    writers[name].write(start, found[name])
            advance(stop - start)


def _batch(classifier: Classifier, images: ImageSet, start: int, stop: int) -> Tensor:
    device = next(classifier.parameters(), torch.empty(0)).device
    return images.tensors(range(start, stop), device=device)[0]


def _check_room(place: Path, arrays: dict[str, ShardedArray]) -> None:
    """Say before the work begins that the disk is too small for it.

    Raises:
        InputError: it is.
    """
    there = sum(path.stat().st_size for path in place.rglob("*.npy"))
    needed = sum(array.nbytes for array in arrays.values()) - there
    free = shutil.disk_usage(place).free
    if needed > free:
        sizes = ", ".join(f"{name} {array.nbytes / 2**30:.1f}" for name, array in arrays.items())
        raise InputError(
            f"--layers: {needed / 2**30:.1f} GiB are needed in {place}, {free / 2**30:.1f} GiB are "
            f"free ({sizes}); take fewer layers, --dtype float16, or another folder."
        )


class Writer:
    """Fills the files of one layer; a file gets its name when all of its rows are there."""

    def __init__(self, name: str, array: ShardedArray) -> None:
        self.name, self.array = name, array
        count = -(-len(array) // array.rows)
        self.finished = [self._is_finished(number) for number in range(count)]
        self.current: tuple[int, ExitStack, np.ndarray] | None = None

    def _is_finished(self, number: int) -> bool:
        path = shard_path(self.array.folder, number)
        if not path.exists():
            return False
        try:
            read_shard(path, self._shape(number), self.array.dtype)
        except InputError:
            path.unlink()  # damaged: made anew
            return False
        return True

    def _shape(self, number: int) -> tuple[int, ...]:
        rows = min(self.array.rows, len(self.array) - number * self.array.rows)
        return (rows, *self.array.shape[1:])

    def lacks(self, start: int, stop: int) -> bool:
        """Say whether some of these rows are in no finished file."""
        first, last = start // self.array.rows, (stop - 1) // self.array.rows
        return not all(self.finished[first : last + 1])

    def write(self, start: int, output: Tensor) -> None:
        """Write the rows from `start` on; those of finished files are left as they are.

        Raises:
            InputError: a number is not finite, or too large for the type.
        """
        values = self._values(output)
        stop, at = start + len(values), start
        while at < stop:
            number = at // self.array.rows
            end = min(stop, (number + 1) * self.array.rows)
            if not self.finished[number]:
                self._put(number, at - number * self.array.rows, values[at - start : end - start])
            at = end

    def _values(self, output: Tensor) -> np.ndarray:
        values = output.detach().float().cpu().numpy()
        if not np.isfinite(values).all():
            raise InputError(f"--layers: the representations at {self.name} are not finite.")
        with np.errstate(over="ignore"):
            stored = values.astype(self.array.dtype)
        if not np.isfinite(stored).all():
            largest = np.abs(values).max()
            raise InputError(
                f"--dtype: {self.name} reaches {largest:.3g}, more than {self.array.dtype} can "
                "hold; take float32."
            )
        return stored

    def _put(self, number: int, row: int, values: np.ndarray) -> None:
        if self.current is None or self.current[0] != number:
            self.abandon()
            stack = ExitStack()
            temporary = stack.enter_context(atomic_file(shard_path(self.array.folder, number)))
            mapped: np.ndarray = np.lib.format.open_memmap(
                temporary, mode="w+", dtype=self.array.dtype, shape=self._shape(number)
            )
            self.current = (number, stack, mapped)
        _, stack, mapped = self.current
        mapped[row : row + len(values)] = values
        if row + len(values) == len(mapped):
            if isinstance(mapped, np.memmap):
                mapped.flush()
            del mapped
            self.current = None
            stack.close()
            self.finished[number] = True

    def abandon(self) -> None:
        """Remove the file at work, which lacks rows."""
        if self.current is None:
            return
        _, stack, _ = self.current
        self.current = None

        class _AbandonedError(Exception):
            """Tells the atomic file not to keep what was written."""

        try:
            with stack:
                raise _AbandonedError
        except _AbandonedError:
            pass
