"""torchvision is usable, whether or not its compiled operators load."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_IMPORT_DIES = "operator torchvision::nms does not exist"


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def bare_import_works() -> bool:
    result = python("import torchvision")
    assert result.returncode == 0 or _IMPORT_DIES in result.stderr
    return result.returncode == 0


def test_models_and_transforms_work_and_the_import_of_others_too(bare_import_works: bool) -> None:
    result = python("""
import json, sys, torch
from core import vision
assert "torchvision" not in sys.modules
tv = vision.torchvision()
first = len(vision._declared)
assert vision.torchvision() is tv
import torchvision
from torchvision.transforms import v2
image = torch.zeros(3, 8, 8, dtype=torch.uint8)
flipped = v2.Compose([v2.RandomHorizontalFlip(1.0), v2.ToDtype(torch.float32, scale=True)])(image)
model = tv.models.shufflenet_v2_x0_5(weights=None).eval()
print(json.dumps({
    "same": torchvision is tv,
    "flipped": list(flipped.shape),
    "logits": list(model(torch.zeros(1, 3, 32, 32)).shape),
    "declared": [first, len(vision._declared)],
}))
""")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    declared = 0 if bare_import_works else 2
    assert found == {
        "same": True,
        "flipped": [3, 8, 8],
        "logits": [1, 1000],
        "declared": [declared, declared],
    }


def test_it_helps_after_a_bare_import_has_failed(bare_import_works: bool) -> None:
    if bare_import_works:
        pytest.skip("torchvision's compiled operators load here")
    result = python("""
try:
    import torchvision
except RuntimeError:
    pass
from core.vision import torchvision
print(torchvision().models.resnet18.__name__)
""")
    assert result.stdout.strip() == "resnet18", result.stderr


def test_schemas_that_are_there_already_are_not_declared_again() -> None:
    result = python("""
import torch
library = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):
    if not hasattr(torch.ops.torchvision, name):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from core import vision
vision.torchvision().models.resnet18
print(len(vision._declared))
""")
    assert result.stdout.strip() == "0", result.stderr


def test_where_the_compiled_operators_load_nothing_is_declared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    from core import vision

    loaded: list[str] = []
    monkeypatch.setattr(torch.ops, "load_library", lambda path: loaded.append(str(path)))
    monkeypatch.setattr(vision, "_declare_missing", lambda: pytest.fail("declared"))
    vision.torchvision()
    assert len(loaded) == 1
