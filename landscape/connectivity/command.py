"""The command `python -m landscape.connectivity`: its options, where they are spelled."""

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
    examples: int = 250,
    matching_pool: int | None = None,
    attacks: list[str] | str | None = None,
    adversarial: list[str] | str | None = None,
    controls: list[str] | str | None = None,
    paths: list[str] | str | None = None,
    pairs: int = 50,
    partners: int = 4,
    threshold: float = 0.1,
    budget: int = 128,
    points: int = 1001,
    batch_size: int = 256,
    device: str = "auto",
    threads: int = 1,
    seed: int = 0,
    out: str | None = None,
    launch: str = "inline",
    workers: int = 2,
    slurm: dict[str, Any] | None = None,
) -> RunDirectory:
    """Join images by paths of low loss, and ask whether adversarial ends show.

    Pairs of genuine images, of a genuine and an adversarial one, and of two adversarial ones of one
    class, with their controls, are joined by the straight line and by paths that are searched for;
    each path is verified on many points. Then every image, genuine, adversarial or control, is
    joined to genuine images of the class it is taken for, to see whether the barrier, or what it
    takes to get around it, tells which it is: raw, at equal loss of the image, and against the
    same-class control. All is written into one HTML report.

    Args:
        examples: how many images are attacked, balanced over the classes.
        paths: ways to find a path: straight_line, bypass, polychain, bezier, elastic_band,
            level_set; default: straight_line and bypass. The straight line is always measured.
        pairs: how many pairs of each kind, for each attack.
        partners: to how many genuine images of its class every image is joined.
        threshold: the barrier allowed, in nats: largest loss on a path less the larger of its ends.
        budget: gradient evaluations that a search may spend on a pair.
        points: of each path of a pair that are looked at once it is found.

    Returns:
        The run directory: results.parquet (one row per pair and path), summary.json, figures/,
        adversarial/, report.html.

    Raises:
        core.InputError: for anything in the options, files or images that cannot be used.
    """
    options = dict(locals())
    from landscape.connectivity.study import plan

    return run_planned(plan, options)
