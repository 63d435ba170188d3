"""Breadth of one poll: the state of each issue, the edge cases, the label."""

from dataclasses import asdict
from datetime import date, timedelta

import pytest

from pipeline.breadth import References
from pipeline.breadth.sentiment import sentiment
from pipeline.model import Session, Status
from tests.unit.breadth_cases import SESSION, at, count, quote, sides

VOLUME_FAMILY = ("up_volume", "down_volume", "unch_volume", "net_volume", "ud_volume_ratio", "up_volume_pct", "trin")
RATIOS = (
    *("adv_pct", "decl_pct", "unch_pct", "adv_decl_ratio", "advancing_share", "ad_pct", "rana"),
    *("ud_volume_ratio", "up_volume_pct", "trin", "market_sentiment"),
)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, Status.ADVANCE),
        ({"price": 999_900}, Status.DECLINE),
        ({"price": 1_000_000}, Status.UNCHANGED),
        ({"price": None}, Status.NO_QUOTE),
        ({"price": 0}, Status.NO_QUOTE),
        ({"price": -1}, Status.NO_QUOTE),
        ({"price": None, "prev_close": None, "trade_time": None}, Status.NO_QUOTE),
        ({"prev_close": None}, Status.NO_REFERENCE),
        ({"prev_close": 0}, Status.NO_REFERENCE),
        ({"prev_close": -5, "trade_time": at("2026-06-17 15:29")}, Status.NO_REFERENCE),
        ({"trade_time": at("2026-06-17 15:29")}, Status.NOT_TRADED),
        ({"trade_time": at("09:14") + 59}, Status.NOT_TRADED),  # the pre-open auction
        ({"trade_time": at("09:15")}, Status.ADVANCE),
        ({"trade_time": at("15:31")}, Status.ADVANCE),  # the closing auction
        ({"trade_time": at("2026-06-19 09:15")}, Status.NOT_TRADED),
        ({"trade_time": at("10:00"), "volume": 0}, Status.ADVANCE),  # a bar is a trade even with volume 0
        ({"trade_time": at("10:00"), "volume": None}, Status.ADVANCE),
        ({"trade_time": None, "volume": 0}, Status.NOT_TRADED),
        ({"trade_time": None, "volume": 7}, Status.ADVANCE),
        ({"trade_time": 10**18}, Status.NOT_TRADED),
    ],
)
def test_the_first_state_that_fits_wins(changes, status):
    assert count(quote(**changes)).statuses == {"A": status}


def test_a_symbol_without_a_quote_is_no_quote_and_a_quote_without_a_member_is_ignored():
    snapshot = count(quote("A"), missing=["B"])
    assert snapshot.statuses == {"A": Status.ADVANCE, "B": Status.NO_QUOTE}
    assert count(quote("A"), references={"Z": 5}).counts.universe_size == 1


def test_the_frozen_reference_counts_not_the_one_the_quote_states_now():
    snapshot = count(quote(price=1_010_000, prev_close=1_000_000), references={"A": 1_020_000})
    assert snapshot.statuses["A"] is Status.DECLINE
    assert snapshot.references == {"A": 1_020_000}


def test_nothing_traded_yet_gives_zeros_and_nulls():
    counts = asdict(count(quote("A", trade_time=None, volume=0), missing=["B"]).counts)
    assert (counts["universe_size"], counts["not_traded"], counts["no_quote"], counts["coverage"]) == (2, 1, 1, 0.0)
    assert {counts[name] for name in ("advances", "declines", "unchanged", "total_stocks", "adv_decl_diff")} == {0}
    assert {counts[name] for name in ("up_volume", "down_volume", "unch_volume", "net_volume")} == {0}
    assert {counts[name] for name in RATIOS} == {None}


def test_an_empty_universe_has_no_coverage():
    assert count().counts.coverage is None


def test_only_advances_has_no_ratio_and_no_trin():
    counts = sides([10, 20], []).counts
    assert (counts.adv_decl_ratio, counts.trin, counts.ud_volume_ratio) == (None, None, None)
    assert (counts.advancing_share, counts.rana, counts.up_volume_pct) == (1.0, 1000.0, 100.0)
    assert (counts.up_volume, counts.market_sentiment) == (30, "STRONG BULLISH")


def test_only_declines_has_ratio_0_and_no_trin():
    counts = sides([], [10, 20]).counts
    assert (counts.adv_decl_ratio, counts.trin, counts.advancing_share, counts.rana) == (0.0, None, 0.0, -1000.0)
    assert (counts.ud_volume_ratio, counts.up_volume_pct, counts.net_volume) == (0.0, 0.0, -30)


def test_only_unchanged_has_percentages_but_no_ratios():
    counts = sides([], [], [5]).counts
    assert (counts.adv_decl_diff, counts.ad_pct, counts.adv_pct, counts.unch_pct) == (0, 0.0, 0.0, 100.0)
    assert {counts.adv_decl_ratio, counts.advancing_share, counts.rana, counts.trin, counts.up_volume_pct} == {None}
    assert counts.unch_volume == 5


def test_the_arms_index_is_the_decliners_average_volume_over_the_advancers():
    counts = sides([300, 100], [50, 100, 150]).counts
    assert counts.trin == (300 / 3) / (400 / 2)
    assert (counts.ud_volume_ratio, counts.up_volume_pct, counts.net_volume) == (400 / 300, 100 * 400 / 700, 100)


