"""Documentation as tested text: commands, links, named tests, exit codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import errors
from pipeline.cli import COMMANDS, cli, demo

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text() for page in PAGES)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command):
    assert re.search(rf"`?(breadth-pipeline )?{command}\b", TEXT)
    assert COMMANDS[command][1].endswith(".")


def test_the_demo_states_its_own_defaults():
    shown = " ".join(CliRunner().invoke(cli, ["demo", "--help"]).output.split())
    assert f"[{demo.SPEED:.0f}]" in shown
    assert f"[{demo.RECORDING}]" in shown
    assert demo.DIRECTORY in shown
    assert "[yahoo]" not in shown
    assert "one per universe" not in shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_the_docs_name_exists(page):
    for path, name in re.findall(r"`?(tests/[\w/]+\.py)(?:::(\w+))?", page.read_text()):
        file = ROOT / path
        assert file.exists(), f"{page.name}: {path}"
        assert not name or f"def {name}" in file.read_text(), f"{page.name}: {path}::{name}"


def test_every_exit_code_is_in_the_operations_manual():
    text = (ROOT / "docs" / "operations.md").read_text()
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    for code in codes:
        assert f"| {code} |" in text, code
