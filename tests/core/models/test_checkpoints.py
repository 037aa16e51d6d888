"""Checkpoints are read without unpickling, unwrapped, and a misfit is told in one sentence."""

from __future__ import annotations

import argparse
import logging
import os
import pickle
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from core.errors import InputError
from core.models import build_network, load_classifier, save_checkpoint
from core.models.checkpoints import read_checkpoint

SPEC = "digits_convnet"


@pytest.fixture
def trained() -> nn.Module:
    torch.manual_seed(5)
    network = build_network(SPEC, num_classes=10)
    for buffer in network.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return network.eval()


def prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in tensors.items()}


WRAPPINGS: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "none": lambda t: t,
    "state_dict and module.": lambda t: {"epoch": 3, "state_dict": prefixed("module.", t)},
    "model > state_dict": lambda t: {"model": {"state_dict": t}, "step": torch.tensor(3)},
    "compiled, then distributed": lambda t: prefixed("module._orig_mod.", t),
    "distributed, then compiled": lambda t: prefixed("_orig_mod.module.model.", t),
    "compiled inside": lambda t: {
        (name.replace(".", "._orig_mod.", 1) if name.startswith("0.") else name): value
        for name, value in t.items()
    },
    "a trainer's module with a loss": lambda t: {
        "state_dict": prefixed("model.", t) | {"loss.weight": torch.ones(10)},
        "hyper_parameters": {"lr": 0.1},
    },
    "an average of weights": lambda t: {
        "model": {"other": torch.zeros(1)},
        "ema": prefixed("module.", t) | {"n_averaged": torch.tensor(5)},
    },
    "half precision": lambda t: {n: v.half() if v.is_floating_point() else v for n, v in t.items()},
    "an old file without counts": lambda t: {
        n: v for n, v in t.items() if not n.endswith("num_batches_tracked")
    },
}


