"""Tables as Parquet: written whole or not at all, the same bytes for the same content."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.files import atomic_file

if TYPE_CHECKING:
    import pandas

_UNIT = b"inputscape.unit"


def write_frame(path: Path, frame: pandas.DataFrame, unit: str = "") -> None:
    """Write a table as Parquet, atomically; equal tables give equal bytes.

    The index is left out. `unit` is kept in the file's metadata, where `is_finished` looks for it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _UNIT: unit.encode()})
    content = pa.BufferOutputStream()
    pq.write_table(table, content, compression="zstd", write_page_checksum=True)
    with atomic_file(path) as temporary:
        temporary.write_bytes(content.getvalue())


def read_frame(path: Path) -> pandas.DataFrame:
    """Read a table that `write_frame` wrote."""
    return _read(path).to_pandas()


def is_finished(path: Path, unit: str) -> bool:
    """Tell whether the file is the whole shard of the unit; checksums are verified."""
    import pyarrow as pa

    try:
        metadata = _read(path).schema.metadata or {}
    except (OSError, pa.ArrowException):
        return False
    return metadata.get(_UNIT) == unit.encode()


def _read(path: Path) -> Any:
    import pyarrow.parquet as pq

    # Not pq.read_table: it takes folders called name=value for partitions and adds columns.
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return file.read()
