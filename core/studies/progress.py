"""Progress: a bar with rate and estimate on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from core.studies.logs import LOGGER

SECONDS_BETWEEN_LINES = 15.0


@contextmanager
def progress(title: str, total: int, done: int) -> Iterator[Callable[[], None]]:
    """Yield a function to call after each finished unit."""
    shown = _bar(title, total, done) if sys.stderr.isatty() else _lines(title, total, done)
    with shown as advance:
        yield advance


def rate_text(units: int, seconds: float) -> str:
    """Return the rate in the unit that reads best.

    >>> rate_text(30, 60), rate_text(30, 6)
    ('2.0 s/unit', '5.0 units/s')
    """
    if units == 0 or seconds <= 0:
        return ""
    rate = units / seconds
    return f"{rate:.1f} units/s" if rate >= 1 else f"{1 / rate:.1f} s/unit"


@contextmanager
def _bar(title: str, total: int, done: int) -> Iterator[Callable[[], None]]:
    from rich import progress as rich_progress
    from rich.console import Console
    from rich.text import Text

    class Rate(rich_progress.ProgressColumn):
        """Units per second since the start of this session."""

        def render(self, task: rich_progress.Task) -> Text:
            return Text(rate_text(int(task.completed) - done, task.elapsed or 0))

    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        Rate(),
        rich_progress.TimeElapsedColumn(),
        rich_progress.TextColumn("left"),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(
        *columns, console=Console(stderr=True), redirect_stdout=False
    ) as bar:
        task = bar.add_task(title, total=total, completed=done)
        yield lambda: bar.advance(task)


@contextmanager
def _lines(title: str, total: int, done: int) -> Iterator[Callable[[], None]]:
    start = last = time.monotonic()
    finished = done

    def advance() -> None:
        nonlocal finished, last
        finished += 1
        now = time.monotonic()
        if now - last < SECONDS_BETWEEN_LINES and finished < total:
            return
        last, here = now, finished - done
        left = timedelta(seconds=round((now - start) / here * (total - finished)))
        LOGGER.info(
            "%s: %d of %d units, %s%s",
            title,
            finished,
            total,
            rate_text(here, now - start),
            f", about {left} left" if finished < total else "",
        )

    yield advance
