"""`breadth-pipeline verify`: planned polls, journal and databases held against each other. Reads only.

Exit 0 only when all agree, 1 otherwise; 69 when there is no journal to hold them against.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import click

from pipeline.cli.common import with_settings
from pipeline.cli.lookup import checked_date
from pipeline.cli.output import print_json, print_lines, terminal
from pipeline.config import Settings
from pipeline.errors import EXIT_DEGRADED
from pipeline.figures import plain
from pipeline.verify import DatabaseDay, Day, Finding, Plan, Report, reconcile
from pipeline.verify.report import FAILURES, MAX_LISTED, NOTES


@click.command()
@with_settings("universe", "db", "state_dir")
@click.option("--date", "day", metavar="YYYY-MM-DD", help="Trading day. Default: every day.")
@click.option("--json", "as_json", is_flag=True, help="The whole report as JSON.")
def verify(settings: Settings, day: str | None, as_json: bool) -> None:
    """Hold planned polls, journal and databases against each other, key by key.

    Exit 0 only when all agree, 1 otherwise, 69 without a journal.
    """
    wanted = checked_date(day)
    report = reconcile(settings.state_dir, settings.db, datetime.now(UTC), wanted)
    if as_json:
        print_json(report.as_json())
    else:
        print_lines(list(report_lines(report, wanted)), terminal())
    if not report.agrees:
        sys.exit(EXIT_DEGRADED)


def report_lines(report: Report, wanted: str | None) -> Iterator[str]:
    journal = report.journal
    records = (
        "no record" if journal.last_seq < journal.first_seq else f"records {journal.first_seq:,}-{journal.last_seq:,}"
    )
    yield f"journal {journal.journal_id} of {plain(journal.stream)}: {records}"
    if report.damage:
        yield f"  DAMAGED {plain(report.damage)}"
    for name, error in report.databases.items():
        if error:
            yield f"  FAULT {plain(name)}: {plain(error)}"
    if not report.days:
        yield f"nothing is journaled or stored{f' for {wanted}' if wanted else ''}"
    for day in report.days:
        yield from _day_lines(day)
    yield "all agree" if report.agrees else "they do NOT agree"


def _day_lines(day: Day) -> Iterator[str]:
    yield f"{day.trade_date} {plain(day.universe)}"
    for plan in day.plans:
        yield from _plan_lines(plan)
    for each in day.databases:
        yield from _database_lines(each)


def _plan_lines(plan: Plan) -> Iterator[str]:
    accounted = sum(plan.outcomes.values())
    told = ", ".join(f"{count} {plain(outcome)}" for outcome, count in sorted(plan.outcomes.items()))
    line = f"  {plain(plan.source)}: "
    if plan.planned is None:
        line += f"{accounted} polls, no grid to hold them against"
    else:
        line += f"{plan.planned} polls planned, {accounted - plan.unplanned} in the journal"
        line += f", {plan.unplanned} off the grid" if plan.unplanned else ""
        line += f", {plan.upcoming} still to come" if plan.upcoming else ""
    yield line + (f" ({told})" if told else "")
    if plan.missing:
        listed = ", ".join(text[11:] for text in plan.missing[:MAX_LISTED])
        more = f" and {len(plan.missing) - MAX_LISTED} more" if len(plan.missing) > MAX_LISTED else ""
        yield f"    MISSING {len(plan.missing)} planned polls of which the journal knows nothing: {listed}{more}"


def _database_lines(each: DatabaseDay) -> Iterator[str]:
    verdict = "agrees" if each.agrees else "does NOT agree"
    yield f"  {plain(each.database)}: {verdict}, {each.polls} polls, {each.rows:,} rows, content {each.content or '-'}"
    if each.error:
        yield f"    FAULT {plain(each.error)}"
    for kind in (*FAILURES, *NOTES):
        count = each.counts[kind]
        if not count:
            continue
        findings = each.findings[kind]
        yield f"    {kind.upper() if kind in FAILURES else kind}: {count:,} rows"
        if kind in FAILURES:
            yield from map(_finding_line, findings)
            if sum(finding.rows for finding in findings) < count:
                yield "      …"


def _finding_line(finding: Finding) -> str:
    when = finding.poll_time or "the day"
    return f"      {when} {finding.table}: {finding.rows:,} rows ({plain(finding.detail)})"
