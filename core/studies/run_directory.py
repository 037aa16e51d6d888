"""The run directory: where a study's settings, shards, results, figures and report lie."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.files import write_json, write_text
from core.studies import environment, shards
from core.studies.settings import differences, digest, to_yaml

if TYPE_CHECKING:
    import pandas

LOGGER = logging.getLogger("inputscape")


@dataclass(frozen=True)
class RunDirectory:
    """A run on disk: config.yaml, environment.json, shards/, results.parquet, summary.json, report.

    Attributes:
        path: the folder.
        keys: the keys of the study's units in their order; empty for a run that is only looked at.
    """

    path: Path
    keys: tuple[str, ...] = ()

    def shard_path(self, key: str) -> Path:
        """Return where the shard of a unit lies, finished or not."""
        return self.path / "shards" / f"{key}.parquet"

    def is_finished(self, key: str) -> bool:
        """Tell whether the shard of a unit is there, whole."""
        return shards.is_finished(self.shard_path(key), key)

    def read(self, prefix: str = "") -> pandas.DataFrame:
        """Return the finished shards whose key starts with the prefix, joined in unit order."""
        folder = self.path / "shards"
        found = (path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet"))
        keys = self.keys or sorted(name.removesuffix(".parquet") for name in found)
        wanted = [key for key in keys if key.startswith(prefix)]
        return joined([path for path in map(self.shard_path, wanted) if path.exists()])

    def results(self) -> pandas.DataFrame:
        """Return results.parquet: the shards of the last phase, joined in unit order."""
        return shards.read_frame(self.path / "results.parquet")

    def summary(self) -> dict[str, Any]:
        """Return the content of summary.json."""
        return _read_json(self.path / "summary.json")

    def settings(self) -> dict[str, Any]:
        """Return the settings of the run, as config.yaml holds them."""
        import yaml

        return yaml.safe_load((self.path / "config.yaml").read_text("utf-8"))

    def environment(self) -> dict[str, Any]:
        """Return versions, machine, seed, fingerprints and times of the run."""
        return _read_json(self.path / "environment.json")

    def log(self, text: str) -> None:
        """Say something on the screen, where there is one, and in log.txt."""
        LOGGER.info(text)

    @property
    def figures(self) -> Path:
        """The folder of the figures."""
        return _folder(self.path / "figures")

    @property
    def adversarial(self) -> Path:
        """The folder of the crafted examples."""
        return _folder(self.path / "adversarial")

    @property
    def report(self) -> Path:
        """The report, report.html, once the study has written it."""
        return self.path / "report.html"


def joined(paths: Sequence[Path]) -> pandas.DataFrame:
    """Return the tables of several shards as one."""
    import pandas as pd

    frames = [shards.read_frame(path) for path in paths]
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def default_path(command: str, settings: Mapping[str, Any], identity: Mapping[str, Any]) -> Path:
    """Return `runs/<command>/<model>-<data>-<hash>`: one folder for each different run."""
    named = [str(settings[name]) for name in ("model", "data") if settings.get(name)]
    readable = "-".join(re.sub(r"[^A-Za-z0-9_.]+", "-", Path(n).name).strip("-.") for n in named)
    hashed = digest([settings, identity])[:8]
    return Path("runs", command, f"{readable[:60]}-{hashed}" if readable else hashed)


def open_run(
    path: Path,
    command: str,
    settings: dict[str, Any],
    identity: dict[str, Any],
    keys: Sequence[str],
) -> RunDirectory:
    """Return the run at `path`, begun or continued.

    Raises:
        InputError: `path` is a file or a folder with other things in it, or holds a run of another
            command or with other settings; the difference is shown.
    """
    run = RunDirectory(path, tuple(keys))
    if path.exists() and not path.is_dir():
        raise InputError(f"--out: {path} is a file, expected a folder.")
    if (path / "config.yaml").is_file() and (path / "environment.json").is_file():
        _check_same(run, command, settings, identity)
        return run
    others = _others(path)
    if others:
        raise InputError(
            f"--out: {path} holds other things ({', '.join(others[:3])}"
            f"{', ...' if len(others) > 3 else ''}), expected a new or empty folder or a run of"
            f" {command}."
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: {path} cannot be made: {error.strerror}.") from error
    write_json(
        path / "environment.json",
        {
            "command": command,
            "seed": settings.get("seed"),
            "device": settings.get("device"),
            "identity": identity,
            "versions": environment.versions(),
            "machine": environment.machine(),
            "git": environment.revisions(),
            "units": len(keys),
            "started": environment.now(),
            "finished": None,
        },
    )
    # Written last: with config.yaml the folder is a run.
    write_text(
        path / "config.yaml",
        f"# Repeats this run: python -m {command} --config {shlex.quote(f'{path}/config.yaml')}\n"
        + to_yaml(settings),
    )
    return run


def mark_finished(run: RunDirectory) -> None:
    """Write down when the run was finished first."""
    content = run.environment()
    if content.get("finished") is None:
        write_json(run.path / "environment.json", {**content, "finished": environment.now()})


@contextmanager
def locked(run: RunDirectory) -> Iterator[None]:
    """Hold the run directory, so that two commands do not compute the same units at once.

    The system lets go of it when the process ends, however it ends.

    Raises:
        InputError: another process holds it.
    """
    handle = os.open(run.path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"--out: {run.path} is being computed by another process; wait for it or choose"
                " another folder."
            ) from error
        except OSError:
            LOGGER.debug("%s: this file system has no locks", run.path)
        yield
    finally:
        os.close(handle)


def _check_same(
    run: RunDirectory, command: str, settings: dict[str, Any], identity: dict[str, Any]
) -> None:
    import yaml

    try:
        before, made = run.settings(), run.environment()
        former, former_identity, former_versions = (
            made["command"],
            made["identity"],
            made["versions"],
        )
        found = differences(before, settings) + differences(former_identity, identity)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise InputError(
            f"--out: {run.path} holds a config.yaml and an environment.json that are not a run's"
            f" ({error})."
        ) from error
    if former != command:
        raise InputError(f"--out: {run.path} holds a run of {former}, expected one of {command}.")
    if found:
        raise InputError(
            f"--out: {run.path} holds a run with other settings: {'; '.join(found)}."
            " Choose another folder."
        )
    changed = differences(former_versions, environment.versions())
    if changed:
        LOGGER.warning(
            "%s was begun with other versions (%s): the last bits of its results may differ",
            run.path,
            "; ".join(changed),
        )


def _others(path: Path) -> list[str]:
    """Return what lies in the folder and is not the trace of a run that died while it was made."""
    if not path.is_dir():
        return []
    ours = re.compile(r"environment\.json|\..+\.tmp|\.DS_Store")
    return sorted(entry.name for entry in path.iterdir() if not ours.fullmatch(entry.name))


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content
