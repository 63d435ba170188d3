"""`python -m pipeline` and the `breadth-pipeline` command: errors become one line and a documented exit code."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import click

from pipeline.cli import cli
from pipeline.errors import EXIT_USAGE, PipelineError


def main() -> None:
    """Runs the command line and exits."""
    _open_streams()
    code = _run()
    _close_streams()
    sys.exit(code)


def _run() -> int:
    """The exit code of the command line; what went wrong is said in one line."""
    try:
        code = cli.main(prog_name="breadth-pipeline", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        return 130
    except click.ClickException as error:
        if isinstance(error, click.UsageError):
            error.show()
            return EXIT_USAGE
        click.echo(f"breadth-pipeline: {error.format_message()}", err=True)
        return error.exit_code
    except PipelineError as error:
        click.echo(f"breadth-pipeline: {error}", err=True)
        return error.exit_code
    return code if isinstance(code, int) else 0


def _open_streams() -> None:
    """In place of streams that were closed before the start: their numbers must not become those of our files."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _close_streams() -> None:
    """Writes out what is left. A reader that is gone, or a stream that cannot be written, must not change the code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):  # the interpreter flushes it once more
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    main()
