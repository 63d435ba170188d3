-- One row a universe and day: how many snapshots, from when to when, how broad.
CREATE VIEW IF NOT EXISTS v_intraday_breadth_summary AS
SELECT
    universe, trade_date, COUNT(*) AS num_snapshots, MIN(poll_time) AS first_snapshot, MAX(poll_time) AS last_snapshot,
    AVG(adv_pct) AS avg_adv_pct, AVG(adv_decl_ratio) AS avg_adv_decl_ratio, MAX(advances) AS max_advances,
    MAX(declines) AS max_declines
FROM intraday_advance_decline
GROUP BY universe, trade_date;
