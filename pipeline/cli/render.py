"""A snapshot and a day's series as lines of text, 80 columns. Layer 5, pure: rows in, lines out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from pipeline.figures import (
    change_pct,
    clock,
    count,
    duration,
    fit,
    grouped,
    pad,
    percent,
    plain,
    price,
    ratio,
    short_volume,
)
from pipeline.terminal import Terminal

Row = Mapping[str, Any]
_BAR = 44
_CHART_ROWS = 4
_CHART_COLUMNS = 70
INDIA = "Asia/Kolkata"


def snapshot_lines(view: Row, terminal: Terminal) -> list[str]:
    """`view`: universe, session, snapshot, sectors, gainers, losers, most_active (rows by column name)."""
    indian = (view["session"] or {}).get("timezone") == INDIA
    lines = [*_heading(view, terminal, indian), "", *_counts(view["snapshot"], terminal, indian)]
    if view["sectors"]:
        lines += ["", *_sectors(view["sectors"], terminal)]
    if view["most_active"]:
        lines += ["", *_movers(view["gainers"], view["losers"], terminal, indian)]
        lines += ["", *_most_active(view["most_active"], terminal, indian)]
    return lines


def day_text(text: str) -> str:
    """`2026-11-26 09:20:00` as `Thu 26 Nov 2026 09:20:00`."""
    return datetime.fromisoformat(text).strftime("%a %d %b %Y %H:%M:%S")


def _heading(view: Row, terminal: Terminal, indian: bool) -> list[str]:
    row = view["snapshot"]
    zone = (view["session"] or {}).get("timezone")
    lines = [_title(view, day_text(row["poll_time"]), zone, terminal), terminal.paint(fit(_provenance(row), 80), "dim")]
    if not row.get("total_stocks"):
        lines.append(terminal.paint("nothing has traded", "yellow"))
    if row.get("index_symbol") and row.get("index_ltp") is not None:
        last, previous = row["index_ltp"], row.get("index_prev_close")
        pct = change_pct(last, previous)
        change = price(last - previous, indian=indian, sign=True) if pct is not None else ""
        lines.append(
            f"Index {fit(row['index_symbol'], 20)}  {price(last, indian=indian)}  "
            + terminal.signed(f"{change}  {percent(pct, decimals=2, sign=True)}".strip())
        )
    return lines


def _title(view: Row, when: str, zone: str | None, terminal: Terminal) -> str:
    return f"{terminal.paint(fit(view['universe'], 26), 'bold')}   {when}" + (f" ({fit(zone, 24)})" if zone else "")


def _provenance(row: Row) -> str:
    """The source last: its name may be long, and the line is cut. The trade's date when it is not the poll's."""
    traded = str(row.get("data_time") or "")
    today = traded[:10] == str(row["poll_time"])[:10]
    newest = f"newest trade {clock(traded) if today else traded[:19]}" if traded else "no trade time stated"
    delay = f"delayed by {duration(row['delay_s'])}" if row.get("delay_s") else "no delay stated"
    return f"{newest}, {delay}, source {plain(row.get('source') or '-')}"


def _counts(row: Row, terminal: Terminal, indian: bool) -> list[str]:
    lines = []
    for title, name, pct, colour in (
        ("Advances", "advances", "adv_pct", "green"),
        ("Declines", "declines", "decl_pct", "red"),
        ("Unchanged", "unchanged", "unch_pct", ""),
    ):
        share = None if row.get(pct) is None else row[pct] / 100
        bar = terminal.paint(terminal.bar(share, _BAR), colour)
        lines.append(f"{title:<10} {grouped(row[name]):>6} {percent(row.get(pct)):>8}  {bar}".rstrip())
    diff = grouped(row.get("adv_decl_diff"), sign=True)
    lines += [
        f"Ratio {ratio(row.get('adv_decl_ratio'))}   Difference {diff}   "
        f"{terminal.sentiment(row.get('market_sentiment'))}   TRIN {ratio(row.get('trin'))}",
        f"Volume up {short_volume(row.get('up_volume'), indian=indian)}, "
        f"down {short_volume(row.get('down_volume'), indian=indian)}, "
        f"unchanged {short_volume(row.get('unch_volume'), indian=indian)}; "
        f"up {percent(row.get('up_volume_pct'))}",
        f"Traded {grouped(row['total_stocks'])} of {grouped(row.get('universe_size'))}"
        f" (coverage {percent(_hundred(row.get('coverage')))}); not traded {grouped(row.get('not_traded'))}, "
        f"no reference {grouped(row.get('no_reference'))}, no quote {grouped(row.get('no_quote'))}",
    ]
    return lines


def _hundred(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _sectors(rows: Sequence[Row], terminal: Terminal) -> list[str]:
    head = f"{'Sector':<36}{'Adv':>5}{'Decl':>5}{'Unch':>5}{'Adv %':>9}{'Ratio':>7}"
    lines = [terminal.paint(head, "bold")]
    for row in sorted(rows, key=lambda row: (-(row.get("adv_pct") or 0), row["sector"])):
        lines.append(
            f"{pad(row['sector'], 35)} {row['advances']:>5}{row['declines']:>5}{row['unchanged']:>5}"
            f"{percent(row.get('adv_pct')):>9}{ratio(row.get('adv_decl_ratio')):>7}"
            f"  {terminal.paint(terminal.bar((row.get('adv_pct') or 0) / 100, 10), 'green')}".rstrip()
        )
    return lines


def _movers(gainers: Sequence[Row], losers: Sequence[Row], terminal: Terminal, indian: bool) -> list[str]:
    """Gainers left, losers right."""

    def cell(row: Row | None) -> str:
        if row is None:
            return " " * 38
        change = pad(percent(row.get("change_pct"), decimals=2, sign=True), -10)
        return f"{pad(row['symbol'], 15)}{pad(price(row.get('ltp'), indian=indian), -13)}{terminal.signed(change)}"

    head = [f"{title:<15}{'Price':>13}{'Change':>10}" for title in ("Gainers", "Losers")]
    lines = [terminal.paint("    ".join(head), "bold")]
    for index in range(max(len(gainers), len(losers))):
        pair = [rows[index] if index < len(rows) else None for rows in (gainers, losers)]
        lines.append("    ".join(cell(row) for row in pair).rstrip())
    if len(lines) == 1:
        lines.append("(no stock has moved)")
    return lines


def _most_active(rows: Sequence[Row], terminal: Terminal, indian: bool) -> list[str]:
    lines = [terminal.paint(f"{'Most active':<15}{'Price':>13}{'Change':>10}    {'Volume':>15}  Name", "bold")]
    for row in rows:
        change = pad(percent(row.get("change_pct"), decimals=2, sign=True), -10)
        lines.append(
            f"{pad(row['symbol'], 15)}{pad(price(row.get('ltp'), indian=indian), -13)}{terminal.signed(change)}    "
            f"{grouped(row.get('volume'), indian=indian):>15}  {fit(row.get('name') or '', 21)}".rstrip()
        )
    return lines


def history_lines(view: Row, terminal: Terminal) -> list[str]:
    """`view`: universe, date, session, series (snapshot rows and polls without one, in the order of their time)."""
    series: Sequence[Row] = view["series"]
    indian = (view["session"] or {}).get("timezone") == INDIA
    taken = [row for row in series if row.get("advances") is not None]
    zone = (view["session"] or {}).get("timezone")
    day = datetime.fromisoformat(view["date"]).strftime("%a %d %b %Y")
    without = len(series) - len(taken)
    polls = f"{count(len(taken), 'snapshot')}, {count(without, 'poll')} without one"
    lines = [_title(view, day, zone, terminal), polls, ""]
    lines += [*chart_lines([row["adv_decl_diff"] for row in taken], [row["poll_time"] for row in taken], terminal), ""]
    head = f"{'Time':<8}{'Adv':>6}{'Decl':>6}{'Unch':>6}{'Adv %':>9}{'Ratio':>8}{'Diff':>7}{'Index':>12}  Label"
    return [*lines, terminal.paint(head, "bold"), *(_history_line(row, terminal, indian) for row in series)]


def _history_line(row: Row, terminal: Terminal, indian: bool) -> str:
    time = clock(row["poll_time"])
    if row.get("advances") is None:
        reason = f": {row['reason']}" if row.get("reason") else ""
        return terminal.paint(f"{time}  {fit(str(row.get('outcome') or 'no snapshot') + reason, 68)}", "yellow")
    return (
        f"{time}{row['advances']:>6}{row['declines']:>6}{row['unchanged']:>6}{percent(row.get('adv_pct')):>9}"
        f"{ratio(row.get('adv_decl_ratio')):>8}{terminal.signed(format(row['adv_decl_diff'], '>+7'))}"
        f"{price(row.get('index_ltp'), indian=indian):>12}  {terminal.sentiment(row.get('market_sentiment'))}"
    )


def chart_lines(values: Sequence[int], times: Sequence[str], terminal: Terminal) -> list[str]:
    """Advances less declines over the day: columns above and below a zero line, the largest value at the edge."""
    if not values:
        return ["(no snapshot to draw)"]
    columns = _resampled(values, _CHART_COLUMNS)
    limit = max(1, *(abs(value) for value in columns))
    levels = [round(value / limit * _CHART_ROWS * 2) for value in columns]
    lines = ["Advances less declines"]
    for row in range(_CHART_ROWS, 0, -1):
        label = f"{'+' + str(limit) if row == _CHART_ROWS else '':>7} "
        lines.append(label + terminal.paint("".join(_block(level, row, "▄") for level in levels), "green"))
    lines.append(f"{'0':>7} " + "─" * len(levels))
    for row in range(1, _CHART_ROWS + 1):
        label = f"{'-' + str(limit) if row == _CHART_ROWS else '':>7} "
        lines.append(label + terminal.paint("".join(_block(-level, row, "▀") for level in levels), "red"))
    first, last = times[0][11:16], times[-1][11:16]
    lines.append(f"{'':>8}{first}{last:>{max(0, len(levels) - len(first))}}" if len(levels) > 10 else f"{'':>8}{first}")
    return [line.rstrip() for line in lines]


def _resampled(values: Sequence[int], width: int) -> list[int]:
    """At most `width` values: of each stretch the one that is furthest from zero; few values get wide columns."""
    count = len(values)
    if count <= width:
        repeat = max(1, width // count)
        return [value for value in values for _ in range(repeat)]
    edges = [index * count // width for index in range(width + 1)]
    return [max(values[start:end], key=abs) for start, end in pairwise(edges)]


def _block(level: int, row: int, half: str) -> str:
    """The character of chart row `row` (1 is next to zero) for a column of `level` half rows."""
    if level >= 2 * row:
        return "█"
    return half if level == 2 * row - 1 else " "
