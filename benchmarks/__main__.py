"""Run the benchmarks: `python -m benchmarks [NAME ...]`, or `make benchmarks` with the peers."""

from __future__ import annotations

import argparse
import importlib
import platform
from pathlib import Path
from typing import Any

import pandas as pd
import torch

BENCHMARKS = (
    "pgd",
    "minimum_norm",
    "autoattack",
    "noisy_step",
    "curvature",
    "connectivity",
    "slices",
    "image_loading",
    "autoencoders",
    "quantisers",
    "honest_metrics",
    "neighbours",
)
COLUMNS = ["benchmark", "contender", "metric", "value", "unit", "ratio_to_ours", "note"]


def main() -> None:
    """Run the benchmarks that are named, print their rows, and keep them as CSV and Markdown."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Inputscape beside its peers. Peers that are missing are listed as such; "
        "`make benchmarks` installs them into an environment of their own.",
    )
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], metavar="NAME",
                        help=f"which to run (default: all): {', '.join(BENCHMARKS)}")  # fmt: skip
    parser.add_argument("--repeats", type=int, default=3, help="repetitions of each contender")
    parser.add_argument("--threads", type=int, default=2, help="torch threads of all contenders")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows: list[dict[str, Any]] = []
    for name in options.names or BENCHMARKS:
        print(f"{name} ...", flush=True)
        found = importlib.import_module(f"benchmarks.{name}").rows(options.repeats)
        rows += found
        print(pd.DataFrame(found, columns=COLUMNS).to_string(index=False), flush=True)
    table = pd.DataFrame(rows, columns=COLUMNS)
    options.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out / "results.csv", index=False)
    where = f"torch {torch.__version__}, {options.threads} threads, {platform.machine()}"
    (options.out / "results.md").write_text(f"{where}\n\n{markdown(table)}\n")
    print(f"results: {options.out / 'results.csv'} and {options.out / 'results.md'}")


def markdown(table: pd.DataFrame) -> str:
    """Return a table in Markdown."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + " --- |" * len(table.columns)]
    for row in table.itertuples(index=False):
        cells = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in row]
        lines.append("| " + " | ".join("" if c == "nan" else c for c in cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
