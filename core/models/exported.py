"""Networks that `torch.export.save` wrote: a graph with its weights in one `.pt2` file."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export.passes import move_to_device_pass

from core.errors import InputError
from core.models.files import readable_file

# Position of the argument that says "training" in the operators that behave differently then.
_TRAINING = {"batch_norm": 5, "native_batch_norm": 5, "dropout": 2, "instance_norm": 5}


class ExportedNetwork(nn.Module):
    """A loaded program; its mode was fixed when it was exported, `train` and `eval` change nothing.

    Attributes:
        shape: the sizes that the images must have; None where the program takes any.
        outputs: the number of outputs.
        digest: a sha256 of the graph, since weights alone do not tell what is computed.
    """

    def __init__(
        self,
        program: nn.Module,
        *,
        spec: str,
        shape: tuple[int | None, ...],
        outputs: int | None,
        digest: str,
    ) -> None:
        super().__init__()
        self.program = program
        self.spec = spec
        self.shape = shape
        self.outputs = outputs
        self.digest = digest

    def train(self, mode: bool = True) -> ExportedNetwork:
        """Leave everything as it is: the program itself refuses to change its mode."""
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(n, k)` of images of the shape that the program was exported for."""
        found = tuple(images.shape)
        if len(found) != len(self.shape) or any(
            size not in (None, got) for size, got in zip(self.shape, found, strict=True)
        ):
            raise InputError(self._misfit(found))
        try:
            return self.program(images)
        except AssertionError as error:
            raise InputError(f"{self._misfit(found)} ({error})") from error

    def _misfit(self, found: tuple[int, ...]) -> str:
        wanted = ", ".join("any" if size is None else str(size) for size in self.shape)
        hint = ""
        if self.shape and self.shape[0] is not None:
            hint = (
                "; its batch size is fixed: export it with a dynamic one, "
                "dynamic_shapes=({0: torch.export.Dim('batch')},)"
            )
        return f"--model: {self.spec} takes images of shape ({wanted}), not {found}{hint}."


def exported_network(spec: str, device: torch.device | str = "cpu") -> ExportedNetwork:
    """Return the network in a `.pt2` file that `torch.export.save` wrote.

    A program is code: load it only from where you would also run a script. Pickled objects
    in the file are refused.

    Raises:
        InputError: where the file is missing or no such program, holds pickled objects, takes
            something else than one batch of images, or was exported in training mode.
    """
    path = readable_file("--model", spec)
    content = path.read_bytes()
    digest = _inspect(path, content)
    try:
        program = torch.export.load(io.BytesIO(content))
    except Exception as error:
        raise InputError(
            f"--model: {path} cannot be read as an exported program: {error}"
        ) from error
    if torch.device(device).type != "cpu":
        program = move_to_device_pass(program, device)
    sizes = {
        node.name: node.meta["val"]
        for node in program.graph.nodes
        if node.op == "placeholder" and isinstance(node.meta.get("val"), Tensor)
    }
    inputs = program.graph_signature.user_inputs
    if len(inputs) != 1 or inputs[0] not in sizes or sizes[inputs[0]].dim() != 4:
        raise InputError(
            f"--model: {path} takes {len(inputs)} inputs ({', '.join(map(str, inputs))}); "
            "expected one batch of images (n, c, h, w)."
        )
    _refuse_training_mode(path, program)
    return ExportedNetwork(
        program.module(),
        spec=spec,
        shape=tuple(_fixed(size) for size in sizes[inputs[0]].shape),
        outputs=_outputs(program),
        digest=digest,
    )


def _fixed(size: Any) -> int | None:
    return size if isinstance(size, int) else None


def _outputs(program: torch.export.ExportedProgram) -> int | None:
    (returned,) = next(n for n in program.graph.nodes if n.op == "output").args
    value = returned[0].meta.get("val") if len(returned) == 1 else None
    return _fixed(value.shape[1]) if isinstance(value, Tensor) and value.dim() == 2 else None


def _refuse_training_mode(path: Path, program: torch.export.ExportedProgram) -> None:
    for node in program.graph.nodes:
        name = getattr(getattr(node.target, "_schema", None), "name", "").removeprefix("aten::")
        position = _TRAINING.get(name)
        if position is not None and len(node.args) > position and node.args[position] is True:
            raise InputError(
                f"--model: {path} was exported in training mode ({name}); "
                "call .eval() on the network before torch.export.export."
            )


def _inspect(path: Path, content: bytes) -> str:
    """Return the digest of the graph, after making sure that reading unpickles nothing."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise InputError(f"--model: {path} is not a .pt2 archive; write it with torch.export.save.")
    digest = hashlib.sha256()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = sorted(archive.namelist())
        graphs = [n for n in names if "/models/" in n and n.endswith(".json")]
        if len(graphs) != 1:
            raise InputError(
                f"--model: {path} holds {len(graphs)} exported programs; expected one, "
                "as torch.export.save writes it."
            )
        digest.update(archive.read(graphs[0]))
        for name in names:
            if name.endswith("_config.json") and "/data/" in name:
                entries = json.loads(archive.read(name))["config"].values()
                plain = ("weight_", "tensor_")
                if any(e["use_pickle"] or not e["path_name"].startswith(plain) for e in entries):
                    raise _pickled(path)
            elif name.endswith((".pt", ".pkl")):
                # torch falls back to unpickling where this fails, so it must not fail there.
                try:
                    torch.load(io.BytesIO(archive.read(name)), weights_only=True)
                except Exception:
                    raise _pickled(path) from None
    return digest.hexdigest()


def _pickled(path: Path) -> InputError:
    return InputError(
        f"--model: {path} holds pickled Python objects beside its graph and tensors, and those are "
        "never loaded; export the network with plain tensors only."
    )
