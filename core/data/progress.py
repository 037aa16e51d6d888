"""A progress bar for work that turns out to be long."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

PATIENCE = 1.0
"""Seconds of silence before the bar appears."""


@contextmanager
def progress_bar(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield `advance(done)`, which draws a bar with an estimate once a second has passed.

    The bar goes to stderr, only where that is a terminal, and is gone when the work is done.
    """
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(description, total=total)
    started = time.monotonic()
    with ExitStack() as shown:

        def advance(done: int) -> None:
            bar.advance(task, done)
            if not bar.live.is_started and time.monotonic() - started > PATIENCE:
                shown.enter_context(bar)

        yield advance
