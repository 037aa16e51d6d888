from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import InputError
from core.studies import shards


def _frame(n: int = 200) -> pd.DataFrame:
    values = np.random.default_rng(0).standard_normal(n)
    values[0], values[1] = np.nan, np.inf
    return pd.DataFrame(
        {
            "value": values,
            "single": values.astype(np.float32),
            "count": np.arange(n),
            "id": [f"val/{i}" for i in range(n)],
            "right": values > 0,
            "curve": [list(values[: i % 4]) for i in range(n)],
        }
    )


def test_a_table_comes_back_exactly(tmp_path: Path) -> None:
    shards.write_frame(tmp_path / "a.parquet", _frame(), "a")
    back = shards.read_frame(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(
        back.drop(columns="curve"), _frame().drop(columns="curve"), check_exact=True
    )
    for got, expected in zip(back["curve"], _frame()["curve"], strict=True):
        np.testing.assert_array_equal(got, np.asarray(expected, dtype=float))


def test_equal_tables_give_equal_bytes_however_they_were_joined(tmp_path: Path) -> None:
    whole = _frame(20_000)
    joined = pd.concat([whole[:7], whole[7:9_000], whole[9_000:]], ignore_index=True)
    shards.write_frame(tmp_path / "a", whole)
    shards.write_frame(tmp_path / "b", joined)
    shards.write_frame(tmp_path / "c", shards.read_frame(tmp_path / "b"))
    first, second, third = ((tmp_path / name).read_bytes() for name in "abc")
    assert first == second == third


def test_folders_named_like_partitions_add_no_columns(tmp_path: Path) -> None:
    path = tmp_path / "seed=1" / "group=2.parquet"
    shards.write_frame(path, pd.DataFrame({"x": [1]}), "seed=1/group=2")
    assert list(shards.read_frame(path).columns) == ["x"]


def test_only_the_whole_shard_of_the_unit_counts_as_finished(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    assert not shards.is_finished(path, "a")
    shards.write_frame(path, _frame(5_000), "a")
    whole = path.read_bytes()
    assert shards.is_finished(path, "a")
    assert not shards.is_finished(path, "b")

    for cut in (0, 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert not shards.is_finished(path, "a"), cut
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 1
    path.write_bytes(flipped)
    assert not shards.is_finished(path, "a")
    path.write_bytes(b"something else")
    assert not shards.is_finished(path, "a")
    pd.DataFrame({"x": [1]}).to_parquet(path)
    assert not shards.is_finished(path, "a")


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    shards.write_text(path, "old")

    def fail() -> None:
        with shards.atomic_file(path) as temporary:
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
    shards.write_text(tmp_path / "a.txt", "text")
    assert calls == ["fsync file", "rename", "fsync folder"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_bad_input_and_other_errors_are_not(tmp_path: Path, code: int) -> None:
    with (
        pytest.raises(InputError, match=r"a\.txt cannot be written, the disk is full"),
        shards.atomic_file(tmp_path / "a.txt"),
    ):
        raise OSError(code, os.strerror(code))
    with pytest.raises(PermissionError), shards.atomic_file(tmp_path / "a.txt"):
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
    shards.remove_stale(tmp_path)
    kept = {path.name for path in folder.iterdir()}
    assert kept == set(names.values()) - {names["dead"]}
