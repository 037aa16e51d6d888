"""Recognises how a folder of images is laid out, and lists a split: files, ids, labels, names."""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.data.pixels import SUFFIXES
from core.errors import InputError, unknown_name

SPLITS = ("train", "val", "test")
WHOLE = "all"
MOST_CLASSES = 100_000
RECOGNISED = (
    "tiny-imagenet (train/<wnid>/images/*.JPEG, val/images/*.JPEG, val/val_annotations.txt), "
    "class folders (<class>/*.jpg, also below train/, val/ and test/), "
    "and images beside a labels.csv with the columns filename,label"
)

log = logging.getLogger("inputscape")


@dataclass(frozen=True)
class Listing:
    """The images of one split, in a fixed order."""

    paths: tuple[str, ...]
    ids: tuple[str, ...]
    labels: tuple[int, ...]
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """A folder whose layout is known: its splits, and how to list one of them."""

    name: str
    splits: tuple[str, ...]
    list_split: Callable[[str], Listing]


def recognise(root: Path) -> Layout:
    """Return the layout of a folder.

    Raises:
        InputError: if it is none of those known.
    """
    for attempt in (_labels_csv, _tiny_imagenet, _split_class_folders, _class_folders):
        layout = attempt(root)
        if layout is not None:
            return layout
    found = sorted(os.listdir(root))
    seen = (
        f"holds {', '.join(found[:4])}{', ...' if len(found) > 4 else ''}" if found else "is empty"
    )
    raise InputError(
        f"--data: the layout of {root} is not recognised (it {seen}); recognised are {RECOGNISED}."
    )


def choose_split(asked: str | None, valid: Sequence[str]) -> str:
    """Return the split that was asked for, or the one that is for evaluation.

    >>> choose_split(None, ["train", "test"])
    'test'
    """
    if asked is None:
        return next((split for split in ("val", "test") if split in valid), valid[0])
    if asked not in valid:
        raise unknown_name("--split", asked, valid)
    return asked


def left_out(count: int, what: str, why: str) -> None:
    """Say that files were left out, and why."""
    if count:
        log.warning("left out %d %s: %s", count, what, why)


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".")


def _folders(parent: Path) -> list[str]:
    if not parent.is_dir():
        return []
    with os.scandir(parent) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def _images_below(folder: Path) -> Iterator[str]:
    """Yield the paths of the images in a folder and its sub-folders, relative to it, sorted."""
    found = []
    for parent, inner, names in os.walk(folder, followlinks=True):
        inner[:] = [name for name in inner if not name.startswith(".")]
        here = os.path.relpath(parent, folder)
        prefix = "" if here == "." else here.replace(os.sep, "/") + "/"
        found += [prefix + name for name in names if _is_image(name)]
    yield from sorted(found)


def _listing(
    root: Path, files: Sequence[tuple[str, str, int]], class_names: Sequence[str]
) -> Listing:
    """Make a listing from (relative path, id, label) of each image."""
    if not files:
        raise InputError(
            f"--data: no image found in {root}; endings: {' '.join(sorted(SUFFIXES))}."
        )
    base = str(root)
    return Listing(
        tuple(f"{base}/{path}" for path, _, _ in files),
        tuple(id for _, id, _ in files),
        tuple(label for _, _, label in files),
        tuple(class_names),
    )


def _tiny_imagenet(root: Path) -> Layout | None:
    wnids = _folders(root / "train")
    trained = any((root / "train" / wnid / "images").is_dir() for wnid in wnids)
    annotated = (root / "val" / "val_annotations.txt").is_file()
    if not trained and not annotated:
        return None

    def list_split(split: str) -> Listing:
        classes = wnids or _listed_wnids(root)
        for wnid in wnids:
            if not (root / "train" / wnid / "images").is_dir():
                raise InputError(f"--data: {root / 'train' / wnid} has no folder images.")
        names = _wnid_names(root, classes)
        if split == "train":
            return _listing(root, list(_tiny_train(root, classes)), names)
        return _listing(root, _tiny_val(root, classes), names)

    splits = (("train",) if trained else ()) + (("val",) if annotated else ())
    return Layout("tiny-imagenet", splits, list_split)


