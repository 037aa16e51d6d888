"""The command line of a command, built from the signature and the docstring of its function.

The same signature is the Python call, the options and the YAML of `--config`: no option is spelled
twice. Nothing heavy is imported here, nor by `--help` if the command's own module keeps to it.
"""

from __future__ import annotations

import argparse
import difflib
import inspect
import re
import sys
import textwrap
import traceback
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from jsonargparse import ActionConfigFile, ArgumentParser, DefaultHelpFormatter

from core.errors import InputError, unknown_name
from core.files import full_disk_is_input_error
from core.studies.logs import log_terminal
from core.studies.study import UnitError

_FAILED, _BAD_INPUT, _INTERRUPTED = 1, 2, 130


def command(
    run: Callable[..., Any],
    *,
    prog: str,
    description: str | None = None,
    examples: Sequence[str] = (),
) -> NoReturn:
    """Run a function from the command line, and leave the program with its exit code.

    0: done, and where the result lies is printed; 1: a unit of work failed; 2: bad input, said in
    one sentence; 130: stopped by Ctrl-C or SIGTERM. `--debug` shows the traceback, too.

    The call belongs under `if __name__ == "__main__":`, since worker processes import the module.

    Args:
        run: a typed function with a Google-style docstring.
        prog: how the command is called, such as `python -m landscape.flatness`.
        description: what `--help` says first; default: the beginning of the docstring.
        examples: command lines that `--help` ends with.
    """
    arguments = sys.argv[1:]
    with log_terminal():
        try:
            with full_disk_is_input_error():
                parser = parser_of(run, prog=prog, description=description, examples=examples)
                result = run(**parse(parser, run, arguments))
        except (InputError, UnitError, KeyboardInterrupt) as error:
            if "--debug" in arguments:
                traceback.print_exc()
            sys.exit(_end(error))
    where = getattr(result, "path", result)
    report = getattr(result, "report", None)
    if isinstance(where, Path):
        print(report if report is not None and report.exists() else where)  # noqa: T201
    sys.exit(0)


def parser_of(
    run: Callable[..., Any],
    *,
    prog: str,
    description: str | None = None,
    examples: Sequence[str] = (),
) -> ArgumentParser:
    """Return the parser of a command; its `error` raises an `InputError`."""
    types = typing.get_type_hints(run)
    opening = re.split(r"^\w+:\n", inspect.getdoc(run) or "", maxsplit=1, flags=re.MULTILINE)[0]
    parser = _Parser(
        prog=prog,
        description=(description or opening).strip(),
        epilog="examples:\n" + textwrap.indent("\n".join(examples), "  ") if examples else None,
        formatter_class=_formatter(types),
        allow_abbrev=False,
        print_config="--print_config",
    )
    parser.add_argument(
        "--config", metavar="FILE", action=ActionConfigFile, help="options from a YAML file"
    )
    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show the traceback of an error",
    )
    parser.add_function_arguments(run, as_group=False)
    parser.types = types
    parser.names = [*inspect.signature(run).parameters, "config", "print_config", "debug", "help"]
    return parser


def parse(
    parser: ArgumentParser, run: Callable[..., Any], arguments: Sequence[str]
) -> dict[str, Any]:
    """Return the keyword arguments of `run` that the command line stands for.

    Raises:
        InputError: an option is unknown, lacks its value, or has a value of another type.
    """
    values = parser.parse_args(_spelled_out(run, arguments)).as_dict()
    return {name: values[name] for name in inspect.signature(run).parameters}


def _end(error: BaseException) -> int:
    """Say how the command ended, and return its exit code."""
    if isinstance(error, KeyboardInterrupt):
        print(str(error) or "stopped", file=sys.stderr)  # noqa: T201
        return _INTERRUPTED
    hint = "" if isinstance(error, InputError) else " (--debug shows where; so does log.txt)"
    print(f"error: {error}{hint}", file=sys.stderr)  # noqa: T201
    return _BAD_INPUT if isinstance(error, InputError) else _FAILED


