"""Answers on stdout: lines for people, JSON and CSV for programs. Layer 5."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from pipeline.figures import plain
from pipeline.terminal import Terminal


def print_lines(lines: Sequence[str], terminal: Terminal) -> None:
    click.echo(terminal.encodable("\n".join(lines)), color=terminal.colour)


def terminal() -> Terminal:
    return Terminal.of(sys.stdout)


def print_json(value: object) -> None:
    """ASCII only, so that no name reaches the terminal as a control character; undefined numbers are null."""
    click.echo(json.dumps(_finite(value), indent=2, allow_nan=False))


def print_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """A header and a line a row; null is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_field(row.get(column)) for column in columns])
    click.echo(text.getvalue(), nl=False)


def _field(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    return "" if isinstance(value, float) and not math.isfinite(value) else value


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
