-- The snapshots of every universe's newest day, oldest first.
CREATE VIEW IF NOT EXISTS v_today_intraday_timeseries AS
SELECT
    s.universe, s.poll_time, TIME(s.poll_time) AS time_of_day, s.advances, s.declines, s.unchanged, s.total_stocks,
    s.adv_pct, s.adv_decl_ratio, s.adv_decl_diff, s.market_sentiment
FROM (SELECT universe, MAX(trade_date) AS trade_date FROM intraday_advance_decline GROUP BY universe) d
JOIN intraday_advance_decline s ON s.universe = d.universe AND s.trade_date = d.trade_date
ORDER BY s.universe, s.poll_time;
