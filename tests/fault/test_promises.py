"""docs/reliability.md names a test for each promise, and those are there; a torture leaves no fault out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.torture.faults import FAULTS, schedule

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_test_that_a_promise_names_exists():
    named = _NAMED.findall(TEXT)
    assert len(named) > 15
    for file, name in named:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{file} has no {name}"


def test_every_fault_is_drawn_in_a_long_torture():
    drawn = {fault.name for fault in schedule(1, len(FAULTS), {"root", "fiu"})}
    assert drawn == {fault.name for fault in FAULTS}
