from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core import files
from core.errors import InputError


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def fail() -> None:
        with files.atomic_file(path) as temporary:
            temporary.write_text("half of the n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_name_appears_only_after_content_and_folder_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def recorded_fsync(handle: int) -> None:
        kind = "folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file"
        calls.append(f"fsync {kind}")
        fsync(handle)

    def recorded_replace(old: Path, new: Path) -> None:
        calls.append("rename")
        assert old.parent == new.parent
        replace(old, new)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    files.write_text(tmp_path / "a.txt", "text")
    assert calls == ["fsync file", "rename", "fsync folder"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_bad_input_and_other_errors_are_not(tmp_path: Path, code: int) -> None:
    with (
        pytest.raises(InputError, match=r"a\.txt cannot be written, the disk is full"),
        files.atomic_file(tmp_path / "a.txt"),
    ):
        raise OSError(code, os.strerror(code))
    with pytest.raises(PermissionError), files.atomic_file(tmp_path / "a.txt"):
        raise PermissionError(errno.EACCES, "no")
    assert not list(tmp_path.iterdir())


def test_temporary_files_of_dead_processes_of_this_machine_are_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = socket.gethostname().replace(".", "-").replace("_", "-")
    folder = tmp_path / "shards" / "group"
    folder.mkdir(parents=True)
    names = {
        "dead": f".a.parquet.{host}.{dead.pid}.0123abcd.tmp",
        "alive": f".a.parquet.{host}.{os.getpid()}.0123abcd.tmp",
        "elsewhere": f".a.parquet.{host}-2.{dead.pid}.0123abcd.tmp",
        "foreign": ".a.tmp",
    }
    for name in names.values():
        (folder / name).write_text("")
    files.remove_stale(tmp_path)
    kept = {path.name for path in folder.iterdir()}
    assert kept == set(names.values()) - {names["dead"]}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="zombies are told by /proc")
def test_a_process_that_ended_unnoticed_counts_as_dead(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as zombie:
        assert zombie.stdout is not None
        zombie.stdout.read()
        state = Path(f"/proc/{zombie.pid}/stat")
        for _ in range(500):
            if state.read_text().rpartition(")")[2].split()[0] == "Z":
                break
            time.sleep(0.01)
        host = socket.gethostname().replace(".", "-").replace("_", "-")
        left = tmp_path / f".a.parquet.{host}.{zombie.pid}.0123abcd.tmp"
        left.write_text("")
        files.remove_stale(tmp_path)
        assert not left.exists()
