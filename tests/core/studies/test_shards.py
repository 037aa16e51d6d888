from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

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
