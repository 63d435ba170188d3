"""The page's modules without a browser: each `*.mjs` here is a program of Node's own test runner."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipeline.dashboard import build

PROGRAMS = sorted(Path(__file__).parent.glob("*.test.mjs"))


@pytest.fixture(scope="session")
def node() -> list[str]:
    """The command that runs Node.js: the one that builds the page."""
    return build.tools()[0]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_the_module_does_what_its_program_says(program, node):
    done = subprocess.run([*node, "--test-reporter=tap", str(program)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout
