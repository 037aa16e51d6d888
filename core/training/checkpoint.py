"""The state of a training run on disk, from which it goes on as if it had never been stopped."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from core.errors import InputError
from core.files import atomic_file
from core.studies.settings import differences

FORMAT = 1


def save_state(path: Path, identity: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write tensors, numbers, texts and dicts of them atomically.

    Raises:
        InputError: the disk is full.
    """
    # torch hides the cause of a failed write; one's own write to the file says it.
    content = io.BytesIO()
    torch.save({"format": FORMAT, "identity": dict(identity), **state}, content)
    with atomic_file(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def load_state(
    path: Path, identity: Mapping[str, Any], device: torch.device
) -> dict[str, Any] | None:
    """Return the state of the run with this identity; `None` where none has been written yet.

    Raises:
        InputError: the file is damaged, or belongs to a run with another identity; the difference
            is shown.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        found, made = dict(state["identity"]), state["format"]
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError) as error:
        raise _damaged(path) from error
    except pickle.UnpicklingError as error:
        raise _damaged(path) from error
    if made != FORMAT:
        raise InputError(f"{path}: a training state of format {made}, expected {FORMAT}.")
    changed = differences(found, dict(identity))
    if changed:
        raise InputError(
            f"--out: {path.parent} holds a training run with other settings: {'; '.join(changed)}."
            " Choose another folder."
        )
    return dict(state)


def _damaged(path: Path) -> InputError:
    return InputError(f"{path}: not a training state; delete it to begin this run anew.")
