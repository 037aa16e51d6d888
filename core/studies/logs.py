"""What a study says: to log.txt from every process, to the terminal from the first one."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOGGER = logging.getLogger("inputscape")


class _LogFile(logging.Handler):
    """Appends each line with a write of its own, so that several processes can share the file."""

    def __init__(self, path: Path) -> None:
        super().__init__(logging.DEBUG)
        self.path = path
        self.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(self.format(record) + "\n")
        except OSError:
            return  # a full disk is reported where results are written


class _Terminal(logging.Handler):
    """Writes to whatever `sys.stderr` is at the moment: a progress bar redirects it."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        print(prefix + record.getMessage(), file=sys.stderr)  # noqa: T201


@contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Copy the messages of the logger `inputscape`, details included, to a file."""
    with _added(_LogFile(path), logging.DEBUG):
        yield


@contextmanager
def log_terminal() -> Iterator[None]:
    """Show the messages of the logger `inputscape` on stderr."""
    with _added(_Terminal(logging.INFO), logging.INFO):
        yield


@contextmanager
def _added(handler: logging.Handler, level: int) -> Iterator[None]:
    before = LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(min(level, LOGGER.getEffectiveLevel()))
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before)
