"""From the options of `run` to a study: checked, and with its defaults resolved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from attacks.recipe_lists import default_recipes, recipe_list
from autoencoders.designs import KINDS
from autoencoders.explore.study import ExploreStudy
from autoencoders.quality.splicing import is_cut
from autoencoders.split_study import inner_layers
from core.errors import InputError, unknown_name
from core.layers import INPUT, resolve_layer
from core.models import resolve_device
from core.options import float_list, positive, split_list, within

KINDS_TRAINED = ("ae", "vae")
"""What is trained where nothing is said."""


def plan(
    *,
    attacks: Sequence[str] | str | None,
    autoencoder: Sequence[str] | str | None,
    layers: Sequence[str] | str | None,
    kinds: Sequence[str] | str | None,
    scales: Sequence[float] | str,
    data: str,
    device: str,
    **rest: Any,
) -> ExploreStudy:
    """Check the options of `run` and resolve its defaults.

    Raises:
        InputError: naming the option.
    """
    files = tuple(split_list(autoencoder, "--autoencoder"))
    if len(set(files)) < len(files):
        raise InputError("--autoencoder: the same file is given twice.")
    for name in ("examples", "batch_size", "threads", "width", "epochs", "temperature", "leapfrog",
                 "classes"):  # fmt: skip
        positive(rest[name], f"--{name}")
    for name in ("latent", "train_examples"):
        if rest[name] is not None:
            positive(rest[name], f"--{name}")
    for name, least in (("chains", 2), ("draws", 8), ("warmup", 0)):
        within(rest[name], least, float("inf"), f"--{name}")
    levels = tuple(float_list(scales, "--scales"))
    if not levels or min(levels) <= 0 or len(set(levels)) < len(levels):
        raise InputError(f"--scales: expected different noise levels above 0, found {scales}.")
    study = ExploreStudy(
        attacks=recipe_list(attacks, default_recipes(data)),
        autoencoder=files,
        layers=(),
        kinds=(),
        scales=tuple(sorted(levels)),
        data=data,
        device=str(resolve_device(device)),
        **rest,
    )
    if files:
        _check_nothing_to_train(layers, kinds, rest["latent"])
    else:
        wanted = _kinds(kinds)
        study = replace(study, layers=_layers(study, layers), kinds=wanted)
        for kind in wanted:
            study.design(kind)
    _check_cuts(study)
    return study


def _check_nothing_to_train(
    layers: Sequence[str] | str | None, kinds: Sequence[str] | str | None, latent: int | None
) -> None:
    for name, value in (("layers", layers), ("kinds", kinds), ("latent", latent)):
        if value:
            raise InputError(
                f"--{name}: says what is to be trained, but --autoencoder gives what is explored; "
                "give one of them."
            )


def _kinds(given: Sequence[str] | str | None) -> tuple[str, ...]:
    wanted = split_list(given, "--kinds") or list(KINDS_TRAINED)
    for kind in wanted:
        if kind not in KINDS:
            raise unknown_name("--kinds", kind, KINDS)
    if len(set(wanted)) < len(wanted):
        raise InputError(f"--kinds: expected each kind once, found {', '.join(wanted)}.")
    return tuple(wanted)


def _layers(study: ExploreStudy, given: Sequence[str] | str | None) -> tuple[str, ...]:
    """Return the layers' own names; by default the input and one two thirds of the way."""
    names = split_list(given, "--layers")
    if names:
        return tuple(dict.fromkeys(resolve_layer(study.classifier, name) for name in names))
    pair, _ = study.explored.tensors(_two(study), device=study.device)
    inner = inner_layers(study.classifier, pair[:1])
    # The first from there on that all of the classifier goes through, else the last before.
    middle = 2 * len(inner) // 3
    for name in [*inner[middle:], *reversed(inner[:middle])]:
        if is_cut(study.classifier, name, pair):
            return (INPUT, name)
    return (INPUT,)


def _check_cuts(study: ExploreStudy) -> None:
    """Make sure that decoded representations alone decide what the classifier answers."""
    pair, _ = study.explored.tensors(_two(study), device=study.device)
    for layer in dict.fromkeys(subject.layer for subject in study.subjects):
        if not is_cut(study.classifier, layer, pair):
            raise InputError(
                f"--layers: the classifier does not see the image through {layer} alone, so a "
                "decoded representation has no answer of its own; choose a layer outside residual "
                "blocks."
            )


def _two(study: ExploreStudy) -> list[int]:
    if len(study.explored) < 2:
        raise InputError(f"--examples: expected at least 2, found {len(study.explored)}.")
    return [0, 1]
