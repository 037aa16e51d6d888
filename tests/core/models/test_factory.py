"""A user's own network is made by a factory in the current folder or an installed package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from core.errors import InputError
from core.models import build_network, fingerprint, load_classifier

_CODE = """
import torch
from torch import nn
from inputscape_test_helper import WIDTH

class Net(nn.Module):
    def __init__(self, num_classes=4):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, WIDTH), nn.ReLU())
        self.head = nn.Linear(WIDTH, num_classes)
    def forward(self, x):
        return self.head(self.body(x))

def fixed(): return Net(6)
def needs(num_classes): return Net(num_classes)
def channels(in_channels=3, num_classes=2): return nn.Conv2d(in_channels, num_classes, 4)
def wants(path): return Net()
def shapeless(): return nn.Sequential(nn.Flatten(), nn.LazyLinear(5))
def text(): return "a network"
def fails(): raise KeyError("no such thing")
def lazy():
    import inputscape_test_lazy
    return Net()
number = 3
"""


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of its own name for each test, in the current folder only."""
    name = f"inputscape_test_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(_CODE)
    (tmp_path / "inputscape_test_helper.py").write_text("WIDTH = 8\n")
    (tmp_path / "inputscape_test_lazy.py").write_text("")
    (tmp_path / "inputscape_test_broken.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    return name


def outputs(spec: str, **options: int | None) -> int:
    network = build_network(spec, **({"num_classes": None} | options))  # type: ignore[arg-type]
    return network(torch.zeros(1, 3, 4, 4)).shape[1]


def test_classes_and_functions_are_called_with_what_they_take(nets: str) -> None:
    before = list(sys.path)
    assert outputs(f"{nets}:Net") == 4
    assert outputs(f"{nets}:Net", num_classes=7) == 7
    assert outputs(f"{nets}:fixed", num_classes=7) == 6
    assert outputs(f"{nets}:needs", num_classes=7, in_channels=3) == 7
    assert outputs(f"{nets}:lazy") == 4
    assert build_network(f"{nets}:channels", num_classes=5, in_channels=2).in_channels == 2
    assert sys.path == before


@pytest.mark.parametrize(
    ("factory", "told"),
    [
        ("nett", "unknown name 'nett'; did you mean 'Net'"),
        ("number", "is a int; expected a function"),
        ("needs", "cannot be called with no argument: missing a required argument"),
        ("wants", "cannot be called with no argument: missing a required argument: 'path'"),
        ("text", "returned str; expected a torch.nn.Module"),
        ("fails", "failed: KeyError: 'no such thing'"),
        ("a b", "expected package.module:factory"),
    ],
)
def test_a_factory_that_cannot_be_used_is_one_sentence(nets: str, factory: str, told: str) -> None:
    before = list(sys.path)
    with pytest.raises(InputError, match=told) as caught:
        build_network(f"{nets}:{factory}", num_classes=None)
    assert sys.path == before
    if factory == "fails":
        assert isinstance(caught.value.__cause__, KeyError)


def test_a_module_that_cannot_be_imported_is_one_sentence(nets: str) -> None:
    with pytest.raises(InputError, match=r"no_such_module cannot be imported.*No module named"):
        build_network("no_such_module:make", num_classes=None)
    with pytest.raises(InputError, match="ZeroDivisionError"):
        build_network("inputscape_test_broken:make", num_classes=None)


def test_without_a_checkpoint_every_process_gets_the_same_weights(nets: str) -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = load_classifier(f"{nets}:Net", class_names=list("abcd"))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(4)
    again = load_classifier(f"{nets}:Net")
    assert fingerprint(first) == fingerprint(again)
    assert first.class_names == ("a", "b", "c", "d")
    assert not any(p.requires_grad for p in first.parameters())
    assert not any(module.training for module in first.modules())
    with pytest.raises(InputError, match=r"--num_classes: .* needs it"):
        load_classifier(f"{nets}:needs")


def test_layers_without_a_size_get_it_from_the_checkpoint(nets: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1.weight has no size yet"):
        load_classifier(f"{nets}:shapeless")
    weights = {"1.weight": torch.ones(5, 12), "1.bias": torch.zeros(5)}
    torch.save(weights, tmp_path / "net.pt")
    classifier = load_classifier(f"{nets}:shapeless", checkpoint="net.pt")
    assert torch.equal(classifier(torch.ones(1, 3, 2, 2)), torch.full((1, 5), 12.0))


def test_the_journey_of_a_user_with_an_own_model(nets: str, tmp_path: Path) -> None:
    trained = build_network(f"{nets}:Net", num_classes=11)
    wrapped = {f"module.{name}": value for name, value in trained.state_dict().items()}
    torch.save(
        {"epoch": 7, "state_dict": wrapped, "optimizer": {"state": {}, "lr": 0.1}},
        tmp_path / "net.pth",
    )
    images = torch.rand(3, 3, 4, 4)
    for factory in ("Net", "needs"):
        classifier = load_classifier(
            f"{nets}:{factory}", checkpoint="net.pth", normalisation="0.5;0.25"
        )
        assert torch.equal(classifier(images), trained((images - 0.5) / 0.25))
        assert classifier.num_classes == 11
    with pytest.raises(InputError, match=r"head.weight \(11, 8\) instead of \(6, 8\)"):
        load_classifier(f"{nets}:fixed", checkpoint="net.pth")
