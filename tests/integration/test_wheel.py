"""The wheel holds everything the installed program needs: code, SQL, data, the built page."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
OUT = (".git", ".venv", "node_modules", "build", "dist", "*.egg-info", "__pycache__", ".mypy_cache", ".ruff_cache")


def test_the_wheel_holds_code_sql_data_and_the_built_page(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*OUT, "demo-state", ".pytest_cache"))
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)],
        check=True,
        capture_output=True,
        timeout=110,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "pipeline").rglob("*.py")}
    assert modules <= names
    for folder, pattern in (("sql/sqlite", "*.sql"), ("sql/mysql", "*.sql")):
        for path in (ROOT / folder).glob(pattern):
            assert f"pipeline/{path.relative_to(ROOT)}" in names
    for path in (ROOT / "pipeline" / "data").rglob("*"):
        assert path.is_dir() or str(path.relative_to(ROOT)) in names
    assert "pipeline/dashboard/static/index.html" in names
    assert any(name.endswith("scripts/breadth-cron") for name in names)
    assert not [name for name in names if name.startswith("tests/")]
