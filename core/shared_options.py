"""Options that several commands have: one name, one type, one meaning, mostly one default.

A command's docstring says what is its own; `documented` adds the lines of the shared options, so
that `--help`, `help(run)` and the documentation have them from here.
"""

from __future__ import annotations

import inspect
import re
import textwrap
import typing
from collections.abc import Callable
from dataclasses import dataclass
from types import UnionType
from typing import Any, TypeVar

Run = TypeVar("Run", bound=Callable[..., Any])
_WIDTH = 96


@dataclass(frozen=True)
class SharedOption:
    """An option that several commands have.

    Attributes:
        type: its annotation.
        default: its default, or `ANY`.
        help: what it means, unless each command says that.
    """

    type: Any
    default: Any
    help: str = ""


ANY: Any = object()
"""Stands for the default of a shared option that each command chooses for itself."""

_SHARED = {
    "model": SharedOption(
        str,
        "digits_convnet",
        "a built-in net (digits_convnet, digits_mlp, digits_residual, digits_patches), a "
        "torchvision model by name, timm/NAME, package.module:factory (also from the current "
        "folder), or a torch.export program.pt2.",
    ),
    "checkpoint": SharedOption(
        str | None,
        None,
        "weights of the model: .safetensors, or a file that torch.load reads with weights_only.",
    ),
    "normalisation": SharedOption(
        str | None,
        None,
        "imagenet, or other known means and deviations, or values; default: what the "
        "checkpoint says, else none.",
    ),
    "stem": SharedOption(
        str | None,
        None,
        "small = the variant of a torchvision model for 32-64 pixel images.",
    ),
    "data": SharedOption(
        str,
        "digits",
        "digits, a folder of images (tiny-imagenet, class folders, labels.csv), .npz, "
        ".safetensors, or a torchvision set such as cifar10:ROOT.",
    ),
    "split": SharedOption(
        str | None,
        None,
        "which part of the data; default: val, else test.",
    ),
    "size": SharedOption(
        int | None,
        None,
        "resize images to this many pixels a side; default: they are taken as they are.",
    ),
    "skip_unreadable": SharedOption(
        bool,
        False,
        "leave corrupt image files out (they are named and counted) instead of stopping.",
    ),
    "examples": SharedOption(int | None, ANY),
    "attacks": SharedOption(
        list[str] | str | None,
        ANY,
        'recipes, such as "fgsm(norm=linf, eps=2/255),pgd(norm=l2, eps=0.5, steps=40)";'
        " default: noise control, FGSM, PGD linf, PGD l2 and minimum-norm l2.",
    ),
    "adversarial": SharedOption(
        list[str] | str | None,
        None,
        "files of ready-made adversarial examples, each one more group.",
    ),
    "matching_pool": SharedOption(
        int | None,
        None,
        "how many further genuine images are measured only to find partners of equal loss; "
        "default: as many as examples, where the data has them.",
    ),
    "controls": SharedOption(
        list[str] | str | None,
        None,
        "recipes of --attacks whose examples get a same-class control (a genuine image of the "
        "class that each is taken for, pushed to its loss), or all, or none; default: all.",
    ),
    "layers": SharedOption(
        list[str] | str | None,
        ANY,
        "layers whose outputs are looked at, by name as named_modules() gives it, or input for the "
        "image itself; default: input and three stages of the network.",
    ),
    "batch_size": SharedOption(
        int,
        ANY,
        "images in one forward pass; changes results by float rounding only.",
    ),
    "device": SharedOption(
        str,
        "auto",
        "auto, cpu, cuda, cuda:1, mps.",
    ),
    "threads": SharedOption(
        int,
        1,
        "torch threads of each process; part of the settings because the number may "
        "change the last bit. More processes (--launch processes) use the cores better.",
    ),
    "seed": SharedOption(
        int,
        0,
        "seed of everything random.",
    ),
    "out": SharedOption(
        str | None,
        None,
        "the run directory; default: runs/COMMAND/MODEL-DATA-HASH. The same command "
        "continues an unfinished one.",
    ),
    "launch": SharedOption(
        str,
        "inline",
        "inline, processes (on this machine), or slurm.",
    ),
    "workers": SharedOption(
        int,
        ANY,
        "how many processes, or array tasks on Slurm.",
    ),
    "slurm": SharedOption(
        dict[str, Any] | None,
        None,
        "options of the jobs, such as partition, timeout_min, mem_gb.",
    ),
}


def shared_options() -> dict[str, SharedOption]:
    """Return the options that have one name, one type and one default in every command."""
    return dict(_SHARED)


def documented(run: Run) -> Run:
    """Add the shared options to the docstring of a command that leaves them out, and return it.

    The lines under `Args:` come out in the order of the signature; COMMAND stands for the module's
    name.

    Raises:
        ValueError: the docstring has no `Args:`, or an option that is not shared is missing there.

    >>> @documented
    ... def run(steps: int = 3, seed: int = 0) -> None:
    ...     '''Do something.
    ...
    ...     Args:
    ...         steps: how many.
    ...     '''
    >>> print(inspect.getdoc(run))
    Do something.
    <BLANKLINE>
    Args:
        steps: how many.
        seed: seed of everything random.
    """
    opening, found, rest = (inspect.getdoc(run) or "").partition("Args:\n")
    if not found:
        raise ValueError(f"{run.__qualname__}: its docstring has no Args:")
    own, gap, closing = rest.partition("\n\n")
    lines = {line.split(":")[0].strip(): line for line in re.split(r"\n(?=    \w)", own)}
    command = run.__module__.removesuffix(".command")
    for name in inspect.signature(run).parameters:
        if name in lines:
            continue
        if name not in _SHARED or not _SHARED[name].help:
            raise ValueError(f"{run.__qualname__}: its docstring does not say what {name} is")
        text = f"{name}: {_SHARED[name].help.replace('COMMAND', command)}"
        lines[name] = textwrap.fill(
            text, _WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8, break_on_hyphens=False
        )
    ordered = [lines[name] for name in inspect.signature(run).parameters]
    run.__doc__ = opening + found + "\n".join(ordered) + gap + closing
    return run


def check_shared_options(run: Callable[..., Any]) -> list[str]:
    """Return one sentence for each option of a command that differs from the shared one.

    >>> def run(seed: int = 1) -> None: ...
    >>> check_shared_options(run)
    ['seed: default 1, elsewhere 0']
    """
    types = typing.get_type_hints(run)
    found = []
    for name, parameter in inspect.signature(run).parameters.items():
        if name not in _SHARED:
            continue
        shared = _SHARED[name]
        declared = types.get(name)
        # A command that chooses its default may choose none.
        chosen = shared.default is ANY and _given(declared) == _given(shared.type)
        if declared != shared.type and not chosen:
            found.append(f"{name}: type {types.get(name)}, elsewhere {shared.type}")
        if shared.default is not ANY and parameter.default != shared.default:
            found.append(f"{name}: default {parameter.default!r}, elsewhere {shared.default!r}")
    return found


def _given(declared: Any) -> frozenset[Any]:
    """Return the types of what can be given, which `None`, the lack of it, is not."""
    union = typing.get_origin(declared) in (typing.Union, UnionType)
    return frozenset(typing.get_args(declared) if union else (declared,)) - {type(None)}
