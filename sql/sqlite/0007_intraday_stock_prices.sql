-- One row a poll and issue that has a price. The large table: the natural key is its only index.
CREATE TABLE IF NOT EXISTS intraday_stock_prices (
    universe TEXT NOT NULL,
    trade_date TEXT NOT NULL,
    poll_time TEXT NOT NULL,
    symbol TEXT NOT NULL,
    ltp REAL,
    prev_close REAL,
    change_amt REAL,
    change_pct REAL,
    volume INTEGER,
    status TEXT NOT NULL,
    day_open REAL,
    day_high REAL,
    day_low REAL,
    data_timestamp TEXT,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (universe, trade_date, poll_time, symbol)
) STRICT, WITHOUT ROWID;
