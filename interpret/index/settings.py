"""How an index searches: chosen once, when it is built."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from core.errors import InputError, unknown_name
from interpret.index.approximate import METHODS
from interpret.index.metrics import METRICS
from interpret.index.sketch import KINDS


@dataclass(frozen=True)
class Settings:
    """What an index is built with.

    Attributes:
        metric: `l2`, `cosine` or `inner_product`.
        method: `exact`; `sketch`, for vectors that do not fit into memory; `ivf` or `hnsw`, which
            take time to build and pay where there are many queries.
        whitened: search after whitening.
        sketch: `pca` or `random`: the codes of the method `sketch`, and of the other two where
            vectors do not fit into memory.
        code_size: numbers of a code.
        candidates: proposed by an approximate method for each neighbour asked for, then ranked
            exactly.
        seed: of random directions.

    Raises:
        InputError: a name that is not known, or a number below 1.
    """

    metric: str = "l2"
    method: str = "exact"
    whitened: bool = False
    sketch: str = "pca"
    code_size: int = 128
    candidates: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        for name, valid in (("metric", METRICS), ("method", METHODS), ("sketch", KINDS)):
            if getattr(self, name) not in valid:
                raise unknown_name(name, getattr(self, name), valid)
        for name in ("code_size", "candidates"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected at least 1, found {getattr(self, name)}.")

    @property
    def key(self) -> str:
        """A name for its folder."""
        words = [self.metric, self.method]
        if self.method != "exact":
            words += [self.sketch, str(self.code_size), str(self.candidates)]
        return "-".join([*words, *(["whitened"] if self.whitened else [])])

    def plain(self) -> dict[str, object]:
        """Return the settings as plain values."""
        return asdict(self)
