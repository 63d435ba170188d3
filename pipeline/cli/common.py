"""Options that several commands share: `with_settings` turns fields of Settings into flags. Layer 5."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click

from pipeline.config import Loaded, Settings, default_state_dir, environment, flag_of, load
from pipeline.dburl import DatabaseUrl
from pipeline.errors import UsageError
from pipeline.universes import file_of

_UNIVERSE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
RECORDING = "recording:"


def with_settings(
    *names: str, loaded: bool = False, help: Mapping[str, str] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds the flags of the named settings, and `--config`; passes `settings` (or, with `loaded`, `loaded`).

    `help`: {setting: its line of help} where the command has another default.
    """
    specs = {spec.name: spec for spec in fields(Settings)}

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def command(config: Path | None, **options: Any) -> Any:
            flags = {name: options.pop(name) for name in names}
            flags = {name: _switch_text(value) for name, value in flags.items()}
            found = complete(load(flags, environment(), Path.cwd(), config))
            argument = {"loaded": found} if loaded else {"settings": found.settings}
            return function(**argument, **options)

        file = click.Path(path_type=Path, readable=False)  # whether it can be read is said by who reads it, in a line
        wrapped = click.option("--config", type=file, metavar="FILE", help="TOML file.")(command)
        for name in reversed(names):
            wrapped = _option(name, specs[name].metadata, (help or {}).get(name))(wrapped)
        return wrapped

    return decorate


def _switch_text(value: Any) -> Any:
    return ("true" if value else "false") if isinstance(value, bool) else value


def _option(name: str, metadata: Any, own_help: str | None) -> Callable[[Any], Any]:
    flag = flag_of(name)
    help_text = own_help or metadata["help"]
    if own_help is None and metadata["default"] not in (None, "false", "true"):
        help_text += f" [{metadata['default']}]"
    if metadata.get("switch"):
        both = f"{flag}/--no-{flag[2:]}"
        return click.option(both, name, default=None, help=help_text)
    if metadata.get("bare"):
        return click.option(
            flag, name, is_flag=False, flag_value=metadata["bare"], metavar=f"[{metadata['metavar']}]", help=help_text
        )
    return click.option(flag, name, multiple=bool(metadata.get("many")), metavar=metadata["metavar"], help=help_text)


def complete(found: Loaded) -> Loaded:
    """Fills in what depends on other settings: the state directory by universe, the default database in it."""
    settings = found.settings
    directory = settings.state_dir or default_state_dir(universe_name(settings, found.origins))
    databases = settings.db or (DatabaseUrl("sqlite", path=directory / "breadth.db"),)
    return replace(found, settings=replace(settings, state_dir=directory, db=databases))


def universe_name(settings: Settings, origins: Any) -> str:
    """The universe's name: a named one, a file's stem, or the recording's name when no universe was chosen."""
    if settings.source.startswith(RECORDING) and "universe" not in origins:
        name = Path(settings.source.removeprefix(RECORDING)).name
        return checked_name(name.removesuffix(".gz").removesuffix(".csv"))
    file = file_of(settings.universe)
    return checked_name(file.stem if file else settings.universe)


def checked_name(name: str) -> str:
    if not _UNIVERSE_NAME.fullmatch(name):
        raise UsageError(f"universe name {name!r} may hold letters, digits, _ . and - only, at most 64 of them")
    return name
