"""`breadth-pipeline dashboard`: the live page from a database and, with a state directory, the pipeline's status."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import click

from pipeline import dashboard as page
from pipeline.cli.common import with_settings
from pipeline.config import Loaded


@click.command()
@with_settings("db", "state_dir", "universe", "token_file", loaded=True)
@click.option(
    "--listen",
    default="127.0.0.1:8321",
    show_default=True,
    metavar="HOST:PORT",
    help="Others than 127.0.0.1 need a token.",
)
@click.option("--allow-host", multiple=True, metavar="NAME", help="Name under which a reverse proxy asks; repeatable.")
def dashboard(loaded: Loaded, listen: str, allow_host: tuple[str, ...]) -> None:
    """Serve the live page until SIGTERM or Ctrl-C. Reads the database and the status; writes nothing."""
    from pipeline.dashboard.security import parse_listen

    settings = loaded.settings
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    # Without one that was given, the default directory counts only when a pipeline has run there.
    directory: Path | None = settings.state_dir
    if "state_dir" not in loaded.origins and not os.path.exists(settings.state_dir / "status.json"):
        directory = None
    token = page.read_token(settings.token_file) if settings.token_file else None
    names = ", ".join(url.masked for url in settings.db)
    page.serve(
        settings.db,
        parse_listen(listen),
        state_dir=directory,
        token=token,
        allow_hosts=allow_host,
        ready=lambda url: click.echo(f"The page is at {url} (reading {names}); stop it with Ctrl-C."),
    )