def _listed_wnids(root: Path) -> list[str]:
    """Return the classes of a tiny-imagenet folder without its train images."""
    path = root / "wnids.txt"
    if not path.is_file():
        raise InputError(f"--data: {root} has neither train/<wnid> folders nor a wnids.txt.")
    return sorted(_text(path).split())


def _wnid_names(root: Path, wnids: Sequence[str]) -> list[str]:
    """Return the first word for each wnid in words.txt, with the wnid where that is not unique."""
    words: dict[str, str] = {}
    if (root / "words.txt").is_file():
        for line in _text(root / "words.txt").splitlines():
            wnid, _, synonyms = line.partition("\t")
            words[wnid.strip()] = synonyms.split(",")[0].strip()
    names = [words.get(wnid) or wnid for wnid in wnids]
    return [
        name if names.count(name) == 1 else f"{name} ({wnid})"
        for name, wnid in zip(names, wnids, strict=True)
    ]


def _tiny_train(root: Path, wnids: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    for label, wnid in enumerate(wnids):
        folder = f"train/{wnid}/images"
        names = list(_images_below(root / folder))
        if not names:
            raise InputError(f"--data: class {wnid!r} has no image in {root / folder}.")
        for name in names:
            yield f"{folder}/{name}", f"train/{wnid}/{name}", label


def _tiny_val(root: Path, wnids: Sequence[str]) -> list[tuple[str, str, int]]:
    """List the val images of the classes of train; the rest of val is left out, and that is said.

    A subset of the classes is often made by deleting folders of train only.
    """
    path = root / "val" / "val_annotations.txt"
    label_of = {wnid: label for label, wnid in enumerate(wnids)}
    annotated: dict[str, str] = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        fields = line.split("\t")
        if not line.strip():
            continue
        if len(fields) < 2 or not fields[0] or fields[0] in annotated:
            raise InputError(
                f"--data: {path}, line {number}: expected a file name, not used before, a tab and "
                f"a wnid, found {line[:60]!r}."
            )
        annotated[fields[0]] = fields[1].strip()
    there = list(_images_below(root / "val" / "images"))
    chosen = [name for name in there if annotated.get(name) in label_of]
    known = {name for name, wnid in annotated.items() if wnid in label_of}
    _all_there(sorted(known - set(there)), path)
    unlabelled = sum(name not in annotated for name in there)
    left_out(len(there) - len(chosen) - unlabelled, "val images", "their class is not in train")
    left_out(unlabelled, "val images", f"{path.name} does not name them")
    return [(f"val/images/{n}", f"val/{n}", label_of[annotated[n]]) for n in chosen]


def _all_there(missing: Sequence[str], path: Path) -> None:
    if missing:
        raise InputError(
            f"--data: {path} names {len(missing)} files that are not there, such as {missing[0]}."
        )


def _split_class_folders(root: Path) -> Layout | None:
    splits = tuple(split for split in SPLITS if _folders(root / split))
    if not splits:
        return None
    defining = "train" if "train" in splits else None

    def list_split(split: str) -> Listing:
        sources = (defining,) if defining else splits
        classes = sorted({name for source in sources for name in _folders(root / source)})
        return _class_listing(root, f"{split}/", classes, required=split == defining)

    return Layout("class folders", splits, list_split)


def _class_folders(root: Path) -> Layout | None:
    if not any(next(_images_below(root / name), None) for name in _folders(root)):
        return None

    def list_split(split: str) -> Listing:
        return _class_listing(root, "", _folders(root), required=True)

    return Layout("class folders", (WHOLE,), list_split)


def _class_listing(root: Path, prefix: str, classes: Sequence[str], *, required: bool) -> Listing:
    """List class folders below root/prefix.

    Args:
        root: the folder of the image set.
        prefix: the split's folder with a slash, or nothing.
        classes: all classes in order.
        required: whether each class must have an image.
    """
    there = _folders(root / prefix)
    foreign = sorted(set(there) - set(classes))
    if foreign:
        raise InputError(
            f"--data: {root / prefix} has the class {foreign[0]!r}, which is not among the "
            f"{len(classes)} classes of {root / 'train'}."
        )
    files: list[tuple[str, str, int]] = []
    for label, name in enumerate(classes):
        inside = list(_images_below(root / prefix / name)) if name in there else []
        if required and not inside:
            raise InputError(f"--data: class {name!r} has no image in {root / prefix / name}.")
        files += [(p := f"{prefix}{name}/{image}", p, label) for image in inside]
    return _listing(root / prefix, [], classes) if not files else _listing(root, files, classes)


def _labels_csv(root: Path) -> Layout | None:
    path = root / "labels.csv"
    if not path.is_file():
        return None
    rows = _csv_rows(path)
    found = {row.get("split", WHOLE) for row in rows}
    splits = tuple(s for s in SPLITS if s in found) + tuple(sorted(found - set(SPLITS)))

    def list_split(split: str) -> Listing:
        labels, class_names = _csv_labels([row["label"] for row in rows])
        chosen = [
            (row["filename"], row["filename"], label)
            for row, label in zip(rows, labels, strict=True)
            if row.get("split", WHOLE) == split
        ]
        _all_there([name for name, _, _ in chosen if not (root / name).is_file()], path)
        named = {row["filename"] for row in rows}
        left_out(
            sum(name not in named for name in _images_below(root)),
            "images",
            "labels.csv does not name them",
        )
        return _listing(root, chosen, class_names)

    return Layout("labels.csv", splits, list_split)


def _csv_rows(path: Path) -> list[dict[str, str]]:
    """Read labels.csv: `filename`, `label` and, if there, `split`, all stripped."""
    reader = csv.DictReader(_text(path).splitlines(), skipinitialspace=True)
    columns = [name for name in ("filename", "label", "split") if name in (reader.fieldnames or ())]
    if columns[:2] != ["filename", "label"]:
        raise InputError(
            f"--data: {path} must have the columns filename,label (and may have split), found "
            f"{','.join(reader.fieldnames or ()) or 'an empty file'}."
        )
    rows: list[dict[str, str]] = []
    used: set[str] = set()
    for line in reader:
        row = {name: (line[name] or "").strip() for name in columns}
        complete = all(row.values())
        file = row["filename"] = os.path.normpath(row["filename"]).replace(os.sep, "/")
        if not complete or file in used or os.path.isabs(file) or file.split("/")[0] == "..":
            raise InputError(
                f"--data: {path}, line {reader.line_num}: expected a file inside the folder, not "
                f"used before, and its label, found {','.join(str(line[c]) for c in columns)!r}."
            )
        used.add(file)
        rows.append(row)
    if not rows:
        raise InputError(f"--data: {path} names no file.")
    return rows


def _csv_labels(values: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return labels and class names: integers are labels as they are, else the names are sorted.

    >>> _csv_labels(["2", "0"])
    ([2, 0], ['0', '1', '2'])
    >>> _csv_labels(["dog", "cat"])
    ([1, 0], ['cat', 'dog'])
    """
    if all(value.lstrip("+-").isdecimal() for value in values):
        labels = [int(value) for value in values]
        return labels, numbered(min(labels), max(labels))
    names = sorted(set(values))
    label_of = {name: label for label, name in enumerate(names)}
    return [label_of[value] for value in values], names


def numbered(lowest: int, highest: int) -> list[str]:
    """Return names for classes that are only numbered, from the lowest and highest label."""
    if lowest < 0 or highest >= MOST_CLASSES:
        raise InputError(
            f"--data: labels must be 0 to classes - 1, found {lowest if lowest < 0 else highest}."
        )
    return [str(label) for label in range(highest + 1)]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--data: {path} cannot be read as text ({error}).") from error