@pytest.mark.parametrize("name", WRAPPINGS)
def test_usual_wrappings_are_undone(
    name: str, trained: nn.Module, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.save(WRAPPINGS[name](trained.state_dict()), tmp_path / "net.pt")
    with caplog.at_level(logging.INFO, "inputscape"):
        classifier = load_classifier(SPEC, checkpoint=tmp_path / "net.pt")
    images = torch.rand(3, 1, 8, 8)
    tolerance = 1e-2 if name == "half precision" else 0
    torch.testing.assert_close(classifier(images), trained(images), atol=tolerance, rtol=tolerance)
    assert {p.dtype for p in classifier.parameters()} == {torch.float32}
    if name == "state_dict and module.":
        assert "took the entry 'state_dict', removed the prefix 'module.'" in caplog.text
    if name == "a trainer's module with a loss":
        assert "left aside loss.weight" in caplog.text


def test_prefixes_stay_where_the_network_has_them(tmp_path: Path) -> None:
    from core.models.fitting import unwrap

    network = nn.Module()
    network.model = nn.Linear(2, 2)
    weights = network.state_dict()
    assert unwrap(weights, network, "x").prefixes == ()
    found = unwrap(prefixed("model.", weights), network, "x")
    assert list(found.tensors) == list(weights)
    assert found.prefixes == ("model.",)


def test_of_several_entries_that_fit_the_first_is_taken_and_the_others_said(
    trained: nn.Module, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    average = {n: torch.zeros_like(v) for n, v in trained.state_dict().items()}
    torch.save({"ema": average, "model": trained.state_dict()}, tmp_path / "net.pt")
    with caplog.at_level(logging.INFO, "inputscape"):
        classifier = load_classifier(SPEC, checkpoint=tmp_path / "net.pt")
    assert all(p.any() for p in classifier.parameters() if p.dim() > 1)
    assert "not used: ema" in caplog.text


def test_a_misfit_lists_what_is_missing_unexpected_and_of_another_shape(
    trained: nn.Module, tmp_path: Path
) -> None:
    weights = trained.state_dict()
    del weights["0.weight"]
    weights["4.weight"] = weights["4.weight"][:, :3]
    for i in range(6):
        weights[f"extra.{i}"] = torch.zeros(1)
    torch.save(weights, tmp_path / "net.pt")
    with pytest.raises(InputError) as caught:
        load_classifier(SPEC, checkpoint=tmp_path / "net.pt")
    told = str(caught.value)
    assert "missing: 0.weight;" in told
    assert "unexpected: extra.0, extra.1, extra.2, extra.3, ... (6 in all);" in told
    assert "of another shape: 4.weight (32, 3, 3, 3) instead of (32, 16, 3, 3)." in told


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(
    trained: nn.Module, tmp_path: Path, value: float
) -> None:
    for name in ("4.weight", "5.running_var"):
        weights = {n: v.clone() for n, v in trained.state_dict().items()}
        weights[name].view(-1)[2] = value
        save_file(weights, tmp_path / "net.safetensors")
        with pytest.raises(InputError, match=f"1 of the .* values of {name} are not finite"):
            load_classifier(SPEC, checkpoint=tmp_path / "net.safetensors")


class _Runs:
    ran = False

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return _run, ()


def _run() -> None:
    _Runs.ran = True


def test_a_pickle_is_refused_and_runs_nothing(trained: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    contents = [trained, {"args": argparse.Namespace(), "model": {}}, _Runs()]
    for content in contents:
        for zipped in (True, False):
            torch.save(content, path, _use_new_zipfile_serialization=zipped)
            with pytest.raises(InputError, match="is a pickle of Python objects") as caught:
                load_classifier(SPEC, checkpoint=path)
            assert "torch.save(network.state_dict(), 'weights.pt')" in str(caught.value)
    path.write_bytes(pickle.dumps(_Runs()))
    with pytest.raises(InputError, match="is a pickle of Python objects"):
        load_classifier(SPEC, checkpoint=path)
    assert not _Runs.ran


def damaged(path: Path) -> None:
    torch.save({"a": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:900])


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "write", "told"),
    [
        ("net.pt", lambda p: None, "there is no file"),
        ("net.pt", lambda p: p.mkdir(), "is a folder; expected a file"),
        ("net.pt", lambda p: p.touch(), "is empty"),
        ("net.pt", lambda p: p.write_text("hello world"), "neither a safetensors file nor"),
        ("net.pt", damaged, "damaged"),
        ("net.pt", lambda p: torch.save([1, 2], p), "holds a list; expected named tensors"),
        ("net.pt", lambda p: torch.save({"lr": 1}, p), "a dict with the entries lr; expected"),
        (
            "net.pt",
            lambda p: torch.jit.save(torch.jit.script(nn.ReLU()), p),
            "is a TorchScript program",
        ),
        ("net.safetensors", lambda p: p.touch(), "is empty"),
        ("net.safetensors", lambda p: p.write_text("hello world"), "not a whole safetensors"),
    ],
)
def test_files_that_hold_no_weights_are_one_sentence(
    tmp_path: Path, name: str, write: Callable[[Path], object], told: str
) -> None:
    write(tmp_path / name)
    with pytest.raises(InputError, match=told):
        load_classifier(SPEC, checkpoint=tmp_path / name)


def test_a_truncated_safetensors_file_is_refused(trained: nn.Module, tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "net.safetensors", trained, spec=SPEC, num_classes=10)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load_classifier(SPEC, checkpoint=path)


def test_what_is_saved_is_read_with_its_record(trained: nn.Module, tmp_path: Path) -> None:
    from core.models import Normalisation

    path = save_checkpoint(
        tmp_path / "deeper" / "net.safetensors",
        trained,
        spec=SPEC,
        num_classes=10,
        normalisation=Normalisation((0.1,), (0.3,)),
        class_names=[str(i) for i in range(10)],
        in_channels=1,
    )
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert all(torch.equal(v, trained.state_dict()[n]) for n, v in load_file(path).items())
    record = read_checkpoint(path).record
    assert record is not None
    assert record.normalisation == Normalisation((0.1,), (0.3,))
    assert (record.spec, record.num_classes, record.stem, record.in_channels) == (SPEC, 10, None, 1)
    assert record.class_names == tuple("0123456789")


def test_metadata_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"num_classes": 3}', '{"spec": "x", "normalisation": "y"}'):
        save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", metadata={"inputscape": text})
        with pytest.raises(InputError, match="carries metadata under 'inputscape'"):
            read_checkpoint(tmp_path / "a.safetensors")


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs limits on the size of files")
def test_a_full_disk_is_one_sentence_and_leaves_the_old_file(
    trained: nn.Module, tmp_path: Path
) -> None:
    path = save_checkpoint(tmp_path / "net.safetensors", trained, spec=SPEC, num_classes=10)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(InputError, match="cannot be written"):
            save_checkpoint(path, trained, spec=SPEC, num_classes=10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]
