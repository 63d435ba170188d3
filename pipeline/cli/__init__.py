"""The command line: one module a command, imported when it is called, so that `--help` stays fast. Layer 5."""

from __future__ import annotations

from importlib import import_module

import click

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("pipeline.cli.run:run", "Poll the market, compute breadth, store it: what cron starts."),
    "status": ("pipeline.cli.status:status", "Show processes, queue, journal and databases of a pipeline."),
    "show": ("pipeline.cli.show:show", "Show the latest snapshot: counts, index, sectors, movers."),
    "history": ("pipeline.cli.history:history", "Show the day's series as a table with a chart."),
    "dashboard": ("pipeline.cli.dashboard:dashboard", "Serve the live page from a database and the pipeline's status."),
    "universe": ("pipeline.cli.universe:universe", "List the named universes, or show the members of one."),
    "schedule": ("pipeline.cli.schedule:schedule", "Print a crontab line and systemd units for a universe."),
    "demo": ("pipeline.cli.demo:demo", "Run a recorded day through the real pipeline, from a fresh state."),
    "verify": ("pipeline.cli.verify:verify", "Hold planned polls, journal and databases against each other."),
    "journal": ("pipeline.cli.journal:journal", "Look into the journal: info, check, export, prune."),
    "db": ("pipeline.cli.db:db", "Create, check, upgrade and thin out the databases."),
    "dead-letter": ("pipeline.cli.dead_letter:dead_letter", "List, retry or drop rows that a database refused."),
    "config": ("pipeline.cli.config:config", "Print the effective settings and where each came from."),
}
"""{command: (module:attribute, one line for --help)}, in the order of the help."""


class LazyGroup(click.Group):
    """A group that lists its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="breadth-pipeline")
def cli() -> None:
    """Real-time market breadth: polled from Yahoo Finance, journaled, stored, shown live."""
