"""The command `python -m interpret.collect`: its options, in the one place they are spelled."""

from __future__ import annotations

from typing import Any

from core.shared_options import documented
from core.studies import run_planned
from core.studies.run_directory import RunDirectory


@documented
def run(
    model: str = "digits_convnet",
    checkpoint: str | None = None,
    normalisation: str | None = None,
    stem: str | None = None,
    data: str = "digits",
    splits: list[str] | str | None = None,
    size: int | None = None,
    skip_unreadable: bool = False,
    examples: int | None = None,
    layers: list[str] | str | None = None,
    form: str = "whole",
    dtype: str = "float32",
    logits: bool = True,
    batch_size: int = 256,
    device: str = "auto",
    threads: int = 1,
    seed: int = 0,
    out: str | None = None,
    launch: str = "inline",
    workers: int = 2,
    slurm: dict[str, Any] | None = None,
) -> RunDirectory:
    """Collect the hidden representations of whole image sets at many layers, in one pass.

    They are streamed into memory-mapped .npy files with ids and labels beside them; memory does not
    grow with the number of images. A killed run goes on at the file where it was stopped, and the
    run directory is bound to what classifier and images contain.

    Args:
        splits: parts of the data, such as train,val; default: the two that there are to train and
            to judge on, or nine tenths and one tenth of images that come without splits.
        examples: how many images of each split, balanced over the classes; default: all.
        layers: names, such as input,layer1,layer4; default: input and three stages of the network.
        form: whole (maps as they are), positions (a vector for each place of a map), average or
            maximum (pooled over the places: another metric, with other neighbours).
        dtype: float32, or float16 at half the size.
        logits: keep the classifier's outputs, too; without them a pass ends at the deepest layer.

    Returns:
        The run directory: representations/SPLIT/, results.parquet, summary.json, report.html.

    Raises:
        core.InputError: for anything in the options, files or images that cannot be used.
    """
    options = dict(locals())
    from interpret.collect.study import plan

    return run_planned(plan, options)
