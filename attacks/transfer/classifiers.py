"""The classifiers of a study of transfer: named, found in folders, loaded, checked to go together.

One is written `[NAME=]SPEC[@CHECKPOINT]`, such as `resnet18@runs/a/model.safetensors` or
`mine=mypkg.nets:make@weights.pt`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from attacks.classifier_specs import load_spec, split_spec
from core.data import ImageSet
from core.errors import InputError
from core.models import Classifier, check_images
from core.models.checkpoints import read_checkpoint
from core.models.sources import kind_of
from core.options import split_list

ARGUMENT = "--classifiers"
_NAME = re.compile(r"([\w.+-]+)=(.+)", re.DOTALL)
_USUAL = ("model", "best", "last", "checkpoint", "weights", "net")
_SUFFIX = ".safetensors"
_PICKLES = (".pt", ".pth", ".bin", ".ckpt")


@dataclass(frozen=True)
class Member:
    """A classifier as it is written in the options.

    Attributes:
        name: unique in the study.
        spec: see `load_classifier`.
        checkpoint: its weights; None for a net that brings its own.
    """

    name: str
    spec: str
    checkpoint: str | None

    def __str__(self) -> str:
        weights = "" if self.checkpoint is None else f"@{self.checkpoint}"
        return f"{self.name}={self.spec}{weights}"


def members(given: Sequence[str] | str | None, default: Sequence[str]) -> tuple[Member, ...]:
    """Return the classifiers that the option names, those of a folder in the order of their names.

    Raises:
        InputError: a name is given twice, a folder holds no checkpoint, or there are fewer than two
            classifiers.

    >>> [m.name for m in members("digits_mlp,mine=digits_convnet,digits_convnet", ())]
    ['digits_mlp', 'mine', 'digits_convnet']
    """
    items = list(default) if given is None else split_list(given, ARGUMENT)
    found = [member for item in items for member in _read(item)]
    named: list[Member] = []
    for member, chosen in found:
        taken = {other.name.lower() for other in named}
        name, count = member.name, 2
        if chosen and name.lower() in taken:
            raise InputError(f"{ARGUMENT}: two are called {name!r}; give each a name of its own.")
        while name.lower() in taken:
            name, count = f"{member.name}-{count}", count + 1
        named.append(replace(member, name=name))
    if len(named) < 2:
        raise InputError(f"{ARGUMENT}: transfer needs at least 2 classifiers, found {len(named)}.")
    return tuple(named)


def _read(item: str) -> list[tuple[Member, bool]]:
    """Return the classifiers of one item, each with whether its name was chosen by the user."""
    match = _NAME.fullmatch(item)
    name, rest = (match[1], match[2]) if match else (None, item)
    if "@" not in rest and Path(rest).is_dir():
        files = sorted(Path(rest).glob(f"*{_SUFFIX}"))
        if name is not None or not files:
            problem = "one name cannot be that of a folder" if files else f"no {_SUFFIX} lies there"
            raise InputError(f"{ARGUMENT}: {item}: {problem}.")
        return [(_of_file(file), False) for file in files]
    if "@" not in rest and rest.endswith(_PICKLES):
        raise InputError(
            f"{ARGUMENT}: {rest} does not say what network it holds; write SPEC@{rest}."
        )
    if "@" not in rest and rest.endswith(("/", "\\")):
        raise InputError(f"{ARGUMENT}: there is no folder {rest}")
    if "@" not in rest and rest.endswith(_SUFFIX):
        member = _of_file(Path(rest))
    else:
        spec, weights = split_spec(rest, ARGUMENT, "[NAME=]SPEC[@CHECKPOINT]")
        member = Member(_short(spec), spec, weights)
    return [(replace(member, name=name or member.name), name is not None)]


def _of_file(path: Path) -> Member:
    """Return the classifier of a file that says what it is, or is named after it."""
    try:
        record = read_checkpoint(path).record
    except InputError as error:
        raise InputError(f"{ARGUMENT}: {error}") from error
    spec = path.stem if record is None else record.spec
    try:
        kind_of(spec)
    except InputError as error:
        raise InputError(
            f"{ARGUMENT}: {path} does not say what network it holds, and {spec!r} is none; write "
            f"SPEC@{path}."
        ) from error
    usual = record is not None and path.stem.lower() in _USUAL
    return Member(_short(spec) if usual else path.stem, spec, str(path))


def _short(spec: str) -> str:
    """Return the last word of a spec: of a path, of timm/NAME or of package.module:factory."""
    last = re.split(r"[/:\\]", spec.removesuffix(".pt2"))[-1]
    return re.sub(r"[^\w.+-]+", "-", last).strip("-.") or "net"


def member_of(text: str) -> Member:
    """Return the classifier that `str(member)` wrote."""
    ((member, _),) = _read(text)
    return member


def loaded(
    member: Member, *, normalisation: str | None, stem: str | None, device: str
) -> Classifier:
    """Load a classifier; what its checkpoint says of itself goes before the options.

    Raises:
        InputError: it cannot be loaded; the message names the classifier.
    """
    try:
        return load_spec(
            member.spec, member.checkpoint, normalisation=normalisation, stem=stem, device=device
        )
    except InputError as error:
        raise InputError(f"{ARGUMENT}: {member.name}: {error}") from error


def check_together(classifiers: dict[str, Classifier], images: ImageSet) -> None:
    """Make sure that all classifiers take the images and have the same classes.

    Raises:
        InputError: one does not; the message names it.
    """
    outputs: dict[str, int] = {}
    for name, classifier in classifiers.items():
        try:
            outputs[name] = check_images(
                classifier, images.shape, len(images.class_names), images.class_names
            )
        except InputError as error:
            raise InputError(f"{ARGUMENT}: {name}: {error}") from error
    first, *others = classifiers
    for other in others:
        if outputs[other] != outputs[first]:
            raise InputError(
                f"{ARGUMENT}: all must have the same classes, but {first} has {outputs[first]} and "
                f"{other} {outputs[other]}."
            )
        ours, theirs = classifiers[first].class_names, classifiers[other].class_names
        if ours is not None and theirs is not None and ours != theirs:
            i = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
            raise InputError(
                f"{ARGUMENT}: all must have the same classes, but class {i} of {first} is "
                f"{ours[i]!r} and of {other} {theirs[i]!r}."
            )
