-- The universe as it was on a day: names and sectors.
CREATE TABLE IF NOT EXISTS pipeline_member (
    universe TEXT NOT NULL,
    trade_date TEXT NOT NULL,
    symbol TEXT NOT NULL,
    name TEXT NOT NULL,
    sector TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (universe, trade_date, symbol)
) STRICT, WITHOUT ROWID;
