"""Percentages, ratios and shares of the counts. Layer 1, pure. Unrounded; None where the denominator is 0."""

from __future__ import annotations


def percent(part: int, whole: int) -> float | None:
    """`100 * part / whole`, in percent. None when `whole` is 0.

    Of issues traded: advance, decline and unchanged percent. Source: the exchanges' "issues traded".
    """
    return 100 * part / whole if whole else None


def coverage(traded: int, universe_size: int) -> float | None:
    """`T / N`, 0..1: the share of the universe that traded. None for an empty universe."""
    return traded / universe_size if universe_size else None


def adv_decl_ratio(advances: int, declines: int) -> float | None:
    """`A / D`, 0 and more. None when nothing declines: neither infinity nor A. Source: advance/decline ratio (ADR)."""
    return advances / declines if declines else None


def advancing_share(advances: int, declines: int) -> float | None:
    """`A / (A + D)`, 0..1. None when nothing moved. Mirrors evenly, so it is the one to average or smooth."""
    return advances / (advances + declines) if advances + declines else None


def ad_pct(advances: int, declines: int, traded: int) -> float | None:
    """`100 * (A - D) / T`, -100..100 percent of issues traded. None when nothing traded.

    Source: A/D percent (Hughes breadth), here over issues traded; StockCharts divides by all members.
    """
    return 100 * (advances - declines) / traded if traded else None


def rana(advances: int, declines: int) -> float | None:
    """`1000 * (A - D) / (A + D)`, -1000..1000. None when nothing moved.

    Source: McClellan, ratio-adjusted net advances.
    """
    return 1000 * (advances - declines) / (advances + declines) if advances + declines else None
