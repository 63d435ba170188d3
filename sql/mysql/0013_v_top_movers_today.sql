-- The issues of every universe's newest poll, the largest move first.
CREATE SQL SECURITY INVOKER VIEW v_top_movers_today AS
SELECT
    p.universe, p.symbol, p.ltp, p.prev_close, p.change_amt, p.change_pct, p.volume, p.status, p.poll_time
FROM (
    SELECT k.universe, k.trade_date, (
        SELECT t.poll_time FROM intraday_stock_prices t
        WHERE t.universe = k.universe AND t.trade_date = k.trade_date ORDER BY t.poll_time DESC LIMIT 1
    ) AS poll_time
    FROM (
        SELECT u.universe, (
            SELECT d.trade_date FROM intraday_stock_prices d
            WHERE d.universe = u.universe ORDER BY d.trade_date DESC LIMIT 1
        ) AS trade_date
        FROM (SELECT universe FROM pipeline_session UNION SELECT universe FROM intraday_advance_decline) u
    ) k
) n
JOIN intraday_stock_prices p ON p.universe = n.universe AND p.trade_date = n.trade_date AND p.poll_time = n.poll_time
WHERE p.change_pct IS NOT NULL AND p.status <> 'NOT_TRADED'
ORDER BY p.universe, ABS(p.change_pct) DESC, p.symbol;
