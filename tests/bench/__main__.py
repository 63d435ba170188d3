"""Every bench in turn, and one table of what they measured.

    python -m tests.bench            runs tests/bench/bench_*.py, prints their output and the table
    python -m tests.bench --write    keeps table and output in docs/speed.md as well
    python -m tests.bench pipeline   only those with this in their name

A bench prints lines with `min … median … max …` (in any order); everything else is kept as it is.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.mariadb import server_binary

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SPEED = ROOT / "docs" / "speed.md"
_FIGURES = {name: re.compile(rf"\b{name}\s+([\d.,]+)") for name in ("min", "median", "max")}
_NOTE = re.compile(r"\(((?:at most|at least|limit|1 within)[^)]*)\)")
TABLE_HEAD = ("| bench | measure | min | median | max | asked for |", "|---|---|---|---|---|---|")


@dataclass(frozen=True)
class Line:
    """A measured line of a bench's output."""

    bench: str
    measure: str
    figures: tuple[str, str, str]
    asked: str

    @property
    def row(self) -> str:
        return f"| {self.bench} | {self.measure} | {' | '.join(self.figures)} | {self.asked} |"


def measured(bench: str, output: str) -> list[Line]:
    """The lines with minimum, median and maximum, under the heading they stand below."""
    found, heading = [], ""
    for text in output.splitlines():
        figures = [pattern.search(text) for pattern in _FIGURES.values()]
        if not all(figures):
            heading = text.strip(" :") if text and not text.startswith(" ") else heading
            continue
        first = min(figure.start() for figure in figures if figure)
        note = _NOTE.search(text)
        name = f"{heading}: {text[:first].strip(' :')}" if heading else text[:first].strip(" :")
        found.append(Line(bench, name, tuple(f[1] for f in figures if f), note[1] if note else ""))  # type: ignore[arg-type]
    return found


def run(name: str) -> str:
    """A bench's output, shown while it comes."""
    print(f"== {name}", flush=True)
    command = [sys.executable, "-u", "-m", f"tests.bench.{name}"]
    lines = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        lines.append(f"(ended with code {process.returncode})\n")
    return "".join(lines)


def machine() -> str:
    """Processor, cores and versions: what the numbers were measured on."""
    cpu = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"model name\s*:\s*(.+)", info.read_text())
        cpu = found[1] if found else cpu
    cores = os.cpu_count()
    binary = server_binary()
    server = "no server"
    if binary:
        server = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        server = re.sub(r"^\S*/", "", server)
    return f"{cpu}, {cores} cores, Python {platform.python_version()}, {server}"


def page(outputs: dict[str, str], lines: list[Line]) -> str:
    """docs/speed.md."""
    parts = [
        "# Speed",
        "",
        "What `make bench ARGS=--write` measured last. Ratios are of one run on one machine; absolute numbers are that",
        "machine's. Nothing here is a test.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {machine()}.",
        "",
        *TABLE_HEAD,
        *(line.row for line in lines),
        "",
    ]
    for name, output in outputs.items():
        parts += [f"## {name}", "", "```", output.rstrip(), "```", ""]
    return "\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("only", nargs="?", default="", help="part of a bench's name")
    parser.add_argument("--write", action="store_true", help="keep the results in docs/speed.md")
    args = parser.parse_args()
    names = sorted(path.stem for path in HERE.glob("bench_*.py") if args.only in path.stem)
    if not names:
        print(f"no bench has {args.only!r} in its name", file=sys.stderr)
        return 2
    outputs = {name: run(name) for name in names}
    lines = [line for name, output in outputs.items() for line in measured(name.removeprefix("bench_"), output)]
    print("\n" + "\n".join([*TABLE_HEAD, *(line.row for line in lines)]))
    if args.write:
        SPEED.write_text(page(outputs, lines), encoding="utf-8")
        print(f"kept in {SPEED.relative_to(ROOT)}")
    return 1 if any("(ended with code" in output for output in outputs.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
