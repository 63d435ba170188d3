"""`python -m pipeline` and the `breadth-pipeline` command: errors become one line and a documented exit code."""

from __future__ import annotations

import os
import sys

import click

from pipeline.cli import cli
from pipeline.errors import EXIT_USAGE, PipelineError


def main() -> None:
    """Runs the command line and exits."""
    _open_streams()
    try:
        code = cli.main(prog_name="breadth-pipeline", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        if isinstance(error, click.UsageError):
            error.show()
            sys.exit(EXIT_USAGE)
        click.echo(f"breadth-pipeline: {error.format_message()}", err=True)
        sys.exit(error.exit_code)
    except PipelineError as error:
        click.echo(f"breadth-pipeline: {error}", err=True)
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _open_streams() -> None:
    """In place of streams that were closed before the start: their numbers must not become those of our files."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


if __name__ == "__main__":
    main()
