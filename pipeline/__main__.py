"""`python -m pipeline` and the `breadth-pipeline` command: errors become one line and a documented exit code."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress

import click

from pipeline.cli import cli
from pipeline.errors import EXIT_OUTPUT, EXIT_USAGE, PipelineError


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
            with suppress(OSError):
                error.show()
            return EXIT_USAGE
        _say(error.format_message())
        return error.exit_code
    except PipelineError as error:
        _say(str(error))
        return error.exit_code
    except OSError as error:
        if not _of_output(error):
            raise
        _say(f"what there is to say cannot be written: {error.strerror}")
        return EXIT_OUTPUT
    return code if isinstance(code, int) else 0


def _say(message: str) -> None:
    with suppress(OSError):  # nobody can be told, the exit code stands
        click.echo(f"breadth-pipeline: {message}", err=True)


def _of_output(error: OSError) -> bool:
    """Whether it was raised by writing to stdout or stderr: a full disk, a terminal that is gone."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_code is click.echo.__code__


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
