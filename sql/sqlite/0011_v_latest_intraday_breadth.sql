-- The newest snapshot of every universe.
CREATE VIEW IF NOT EXISTS v_latest_intraday_breadth AS
SELECT
    s.universe, s.trade_date, s.poll_time, s.advances, s.declines, s.unchanged, s.total_stocks, s.adv_pct,
    s.decl_pct, s.unch_pct, s.adv_decl_ratio, s.adv_decl_diff, s.market_sentiment, s.universe_size,
    s.not_traded, s.no_reference, s.no_quote, s.coverage, s.up_volume, s.down_volume, s.unch_volume,
    s.net_volume, s.ud_volume_ratio, s.up_volume_pct, s.trin, s.advancing_share, s.ad_pct, s.rana,
    s.index_symbol, s.index_ltp, s.index_prev_close, s.delay_s, s.data_time, s.source, s.fetched_at,
    s.created_at
FROM (SELECT universe, MAX(trade_date) AS trade_date FROM intraday_advance_decline GROUP BY universe) d
JOIN intraday_advance_decline s ON s.universe = d.universe AND s.trade_date = d.trade_date
WHERE s.poll_time = (
    SELECT MAX(n.poll_time) FROM intraday_advance_decline n WHERE n.universe = d.universe AND n.trade_date = d.trade_date
);
