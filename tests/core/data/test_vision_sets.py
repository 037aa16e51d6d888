from __future__ import annotations

import hashlib
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from core.data import load_images
from core.errors import InputError
from core.vision import torchvision

RNG = np.random.default_rng(0)


def _idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack(f">{array.ndim + 1}I", 0x800 + array.ndim, *array.shape)
    path.write_bytes(head + array.tobytes())


@pytest.mark.parametrize(("spec", "folder"), [("mnist", "MNIST"), ("fashionmnist", "FashionMNIST")])
def test_mnist_is_read_from_its_own_files(tmp_path: Path, spec: str, folder: str) -> None:
    raw = tmp_path / folder / "raw"
    images, labels = RNG.integers(0, 256, (5, 28, 28), np.uint8), np.array([1, 0, 9, 4, 4], "u1")
    for name in ("train", "t10k"):
        _idx(raw / f"{name}-images-idx3-ubyte", images if name == "t10k" else images[:3])
        _idx(raw / f"{name}-labels-idx1-ubyte", labels if name == "t10k" else labels[:3])
    test, train = (
        load_images(f"{spec}:{tmp_path}"),
        load_images(f"{spec}:{tmp_path}", split="train"),
    )
    assert (test.split, test.shape, test.num_classes) == ("test", (1, 28, 28), 10)
    assert (test.images[:, 0] == images).all()
    assert test.labels.tolist() == labels.tolist()
    assert test.ids[0] == "test/000000"
    assert len(train) == 3


def test_cifar_is_read_from_its_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cifar = torchvision().datasets.CIFAR10
    folder = tmp_path / cifar.base_folder
    folder.mkdir()

    def write(name: str, content: dict) -> list[str]:
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    data = RNG.integers(0, 256, (4, 3072), np.uint8)
    train = write("data_batch_1", {"data": data, "labels": [3, 1, 0, 2]})
    test = write("test_batch", {"data": data[:2], "labels": [1, 2]})
    meta = write("batches.meta", {"label_names": ["plane", "car", "bird", "cat"]})
    monkeypatch.setattr(cifar, "train_list", [train])
    monkeypatch.setattr(cifar, "test_list", [test])
    monkeypatch.setattr(cifar, "meta", {"filename": meta[0], "key": "label_names", "md5": meta[1]})
    loaded = load_images(f"cifar10:{tmp_path}", split="train")
    assert (loaded.images == data.reshape(4, 3, 32, 32)).all()
    assert loaded.labels.tolist() == [3, 1, 0, 2]
    assert loaded.class_names == ("plane", "car", "bird", "cat")
    (folder / "data_batch_1").write_bytes(b"another file")
    with pytest.raises(InputError, match=r"cifar10: .* cannot be used \(Dataset not found or corr"):
        load_images(f"cifar10:{tmp_path}", split="train")


def test_svhn_is_read_from_its_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.io import savemat

    svhn = torchvision().datasets.SVHN
    data = RNG.integers(0, 256, (32, 32, 3, 4), np.uint8)
    savemat(tmp_path / "test_32x32.mat", {"X": data, "y": np.array([[10], [1], [2], [10]])})
    md5 = hashlib.md5((tmp_path / "test_32x32.mat").read_bytes()).hexdigest()
    monkeypatch.setattr(svhn, "split_list", {"test": ["", "test_32x32.mat", md5]})
    loaded = load_images(f"svhn:{tmp_path}")
    assert loaded.labels.tolist() == [0, 1, 2, 0]
    assert (loaded.images == data.transpose(3, 2, 0, 1)).all()


def test_a_set_that_is_not_there_is_refused_and_not_downloaded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs the folder it lies in, cifar10:FOLDER; none was"):
        load_images("cifar10")
    with pytest.raises(InputError, match=r"cifar100:FOLDER; .*nowhere is not a folder"):
        load_images(f"cifar100:{tmp_path / 'nowhere'}")
    with pytest.raises(InputError, match=r"svhn: nothing found at .* nothing is downloaded"):
        load_images(f"svhn:{tmp_path}")
    with pytest.raises(InputError, match=r"unknown name 'val'.* Valid: train, test\."):
        load_images(f"mnist:{tmp_path}", split="val")
