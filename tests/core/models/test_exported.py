"""Exported programs are classifiers as well, and are refused where they are something else."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.models import check_images, evaluating, fingerprint, is_piecewise_linear, load_classifier

_DYNAMIC = ({0: torch.export.Dim("batch", min=1, max=512)},)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(),
        nn.Flatten(),
        nn.Linear(4 * 36, 5),
    ).eval()


def export(path: Path, module: nn.Module, dynamic: object = _DYNAMIC) -> str:
    program = torch.export.export(module, (torch.rand(2, 3, 8, 8),), dynamic_shapes=dynamic)  # type: ignore[arg-type]
    torch.export.save(program, path)
    return str(path)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> str:
    return export(tmp_path_factory.mktemp("exported") / "net.pt2", network())


def test_a_program_computes_what_its_network_does_for_any_batch(exported: str) -> None:
    classifier = load_classifier(exported, normalisation="half")
    own = network()
    for n in (1, 2, 7):
        images = torch.rand(n, 3, 8, 8)
        torch.testing.assert_close(classifier(images), own((images - 0.5) / 0.5))
    assert (classifier.num_classes, classifier.channels) == (5, 3)
    assert check_images(classifier, (3, 8, 8)) == 5
    assert is_piecewise_linear(classifier, torch.rand(1, 3, 8, 8))
    images = torch.rand(2, 3, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(classifier(images).sum(), images)
    assert gradient.any()


def test_its_mode_is_fixed_and_its_weights_are_frozen(exported: str) -> None:
    classifier = load_classifier(exported)
    assert not any(p.requires_grad for p in classifier.parameters())
    assert sum(1 for _ in classifier.parameters()) == 6
    images = torch.rand(4, 3, 8, 8)
    expected = classifier(images)
    classifier.train()
    assert torch.equal(classifier(images), expected)
    with evaluating(classifier):
        assert torch.equal(classifier(images), expected)


def test_the_fingerprint_knows_weights_and_graph_but_not_the_place(
    exported: str, tmp_path: Path
) -> None:
    own = fingerprint(load_classifier(exported))
    copy = tmp_path / "copy.pt2"
    copy.write_bytes(Path(exported).read_bytes())
    assert fingerprint(load_classifier(str(copy))) == own
    changed = network()
    changed[5].bias.data[0] += 1  # type: ignore[union-attr, operator]
    other_graph = nn.Sequential(*network()[:2], nn.LeakyReLU(), *network()[3:]).eval()  # type: ignore[index]
    for i, module in enumerate((changed, other_graph)):
        other = load_classifier(export(tmp_path / f"{i}.pt2", module))
        assert fingerprint(other) != own


def test_a_checkpoint_takes_the_place_of_the_weights_in_the_file(
    exported: str, tmp_path: Path
) -> None:
    other = network()
    other[5].bias.data += 1  # type: ignore[union-attr, operator]
    torch.save({f"module.{n}": v for n, v in other.state_dict().items()}, tmp_path / "net.pt")
    images = torch.rand(2, 3, 8, 8)
    found = load_classifier(exported, checkpoint=tmp_path / "net.pt")(images)
    torch.testing.assert_close(found, other(images))


def test_images_that_the_program_does_not_take_are_one_sentence(
    exported: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"takes images of shape \(any, 3, 8, 8\), not \(2, 3, 9"):
        check_images(load_classifier(exported), (3, 9, 9))
    with pytest.raises(InputError, match=r"not \(513, 3, 8, 8\).* <= 512"):
        load_classifier(exported)(torch.zeros(513, 3, 8, 8))
    fixed = load_classifier(export(tmp_path / "fixed.pt2", network(), dynamic=None))
    assert fixed(torch.zeros(2, 3, 8, 8)).shape == (2, 5)
    with pytest.raises(InputError, match="batch size is fixed: export it with a dynamic one"):
        fixed(torch.zeros(7, 3, 8, 8))


def not_an_archive(path: Path) -> None:
    path.write_bytes(b"no archive")


def no_program(path: Path) -> None:
    torch.save({}, path)


def in_training_mode(path: Path) -> None:
    export(path, network().train())


def of_another_input(path: Path) -> None:
    class Other(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x + y

    torch.export.save(torch.export.export(Other(), (torch.zeros(2), torch.zeros(2))), path)


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (not_an_archive, "not a .pt2 archive"),
        (no_program, "holds 0 exported programs"),
        (in_training_mode, "exported in training mode"),
        (of_another_input, r"takes 2 inputs \(x, y\)"),
    ],
)
def test_files_that_are_no_classifier_are_refused(
    tmp_path: Path, write: Callable[[Path], None], told: str
) -> None:
    write(tmp_path / "net.pt2")
    with pytest.raises(InputError, match=told):
        load_classifier(str(tmp_path / "net.pt2"))
    with pytest.raises(InputError, match="there is no file"):
        load_classifier(str(tmp_path / "other.pt2"))


class _Runs:
    ran = False

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return _run, ()


def _run() -> None:
    _Runs.ran = True


@pytest.mark.parametrize("member", ["sample_inputs", "weights"])
def test_pickled_objects_in_the_archive_are_never_loaded(
    exported: str, tmp_path: Path, member: str
) -> None:
    evil = tmp_path / "evil.pt"
    torch.save(_Runs(), evil)
    target = tmp_path / "net.pt2"
    with zipfile.ZipFile(exported) as source, zipfile.ZipFile(target, "w") as changed:
        for name in source.namelist():
            content = source.read(name)
            if member == "sample_inputs" and "/sample_inputs/" in name:
                content = evil.read_bytes()
            if member == "weights" and name.endswith("weights/weight_0"):
                content = evil.read_bytes()
            if member == "weights" and name.endswith("weights_config.json"):
                content = content.replace(b'"use_pickle": false', b'"use_pickle": true', 1)
            changed.writestr(name, content)
    with pytest.raises(InputError, match="holds pickled Python objects"):
        load_classifier(str(target))
    assert not _Runs.ran
