"""`breadth-pipeline config`: the effective settings and where each came from, secrets masked."""

from __future__ import annotations

from dataclasses import fields

import click

from pipeline.cli.common import with_settings
from pipeline.config import PREFIX, Loaded, Settings, flag_of, masked

ALL = tuple(spec.name for spec in fields(Settings))


@click.command()
@with_settings(*ALL, loaded=True)
def config(loaded: Loaded) -> None:
    """Print the effective settings with their origin, secrets masked.

    Each is a flag of `run`, a variable BREADTH_… of the environment or of .env, and a key of the TOML file.
    """
    for name in ALL:
        value = masked(name, getattr(loaded.settings, name))
        click.echo(f"{flag_of(name)[2:]:<14} {value:<44} {loaded.origins.get(name, 'default')}")
    for file in loaded.files:
        click.echo(f"# read {file}")
    click.echo(f"# environment: {PREFIX}{flag_of(ALL[0])[2:].upper()} …; file: --config FILE (TOML)")
