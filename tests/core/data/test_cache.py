from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core.data import cache as caching
from core.data import cache_root, entry, load_images
from core.errors import InputError

LOAD = """
import sys
from core.data import load_images
print("ready", flush=True)
sys.stdin.readline()
images = load_images(sys.argv[1], size=16, workers=int(sys.argv[2]))
print(images.fingerprint, int(images.images.sum()), flush=True)
"""


def _start(folder: Path, workers: int) -> subprocess.Popen[str]:
    """Start a process that loads a folder as soon as it is told to."""
    return subprocess.Popen(
        [sys.executable, "-c", LOAD, str(folder), str(workers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)},
    )


def _go(process: subprocess.Popen[str]) -> None:
    process.stdin.write("go\n")
    process.stdin.flush()


def _age(folder: Path, seconds: float = 3600) -> None:
    """Make all files below a folder look old."""
    past = time.time() - seconds
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (past, past))


def _forbid_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args, **kwargs):
        raise AssertionError("decoded again")

    monkeypatch.setattr("core.data.loading.decode_files", refuse)


def test_the_root_is_the_argument_or_the_variable_or_below_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("INPUTSCAPE_CACHE", "~/mine")
    assert cache_root() == tmp_path / "mine"
    assert cache_root(tmp_path / "x") == tmp_path / "x"
    monkeypatch.delenv("INPUTSCAPE_CACHE")
    assert cache_root() == tmp_path / ".cache" / "inputscape"