def test_volumes_that_are_all_0_sum_to_0_and_have_no_ratios():
    counts = sides([0, 0], [0], [0]).counts
    assert (counts.up_volume, counts.down_volume, counts.unch_volume, counts.net_volume) == (0, 0, 0, 0)
    assert {counts.ud_volume_ratio, counts.up_volume_pct, counts.trin} == {None}


@pytest.mark.parametrize("snapshot", [sides([100], [0]), sides([0, 0], [5]), sides([0], [0], [9])])
def test_a_side_with_issues_but_without_volume_beside_volume_is_volume_missing(snapshot):
    assert {getattr(snapshot.counts, name) for name in VOLUME_FAMILY} == {None}


def test_a_sector_whose_side_has_no_volume_has_its_sums_and_no_ratios_when_the_poll_has_volume():
    quotes = [
        quote("A", volume=0),
        quote("B", 990_000, volume=40),
        quote("C", volume=60),
        quote("D", 990_000, volume=0),
    ]
    sectors = count(*quotes, sectors=["Left", "Left", "Right", "Right"]).sectors
    for name, up, down in (("Left", 0, 40), ("Right", 60, 0)):
        found = sectors[name]
        assert (found.up_volume, found.down_volume, found.net_volume) == (up, down, up - down)
        assert (found.ud_volume_ratio, found.up_volume_pct, found.trin) == (None, None, None)


def test_up_to_5_percent_of_missing_volumes_are_left_out_of_the_sums():
    assert sides([None] + [10] * 18, [10]).counts.up_volume == 180


@pytest.mark.parametrize("unusable", [None, -1, 10**16])
def test_more_than_5_percent_of_missing_volumes_make_the_family_null(unusable):
    counts = sides([unusable, unusable] + [10] * 17, [10]).counts
    assert {getattr(counts, name) for name in VOLUME_FAMILY} == {None}
    assert counts.adv_decl_ratio == 19.0


def test_a_missing_volume_of_an_issue_that_did_not_trade_is_nothing():
    untraded = quote("B", volume=None, trade_time=at("2026-06-17 15:00"))
    assert count(quote("A", volume=5), untraded).counts.up_volume == 5


@pytest.mark.parametrize(
    ("adv_pct", "label"),
    [
        (100.0, "STRONG BULLISH"),
        (70.0, "STRONG BULLISH"),
        (69.999, "BULLISH"),
        (60.0, "BULLISH"),
        (59.999, "SLIGHTLY BULLISH"),
        (55.0, "SLIGHTLY BULLISH"),
        (54.999, "NEUTRAL"),
        (45.0, "NEUTRAL"),
        (44.999, "SLIGHTLY BEARISH"),
        (40.0, "SLIGHTLY BEARISH"),
        (39.999, "BEARISH"),
        (30.0, "BEARISH"),
        (29.999, "STRONG BEARISH"),
        (0.0, "STRONG BEARISH"),
        (None, None),
    ],
)
def test_the_label_follows_the_unrounded_percentage(adv_pct, label):
    assert sentiment(adv_pct) == label


def test_unchanged_issues_pull_the_label_down_as_in_the_seed():
    assert sides([1] * 40, [1] * 40, [1] * 20).counts.market_sentiment == "SLIGHTLY BEARISH"


def test_sectors_are_sorted_and_issues_without_one_are_unknown():
    quotes = [quote(symbol) for symbol in "ABCD"]
    snapshot = count(*quotes, sectors=["Power", "", "  ", "Autos" + "x" * 90])
    assert list(snapshot.sectors) == [("Autos" + "x" * 90)[:64], "Power", "Unknown"]
    assert snapshot.sectors["Unknown"].universe_size == 2


def test_a_reference_is_frozen_at_the_first_quote_of_the_sessions_date():
    references = References()
    yesterday = quote(prev_close=900, trade_time=at("2026-06-17 15:29"))
    assert references.freeze({"A": yesterday}, SESSION) == {}
    references.freeze({"A": quote(prev_close=None)}, SESSION)
    tomorrow = quote(prev_close=950, trade_time=at("2026-06-19 00:00"))
    assert references.freeze({"A": tomorrow}, SESSION) == {}
    late = quote("B", prev_close=700, trade_time=at("23:59"))
    assert References().freeze({"B": late}, SESSION) == {"B": 700}
    references.freeze({"A": quote(prev_close=1000, trade_time=at("09:08"))}, SESSION)
    references.freeze({"A": quote(prev_close=2000)}, SESSION)
    assert references.mapping == {"A": 1000}


def test_a_new_session_freezes_anew_and_a_restart_takes_back_what_was_frozen():
    references = References()
    references.restore(SESSION.trade_date, {"A": 1000, "B": 0})
    assert references.freeze({"A": quote(prev_close=2000)}, SESSION) == {"A": 1000}
    day = timedelta(days=1)
    next_day = Session(date(2026, 6, 19), SESSION.open + day, SESSION.close + day, SESSION.timezone)
    later = quote(prev_close=3000, trade_time=at("2026-06-19 09:20"))
    assert references.freeze({"A": later}, next_day) == {"A": 3000}