def _spelled_out(run: Callable[..., Any], arguments: Sequence[str]) -> list[str]:
    """Return the arguments with `--skip-unreadable` said in full, `--skip_unreadable=true`.

    `--debug` is left out: it belongs to this call, not to the settings that `--print_config` shows.
    """
    types = typing.get_type_hints(run)
    spelled = []
    for argument, following in zip(arguments, [*arguments[1:], "--"], strict=False):
        if argument == "--debug":
            continue
        option, equals, value = argument.partition("=")
        name = option.removeprefix("--").replace("-", "_")
        if option.startswith("--") and name.split(".")[0] in types:
            option = f"--{name}"
            if types[name.split(".")[0]] is bool and not equals and following.startswith("--"):
                equals, value = "=", "true"
        spelled.append(f"{option}{equals}{value}")
    return spelled


class _Parser(ArgumentParser):
    """Raises bad arguments as `InputError`, in one sentence."""

    names: Sequence[str] = ()
    types: Mapping[str, Any] = MappingProxyType({})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise self._sentence(" ".join(message.split())) from ex

    def _sentence(self, message: str) -> InputError:
        if found := re.match(r"[Uu]nrecognized arguments: (.*)", message):
            return self._unknown_option(found[1].split()[0])
        if found := re.match(r"Option '([\w.]+)' is not accepted", message):
            return unknown_name("--config", found[1], self.names)
        if found := re.match(
            r"Parser key \"([\w.]+)\": Expected an? <class '(\w+)'>\. Got value: (.*)", message
        ):
            return InputError(f"--{found[1]}: found {found[3]!r}, expected {found[2]}.")
        if found := re.match(
            r'Parser key "([\w.]+)": Does not validate.* Given value: (.*)', message
        ):
            return InputError(f"--{found[1]}: found {found[2]!r}, expected {self._kind(found[1])}.")
        named = re.sub(r'^Parser key "([\w.]+)": ', r"--\1: ", message)
        named = re.sub(r"^argument (--\S+): ", r"\1: ", named)
        named = re.sub(r"^Problems parsing config: ", "--config: is not YAML: ", named)
        return InputError(named if named.endswith(".") else f"{named}.")

    def _kind(self, name: str) -> str:
        kind = str(self.types.get(name, "another value"))
        return kind.replace("typing.", "").replace("None", "null")

    def _unknown_option(self, text: str) -> InputError:
        option = text.partition("=")[0]
        if not option.startswith("-"):
            return InputError(f"unexpected argument {text!r}: options are given as --name value.")
        valid = [f"--{name}" for name in self.names]
        near = difflib.get_close_matches(option.replace("-", "_"), valid, n=2, cutoff=0.5)
        near = near or difflib.get_close_matches(option, valid, n=2, cutoff=0.5)
        guess = f"did you mean {' or '.join(near)}?" if near else "--help lists the options."
        return InputError(f"{option}: unknown option; {guess}")


def _formatter(types: Mapping[str, Any]) -> type[DefaultHelpFormatter]:
    """Return a formatter of `--help` that shows defaults, and types in the researcher's words."""

    class Formatter(DefaultHelpFormatter):
        """Options with their defaults; description and examples as they were written."""

        def _get_help_string(self, action: argparse.Action) -> str:
            text = (action.help or "").strip().rstrip(".")
            if action.dest == "print_config":
                return "print the options as YAML for --config, and end"
            if action.dest not in types or action.default in (None, argparse.SUPPRESS):
                return text
            shown = action.default
            if isinstance(shown, list | tuple):
                shown = ", ".join(map(str, shown))
            elif isinstance(shown, bool):
                shown = str(shown).lower()
            return f"{text} (default: {shown})"

        def _get_default_metavar_for_optional(self, action: argparse.Action) -> str:
            kind = types.get(action.dest)
            kinds = {typing.get_origin(part) or part for part in typing.get_args(kind) or [kind]}
            if list in kinds:
                return "A,B,..."
            if kinds & {int, float}:
                return "X" if float in kinds else "N"
            return action.dest.upper()

        def _format_action_invocation(self, action: argparse.Action) -> str:
            # jsonargparse also offers `--attacks+ X` to append; one way to say it is enough.
            return re.sub(r", --\S+\+ .*", "", super()._format_action_invocation(action))

        def _fill_text(self, text: str, width: int, indent: str) -> str:
            return textwrap.indent(text, indent)

    return Formatter
