"""Tallies of a group of issues, and the measures over them. Layer 1, pure."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.breadth import ratios
from pipeline.breadth.sentiment import sentiment
from pipeline.breadth.trin import trin
from pipeline.breadth.volume import Volumes, is_volume, usable, volumes
from pipeline.model import UNKNOWN_SECTOR, Counts, Member, Status

SECTOR_LENGTH = 64


def sector_of(member: Member) -> str:
    """The group of an issue, cut to what the tables hold. Issues without a sector form `Unknown`: groups add up."""
    return member.sector.strip()[:SECTOR_LENGTH] or UNKNOWN_SECTOR


class Tally:
    """How many issues of a group are in each state, and the session volume (shares) of each.

    `missing_volume`: issues that traded without a usable volume.
    """

    __slots__ = ("issues", "missing_volume", "volume")

    def __init__(self) -> None:
        self.issues = dict.fromkeys(Status, 0)
        self.volume = dict.fromkeys(Status, 0)
        self.missing_volume = 0

    def add(self, status: Status, volume: int | None) -> None:
        self.issues[status] += 1
        if volume is not None and is_volume(volume):
            self.volume[status] += volume
        elif status in _TRADED:
            self.missing_volume += 1

    @staticmethod
    def total(tallies: Iterable[Tally]) -> Tally:
        """The tally of all groups together: totals are sums of groups by construction."""
        total = Tally()
        for tally in tallies:
            for status in Status:
                total.issues[status] += tally.issues[status]
                total.volume[status] += tally.volume[status]
            total.missing_volume += tally.missing_volume
        return total

    @property
    def traded(self) -> int:
        return sum(self.issues[status] for status in _TRADED)

    def has_usable_volume(self) -> bool:
        """Asked of the total only; see `volume.usable`."""
        issues, volume = self.issues, self.volume
        return usable(
            issues[Status.ADVANCE],
            issues[Status.DECLINE],
            self.traded,
            self.missing_volume,
            volume[Status.ADVANCE],
            volume[Status.DECLINE],
            volume[Status.UNCHANGED],
        )


_TRADED = (Status.ADVANCE, Status.DECLINE, Status.UNCHANGED)


def counts(tally: Tally, *, usable_volume: bool) -> Counts:
    """Every measure over a group. `usable_volume`: of the whole poll; if not, the volume family and TRIN are None."""
    issues, volume = tally.issues, tally.volume
    advances, declines, unchanged = (issues[status] for status in _TRADED)
    up, down, flat = (volume[status] for status in _TRADED)
    measured = volumes(advances, declines, up, down, flat) if usable_volume else Volumes()
    traded = advances + declines + unchanged
    universe_size = sum(issues.values())
    adv_pct = ratios.percent(advances, traded)
    return Counts(
        universe_size=universe_size,
        advances=advances,
        declines=declines,
        unchanged=unchanged,
        total_stocks=traded,
        not_traded=issues[Status.NOT_TRADED],
        no_reference=issues[Status.NO_REFERENCE],
        no_quote=issues[Status.NO_QUOTE],
        coverage=ratios.coverage(traded, universe_size),
        adv_pct=adv_pct,
        decl_pct=ratios.percent(declines, traded),
        unch_pct=ratios.percent(unchanged, traded),
        adv_decl_ratio=ratios.adv_decl_ratio(advances, declines),
        adv_decl_diff=advances - declines,
        advancing_share=ratios.advancing_share(advances, declines),
        ad_pct=ratios.ad_pct(advances, declines, traded),
        rana=ratios.rana(advances, declines),
        up_volume=measured.up,
        down_volume=measured.down,
        unch_volume=measured.unchanged,
        net_volume=measured.net,
        ud_volume_ratio=measured.ud_ratio,
        up_volume_pct=measured.up_pct,
        trin=trin(advances, declines, measured.up, measured.down),
        market_sentiment=sentiment(adv_pct),
    )
