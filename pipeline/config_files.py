"""Files that hold settings: `.env` and TOML, read as text by name. Layer 1.

One that holds a secret must be its owner's alone. Every problem is one line that names the file and the line or key,
and never shows what stands there.
"""

from __future__ import annotations

import io
import re
import stat
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from dotenv.parser import parse_stream

from pipeline.errors import ConfigError, UsageError

_PASSWORD = re.compile(rb"://[^/@\s]*:[^\s]*@")
"""A password in a URL."""


def unknown(name: str, known: Sequence[str], where: str) -> UsageError:
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else "see: breadth-pipeline config"
    return UsageError(f"unknown setting {name!r} in {where}: {hint}")


def read_dotenv(directories: Iterable[Path]) -> tuple[Path | None, dict[str, str]]:
    """The first `.env` there is, and {variable: text}. Raises ConfigError for one that cannot be read whole, and when
    it cannot be known whether there is one."""
    file = next((each for directory in directories if _is_file(each := directory / ".env")), None)
    if file is None:
        return None, {}
    _refuse_readable(file)
    try:
        content = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not UTF-8 text: save it anew") from None
    variables: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(content)):
        if binding.error:
            raise ConfigError(f"{file} line {binding.original.line}: is not NAME=VALUE (or a quote is not closed)")
        if binding.key is not None:
            variables[binding.key] = binding.value or ""
    return file, variables


def _is_file(dotenv: Path) -> bool:
    try:
        return stat.S_ISREG(dotenv.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise ConfigError(
            f"{dotenv} cannot be looked for: {error.strerror}: make {dotenv.parent} a directory that this user may "
            "enter, or choose another (cd, XDG_CONFIG_HOME)"
        ) from None


def read_toml(
    file: Path, fields: Mapping[str, str], many: Collection[str], switches: Collection[str]
) -> dict[str, str | list[str]]:
    """{field: text, or texts where `many`} of a TOML file; `fields`: {key: field}. Raises UsageError, ConfigError."""
    try:
        content = file.read_bytes()
        values = tomllib.loads(content.decode())
    except OSError as error:
        raise UsageError(f"--config {str(file)!r} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # no UTF-8, no TOML, a number or a nesting beyond all bounds
        raise UsageError(f"--config {str(file)!r} is not TOML: {error}") from None
    found: dict[str, str | list[str]] = {}
    for key, value in values.items():
        name = fields.get(key.replace("_", "-"))
        if name is None:
            raise unknown(key, list(fields), str(file))
        if isinstance(value, list) and name in many and all(isinstance(item, str) for item in value):
            found[name] = value
        elif isinstance(value, bool) and name in switches:
            found[name] = "true" if value else "false"
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            found[name] = str(value)
        else:
            form = "a list of texts" if name in many else "true or false" if name in switches else "a number"
            raise UsageError(f"{file}: {key} must be a text or {form}")
    if _PASSWORD.search(content):
        _refuse_readable(file)
    return found


def _refuse_readable(file: Path) -> None:
    """Raises ConfigError for a file with secrets that somebody besides its owner may read or write."""
    mode = file.stat().st_mode
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{file} can be read by others (mode {stat.S_IMODE(mode):04o}): chmod 600 {file}")
