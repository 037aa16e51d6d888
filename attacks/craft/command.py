"""The command `python -m attacks.craft`: its options, in the one place they are spelled."""

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
    split: str | None = None,
    size: int | None = None,
    skip_unreadable: bool = False,
    examples: int = 200,
    attacks: list[str] | str | None = None,
    masking_checks: bool = False,
    others: list[str] | str | None = None,
    batch_size: int = 256,
    device: str = "auto",
    threads: int = 1,
    seed: int = 0,
    out: str | None = None,
    launch: str = "inline",
    workers: int = 2,
    slurm: dict[str, Any] | None = None,
) -> RunDirectory:
    """Craft adversarial examples by several recipes, verify every one, and report.

    Every example is checked from outside: inside the box and the ball, finite, really classified
    otherwise. The report says how many of the correctly classified images each recipe fools, how
    far it moves them and how many passes it takes. The examples are files that other commands take
    with --adversarial.

    Args:
        examples: how many images are attacked, balanced over the classes.
        masking_checks: look for masked gradients, too, on the first 50 images; this costs further
            attacks.
        others: further classifiers, SPEC[@CHECKPOINT], whose examples should fool this one no more
            often than its own do, another check for masked gradients; default: the other built-in
            nets for the digits, else none.

    Returns:
        The run directory: results.parquet, summary.json, figures/, adversarial/, report.html.

    Raises:
        core.InputError: for anything in the options, files or images that cannot be used.
    """
    options = dict(locals())
    from attacks.craft.study import plan

    return run_planned(plan, options)