def test_a_folder_is_decoded_once(class_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_images(class_folders)
    _forbid_decoding(monkeypatch)
    again = load_images(class_folders)
    assert again.fingerprint == first.fingerprint
    assert isinstance(again.images, np.memmap)


def test_a_copy_elsewhere_with_other_times_shares_the_entry(
    class_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_images(class_folders)
    shutil.copytree(class_folders, tmp_path / "copy")
    _age(tmp_path / "copy")
    _forbid_decoding(monkeypatch)
    assert load_images(tmp_path / "copy").fingerprint == first.fingerprint


def _two_contents(path: Path, save_image) -> list[bytes]:
    """Return two image files of the same length."""
    contents = []
    for seed in (77, 78):
        save_image(path, seed=seed)
        contents.append(path.read_bytes())
    longest = max(map(len, contents))
    return [
        content.ljust(longest, b"\0") for content in contents
    ]  # what follows the end is ignored


def test_a_change_that_keeps_length_and_modification_time_is_seen(
    class_folders: Path, save_image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "SETTLED_NS", -1)
    path, found = class_folders / "cat" / "0.jpg", set()
    for content in _two_contents(path, save_image):
        path.write_bytes(content)
        os.utime(path, (1e9, 1e9))
        found.add(load_images(class_folders).fingerprint)
    assert len(found) == 2


def test_a_change_within_one_tick_of_the_clock_is_seen(
    class_folders: Path, save_image, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time_ns()
    monkeypatch.setattr(caching, "_stamp", lambda path: (0, now, now))
    monkeypatch.setattr(caching, "SETTLED_NS", 10**12)
    path, found = class_folders / "cat" / "0.jpg", set()
    for content in _two_contents(path, save_image):
        path.write_bytes(content)
        found.add(load_images(class_folders).fingerprint)
    assert len(found) == 2


def test_unchanged_settled_files_are_not_read_again(
    class_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "SETTLED_NS", -1)
    first = load_images(class_folders)
    monkeypatch.setattr(caching, "_file_hash", lambda path: pytest.fail("read again"))
    assert load_images(class_folders).fingerprint == first.fingerprint


def test_labels_and_size_are_part_of_the_key(class_folders: Path) -> None:
    first = load_images(class_folders)
    (class_folders / "dog").rename(class_folders / "bat")
    assert load_images(class_folders).class_names == ("bat", "cat")
    (class_folders / "bat").rename(class_folders / "dog")
    assert load_images(class_folders, size=5).shape == (3, 5, 5)
    assert load_images(class_folders).fingerprint == first.fingerprint


@pytest.mark.parametrize("name", [entry.PIXELS, entry.EXAMPLES, entry.ABOUT])
@pytest.mark.parametrize("harm", ["cut", "remove", "garble", "empty"])
def test_a_damaged_entry_is_rebuilt(class_folders: Path, name: str, harm: str) -> None:
    first = load_images(class_folders)
    pixels, victim = first.images.copy(), first.origin.folder / name
    content = victim.read_bytes()
    if harm == "remove":
        victim.unlink()
    else:
        changed = {"cut": content[:-1], "garble": b"\xff" * 9 + content[9:], "empty": b""}[harm]
        victim.write_bytes(changed)
    again = load_images(class_folders)
    assert (again.images == pixels).all()
    assert again.fingerprint == first.fingerprint
    assert [p.name for p in again.origin.folder.parent.iterdir()] == [again.origin.folder.name]
    assert sorted(p.name for p in again.origin.folder.iterdir()) == [
        entry.ABOUT, entry.EXAMPLES, entry.PIXELS,
    ]  # fmt: skip


def test_a_root_that_cannot_be_written_is_one_sentence(class_folders: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"INPUTSCAPE_CACHE: the cache .*file/x cannot be written"):
        load_images(class_folders, cache=tmp_path / "file" / "x")


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(
    class_folders: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(entry, "sync", full)
        with pytest.raises(InputError, match="no space is left for the decoded images"):
            load_images(class_folders)
    assert not list((cache / "images").iterdir())
    assert len(load_images(class_folders)) == 6


def test_processes_that_start_at_once_agree_and_leave_one_entry(
    class_folders: Path, cache: Path
) -> None:
    processes = [_start(class_folders, workers=1) for _ in range(3)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
    for process in processes:
        _go(process)
    answers = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(set(answers)) == 1
    assert len(list((cache / "images").iterdir())) == 1


def test_the_loser_of_a_race_uses_the_entry_of_the_winner(
    class_folders: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inode = []
    describe = entry.describe

    def overtaken(folder: Path, **parts) -> None:
        describe(folder, **parts)
        if not inode:
            inode.append(None)
            inode[0] = load_images(class_folders).origin.folder.stat().st_ino

    monkeypatch.setattr(entry, "describe", overtaken)
    images = load_images(class_folders)
    assert [images.origin.folder.stat().st_ino] == inode
    assert len(list((cache / "images").iterdir())) == 1


def _children(pid: int) -> list[int]:
    return [
        int(c)
        for t in Path(f"/proc/{pid}/task").iterdir()
        for c in (t / "children").read_text().split()
    ]


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _until(condition, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_a_kill_midway_leaves_no_process_no_entry_and_nothing_that_stays(
    tmp_path: Path, save_image, cache: Path
) -> None:
    folder = tmp_path / "large"
    save_image(folder / "a" / "0000.jpg", size=(900, 900))
    for i in range(1, 700):
        os.link(folder / "a" / "0000.jpg", folder / "a" / f"{i:04}.jpg")
    process = _start(folder, workers=2)
    _go(process)
    _until(lambda: any((cache / "images").glob("*/images.npy")))
    _until(lambda: len(_children(process.pid)) == 2)
    children = _children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    _until(lambda: not any(map(_running, children)))
    (left,) = (cache / "images").iterdir()
    assert left.name.startswith(".building-")

    shutil.rmtree(folder)
    save_image(folder / "a" / "0.jpg")
    load_images(folder)
    assert left.exists(), "a folder that new may belong to a process that is just starting"
    _age(left)
    save_image(folder / "a" / "0.jpg", seed=1)
    with caching._held(left / caching.ALIVE):
        _age(left)
        load_images(folder)
        assert left.exists(), "a folder that is held belongs to a process that is alive"
    _age(left)
    save_image(folder / "a" / "0.jpg", seed=2)
    images = load_images(folder)
    assert not left.exists()
    assert len(images) == 1
