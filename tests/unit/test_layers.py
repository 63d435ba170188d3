"""The house's order: a module imports from lower layers or its own package only, and drivers in one adapter each."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "pipeline"
LAYERS = [
    {"model", "errors", "tables", "clock"},
    {
        "wire",
        "config",
        "config_files",
        "dburl",
        "parse",
        "session",
        "agenda",
        "records",
        "day_records",
        "breadth",
        "figures",
        "symbols",
    },
    {
        "journal",
        "lock",
        "schema",
        "health",
        "status",
        "logs",
        "sources",
        "sinks",
        "universes",
        "calendars",
        "reader",
        "terminal",
        "verify",
        "dead_letters",
        "inspection",
        "prune",
        "seed",
        "retention",
        "frozen",
    },
    {
        "process",
        "fetcher",
        "writer",
        "drain",
        "intake",
        "market",
        "tally",
        "report",
        "fleet",
        "progress",
        "summary",
        "dashboard",
    },
    {"supervisor", "api"},
    {"cli", "__main__", "__init__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
ADAPTERS = {
    "yfinance": "sources/yahoo",
    "mysql": "sinks/mysql",
    "sqlite3": ("sinks/sqlite", "journal/"),
    "exchange_calendars": "calendars",
}
"""{package: where its imports may stand, as the beginning of a path}."""
MODULES = sorted(ROOT.rglob("*.py"))


def _part(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module == "pipeline":
                found |= {f"pipeline.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_imports_lower_layers_or_its_own_package_only(path):
    own = _part(path)
    assert own in LEVEL, f"{own} has no layer: add it to LAYERS"
    parts = {name.split(".")[1] for name in _imports(path) if name.startswith("pipeline.")}
    upward = {part for part in parts if part != own and LEVEL.get(part, 0) > LEVEL[own]}
    assert not upward, f"{path} imports {upward} from above"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_drivers_are_imported_by_their_adapter_only(path):
    place = str(path.relative_to(ROOT))
    packages = {name.split(".")[0] for name in _imports(path)}
    strangers = {package for package, homes in ADAPTERS.items() if package in packages and not place.startswith(homes)}
    assert not strangers, f"{place} imports {strangers}"
